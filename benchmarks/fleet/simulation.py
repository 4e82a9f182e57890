"""The simulated host: a clock, a heap of what happens when, workers with a few places each.

Everything between "is due" and "is due again" goes through the program's own statements: `dispatch`, the queue, `take`,
`give_back`. A turn is computed at once when it begins and ends later on the clock; two turns that share a limit and
run at the same moment may therefore be counted in the order of their beginnings.
"""

from __future__ import annotations

import heapq
import itertools
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from handrail.plugin_core.fleet import due, queue
from handrail.plugin_core.fleet.dispatch import AT_MOST_EVERY, EVERY_SECONDS, WAITING_CALLS, dispatch
from handrail.plugin_core.fleet.lease import Lease, give_back, take
from handrail.plugin_core.fleet.timing import Ended
from procrastinate import App
from procrastinate.jobs import Job, Status
from sqlalchemy import Connection, Engine, event

from .practices import House
from .turns import Costs, Done, Simulated


@dataclass(slots=True)
class Process:
    """A worker's process: places for so many practices, one processor that they share."""

    number: int
    places: int
    free_at: int = 0
    lives: int = 0
    running: dict[int | None, tuple[House, int, int]] = field(default_factory=dict)  # a job's house, as it was before


@dataclass(slots=True)
class Record:
    """What happened. Ages in ms; `oldest` of each turn that read a form, and of what is unseen at the end."""

    oldest: list[tuple[str, int]] = field(default_factory=list)
    ages: list[tuple[str, int]] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    ended: Counter[Ended] = field(default_factory=Counter)
    cpu: float = 0.0
    jobs: int = 0
    idle_jobs: int = 0
    statements: int = 0
    database: float = 0.0
    wall: float = 0.0


@dataclass(frozen=True, slots=True)
class Workers:
    """How many, and what each has. `kill_every`: seconds between two kills, in turn; 0: none."""

    number: int = 2
    parallel: int = 2
    pages: int = 50
    seconds: float = 60.0
    lease_seconds: int = 30
    kill_every: int = 0
    back_after: int = 5


