"""A client is erased everywhere (S21): rows, bytes, the platform's entries; no later pull brings them back."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from handrail.plugin_core.errors import UsageError
from handrail.plugin_core.store import book, record, tables
from sqlalchemy import LargeBinary, select

from tests.peers.servers import Postgres
from tests.sync.stage import EVEN, LEANING, PHQ9, Stage, form, gr18

Make = Callable[..., Stage]
FREE_OF_CLIENTS = {"practices", "keys", "sources", "cursors", "runs", "audit", "authors"}
FREE_OF_CLIENTS |= {"accounts", "invites", "attempts", "hints"}


def fill(stage: Stage) -> None:
    """c1 with everything that a client can have here, c2 beside."""
    stage.course("c1", [EVEN, EVEN, EVEN, LEANING, LEANING])
    stage.course("c2", [EVEN, EVEN, EVEN, LEANING, LEANING])
    stage.put(form("c1-phq", "c1", stage.now - timedelta(days=2), PHQ9, instrument="phq9"))
    stage.sync()
    stage.later(minutes=30)
    stage.put(form("c1-2", "c1", stage.now - timedelta(days=91), gr18(EVEN, G1=4), status="amended"))
    stage.sync()
    stage.ask(lambda e: e.rights.remark("c1-3", "I had a fever that day.", "anna"))
    stage.ask(lambda e: e.notes.add("c1", "Brought a drawing.", "anna"))
    stage.ask(lambda e: e.hold("c1", stage.now.date() + timedelta(days=7), "bereavement", "anna"))
    stage.ask(lambda e: e.acknowledge(next(r.id for r in e.flags(client="c1")), "anna", "talked about it"))


def erase(stage: Stage, client: str = "c1", **more: Any) -> Any:
    """As `handrail erase` does it."""
    return stage.ask(lambda e: e.rights.erase(client, "anna", **more))


def sealed_of(stage: Stage, client: str) -> list[bytes]:
    """Every sealed value in rows of one client, older versions included."""

    def look(engine: Any) -> list[bytes]:
        key = engine.client_key(client)
        found: list[bytes] = []
        with engine.store.reading(engine.source) as tx:
            mine = [one.key for one in record.forms_of(tx, key)]
            for table in tables.metadata.sorted_tables:
                columns = [c for c in table.c if isinstance(c.type, LargeBinary)]
                owners = [c for c in (table.c.get("client"),) if c is not None]
                if table.name == "clients":
                    owners = [table.c.key]
                where = [column == key for column in owners]
                if table.name == "history":
                    where = [table.c.key.in_(mine)]
                for column in columns if where else ():
                    found += [value for value in tx.conn.execute(select(column).where(*where)).scalars() if value]
        return found

    return stage.ask(look)  # type: ignore[no-any-return]


WINDOW = 16
"""Bytes looked for at a time. A long value is cut over several of the file's pages, so that as a whole it is never
found; of its windows only those over a cut are not."""
OVERFLOW = 4092
"""Bytes of a row on each page that it flows over to (SQLite, pages of 4096 bytes)."""


def windows(value: bytes) -> list[bytes]:
    """A value in pieces that are found wherever no cut goes through them."""
    return [value[at : at + WINDOW] for at in range(0, len(value) - WINDOW + 1, WINDOW)]


def found_in(value: bytes, everything: bytes) -> int:
    """How many windows of a value are there."""
    return sum(window in everything for window in windows(value))


def is_there(value: bytes, everything: bytes) -> bool:
    """Whether a value can be read, but for the windows over a cut."""
    cuts = 1 + len(value) // OVERFLOW
    return found_in(value, everything) >= max(1, len(windows(value)) - cuts)


def bytes_of(folder: Path) -> bytes:
    """All bytes of the store's files: database, write-ahead log, shared memory, journal."""
    return b"".join(path.read_bytes() for path in sorted(folder.glob("store.db*")) if path.is_file())


def test_every_table_is_seen_to() -> None:
    """A table that is added later and forgotten here would keep a client for ever."""
    every = {table.name for table in tables.metadata.sorted_tables if not table.info.get("host")}
    assert every - FREE_OF_CLIENTS == record.COVERED


