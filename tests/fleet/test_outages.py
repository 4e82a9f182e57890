"""The database goes away, or lets a worker in no more: what it says, and that it goes on by itself (F75, F76)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from handrail.plugin_core.errors import StoreError
from handrail.plugin_core.fleet import due, queue, worker
from handrail.plugin_core.fleet.worker import Worker, connected
from procrastinate.exceptions import ConnectorException
from procrastinate.manager import JobManager
from sqlalchemy import Connection

from tests.peers.servers import Postgres
from tests.sync.stage import form

from .houses import NORTH, House, house
from .works import Gate, knobs, now_is_now, open_practice, process, resume, row, until

pytestmark = pytest.mark.peer("postgres")


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """A PostgreSQL of these tests' own, which they may restart."""
    with Postgres() as made:
        yield made


@pytest.fixture(scope="module")
def town(server: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A host with a practice."""
    with house(tmp_path_factory.mktemp("town"), server.new_database(), NORTH) as made:
        knobs(made, lease_seconds=5)
        open_practice(made, NORTH)
        yield made


def let_in(town: House, *, let: bool) -> None:
    """As when an administrator changes the role's password, or it expires: who is in is put out as well."""
    role = town.host.roles.worker
    town.do(
        f"ALTER ROLE {role} {'LOGIN' if let else 'NOLOGIN'}",
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'",
    )


def test_f75_a_worker_lives_through_a_restart_of_the_server_and_a_role_that_was_locked_out(
    server: Postgres, town: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the middle of a turn, each. Nobody has to start anything again, and the turn's form is there in the end."""
    gate = Gate(monkeypatch)
    with process(town) as running:

        def restarted() -> None:
            server.restart()
            gate.open()

        def locked_out() -> None:
            let_in(town, let=False)
            gate.open()
            until(lambda: "does not let Handrail in" in running.said(), "a plain sentence")
            let_in(town, let=True)

        live_through(town, gate, "restarted", restarted)
        live_through(town, gate, "locked-out", locked_out)
        assert running.end()[0] == 0


def live_through(town: House, gate: Gate, name: str, outage: Callable[[], None]) -> None:
    """A form is being read when it happens, and is there in the end."""
    stage = now_is_now(town.stages[NORTH])
    stage.person(name)
    stage.put(form(name, name, stage.now - timedelta(days=1)))
    until(lambda: row(town, NORTH).owner is None, "the turn before")
    gate.shut()
    asked = gate.asked
    resume(town, NORTH)
    until(lambda: gate.asked > asked, "the turn to be under way")
    outage()

    def there() -> bool:
        town.do("UPDATE due SET next_ms = 0")  # a turn that failed would wait for some minutes
        return name in stage.seen().active()

    until(there, "the form")


def test_a_role_that_may_not_sign_in_is_said_and_nothing_is_to_be_run_again_later(town: House) -> None:
    """ "Cannot be reached, run it again later" would leave an operator waiting for what only he can mend."""
    let_in(town, let=False)
    try:
        with pytest.raises(StoreError, match="does not let Handrail in"), connected(town.host):
            pytest.fail("got in")
    finally:
        let_in(town, let=True)
    with connected(town.host) as conn:
        assert due.of(conn, NORTH, 0) is not None


def test_f76_a_worker_outlives_a_queue_that_gave_up(town: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The queue's library waits for half a minute and then gives up. A worker that ended with it would be started
    again some times, and then no more."""
    opened: list[str] = []

    class Queue:
        @asynccontextmanager
        async def open_async(self) -> AsyncIterator[None]:
            opened.append("opened")
            if len(opened) < 3:
                raise ConnectorException("away")
            yield

        async def run_worker_async(self, **_: Any) -> None:
            if len(opened) == 3:
                raise ConnectorException("away again")
            await asyncio.Event().wait()

    monkeypatch.setattr(worker, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(queue, "for_worker", lambda *_: Queue())
    made = Worker(town.host)

    async def play() -> None:
        listening = asyncio.create_task(made._listen())
        while len(opened) < 4:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        listening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await listening

    asyncio.run(asyncio.wait_for(play(), 60))
    made.pool.dispose()
    assert len(opened) == 4, "one that works is left alone"


@pytest.mark.parametrize(("ahead", "said"), [(0, False), (-25, False), (300, True), (-300, True)])
def test_f19_a_worker_whose_clock_is_wrong_says_so(
    town: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, ahead: int, said: bool
) -> None:
    """Leases go by the database's clock, so nothing is done twice. Tokens, days and reports go by the computer's."""
    real = due.database_now

    def shifted(conn: Connection) -> int:
        return real(conn) + ahead * 1000

    monkeypatch.setattr(due, "database_now", shifted)
    made = Worker(town.host)
    with caplog.at_level(logging.WARNING):
        made._look_at_the_clock()
    made.pool.dispose()
    assert ("clock of this computer" in caplog.text) is said


def test_f99_a_slow_fetch_is_said_once_an_hour(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A database that was away for half a minute must not hide for ever that the queue has become slow."""
    clock = iter([0.0, 30.0, 100.0, 105.0, 3700.0, 3702.0, 3800.0, 3800.1])
    monkeypatch.setattr(queue, "time", SimpleNamespace(monotonic=lambda: next(clock)))

    async def fetch(*_: object) -> None:
        return None

    monkeypatch.setattr(JobManager, "fetch_job", fetch)
    watched = queue.Watched(None)  # type: ignore[arg-type]
    with caplog.at_level(logging.WARNING, queue.log.name):
        for _ in range(4):
            asyncio.run(watched.fetch_job(None, 1))
    assert [one.getMessage().split(";")[0] for one in caplog.records if one.name == queue.log.name] == [
        "fetching a call took 30.0 s",
        "fetching a call took 2.0 s",
    ]
