"""One worker a practice, and none that writes after its time (F91)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from handrail.plugin_core.errors import Busy
from handrail.plugin_core.fleet import due
from handrail.plugin_core.fleet.lease import Guard, LeaseLost, renew, step_in, take
from handrail.plugin_core.fleet.timing import Ended
from handrail.plugin_core.store import Store, book
from handrail.plugin_core.sync.lock import exclusive
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from tests.core.samples import MASTER, PRACTICE
from tests.peers.servers import Postgres

from .rows import LEASE, QUARTER, Table

ROOT = Path(__file__).parents[2]


def test_f91_two_workers_do_not_have_a_practice_at_once(table: Table) -> None:
    """Two that pull and push for one practice make two of every prompt."""
    table.add("north")
    assert table.take("north", "first") is not None
    assert table.take("north", "second") is None


def test_f91_a_second_call_for_a_practice_that_was_worked_on_does_nothing(table: Table) -> None:
    """The queue may double every call."""
    table.add("north")
    table.turn("north")
    assert table.take("north") is None


def test_f91_the_fence_only_grows(table: Table) -> None:
    """A number that came twice would let a worker of yesterday write today."""
    table.add("north")
    fences = []
    for _ in range(3):
        lease = table.take("north")
        assert lease is not None
        fences.append(lease.fence)
        table.later(LEASE + 1)
    with table.open() as conn:
        due.pause(conn, "north")
        due.resume(conn, "north", table.now)
    last = table.take("north")
    assert last is not None
    assert fences == sorted(set(fences))
    assert last.fence > fences[-1] + 1  # pausing alone took it from whoever had it


def test_f91_who_slept_through_the_lease_gives_nothing_back_and_renews_nothing(table: Table) -> None:
    """Its word on how the turn ended would overwrite what the one after it has found."""
    table.add("north")
    slept = table.take("north", "first")
    table.later(LEASE + 1)
    second = table.take("north", "second")
    assert slept is not None
    assert second is not None
    assert not table.give_back(slept, Ended.WRONG, problem="x")
    with table.open() as conn:
        assert not renew(conn, slept, LEASE, table.now)
        assert renew(conn, second, LEASE, table.now)
    assert table.of("north").failures == 0


def test_a_lease_that_ran_out_and_that_nobody_took_is_still_good(table: Table) -> None:
    """A short sleep must not cost a page; the fence decides, not the clock."""
    table.add("north")
    lease = table.take("north")
    assert lease is not None
    table.later(LEASE * 10)
    with table.open() as conn:
        Guard(lease, LEASE, clock=lambda _: table.now)(conn)
    assert table.give_back(lease)


@pytest.mark.parametrize("taken_by", ["another worker", "a pause", "an erasure", "a person's command"])
def test_f91_the_guard_stops_who_has_lost_the_practice(table: Table, taken_by: str) -> None:
    """Whatever took it away: the next write finds out before it writes."""
    table.add("north")
    lease = table.take("north")
    assert lease is not None
    guard = Guard(lease, LEASE, clock=lambda _: table.now)
    with table.open() as conn:
        guard(conn)
    table.later(LEASE + 1)
    take_away: dict[str, Callable[[Connection], object]] = {
        "another worker": lambda conn: None,
        "a pause": lambda conn: due.pause(conn, "north"),
        "an erasure": lambda conn: due.remove(conn, "north"),
        "a person's command": lambda conn: step_in(conn, "north"),
    }
    with table.open() as conn:
        take_away[taken_by](conn)
    if taken_by == "another worker":
        table.take("north", "second")
    with table.open() as conn, pytest.raises(LeaseLost, match="north"):
        guard(conn)


def test_the_guard_renews_the_lease_by_the_way(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pull that takes longer than the lease would lose it in the middle of its work."""
    table.add("north")
    lease = table.take("north")
    assert lease is not None
    seen: list[None] = []
    moments = iter([100.0, 100.0 + 9.9, 100.0 + 10.1])
    monkeypatch.setattr("handrail.plugin_core.fleet.lease.time.monotonic", lambda: next(moments))
    guard = Guard(lease, LEASE, lambda: seen.append(None), clock=lambda _: table.now)
    table.later(20_000)
    with table.open() as conn:
        guard(conn)
    assert table.of("north").until_ms == lease.until_ms
    with table.open() as conn:
        guard(conn)
    assert table.of("north").until_ms == table.now + LEASE
    assert len(seen) == 2


def test_a_finished_sync_is_remembered_and_a_failed_one_is_said(table: Table) -> None:
    """The list of practices shows what is wrong until it is right, and since when."""
    table.add("north")
    failed = table.turn("north", Ended.AWAY, problem="Nobody answers.")
    assert (failed.failures, failed.problem, failed.last_ok_ms) == (1, "Nobody answers.", None)
    table.now = failed.next_ms
    well = table.turn("north", done=("sync",))
    assert (well.failures, well.problem, well.last_ok_ms) == (0, None, table.now)


def test_what_fails_beside_a_sync_does_not_put_syncs_off(table: Table) -> None:
    """Somebody asked for everything to be scored anew, and that fails each time: were it tried ever more seldom, with
    the syncs, nobody would read safety answers for a day."""
    table.add("north")
    with table.open() as conn:
        due.want(conn, "north", "rescore", table.now)
    for failures in range(1, 6):
        row = table.turn("north", Ended.BROKEN, done=("sync",), problem="It failed.")
        assert row.next_ms - table.now <= QUARTER
        assert (row.last_ok_ms, row.failures, row.problem) == (table.now, failures, "It failed.")
        assert row.wanted == ("rescore",)
        table.now = row.next_ms


