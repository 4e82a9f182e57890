"""One count of requests for all who share a platform's limit, whichever worker sends them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

import pytest
from handrail.adapters.budget import LONGEST_WAIT, Budget, Limit, Spent
from handrail.plugin_core.fleet.buckets import STALE_MS, Buckets, tidy
from handrail.plugin_core.store import database
from handrail.plugin_core.store.tables import buckets
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, select

from tests.peers.servers import Postgres

HOUR = Limit(500, 3600.0, aligned=True, keep=20)
START = datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp()


class Clock:
    """A clock that waiting moves on, but for waits that end a turn; `ahead`: how far the database's is before it."""

    def __init__(self, ahead: float = 0.0) -> None:
        self.now = START
        self.ahead = ahead

    def local(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        if seconds <= LONGEST_WAIT:
            self.now += seconds

    def of_the_database(self, _conn: object) -> int:
        return int((self.now + self.ahead) * 1000)


@pytest.fixture
def pool(_host_store: Engine) -> Iterator[Engine]:
    """A store whose counts are empty."""
    yield _host_store
    with _host_store.connect().execution_options(handrail_write=True) as conn, conn.begin():
        conn.execute(delete(buckets))


def budget(pool: Engine, clock: Clock, name: str, *limits: Limit) -> Budget:
    """A worker's count."""
    tally = Buckets(pool, clock.local, clock.of_the_database)
    return Budget(name, limits, clock.local, clock.sleep, "platform.example", tally=tally)


def test_two_workers_count_together(pool: Engine) -> None:
    """Each for itself, they would send twice what the platform allows, and all would be locked out."""
    clock = Clock()
    one, other = (budget(pool, clock, "drchrono|app", Limit(3, 60.0)) for _ in range(2))
    one.take()
    other.take()
    one.take()
    assert one.left() == other.left() == 0
    other.take()
    assert clock.now >= START + 60


def test_another_application_has_a_limit_of_its_own(pool: Engine) -> None:
    """Practices that do not share a key must not wait for each other."""
    clock = Clock()
    budget(pool, clock, "intakeq|a", Limit(1, 60.0)).take()
    budget(pool, clock, "intakeq|b", Limit(1, 60.0)).take()
    assert clock.now == START


def test_what_is_used_up_is_said_and_costs_nobody_a_place(pool: Engine) -> None:
    """A day's limit: the run ends, and goes on when the platform counts anew."""
    clock = Clock()
    counted = budget(pool, clock, "intakeq|day", Limit(2, 86_400.0))
    counted.take()
    counted.take()
    with pytest.raises(Spent, match=r"platform\.example"):
        counted.take()


def test_f30_not_before_holds_for_all_who_share_the_limit(pool: Engine) -> None:
    """The platform refuses the application: the next practice's request would be refused too, and count against it."""
    clock = Clock()
    one, other = (budget(pool, clock, "drchrono|app", HOUR) for _ in range(2))
    one.hush(60)
    other.take()
    assert clock.now == START + 60
    one.hush(600)
    with pytest.raises(Spent):
        other.take()


def test_workers_whose_clocks_differ_agree(pool: Engine) -> None:
    """Half an hour wrong must not free the places that another has just used."""
    right, slow = Clock(), Clock(ahead=1800)
    slow.now = START - 1800
    first = budget(pool, right, "drchrono|app", Limit(2, 60.0))
    second = budget(pool, slow, "drchrono|app", Limit(2, 60.0))
    first.take()
    second.take()
    assert first.left() == second.left() == 0


def test_s9_the_platforms_key_is_not_in_the_table(pool: Engine) -> None:
    """The name of a limit holds the key that it belongs to."""
    budget(pool, Clock(), "intakeq|https://x|secret-key", HOUR).take()
    with pool.connect() as conn:
        rows = list(conn.execute(select(buckets)))
    assert len(rows) == 1
    assert "secret-key" not in str(rows)
    assert len(json.loads(rows[0].used)) == 1


def test_counts_that_nobody_uses_any_more_are_taken_out(pool: Engine) -> None:
    """Of a practice that was erased, of a key that was changed: nobody knows whose they were, and they would stay for
    ever. What still counts against a limit, or a platform's "not before", stays."""
    clock = Clock()
    day = Limit(5, 86_400.0)
    gone, refused, used = (budget(pool, clock, name, day) for name in ("gone", "refused", "used"))
    gone.take()
    refused.take()
    refused.hush(9 * 86_400)
    clock.now += 1.5 * 86_400
    used.take()
    assert left_after_tidying(pool, clock) == 3
    clock.now += 0.6 * 86_400
    assert left_after_tidying(pool, clock) == 2
    assert (gone.left(), used.left()) == (5, 4)
    clock.now += 9 * 86_400
    assert left_after_tidying(pool, clock) == 0


def left_after_tidying(pool: Engine, clock: Clock) -> int:
    """How many counts are left."""
    with pool.connect().execution_options(handrail_write=True) as conn, conn.begin():
        tidy(conn, clock.of_the_database(None))
        return len(conn.execute(select(buckets)).all())


@pytest.mark.parametrize("platform", ["cliniko", "intakeq", "drchrono"])
def test_no_platform_counts_for_longer_than_counts_are_kept(platform: str) -> None:
    """A count that is taken out too early lets more through than the platform allows."""
    module = import_module(f"handrail.adapters.{platform}.settings")
    longest = max(
        [getattr(module, name) for name in ("MINUTE", "HOUR", "DAY") if hasattr(module, name)]
        + [one.seconds for one in vars(module).values() if isinstance(one, Limit)]
    )
    assert 0 < longest * 1000 < STALE_MS


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["take", "left", "wait"]), st.integers(1, 40)), max_size=30))
def test_counts_as_a_folder_does(tmp_path_factory: pytest.TempPathFactory, acts: list[tuple[str, int]]) -> None:
    """The same requests at the same times give the same waits, kept in a folder or on a host."""
    folder: Path = tmp_path_factory.mktemp("counts")
    engine = database.engine_of(f"sqlite:///{folder / 'host.db'}", create=True)
    with engine.connect().execution_options(handrail_write=True) as conn, conn.begin():
        buckets.create(conn)
    hosts, files = Clock(), Clock()
    limits = (Limit(4, 60.0, keep=1), Limit(6, 300.0, aligned=True))
    here = budget(engine, hosts, "x", *limits)
    there = Budget("x", limits, files.local, files.sleep, "platform.example", folder=folder)
    for act, number in acts:
        outcomes = []
        for counted, clock in ((here, hosts), (there, files)):
            if act == "wait":
                clock.sleep(number)
                outcomes.append(0)
            elif act == "left":
                outcomes.append(counted.left())
            else:
                outcomes.append(_took(counted))
        assert outcomes[0] == outcomes[1]
        assert abs(hosts.now - files.now) < 0.1
    engine.dispose()


def _took(counted: Budget) -> int:
    try:
        counted.take()
    except Spent:
        return 0
    return 1


@pytest.mark.peer("postgres")
def test_at_the_same_moment_nobody_takes_what_another_takes(postgres: Postgres) -> None:
    """Sixteen threads of real workers, one row: a count that is read and written apart loses requests."""
    pool = database.engine_of(postgres.new_database(), kept=16)
    with pool.begin() as conn:
        buckets.create(conn)
    clock = Clock()
    taken: list[int] = []

    def worker() -> None:
        counted = budget(pool, clock, "app", Limit(40, 86_400.0))
        taken.extend(_took(counted) for _ in range(5))

    threads = [threading.Thread(target=worker) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    pool.dispose()
    assert sum(taken) == 40
    assert len(taken) == 80
