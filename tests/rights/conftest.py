"""The stage for the tests of this folder: a platform over real HTTP and a practice connected to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sync.stage import Stage


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """An empty platform and a practice that lets flags be shown there."""
    with Stage(tmp_path) as made:
        yield made
