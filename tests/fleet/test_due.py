"""Who is due, when, and in which order: the decisions of the scheduler, on simulated time."""

from __future__ import annotations

import threading
from collections import Counter, deque

import pytest
from handrail.plugin_core.cli import worker as worker_command
from handrail.plugin_core.errors import StoreError
from handrail.plugin_core.fleet import due, kinds
from handrail.plugin_core.fleet.dispatch import Dispatcher
from handrail.plugin_core.fleet.timing import MINUTE, Ended, next_ms, next_slot, phase, sync_is_due
from hypothesis import given
from hypothesis import strategies as st
from procrastinate.exceptions import ConnectorException

from .rows import NOON, QUARTER, Table
from .works import PATIENCE, until

IDS = st.from_regex(r"[a-z0-9][a-z0-9-]{0,62}", fullmatch=True)
INTERVALS = st.integers(1, 24 * 60).map(lambda minutes: minutes * MINUTE)
TIMES = st.integers(0, 4_000_000_000_000)


# --- when --------------------------------------------------------------------------------------------------------


@given(IDS, INTERVALS, TIMES)
def test_f94_a_practice_comes_back_at_its_own_moment(practice: str, interval: int, now: int) -> None:
    """A moment that drifts with the length of each sync would gather all practices in one heap within days."""
    slot = next_slot(practice, interval, now)
    assert now < slot <= now + interval
    assert slot % interval == phase(practice, interval)
    assert next_slot(practice, interval, slot) == slot + interval


@given(IDS, INTERVALS, TIMES)
def test_after_a_turn_the_next_is_within_an_interval_and_a_quarter(practice: str, interval: int, now: int) -> None:
    """Later, and answers wait; at once, and a practice that was late is asked twice for nothing."""
    wait = next_ms(Ended.DONE, practice, interval, now) - now
    assert interval // 4 < wait <= interval + interval // 4


@given(IDS, INTERVALS, TIMES, st.sampled_from(Ended), st.integers(1, 50), st.none() | TIMES)
def test_no_wait_is_longer_than_a_day_and_a_bit_unless_the_platform_says_so(
    practice: str, interval: int, now: int, ended: Ended, failures: int, not_before: int | None
) -> None:
    """A practice that waits for longer is forgotten; one that is due in the past is asked in a circle."""
    when = next_ms(ended, practice, interval, now, failures=failures, not_before_ms=not_before)
    assert now <= when <= max(now + 27 * 60 * MINUTE, now + 2 * interval, not_before or 0)
    assert when >= (not_before or 0)


