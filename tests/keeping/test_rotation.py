"""New keys without stopping (S17, S18): nothing is lost, nothing stays under the old key, any stop is a safe stop."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from handrail.plugin_core.collecting.send import SendOptions
from handrail.plugin_core.errors import KeyProblem
from handrail.plugin_core.keeping.rotation import NEW
from handrail.plugin_core.settings import load
from handrail.plugin_core.store import Store, accounts, asks, book, keys, seal, sealed, sessions, tables
from handrail.schemas.records import Session
from sqlalchemy import LargeBinary, select

from tests.sync.stage import Stage, form

from .child import killed_at

# What an author of self-checks sealed with a key of their own, and the practice's keys themselves.
NOT_OURS = {("authors", "sealed"), ("selfchecks", "sealed"), ("keys", "wrapped")}


def heads(stage: Stage) -> dict[str, set[bytes]]:
    """With which keys the values of each sealed column begin: `table.column` -> heads."""

    def look(engine: Any) -> dict[str, set[bytes]]:
        found: dict[str, set[bytes]] = {}
        with engine.store.reading() as tx:
            for what in sealed.SEALED:
                column = what.table.c[what.column]
                values = tx.conn.execute(select(column).where(column.is_not(None))).scalars()
                found[str(column)] = {bytes(value)[:3] for value in values}
        return found

    return stage.ask(look)  # type: ignore[no-any-return]


def test_every_sealed_column_is_known_to_the_rotation() -> None:
    """A column forgotten here would stay under a key that the practice believes is gone."""
    every = {
        (table.name, column.name)
        for table in tables.metadata.sorted_tables
        for column in table.c
        if isinstance(column.type, LargeBinary)
    }
    assert every - NOT_OURS == {(one.table.name, one.column) for one in sealed.SEALED}


def test_s17_every_value_is_sealed_anew_and_reads_as_before(stage: Stage) -> None:
    """After a key is feared lost, everything must lie under a new one, and nothing may be missing."""
    before = stage.seen()
    done = stage.ask(lambda e: e.keeping.rotate("anna"))
    assert done.key == 2
    assert done.resealed > 20
    new = seal.head_of(2)
    assert {head for found in heads(stage).values() for head in found} == {new}
    assert stage.seen().differs(before) == {}
    stage.put(form("after", "c2", stage.now))
    assert stage.sync().counts["new"] == 1, "the keyed hashes by which rows are found stayed"
    assert not stage.sync().counts.get("new")


def fill_the_rest(stage: Stage) -> None:
    """Rows in the tables that a sync and the first acts of people do not fill, by the modules that own them."""
    own = f"file:{stage.folder / 'anna'}.key"

    def work(engine: Any) -> None:
        engine.collecting.send(SendOptions(by_hand=stage.folder / "sheets"))
        engine.mending.reassign("c2-2", "c1", "wrong tablet", "anna")
        engine.selfchecks.begin("anna", own)
        told = {"T1": 2, "T2": 1, "T3": 4, "T4": 0, "T5": 3, "T6": 2, "T7": 1, "T8": 0}
        check = engine.selfchecks.fill("anna", "c1", told, key=own)
        engine.selfchecks.share("anna", check.id, key=own)
        client = engine.client_key("c1")

        def write(tx: Any) -> None:
            (ask,) = tx.conn.execute(select(tables.asks.c.key)).scalars()
            asks.keep_remote(tx, ask, asks.Remote("Task/1"))
            sessions.save(tx, {client: [Session("Patient/c1", date(2026, 3, 2), "Practitioner/1")]})
            accounts.save(tx, accounts.Account("a" * 32, "anna", "Anna", frozenset({"clinician"})))
            accounts.begin(tx, accounts.Login("b" * 32, "account", "a" * 32, 1, 1, 2, more={"typed": "half a note"}))
            accounts.invite(tx, accounts.Invite("c" * 32, "account", None, 2, None, {"name": "Ben"}))

        engine.store.write(write, engine.source)

    stage.ask(work)


def test_s17_every_table_opens_at_its_listed_place_and_is_sealed_anew(stage: Stage) -> None:
    """Each module makes the places of its own table; a place that differs here would lose that table in a rotation."""
    fill_the_rest(stage)

    def opened(engine: Any) -> dict[str, int]:
        found = {}
        with engine.store.reading(engine.source) as tx:
            for what in sealed.SEALED:
                column = what.table.c[what.column]
                rows = tx.conn.execute(select(what.table).where(column.is_not(None))).all()
                for row in rows:
                    tx.sealer.open(what.place(row), getattr(row, what.column))
                found[str(column)] = len(rows)
        return found

    before = stage.ask(opened)
    assert [name for name, number in before.items() if not number] == []
    stage.ask(lambda e: e.keeping.rotate("anna"))
    assert stage.ask(opened) == before
    assert {head for found in heads(stage).values() for head in found} == {seal.head_of(2)}


@pytest.mark.parametrize(("point", "hit"), [("rotate-key-made", 1), ("rotate-batch", 1), ("rotate-batch", 9)])
def test_s17_killed_in_the_middle_the_same_command_goes_on(stage: Stage, point: str, hit: int) -> None:
    """A laptop is closed in the middle: all must still read, and the next call must finish, not begin again."""
    before = stage.seen()
    assert killed_at(stage.file, stage.now, "rotate", stage.folder / "unused", point, hit)
    assert stage.seen().differs(before) == {}
    assert stage.ask(lambda e: e.keeping.rotate("anna")).key == 2
    assert {head for found in heads(stage).values() for head in found} == {seal.head_of(2)}
    assert stage.seen().differs(before) == {}
    assert stage.ask(lambda e: e.keeping.rotate("anna")).key == 3, "a finished one is followed by a new key"


def test_s17_a_process_that_was_open_before_reads_what_was_sealed_since(stage: Stage) -> None:
    """The desk runs for weeks; it must not fall over because somebody changed the key beside it."""
    with stage.engine() as open_before:
        expected = len(open_before.flags())
        stage.ask(lambda e: e.keeping.rotate("anna"))
        assert len(open_before.flags()) == expected
        open_before.hold("c2", stage.now.date(), "away", "anna")
    assert stage.seen().clients


@pytest.mark.parametrize("point", ["master-new-kept", "master-wrapped", "master-in-place"])
def test_s17_the_master_key_changes_and_any_stop_is_safe(stage: Stage, point: str) -> None:
    """Between two keys there is a moment at which neither the old nor the new one alone is right."""
    before = stage.seen()
    reference = load(stage.file).key_reference
    old = keys.read(reference).reveal()
    assert killed_at(stage.file, stage.now, "master", stage.folder / "unused", point)
    assert stage.seen().differs(before) == {}
    if point == "master-new-kept":  # nothing was wrapped with the new one yet
        assert keys.read(reference).reveal() == old
        stage.ask(lambda e: e.keeping.rotate_master("anna"))
    assert keys.read(reference).reveal() != old
    assert not keys.exists(reference + NEW)
    assert stage.seen().differs(before) == {}


def test_s18_the_old_master_key_opens_nothing_any_more(stage: Stage) -> None:
    """Whoever has a copy of the old key must not be able to open the store with it."""
    settings = load(stage.file)
    old = keys.master(settings.key_reference)
    stage.ask(lambda e: e.keeping.rotate_master("anna"))
    with pytest.raises(KeyProblem, match="another one"):
        Store(settings.store_url, settings.practice, old)


def test_the_trail_says_who_changed_the_keys(stage: Stage) -> None:
    """S38: a change of keys is an act of a person."""
    stage.ask(lambda e: e.keeping.rotate("anna"))
    stage.ask(lambda e: e.keeping.rotate_master("ben"))

    def trail(engine: Any) -> list[tuple[str, str]]:
        with engine.store.reading() as tx:
            return [(one.actor, one.action) for one in book.trail(tx)][-2:]

    assert stage.ask(trail) == [("anna", "key-rotated"), ("ben", "master-key-rotated")]
