"""Runs one act of keeping in a process of its own that kills itself at a named step, as a power cut would."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from handrail.plugin_core.engine import Engine
from handrail.plugin_core.keeping.backup import restore
from handrail.plugin_core.settings import load
from handrail.plugin_core.store import sealed

from tests.stopping import die_at, killed, preload

preload(__name__)

ACTS: dict[str, Callable[[Engine, Path], Any]] = {
    "rotate": lambda e, _: e.keeping.rotate("anna"),
    "master": lambda e, _: e.keeping.rotate_master("anna"),
    "backup": lambda e, file: e.keeping.backup(file, "anna"),
    "restore": lambda e, file: restore(e.settings, file, "anna", replace=True),
}


def _act(settings: Path, now: datetime, act: str, file: Path, point: str, hit: int) -> None:
    die_at(point, hit)
    sealed.BATCH = 2
    with Engine(load(settings), now=lambda: now, sleep=lambda _: None) as engine:
        ACTS[act](engine, file)


def killed_at(settings: Path, now: datetime, act: str, file: Path, point: str, hit: int = 1) -> bool:
    """Does it in a child that dies at that hit of a step; False when it ended without meeting the step so often."""
    return killed(_act, settings, now, act, file, point, hit, point=point, seconds=120)