def test_s21_no_row_and_no_byte_is_left(stage: Stage, tmp_path: Path) -> None:
    """Deleted, and still to be read out of the file by whoever finds the disk."""
    fill(stage)
    before = sealed_of(stage, "c1")
    others = sealed_of(stage, "c2")
    assert len(before) > 10
    there = bytes_of(tmp_path)
    assert all(is_there(value, there) for value in before)
    done = erase(stage)
    assert done.done
    assert done.rows["forms"] == 6
    assert done.rows["notes"] == 1
    left = bytes_of(tmp_path)
    assert [value for value in before if found_in(value, left)] == []
    assert all(is_there(value, left) for value in others)
    assert all(row[1] == "c2" for row in stage.seen().responses)
    connection = sqlite3.connect(tmp_path / "store.db")
    for table in sorted(record.COVERED - {"erased", "redirects"}):
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        for column in {"client", "key"} & set(columns):
            rows = connection.execute(f"SELECT count(*) FROM {table} WHERE {column} = ?", (done.client,)).fetchone()
            assert rows == (0,), (table, column)
    connection.close()


def test_what_was_pushed_is_taken_back_first(stage: Stage) -> None:
    """A prompt about a client of whom nobody here knows any more could never be taken back."""
    fill(stage)
    assert stage.active() == ["c1 P1", "c2 P1"]
    done = erase(stage)
    assert done.counts["retracted"] == 1
    assert sorted(str(one["status"]) for one in stage.place().all("Flag")) == ["active", "entered-in-error"]
    assert stage.active() == ["c2 P1"]


def test_nothing_is_deleted_while_the_platform_cannot_be_reached(stage: Stage) -> None:
    """Unless the practice says that it will see to the entries itself."""
    fill(stage)
    stage.write_settings(base="http://127.0.0.1:9/fhir")
    done = erase(stage)
    assert not done.done
    assert done.still_there == 1
    assert "c1" in {row[1] for row in stage.seen().responses}
    left = erase(stage, leave=True)
    assert left.done
    assert left.left_on_platform == 1
    assert "c1" not in {row[1] for row in stage.seen().responses}


@pytest.mark.parametrize("way", ["next", "full", "reconcile", "amended", "set aside"])
def test_no_pull_brings_them_back(stage: Stage, way: str) -> None:
    """The platform still has the forms: the next sync would undo the erasure without a word."""
    fill(stage)
    erase(stage)
    stage.later(days=8 if way == "reconcile" else 0, minutes=30)
    if way in ("amended", "set aside"):
        version = "9" if way == "set aside" else "1"
        stage.put(form("c1-3", "c1", stage.now - timedelta(days=63), gr18(LEANING), status="amended", version=version))
    report = stage.sync(full=way == "full")
    assert {row[1] for row in stage.seen().responses} == {"c2"}
    assert [name for _, name in stage.ask(lambda e: e.clients())] == ["Invented c2"]
    assert stage.ask(lambda e: e.set_aside()) == []
    assert not any("erased here, filled in since" in problem.what for problem in report.problems)


def test_a_form_that_was_set_aside_leaves_quarantine_when_its_client_is_erased(stage: Stage) -> None:
    """Nobody knows whose it is until it is pulled again; then it is not kept."""
    stage.course("c1", [EVEN])
    stage.put(form("odd", "c1", stage.now - timedelta(days=2), version="9"))
    stage.sync()
    assert len(stage.ask(lambda e: e.set_aside())) == 1
    erase(stage)
    stage.later(minutes=30)
    stage.sync(retry_set_aside=True)
    assert stage.ask(lambda e: e.set_aside()) == []


def test_one_who_comes_back_is_noticed_and_can_be_readmitted(stage: Stage) -> None:
    """Answers of somebody in care again, silently thrown away, safety answers among them."""
    fill(stage)
    erase(stage)
    stage.later(days=200)
    stage.put(form("back", "c1", stage.now - timedelta(hours=1), PHQ9, instrument="phq9"))
    report = stage.sync()
    assert any("erased here, filled in since" in problem.what for problem in report.problems)
    assert stage.ask(lambda e: e.rights.readmit("Patient/c1", "anna"))
    stage.sync()
    assert "c1 S" in stage.seen().standing()


