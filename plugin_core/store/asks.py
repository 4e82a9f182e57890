"""Queries over asks: one row for each client, form and due day, and the answers that settle them.

The key of an ask is a keyed hash of the three, so that no two can be made for one due day, whatever crashes. What the
channel gave back (the platform's id of the request, a link) is sealed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import msgspec
from sqlalchemy import case, func, or_, select, update

from ...schemas.vocab import AskState
from .database import Tx
from .sql import among, chunks, from_ms, to_ms, upsert
from .tables import asks, responses

_encode = msgspec.json.Encoder().encode
LIVE = (AskState.PLANNED, AskState.SENDING, AskState.OPEN)


@dataclass(frozen=True, slots=True)
class AskRow:
    """One request as the store has it. `recall`: it is closed here, and its channel is still to be told."""

    key: str
    client: str
    instrument: str
    due: date
    state: AskState
    channel: str
    expires: date
    attempts: int = 0
    not_before: datetime | None = None
    asked: datetime | None = None
    reminders: int = 0
    reminded: datetime | None = None
    answered_by: str | None = None
    problem: str | None = None
    recall: bool = False

    @property
    def live(self) -> bool:
        """Whether it is not closed yet."""
        return self.state in LIVE


class Remote(msgspec.Struct, array_like=True, gc=False):
    """What is sealed of an ask: the channel's id of the request, and a link to hand over."""

    remote_id: str | None = None
    link: str | None = None


_remote = msgspec.json.Decoder(Remote)


def key_of(tx: Tx, client: str, instrument: str, due: date) -> str:
    """The key of the ask of that client, form and due day."""
    return tx.sealer.hash("ask", str(tx.source), client, instrument, due.isoformat())


def plan(tx: Tx, client: str, instrument: str, due: date, channel: str, expires: date, now: datetime) -> str:
    """Makes the row of one request that is due, unless there is one; gives its key."""
    key = key_of(tx, client, instrument, due)
    row = {
        "source": tx.source,
        "key": key,
        "client": client,
        "instrument": instrument,
        "due": due.isoformat(),
        "state": AskState.PLANNED.value,
        "channel": channel,
        "attempts": 0,
        "reminders": 0,
        "expires": expires.isoformat(),
        "recall": False,
        "changed_ms": to_ms(now),
    }
    upsert(tx, asks, [row], keep=[name for name in row if name not in ("source", "key")])
    return key


def change(tx: Tx, key: str, now: datetime, **values: Any) -> None:
    """Sets columns of an ask; states, days and times are given as such."""
    plain = {name: _plain(value) for name, value in values.items()}
    named = {f"{name}_ms" if name in ("not_before", "asked", "reminded") else name: v for name, v in plain.items()}
    where = (asks.c.source == tx.source) & (asks.c.key == key)
    # Later at each change, though a run that sends has one time for all: what is kept in memory of them tells by it.
    later = case((asks.c.changed_ms < to_ms(now), to_ms(now)), else_=asks.c.changed_ms + 1)
    tx.conn.execute(update(asks).where(where).values(changed_ms=later, **named))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return to_ms(value)
    if isinstance(value, date):
        return value.isoformat()
    return value.value if isinstance(value, AskState) else value


def keep_remote(tx: Tx, key: str, remote: Remote) -> None:
    """Seals what the channel gave back."""
    sealed = tx.sealer.seal(_place(tx, key), _encode(remote))
    tx.conn.execute(update(asks).where(asks.c.source == tx.source, asks.c.key == key).values(sealed=sealed))


def remote_of(tx: Tx, keys: Sequence[str]) -> dict[str, Remote]:
    """What the channels gave back, of those asks that have something."""
    found = {}
    for part in chunks(keys):
        where = (asks.c.source == tx.source) & among(tx, asks.c.key, part) & asks.c.sealed.is_not(None)
        for key, sealed in tx.conn.execute(select(asks.c.key, asks.c.sealed).where(where)):
            found[key] = _remote.decode(tx.sealer.open(_place(tx, key), sealed))
    return found


def _place(tx: Tx, key: str) -> str:
    return f"asks:{tx.source}:{key}"


_COLUMNS = [column for column in asks.c if column.name not in ("source", "sealed", "changed_ms")]


