"""`handrail worker`: real processes on the real PostgreSQL, killed, stopped, hanging (F91-F100, F103, S50)."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from handrail.plugin_core.errors import StoreError
from handrail.plugin_core.fleet import due, queue
from handrail.plugin_core.fleet.due import VERSION
from handrail.plugin_core.fleet.host import QUEUE_SCHEMA
from handrail.plugin_core.fleet.lease import Lease
from handrail.plugin_core.fleet.turn import Turn
from handrail.plugin_core.fleet.work import Running
from handrail.plugin_core.fleet.worker import Worker
from handrail.plugin_core.threads import NoThread
from sqlalchemy import text

from tests.fewthreads import refused
from tests.peers.servers import Postgres
from tests.sync.stage import EVEN, LEANING, Stage, form

from .houses import House, house
from .works import PATIENCE, Gate, arrive, knobs, now_is_now, open_practice, process, resume, row, until

pytestmark = pytest.mark.peer("postgres")
CANARY = "zebrafinch"


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    """The platforms' door, open again at the end."""
    made = Gate(monkeypatch)
    yield made
    made.open()


@pytest.fixture(scope="module")
def town(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A host with two practices, impatient with workers that are gone."""
    with house(tmp_path_factory.mktemp("town"), postgres.new_database(), "north", "south") as made:
        knobs(made, lease_seconds=5, parallel=2, grace_seconds=10, stuck_seconds=30)
        for practice in ("north", "south"):
            open_practice(made, practice)
            with made.office() as office:
                office.pause(practice)
        yield made


def many(stage: Stage, client: str, forms: int) -> None:
    """So many forms of one client, a day apart, that the platform gets now."""
    arrive(stage, client, [EVEN] * forms, every=1)


def stored(house: House, practice: str) -> int:
    """How many forms a practice has in the store."""
    query = text("SELECT count(*) FROM responses r JOIN sources s ON s.id = r.source WHERE s.practice = :practice")
    with house.sql() as conn:
        return int(conn.execute(query, {"practice": practice}).scalar_one())


def queued(house: House) -> list[dict[str, Any]]:
    """The queue's table as it is."""
    with house.sql() as conn:
        return [dict(one) for one in conn.execute(text(f"SELECT * FROM {QUEUE_SCHEMA}.procrastinate_jobs")).mappings()]


def test_f92_a_worker_that_was_killed_is_replaced_within_a_minute(town: House, gate: Gate) -> None:
    """SIGKILL in the middle of a pull, the job still "doing", its lease still running: another worker goes on from the
    last page, and at the end every form is there once and every prompt on the platform once."""
    stage = town.stages["north"]
    stage.page_size = 10
    stage.write_settings()
    many(stage, "m1", 120)
    arrive(stage, "c1", [EVEN, EVEN, EVEN, LEANING, LEANING])
    before = stored(town, "north")
    with process(town) as first, process(town) as second:
        gate.pause = 0.1
        resume(town, "north")
        until(lambda: stored(town, "north") > before + 15, "some pages")
        owner = row(town, "north").owner or ""
        victim = first if f":{first.pid}:" in owner else second
        victim.kill()
        gate.pause = 0.0
        seconds = until(lambda: row(town, "north").last_ok_ms and row(town, "north").owner is None, "the other worker")
        until(lambda: row(town, "north").owner != owner and stage.active() == ["c1 P1"], "the prompt")
    assert seconds < 60
    assert len(stage.seen().active()) == len(set(stage.seen().active())) == 125
    assert stage.active() == ["c1 P1"]


def test_f91_a_worker_that_slept_finds_its_practice_taken(town: House, gate: Gate) -> None:
    """SIGSTOP for longer than the lease, in the middle of a page: the other one takes over, and the sleeper writes
    nothing when it wakes."""
    stage = town.stages["north"]
    many(stage, "m2", 60)
    with process(town) as first:
        gate.shut()
        asked = gate.asked
        resume(town, "north")
        until(lambda: gate.asked > asked, "the first worker to ask the platform")
        owner = row(town, "north").owner
        first.signal(signal.SIGSTOP)
        with process(town) as second:
            until(lambda: row(town, "north").owner != owner, "the lease to run out")
            gate.open()
            until(lambda: row(town, "north").owner is None, "the second worker")
            assert stored(town, "north") >= 185
            first.signal(signal.SIGCONT)
            until(lambda: "written nothing more" in first.said(), "the sleeper to find out")
            assert second.end()[0] == 0
        assert first.end()[0] == 0
    assert len(stage.seen().active()) == len(set(stage.seen().active()))


def test_f100_sigterm_ends_the_turn_at_the_next_page_and_gives_the_lease_back(town: House, gate: Gate) -> None:
    """Each deployment sends it. The next worker begins at once, and not when a lease has run out."""
    stage = town.stages["south"]
    stage.page_size = 10
    stage.write_settings()
    many(stage, "m3", 200)
    with process(town) as worker:
        gate.pause = 0.2
        resume(town, "south")
        until(lambda: stored(town, "south") >= 20, "two pages")
        status, seconds = worker.end()
        gate.pause = 0.0
    assert status == 0
    assert seconds < 20
    found = row(town, "south")
    assert found.owner is None
    assert found.failures == 0
    assert found.late_ms > 0  # due at once
    assert 20 <= stored(town, "south") < 200
    assert stored(town, "south") % 10 == 0


def test_f100_a_platform_that_does_not_answer_does_not_keep_a_worker_alive(town: House, gate: Gate) -> None:
    """After the grace time the process ends; what it had begun is left to its lease, and is whole."""
    knobs(town, grace_seconds=2)
    with process(town) as worker:
        gate.shut()
        resume(town, "south")
        until(lambda: row(town, "south").owner, "the worker")
        status, seconds = worker.end(60)
    knobs(town, grace_seconds=10)
    assert status == 0
    assert seconds < 20
    gate.open()


def test_s50_f99_the_queue_holds_ids_and_is_empty_when_all_is_done(town: House, gate: Gate) -> None:
    """What lies in the queue lies in the database's backups, in clear: an id and a version. Finished calls that stayed
    would slow each fetch, until a start takes minutes."""
    gone = f"UPDATE {QUEUE_SCHEMA}.procrastinate_workers SET last_heartbeat = now() - interval '1 hour'"
    town.do(gone)  # of workers that were killed here before: their calls are taken out as well
    stage = town.stages["north"]
    now_is_now(stage).person(f"{CANARY}-1", name=f"Ada {CANARY}")
    stage.put(form(f"{CANARY}-form", f"{CANARY}-1", stage.now - timedelta(days=1)))
    with process(town):
        gate.shut()
        resume(town, "north")
        until(lambda: queued(town), "a call")
        seen = [one for one in queued(town) if one["task_name"] != "builtin"]
        gate.open()
        until(lambda: row(town, "north").owner is None and row(town, "north").late_ms == 0, "the turn")
        until(lambda: not queued(town), "an empty queue")
    for call in seen:
        assert set(call["args"]) == {"practice", "v"}
        assert call["args"]["v"] == VERSION
        assert (call["lock"], call["queueing_lock"]) == (None, None)
    assert CANARY not in str(seen)
    assert CANARY not in str(everything_in_the_queue(town))


def everything_in_the_queue(house: House) -> list[Any]:
    """Every row of every table of the queue."""
    with house.sql() as conn:
        names = conn.execute(
            text("SELECT tablename FROM pg_tables WHERE schemaname = :s"), {"s": QUEUE_SCHEMA}
        ).scalars()
        return [list(conn.execute(text(f'SELECT * FROM {QUEUE_SCHEMA}."{name}"'))) for name in names.all()]


def test_f98_a_call_of_a_newer_version_is_left_and_further_arguments_are_ignored(town: House) -> None:
    """During a roll-out old workers read the calls of new ones; what they cannot know they must not guess."""
    with process(town):
        resume(town, "north")
        until(lambda: row(town, "north").late_ms == 0, "the turn")
        done = row(town, "north").last_ok_ms
        defer(town, "sync", practice="north", v=VERSION + 1)
        defer(town, "a-kind-of-work-to-come", practice="north", v=VERSION)
        town.do("UPDATE due SET next_ms = 0, queued_ms = 9999999999999 WHERE practice = 'north'")
        until(lambda: not [one for one in queued(town) if one["status"] == "todo"], "the calls to be looked at")
        assert row(town, "north").last_ok_ms == done
        defer(town, "sync", practice="north", v=VERSION, of_a_newer_program=True)
        until(lambda: row(town, "north").last_ok_ms != done, "the turn")


def defer(house: House, kind: str, **arguments: Any) -> None:
    """A call that somebody else put into the queue."""
    from psycopg.types.json import Jsonb

    with house.sql() as conn:
        conn.exec_driver_sql(f"SET LOCAL search_path = {QUEUE_SCHEMA}")
        conn.exec_driver_sql(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, args) VALUES (%s, %s, %s)",
            (queue.QUEUE, kind, Jsonb(arguments)),
        )
        conn.commit()


