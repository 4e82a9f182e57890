"""Stores for the tests of the core: every test that asks for one runs on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from handrail.plugin_core.store import Store
from hypothesis import settings

from .samples import MASTER, PRACTICE

settings.register_profile("core", deadline=None)  # a busy machine must not fail a test of arithmetic
settings.load_profile("core")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.peer("postgres"))])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database, of each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store' / 'handrail.db'}"
    address: str = request.getfixturevalue("postgres").new_database()
    return address


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """A new store of one practice."""
    with Store(store_url, PRACTICE, MASTER, create=True) as opened:
        yield opened


@pytest.fixture
def source(store: Store) -> int:
    """A platform connection in it."""
    return store.source("demo")
