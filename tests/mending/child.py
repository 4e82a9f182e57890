"""Runs one act of mending in a process of its own that kills itself at a named step, as a power cut would."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from handrail.plugin_core.collecting.enrolling import Wish
from handrail.plugin_core.engine import Engine
from handrail.plugin_core.settings import load

from tests.stopping import die_at, killed, preload

preload(__name__)

ACTS: dict[str, Callable[[Engine], Any]] = {
    "reassign": lambda e: e.mending.reassign("c1-5", "c2", "wrong tablet", "anna"),
    "merge": lambda e: e.mending.merge("Patient/c1", "Patient/c2", "same person", "anna"),
    "unmerge": lambda e: e.mending.unmerge("Patient/c1", "anna"),
    "discharge": lambda e: e.mending.discharge("Patient/c1", e.now().date(), "anna"),
    "erase": lambda e: e.rights.erase("Patient/c1", "anna"),
    "enrol": lambda e: e.collecting.enrol([Wish("c1", consent=e.now().date(), channel="paper")], "anna"),
    "disconnect": lambda e: e.mending.disconnect("anna", retract=True),
}


def _act(file: Path, now: datetime, act: str, point: str) -> None:
    die_at(point)
    with Engine(load(file), now=lambda: now, sleep=lambda _: None) as engine:
        ACTS[act](engine)


def killed_at(file: Path, now: datetime, act: str, point: str) -> bool:
    """Does it in a child that dies at the first hit of a step; False when it ended without meeting the step."""
    return killed(_act, file, now, act, point, point=point)
