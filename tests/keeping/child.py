"""Runs one act of keeping in a process of its own that kills itself at a named step, as a power cut would."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from handrail.plugin_core.engine import Engine
from handrail.plugin_core.keeping.backup import restore
from handrail.plugin_core.settings import load
from handrail.plugin_core.store import sealed
from handrail.plugin_core.sync import points

_CONTEXT = multiprocessing.get_context("forkserver" if os.name == "posix" else "spawn")
if os.name == "posix":
    _CONTEXT.set_forkserver_preload([__name__])

ACTS: dict[str, Callable[[Engine, Path], Any]] = {
    "rotate": lambda e, _: e.keeping.rotate("anna"),
    "master": lambda e, _: e.keeping.rotate_master("anna"),
    "backup": lambda e, file: e.keeping.backup(file, "anna"),
    "restore": lambda e, file: restore(e.settings, file, "anna", replace=True),
}


def _act(settings: Path, now: datetime, act: str, file: Path, point: str, hit: int) -> None:
    left = [hit]

    def listen(reached: str) -> None:
        if reached == point:
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))

    points.listeners.append(listen)
    sealed.BATCH = 2
    with Engine(load(settings), now=lambda: now, sleep=lambda _: None) as engine:
        ACTS[act](engine, file)


def killed_at(settings: Path, now: datetime, act: str, file: Path, point: str, hit: int = 1) -> bool:
    """Does it in a child that dies at that hit of a step; False when it ended without meeting the step so often."""
    child = _CONTEXT.Process(target=_act, args=(settings, now, act, file, point, hit))
    child.start()
    child.join(120)
    if child.is_alive():
        child.kill()
        raise AssertionError(f"the child hangs at {point}")
    assert child.exitcode in (0, -signal.SIGKILL if hasattr(signal, "SIGKILL") else 15), child.exitcode
    return child.exitcode != 0
