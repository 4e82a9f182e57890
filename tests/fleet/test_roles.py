"""S51, S52: worker, desk, report and migration sign in by roles of their own with different rights; people by their
own, on the real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import pytest
from handrail.plugin_core.errors import HandrailError, StoreError
from handrail.plugin_core.fleet import roles
from handrail.plugin_core.fleet.host import OFFICE
from handrail.plugin_core.keeping.backup import restore
from handrail.plugin_core.settings import load, save
from handrail.plugin_core.store import Store, keys
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, ProgrammingError

from tests.keeping.conftest import fill
from tests.peers.servers import Postgres

from .houses import NORTH, SOUTH, House, house


@pytest.fixture(scope="module")
def one(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A host with two practices, of which north has a life, and with something beside that is none of Handrail's."""
    with house(tmp_path_factory.mktemp("host"), postgres.new_database(), SOUTH) as made:
        made.do("CREATE SCHEMA others", "CREATE TABLE others.wages (amount int)", "INSERT INTO others.wages VALUES (7)")
        fill(made.move_in(NORTH))
        yield made


@pytest.fixture
def strange(postgres: Postgres, tmp_path: Path) -> Iterator[House]:
    """A host that nobody has prepared, with roles that no other test has; they go at the end."""
    named = {"owner": "s_owner", "worker": "s_worker", "web": "s_web", "report": "s_report"}
    admin = postgres.new_database()
    made = House(tmp_path, admin, **named)
    yield made
    save(made.file, {"host.store": admin})
    for role in (*named.values(), "anna", "before"):
        with suppress(ProgrammingError):
            made.do(f"REASSIGN OWNED BY {role} TO app", f"DROP OWNED BY {role}", f"DROP ROLE {role}")


# What none of the programs may do, whatever runs in them.
FORBIDDEN = (
    "DROP TABLE responses",
    "ALTER TABLE responses ADD COLUMN x text",
    "ALTER TABLE responses DISABLE ROW LEVEL SECURITY",
    "DROP POLICY own_practice ON responses",
    "TRUNCATE responses",
    "CREATE TABLE mine (a int)",
    "CREATE TEMPORARY TABLE mine (a int)",
    "CREATE SCHEMA mine",
    "CREATE ROLE mine",
    "SET ROLE handrail_owner",
    "SELECT * FROM others.wages",
    "UPDATE keys SET wrapped = 'x'",
    "DELETE FROM keys",
    "INSERT INTO keys (practice, id, wrapped, created_ms) VALUES ('north', 9, 'x', 0)",
    "UPDATE practices SET id = 'mine'",
    "DELETE FROM practices",
    "UPDATE audit SET actor = 'somebody else'",
    "DELETE FROM audit",
    "UPDATE alembic_version SET version_num = '0001'",
    "INSERT INTO due SELECT * FROM due",
    "DELETE FROM due",
    "COPY responses TO PROGRAM 'cat'",
)
READS_ONLY = (
    "UPDATE responses SET status = 'x'",
    "DELETE FROM flags",
    "INSERT INTO erased (source, client, at_ms) VALUES (1, 'x', 0)",
    "SELECT * FROM accounts",
    "SELECT * FROM logins",
    "SELECT * FROM due",
)


@pytest.mark.parametrize("role", ["worker", "web", "report"])
def test_s51_what_no_program_may_do(one: House, role: str) -> None:
    """A worker that was taken over cannot drop, switch row security off, read other schemas, change keys or trail."""
    allowed = [statement for statement in FORBIDDEN if not _refused(one, role, statement)]
    assert allowed == []


@pytest.mark.parametrize("role", ["worker", "web", "report"])
def test_s52_no_program_adds_to_the_back_offices_trail(one: House, role: str) -> None:
    """A made-up line of an erasure would keep a practice's id from being given, and hide a real one."""
    add = "INSERT INTO audit (practice, at_ms, actor, action) VALUES (:practice, 0, 'x', 'practice-erased')"
    with one.sql(role, NORTH) as conn:
        conn.execute(text(add), {"practice": NORTH})
    with one.sql(role, OFFICE) as conn, pytest.raises(ProgrammingError, match="row-level security"):
        conn.execute(text(add), {"practice": OFFICE})


