"""A practice that asks, for the tests of this folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from .practice import Practice

Open = Callable[..., Practice]


@pytest.fixture
def open_practice(tmp_path: Path) -> Iterator[Open]:
    """Makes practices that are closed at the end."""
    with ExitStack() as stack:
        yield lambda **more: stack.enter_context(Practice(tmp_path / "practice", **more))


@pytest.fixture
def practice(open_practice: Callable[..., Any]) -> Practice:
    """One client on the platform, on a Monday in May."""
    found: Practice = open_practice()
    return found
