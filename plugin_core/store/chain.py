"""The audit trail as a chain: each entry holds a keyed hash over itself and over the link before it (S39).

An entry that is edited, taken out, put in or moved breaks the chain at its place. Entries that are cut off at the end
leave a chain that is whole, so the last link is also kept outside the store (keeping/trail.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, insert, select

from .database import Tx
from .tables import audit

FIELDS = ("at_ms", "actor", "action", "subject", "detail")
PAGE = 2000


@dataclass(frozen=True, slots=True)
class Link:
    """Where the trail stood: the number of an entry and the hash over it and all before it. The first has 0 and ""."""

    number: int
    digest: str


@dataclass(frozen=True, slots=True)
class Break:
    """A place where the trail is not as it was written: `number` of the entry, and what is wrong there."""

    number: int
    changed: bool


@dataclass(frozen=True, slots=True)
class Walked:
    """What a walk over the whole trail found. `older` entries are from before the trail was a chain."""

    entries: int
    older: int
    last: Link
    breaks: tuple[Break, ...]


def append(tx: Tx, values: dict[str, Any]) -> None:
    """Adds one entry with its link, in the caller's transaction."""
    if tx.conn.dialect.name == "postgresql":  # one writer at a time; SQLite's write lock is held already
        tx.conn.execute(select(func.pg_advisory_xact_lock(int(tx.sealer.hash("lock", "trail")[:15], 16))))
    last = last_link(tx)
    number = last.number + 1
    before = last.digest if last.number else _older_digest(tx)[1]
    digest = _digest(tx, before, number, values)
    tx.conn.execute(insert(audit).values(practice=tx.sealer.practice, number=number, link=digest, **values))


def last_link(tx: Tx) -> Link:
    """The newest entry's number and link."""
    where = (audit.c.practice == tx.sealer.practice) & audit.c.number.is_not(None)
    query = select(audit.c.number, audit.c.link).where(where).order_by(audit.c.number.desc()).limit(1)
    row = tx.conn.execute(query).first()
    return Link(0, "") if row is None else Link(row.number, row.link)


def walk(tx: Tx) -> Walked:
    """Redoes the whole chain.

    An entry whose link does not follow from what it says and from the link before it is `changed`; a number that is
    not there is a break as well. The walk goes on from what is written, so that each place is named once.
    """
    older, before = _older_digest(tx)
    breaks: list[Break] = []
    entries, expected, last = 0, 1, Link(0, "")
    for row in _rows(tx):
        entries += 1
        missing = [Break(number, changed=False) for number in range(expected, min(row.number, expected + 100))]
        breaks += missing
        values = {name: getattr(row, name) for name in FIELDS}
        if not missing and row.link != _digest(tx, before, row.number, values):
            breaks.append(Break(row.number, changed=True))
        expected, before, last = row.number + 1, row.link, Link(row.number, row.link)
    return Walked(entries, older, last, tuple(breaks))


def link_at(tx: Tx, number: int) -> str | None:
    """The link that the entry of that number holds; None where there is no such entry."""
    where = (audit.c.practice == tx.sealer.practice) & (audit.c.number == number)
    found: str | None = tx.conn.execute(select(audit.c.link).where(where)).scalar()
    return found


def _rows(tx: Tx) -> Iterator[Any]:
    after = 0
    while True:
        where = (audit.c.practice == tx.sealer.practice) & (audit.c.number > after)
        page = list(tx.conn.execute(select(audit).where(where).order_by(audit.c.number).limit(PAGE)))
        yield from page
        if len(page) < PAGE:
            return
        after = page[-1].number


def _digest(tx: Tx, before: str, number: int, values: dict[str, Any]) -> str:
    parts = (None if values[name] is None else str(values[name]) for name in FIELDS)
    return tx.sealer.link(before, str(number), *parts)


def _older_digest(tx: Tx) -> tuple[int, str]:
    """How many entries a store of version 1 brought along, and a hash over them all, on which the chain rests."""
    where = (audit.c.practice == tx.sealer.practice) & audit.c.number.is_(None)
    if not tx.conn.execute(select(func.count()).select_from(audit).where(where)).scalar_one():
        return 0, ""
    digest, count = "", 0
    for row in tx.conn.execute(select(audit).where(where).order_by(audit.c.id)):
        digest, count = _digest(tx, digest, 0, {name: getattr(row, name) for name in FIELDS}), count + 1
    return count, digest
