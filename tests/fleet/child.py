"""Runs one act of the back office in a process of its own that kills itself at a named step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from handrail.plugin_core.fleet.host import load
from handrail.plugin_core.fleet.practices import BackOffice

from tests.stopping import die_at, killed, preload

preload(__name__)

ACTS: dict[str, Callable[[BackOffice, str], object]] = {
    "prepare": lambda office, _: office.prepare(),
    "add": lambda office, practice: office.add(practice, {}),
    "erase": lambda office, practice: office.erase(practice),
}


def _act(file: Path, act: str, practice: str, point: str) -> None:
    die_at(point)
    with BackOffice(load(file), "anna") as office:
        ACTS[act](office, practice)


def killed_at(file: Path, act: str, practice: str, point: str) -> bool:
    """Does it in a child that dies at that step; False when it ended without meeting it."""
    return killed(_act, file, act, practice, point, point=point, seconds=120)
