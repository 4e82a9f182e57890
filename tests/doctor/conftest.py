"""A practice to make mistakes in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.defaults import set_defaults
from tests.sync.stage import EVEN, LEANING, Stage, questionnaire


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """A practice with a little of everything, all in order, at a fixed time."""
    with Stage(tmp_path / "practice") as made:
        set_defaults(monkeypatch, now=lambda: made.now, sleep=lambda _: None)
        made.file.write_text(made.file.read_text().replace('"UTC"', '"Europe/Zurich"'))
        made.file.chmod(0o600)
        made.course("a", [EVEN, EVEN, EVEN, LEANING, LEANING])
        made.demo.load(questionnaire("gr18"), made.now)
        yield made