def read(
    tx: Tx,
    *,
    states: Iterable[AskState] | None = None,
    clients: Sequence[str] | None = None,
    keys: Sequence[str] | None = None,
    since: date | None = None,
    recall: bool = False,
) -> list[AskRow]:
    """Asks, oldest due day first; all of them unless states, clients, keys, or those whose channel is to be told.

    `since`: of those that are closed only such whose last day is this one or later.
    """
    query = select(*_COLUMNS).where(asks.c.source == tx.source)
    if states is not None:
        query = query.where(asks.c.state.in_([state.value for state in states]))
    if since is not None:
        live = asks.c.state.in_([state.value for state in LIVE])
        query = query.where(or_(live, asks.c.expires >= since.isoformat()))
    if recall:
        query = query.where(asks.c.recall)
    column, wanted = (asks.c.client, clients) if clients is not None else (asks.c.key, keys)
    parts = [query] if wanted is None else [query.where(among(tx, column, part)) for part in chunks(wanted)]
    found = [_row(row) for part in parts for row in tx.conn.execute(part)]
    return sorted(found, key=lambda row: (row.due, row.key))


def _row(row: Any) -> AskRow:
    return AskRow(
        key=row.key,
        client=row.client,
        instrument=row.instrument,
        due=date.fromisoformat(row.due),
        state=AskState(row.state),
        channel=row.channel,
        expires=date.fromisoformat(row.expires),
        attempts=row.attempts,
        not_before=None if row.not_before_ms is None else from_ms(row.not_before_ms),
        asked=None if row.asked_ms is None else from_ms(row.asked_ms),
        reminders=row.reminders,
        reminded=None if row.reminded_ms is None else from_ms(row.reminded_ms),
        answered_by=row.answered_by,
        problem=row.problem,
        recall=row.recall,
    )


def close(tx: Tx, rows: Iterable[AskRow], now: datetime) -> int:
    """Closes requests that are not wanted any more; those that may have gone out are to be taken back. Gives the count.

    A reminder of unknown outcome is one of them; a request that was only planned never left.
    """
    number = 0
    for row in rows:
        change(tx, row.key, now, state=AskState.WITHDRAWN, recall=row.state is not AskState.PLANNED, not_before=None)
        number += 1
    return number


def newest_refused(tx: Tx) -> list[str]:
    """Of each client and form the newest request, if it was refused."""
    newest: dict[tuple[str, str], AskRow] = {}
    refused = {row.client for row in read(tx, states=(AskState.REFUSED,))}
    for row in read(tx, clients=sorted(refused)):
        newest[row.client, row.instrument] = row
    return [row.key for row in newest.values() if row.state is AskState.REFUSED]


def unsupported_answers(tx: Tx) -> list[AskRow]:
    """Answered asks whose form counts no longer: it was withdrawn, or is another client's."""
    joined = asks.outerjoin(
        responses,
        (responses.c.source == asks.c.source)
        & (responses.c.key == asks.c.answered_by)
        & (responses.c.client == asks.c.client)
        & responses.c.active,
    )
    where = (asks.c.source == tx.source) & (asks.c.state == AskState.ANSWERED.value) & responses.c.key.is_(None)
    return [_row(row) for row in tx.conn.execute(select(*_COLUMNS).select_from(joined).where(where))]


def answers(tx: Tx, client_keys: Collection[str]) -> dict[tuple[str, str], list[tuple[datetime, str]]]:
    """When clients answered: (client key, instrument) -> (time, key of the form), oldest first; active forms only."""
    found: dict[tuple[str, str], list[tuple[datetime, str]]] = {}
    columns = (responses.c.client, responses.c.instrument, responses.c.authored_ms, responses.c.key)
    for part in chunks(client_keys):
        where = (responses.c.source == tx.source) & among(tx, responses.c.client, part) & responses.c.active
        query = select(*columns).where(where).order_by(responses.c.authored_ms, responses.c.key)
        for client, instrument, ms, key in tx.conn.execute(query):
            found.setdefault((client, instrument), []).append((from_ms(ms), key))
    return found


def last_change(tx: Tx) -> datetime | None:
    """When an ask was last changed: a clock that is behind this has jumped."""
    ms = tx.conn.execute(select(func.max(asks.c.changed_ms)).where(asks.c.source == tx.source)).scalar()
    return None if ms is None else from_ms(ms)


def counts(tx: Tx) -> dict[str, int]:
    """How many asks there are in each state."""
    query = select(asks.c.state, func.count()).where(asks.c.source == tx.source).group_by(asks.c.state)
    return {state: int(number) for state, number in tx.conn.execute(query)}
