"""Queries over attended sessions, where the platform gives them: days, and sealed who held them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import msgspec
from sqlalchemy import bindparam, delete, select

from ...schemas.records import Session
from .database import Tx
from .sql import among, chunks, upsert
from .tables import sessions

_encode = msgspec.json.Encoder().encode


def save(tx: Tx, found: Mapping[str, Sequence[Session]]) -> list[str]:
    """Stores the attended sessions of clients (our key -> all that the platform has now); what is gone there goes here.

    Two sessions on one day are one. Gives the clients whose days differ from before: their courses are to be read anew.
    """
    before = read(tx, list(found))
    changed = [key for key, held in found.items() if sorted({one.on for one in held}) != before[key]]
    for part in chunks(changed):
        tx.conn.execute(delete(sessions).where(sessions.c.source == tx.source, among(tx, sessions.c.client, part)))
    days = {(key, one.on.isoformat()): one.therapist for key in changed for one in found[key]}
    rows = [
        {
            "source": tx.source,
            "client": key,
            "on": day,
            "sealed": tx.sealer.seal(_place(tx, key, day), _encode(therapist)),
        }
        for (key, day), therapist in days.items()
    ]
    upsert(tx, sessions, rows)
    return changed


def _place(tx: Tx, client: str, day: str) -> str:
    return f"sessions:{tx.source}:{client}:{day}"


def read(tx: Tx, client_keys: Sequence[str]) -> dict[str, list[date]]:
    """The days of attended sessions, oldest first: client key -> days."""
    found: dict[str, list[date]] = {key: [] for key in client_keys}
    for part in chunks(client_keys):
        where = (sessions.c.source == tx.source) & among(tx, sessions.c.client, part)
        query = select(sessions.c.client, sessions.c.on).where(where).order_by(sessions.c.on)
        for client, day in tx.conn.execute(query):
            found[client].append(date.fromisoformat(day))
    return found


def therapists(tx: Tx, client: str) -> dict[date, str | None]:
    """Who held a client's sessions, by day."""
    query = select(sessions.c.on, sessions.c.sealed).where(sessions.c.source == tx.source, sessions.c.client == client)
    return {
        date.fromisoformat(day): msgspec.json.decode(tx.sealer.open(_place(tx, client, day), sealed))
        for day, sealed in tx.conn.execute(query)
    }


def known(tx: Tx) -> bool:
    """Whether the platform has ever given a session; where it never did, "none attended" would be a guess."""
    return tx.conn.execute(_any, {"s": tx.source}).first() is not None


_any = select(sessions.c.on).where(sessions.c.source == bindparam("s")).limit(1)