def test_s51_a_report_writes_nothing_and_reads_no_passwords(one: House) -> None:
    """A report is often given to somebody else to run."""
    assert [statement for statement in READS_ONLY if not _refused(one, "report", statement)] == []


def test_s51_a_desk_cannot_pause_or_hurry_a_practice(one: House) -> None:
    """When whom is worked on is the workers' and the back office's; a desk may take a lease that has run out."""
    assert _refused(one, "web", "UPDATE due SET paused = true")
    assert _refused(one, "web", "UPDATE due SET next_ms = 0")
    assert not _refused(one, "web", "UPDATE due SET owner = NULL, fence = fence + 1 WHERE until_ms < 0")


def test_s50_the_queue_is_the_workers_alone(one: House) -> None:
    """It holds ids and no data, and nobody else calls workers."""
    with one.sql("worker") as conn:
        assert conn.execute(text("SELECT count(*) FROM handrail_queue.procrastinate_jobs")).scalar() == 0
    for role in ("web", "report"):
        assert _refused(one, role, "SELECT * FROM handrail_queue.procrastinate_jobs")


def test_s51_a_worker_does_not_see_who_may_come_to_the_desk(one: House) -> None:
    """Names and the hashes of passwords are the desk's."""
    tables = ("accounts", "invites", "attempts")
    assert [table for table in tables if not _refused(one, "worker", f"SELECT * FROM {table}")] == []


def _refused(one: House, role: str, statement: str) -> bool:
    with one.sql(role, NORTH) as conn:
        try:
            conn.execute(text(statement))
        except DBAPIError as refused:
            if getattr(refused.orig, "sqlstate", "") != "42501":
                raise
            return True
        return False


def test_s51_the_owner_is_bound_by_row_security_too(one: House) -> None:
    """It owns the tables, and still sees no rows before it says whose."""
    with one.sql("owner") as conn:
        assert conn.execute(text("SELECT count(*) FROM responses")).scalar() == 0
        assert roles.unforced(conn) == []


def test_a_worker_syncs_and_a_report_reads_by_its_own_role(one: House) -> None:
    """Rights that are too few would stop the work: the practice's whole life in the fixture was written as a worker."""
    stage = one.stages[NORTH]
    stage.later(minutes=5)
    assert stage.sync().outcome.value == "complete"
    assert stage.ask(lambda engine: engine.rescore(dry_run=False)) is not None
    one.let(NORTH, "report")
    try:
        assert stage.ask(lambda engine: len(engine.flags(everything=True))) > 0
        assert stage.ask(lambda engine: engine.client("c1")) is not None
        stage.ask(lambda engine: engine.record("anna", "report-written"))
        with pytest.raises(HandrailError, match="rights"):
            stage.sync()
    finally:
        one.let(NORTH, "worker")


