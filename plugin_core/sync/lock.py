"""One process at a time syncs or pushes for a practice; any number may read beside it (F73).

On SQLite a lock file beside the store, which the operating system releases when the process dies, so that a killed one
never blocks the next; on PostgreSQL an advisory lock of the session, likewise.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout
from sqlalchemy import text

from .. import private
from ..errors import Busy
from ..store import Store


@contextmanager
def exclusive(store: Store, doing: str) -> Iterator[None]:
    """Holds the practice's lock.

    :param doing: what for, as the message to a second process names it ("syncing").
    :raises Busy: another process holds it; the message says which and since when.
    """
    if store.engine.dialect.name == "postgresql":
        with _advisory(store):
            yield
    else:
        with _file(Path(str(store.engine.url.database)), doing):
            yield


@contextmanager
def _file(database: Path, doing: str) -> Iterator[None]:
    lock = FileLock(f"{database}.lock", mode=0o600)
    owner = Path(f"{database}.owner")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise Busy(f"Another Handrail is at work on this store{_who(owner)}. Wait until it has finished.") from None
    try:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        me = {"pid": os.getpid(), "host": socket.gethostname(), "since": now, "doing": doing}
        private.write(owner, json.dumps(me))
        yield
    finally:
        owner.unlink(missing_ok=True)
        lock.release()


def _who(owner: Path) -> str:
    try:
        found = json.loads(owner.read_text())
        return f" (process {found['pid']} on {found['host']}, {found['doing']} since {found['since']})"
    except (OSError, ValueError, KeyError):
        return ""  # it has just begun or just ended: the lock itself decides, this is only for the reader


@contextmanager
def _advisory(store: Store) -> Iterator[None]:
    number = int(store.sealer.hash("lock")[:15], 16)
    with store.engine.connect() as conn:
        taken = conn.execute(text("SELECT pg_try_advisory_lock(:n)"), {"n": number}).scalar()
        conn.commit()
        if not taken:
            raise Busy("Another Handrail is at work for this practice. Wait until it has finished.")
        try:
            yield
        finally:
            conn.execute(text("SELECT pg_advisory_unlock(:n)"), {"n": number})
            conn.commit()