def test_what_is_done_beside_a_sync_does_not_put_the_next_one_off(table: Table) -> None:
    """An act at the desk, pushed a moment before the practice's sync is due: the sync comes all the same."""
    table.add("north")
    table.now = table.turn("north", done=("sync",)).next_ms
    moment = table.turn("north", done=("sync",)).next_ms
    table.now = moment - 10_000
    with table.open() as conn:
        due.want(conn, "north", "push", table.now)
    assert table.turn("north", done=("push",)).next_ms == moment


def test_f96_the_practice_is_told_once_until_it_has_worked_again(table: Table) -> None:
    """A letter at every try would be read by nobody; none after the second breakdown would be missed."""
    table.add("north")
    table.turn("north", Ended.WRONG, problem="x", told=True)
    table.now = table.of("north").next_ms
    again = table.take("north")
    assert again is not None
    assert again.told_ms is not None
    table.give_back(again, Ended.WRONG, problem="x")
    table.now = table.of("north").next_ms
    table.turn("north", done=("sync",))
    table.now = table.of("north").next_ms
    fresh = table.take("north")
    assert fresh is not None
    assert fresh.told_ms is None


# --- on the real thing -------------------------------------------------------------------------------------------

SLEEPER = """
    import sys, time
    from handrail.plugin_core.fleet.lease import Guard, take
    from handrail.plugin_core.fleet.due import call, database_now
    from handrail.plugin_core.store import Store, book
    from tests.core.samples import MASTER, PRACTICE
    with Store(sys.argv[1], PRACTICE, MASTER) as store:
        with store.engine.begin() as conn:
            call(conn, database_now(conn), 1)
            lease = take(conn, PRACTICE, "sleeper", 500, database_now(conn))
        store.guarded_by(Guard(lease, 500))
        store.write(lambda tx: book.record(tx, "sleeper", "before"))
        print("taken", flush=True)
        sys.stdin.readline()
        try:
            store.write(lambda tx: book.record(tx, "sleeper", "after"))
            print("wrote", flush=True)
        except Exception as error:
            print(type(error).__name__, flush=True)
"""


@pytest.mark.peer("postgres")
def test_f91_a_worker_that_was_stopped_for_longer_than_its_lease_cannot_write(postgres: Postgres) -> None:
    """A real process, a real SIGSTOP: a laptop that slept, a machine that was moved. It wakes and finds another's
    fence."""
    url = postgres.new_database()
    with Store(url, PRACTICE, MASTER, create=True) as store:
        table = Table(store.engine, now=0)
        with table.open() as conn:
            due.add(conn, PRACTICE, 900_000, due.database_now(conn))
        command = [sys.executable, "-c", textwrap.dedent(SLEEPER), url]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, bufsize=1
        ) as sleeper:
            assert sleeper.stdin is not None
            assert sleeper.stdout is not None
            assert sleeper.stdout.readline() == "taken\n"
            os.kill(sleeper.pid, signal.SIGSTOP)
            with table.open() as conn:
                table.now = due.database_now(conn) + 1000
            second = table.take(PRACTICE, "second")
            assert second is not None
            store.guarded_by(Guard(second, LEASE))
            store.write(lambda tx: book.record(tx, "second", "mine"))
            os.kill(sleeper.pid, signal.SIGCONT)
            sleeper.stdin.write("\n")
            assert sleeper.stdout.readline() == "LeaseLost\n"
        with store.reading() as tx:
            assert [entry.action for entry in book.trail(tx)] == ["before", "mine"]


@pytest.mark.peer("postgres")
def test_f91_the_next_taker_waits_for_the_end_of_a_write_that_has_begun(postgres: Postgres) -> None:
    """Between the look at the fence and the commit nobody may take the practice, or both would write."""
    with Store(postgres.new_database(), PRACTICE, MASTER, create=True) as store:
        table = Table(store.engine)
        table.add(PRACTICE)
        lease = table.take(PRACTICE, "first")
        assert lease is not None
        table.later(LEASE + 1)
        assert table.call() == [PRACTICE]
        store.guarded_by(Guard(lease, LEASE, clock=lambda _: table.now))

        def work(tx: object) -> None:
            with pytest.raises(OperationalError, match="lock timeout"):
                _impatient(table)

        store.write(work)
        assert table.take(PRACTICE, "second") is not None


def _impatient(table: Table) -> None:
    with table.open() as conn:
        conn.exec_driver_sql("SET LOCAL lock_timeout = '200ms'")
        take(conn, PRACTICE, "second", LEASE, table.now)


@pytest.mark.peer("postgres")
def test_a_person_and_a_worker_keep_clear_of_each_other(postgres: Postgres) -> None:
    """`handrail sync` by hand while a worker has the practice, and the other way round: the second goes away."""
    url = postgres.new_database()
    with Store(url, PRACTICE, MASTER, create=True) as person, Store(url, PRACTICE, MASTER) as worker:
        with person.engine.begin() as conn:
            now = due.database_now(conn)
            due.add(conn, PRACTICE, 900_000, now)
        table = Table(person.engine, now=now)
        lease = table.take(PRACTICE)
        assert lease is not None
        worker.guarded_by(Guard(lease, LEASE))
        with exclusive(worker, "syncing"), pytest.raises(Busy, match="worker"), exclusive(person, "syncing"):
            pass
        table.give_back(lease, Ended.BUSY)
        with exclusive(person, "syncing"), pytest.raises(Busy, match="Another Handrail"), exclusive(worker, "syncing"):
            pass
