"""The due table on simulated time, for tests of what the scheduler decides."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from handrail.plugin_core.fleet import due
from handrail.plugin_core.fleet.lease import Lease, give_back, take
from handrail.plugin_core.fleet.timing import MINUTE, Ended
from handrail.plugin_core.store import tables
from sqlalchemy import Connection, Engine, update

NOON = 1_790_000_000_000
QUARTER = 15 * MINUTE
LEASE = 30_000


@dataclass
class Table:
    """The due table of an empty store, and a clock that moves when it is told to."""

    engine: Engine
    now: int = NOON

    @contextmanager
    def open(self) -> Iterator[Connection]:
        """A transaction that is committed."""
        with self.engine.connect().execution_options(handrail_write=True) as conn, conn.begin():
            yield conn

    def add(self, *practices: str) -> None:
        """Practices that are due now."""
        with self.open() as conn:
            for practice in practices:
                due.add(conn, practice, QUARTER, self.now)

    def later(self, ms: int) -> None:
        """Time goes by."""
        self.now += ms

    def call(self, most: int = 100, version: int = due.VERSION, in_queue: int = 0) -> list[str]:
        """Whom a dispatcher calls a worker for."""
        with self.open() as conn:
            return [one.practice for one in due.call(conn, self.now, most, version=version, in_queue=in_queue)]

    def take(self, practice: str, owner: str = "first") -> Lease | None:
        """A worker has been called, and comes. Where it finds nothing to do, nothing has changed."""
        with self.engine.connect().execution_options(handrail_write=True) as conn, conn.begin() as transaction:
            conn.execute(update(tables.due).where(tables.due.c.practice == practice).values(queued_ms=self.now))
            lease = take(conn, practice, owner, LEASE, self.now)
            if lease is None:
                transaction.rollback()
            return lease

    def comes(self, practice: str, lease: int = LEASE) -> Lease | None:
        """A worker comes by a call out of a queue, which may be a late one."""
        with self.open() as conn:
            return take(conn, practice, "first", lease, self.now)

    def give_back(self, lease: Lease, ended: Ended = Ended.DONE, **more: object) -> bool:
        """It is done."""
        with self.open() as conn:
            return give_back(conn, lease, ended, self.now, **more)  # type: ignore[arg-type]

    def of(self, practice: str) -> due.Practice:
        """The row."""
        with self.open() as conn:
            found = due.of(conn, practice, self.now)
        assert found is not None
        return found

    def turn(self, practice: str, ended: Ended = Ended.DONE, **more: object) -> due.Practice:
        """A whole turn: called, taken, given back."""
        lease = self.take(practice)
        assert lease is not None
        assert self.give_back(lease, ended, **more)
        return self.of(practice)
