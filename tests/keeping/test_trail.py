"""The audit trail shows when it was touched (S39, S40): each way of touching it is tried with plain SQL."""

from __future__ import annotations

import json
from typing import Any

import pytest
from handrail.plugin_core.errors import UsageError
from handrail.plugin_core.keeping.trail import FILE
from handrail.plugin_core.store.tables import audit
from sqlalchemy import delete, func, insert, select, update

from tests.sync.stage import Stage


def touch(stage: Stage, *statements: Any) -> None:
    """As somebody with the database and without the key would."""

    def work(engine: Any) -> None:
        engine.store.write(lambda tx: [tx.conn.execute(one) for one in statements])

    stage.ask(work)


def problems(stage: Stage, kept: str | None = None) -> list[str]:
    """What the check says."""
    return list(stage.ask(lambda e: e.keeping.check_trail(kept)).problems)


def last(stage: Stage) -> int:
    """The newest entry's number."""
    found: int = stage.ask(lambda e: int(e.keeping.check_trail().link.partition("-")[0]))
    return found


def test_s39_a_trail_that_nobody_touched_is_whole(stage: Stage) -> None:
    """The check must not cry wolf, or nobody will believe it on the day."""
    found = stage.ask(lambda e: e.keeping.check_trail())
    assert found.problems == ()
    assert found.entries >= 5
    assert problems(stage, found.link) == []


def test_s39_an_entry_that_was_edited_is_named(stage: Stage) -> None:
    """An erasure that was really an export."""
    touch(stage, update(audit).where(audit.c.number == 3).values(actor="somebody else"))
    assert problems(stage) == ["Entry 3 is not as it was written, or one before it was put in, taken out or moved."]


def test_s39_an_entry_that_was_taken_out_is_named(stage: Stage) -> None:
    """A look into a neighbour's chart, made undone."""
    touch(stage, delete(audit).where(audit.c.number == 3))
    assert problems(stage) == ["Entry 3 is missing."]


def test_s39_an_entry_that_was_taken_out_and_the_rest_moved_up_is_named(stage: Stage) -> None:
    """The gap is closed again by hand."""
    touch(
        stage,
        delete(audit).where(audit.c.number == 3),
        update(audit).where(audit.c.number > 3).values(number=audit.c.number + 1000),
        update(audit).where(audit.c.number > 1000).values(number=audit.c.number - 1001),
    )
    assert problems(stage)[0].startswith("Entry 3 is not as it was written")


def test_s39_two_swapped_entries_are_named(stage: Stage) -> None:
    """Order matters: first the look, then the excuse."""
    touch(
        stage,
        update(audit).where(audit.c.number == 2).values(number=99_999),
        update(audit).where(audit.c.number == 3).values(number=2),
        update(audit).where(audit.c.number == 99_999).values(number=3),
    )
    assert [one.split()[1] for one in problems(stage)][:2] == ["2", "3"]


def test_s39_an_entry_that_was_put_in_is_named(stage: Stage) -> None:
    """Whoever has no key cannot make a link."""
    number = last(stage) + 1
    row = {"practice": "practice", "at_ms": 1, "actor": "anna", "action": "looked", "number": number, "link": "0" * 64}
    touch(stage, insert(audit).values(**row))
    assert f"Entry {number} is not as it was written" in problems(stage)[0]


def test_s39_an_entry_of_another_course_of_events_is_named(stage: Stage) -> None:
    """The end is cut off, the program goes on from there, and an entry that it once wrote itself is put back in the
    place of a newer one: its link is a true one, but not to the entry before it."""
    end = last(stage)
    with stage.engine() as engine, engine.store.reading() as tx:
        old = tx.conn.execute(select(audit).where(audit.c.number == end)).mappings().one()
    (stage.folder / FILE).unlink(missing_ok=True)
    touch(stage, delete(audit).where(audit.c.number > end - 2))
    for _ in range(3):
        stage.ask(lambda e: e.record("anna", "something"))
    assert problems(stage) == []
    touch(stage, delete(audit).where(audit.c.number == end), insert(audit).values(**old))
    assert [one.split()[1] for one in problems(stage)] == [str(end), str(end + 1)]


def test_s39_a_cut_off_end_is_seen_by_the_copy_outside(stage: Stage) -> None:
    """The chain that is left is whole; only what is kept elsewhere tells."""
    stage.ask(lambda e: e.keeping.remember_trail())
    end = last(stage)
    link = stage.ask(lambda e: e.keeping.check_trail().link)
    touch(stage, delete(audit).where(audit.c.number > end - 2))
    assert problems(stage) == [
        f"The trail ends with entry {end - 2}; the copy beside the settings knows entry {end}. Its end was cut off."
    ]
    (stage.folder / FILE).unlink()
    assert problems(stage) == [], "without any copy nobody can know"
    assert "that you gave" in problems(stage, link)[0]


def test_s39_a_trail_that_was_made_anew_is_seen_by_the_copy_outside(stage: Stage) -> None:
    """Everything taken out, so that the chain begins again: with the practice's own program even."""
    stage.ask(lambda e: e.keeping.remember_trail())
    end = last(stage)
    touch(stage, delete(audit))
    for _ in range(end + 2):
        stage.ask(lambda e: e.record("anna", "something"))
    assert problems(stage) == [f"Entry {end} is another one than the copy beside the settings knows."]


def test_s40_each_sync_renews_the_copy(stage: Stage) -> None:
    """Nobody has to think of it."""
    stage.sync()
    link = json.loads((stage.folder / FILE).read_text())["link"]
    assert link == stage.ask(lambda e: e.keeping.check_trail().link)


def test_entries_from_before_the_chain_are_covered_by_its_first_link(stage: Stage) -> None:
    """A store that is brought up from an older version: its old entries cannot be edited either from then on."""
    touch(stage, update(audit).values(number=None, link=None))
    (stage.folder / FILE).unlink()
    stage.ask(lambda e: e.record("anna", "something"))
    found = stage.ask(lambda e: e.keeping.check_trail())
    assert (found.problems, found.entries) == ((), 1)
    assert found.older >= 5
    oldest = stage.ask(lambda e: _oldest(e))
    touch(stage, update(audit).where(audit.c.id == oldest).values(actor="somebody else"))
    assert len(problems(stage)) == 1


def _oldest(engine: Any) -> int:
    with engine.store.reading() as tx:
        return int(tx.conn.execute(select(func.min(audit.c.id))).scalar_one())


def test_a_link_that_is_none_is_refused(stage: Stage) -> None:
    """A slip of the finger must not look like a touched trail."""
    with pytest.raises(UsageError, match="a number, a dash and 64 characters"):
        problems(stage, "17")


def test_two_writers_at_once_leave_one_chain(stage: Stage) -> None:
    """The desk and a sync write their entries at the same time."""
    from concurrent.futures import ThreadPoolExecutor

    def many(name: str) -> None:
        with stage.engine() as engine:
            for _ in range(15):
                engine.record(name, "something")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(many, ["a", "b", "c", "d"]))
    assert problems(stage) == []