PLUGIN = """
import time
from handrail.plugin_core import hookimpl

class Waiting:
    @hookimpl
    def prepare_responses(self, responses, context):
        time.sleep(3600)

waiting = Waiting()
"""


def vendor(folder: Path) -> None:
    """A vendor's package as pip installs it, whose plugin does not come back."""
    folder.mkdir()
    (folder / "acme_waiting.py").write_text(PLUGIN, encoding="utf-8")
    info = folder / "acme_waiting-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-waiting\nVersion: 1.2\n", encoding="utf-8")
    (info / "entry_points.txt").write_text("[handrail]\nwaits = acme_waiting:waiting\n", encoding="utf-8")
    (info / "top_level.txt").write_text("acme_waiting\n", encoding="utf-8")


def test_f103_a_plugin_that_hangs_is_named_and_stops_its_own_practice_alone(town: House, tmp_path: Path) -> None:
    """One vendor's loop without end must not take a worker from five thousand practices."""
    vendor(tmp_path / "site")
    knobs(town, stuck_seconds=4)
    south = town.stages["south"]
    before = south.more
    south.more += '\nplugins = ["acme-waiting"]'
    south.page_size = 500
    south.write_settings()
    many(south, "m4", 3)
    path = os.pathsep.join([str(tmp_path / "site"), *filter(None, [os.environ.get("PYTHONPATH")])])
    with process(town, PYTHONPATH=path) as worker:
        resume(town, "south")
        until(lambda: row(town, "south").paused, "the watch")
        problem = row(town, "south").problem
        resume(town, "north")
        until(lambda: row(town, "north").late_ms == 0, "the other practice, by the same worker begun anew")
        assert worker.end()[0] == 0
    knobs(town, stuck_seconds=30)
    south.more = before
    south.write_settings()
    assert problem is not None
    assert "waits (acme-waiting 1.2)" in problem
    assert "handrail practices resume south" in problem
    resume(town, "south")


