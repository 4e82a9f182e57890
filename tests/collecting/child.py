"""Runs `send` in a process of its own that kills itself at a named step, as a power cut would."""

from __future__ import annotations

import multiprocessing
import os
import signal
from datetime import datetime
from pathlib import Path

from handrail.plugin_core.collecting.send import SendOptions
from handrail.plugin_core.engine import Engine
from handrail.plugin_core.manager import Plugins
from handrail.plugin_core.settings import load
from handrail.plugin_core.sync import points

from .channel import Channel

_CONTEXT = multiprocessing.get_context("forkserver" if os.name == "posix" else "spawn")
if os.name == "posix":
    _CONTEXT.set_forkserver_preload([__name__])


def _send(file: Path, channel: Path, now: datetime, point: str, hit: int) -> None:
    left = [hit]

    def listen(reached: str) -> None:
        if reached == point:
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))

    points.listeners.append(listen)
    settings = load(file)
    plugins = Plugins(settings.plugins)
    plugins.add(Channel(channel), "channel")
    with Engine(settings, plugins=plugins, now=lambda: now, sleep=lambda _: None) as engine:
        engine.collecting.send(SendOptions(by_hand=file.parent / "hand"))


def killed_at(file: Path, channel: Path, now: datetime, point: str, hit: int) -> bool:
    """Sends in a child that dies at the given hit of a step; False when it ended without meeting the step so often.

    :raises AssertionError: it ended in another way.
    """
    child = _CONTEXT.Process(target=_send, args=(file, channel, now, point, hit))
    child.start()
    child.join(60)
    if child.is_alive():
        child.kill()
        raise AssertionError(f"the child hangs at {point}")
    assert child.exitcode in (0, -signal.SIGKILL if hasattr(signal, "SIGKILL") else 15), child.exitcode
    return child.exitcode != 0