def test_merged_and_reassigned_forms_of_an_erased_client_stay_away(stage: Stage) -> None:
    """What was under another name must go, too, and must not return under that name; others keep theirs."""
    stage.course("c3", [EVEN])
    stage.course("c4", [EVEN, EVEN])
    fill(stage)
    stage.ask(lambda e: e.mending.merge("c3", "c1", "same person", "anna"))
    stage.ask(lambda e: e.mending.reassign("c4-1", "c1", "wrong tablet", "anna"))
    stage.ask(lambda e: e.mending.reassign("c1-1", "c2", "wrong tablet", "anna"))
    erase(stage)
    stage.sync(full=True)
    owners = {row[0]: row[1] for row in stage.seen().responses}
    assert set(owners.values()) == {"c2", "c4"}
    assert owners["c1-1"] == "c2"
    assert "c4-1" not in owners
    with pytest.raises(Exception, match="erased here"):
        stage.ask(lambda e: e.mending.take_back("c1-1", "anna"))


def test_evidence_of_others_loses_what_was_the_erased_clients(stage: Stage) -> None:
    """A withdrawn flag of the wrong client holds the right client's answers."""
    fill(stage)
    stage.ask(lambda e: e.mending.reassign("c2-5", "c1", "wrong tablet", "anna"))
    assert any(row.flag.evidence.forms for row in stage.ask(lambda e: e.flags(everything=True, client="c2")))
    erase(stage)
    rows = stage.ask(lambda e: e.flags(everything=True, client="c2"))
    assert all("c2-5" not in [form.id for form in row.flag.evidence.forms] for row in rows)
    assert [row.flag.rule for row in rows] == []


def test_a_flag_of_another_client_that_rested_on_it_is_taken_back_before_it_is_forgotten(stage: Stage) -> None:
    """It was to be retracted by the next sync; erased before that, it would stand in the wrong chart for ever."""
    fill(stage)
    assert any(shown.startswith("c2 ") for shown in stage.active())
    stage.ask(lambda e: e.mending.reassign("c2-5", "c1", "wrong tablet", "anna"))
    assert erase(stage).done
    assert {str(one["status"]) for one in stage.place().all("Flag")} == {"entered-in-error"}


def test_nobody_is_erased_whose_safety_answer_nobody_has_seen(stage: Stage) -> None:
    """The notice would be gone with the client, and nobody would be told again."""
    stage.course("c1", [EVEN])
    stage.put(form("c1-phq", "c1", stage.now, PHQ9, instrument="phq9"))
    stage.sync()
    with pytest.raises(UsageError, match="not been seen by anybody"):
        erase(stage)
    stage.ask(lambda e: e.acknowledge(e.flags()[0].id, "anna"))
    assert erase(stage).done


def test_s38_the_audit_entry_names_nobody(stage: Stage) -> None:
    """It must show that an erasure was made, by whom, how much; not of whom."""
    fill(stage)
    done = erase(stage)

    def trail(engine: Any) -> list[Any]:
        with engine.store.reading(engine.source) as tx:
            return book.trail(tx)

    entry = next(one for one in stage.ask(trail) if one.action == "client-erased")
    assert (entry.actor, entry.subject) == ("anna", done.client)
    assert "6 forms" in entry.detail
    assert "Invented" not in entry.detail


def test_again_is_no_fault(stage: Stage) -> None:
    """A command that was stopped is run again."""
    fill(stage)
    done = erase(stage)
    again = erase(stage, "Patient/c1")
    assert again.again
    assert again.done
    assert erase(stage, done.client[:8]).again


def test_a_reader_in_the_way_is_said(stage: Stage, tmp_path: Path) -> None:
    """A report or backup holds the file: rows are gone, bytes are not, and nobody may think otherwise."""
    fill(stage)
    reader = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM responses").fetchone()
    done = erase(stage)
    assert done.unclean is not None
    assert "open" in done.unclean
    reader.close()
    assert erase(stage, "Patient/c1").done


def test_s21_on_postgresql(tmp_path: Path, postgres: Postgres) -> None:
    """The same on the other database."""
    with Stage(tmp_path, store=postgres.new_database()) as stage:
        fill(stage)
        assert erase(stage).done
        stage.sync(full=True)
        assert {row[1] for row in stage.seen().responses} == {"c2"}
        assert stage.active() == ["c2 P1"]
