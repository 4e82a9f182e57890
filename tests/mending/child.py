"""Runs one act of mending in a process of its own that kills itself at a named step, as a power cut would."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from handrail.plugin_core.engine import Engine
from handrail.plugin_core.settings import load
from handrail.plugin_core.sync import points

_CONTEXT = multiprocessing.get_context("forkserver" if os.name == "posix" else "spawn")
if os.name == "posix":
    _CONTEXT.set_forkserver_preload([__name__])

ACTS: dict[str, Callable[[Engine], Any]] = {
    "reassign": lambda e: e.mending.reassign("c1-5", "c2", "wrong tablet", "anna"),
    "merge": lambda e: e.mending.merge("Patient/c1", "Patient/c2", "same person", "anna"),
    "unmerge": lambda e: e.mending.unmerge("Patient/c1", "anna"),
    "discharge": lambda e: e.mending.discharge("Patient/c1", e.now().date(), "anna"),
    "erase": lambda e: e.rights.erase("Patient/c1", "anna"),
    "disconnect": lambda e: e.mending.disconnect("anna", retract=True),
}


def _act(file: Path, now: datetime, act: str, point: str) -> None:
    def listen(reached: str) -> None:
        if reached == point:
            os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))

    points.listeners.append(listen)
    with Engine(load(file), now=lambda: now, sleep=lambda _: None) as engine:
        ACTS[act](engine)


def killed_at(file: Path, now: datetime, act: str, point: str) -> bool:
    """Does it in a child that dies at the first hit of a step; False when it ended without meeting the step."""
    child = _CONTEXT.Process(target=_act, args=(file, now, act, point))
    child.start()
    child.join(60)
    if child.is_alive():
        child.kill()
        raise AssertionError(f"the child hangs at {point}")
    assert child.exitcode in (0, -signal.SIGKILL if hasattr(signal, "SIGKILL") else 15), child.exitcode
    return child.exitcode != 0
