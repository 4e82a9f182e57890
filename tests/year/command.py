"""Runs the real command in a process of its own, on simulated time, and can kill it at a named step."""

from __future__ import annotations

import contextlib
import os
import signal
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from handrail.plugin_core import cli, engine
from handrail.plugin_core.sync import points

from tests.stopping import CONTEXT, preload

preload(__name__, "handrail.plugin_core.sync.run", "handrail.adapters.fhir.adapter")
SECONDS = 120


@dataclass(frozen=True)
class Done:
    """How a command ended: its exit status (None: it was killed) and what it printed."""

    status: int | None
    out: str
    err: str


def _run(file: Path, words: list[str], now: datetime, die: tuple[str, int] | None, folder: Path) -> None:
    first = engine.Engine.__init__

    def at_that_time(self: engine.Engine, *args: object, **more: object) -> None:
        more.setdefault("now", lambda: now)
        more.setdefault("sleep", lambda _: None)
        first(self, *args, **more)  # type: ignore[arg-type]

    engine.Engine.__init__ = at_that_time  # type: ignore[method-assign]
    if die is not None:
        left = [die[1]]

        def listen(reached: str) -> None:
            if reached.startswith(die[0]):
                left[0] -= 1
                if not left[0]:
                    os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))

        points.listeners.append(listen)
    with (
        (folder / "out").open("w", encoding="utf-8") as out,
        (folder / "err").open("w", encoding="utf-8") as err,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        status = cli.run(["--settings", str(file), *words])
    os._exit(status)


def run(file: Path, words: list[str], now: datetime, folder: Path, die: tuple[str, int] | None = None) -> Done:
    """Runs `handrail words`.

    :param now: what the command takes for the time.
    :param folder: where its output is kept meanwhile.
    :param die: (start of a step's name, which hit of it): where it is killed, if it comes so far.
    """
    child = CONTEXT.Process(target=_run, args=(file, words, now, die, folder))
    child.start()
    child.join(SECONDS)
    if child.is_alive():
        child.kill()
        raise AssertionError(f"handrail {words[0]} hangs")
    killed = child.exitcode is None or child.exitcode < 0
    assert die is not None or not killed, f"handrail {words[0]} died by itself"
    out, err = ((folder / name).read_text(encoding="utf-8") for name in ("out", "err"))
    return Done(None if killed else child.exitcode, out, err)
