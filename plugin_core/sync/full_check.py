"""When the full check, which finds forms that the platform has dropped, is due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ...schemas.records import Cursor
from ..store import Store, Tx, book

RECONCILE = "reconcile"
A_DAY = timedelta(days=1)
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def due(store: Store, source: int, now: datetime, days: int) -> bool:
    """Whether the last one is so many days ago; the first pull has just walked everything, and counts as one."""
    with store.reading(source) as tx:
        last = book.cursor(tx, RECONCILE)
    if last is None or last.since is None:
        store.write(lambda tx: done(tx, now), source)
        return False
    return now - last.since >= timedelta(days=days)


def done(tx: Tx, now: datetime) -> None:
    """It went through, in the transaction of what it found."""
    book.set_cursor(tx, Cursor(RECONCILE, now))


def want(store: Store, source: int) -> None:
    """Somebody has asked for one: it is due with the next sync, whenever the last one was."""
    store.write(lambda tx: done(tx, LONG_AGO), source)


def put_off(store: Store, source: int, now: datetime, days: int) -> None:
    """The platform did not let it through: it is due again after a day. Tried by each run it would spend a platform's
    requests for nothing, and hold back what waits for a complete run."""
    store.write(lambda tx: done(tx, now - timedelta(days=days) + A_DAY), source)
