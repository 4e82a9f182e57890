"""The store's versions: models and migrations agree, each goes up and down, and a killed one is all or nothing."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from handrail.plugin_core.errors import StoreError
from handrail.plugin_core.store import Store, database, migrations
from handrail.plugin_core.store.tables import metadata
from sqlalchemy import Engine, inspect

from .samples import MASTER, PRACTICE, everything, response, save

ROOT = Path(__file__).parents[2]


def engine_of(address: str) -> Engine:
    return database.engine_of(address, create=True)


def tables(engine: Engine) -> set[str]:
    with engine.connect() as conn:
        return set(inspect(conn).get_table_names())


def differences(engine: Engine) -> list[object]:
    with engine.connect() as conn:
        return list(compare_metadata(MigrationContext.configure(conn), metadata))


def test_the_newest_migration_is_the_version_that_the_program_asks_for() -> None:
    """A migration added without HEAD would never run; HEAD without one would refuse every store."""
    script = ScriptDirectory.from_config(migrations.config())
    assert script.get_heads() == [database.HEAD]


def test_models_and_migrations_agree(store: Store) -> None:
    """A column added to the tables alone would exist on new stores only."""
    assert differences(store.engine) == []


def test_the_comparison_itself_sees_a_difference(store: Store) -> None:
    """Else the test above could pass for ever."""
    with store.engine.connect().execution_options(handrail_write=True) as conn, conn.begin():
        conn.exec_driver_sql("ALTER TABLE clients ADD COLUMN planted TEXT")
        conn.exec_driver_sql("DROP INDEX ix_holds_client")
    assert len(differences(store.engine)) == 2


def test_up_down_and_up_again(store_url: str) -> None:
    """Each migration can be taken back, and leaves nothing behind."""
    engine = engine_of(store_url)
    for _ in range(2):
        migrations.run(engine)
        assert tables(engine) == {*metadata.tables, "alembic_version"}
        assert database.version(engine) == database.HEAD
        assert differences(engine) == []
        with engine.connect().execution_options(handrail_write=True) as conn, conn.begin():
            command.downgrade(migrations.config(conn), "base")
        assert tables(engine) == {"alembic_version"}
        assert database.version(engine) is None
    engine.dispose()


def test_opening_again_migrates_nothing_and_keeps_all(store_url: str) -> None:
    """The everyday start."""
    with Store(store_url, PRACTICE, MASTER, create=True) as store:
        save(store, store.source("demo"), [response(0)])
        before = everything(store)
    with Store(store_url, PRACTICE, MASTER) as store:
        assert everything(store) == before


KILLED = """
    import os, signal, sys
    from alembic import op
    from handrail.plugin_core.store import Store
    from tests.core.samples import MASTER, PRACTICE
    left = int(sys.argv[2])
    real = op.create_table
    def create_table(*args, **more):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **more)
    op.create_table = create_table
    Store(sys.argv[1], PRACTICE, MASTER, create=True)
"""


@pytest.mark.parametrize("steps", [0, 1, 7, len(metadata.tables) - 1])
def test_f79_a_migration_killed_in_the_middle_left_nothing_or_all(store_url: str, steps: int) -> None:
    """`kill -9` after so many tables: the next start begins from an empty database and comes to the end."""
    code = textwrap.dedent(KILLED)
    done = subprocess.run([sys.executable, "-c", code, store_url, str(steps)], cwd=ROOT, check=False)
    assert done.returncode == -9
    engine = engine_of(store_url)
    assert tables(engine) == set()
    engine.dispose()
    with Store(store_url, PRACTICE, MASTER, create=True) as store:
        assert differences(store.engine) == []


def test_f79_a_migration_that_fails_leaves_the_old_version(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk in the middle of it: the store opens with the old program as before."""
    from alembic import op

    def full(*_: object, **__: object) -> None:
        op.execute("SELECT nonsense FROM nowhere")

    with monkeypatch.context() as broken:
        broken.setattr(op, "create_index", full)
        with pytest.raises(StoreError):
            Store(store_url, PRACTICE, MASTER, create=True)
    engine = engine_of(store_url)
    assert tables(engine) == set()
    engine.dispose()


def test_f98_two_programs_that_migrate_at_once_both_come_through(store_url: str) -> None:
    """Two workers started at the same moment on a new database."""
    faults: list[BaseException] = []
    engines = [engine_of(store_url) for _ in range(3)]
    ready = threading.Barrier(len(engines))

    def start(engine: Engine) -> None:
        try:
            ready.wait(10)
            database.upgrade(engine, create=True)
        except BaseException as error:  # noqa: BLE001 - shown below; a thread would lose it
            faults.append(error)

    threads = [threading.Thread(target=start, args=(engine,)) for engine in engines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert faults == []
    assert differences(engines[0]) == []
    for engine in engines:
        engine.dispose()
