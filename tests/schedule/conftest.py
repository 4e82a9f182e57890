"""The stage for these tests, and the command at its time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from handrail.plugin_core import cli

from tests.defaults import set_defaults
from tests.sync.stage import Stage


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """An empty platform and a practice connected to it."""
    with Stage(tmp_path / "practice") as made:
        yield made


@dataclass
class Said:
    """What a command said and how it ended."""

    status: int
    out: str
    err: str


Command = Callable[..., Said]


@pytest.fixture
def command(stage: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs `handrail` on the stage's settings, at the stage's time, without waiting."""
    set_defaults(monkeypatch, now=lambda: stage.now, sleep=lambda _: None)

    def run(*arguments: str) -> Said:
        capsys.readouterr()
        status = cli.run(["--settings", str(stage.file), *arguments])
        out, err = capsys.readouterr()
        return Said(status, out, err)

    return run
