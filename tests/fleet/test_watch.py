"""The thread that watches a worker's turns: whatever happens to it is seen, and it goes on (F103)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from handrail.plugin_core.errors import StoreError
from handrail.plugin_core.fleet import watch
from handrail.plugin_core.fleet.lease import Lease
from handrail.plugin_core.fleet.turn import Turn
from handrail.plugin_core.fleet.watch import Watch
from handrail.plugin_core.fleet.work import Running
from sqlalchemy.exc import OperationalError

from .rows import Table
from .works import until

CANARY = "Invented Client"


@dataclass
class Worker:
    """What the watch sees of a worker: its turns, and the leases that it is asked to keep."""

    pool: Any = None
    faults: dict[str, Exception] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)
    running: dict[int, Running] = field(default_factory=dict)
    lease_ms: int = 0
    stuck_seconds: int = 300

    @property
    def host(self) -> Any:
        """Its settings."""
        return SimpleNamespace(worker=self)

    def begins(self, lease: Lease, thread: int) -> Running:
        """A turn."""
        turn = Turn(1, 1, threading.Event())
        self.running[thread] = Running(lease, turn, thread)
        return self.running[thread]

    def keep(self, running: Running) -> bool:
        """As `Work.keep`."""
        if fault := self.faults.get(running.lease.practice):
            raise fault
        self.kept.append(running.lease.practice)
        return True


def lease_of(practice: str) -> Lease:
    """Any."""
    return Lease(practice, "me", 1, 0, ("sync",), 0, None)


@contextmanager
def watching(worker: Worker, hung: list[str]) -> Iterator[Watch]:
    """The thread itself."""
    ended = threading.Event()
    made = Watch(worker, lambda: hung.append("hung"), ended)  # type: ignore[arg-type]
    made.start()
    try:
        yield made
    finally:
        ended.set()
        made.join()


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "LOOK_EVERY", 0.01)


FAULTS = [
    StoreError("The database is away."),
    OperationalError(CANARY, {}, Exception(CANARY)),
    OSError(24, CANARY),
    ZeroDivisionError(CANARY),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: type(fault).__name__)
def test_f103_a_watch_that_fails_for_one_turn_is_seen_and_goes_on(
    fault: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """Without a word, long turns would lose their leases one after another, and a plugin that hangs would keep its
    worker for ever. What the fault says may hold data and is not repeated (S24)."""
    worker = Worker(faults={"north": fault})
    worker.begins(lease_of("north"), 1)
    worker.begins(lease_of("south"), 2)
    with watching(worker, []) as thread:
        until(lambda: len(worker.kept) > 2, "the other turn's lease, again and again")
        worker.faults.clear()
        until(lambda: "north" in worker.kept, "this turn's, once the fault is over")
        assert thread.is_alive()
    assert caplog.records
    assert CANARY not in caplog.text
    assert isinstance(fault, StoreError) or "north" in caplog.text


def test_f103_who_hangs_is_stopped_though_nobody_can_say_who(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another package's broken metadata: the practice is paused all the same, and the worker begins anew."""

    def broken() -> Any:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(watch, "packages_distributions", broken)
    table.add("north")
    lease = table.take("north")
    assert lease is not None
    worker = Worker(pool=table.engine.execution_options(handrail_write=True), stuck_seconds=0)
    worker.begins(lease, threading.get_ident())
    hung: list[str] = []
    with watching(worker, hung):
        until(lambda: hung, "the worker to be told")
        until(lambda: not worker.running, "the turn to be let go of")
    assert table.of("north").paused
    assert "resume north" in (table.of("north").problem or "")
