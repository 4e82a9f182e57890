"""Queries over all clients at once, for lists of people: what changed, how many forms, what stands, who is on hold.

Nothing sealed is opened here but the clients' own rows, and those only where they changed since they were last opened.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from sqlalchemy import func, select

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


def client_rows(tx: Tx) -> list[ClientRow]:
    """All clients' rows."""
    columns = (clients.c.key, clients.c.marks, clients.c.ended, clients.c.sealed)
    return [ClientRow(*row) for row in tx.conn.execute(select(*columns).where(clients.c.source == tx.source)).all()]


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


class FlagLine(NamedTuple):
    """A standing flag without its evidence."""

    client: str
    kind: str
    state: str
    shown: bool


def standing(tx: Tx) -> list[FlagLine]:
    """All standing flags."""
    columns = (flags.c.client, flags.c.kind, flags.c.state, flags.c.shown)
    where = (flags.c.source == tx.source) & flags.c.state.in_(STANDING)
    return [FlagLine(*row) for row in tx.conn.execute(select(*columns).where(where)).all()]


def held(tx: Tx, today: str) -> dict[str, str]:
    """Who is on hold today, and until which day."""
    where = (holds.c.source == tx.source) & (holds.c.start <= today) & (holds.c.until >= today)
    query = select(holds.c.client, func.max(holds.c.until)).where(where).group_by(holds.c.client)
    return {row[0]: row[1] for row in tx.conn.execute(query).all()}


def asking_stamp(tx: Tx) -> tuple[Any, ...]:
    """Changes whenever something changes from which it follows who is due."""
    found: list[Any] = []
    for table, newest in ((enrolments, enrolments.c.changed_ms), (asks, asks.c.changed_ms), (clients, None)):
        column = func.sum(clients.c.marks) if newest is None else func.max(newest)
        query = select(func.count(), column).where(table.c.source == tx.source)
        found.append(tuple(tx.conn.execute(query).one()))
    counted = select(func.count()).select_from(sessions).where(sessions.c.source == tx.source)
    return (*found, tx.conn.execute(counted).scalar_one())
