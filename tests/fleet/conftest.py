"""The due table on both databases, with a clock of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from handrail.plugin_core.store import database
from handrail.plugin_core.store.tables import due
from sqlalchemy import Engine, delete

from .rows import Table

KINDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.peer("postgres"))]


@pytest.fixture(scope="session", params=KINDS)
def _host_store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An empty store of each kind, made once: a migration takes longer than all these tests."""
    sqlite = f"sqlite:///{tmp_path_factory.mktemp('host') / 'host.db'}"
    url = sqlite if request.param == "sqlite" else request.getfixturevalue("postgres").new_database()
    engine = database.engine_of(url, create=True)
    database.upgrade(engine, create=True)
    yield engine
    engine.dispose()


@pytest.fixture
def table(_host_store: Engine) -> Iterator[Table]:
    """An empty due table."""
    made = Table(_host_store)
    yield made
    with made.open() as conn:
        conn.execute(delete(due))
