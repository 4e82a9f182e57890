"""Queries over enrolments: who is asked what, how often, on which consent. All of it is sealed but the state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import msgspec
from sqlalchemy import select

from ...schemas.records import Enrolment
from ...schemas.vocab import EnrolmentState
from .database import Tx
from .ready import OfKeys
from .sql import to_ms, upsert
from .tables import clients, enrolments, redirects

_encode = msgspec.json.Encoder().encode


class Stored(msgspec.Struct, gc=False):
    """What is sealed of an enrolment. New fields get a default, so that old rows stay readable."""

    instruments: list[str]
    every_weeks: int
    start: date
    every_sessions: int | None = None
    consent: date | None = None
    consent_by: str | None = None
    consent_text: str | None = None
    channel: str | None = None
    tags: list[str] = []
    paused_until: date | None = None
    opted_out: date | None = None
    end: date | None = None


_stored = msgspec.json.Decoder(Stored)


def _place(tx: Tx, client: str) -> str:
    return f"enrolments:{tx.source}:{client}"


def save(tx: Tx, items: Mapping[str, tuple[Enrolment, EnrolmentState]], now: datetime) -> None:
    """Stores enrolments with their state of today, by our key of the client."""
    rows = [
        {
            "source": tx.source,
            "client": key,
            "state": state.value,
            "changed_ms": to_ms(now),
            "sealed": tx.sealer.seal(_place(tx, key), _encode(_as_stored(item))),
        }
        for key, (item, state) in items.items()
    ]
    upsert(tx, enrolments, rows)


def _as_stored(item: Enrolment) -> Stored:
    plain = {name: getattr(item, name) for name in Stored.__struct_fields__ if name not in ("instruments", "tags")}
    return Stored(instruments=list(item.instruments), tags=sorted(item.tags), **plain)


_of_clients = OfKeys(enrolments.c.client, enrolments.c.client, enrolments.c.sealed)


def read(tx: Tx, client_keys: Sequence[str] | None = None) -> dict[str, Enrolment]:
    """Enrolments by our key of the client, all of them where no keys are given; `client` holds that key."""
    every = select(enrolments.c.client, enrolments.c.sealed).where(enrolments.c.source == tx.source)
    rows: Iterable[Any] = tx.conn.execute(every) if client_keys is None else _of_clients.rows(tx, client_keys)
    found = {}
    for key, sealed in rows:
        stored = _stored.decode(tx.sealer.open(_place(tx, key), sealed))
        plain = {name: getattr(stored, name) for name in Stored.__struct_fields__}
        plain |= {"instruments": tuple(stored.instruments), "tags": frozenset(stored.tags)}
        found[key] = Enrolment(client=key, **plain)
    return found


def tags_of(tx: Tx, client_keys: Sequence[str]) -> dict[str, frozenset[str]]:
    """The tags of clients' enrolments (under-age, proxy, interpreter, couple), of those that have any."""
    return {key: item.tags for key, item in read(tx, client_keys).items() if item.tags}


def missing(tx: Tx) -> list[str]:
    """Clients who are known and not enrolled in any way, by key."""
    enrolled = select(enrolments.c.client).where(enrolments.c.source == tx.source)
    where = (clients.c.source == tx.source) & clients.c.key.not_in(enrolled)
    return list(tx.conn.execute(select(clients.c.key).where(where).order_by(clients.c.key)).scalars())


def replaced(tx: Tx) -> dict[str, str]:
    """Client records that are no more, and the records that stand for them now."""
    where = (redirects.c.source == tx.source) & (redirects.c.kind == "client")
    query = select(redirects.c.key, redirects.c.target).where(where)
    return {str(key): str(target) for key, target in tx.conn.execute(query)}
