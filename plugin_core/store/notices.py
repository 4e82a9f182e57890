"""Queries over safety notices: who is to be told of which safety answer, and what became of each letter.

A notice is queued in the transaction that raises its flag, so that no flag exists of which nobody is to be told. Who
the recipient is by name is decided when the letter is written: the client's clinician may become known or change.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import func, insert, select, update

from ...schemas.vocab import FlagState, NoticeState
from ..errors import SealBroken
from .database import Tx
from .sql import among, chunks
from .tables import flags, notices

CLINICIAN, BACKUP = "clinician", "backup"
RECIPIENTS = (CLINICIAN, BACKUP)
SAFETY = "safety"
OPEN_STATES = (FlagState.RAISED.value, FlagState.ACKNOWLEDGED.value)
TO_SEND = (NoticeState.PENDING.value, NoticeState.SENDING.value, NoticeState.REFUSED.value)

_encode = msgspec.json.Encoder().encode


class StoredNotice(msgspec.Struct, array_like=True, gc=False):
    """What is sealed of a notice: to which address, and in which letter (its key) where several go in one."""

    to: str | None = None
    letter: str | None = None


_notice = msgspec.json.Decoder(StoredNotice)
Key = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class NoticeRow:
    """One notice: of a flag, to a recipient, the how-manieth. Times in milliseconds since 1970 UTC."""

    flag: str
    recipient: str
    number: int
    older: bool
    state: NoticeState
    attempts: int
    wanted_ms: int
    not_before_ms: int | None
    sent_ms: int | None
    problem: str | None
    to: str | None
    letter: str | None

    @property
    def key(self) -> Key:
        """What names the row."""
        return (self.flag, self.recipient, self.number)


@dataclass(frozen=True, slots=True)
class Unclosed:
    """A safety flag that no person has closed. `seen`: a person has seen it."""

    flag: str
    client: str
    seen: bool
    opening: str
    opened_ms: int
    offset_min: int


def _place(tx: Tx, key: Key) -> str:
    return f"notices:{tx.source}:{key[0]}:{key[1]}:{key[2]}"


def queue(
    tx: Tx, flag_keys: Iterable[str], now_ms: int, *, older: bool = False, to: Sequence[str] = RECIPIENTS
) -> None:
    """Queues the next notice of each flag for the recipients, in the transaction that calls for it."""
    keys = list(flag_keys)
    numbers: dict[tuple[str, str], int] = {}
    for part in chunks(keys):
        where = (notices.c.source == tx.source) & among(tx, notices.c.flag, part)
        query = select(notices.c.flag, notices.c.recipient, func.max(notices.c.number)).where(where)
        for flag, recipient, number in tx.conn.execute(query.group_by(notices.c.flag, notices.c.recipient)):
            numbers[flag, recipient] = number
    rows = [
        {
            "source": tx.source,
            "flag": flag,
            "recipient": recipient,
            "number": numbers.get((flag, recipient), 0) + 1,
            "older": older,
            "state": NoticeState.PENDING.value,
            "attempts": 0,
            "wanted_ms": now_ms,
        }
        for flag in keys
        for recipient in to
    ]
    if rows:
        tx.conn.execute(insert(notices), rows)


def unclosed(tx: Tx) -> list[Unclosed]:
    """Safety flags that no person has closed, oldest first."""
    columns = (flags.c.key, flags.c.client, flags.c.state, flags.c.opening, flags.c.opened_ms, flags.c.offset_min)
    where = (flags.c.source == tx.source) & flags.c.state.in_(OPEN_STATES) & (flags.c.kind == SAFETY)
    query = select(*columns).where(where).order_by(flags.c.opened_ms, flags.c.key)
    return [
        Unclosed(key, client, state == FlagState.ACKNOWLEDGED.value, *rest)
        for key, client, state, *rest in tx.conn.execute(query)
    ]


def of_flags(tx: Tx, flag_keys: Iterable[str]) -> dict[str, list[NoticeRow]]:
    """All notices of flags in their order, which is by number: a clock that jumped may have dated them otherwise."""
    found: dict[str, list[NoticeRow]] = {}
    for part in chunks(flag_keys):
        where = (notices.c.source == tx.source) & among(tx, notices.c.flag, part)
        query = select(notices).where(where).order_by(notices.c.number, notices.c.recipient.desc())
        for row in tx.conn.execute(query):
            found.setdefault(row.flag, []).append(_row(tx, row))
    return found


def untold(tx: Tx) -> set[str]:
    """Clients with a safety flag that nobody has seen, of whom a letter could not go out: their keys."""
    unseen = (flags.c.source == tx.source) & (flags.c.state == FlagState.RAISED.value) & (flags.c.kind == SAFETY)
    failed = notices.c.state.in_(TO_SEND) & notices.c.problem.is_not(None)
    of_flag = (notices.c.source == flags.c.source) & (notices.c.flag == flags.c.key)
    query = select(flags.c.client).join(notices, of_flag).where(unseen & failed)
    return set(tx.conn.execute(query).scalars())


def _row(tx: Tx, row: Any) -> NoticeRow:
    key = (row.flag, row.recipient, row.number)
    stored = StoredNotice()
    with suppress(SealBroken):  # that it was edited costs who was told, and never the notice
        stored = stored if row.sealed is None else _notice.decode(tx.sealer.open(_place(tx, key), row.sealed))
    return NoticeRow(
        *key,
        row.older,
        NoticeState(row.state),
        row.attempts,
        row.wanted_ms,
        row.not_before_ms,
        row.sent_ms,
        row.problem,
        stored.to,
        stored.letter,
    )


def mark(tx: Tx, rows: Sequence[NoticeRow], state: NoticeState, to: str, letter: str, **more: Any) -> None:
    """What is about to happen, or has happened, to the notices of one letter. A person's answer is never overwritten:
    a notice that is not needed any more stays so.

    :param more: columns besides: attempts, sent_ms, not_before_ms, problem.
    """
    for row in rows:
        sealed = tx.sealer.seal(_place(tx, row.key), _encode(StoredNotice(to, letter)))
        where = (notices.c.source == tx.source) & _is(row.key) & notices.c.state.in_(TO_SEND)
        tx.conn.execute(update(notices).where(where).values(state=state.value, sealed=sealed, **more))


def _is(key: Key) -> Any:
    flag, recipient, number = key
    return (notices.c.flag == flag) & (notices.c.recipient == recipient) & (notices.c.number == number)


def not_needed(tx: Tx, flag_key: str) -> None:
    """A person has seen it: what was still to be sent is not sent any more."""
    where = (notices.c.source == tx.source) & (notices.c.flag == flag_key) & notices.c.state.in_(TO_SEND)
    tx.conn.execute(update(notices).where(where).values(state=NoticeState.NOT_NEEDED.value))
