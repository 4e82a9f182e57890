"""The database's roles on a host and what each may do, as SQL (S51).

Four roles, each for one kind of program. `owner` makes and changes tables, adds and erases practices; `worker` syncs
and sends; `web` is the desk, and what people of a practice do by commands; `report` only reads. None passes over row
security, and no right on another schema is given to any. What happened is added to the audit trail by all of them and
changed by none (S40); keys are made, wrapped anew and destroyed by the owner alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict

from sqlalchemy import Connection, Table, text
from sqlalchemy.engine import make_url

from ..errors import StoreError
from ..store.tables import metadata
from ..words import tr
from .host import QUEUE_SCHEMA, Host

READ = "SELECT"
ADD = "SELECT, INSERT"
ALL = "SELECT, INSERT, UPDATE, DELETE"
WORKER, WEB, REPORT = "worker", "web", "report"
# What differs from the last line, by table; an empty text is no right at all.
RIGHTS: dict[str, dict[str, str]] = {
    "practices": {WORKER: READ, WEB: READ, REPORT: READ},
    "keys": {WORKER: READ, WEB: READ, REPORT: READ},
    "audit": {WORKER: ADD, WEB: ADD, REPORT: ADD},
    # The desk takes away a lease that has run out (sync/lock.py), and no more.
    "due": {WORKER: "SELECT, UPDATE", WEB: "SELECT, UPDATE (owner, until_ms, fence)", REPORT: ""},
    "buckets": {WORKER: ALL, WEB: ALL, REPORT: ""},
    "accounts": {WORKER: "", WEB: ALL, REPORT: ""},
    "invites": {WORKER: "", WEB: ALL, REPORT: ""},
    "attempts": {WORKER: "", WEB: ALL, REPORT: ""},
    "logins": {WORKER: ALL, WEB: ALL, REPORT: ""},
    "authors": {WORKER: READ, WEB: ALL, REPORT: ""},
    "alembic_version": {WORKER: READ, WEB: READ, REPORT: READ},
    "": {WORKER: ALL, WEB: ALL, REPORT: READ},
}


def guarded() -> list[Table]:
    """The tables whose rows are a practice's own."""
    return [table for table in metadata.sorted_tables if not table.info.get("host")]


def for_administrator(host: Host, database: str) -> Iterator[str]:
    """What an administrator of the server does once: makes the roles, lets nobody else in, gives the tables to the
    owner."""
    roles = asdict(host.roles)
    for name in roles.values():
        yield (
            f"DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{name}') "
            f'THEN CREATE ROLE "{name}" LOGIN; END IF; END $$'
        )
    everyone = ", ".join(f'"{name}"' for name in roles.values())
    yield f'GRANT "{host.roles.owner}" TO CURRENT_USER'
    yield f"REVOKE ALL ON DATABASE {_quoted(database)} FROM PUBLIC"
    yield f"GRANT CONNECT ON DATABASE {_quoted(database)} TO {everyone}"
    yield "REVOKE ALL ON SCHEMA public FROM PUBLIC"
    yield f"GRANT USAGE ON SCHEMA public TO {everyone}"
    yield f'GRANT CREATE ON SCHEMA public TO "{host.roles.owner}"'
    yield f'CREATE SCHEMA IF NOT EXISTS {QUEUE_SCHEMA} AUTHORIZATION "{host.roles.owner}"'
    for name in (*metadata.tables, "alembic_version"):
        yield f'ALTER TABLE IF EXISTS public."{name}" OWNER TO "{host.roles.owner}"'