def test_without_a_user_in_the_address_the_role_is_the_callers(one: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """One settings file for the desk, the report and a person: who runs it says by PGUSER as what."""
    stage = one.stages[NORTH]
    stage.store_url = one.host.store.replace("app@", "")
    stage.write_settings()
    query = text("SELECT current_user")
    try:
        for role in ("handrail_web", "handrail_report"):
            monkeypatch.setenv("PGUSER", role)
            with stage.engine() as engine, engine.store.reading() as tx:
                assert tx.conn.execute(query).scalar() == role
    finally:
        one.let(NORTH, "worker")


def test_new_keys_are_made_by_the_owner_alone(one: House) -> None:
    """The worker's role is refused with a plain sentence and nothing changed; the owner's goes through."""
    stage = one.stages[NORTH]
    with pytest.raises(StoreError, match="rights"):
        stage.ask(lambda engine: engine.keeping.rotate("anna"))
    one.let(NORTH, "owner")
    try:
        assert stage.ask(lambda engine: engine.keeping.rotate("anna")).key == 2
    finally:
        one.let(NORTH, "worker")
    assert stage.ask(lambda engine: engine.client("c1")) is not None


def test_s48_a_backup_is_put_back_by_the_owner_and_touches_no_other_practice(one: House, tmp_path: Path) -> None:
    """Rows go and come under row security; the number of a source made afterwards is nobody's yet."""
    stage = one.stages[NORTH]
    one.let(NORTH, "web")
    stage.ask(lambda engine: engine.keeping.backup(tmp_path / "backup", "anna"))
    before = stage.seen()
    one.let(NORTH, "owner")
    try:
        restore(load(stage.file), tmp_path / "backup", "anna", replace=True)
    finally:
        one.let(NORTH, "worker")
    assert stage.seen() == before
    with one.sql() as conn:
        numbers = set(conn.execute(text("SELECT id FROM sources")).scalars())
        assert set(conn.execute(text("SELECT DISTINCT source FROM responses")).scalars()) <= numbers
    settings = one.host.settings_of(SOUTH)
    with Store(settings.store_url, SOUTH, keys.master(settings.key_reference)) as south:
        assert south.source("another") not in numbers


def test_s52_a_person_acts_by_a_role_of_her_own(strange: House) -> None:
    """An administrator runs what `prepare --sql` prints; anna, a member of the owner, does the rest, and the trail has
    her name and the role by which she signed in. Somebody else may not."""
    admin = strange.host.store
    strange.do("CREATE ROLE anna LOGIN")
    save(strange.file, {"host.store": admin.replace("app@", "anna@")})
    with pytest.raises(StoreError, match="prepare --sql"):
        strange.prepare()
    save(strange.file, {"host.store": admin})
    first, _, _ = roles.script(strange.host).partition("-- as s_owner")
    strange.do(*(line for line in first.split(";\n") if line.strip()))
    strange.do("GRANT s_owner TO anna")
    save(strange.file, {"host.store": admin.replace("app@", "anna@")})
    strange.prepare()
    with strange.office("anna") as office:
        office.add(NORTH, {})
        assert [(e.actor, e.action, e.subject, e.detail) for e in office.trail()] == [
            ("anna", "host-prepared", None, "signed in as anna"),
            ("anna", "practice-added", NORTH, "signed in as anna"),
        ]
        assert office.check_trail().problems == ()
    save(strange.file, {"host.store": admin})
    strange.do("REVOKE s_owner FROM anna")
    save(strange.file, {"host.store": admin.replace("app@", "anna@")})
    with strange.office("anna") as office, pytest.raises(StoreError, match="does not let Handrail in"):
        office.pause(NORTH)


@pytest.mark.parametrize(
    "more", ["ALTER ROLE s_worker BYPASSRLS", "GRANT s_owner TO s_web", "ALTER ROLE s_report CREATEROLE"]
)
def test_s51_a_role_that_may_do_more_than_it_should_is_named(strange: House, more: str) -> None:
    """Row security that the worker's role passes over would separate nobody."""
    strange.prepare()
    strange.do(more)
    with pytest.raises(StoreError, match=r"The database's role s_\w+ may do more than it should"):
        strange.prepare()


def test_a_store_of_one_practice_becomes_one_of_a_host(strange: House, tmp_path: Path) -> None:
    """Its tables go over to the owner, its rows stay, and the program that it had may do no more by its old role."""
    address = strange.host.store
    strange.do("CREATE ROLE before LOGIN", "GRANT ALL ON SCHEMA public TO before")
    old = address.replace("app@", "before@")
    master = bytes(range(32))
    with Store(old, "alone", master, create=True) as store:
        number = store.source("demo")
    strange.prepare()
    strange.prepare()  # and again, as after each update
    with Store(strange.address("worker"), "alone", master) as store:
        assert store.source("demo") == number
    with pytest.raises(StoreError):
        Store(old, "alone", master)


def test_s51_a_desk_of_a_newer_version_says_who_brings_the_tables_to_it(strange: House) -> None:
    """After an update, before `prepare`: a plain sentence, and nothing half changed."""
    strange.prepare()
    with strange.office() as office:
        settings = load(office.add(NORTH, {}))
    strange.do("UPDATE alembic_version SET version_num = '0004'")
    with pytest.raises(StoreError, match="Run: handrail practices prepare"):
        Store(strange.address("web"), NORTH, keys.master(settings.key_reference))


def test_the_printed_script_is_all_that_is_done(strange: House) -> None:
    """Who wants to run it by hand, or to read it before, has all of it."""
    script = roles.script(strange.host)
    for role in asdict(strange.host.roles).values():
        assert f'CREATE ROLE "{role}" LOGIN' in script
    for table in roles.guarded():
        assert f'ALTER TABLE "{table.name}" FORCE ROW LEVEL SECURITY' in script
    assert "PASSWORD" not in script.upper()
