"""One process at a time syncs or pushes for a practice; any number may read beside it (F73).

On SQLite a lock file beside the store, which the operating system releases when the process dies, so that a killed one
never blocks the next; on PostgreSQL an advisory lock of the session, likewise. On a host of many practices workers have
leases instead, which run out where a worker is gone without a word; commands and workers keep clear of each other.

A session may be cut while its command works on: the server gives the lock to the next one then. So each write of a
command begins by asking whether its session is still there, and the next one begins when no such write is open.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from .. import private
from ..errors import Busy, StoreError
from ..fleet import lease
from ..store import Store
from ..words import kept, tr

log = logging.getLogger(__name__)
WRITING = "writing"
MOST_HOST = 10  # PostgreSQL keeps 63 letters of a connection's name


@contextmanager
def exclusive(store: Store, doing: str, part: str = "") -> Iterator[None]:
    """Holds the practice's lock.

    :param doing: what for, as the message to a second process names it ("syncing").
    :param part: what else is done by one process at a time, beside a sync that may be running.
    :raises Busy: another process holds it; the message says which and since when.
    """
    if store.guard is not None and not part:
        _nobody_at_work(store)
        yield
    elif store.engine.dialect.name == "postgresql":
        with _advisory(store, doing, part):
            yield
    else:
        with exclusive_file(Path(f"{store.engine.url.database}{part and '.'}{part}"), doing):
            yield


@contextmanager
def exclusive_file(database: Path, doing: str) -> Iterator[None]:
    """The same for the file of an SQLite store that need not be there yet."""
    lock = FileLock(f"{database}.lock", mode=0o600)
    owner = Path(f"{database}.owner")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        who, since = _who(owner)
        sentence = tr("Another Handrail is at work on this store{who}. Wait until it has finished.", who=who)
        raise Busy(sentence, since=since) from None
    except (OSError, NotImplementedError) as error:
        raise StoreError(
            tr(
                "The store cannot be locked ({fault}): its folder takes no lock file. Put the store on a disk of "
                "this computer, in a folder of your own.",
                fault=type(error).__name__,
            )
        ) from None
    try:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        me = {"pid": os.getpid(), "host": socket.gethostname(), "since": now, "doing": doing}
        private.write(owner, json.dumps(me), lasting=False)
        yield
    finally:
        private.remove(owner)  # on Windows a reader may have it open; the lock must be given back all the same
        lock.release()


def _who(owner: Path) -> tuple[str, datetime | None]:
    try:
        found = json.loads(owner.read_text(encoding="utf-8"))
        return _named(kept.HOLDER.format_map(found)), datetime.fromisoformat(found["since"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return "", None  # it has just begun or just ended: the lock itself decides, this is only for the reader


_TRY = text("SELECT pg_try_advisory_lock(:n)")
_TRY_FOR_NOW = text("SELECT pg_try_advisory_xact_lock(:n)")
_GIVE_BACK_ALL = text("SELECT pg_advisory_unlock_all()")
_GIVE_BACK = text("SELECT pg_advisory_unlock(:n)")
_WRITING = text("SELECT pg_advisory_xact_lock_shared(:n)")
_STILL_THERE = text("SELECT 1")
_SAY = text("SELECT set_config('application_name', :me, false)")
_HOLDER = text(
    "SELECT a.application_name FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid WHERE l.locktype = 'advisory' "
    "AND l.granted AND l.classid = (:n >> 32) AND l.objid = (:n & 4294967295) AND l.database = "
    "(SELECT oid FROM pg_database WHERE datname = current_database())"
)


class LockLost(StoreError):
    """The database gave the practice's lock away while a command had it; nothing was written after that."""


class _Held:
    """Stands at the beginning of every write transaction of a command that has the lock (`Store.holding`).

    :param conn: the session that has it.
    :param writing: the number under which writes stand that have begun; who takes the lock next waits for their end.
    """

    def __init__(self, conn: Connection, writing: dict[str, int]) -> None:
        self._conn = conn
        self._writing = writing
        self._turn = threading.Lock()
        self._lost = False

    def __call__(self, conn: Connection) -> None:
        """Raises LockLost: the session is gone, and somebody else may have the practice."""
        conn.execute(_WRITING, self._writing)
        with self._turn:
            try:
                if not self._lost:
                    self._conn.execute(_STILL_THERE)
            except SQLAlchemyError:
                self._lost = True
            if self._lost:
                raise LockLost(
                    tr(
                        "The database has cut the connection that kept other commands away from this practice. What "
                        "was stored is whole, and nothing more was written. Run the command again."
                    )
                )


@contextmanager
def _advisory(store: Store, doing: str, part: str) -> Iterator[None]:
    """The lock belongs to the connection: if that is cut, the server has given it back already."""
    number = _number(store, part)
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M")
    with store.plain(), store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        if not conn.execute(_TRY, number).scalar():
            who = conn.execute(_HOLDER, number).scalar()
            raise Busy(_at_work(who), since=_since(who))
        if not part:
            _no_write(conn, _number(store, WRITING))
            _no_worker(conn, store.practice)
        host = socket.gethostname()[:MOST_HOST]
        conn.execute(_SAY, {"me": kept.HOLDER.format(pid=os.getpid(), host=host, doing=doing, since=now)})
        try:
            if not part:
                store.holding = _Held(conn, _number(store, WRITING))
            yield
        finally:
            if not part:
                store.holding = None
            try:
                conn.execute(_GIVE_BACK, number)
                conn.execute(_SAY, {"me": ""})
            except SQLAlchemyError as error:
                log.warning("the lock went with its connection (%s)", type(error).__name__)
                conn.invalidate()


def _nobody_at_work(store: Store) -> None:
    """A worker's lease is its lock (fleet/lease.py). That no person's command has the practice is looked up here; one
    that begins later finds the lease and goes away."""
    number = _number(store, "")
    with store.plain(), store.engine.connect() as conn, conn.begin():
        for one in (number, _number(store, WRITING)):
            if not conn.execute(_TRY_FOR_NOW, one).scalar():
                who = conn.execute(_HOLDER, number).scalar()
                raise Busy(_at_work(who), since=_since(who))


def _number(store: Store, part: str) -> dict[str, int]:
    """The lock's number in the database, the practice's own."""
    return {"n": int(store.sealer.hash("lock", *filter(None, [part]))[:15], 16)}


def _no_write(conn: Connection, writing: dict[str, int]) -> None:
    """Nobody who has lost the lock is in the middle of a write; who begins one now finds out first."""
    if not conn.execute(_TRY, writing).scalar():
        conn.execute(_GIVE_BACK_ALL)
        raise Busy(_at_work(None))
    conn.execute(_GIVE_BACK, writing)


def _no_worker(conn: Connection, practice: str) -> None:
    """No worker has the practice, and one that slept through its lease can write no more (F91)."""
    if not lease.step_in(conn, practice):
        conn.execute(_GIVE_BACK_ALL)
        raise Busy(
            tr("A worker is at work for this practice. It is done within a minute or two; then run the command again."),
            since=datetime.now(UTC),
        )


def _at_work(who: str | None) -> str:
    return tr("Another Handrail is at work for this practice{who}. Wait until it has finished.", who=_named(who))


def _named(who: str | None) -> str:
    return f" ({kept.told(who)})" if who else ""


def _since(who: str | None) -> datetime | None:
    try:
        return datetime.strptime((who or "").rpartition("since ")[2], "%Y-%m-%d %H:%M").replace(tzinfo=UTC)
    except ValueError:
        return None
