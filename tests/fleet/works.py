"""Workers for the tests of this folder: in this process, or in real ones that can be killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from handrail.adapters.demo import server as demo
from handrail.plugin_core.fleet import due
from handrail.plugin_core.fleet.dispatch import dispatch
from handrail.plugin_core.fleet.due import Practice
from handrail.plugin_core.fleet.timing import Ended
from handrail.plugin_core.fleet.work import Work
from handrail.plugin_core.fleet.worker import pool_of
from handrail.plugin_core.settings import save
from handrail.plugin_core.sync.run import Options

from tests.sync.stage import Stage, form, gr18

from .houses import House

ROOT = Path(__file__).parents[2]
PATIENCE = 120.0  # seconds: what is waited for comes in one or two; a machine that is busy is no fault


def now_is_now(stage: Stage) -> Stage:
    """Workers have no clock that a test could set: the platform's goes by the real one as well."""
    stage.now = datetime.now(UTC)
    stage.demo.clock.set(stage.now)
    return stage


def open_practice(house: House, practice: str) -> Stage:
    """A practice that has agreed to pushing while nothing stood, and is due now."""
    stage = now_is_now(house.stages[practice])
    with stage.engine() as engine:
        engine.sync(Options(consent=lambda _: True))
    resume(house, practice)
    return stage


def arrive(stage: Stage, client: str, levels: Sequence[Mapping[str, float]], every: int = 28) -> None:
    """A client and forms that the platform gets now, filled in `every` so many days, the newest a week ago."""
    now_is_now(stage).person(client)
    for number, level in enumerate(levels):
        when = stage.now - timedelta(days=7 + every * (len(levels) - 1 - number))
        stage.put(form(f"{client}-{number + 1}", client, when, gr18(level)))


def resume(house: House, *practices: str) -> None:
    """They are due now."""
    with house.office() as office:
        for practice in practices:
            office.resume(practice)


def knobs(house: House, **more: int) -> None:
    """The host's settings under [worker]."""
    save(house.file, {f"worker.{name}": value for name, value in more.items()})


def row(house: House, practice: str) -> Practice:
    """A practice's place in the due table."""
    with house.sql() as conn:
        found = due.of(conn, practice, due.database_now(conn))
    assert found is not None
    return found


class Called(Work):
    """Is called for all that is due before it works."""

    def run(self, practice: str) -> Ended | None:
        """As a worker does, without a queue."""
        dispatch(self.pool, lambda *_: None, most=1000)
        return super().run(practice)


@contextmanager
def working(house: House) -> Iterator[Work]:
    """A worker's work in this process, a turn at a time."""
    host = house.host
    pool = pool_of(host.address(host.roles.worker), host.worker.parallel, host.worker.lease_seconds)
    try:
        yield Called(host, pool, f"test:{os.getpid()}", threading.Event())
    finally:
        pool.dispose()


class Process:
    """`handrail worker`, in a process of its own."""

    def __init__(self, house: House, **surrounding: str) -> None:
        command = [
            sys.executable,
            "-m",
            "handrail.plugin_core.cli",
            "--verbose",
            "--settings",
            str(house.file),
            "worker",
        ]
        self.log = house.file.with_name(f"worker-{time.monotonic_ns()}.log")
        with self.log.open("wb") as out:
            self._child = subprocess.Popen(
                command, cwd=ROOT, env=os.environ | surrounding, stdout=out, stderr=subprocess.STDOUT
            )

    @property
    def pid(self) -> int:
        """Its number."""
        return self._child.pid

    def kill(self) -> None:
        """As a power cut would."""
        self._child.kill()
        self._child.wait()

    def signal(self, number: int) -> None:
        """Stops it, wakes it."""
        self._child.send_signal(number)

    def end(self, seconds: float = 40.0) -> tuple[int, float]:
        """SIGTERM; gives its exit status and how long it took."""
        begun = time.monotonic()
        self._child.send_signal(signal.SIGTERM)
        return self._child.wait(seconds), time.monotonic() - begun

    def said(self) -> str:
        """What it has printed."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def close(self) -> None:
        """It does not outlive its test."""
        if self._child.poll() is None:
            self._child.kill()
            self._child.wait()


@contextmanager
def process(house: House, **surrounding: str) -> Iterator[Process]:
    """One worker."""
    made = Process(house, **surrounding)
    try:
        yield made
    finally:
        made.close()


def until(true: Callable[[], Any], what: str, seconds: float = PATIENCE) -> float:
    """Waits for something outside this process; gives how long that took."""
    begun = time.monotonic()
    while not true():
        assert time.monotonic() - begun < seconds, f"waited in vain for: {what}"
        time.sleep(0.1)
    return time.monotonic() - begun


class Gate:
    """The platforms' door: shut, answers wait in it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._open = threading.Event()
        self._open.set()
        self.pause = 0.0
        self.asked = 0
        answer = demo._Handler._answer

        def slowly(handler: Any, raw: bytes) -> Any:
            self.asked += 1
            time.sleep(self.pause)
            self._open.wait(PATIENCE)
            return answer(handler, raw)

        monkeypatch.setattr(demo._Handler, "_answer", slowly)

    def shut(self) -> None:
        """Who asks now waits."""
        self._open.clear()

    def open(self) -> None:
        """Everybody is answered."""
        self._open.set()
