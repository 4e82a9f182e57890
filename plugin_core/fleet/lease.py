"""The right to work on a practice: one worker at a time has it, for a while, under a number that only grows (F91).

Who takes the lease raises the practice's fence. Every transaction of a worker begins by looking whether the fence is
still its own, under a lock that makes the next taker wait for its end: a worker that slept through its lease finds
another number there and writes nothing. A worker that is gone needs nobody to clear up: its lease runs out.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, or_, select, update

from ..errors import StoreError
from ..store.tables import due
from ..words import tr
from .due import VERSION, database_now, wanting
from .timing import FAILURES, Ended, next_ms, next_slot, sync_is_due

Clock = Callable[[Connection], int]


class LeaseLost(StoreError):
    """The practice was given to another worker, paused or erased meanwhile; nothing was written."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A practice in a worker's hands. `kinds` is what is to be done in this turn."""

    practice: str
    owner: str
    fence: int
    until_ms: int
    kinds: tuple[str, ...]
    failures: int
    told_ms: int | None


def take(conn: Connection, practice: str, owner: str, lease_ms: int, now_ms: int) -> Lease | None:
    """The lease of a practice that is due, None where it is not, another has it, or it asks for a newer worker.

    A second call for the same practice therefore costs one statement and does nothing, and so does a late one for a
    practice that has had its turn meanwhile: it would come before those who have waited longer (F95).
    """
    ready = (
        due.c.practice == practice,
        due.c.queued_ms.is_not(None),
        due.c.paused.is_(False),
        due.c.version <= VERSION,
        due.c.next_ms <= now_ms,
        or_(due.c.owner.is_(None), due.c.until_ms < now_ms),
    )
    mine = {"owner": owner, "fence": due.c.fence + 1, "until_ms": now_ms + lease_ms, "queued_ms": None}
    row = conn.execute(update(due).where(*ready).values(mine).returning(due)).mappings().first()
    if row is None:
        return None
    wanted = tuple(filter(None, row["wanted"].split(",")))
    due_now = sync_is_due(practice, row["interval_ms"], now_ms, row["last_ok_ms"])
    kinds = wanted if wanted and not due_now and not row["failures"] else ("sync", *(k for k in wanted if k != "sync"))
    return Lease(practice, owner, row["fence"], row["until_ms"], kinds, row["failures"], row["told_ms"])


def renew(conn: Connection, lease: Lease, lease_ms: int, now_ms: int) -> bool:
    """Keeps it for longer; False: it is another's."""
    return conn.execute(update(due).where(_mine(lease)).values(until_ms=now_ms + lease_ms)).rowcount == 1


def give_back(
    conn: Connection,
    lease: Lease,
    ended: Ended,
    now_ms: int,
    *,
    done: Collection[str] = (),
    problem: str | None = None,
    not_before_ms: int | None = None,
    told: bool = False,
) -> bool:
    """Writes down how the turn ended and when the practice is due next; False: it was another's already.

    :param done: kinds of work that need not be wanted any more; what was wanted meanwhile stays.
    :param problem: a plain sentence without client data, shown in the list of practices until a turn succeeds.
    :param told: the practice has now been told of it.
    """
    row = conn.execute(select(due).where(_mine(lease)).with_for_update()).mappings().first()
    if row is None:
        return False
    failed = ended in FAILURES
    failures = row["failures"] + 1 if failed else 0 if ended is Ended.DONE else row["failures"]
    wanted = [kind for kind in row["wanted"].split(",") if kind and kind not in done]
    synced = "sync" in lease.kinds and (ended is Ended.DONE or "sync" in done)
    due_ms = next_ms(ended, lease.practice, row["interval_ms"], now_ms, failures=failures, not_before_ms=not_before_ms)
    beside = synced if failed else ended is Ended.DONE and "sync" not in lease.kinds
    if beside and not_before_ms is None:  # what is done beside a sync, or fails there, does not put the next one off
        due_ms = min(due_ms, next_slot(lease.practice, row["interval_ms"], now_ms))
    values = {
        "owner": None,
        "until_ms": None,
        "queued_ms": None,
        "next_ms": now_ms if wanted and ended is Ended.DONE else due_ms,
        "failures": failures,
        **wanting(wanted),
        "problem": problem if failed else None if ended is Ended.DONE else row["problem"],
        "told_ms": now_ms if told else None if ended is Ended.DONE else row["told_ms"],
    }
    if synced:
        values["last_ok_ms"] = now_ms
    conn.execute(update(due).where(_mine(lease)).values(values))
    return True


def stop(conn: Connection, lease: Lease, problem: str) -> bool:
    """Pauses the practice under a new fence, for a reason that a person must look into; False: it was another's."""
    paused = {"paused": True, "owner": None, "until_ms": None, "problem": problem, "fence": due.c.fence + 1}
    return conn.execute(update(due).where(_mine(lease)).values(paused)).rowcount == 1


def step_in(conn: Connection, practice: str) -> bool:
    """A person's command begins, having the practice's other lock: True unless a worker's lease still runs. One that
    has run out is taken away for good. A practice that is on no host has no row here, and no worker.
    """
    now_ms = database_now(conn)
    over = (due.c.practice == practice, or_(due.c.owner.is_(None), due.c.until_ms < now_ms))
    values = {"owner": None, "until_ms": None, "fence": due.c.fence + 1}
    if conn.execute(update(due).where(*over).values(values)).rowcount:
        return True
    return conn.execute(select(due.c.fence).where(due.c.practice == practice)).first() is None


class Guard:
    """Stands at the beginning of every write transaction of a worker (`Store.guarded_by`).

    :param lease_ms: how long the lease lasts; the guard renews it by the way once a third of that is over.
    :param seen: told each time, so that whoever watches knows that the worker moves.
    """

    def __init__(
        self, lease: Lease, lease_ms: int, seen: Callable[[], None] = lambda: None, clock: Clock = database_now
    ) -> None:
        self.lease = lease
        self._lease_ms = lease_ms
        self._seen = seen
        self._clock = clock
        self._renewed = time.monotonic()
        self._lock = threading.Lock()

    def __call__(self, conn: Connection) -> None:
        """Looks whether the practice is still ours, and holds it so until the transaction ends.

        :raises LeaseLost: it is not.
        """
        self._seen()
        if self._old():
            held = renew(conn, self.lease, self._lease_ms, self._clock(conn))
        else:
            mine = select(due.c.fence).where(_mine(self.lease)).with_for_update(read=True)
            held = conn.execute(mine).first() is not None
        if not held:
            raise LeaseLost(lost(self.lease.practice))

    def _old(self) -> bool:
        with self._lock:
            now = time.monotonic()
            if (now - self._renewed) * 3000 < self._lease_ms:
                return False
            self._renewed = now
            return True


def lost(practice: str) -> str:
    """What is said of a lease that is another's."""
    return tr(
        "Another worker has taken over the practice {practice} meanwhile, or it was paused. This one has written "
        "nothing more.",
        practice=practice,
    )


def _mine(lease: Lease) -> ColumnElement[bool]:
    return and_(due.c.practice == lease.practice, due.c.fence == lease.fence, due.c.owner == lease.owner)
