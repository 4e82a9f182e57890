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

from sqlalchemy import Connection, Engine, select, update

from ..contracts import Counted
from ..store.database import dialect_insert, plainly
from ..store.tables import buckets
from .due import database_now


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
            conn.execute(fresh.on_conflict_do_nothing(index_elements=["registration"]))
            where = buckets.c.registration == registration
            row = conn.execute(select(buckets.c.used, buckets.c.not_before_ms).where(where).with_for_update()).one()
            ahead = self._clock(conn) / 1000 - self._now()
            counted = Counted([at - ahead for at in json.loads(row.used)], (row.not_before_ms or 0) / 1000 - ahead)
            before = Counted(list(counted.times), counted.not_before)
            yield counted
            if counted != before:
                used = json.dumps([round(at + ahead, 3) for at in counted.times])
                later = int((counted.not_before + ahead) * 1000)
                conn.execute(update(buckets).where(where).values(used=used, not_before_ms=later))
