"""Runs one sync in a process of its own that kills itself at a named step, as a power cut would."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from handrail.plugin_core.engine import Engine
from handrail.plugin_core.settings import load
from handrail.plugin_core.sync import clients, evaluate, push, run
from handrail.plugin_core.sync.run import Options

from tests.stopping import die_at, killed, preload

preload(__name__)


def small_pages() -> None:
    """Batches of the core so small that each step is met more than once in a practice of eight clients."""
    evaluate.MOST_ALONE = evaluate.CLIENTS_A_PAGE = 3
    run.ID_BATCH = clients.BATCH = 3
    push.BATCH = 2


def _sync(file: Path, now: datetime, point: str, hit: int) -> None:
    small_pages()
    die_at(point, hit)
    with Engine(load(file), now=lambda: now, sleep=lambda _: None) as engine:
        engine.sync(Options(consent=lambda _: True))


def killed_at(file: Path, now: datetime, point: str, hit: int) -> bool:
    """Syncs in a child that dies at the given hit of a step; False when it ended without meeting the step so often.

    :raises AssertionError: it ended in another way.
    """
    return killed(_sync, file, now, point, hit, point=point)
