"""Everything that is kept of one client: read for an export, and deleted for an erasure.

What must not stay behind is listed here table by table; a test holds the list against the tables themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
from sqlalchemy import Column, Table, delete, select
from sqlalchemy.exc import SQLAlchemyError

from ...schemas.records import Answers, Evidence
from ..words import tr
from . import flags as flag_queries
from . import mend, merging
from .database import Store, Tx
from .forms import Stored, as_answers, read_clients, unseal
from .mend import StoredRedirect
from .sql import among, chunks, from_ms
from .tables import (
    acknowledgements,
    asks,
    clients,
    deliveries,
    enrolments,
    flags,
    history,
    holds,
    logins,
    looks,
    missing,
    notes,
    notices,
    quarantine,
    remarks,
    responses,
    selfchecks,
    sessions,
)

BASIS_ERASED = "What this rested on was erased at the request of the client whose form it was."

_BY_CLIENT: dict[str, tuple[Table, Column[str]]] = {
    "forms": (responses, responses.c.client),
    "flags": (flags, flags.c.client),
    "holds": (holds, holds.c.client),
    "requests": (asks, asks.c.client),
    "enrolments": (enrolments, enrolments.c.client),
    "sessions": (sessions, sessions.c.client),
    "remarks": (remarks, remarks.c.client),
    "notes": (notes, notes.c.client),
    "self-checks": (selfchecks, selfchecks.c.client),
    "sign-ins about them": (logins, logins.c.client),
    "looks at their page": (looks, looks.c.client),
    "clients": (clients, clients.c.key),
}
_BY_FORM: dict[str, tuple[Table, Column[str]]] = {
    "earlier versions": (history, history.c.key),
    "set aside": (quarantine, quarantine.c.key),
    "missed once": (missing, missing.c.key),
    "remarks": (remarks, remarks.c.response),
}
_BY_FLAG: dict[str, tuple[Table, Column[str]]] = {
    "acknowledgements": (acknowledgements, acknowledgements.c.flag),
    "deliveries": (deliveries, deliveries.c.flag),
    "safety letters": (notices, notices.c.flag),
}
COVERED = frozenset(table.name for part in (_BY_CLIENT, _BY_FORM, _BY_FLAG) for table, _ in part.values()) | {
    "redirects",
    "erased",
}
"""Tables that an erasure sees to."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """A version of a form that was replaced: when, its status, its answers."""

    replaced: datetime
    status: str
    answers: Answers


@dataclass(frozen=True, slots=True)
class FullForm:
    """A form with everything that is kept of it: the platform's id, answers, stored totals, earlier versions."""

    key: str
    instrument: str
    version: str
    authored: datetime
    updated: datetime | None
    status: str
    counts: bool
    stored: Stored
    earlier: Sequence[Earlier]


def records_of(tx: Tx, client: str) -> list[str]:
    """Our keys of a client: their own, and those of records that were merged into theirs."""
    merged = merging.merged_into(tx)
    return [client, *sorted(old for old in merged if merging.resolve(merged, old) == client)]


def forms_of(tx: Tx, client: str) -> list[FullForm]:
    """All forms of a client, oldest first, those that no longer count too."""
    where = (responses.c.source == tx.source) & (responses.c.client == client)
    rows = tx.conn.execute(select(responses).where(where).order_by(responses.c.authored_ms, responses.c.key)).all()
    before = _earlier(tx, [row.key for row in rows])
    return [
        FullForm(
            row.key,
            row.instrument,
            row.instrument_version,
            from_ms(row.authored_ms, row.offset_min),
            None if row.updated_ms is None else from_ms(row.updated_ms),
            row.status,
            row.active,
            unseal(tx, row.key, row.sealed),
            before.get(row.key, ()),
        )
        for row in rows
    ]


def _earlier(tx: Tx, keys: Sequence[str]) -> dict[str, list[Earlier]]:
    found: dict[str, list[Earlier]] = {}
    for part in chunks(keys):
        where = (history.c.source == tx.source) & among(tx, history.c.key, part)
        for row in tx.conn.execute(select(history).where(where).order_by(history.c.id)):
            answers = as_answers(unseal(tx, row.key, row.sealed).answers)
            found.setdefault(row.key, []).append(Earlier(from_ms(row.replaced_ms), row.status, answers))
    return found


def attended(tx: Tx, client: str) -> list[str]:
    """ISO dates of attended sessions."""
    where = (sessions.c.source == tx.source) & (sessions.c.client == client)
    return list(tx.conn.execute(select(sessions.c.on).where(where).order_by(sessions.c.on)).scalars())


def letters(tx: Tx, flag_keys: Sequence[str]) -> list[tuple[str, str, datetime | None]]:
    """Safety letters of flags: (flag, to whom: clinician or backup, when it was sent)."""
    found = []
    for part in chunks(flag_keys):
        where = (notices.c.source == tx.source) & among(tx, notices.c.flag, part)
        query = select(notices.c.flag, notices.c.recipient, notices.c.sent_ms).where(where)
        for flag, to, ms in tx.conn.execute(query.order_by(notices.c.wanted_ms, notices.c.recipient)):
            found.append((flag, to, None if ms is None else from_ms(ms)))
    return found


# --- erasing ---------------------------------------------------------------------------------------------------------


