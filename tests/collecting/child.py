"""Runs `send` in a process of its own that kills itself at a named step, as a power cut would."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from handrail.plugin_core.collecting.send import SendOptions
from handrail.plugin_core.engine import Engine
from handrail.plugin_core.manager import Plugins
from handrail.plugin_core.settings import load

from tests.stopping import die_at, killed, preload

from .channel import Channel

preload(__name__)


def _send(file: Path, channel: Path, now: datetime, point: str, hit: int) -> None:
    die_at(point, hit)
    settings = load(file)
    plugins = Plugins(settings.plugins)
    plugins.add(Channel(channel), "channel")
    with Engine(settings, plugins=plugins, now=lambda: now, sleep=lambda _: None) as engine:
        engine.collecting.send(SendOptions(by_hand=file.parent / "hand"))


def killed_at(file: Path, channel: Path, now: datetime, point: str, hit: int) -> bool:
    """Sends in a child that dies at the given hit of a step; False when it ended without meeting the step so often.

    :raises AssertionError: it ended in another way.
    """
    return killed(_send, file, channel, now, point, hit, point=point)
