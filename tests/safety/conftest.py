"""A practice with a clinician, a backup and a real mail server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .ward import Ward


@pytest.fixture
def ward(tmp_path: Path) -> Iterator[Ward]:
    """The practice, connected and filled in; the platform was read once and held no form."""
    with Ward(tmp_path / "practice") as made:
        made.sync()
        yield made


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.peer("postgres"))])
def ward_on_both(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ward]:
    """The same on each kind of store."""
    more = {}
    if request.param == "postgresql":
        more = {"store": request.getfixturevalue("postgres").new_database()}
    with Ward(tmp_path / "practice", **more) as made:
        made.sync()
        yield made
