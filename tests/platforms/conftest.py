"""What several tests of this folder share."""

from __future__ import annotations

from pathlib import Path

import pytest

from .exports import Exports


@pytest.fixture
def exports(tmp_path: Path) -> Exports:
    """An empty folder for exports."""
    return Exports(tmp_path)
