"""S48, F97: practices are kept apart by the database itself, on the real PostgreSQL.

The tables are taken from the database's own catalogue, so that a table that is added without a policy is met here.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from handrail.plugin_core.cli import run
from handrail.plugin_core.engine import Engine
from handrail.plugin_core.errors import StoreError
from handrail.plugin_core.fleet.tenancy import acting_for
from handrail.plugin_core.settings import load
from handrail.plugin_core.store import Store, forms, keys
from handrail.plugin_core.store.database import engine_of
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, ProgrammingError

from tests.keeping.conftest import fill
from tests.peers.install import postgres_bin
from tests.peers.servers import Postgres
from tests.sync.stage import EVEN, LEANING, Stage

from .houses import NORTH, SOUTH, House, house

# Rows of the host and of none of its practices: when to work on whom, requests counted, the tables' version, the queue.
OF_THE_HOST = ("due", "buckets", "alembic_version", "procrastinate")
CANARY = "zebrafinch"
MADE_UP = {"text": "'x'", "bytea": "'x'", "boolean": "false"}


def _fill(stage: Stage) -> None:
    if stage.folder.name == SOUTH:
        stage.course(f"{CANARY}-1", [EVEN, EVEN, LEANING, LEANING])
    fill(stage)


@pytest.fixture(scope="module")
def two(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Two practices in one database, each with rows in every table."""
    with house(tmp_path_factory.mktemp("host"), postgres.new_database(), NORTH, SOUTH, fill=_fill) as made:
        _fill_empty(made)
        yield made


def tables(conn: Connection) -> dict[str, str]:
    """The tables of practices' rows, with the condition by which a row is the practice's `:p`, as the catalogue says
    and not as the program does."""
    query = text("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename")
    names = [name for name in conn.execute(query).scalars() if not name.startswith(OF_THE_HOST)]
    found = {}
    for name in names:
        columns = _columns(conn, name)
        if name == "practices":
            found[name] = "id = :p"
        elif "practice" in columns:
            found[name] = "practice = :p"
        else:
            assert "source" in columns, f"the table {name} does not say whose its rows are"
            found[name] = "source IN (SELECT id FROM sources WHERE practice = :p)"
    return found


def _columns(conn: Connection, table: str) -> dict[str, tuple[str, bool]]:
    """Column -> its type, and whether a row must be given one."""
    query = text(
        "SELECT column_name, data_type, is_nullable = 'NO' AND column_default IS NULL FROM information_schema.columns "
        "WHERE table_schema = 'public' AND table_name = :t"
    )
    return {name: (kind, needed) for name, kind, needed in conn.execute(query, {"t": table})}


def _insert(conn: Connection, table: str, practice: str, source: int, mark: str) -> str:
    """SQL for a made-up row of a practice; `mark` keeps it from meeting another row's key."""
    values = {}
    for name, (kind, needed) in _columns(conn, table).items():
        if name == "practice" or (table == "practices" and name == "id"):
            values[name] = f"'{practice}'" if table != "practices" else f"'{practice}-{mark}'"
        elif name == "source":
            values[name] = str(source)
        elif needed:
            values[name] = f"'{mark}'" if kind == "text" else MADE_UP.get(kind, "7")
    columns = ", ".join(f'"{name}"' for name in values)
    return f'INSERT INTO "{table}" ({columns}) VALUES ({", ".join(values.values())})'


def _source(conn: Connection, practice: str) -> int:
    return int(conn.execute(text("SELECT id FROM sources WHERE practice = :p"), {"p": practice}).scalar_one())


def _fill_empty(made: House) -> None:
    with made.sql() as conn:
        for table, mine in tables(conn).items():
            for practice in (NORTH, SOUTH):
                if not _count(conn, table, mine, practice):
                    conn.execute(text(_insert(conn, table, practice, _source(conn, practice), practice)))
        conn.commit()


def _count(conn: Connection, table: str, mine: str, practice: str) -> int:
    return int(conn.execute(text(f'SELECT count(*) FROM "{table}" WHERE {mine}'), {"p": practice}).scalar_one())


def _all(conn: Connection, practice: str) -> dict[str, list[str]]:
    """Every row of a practice, table by table, as text."""
    return {
        table: sorted(conn.execute(text(f'SELECT t::text FROM "{table}" t WHERE {mine}'), {"p": practice}).scalars())
        for table, mine in tables(conn).items()
    }


def test_the_other_practice_has_rows_everywhere(two: House) -> None:
    """Else nothing below would prove anything."""
    with two.sql() as conn:
        assert [table for table, mine in tables(conn).items() if not _count(conn, table, mine, SOUTH)] == []
        assert len(tables(conn)) > 25