def test_f94_due_times_of_many_practices_are_spread_over_the_interval() -> None:
    """If all fell due at the full hour, each platform and our own database would be hit at once."""
    minutes = Counter(phase(f"practice-{number}", QUARTER) // MINUTE for number in range(3000))
    assert set(minutes) == set(range(15))
    assert max(minutes.values()) < 2 * 3000 / 15


def test_f94_practices_that_failed_at_one_moment_come_back_apart() -> None:
    """A platform that was away for an hour would otherwise be met by all its practices in the same second."""
    back = {next_ms(Ended.AWAY, f"practice-{n}", QUARTER, NOON, failures=4) - NOON for n in range(200)}
    assert len(back) > 150
    assert min(back) >= 30 * MINUTE
    assert max(back) <= 33 * MINUTE


@pytest.mark.parametrize(
    ("ended", "minutes"),
    [
        (Ended.AWAY, [1, 5, 15, 30, 60, 120, 120]),
        (Ended.WRONG, [15, 60, 240, 1440, 1440]),
        (Ended.FAILED, [5, 15, 15, 30, 60, 60]),
        (Ended.BUSY, [1, 1]),
    ],
)
def test_f96_what_a_person_must_mend_is_tried_ever_more_seldom(ended: Ended, minutes: list[int]) -> None:
    """Wrong credentials tried every quarter of an hour lock accounts, and cost the others their places."""
    for failures, expected in enumerate(minutes, 1):
        wait = next_ms(ended, "north", QUARTER, NOON, failures=failures) - NOON
        assert expected * MINUTE <= wait <= expected * MINUTE * 1.1


def test_whether_a_sync_is_due_goes_by_the_practices_own_moment() -> None:
    """Else a push that was asked for would always pull too, and a pull that is due would wait behind a push."""
    slot = next_slot("north", QUARTER, NOON)
    assert sync_is_due("north", QUARTER, slot, None)
    assert sync_is_due("north", QUARTER, slot, slot - 1)
    assert not sync_is_due("north", QUARTER, slot + MINUTE, slot + 1)


# --- who ---------------------------------------------------------------------------------------------------------


def test_who_has_waited_longest_is_called_first(table: Table) -> None:
    """Any other order lets somebody wait for ever on a full host."""
    table.add("late")
    table.later(MINUTE)
    table.add("later")
    table.later(MINUTE)
    table.add("latest")
    assert table.call(2) == ["late", "later"]


def test_those_that_wait_for_one_limit_take_turns(table: Table) -> None:
    """300 practices share an application's requests, which last for 200 an hour: always the same would go empty."""
    table.add("a", "b")
    hour = table.now + 60 * MINUTE
    table.turn("a")
    table.now = hour - 1
    for practice in ("a", "b"):
        lease = table.take(practice)
        assert lease is not None
        table.give_back(lease, Ended.LATER, not_before_ms=hour)
    table.now = hour
    assert table.call() == ["b", "a"]


def test_a_practice_is_called_once(table: Table) -> None:
    """Each further call would cost a worker a look."""
    table.add("north")
    assert table.call() == ["north"]
    assert table.call() == []


def test_nobody_is_called_before_the_time(table: Table) -> None:
    """An API call for nothing."""
    table.add("north")
    row = table.turn("north")
    assert table.call() == []
    table.now = row.next_ms
    assert table.call() == ["north"]


def test_few_calls_wait_so_that_the_order_is_the_due_tables(table: Table) -> None:
    """A queue of thousands would be worked off in the order of yesterday."""
    table.add(*(f"practice-{n}" for n in range(10)))
    assert len(table.call(4)) == 4
    assert table.call(4) == []
    first = table.take("practice-0")
    assert first is not None
    assert len(table.call(4)) == 1


def test_f92_a_call_that_was_lost_is_made_again(table: Table) -> None:
    """The queue may lose what it likes: a practice whose call is gone must not wait for an operator."""
    table.add("north")
    table.call()
    table.later(due.QUEUED_MS - 1)
    assert table.call() == []
    table.later(2)
    assert table.call() == ["north"]


def test_f92_a_worker_that_is_gone_needs_nobody_to_clear_up(table: Table) -> None:
    """Killed with the job running: the practice is due again as soon as the lease has run out, within a minute."""
    table.add("north")
    table.call()
    assert table.take("north") is not None
    table.later(30_000)
    assert table.call() == []
    table.later(1)
    assert table.call() == ["north"]
    assert table.take("north", "second") is not None


def test_f93_a_practice_that_waits_holds_back_nobody(table: Table) -> None:
    """The retry of a failed turn is a time in its own row, not a job that others queue behind."""
    table.add("away", "well")
    table.turn("away", Ended.AWAY, problem="Nobody answers.")
    assert table.call() == ["well"]


def test_f95_who_gave_way_comes_after_all_who_wait(table: Table) -> None:
    """A million forms of one practice: its next turn comes when everybody else has had theirs, and at once if none."""
    table.add("huge")
    lease = table.take("huge")
    assert lease is not None
    table.later(MINUTE)
    table.add("small-1", "small-2")
    table.later(MINUTE)
    table.give_back(lease, Ended.MORE)
    assert table.call() == ["small-1", "small-2", "huge"]


def test_f95_f99_who_fell_due_later_has_a_turn_while_all_workers_are_busy_for_hours(table: Table) -> None:
    """Six practices with years to read fill the only worker, a minute each. Their calls wait so long that they are
    taken for lost and made again: the queue would grow all day, and a small practice's call would lie behind it."""
    huge = [f"huge-{number}" for number in range(6)]
    table.add(*huge)
    queue: deque[str] = deque()
    longest, begun, turn, first = 0, table.now, None, 0
    while not first and table.now < begun + 60 * MINUTE:
        if turn is not None and table.now % MINUTE == begun % MINUTE:
            assert table.give_back(turn, Ended.MORE)
            turn = None
        if table.now == begun + 10 * MINUTE:
            table.add("small")
        queue.extend(table.call(4, in_queue=len(queue)))
        longest = max(longest, len(queue))
        while turn is None and queue:
            turn = table.comes(queue.popleft(), lease=2 * MINUTE)
        first = table.now if turn is not None and turn.practice == "small" else 0
        table.later(MINUTE // 2)
    assert longest <= 4
    assert begun + 10 * MINUTE <= first <= begun + 17 * MINUTE, "after those who waited before it, and no other"


@pytest.mark.parametrize("fault", [StoreError("away"), ConnectorException("away")], ids=["store", "queue"])
def test_f76_a_dispatcher_outlives_a_database_that_was_away(table: Table, fault: Exception) -> None:
    """A restart of the server in the wrong moment: without its dispatcher a worker runs on, and calls for nobody."""
    table.add("north")
    faults, called, stopping = [fault], threading.Event(), threading.Event()

    def defer(*_: object) -> None:
        if faults:
            raise faults.pop()
        called.set()

    dispatcher = Dispatcher(table.engine, defer, 1, stopping)
    dispatcher.start()
    try:
        until(lambda: not faults, "the fault")
        dispatcher.free()
        assert called.wait(PATIENCE)
    finally:
        stopping.set()
        dispatcher.free()
        dispatcher.join()


def test_a_paused_practice_is_left_alone_and_comes_back_at_once(table: Table) -> None:
    """Paused is paused, whatever was waiting; resumed, nobody wants to wait for the next quarter of an hour."""
    table.add("north")
    with table.open() as conn:
        assert due.pause(conn, "north")
        assert not due.pause(conn, "nobody")
    assert table.call() == []
    assert table.take("north") is None
    with table.open() as conn:
        assert due.resume(conn, "north", table.now)
    assert table.call() == ["north"]


def test_f98_an_old_worker_leaves_what_it_does_not_know_to_a_newer_one(table: Table) -> None:
    """Both run side by side during a roll-out; a guess at what a newer program meant would be worse than a wait."""
    from handrail.plugin_core.store.tables import due as rows
    from sqlalchemy import update

    table.add("north")
    with table.open() as conn:
        conn.execute(update(rows).values(version=due.VERSION + 1))
    assert table.call() == []
    assert table.take("north") is None
    assert table.call(version=due.VERSION + 1) == ["north"]


def test_f98_a_new_kind_of_work_is_left_to_workers_that_know_it(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer adds a kind: during the roll-out an old worker that took it would fail at what it does not know, and
    back off to once a day. Its number in the one table is all that has to be given."""
    old = due.VERSION
    table.add("north", "south")
    with monkeypatch.context() as newer:
        newer.setattr(due, "SINCE", {**due.SINCE, "tidy": old + 1})
        newer.setattr(due, "KINDS", (*due.KINDS, "tidy"))
        newer.setattr(due, "VERSION", old + 1)
        with table.open() as conn:
            due.want(conn, "north", "tidy", table.now)
            called = {one.practice: one.version for one in due.call(conn, table.now, 100, version=old + 1)}
    assert called == {"north": old + 1, "south": 1}, "a call that all understand is one that all may take"
    with table.open() as conn:
        due.want(conn, "north", "push", table.now)
    assert table.of("north").wanted == ("push", "tidy"), "an old program's wish does not lose a newer one's"
    table.later(due.QUEUED_MS + 1)
    assert table.call() == ["south"]
    assert table.take("north") is None
    with monkeypatch.context() as newer:
        newer.setattr(due, "SINCE", {**due.SINCE, "tidy": old + 1})
        newer.setattr("handrail.plugin_core.fleet.lease.VERSION", old + 1)
        table.turn("north", done=("tidy", "push"))
    table.now = table.of("north").next_ms
    assert "north" in table.call(), "done, it is everybody's again"


def test_f98_what_a_newer_program_wanted_during_an_old_ones_turn_waits_for_a_newer_worker(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old worker gives the practice back with a wish in it that it cannot read."""
    table.add("north")
    lease = table.take("north")
    assert lease is not None
    with monkeypatch.context() as newer, table.open() as conn:
        newer.setattr(due, "SINCE", {**due.SINCE, "tidy": due.VERSION + 1})
        due.want(conn, "north", "tidy", table.now)
    assert table.give_back(lease, done=lease.kinds)
    assert table.of("north").wanted == ("tidy",)
    assert table.call() == []


def test_each_kind_of_work_is_done_and_can_be_asked_for() -> None:
    """Three places name them; one that is missing in one of them fails for the operator who asks for it."""
    assert tuple(kinds.DO) == due.KINDS == worker_command.KINDS


def test_what_is_wanted_besides_is_done_alone_if_no_sync_is_due(table: Table) -> None:
    """A push after an act at the desk must not cost a pull; a pull that is due must not wait for it."""
    table.add("north")
    row = table.turn("north", done=("sync",))
    with table.open() as conn:
        due.want(conn, "north", "push", table.now)
        due.want(conn, "north", "send", table.now)
    lease = table.take("north")
    assert lease is not None
    assert lease.kinds == ("push", "send")
    table.give_back(lease, Ended.DONE, done=("push",))
    assert table.of("north").wanted == ("send",)
    assert table.of("north").next_ms <= table.now
    table.now = row.next_ms + 1
    late = table.take("north")
    assert late is not None
    assert late.kinds == ("sync", "send")


def test_wanting_something_does_not_shorten_the_wait_after_a_failure(table: Table) -> None:
    """Else a busy desk would try wrong credentials every minute."""
    table.add("north")
    row = table.turn("north", Ended.WRONG, problem="The platform does not accept the sign-in.")
    with table.open() as conn:
        assert due.want(conn, "north", "push", table.now)
    assert table.of("north").next_ms == row.next_ms


def test_what_was_wanted_during_a_turn_is_not_lost(table: Table) -> None:
    """Somebody acknowledges a flag while a sync is under way."""
    table.add("north")
    lease = table.take("north")
    assert lease is not None
    with table.open() as conn:
        due.want(conn, "north", "push", table.now)
    table.give_back(lease, Ended.DONE, done=lease.kinds)
    assert table.of("north").wanted == ("push",)
    assert table.call() == ["north"]


def test_the_state_says_what_an_operator_must_know(table: Table) -> None:
    """The due table is the monitor: who is late, who fails, which worker is gone."""
    table.add("idle", "held", "gone", "paused", "away")
    table.turn("idle")
    table.turn("away", Ended.AWAY, problem="Nobody answers.")
    with table.open() as conn:
        due.pause(conn, "paused")
    table.take("gone")
    table.later(31_000)
    with table.open() as conn:
        found = due.state(conn, table.now)
    assert (found.practices, found.paused, found.failing, found.working, found.abandoned) == (5, 1, 1, 1, 1)
    assert (found.due, found.oldest_ms) == (1, 31_000)


@pytest.mark.peer("postgres")
def test_dispatchers_side_by_side_call_each_practice_once(postgres: object) -> None:
    """Every worker has one; without SKIP LOCKED they would wait for each other or call twice."""
    from handrail.plugin_core.store import database

    engine = database.engine_of(postgres.new_database(), kept=8)  # type: ignore[attr-defined]
    database.upgrade(engine, create=True)
    table = Table(engine)
    names = [f"practice-{n:03}" for n in range(120)]
    table.add(*names)
    called: list[str] = []
    ready = threading.Barrier(4)

    def dispatcher() -> None:
        ready.wait(10)
        while found := table.call(40 + len(called)):
            called.extend(found)

    threads = [threading.Thread(target=dispatcher) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    engine.dispose()
    assert max(Counter(called).values()) == 1
    assert set(called) <= set(names)
    assert len(called) >= 40