class Host:
    """Plays a fleet from `begin` (ms since 1970) for so many minutes; what comes before `counted` is not counted."""

    def __init__(self, pool: Engine, app: App, houses: Mapping[str, House], workers: Workers, costs: Costs) -> None:
        self.pool = pool
        self.app = app
        self.houses = houses
        self.workers = workers
        self.costs = costs
        self.record = Record()
        self.now = 0
        self.counted = 0
        self._happens: list[tuple[int, int, str, Any]] = []
        self._order = itertools.count()
        self._processes = [Process(number, workers.parallel) for number in range(workers.number)]
        self._waiting = 0
        self._next_dispatch: int | None = None
        self._last_dispatch = 0
        self._worker_id = 0
        _measure(pool, self.record)

    def clock(self, _: Connection) -> int:
        """The simulated time, for the program's own statements."""
        return self.now

    def _at(self, when: int, what: str, given: Any = None) -> None:
        heapq.heappush(self._happens, (when, next(self._order), what, given))

    async def run(self, begin: int, minutes: int, counted: int) -> Record:
        """Plays it."""
        wall = time.perf_counter()
        self._worker_id = await self.app.job_manager.register_worker()
        self.counted = counted
        self.now = begin
        self._dispatch_at(begin)
        if self.workers.kill_every:
            self._at(begin + self.workers.kill_every * 1000, "kill", 0)
        over = begin + minutes * 60_000
        while self._happens and self._happens[0][0] <= over:
            self.now, _, what, given = heapq.heappop(self._happens)
            await getattr(self, f"_on_{what}")(given)
        for house in self.houses.values():  # what nobody has seen by the end has waited until now at least
            if house.seen < len(house.forms) and house.forms[house.seen] <= over:
                self.record.oldest.append((house.id, int(over - house.forms[house.seen])))
        self.record.wall = time.perf_counter() - wall
        return self.record

    # --- what happens ----------------------------------------------------------------------------------------------

    async def _on_dispatch(self, _: None) -> None:
        if self._next_dispatch != self.now:
            return  # another was wanted earlier
        self._last_dispatch = self.now
        places = self.workers.number * self.workers.parallel
        self._waiting += len(dispatch(self.pool, queue.defer, places * WAITING_CALLS, self.clock, queue.waiting))
        self._dispatch_at(self.now + int(EVERY_SECONDS * 1000), force=True)
        await self._fill()

    async def _on_end(self, given: tuple[Process, int, Job, Lease, House, Done]) -> None:
        process, life, job, lease, house, done = given
        if process.lives != life:
            return  # it was killed meanwhile; its lease runs out by itself
        del process.running[job.id]
        not_before = None if done.wait_ms is None else self.now + done.wait_ms
        with self.pool.begin() as conn:
            mine = give_back(conn, lease, done.ended, self.now, done=lease.kinds, problem="x", not_before_ms=not_before)
        assert mine, "nobody else may have had it"
        await self._finish(job)
        self._write_down(house, done)
        process.places += 1
        self._dispatch_at(max(self.now, self._last_dispatch + int(AT_MOST_EVERY * 1000)))
        await self._fill()

    async def _on_kill(self, number: int) -> None:
        process = self._processes[number % len(self._processes)]
        process.lives += 1
        process.places = 0
        for house, seen, old in process.running.values():  # as if it had been killed before its first commit
            house.seen, house.stored_old = seen, old
        process.running.clear()
        self._at(self.now + self.workers.back_after * 1000, "back", process)
        self._at(self.now + self.workers.kill_every * 1000, "kill", number + 1)

    async def _on_back(self, process: Process) -> None:
        process.places = self.workers.parallel
        process.free_at = self.now
        await self._fill()

    # --- how ---------------------------------------------------------------------------------------------------------

    def _dispatch_at(self, when: int, *, force: bool = False) -> None:
        if force or self._next_dispatch is None or when < self._next_dispatch:
            self._next_dispatch = when
            self._at(when, "dispatch")

    async def _fill(self) -> None:
        while self._waiting > 0:
            free = max(self._processes, key=lambda one: (one.places, -one.free_at))
            if free.places <= 0:
                return
            job = await self.app.job_manager.fetch_job([queue.QUEUE], self._worker_id)
            if job is None:
                self._waiting = 0
                return
            self._waiting -= 1
            await self._begin(free, job)

    async def _begin(self, process: Process, job: Job) -> None:
        house = self.houses[str(job.task_kwargs["practice"])]
        self.record.jobs += 1
        with self.pool.begin() as conn:
            lease = take(conn, house.id, f"w{process.number}", self.workers.lease_seconds * 1000, self.now)
        if lease is None:
            self.record.idle_jobs += 1
            await self._finish(job)
            return
        process.places -= 1
        process.running[job.id] = (house, house.seen, house.stored_old)
        turn = Simulated(house, self.now, self.pool, self.costs, self.workers.pages, self.workers.seconds)
        done = turn.run()
        # A process computes for one practice at a time; while one waits for its platform, another computes.
        computed = max(process.free_at, self.now + int(done.seconds * 1000)) + int(done.cpu * 1000)
        process.free_at = max(process.free_at, self.now) + int(done.cpu * 1000)
        self._at(computed, "end", (process, process.lives, job, lease, house, done))

    async def _finish(self, job: Job) -> None:
        await self.app.job_manager.finish_job(job, Status.SUCCEEDED, delete_job=True)

    def _write_down(self, house: House, done: Done) -> None:
        if done.ended is Ended.DONE:
            if house.last_done is not None and house.last_done >= self.counted:
                house.gaps.append(self.now - house.last_done)
            house.last_done = self.now
        if self.now < self.counted:
            return
        self.record.ended[done.ended] += 1
        self.record.calls[house.id] += done.calls
        self.record.cpu += done.cpu
        self.record.ages += [(house.id, age) for age in done.ages]
        if done.oldest is not None and done.ages:
            self.record.oldest.append((house.id, done.oldest))


def prepare(conn: Connection, houses: Mapping[str, House], interval_ms: int, now_ms: int) -> None:
    """Puts the fleet into the due table as if it had run for long: each is due at its own moment."""
    for house in houses.values():
        due.add(conn, house.id, interval_ms, now_ms)
        due.spread(conn, house.id, interval_ms, now_ms - interval_ms // 2)


def _measure(pool: Engine, record: Record) -> None:
    """Counts the statements that the program sends, and how long the database takes over them."""

    def before(conn: Connection, *_: object) -> None:
        conn.info["begun"] = time.perf_counter()

    def after(conn: Connection, *_: object) -> None:
        record.statements += 1
        record.database += time.perf_counter() - conn.info["begun"]

    event.listen(pool, "before_cursor_execute", before)
    event.listen(pool, "after_cursor_execute", after)