def count(tx: Tx, keys: Sequence[str]) -> dict[str, int]:
    """How many rows of each kind an erasure of these client keys would delete."""
    found: dict[str, int] = {}
    for (name, (table, column)), wanted in _rows(tx, keys):
        for part in chunks(wanted):
            where = (table.c.source == tx.source) & among(tx, column, part)
            found[name] = found.get(name, 0) + len(tx.conn.execute(select(column).where(where)).all())
    return found


def erase(tx: Tx, keys: Sequence[str]) -> dict[str, int]:
    """Deletes everything of these client keys and remembers that they were erased; gives how many rows of each kind.

    In SQLite's file the bytes are overwritten, not only given up (`clean` sees to those that were given up before).
    """
    if tx.conn.dialect.name == "sqlite":
        tx.conn.exec_driver_sql("PRAGMA secure_delete=ON")
    found: dict[str, int] = {}
    for (name, (table, column)), wanted in _rows(tx, keys):
        for part in chunks(wanted):
            where = (table.c.source == tx.source) & among(tx, column, part)
            found[name] = found.get(name, 0) + tx.conn.execute(delete(table).where(where)).rowcount
    mend.set_erased(tx, keys)
    return found


def flags_of(tx: Tx, keys: Sequence[str]) -> list[str]:
    """Keys of the flags that an erasure of these client keys deletes: their own, and those that rose for another client
    from a form that was found to be theirs."""
    mine = [key for key, _ in _keys(tx, responses.c.key, responses.c.client, keys)]
    opened_elsewhere = {key for key, _ in _keys(tx, flags.c.key, flags.c.opening, mine)}
    return sorted(opened_elsewhere | {key for key, _ in _keys(tx, flags.c.key, flags.c.client, keys)})


def _rows(tx: Tx, keys: Sequence[str]) -> Iterable[tuple[tuple[str, tuple[Table, Column[str]]], Sequence[str]]]:
    """What is to be deleted by which keys; everything is looked up before the first row goes."""
    mine = [key for key, _ in _keys(tx, responses.c.key, responses.c.client, keys)]
    by_flag = flags_of(tx, keys)
    yield from ((item, by_flag) for item in _BY_FLAG.items())
    yield from ((item, mine) for item in _BY_FORM.items())
    yield ("flags", (flags, flags.c.key)), by_flag
    yield from ((item, keys) for item in _BY_CLIENT.items() if item[0] != "flags")


def _keys(tx: Tx, wanted: Column[str], column: Column[str], values: Sequence[str]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for part in chunks(values):
        where = (wanted.table.c.source == tx.source) & among(tx, column, part)
        found += ((key, value) for key, value in tx.conn.execute(select(wanted, column).where(where)))
    return found


def scrub(tx: Tx, keys: Sequence[str]) -> None:
    """Takes the erased client out of what stays for others' sake: redirects keep only their keys, and flags of clients
    who were thought to have filled in one of these forms lose what they rested on.

    To be called before `erase`.
    """
    mine = {key for key, _ in _keys(tx, responses.c.key, responses.c.client, keys)}
    names = {ref for ref in _refs(tx, keys) if ref}
    for one in mend.redirects_of(tx, mend.FORM, mend.CLIENT):
        if one.target in keys or one.key in keys:
            mend.set_redirect(tx, one.kind, one.key, one.target, StoredRedirect())
        elif one.stored.before in names:
            stored = msgspec.structs.replace(one.stored, before="", reason="")
            mend.set_redirect(tx, one.kind, one.key, one.target, stored)
    reassigned = {one.key for one in mend.redirects_of(tx, mend.FORM)} & mine
    mend.drop_redirects(tx, mend.MOVED, mine)
    if reassigned:
        _unbase(tx, keys, reassigned)


def _refs(tx: Tx, keys: Sequence[str]) -> list[str]:
    found = (one for one in mend.redirects_of(tx, mend.CLIENT) if one.key in keys)
    merged = [one.stored.record.ref for one in found if one.stored.record is not None]
    return [person.ref for person in read_clients(tx, list(keys)).values()] + merged


def _unbase(tx: Tx, keys: Sequence[str], form_keys: set[str]) -> None:
    where = (flags.c.source == tx.source) & flags.c.client.not_in(keys)
    others = list(tx.conn.execute(select(flags.c.key).where(where)).scalars())
    for part in chunks(others):
        for key, evidence in flag_queries.evidence_of(tx, part).items():
            if any(form.id in form_keys for form in evidence.forms):
                flag_queries.set_evidence(tx, {key: (Evidence(BASIS_ERASED, (), (), (), (), ""), None)})


def clean(store: Store) -> str | None:
    """Leaves nothing of deleted rows in the database's files; gives what could not be done, in a plain sentence.

    SQLite: the file is written anew without them, and the write-ahead log emptied. PostgreSQL: the space is given back
    to the server, which overwrites it in time.
    """
    name = store.engine.dialect.name
    try:
        if name == "postgresql":
            with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
                for table in sorted(COVERED):
                    conn.exec_driver_sql(f'VACUUM "{table}"')
            return None
        raw = store.engine.raw_connection()
        try:
            cursor = raw.cursor()
            cursor.execute("VACUUM")
            busy = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            cursor.close()
        finally:
            raw.close()
    except (SQLAlchemyError, store.engine.dialect.loaded_dbapi.Error):
        busy = True
    if busy:
        return tr(
            "Another program has the store open, or the disk is full: the deleted bytes could not be cleared "
            "from the file yet. Close it (a report, a backup?), or make room, then run the same command again."
        )
    return None
