"""An upgrade of the store is all or nothing (F79): killed at its statements, on both databases, a practice in it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from handrail.plugin_core.engine import Engine
from handrail.plugin_core.settings import load
from handrail.plugin_core.store import database, migrations
from sqlalchemy import Engine as Database
from sqlalchemy import event

from tests.stopping import KILLED, killed, preload
from tests.sync.reading import Seen, seen
from tests.sync.stage import Stage

from .conftest import fill

pytestmark = pytest.mark.skipif(os.name != "posix", reason="NOT RUN: SIGKILL and forkserver are POSIX only")
preload(__name__)

OLD = "0001"
PARTS = 4
"""The statements of an upgrade at which it is killed: so many of them, evenly, and at its COMMIT."""


@contextmanager
def listening(hear: Callable[[str], None]) -> Iterator[None]:
    """Hears every statement, and "COMMIT" before each."""

    def statement(_conn: Any, _cursor: Any, text: str, *_: Any) -> None:
        hear(text)

    def commit(_conn: Any) -> None:
        hear("COMMIT")

    event.listen(Database, "before_cursor_execute", statement)
    event.listen(Database, "commit", commit)
    try:
        yield
    finally:
        event.remove(Database, "before_cursor_execute", statement)
        event.remove(Database, "commit", commit)


def open_store(file: Path, heard: list[str] | None = None, die_at: int = 0) -> None:
    """What every command does first: opens the store and brings it to this version."""
    said = [] if heard is None else heard

    def hear(text: str) -> None:
        said.append(text)
        if len(said) == die_at:
            os.kill(os.getpid(), KILLED)

    with listening(hear), Engine(load(file)) as engine:
        assert engine.store.practice


def die(file: Path, at: int) -> None:
    """As `open_store`, killed at that statement."""
    open_store(file, die_at=at)


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.peer("postgres"))])
def old(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Path], Path]]:
    """Copies of one filled practice whose store is of the first version: gives the settings file of each."""
    folder = tmp_path_factory.mktemp("old")
    server = None if request.param == "sqlite" else request.getfixturevalue("postgres")
    address = "sqlite:///store.db" if server is None else server.new_database()
    with Stage(folder, store=address) as stage:
        fill(stage)
        pool = database.engine_of(load(stage.file).store_url)
        with pool.connect().execution_options(handrail_write=True) as conn, conn.begin():
            command.downgrade(migrations.config(conn), OLD)
        pool.dispose()

        def copied(place: Path) -> Path:
            shutil.copytree(folder, place)
            file = place / stage.file.name
            if server is not None:
                fresh = server.copy_of(address)
                file.write_text(file.read_text().replace(address, fresh))
            return file

        yield copied


def content(file: Path) -> Seen:
    """The store in clear."""
    with Engine(load(file)) as engine:
        return seen(engine)


def version(file: Path) -> str | None:
    """The store's version, without opening it as a command would."""
    pool = database.engine_of(load(file).store_url)
    try:
        return database.version(pool)
    finally:
        pool.dispose()


@pytest.fixture(scope="module")
def right(old: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Seen, list[str]]:
    """What an undisturbed upgrade makes of it, and what it says to the database."""
    file = old(tmp_path_factory.mktemp("right") / "practice")
    heard: list[str] = []
    open_store(file, heard)
    return content(file), heard


def moments(heard: list[str]) -> list[int]:
    """Numbers of the statements to be killed at: some of the upgrade's own, its COMMIT, and the first one after it."""
    changes = [number for number, text in enumerate(heard, 1) if text.lstrip().startswith(("CREATE", "ALTER", "DROP"))]
    commit = heard.index("COMMIT", changes[-1]) + 1
    return [*(changes[part * (len(changes) - 1) // (PARTS - 1)] for part in range(PARTS)), commit, commit + 1]


@pytest.mark.parametrize("moment", range(PARTS + 2))
def test_f79_killed_at_its_statements(
    old: Callable[[Path], Path], right: tuple[Seen, list[str]], tmp_path: Path, moment: int
) -> None:
    """A half changed store would be of no version at all: neither the old program nor the new one could open it."""
    file = old(tmp_path / "practice")
    assert version(file) == OLD
    assert killed(die, file, moments(right[1])[moment], point=f"moment {moment}")
    assert version(file) == (database.HEAD if moment > PARTS else OLD)
    assert content(file).differs(right[0]) == {}
    assert version(file) == database.HEAD


def test_the_practice_has_something_to_lose(right: tuple[Seen, list[str]]) -> None:
    """Guards the tests above: an empty store equals an empty store."""
    assert len(right[0].responses) > 5
    assert right[0].flags != []
    assert len(moments(right[1])) == PARTS + 2
