"""Processes of the tests' own that kill themselves at a named step, as a power cut would."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from typing import Any

from handrail.plugin_core.sync import points

CONTEXT: multiprocessing.context.ForkServerContext | multiprocessing.context.SpawnContext = (
    multiprocessing.get_context("forkserver") if os.name == "posix" else multiprocessing.get_context("spawn")
)
KILLED = getattr(signal, "SIGKILL", signal.SIGTERM)
SECONDS = 60


def preload(*modules: str) -> None:
    """Loads modules once for all children, where children are forked."""
    if os.name == "posix":
        CONTEXT.set_forkserver_preload(list(modules))


def die_at(point: str, hit: int = 1) -> None:
    """This process kills itself at that hit of a step."""
    left = [hit]

    def listen(reached: str) -> None:
        if reached == point:
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), KILLED)

    points.listeners.append(listen)


def killed(target: Callable[..., None], *args: Any, point: str, seconds: float = SECONDS) -> bool:
    """Runs `target(*args)` in a child; False when it ended without being killed.

    :raises AssertionError: it hangs, or ended in another way.
    """
    child = CONTEXT.Process(target=target, args=args)
    child.start()
    child.join(seconds)
    if child.is_alive():
        child.kill()
        raise AssertionError(f"the child hangs at {point}")
    assert child.exitcode in (0, -KILLED if hasattr(signal, "SIGKILL") else 15), child.exitcode
    return child.exitcode != 0