def for_owner(host: Host, unforced: Iterable[str]) -> Iterator[str]:
    """What the owner does after each new version of the tables: binds itself to row security too, and gives each role
    its rights and no others.

    :param unforced: the tables that it is not bound on yet; to bind it waits for everybody who uses the table.
    """
    for table in unforced:
        yield f'ALTER TABLE "{table}" FORCE ROW LEVEL SECURITY'
    for role, name in ((role, name) for role, name in asdict(host.roles).items() if role != "owner"):
        yield f'REVOKE ALL ON ALL TABLES IN SCHEMA public FROM "{name}"'
        yield f'REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM "{name}"'
        for known in (*metadata.tables, "alembic_version"):
            if granted := RIGHTS.get(known, RIGHTS[""])[role]:
                yield f'GRANT {granted} ON "{known}" TO "{name}"'
        numbers = "SEQUENCE audit_id_seq" if role == REPORT else "ALL SEQUENCES IN SCHEMA public"
        yield f'GRANT USAGE ON {numbers} TO "{name}"'
    worker = f'"{host.roles.worker}"'
    yield f"GRANT USAGE ON SCHEMA {QUEUE_SCHEMA} TO {worker}"
    yield f"GRANT {ALL} ON ALL TABLES IN SCHEMA {QUEUE_SCHEMA} TO {worker}"
    yield f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {QUEUE_SCHEMA} TO {worker}"


def script(host: Host) -> str:
    """Both parts, for somebody who wants to read or run them by hand."""
    parts: Iterable[tuple[str, Iterator[str]]] = (
        ("as an administrator of the server, once", for_administrator(host, make_url(host.store).database or "")),
        (
            f"as {host.roles.owner}, after each new version of the tables",
            for_owner(host, [table.name for table in guarded()]),
        ),
    )
    return "\n".join(f"-- {when}\n" + "".join(f"{line};\n" for line in lines) for when, lines in parts)


def settled(conn: Connection, host: Host) -> bool:
    """Whether an administrator has done the first part in this database."""
    found = set(conn.execute(text("SELECT rolname FROM pg_roles")).scalars())
    if not set(asdict(host.roles).values()) <= found:
        return False
    query = text(
        "SELECT to_regnamespace(:queue) IS NOT NULL AND has_schema_privilege(:owner, 'public', 'CREATE') "
        "AND has_database_privilege(:worker, current_database(), 'CONNECT') "
        "AND NOT has_database_privilege(:worker, current_database(), 'TEMPORARY') "
        "AND NOT EXISTS (SELECT FROM pg_tables WHERE schemaname = 'public' AND tablename = ANY (:tables) "
        "AND tableowner <> :owner)"
    )
    known = [*metadata.tables, "alembic_version"]
    named = {"owner": host.roles.owner, "worker": host.roles.worker, "tables": known, "queue": QUEUE_SCHEMA}
    return bool(conn.execute(query, named).scalar())


def demand_bound(conn: Connection, host: Host) -> None:
    """That no role passes over row security, or has another one's rights by being its member.

    :raises StoreError: one does; the message names it.
    """
    names = asdict(host.roles)
    strong = text(
        "SELECT rolname FROM pg_roles WHERE rolname = ANY (:names) "
        "AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolreplication)"
    )
    member = text(
        "SELECT m.rolname FROM pg_roles m WHERE m.rolname = ANY (:names) AND EXISTS (SELECT FROM pg_roles o WHERE "
        "o.rolname = ANY (:names) AND o.rolname <> m.rolname AND pg_has_role(m.oid, o.oid, 'MEMBER'))"
    )
    for query in (strong, member):
        if found := conn.execute(query, {"names": list(names.values())}).scalars().first():
            raise StoreError(
                tr(
                    "The database's role {role} may do more than it should: it passes over row security, makes roles, "
                    "or is a member of another of the host's roles. Take that from it, or name another role under "
                    "[roles].",
                    role=found,
                )
            )


def unforced(conn: Connection) -> list[str]:
    """The tables of practices' rows to which row security does not apply, or does not bind their owner."""
    query = text(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace "
        "AND relrowsecurity AND relforcerowsecurity"
    )
    bound = set(conn.execute(query).scalars())
    return [table.name for table in guarded() if table.name not in bound]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