@pytest.mark.parametrize("hung_first", [True, False])
def test_f100_f103_a_worker_that_is_told_to_stop_does_not_begin_anew(
    town: House, monkeypatch: pytest.MonkeyPatch, hung_first: bool
) -> None:
    """A turn hangs at the moment of a deployment: a process that came back would run the old program beside the new."""
    left: list[str] = []
    monkeypatch.setattr(Worker, "_leave", lambda self: left.append("anew" if self._anew else "ended"))
    worker = Worker(town.host)
    worker.work.running[0] = Running(Lease("north", "me", 1, 0, (), 0, None), Turn(1, 1, worker.stopping), 0)
    for act in (worker._begin_anew, worker.stop) if hung_first else (worker.stop, worker._begin_anew):
        act()
    last = next(thread for thread in threading.enumerate() if thread.name == "last moment")
    worker.work.running.clear()
    last.join(PATIENCE)
    assert left == []
    worker.pool.dispose()


def test_a_worker_for_which_there_is_no_thread_says_so_and_works_on_nothing(
    town: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the thread that renews leases, others would take its practices from it in the middle of their turns."""
    tried = refused(monkeypatch, lambda thread: thread.name == "watch")
    worker = Worker(town.host)
    with pytest.raises(NoThread, match="nothing more at the same time"):
        worker.run()
    assert tried
    worker.stopping.set()


def test_a_worker_stops_without_a_thread_that_would_hurry_it(town: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Told to stop while the system gives no thread, it would go on, and be killed in the middle of a page."""
    refused(monkeypatch, lambda thread: thread.name == "last moment")
    worker = Worker(town.host)
    monkeypatch.setattr(Worker, "_listen", lambda self: _until_cancelled(self))
    asyncio.run(asyncio.wait_for(worker._serve(), PATIENCE))
    assert worker.stopping.is_set()
    worker.pool.dispose()


async def _until_cancelled(worker: Worker) -> None:
    asyncio.get_running_loop().call_soon(worker.stop)
    await asyncio.Event().wait()


@pytest.mark.parametrize(("version", "said"), [("0002", "practices prepare"), ("9999", "newer Handrail")])
def test_f98_nothing_but_prepare_begins_on_tables_of_another_version(town: House, version: str, said: str) -> None:
    """An old worker that is started again in a roll-out would write into tables that it does not know; a list that
    brought the tables to its version would leave workers and desk without rights on them."""
    with town.sql() as conn:
        now = conn.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
    town.do(f"UPDATE alembic_version SET version_num = '{version}'")
    try:
        with pytest.raises(StoreError, match=said):
            Worker(town.host).once()
        with pytest.raises(StoreError, match=said), town.office() as office:
            office.listed()
    finally:
        town.do(f"UPDATE alembic_version SET version_num = '{now}'")


def test_working_off_by_hand_leaves_the_rest_to_running_workers(town: House, gate: Gate) -> None:
    """`worker --once` beside workers, to help them: had it called for all at once, they would stand still for as
    long as a call may wait, beside practices that are due."""
    gate.shut()
    resume(town, "north", "south")
    turns: list[int] = []
    helping = threading.Thread(target=lambda: turns.append(Worker(town.host).once()))
    helping.start()
    until(lambda: row(town, "north").owner or row(town, "south").owner, "the first practice")
    with town.sql() as conn:
        called = [one.practice for one in due.call(conn, due.database_now(conn), 2)]
    gate.open()
    helping.join(PATIENCE)
    assert len(called) == 1
    assert turns[0] >= 2


def test_the_queue_may_vanish(town: House) -> None:
    """Somebody empties it: the practice is called again from the due table, nothing has to be repaired."""
    resume(town, "north")
    with town.sql() as conn:
        assert due.call(conn, due.database_now(conn), 100)
        conn.commit()  # called, and nobody hears it
    town.do(f"UPDATE due SET queued_ms = queued_ms - {due.QUEUED_MS}")
    with process(town):
        until(lambda: row(town, "north").late_ms == 0, "the turn")


def test_soak_workers_killed_in_turn_under_load(town: House, gate: Gate) -> None:
    """The short form of `python -m benchmarks.worker --soak`: two workers, one killed every few seconds while forms
    come in; every form is stored once, every flag is on the platform once."""

    def ended(name: str) -> bool:
        return row(town, name).late_ms == 0 and row(town, name).owner is None

    stages = {name: town.stages[name] for name in ("north", "south")}
    for stage in stages.values():
        stage.page_size = 10
        stage.write_settings()
    gate.pause = 0.02
    workers = [process(town), process(town)]
    running = [worker.__enter__() for worker in workers]
    try:
        for number in range(3):
            for name, stage in stages.items():
                arrive(stage, f"s{number}-{name}", [EVEN, EVEN, EVEN, LEANING, LEANING])
                resume(town, name)
            threading.Event().wait(2.0)
            running[number % 2].kill()
            workers[number % 2] = process(town)
            running[number % 2] = workers[number % 2].__enter__()
        resume(town, *stages)
        for name in stages:
            until(partial(ended, name), f"the end of {name}")
    finally:
        for worker in workers:
            worker.__exit__(None, None, None)
    for name, stage in stages.items():
        seen = stage.seen()
        there = {one["id"] for one in stage.place().all("QuestionnaireResponse")}
        assert set(seen.active()) == there
        assert len(seen.active()) == len(there)
        assert [one for one in stage.active() if one.startswith("s")] == [f"s{n}-{name} P1" for n in range(3)]
        assert seen.standing() == stage.active()
