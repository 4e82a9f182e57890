"""Each act of a person leaves its line in the audit trail, and what a person types is never more than a text."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from handrail.plugin_core.errors import UsageError
from handrail.plugin_core.store import book

from tests.sync.stage import EVEN, LEANING, Stage

REASON = "zebrafinch"


def lines(stage: Stage) -> list[tuple[str, str, str]]:
    """The audit trail: who, what, and the rest as one text."""

    def ask(engine: Any) -> list[tuple[str, str, str]]:
        with engine.store.reading(engine.source) as tx:
            return [(one.actor, one.action, f"{one.subject} {one.detail}") for one in book.trail(tx)]

    found: list[tuple[str, str, str]] = stage.ask(ask)
    return found


def fill(stage: Stage) -> None:
    """Two people, one with a prompt."""
    stage.course("c1", [EVEN, EVEN, EVEN, LEANING, LEANING])
    stage.course("c2", [EVEN, EVEN])
    stage.sync()


def test_s38_each_act_leaves_its_line_without_the_data(stage: Stage) -> None:
    """Who wants to know afterwards what was done with a chart finds every act, and no reason, note or name in it."""
    fill(stage)
    before = len(lines(stage))

    def act(engine: Any) -> None:
        today = engine.now().date()
        engine.acknowledge(engine.flags()[0].id, "anna", REASON)
        engine.hold("c1", today + timedelta(days=9), REASON, "anna")
        engine.rights.remark("c1-3", REASON, "anna")
        note = engine.notes.add("c1", REASON, "anna")
        engine.notes.take_back(note.client, note.key, "anna")
        engine.mending.discharge("c1", today, "ben")
        engine.mending.resume("c1", "ben")
        engine.mending.merge("c2", "c1", REASON, "ben")
        engine.mending.unmerge("Patient/c2", "ben")
        engine.mending.reassign("c2-1", "c1", REASON, "ben")
        engine.mending.take_back("c2-1", "ben")
        engine.rights.erase("c2", "carla")
        engine.rights.readmit("Patient/c2", "carla")

    stage.ask(act)
    new = lines(stage)[before:]
    assert [line[:2] for line in new if line[0] != "handrail"] == [
        ("anna", "flag-acknowledged"),
        ("anna", "client-held"),
        ("anna", "remark-added"),
        ("anna", "note-added"),
        ("anna", "note-taken-back"),
        ("ben", "client-discharged"),
        ("ben", "client-resumed"),
        ("ben", "clients-merged"),
        ("ben", "clients-unmerged"),
        ("ben", "form-reassigned"),
        ("ben", "form-reassigned"),
        ("carla", "client-erased"),
        ("carla", "client-readmitted"),
    ]
    assert not [line for line in new if REASON in line[2] or "Invented" in line[2]]


HOSTILE = ("%", "_" * 32, "%%", "' OR '1'='1", "c1' --", "'; DROP TABLE responses; --", "\\", "%s", ":p", "$1", "\x00")


@pytest.mark.parametrize("text", HOSTILE)
def test_s32_what_is_typed_is_a_text_and_finds_nobody(stage: Stage, text: str) -> None:
    """A sign that the database reads as "whatever" would show, or move, somebody else's form."""
    fill(stage)
    before = stage.seen()
    for ask in (
        lambda e: e.client(text),
        lambda e: e.flag(text),
        lambda e: e.mending.form(text),
        lambda e: e.mending.reassign(text, "c2", REASON, "anna"),
        lambda e: e.rights.erase(text, "anna"),
    ):
        with pytest.raises(UsageError):
            stage.ask(ask)
    assert stage.seen() == before


def test_s32_what_is_typed_is_kept_as_it_was_typed(stage: Stage) -> None:
    """One quotation mark too many must neither end the command nor change what stands in the store."""
    fill(stage)
    typed = [text for text in HOSTILE if text != "\x00"]

    def write(engine: Any) -> None:
        for text in typed:
            engine.rights.remark("c1-3", text, "anna")
            engine.record(text, "something")

    stage.ask(write)
    assert [one.text for one in stage.ask(lambda e: e.rights.remarks_of(e.client_key("c1")))] == typed
    assert [who for who, what, _ in lines(stage) if what == "something"] == typed
    assert stage.ask(lambda e: e.keeping.check_trail()).problems == ()
