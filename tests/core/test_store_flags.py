"""Flags in the store: the same flag is the same to the letter, whichever way it came there."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

from handrail.plugin_core.store import Store, flags
from handrail.plugin_core.store.sealed import SEALED
from handrail.plugin_core.store.tables import metadata
from handrail.schemas.records import Constant, Flag, FormUsed, LineMove, Step
from sqlalchemy import select

from .samples import START, flag


def of_whole_numbers(key: str) -> Flag:
    """A flag whose rule gave a whole number wherever any number may stand, as the rule of safety answers does."""
    plain = flag(key, "client")
    evidence = replace(
        plain.evidence,
        forms=(FormUsed("form", START, "this form", {"item9": 2, "growth": 3, "none": None}),),
        steps=(Step("Item 9", "2 ≥ 1", True), Step("Sum", "1 + 2", 3), Step("Item 8", "", "not answered")),
        constants=(Constant("item 9, at least", 1, "rule", "the form"),),
        moves=(LineMove("item9", "words", 1, 2),),
    )
    return replace(plain, evidence=evidence, score=1)


def written(store: Store, source: int, saved: Flag) -> bytes:
    """What is sealed of a flag once it is saved."""
    sealed = next(one for one in SEALED if one.table is metadata.tables["flags"])
    store.write(lambda tx: flags.save(tx, [(saved, "prompt")]), source)
    with store.reading(source) as tx:
        row: Any = tx.conn.execute(select(sealed.table).where(sealed.table.c.key == saved.key)).one()
        return tx.sealer.open(sealed.place(row), row.sealed)


def test_a_flag_is_stored_to_the_letter_as_one_that_a_copy_found(store: Store, source: int) -> None:
    """Two computers that read the same answers, one with a second processor, would have stores that differ, and a
    comparison of backups would show flags as changed that nobody has touched."""
    found = of_whole_numbers("one")
    here = written(store, source, found)
    assert here == written(store, source, pickle.loads(pickle.dumps(found))), "as it comes from a copy of this process"
    with store.reading(source) as tx:
        read = [one for one, _ in flags.read(tx)]
    assert read == [found]
    assert here == written(store, source, read[0]), "as it is written after a note on it"
    assert b"2.0" in here


def test_a_plugin_s_evidence_of_wrong_types_costs_no_page(store: Store, source: int) -> None:
    """A vendor's safety rule may give a list where a text belongs; the answer that it found must be stored all the
    same, with its whole page."""
    wrong: Any = ["no", "text"]
    found = of_whole_numbers("wrong")
    kept = written(store, source, replace(found, evidence=replace(found.evidence, clears_when=wrong)))
    assert b'"clears_when":["no","text"]' in kept
