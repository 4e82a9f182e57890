"""Runs one sync in a process of its own that kills itself at a named step, as a power cut would."""

from __future__ import annotations

import multiprocessing
import os
import signal
from datetime import datetime
from pathlib import Path

from handrail.plugin_core.engine import Engine
from handrail.plugin_core.settings import load
from handrail.plugin_core.sync import evaluate, points, push, run
from handrail.plugin_core.sync.run import Options

_CONTEXT = multiprocessing.get_context("forkserver" if os.name == "posix" else "spawn")
if os.name == "posix":
    _CONTEXT.set_forkserver_preload([__name__])


def small_pages() -> None:
    """Batches of the core so small that each step is met more than once in a practice of eight clients."""
    evaluate.MOST_ALONE = evaluate.CLIENTS_A_PAGE = 3
    run.CLIENT_BATCH = 3
    push.BATCH = 2


def _sync(file: Path, now: datetime, point: str, hit: int) -> None:
    left = [hit]

    def listen(reached: str) -> None:
        if reached == point:
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))

    small_pages()
    points.listeners.append(listen)
    with Engine(load(file), now=lambda: now, sleep=lambda _: None) as engine:
        engine.sync(Options(consent=lambda _: True))


def killed_at(file: Path, now: datetime, point: str, hit: int) -> bool:
    """Syncs in a child that dies at the given hit of a step; False when it ended without meeting the step so often.

    :raises AssertionError: it ended in another way.
    """
    child = _CONTEXT.Process(target=_sync, args=(file, now, point, hit))
    child.start()
    child.join(60)
    if child.is_alive():
        child.kill()
        raise AssertionError(f"the child hangs at {point}")
    assert child.exitcode in (0, -signal.SIGKILL if hasattr(signal, "SIGKILL") else 15), child.exitcode
    return child.exitcode != 0