@pytest.mark.parametrize("role", ["owner", "worker", "web", "report"])
def test_s48_f97_no_table_shows_a_row_of_another_practice(two: House, role: str) -> None:
    """A query without any condition at all, by each role: the practice's own rows, and none where nobody is named."""
    with two.sql() as everything:
        expected = _all(everything, NORTH)
        known = tables(everything)
    seen = 0
    with two.sql(role, NORTH) as conn, two.sql(role) as nobody:
        for table in known:
            query = text(f'SELECT t::text FROM "{table}" t')
            try:
                with conn.begin_nested():
                    found = sorted(conn.execute(query).scalars())
            except ProgrammingError:
                continue  # the role may not read that table at all: tests/fleet/test_roles.py says which
            assert found == expected[table], table
            assert nobody.execute(query).scalars().all() == [], table
            seen += 1
    assert seen > 20


@pytest.mark.parametrize("role", ["owner", "worker", "web"])
def test_s48_no_statement_changes_a_row_of_another_practice(two: House, role: str) -> None:
    """A delete without any condition takes the practice's own rows alone; a row for another one is refused."""
    with two.sql() as everything:
        known, there = tables(everything), _source(everything, SOUTH)
        before = {table: _count(everything, table, mine, SOUTH) for table, mine in known.items()}
        inserts = {table: _insert(everything, table, SOUTH, there, uuid4().hex) for table in known}
    for table, mine in known.items():
        with two.sql() as conn:
            conn.execute(text("SELECT set_config('handrail.practice', :p, true)"), {"p": NORTH})
            name = getattr(two.host.roles, role)
            conn.execute(text(f'SET LOCAL ROLE "{name}"'))
            _tried(conn, f'DELETE FROM "{table}"')
            assert _tried(conn, inserts[table]), f"a row of another practice was written into {table}"
            conn.execute(text("RESET ROLE"))
            assert _count(conn, table, mine, SOUTH) == before[table], table


def _tried(conn: Connection, statement: str) -> bool:
    """Whether a statement was refused: by row security, or for want of the right."""
    try:
        with conn.begin_nested():
            conn.execute(text(statement))
    except ProgrammingError as refused:
        if not re.search("row-level security|permission denied", str(refused.orig)):
            raise
        return True
    return False


def test_s48_a_row_cannot_be_moved_to_another_practice(two: House) -> None:
    """Else a wrong number in an update would hand a form over."""
    with two.sql() as everything:
        there = _source(everything, SOUTH)
    with two.sql("worker", NORTH) as conn, pytest.raises(ProgrammingError, match="row-level security"):
        conn.execute(text("UPDATE responses SET source = :s"), {"s": there})


def test_s48_a_connection_returned_in_mid_error_carries_nobody_over(two: House) -> None:
    """One connection, used in turn: by north, which ends well and then fails in the middle, by south, and by somebody
    without a name."""
    pool = engine_of(two.address("worker"))
    try:
        stores = {name: _opened(two, name, pool) for name in (NORTH, SOUTH)}
        numbers = {name: one.source("fhir") for name, one in stores.items()}

        def fails(tx: Any) -> None:
            tx.conn.execute(text("SELECT 1 / 0"))

        stores[NORTH].write(lambda tx: None)  # what a transaction sets for longer than itself stays when it commits
        with pytest.raises(StoreError):
            stores[NORTH].write(fails)
        with pytest.raises(RuntimeError):
            _broken_off(stores[NORTH], numbers[NORTH])
        assert pool.pool.status().count("Connections in pool: 1") == 1
        with pool.connect() as conn:
            assert conn.execute(text("SELECT count(*) FROM responses")).scalar() == 0
            assert not conn.execute(text("SELECT current_setting('handrail.practice', true)")).scalar()
        with stores[SOUTH].reading(numbers[SOUTH]) as tx:
            assert any(CANARY in client.ref for client in forms.read_clients(tx).values())
        with stores[SOUTH].reading(numbers[NORTH]) as tx:
            assert not forms.read_clients(tx)
    finally:
        pool.dispose()


def _broken_off(store: Store, source: int) -> None:
    with store.reading(source) as tx:
        assert forms.read_clients(tx)
        raise RuntimeError


def _opened(two: House, practice: str, pool: Any) -> Store:
    settings = load(two.stages[practice].file)
    return Store(settings.store_url, practice, keys.master(settings.key_reference), pool=pool)


def test_s48_who_acts_for_another_is_back_as_who_they_were(two: House) -> None:
    """Erasing one practice and writing the back office's trail share a transaction."""
    with two.sql("owner", NORTH) as conn:
        query = text("SELECT id FROM practices")
        with acting_for(conn, SOUTH):
            assert conn.execute(query).scalars().all() == [SOUTH]
        assert conn.execute(query).scalars().all() == [NORTH]
        with pytest.raises(DBAPIError), acting_for(conn, SOUTH):
            conn.execute(text("SELECT 1 / 0"))
        conn.rollback()
        assert conn.execute(query).scalars().all() == [NORTH]


