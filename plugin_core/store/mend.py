"""Queries for mending: whose a form is, client records that were merged, the end of a course, who was erased.

Redirects are few, and are read once a run (sync/redirects.py). Each is sealed with all that taking it back needs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import msgspec
from sqlalchemy import delete, select, update

from .database import Tx, now_ms
from .forms import StoredClient
from .ready import OfKeys
from .sql import among, chunks, upsert
from .tables import clients, erased, redirects, responses

FORM, CLIENT, MOVED = "form", "client", "moved"


class StoredRedirect(msgspec.Struct, gc=False):
    """What is sealed of a redirect. `ref` is the platform's reference of the client whose forms they are now.

    Of a form: `before` is the reference of the client whose it was. Of a client: `record` is the record that is no
    more, `taken` names what moved with it, by table, so that all of it can go back.
    """

    ref: str = ""
    reason: str = ""
    author: str = ""
    before: str = ""
    record: StoredClient | None = None
    taken: dict[str, list[str]] = {}


@dataclass(frozen=True, slots=True)
class Redirect:
    """One redirect: `key` of the form or the record, `target` the key of the client."""

    kind: str
    key: str
    target: str
    at_ms: int
    stored: StoredRedirect


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(StoredRedirect).decode


def _place(tx: Tx, kind: str, key: str) -> str:
    return f"redirects:{tx.source}:{kind}:{key}"


def redirects_of(tx: Tx, *kinds: str) -> list[Redirect]:
    """All redirects of these kinds."""
    query = select(redirects).where(redirects.c.source == tx.source, redirects.c.kind.in_(kinds))
    return [
        Redirect(
            row.kind, row.key, row.target, row.at_ms, _decode(tx.sealer.open(_place(tx, row.kind, row.key), row.sealed))
        )
        for row in tx.conn.execute(query.order_by(redirects.c.at_ms, redirects.c.key))
    ]


def redirect(tx: Tx, kind: str, key: str) -> Redirect | None:
    """One redirect."""
    return next((one for one in redirects_of(tx, kind) if one.key == key), None)


def set_redirect(tx: Tx, kind: str, key: str, target: str, stored: StoredRedirect) -> None:
    """Stores a redirect, new or in place of the one of that key."""
    sealed = tx.sealer.seal(_place(tx, kind, key), _encode(stored))
    row = {"source": tx.source, "kind": kind, "key": key, "target": target, "at_ms": now_ms(), "sealed": sealed}
    upsert(tx, redirects, [row])


def drop_redirects(tx: Tx, kind: str, keys: Iterable[str]) -> None:
    """Forgets redirects."""
    for part in chunks(keys):
        where = (redirects.c.source == tx.source) & (redirects.c.kind == kind) & among(tx, redirects.c.key, part)
        tx.conn.execute(delete(redirects).where(where))


def remember_moved(tx: Tx, came_from: Mapping[str, str]) -> None:
    """Notes with which record forms came that a merge has brought to another (response key -> client key)."""
    rows = [
        {
            "source": tx.source,
            "kind": MOVED,
            "key": key,
            "target": client,
            "at_ms": now_ms(),
            "sealed": tx.sealer.seal(_place(tx, MOVED, key), b"{}"),
        }
        for key, client in came_from.items()
    ]
    upsert(tx, redirects, rows, keep=["target", "at_ms", "sealed"])


def moved(tx: Tx) -> dict[str, str]:
    """With which client record forms came that a merge has brought to another: response key -> client key."""
    query = select(redirects.c.key, redirects.c.target).where(
        redirects.c.source == tx.source, redirects.c.kind == MOVED
    )
    return dict(tx.conn.execute(query).all())


# --- forms and their clients ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FormRow:
    """A stored form as people find it: its key, its client's key, the form, when (ms, offset), whether it counts."""

    key: str
    client: str
    instrument: str
    version: str
    authored_ms: int
    offset_min: int
    status: str
    active: bool


_COLUMNS = (
    responses.c.key,
    responses.c.client,
    responses.c.instrument,
    responses.c.instrument_version,
    responses.c.authored_ms,
    responses.c.offset_min,
    responses.c.status,
    responses.c.active,
)


def form_rows(tx: Tx, client: str) -> list[FormRow]:
    """All forms of a client, newest first, those that no longer count too."""
    where = (responses.c.source == tx.source) & (responses.c.client == client)
    query = select(*_COLUMNS).where(where).order_by(responses.c.authored_ms.desc(), responses.c.key)
    return [FormRow(*row) for row in tx.conn.execute(query)]


def form_named(tx: Tx, start: str, limit: int = 3) -> list[FormRow]:
    """Forms whose key begins so; a few are enough to know that it is not one."""
    where = (responses.c.source == tx.source) & responses.c.key.startswith(start, autoescape=True)
    return [FormRow(*row) for row in tx.conn.execute(select(*_COLUMNS).where(where).limit(limit))]


def give_forms(tx: Tx, keys: Iterable[str], client: str) -> None:
    """Forms belong to this client from now on; answers, scores and history stay as they are."""
    for part in chunks(keys):
        where = (responses.c.source == tx.source) & among(tx, responses.c.key, part)
        tx.conn.execute(update(responses).where(where).values(client=client))


# --- the end of a course ----------------------------------------------------------------------------------------------


_ends = OfKeys(clients.c.key, clients.c.key, clients.c.ended, where=clients.c.ended.is_not(None))


def ends_of(tx: Tx, keys: Sequence[str]) -> dict[str, date]:
    """The last day of the course, of those clients whose course has ended."""
    return {key: date.fromisoformat(day) for key, day in _ends.rows(tx, keys)}


def set_end(tx: Tx, key: str, on: date | None) -> None:
    """Ends a client's course with a day, or lets it go on; the rules read it anew."""
    where = (clients.c.source == tx.source) & (clients.c.key == key)
    values = {"ended": None if on is None else on.isoformat(), "dirty": True, "marks": clients.c.marks + 1}
    tx.conn.execute(update(clients).where(where).values(**values))


def ask_all_again(tx: Tx) -> None:
    """The platform is to be asked of every client anew: a merge of two records shows in no form."""
    tx.conn.execute(update(clients).where(clients.c.source == tx.source).values(known=None))


# --- who was erased ---------------------------------------------------------------------------------------------------


def erased_clients(tx: Tx) -> dict[str, int]:
    """Clients who were erased here: key -> when (ms)."""
    query = select(erased.c.client, erased.c.at_ms).where(erased.c.source == tx.source)
    return {key: int(at) for key, at in tx.conn.execute(query)}


def set_erased(tx: Tx, keys: Iterable[str]) -> None:
    """Remembers that these clients were erased; nothing but a keyed hash and the time is kept."""
    rows: list[dict[str, Any]] = [{"source": tx.source, "client": key, "at_ms": now_ms()} for key in keys]
    upsert(tx, erased, rows, keep=["at_ms"])


def readmit(tx: Tx, key: str) -> bool:
    """Forgets that a client was erased; whether they were."""
    where = (erased.c.source == tx.source) & (erased.c.client == key)
    return bool(tx.conn.execute(delete(erased).where(where)).rowcount)
