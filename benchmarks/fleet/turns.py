"""A turn of an invented practice with a worker, computed at once: what it asks, how long it takes, how it ends.

The turn itself (`Turn`: pages, seconds, long waits outside) and the budget of requests are the program's own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from handrail.adapters.budget import Budget
from handrail.plugin_core.errors import Unreachable
from handrail.plugin_core.fleet.buckets import Buckets
from handrail.plugin_core.fleet.timing import Ended
from handrail.plugin_core.fleet.turn import GaveWay, Turn
from handrail.plugin_core.fleet.work import settled
from sqlalchemy import Connection, Engine

from .practices import House

NO_ANSWER = 10.0  # seconds until a platform that is away is given up


@dataclass(frozen=True, slots=True)
class Costs:
    """What a worker computes, in seconds of one processor: for each turn, and for each form."""

    turn: float
    form: float


@dataclass(slots=True)
class Done:
    """A turn, computed: `seconds` waiting for the platform, `cpu` computing, `ages` (ms) of what it saw."""

    ended: Ended
    seconds: float
    cpu: float
    calls: int
    oldest: int | None
    ages: list[int]
    wait_ms: int | None


class _Standing(threading.Event):
    """Stands for "the worker is to end": never; who waits on it lets simulated time pass."""

    def __init__(self, passing: Callable[[float], None]) -> None:
        super().__init__()
        self._passing = passing

    def wait(self, timeout: float | None = None) -> bool:
        self._passing(timeout or 0.0)
        return False


class Simulated:
    """One turn, from `begun` (ms since 1970) on."""

    def __init__(self, house: House, begun: int, pool: Engine, costs: Costs, pages: int, seconds: float) -> None:
        self.house = house
        self.begun = begun
        self.costs = costs
        self.passed = 0.0
        self.cpu = costs.turn
        self.calls = 0
        self.ages: list[int] = []
        self.turn = Turn(pages, seconds, _Standing(self._pass), clock=lambda: self.passed + self.cpu)
        self.budget = self._budget(pool) if house.platform.limits else None

    def _pass(self, seconds: float) -> None:
        self.passed += seconds

    def now(self) -> int:
        """The simulated moment, ms."""
        return self.begun + int((self.passed + self.cpu) * 1000)

    def _budget(self, pool: Engine) -> Budget:
        platform = self.house.platform

        def clock(_: Connection) -> int:
            return self.now()

        name = platform.name if platform.shared else f"{platform.name} {self.house.id}"
        tally = Buckets(pool, now=lambda: self.now() / 1000, clock=clock)
        return Budget(name, platform.limits, lambda: self.now() / 1000, self.turn.sleep, platform.name, tally=tally)

    def run(self) -> Done:
        """Computes it; what was read counts from then on."""
        oldest = self._oldest()
        try:
            ended = self._sync()
        except GaveWay:
            ended = Ended.AWAY
        except Unreachable:
            ended = Ended.AWAY
        ended = settled(self.turn, ended)
        wait = self.turn.wait_seconds
        return Done(
            ended, self.passed, self.cpu, self.calls, oldest, self.ages, None if wait is None else int(wait * 1000)
        )

    def _oldest(self) -> int | None:
        house = self.house
        waits = house.seen < len(house.forms) and house.forms[house.seen] <= self.begun
        return int(self.begun - house.forms[house.seen]) if waits else None

    def _sync(self) -> Ended:
        house = self.house
        if any(start <= self.begun < end for start, end in house.away):
            self.passed += NO_ANSWER
            raise Unreachable("the platform does not answer")
        self._ask(house.platform.look)
        if house.locked:
            return Ended.WRONG
        first = True
        while self._left():
            if not first:
                self._ask(1)
            first = False
            self._page()
            self.turn.progress("pulling", 1, None)
        return Ended.DONE

    def _left(self) -> bool:
        house = self.house
        new = house.seen < len(house.forms) and house.forms[house.seen] <= self.begun
        return new or house.stored_old < house.old

    def _page(self) -> None:
        """Reads a page and stores it: the newest forms of a first pull come last, as platforms list them."""
        house = self.house
        old = min(house.platform.page, house.old - house.stored_old)
        visible = int(np.searchsorted(house.forms, self.begun, side="right"))
        new = min(house.platform.page - old, visible - house.seen)
        self._ask((old + new) * house.platform.form)
        self.cpu += (old + new) * self.costs.form
        house.stored_old += old
        self.ages += [int(self.now() - at) for at in house.forms[house.seen : house.seen + new]]
        house.seen += new

    def _ask(self, number: int) -> None:
        for _ in range(number):
            if self.budget is not None:
                self.budget.take()
            self.calls += 1
            self.passed += self.house.platform.seconds