def test_row_security_leaves_a_look_up_by_key_its_index(two: House) -> None:
    """A policy that the database takes for the index instead reads all rows of a practice for each form that is looked
    up: 6 ms instead of 0.07 ms with 15,000 rows."""
    with two.sql() as conn:
        mine = {"s": _source(conn, NORTH)}
        rows = "INSERT INTO missing (source, key, first_ms) SELECT :s, 'k' || n, 0 FROM generate_series(1, 15000) n"
        conn.execute(text(rows), mine)
        conn.execute(text("SELECT set_config('handrail.practice', :p, true)"), {"p": NORTH})
        conn.execute(text("SET LOCAL ROLE handrail_worker"))
        keys_ = ", ".join(f"'k{number}'" for number in range(10))
        query = f"EXPLAIN SELECT * FROM missing WHERE source = :s AND key IN ({keys_})"
        plan = [str(line).strip() for line in conn.execute(text(query), mine).scalars()]
        assert [line for line in plan if line.startswith("Index Cond:") and "(key = ANY" in line], plan


# The commands of everyday, as a person types them; a client of the other practice is asked for by name.
COMMANDS = (
    ("flags", "--all", "--json"),
    ("client", f"{CANARY}-1", "--json"),
    ("forms", f"{CANARY}-1", "--json"),
    ("due", "--json"),
    ("send", "--json"),
    ("hold", f"{CANARY}-1", "--until", "2026-12-01", "--reason", "bereavement"),
    ("remark", "zf", "words"),
    ("opt-out", f"{CANARY}-1"),
    ("export", f"{CANARY}-1", "-o", "OUT/export"),
    ("erase", f"{CANARY}-1", "--yes"),
    ("report", "-o", "OUT/report.html"),
    ("rescore", "--json"),
    ("rescore", "--yes", "--json"),
    ("sync", "--json"),
    ("audit", "verify", "--json"),
)


def test_f97_the_number_of_another_practice_in_every_command_gives_nothing(
    two: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The worst slip: every query and every write goes by the other practice's number. Nothing of it is shown, nothing
    of it is written, changed or deleted."""
    with two.sql() as conn:
        there, before = _source(conn, SOUTH), _all(conn, SOUTH)
    monkeypatch.setattr(Engine, "source", there)
    two.let(NORTH, "web")
    said, statuses = "", {}
    for words in COMMANDS:
        statuses[words[0]] = run(
            ["--settings", str(two.stages[NORTH].file), *(word.replace("OUT", str(tmp_path)) for word in words)]
        )
        out = capfd.readouterr()
        said += out.out.replace(f"{CANARY}-1", "") + out.err.replace(f"{CANARY}-1", "")
    two.let(NORTH, "worker")
    files = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert statuses["flags"] == statuses["due"] == statuses["report"] == 0
    assert statuses["sync"] != 0
    assert CANARY not in said
    assert CANARY.encode() not in files
    with two.sql() as conn:
        assert _all(conn, SOUTH) == before


def test_f97_with_its_own_number_the_same_command_shows_its_own(two: House, capfd: pytest.CaptureFixture[str]) -> None:
    """Else the test above could pass because nothing works."""
    assert run(["--settings", str(two.stages[SOUTH].file), "client", f"{CANARY}-1"]) == 0
    assert CANARY in capfd.readouterr().out


def test_a_practice_that_has_the_server_for_itself_goes_on_as_before(postgres: Postgres, tmp_path: Path) -> None:
    """One user, who owns the tables, and nobody prepared anything: reading, writing, and a copy with pg_dump."""
    address = postgres.new_database()
    database = address.rpartition("/")[2]
    admin = engine_of(address)
    with admin.connect() as conn:
        conn.execute(text("DROP ROLE IF EXISTS lone"))
        conn.execute(text("CREATE ROLE lone LOGIN"))
        conn.execute(text(f'ALTER DATABASE "{database}" OWNER TO lone'))
        conn.execute(text("GRANT ALL ON SCHEMA public TO lone"))
        conn.commit()
    lone = address.replace("app@", "lone@")
    with Store(lone, "practice", bytes(32), create=True) as store:
        number = store.source("demo")
    with Store(lone, "practice", bytes(32)) as store:
        assert store.source("demo") == number
    tool = shutil.which("pg_dump", path=postgres_bin())
    if tool is None:
        pytest.skip("there is no pg_dump on this machine; install PostgreSQL's client programs")
    plain = lone.replace("+psycopg", "")
    done = subprocess.run([tool, plain], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "practice\tdemo" in done.stdout
    with admin.connect() as conn:
        conn.execute(text("REASSIGN OWNED BY lone TO app; DROP OWNED BY lone; DROP ROLE lone"))
        conn.commit()
    admin.dispose()
