"""One count of requests for each limit of a platform, whoever of the workers sends them.

Some platforms count by practice (IntakeQ), some by application (DrChrono): an adapter names what shares a limit, and
all who give that name share one row here. The times in it are the database's: the clocks of workers may differ.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256

from sqlalchemy import ColumnElement, Connection, Engine, delete, literal_column, or_, update

from ..contracts import Counted
from ..store.database import dialect_insert, plainly
from ..store.tables import buckets
from .due import database_now

# No platform counts further back than a day; a count that nobody has touched for longer is as good as none.
STALE_MS = 2 * 24 * 3600 * 1000


def tidy(conn: Connection, now_ms: int) -> int:
    """Takes out the counts that nobody has used for two days: of keys that were changed, of practices that are gone.
    Gives how many."""
    last = "used::json ->> -1" if conn.dialect.name == "postgresql" else "json_extract(used, '$[#-1]')"
    moment: ColumnElement[float] = literal_column(f"CAST({last} AS DOUBLE PRECISION) * 1000")
    idle = or_(buckets.c.used == "[]", moment < now_ms - STALE_MS)
    quiet = or_(buckets.c.not_before_ms.is_(None), buckets.c.not_before_ms < now_ms)
    return conn.execute(delete(buckets).where(idle, quiet)).rowcount


class Buckets:
    """The counts in a host's store.

    :param pool: connections of the worker.
    :param now: the local clock that adapters count by, in seconds since 1970.
    :param clock: the time that the rows are kept in, in milliseconds since 1970.
    """

    def __init__(
        self,
        pool: Engine,
        now: Callable[[], float] = time.time,
        clock: Callable[[Connection], int] = database_now,
    ) -> None:
        self._pool = pool
        self._now = now
        self._clock = clock

    @contextmanager
    def __call__(self, name: str) -> Iterator[Counted]:
        """The requests counted under a name; nobody else counts until this is left, and what was changed is kept."""
        registration = sha256(name.encode()).hexdigest()[:32]  # the name holds the platform's key
        with (
            plainly(self._pool),
            self._pool.connect().execution_options(handrail_write=True) as conn,
            conn.begin(),
        ):
            fresh = dialect_insert(conn)(buckets).values(registration=registration, used="[]")
            where = buckets.c.registration == registration
            # In one statement: what was there is locked, and cannot be tidied away before it is read.
            locked = fresh.on_conflict_do_update(index_elements=["registration"], set_={"used": buckets.c.used})
            row = conn.execute(locked.returning(buckets.c.used, buckets.c.not_before_ms)).one()
            ahead = self._clock(conn) / 1000 - self._now()
            counted = Counted([at - ahead for at in json.loads(row.used)], (row.not_before_ms or 0) / 1000 - ahead)
            before = Counted(list(counted.times), counted.not_before)
            yield counted
            if counted != before:
                used = json.dumps([round(at + ahead, 3) for at in counted.times])
                later = int((counted.not_before + ahead) * 1000)
                conn.execute(update(buckets).where(where).values(used=used, not_before_ms=later))
