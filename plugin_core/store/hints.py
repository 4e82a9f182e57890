"""Queries over what the platform announced by webhook: only that it called, never what it said."""

from __future__ import annotations

from sqlalchemy import delete, func, insert, select, update

from .database import Tx
from .tables import hints


def known(tx: Tx, key: str) -> bool:
    """Whether this event was heard before."""
    where = (hints.c.source == tx.source) & (hints.c.key == key)
    return tx.conn.execute(select(hints.c.key).where(where)).first() is not None


def add(tx: Tx, key: str, now: int) -> None:
    """Keeps that something is to be pulled."""
    tx.conn.execute(insert(hints).values(source=tx.source, key=key, heard_ms=now))


def waiting(tx: Tx) -> int:
    """How many announcements no sync has followed yet."""
    where = (hints.c.source == tx.source) & hints.c.pulled_ms.is_(None)
    return int(tx.conn.execute(select(func.count()).select_from(hints).where(where)).scalar_one())


def settle(tx: Tx, begun: int, now: int) -> int:
    """A sync that began at `begun` has pulled: what was heard until then is done. Gives how many."""
    where = (hints.c.source == tx.source) & hints.c.pulled_ms.is_(None) & (hints.c.heard_ms <= begun)
    return tx.conn.execute(update(hints).where(where).values(pulled_ms=now)).rowcount


def prune(tx: Tx, until: int) -> None:
    """Forgets what was heard before a time and is done."""
    where = (hints.c.source == tx.source) & hints.c.pulled_ms.is_not(None) & (hints.c.heard_ms < until)
    tx.conn.execute(delete(hints).where(where))
