"""Queries over all clients at once, for lists of people: what changed, how many forms, what stands, who is on hold.

Nothing sealed is opened here but the clients' own rows, and those only where they changed since they were last opened.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Select, bindparam, func, select

from ...schemas.vocab import FlagState
from .database import Tx
from .flags import STANDING
from .sql import among, chunks
from .tables import asks, clients, enrolments, flags, holds, responses, sessions


class ClientRow(NamedTuple):
    """A client's row as it lies there: `marks` goes up with each change of their course."""

    key: str
    marks: int
    ended: str | None
    sealed: bytes


_CLIENT_ROWS = select(clients.c.key, clients.c.marks, clients.c.ended, clients.c.sealed)


def client_rows(tx: Tx, key: str | None = None) -> list[ClientRow]:
    """All clients' rows, or that of one client."""
    query = _CLIENT_ROWS.where(clients.c.source == tx.source)
    if key is not None:
        query = query.where(clients.c.key == key)
    return list(map(ClientRow._make, tx.conn.execute(query).all()))


class Forms(NamedTuple):
    """How many forms of a client count, and when the newest was filled in."""

    number: int
    newest_ms: int


def forms_of(tx: Tx, keys: Sequence[str], but: Collection[str], *, until_ms: int | None = None) -> dict[str, Forms]:
    """Forms by client, those of some instruments left out (the therapist's own), as of a time if one is given."""
    found: dict[str, Forms] = {}
    for part in chunks(keys):
        where = (responses.c.source == tx.source) & among(tx, responses.c.client, part) & responses.c.active
        query = select(responses.c.client, func.count(), func.max(responses.c.authored_ms))
        if until_ms is not None:
            where = where & (responses.c.authored_ms <= until_ms)
        query = query.where(where, responses.c.instrument.not_in(list(but))).group_by(responses.c.client)
        found.update((client, Forms(number, newest)) for client, number, newest in tx.conn.execute(query).all())
    return found


class Standing(NamedTuple):
    """A client's standing flags: how many are shown, open safety notices, and of what is shown and acknowledged by
    nobody the prompts and the good news."""

    number: int = 0
    safety: int = 0
    prompts: int = 0
    good: int = 0


def standing(tx: Tx) -> dict[str, Standing]:
    """Standing flags by client; clients without any are left out."""
    new = flags.c.shown & (flags.c.state == FlagState.RAISED.value)
    wanted = (flags.c.kind == "safety", new & (flags.c.kind == "prompt"), new & (flags.c.kind == "good-news"))
    counts = [func.count().filter(one) for one in (flags.c.shown, *wanted)]
    where = (flags.c.source == tx.source) & flags.c.state.in_(STANDING)
    rows = tx.conn.execute(select(flags.c.client, *counts).where(where).group_by(flags.c.client)).all()
    return {client: Standing(*rest) for client, *rest in rows}


def held(tx: Tx, today: str) -> dict[str, str]:
    """Who is on hold today, and until which day."""
    where = (holds.c.source == tx.source) & (holds.c.start <= today) & (holds.c.until >= today)
    query = select(holds.c.client, func.max(holds.c.until)).where(where).group_by(holds.c.client)
    return {row[0]: row[1] for row in tx.conn.execute(query).all()}


def asking_stamp(tx: Tx) -> tuple[Any, ...]:
    """Changes whenever something changes from which it follows who is due."""
    return tuple(tx.conn.execute(_STAMP, {"s": tx.source}).one())


def _stamp() -> Select[Any]:
    """Counts and sums of the times of change in one question; the newest alone tells nothing of a run's later ones."""
    changes = (
        (enrolments, func.sum(enrolments.c.changed_ms)),
        (asks, func.sum(asks.c.changed_ms)),
        (clients, func.sum(clients.c.marks)),
        (sessions, None),
    )
    parts = []
    for table, change in changes:
        told = (func.count(),) if change is None else (func.count(), change)
        parts += [
            select(one).select_from(table).where(table.c.source == bindparam("s")).scalar_subquery() for one in told
        ]
    return select(*parts)


_STAMP = _stamp()
