"""The due table: which practices are to be worked on, when, and what for. All that the workers agree on lies here.

Every function takes an open connection, inside whose transaction it works, and the time in milliseconds since 1970:
`database_now` reads it from the database, whose clock alone counts for leases; a simulation gives its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, delete, func, insert, or_, select, update

from ..store.tables import due
from .timing import next_slot

# The kinds of work, each with the version of the workers that it needs (F98). A new kind gets the next number and its
# function in kinds.py: a row that wants it, and the call for it, are then left to workers that know it; nothing else
# has to be raised. A kind that now does something else under its old name is a new kind.
SINCE: Mapping[str, int] = {"sync": 1, "push": 1, "send": 1, "rescore": 1, "reconcile": 1}
KINDS = tuple(SINCE)
VERSION = max(SINCE.values())  # what this program's workers understand
QUEUED_MS = 45_000  # a call that no worker has answered by then is lost: the practice is called again


@dataclass(frozen=True, slots=True)
class Practice:
    """One row: `late_ms` is how long the practice has been due."""

    practice: str
    next_ms: int
    interval_ms: int
    paused: bool
    wanted: tuple[str, ...]
    owner: str | None
    until_ms: int | None
    failures: int
    problem: str | None
    last_ok_ms: int | None
    late_ms: int


@dataclass(frozen=True, slots=True)
class Called:
    """A practice that a worker is to be called for, the kind of work that it is called by, and what the worker must
    understand."""

    practice: str
    kind: str
    version: int


def database_now(conn: Connection) -> int:
    """The database's clock, at this moment."""
    if conn.dialect.name == "postgresql":
        found = conn.exec_driver_sql("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint").scalar_one()
    else:
        found = conn.exec_driver_sql("SELECT CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)").scalar_one()
    return int(found)


# --- which practices there are -------------------------------------------------------------------------------------


def add(conn: Connection, practice: str, interval_ms: int, now_ms: int) -> None:
    """A new practice, due at once. The caller has made sure that it is none of those there."""
    first = {"next_ms": now_ms, "paused": False, "wanted": "", "version": needed(()), "fence": 0, "failures": 0}
    conn.execute(insert(due).values(practice=practice, interval_ms=interval_ms, **first))


def pause(conn: Connection, practice: str, problem: str | None = None) -> bool:
    """Nobody works on it from the next page on: who has it loses it. Gives whether there is such a practice.

    :param problem: why, where it was not a person's wish.
    """
    stop: dict[str, Any] = {
        "paused": True,
        "owner": None,
        "until_ms": None,
        "queued_ms": None,
        "fence": due.c.fence + 1,
    }
    if problem is not None:
        stop["problem"] = problem
    return _change(conn, practice, stop)


def resume(conn: Connection, practice: str, now_ms: int) -> bool:
    """It is due at once, and what went wrong before is forgotten."""
    fresh = {"paused": False, "next_ms": now_ms, "failures": 0, "problem": None, "told_ms": None, "queued_ms": None}
    return _change(conn, practice, fresh)


def remove(conn: Connection, practice: str) -> bool:
    """Takes it out; a worker that has it can write no more."""
    return conn.execute(delete(due).where(due.c.practice == practice)).rowcount == 1


def want(conn: Connection, practice: str, kind: str, now_ms: int) -> bool:
    """One more kind of work is wanted, as soon as a worker is free; while the practice waits after a failure, then.

    :param kind: one of KINDS.
    """
    row = conn.execute(
        select(due.c.wanted, due.c.failures, due.c.next_ms).where(_is(practice)).with_for_update()
    ).first()
    if row is None:
        return False
    kinds = {*_listed(row.wanted), kind}
    when = row.next_ms if row.failures else min(row.next_ms, now_ms)
    ordered = sorted(kinds, key=lambda one: KINDS.index(one) if one in KINDS else len(KINDS))
    return _change(conn, practice, {**wanting(ordered), "next_ms": when})


def spread(conn: Connection, practice: str, interval_ms: int, now_ms: int) -> bool:
    """Another interval from now on."""
    return _change(conn, practice, {"interval_ms": interval_ms, "next_ms": next_slot(practice, interval_ms, now_ms)})


def all_of(conn: Connection, now_ms: int) -> list[Practice]:
    """Every practice, by its id."""
    return [_practice(row, now_ms) for row in conn.execute(select(due).order_by(due.c.practice)).mappings()]


def of(conn: Connection, practice: str, now_ms: int) -> Practice | None:
    """One practice, None where there is none of that id."""
    row = conn.execute(select(due).where(_is(practice))).mappings().first()
    return None if row is None else _practice(row, now_ms)


# --- whom to call a worker for -------------------------------------------------------------------------------------


def call(
    conn: Connection,
    now_ms: int,
    most: int,
    *,
    version: int = VERSION,
    in_queue: int = 0,
    at_once: int | None = None,
) -> list[Called]:
    """The practices that a worker is to be called for now, those that have waited longest first; marks them as called.

    Any number may ask at once: none gets what another has taken in a transaction that is still open. A practice whose
    worker has let its lease run out, and one whose call was lost, are due again by themselves.

    :param most: how many calls may wait for a worker; those that wait already are counted in.
    :param in_queue: how many lie in the queue, those among them that were taken for lost.
    :param at_once: how many the caller can take now, where that is fewer.
    """
    lapsed = now_ms - QUEUED_MS
    marked = conn.execute(select(func.count()).where(due.c.queued_ms >= lapsed)).scalar_one()
    waiting = max(marked, in_queue)
    if waiting >= most:
        return []
    ready = (
        due.c.paused.is_(False),
        due.c.version <= version,
        due.c.next_ms <= now_ms,
        or_(due.c.owner.is_(None), due.c.until_ms < now_ms),
        or_(due.c.queued_ms.is_(None), due.c.queued_ms < lapsed),
    )
    # Those that wait for one limit of a platform are due at one moment: who was read last time comes last then.
    order = (due.c.next_ms, due.c.last_ok_ms.nulls_first(), due.c.practice)
    query = select(due.c.practice, due.c.wanted, due.c.version).where(*ready).order_by(*order)
    free = most - waiting if at_once is None else min(most - waiting, at_once)
    rows = conn.execute(query.limit(free).with_for_update(skip_locked=True)).all()
    found = [Called(row.practice, next(iter(_listed(row.wanted)), KINDS[0]), row.version) for row in rows]
    if found:
        mine = due.c.practice.in_([one.practice for one in found])
        conn.execute(update(due).where(mine).values(queued_ms=now_ms))
    return found


# --- how it stands -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class State:
    """The due table at a glance: counts of practices; `oldest_ms` is how long the most patient one has been due."""

    practices: int
    paused: int
    failing: int
    due: int
    called: int
    working: int
    abandoned: int
    oldest_ms: int


def state(conn: Connection, now_ms: int) -> State:
    """How it stands at a time."""
    rows = all_of(conn, now_ms)
    working = [row for row in rows if row.owner is not None]
    waiting = [row for row in rows if not row.paused and row.owner is None and row.next_ms <= now_ms]
    called = conn.execute(select(func.count()).where(due.c.queued_ms.is_not(None))).scalar_one()
    return State(
        practices=len(rows),
        paused=sum(row.paused for row in rows),
        failing=sum(row.failures > 0 for row in rows),
        due=len(waiting),
        called=called,
        working=len(working),
        abandoned=sum(row.until_ms is not None and row.until_ms < now_ms for row in working),
        oldest_ms=max((row.late_ms for row in waiting), default=0),
    )


def _practice(row: RowMapping, now_ms: int) -> Practice:
    late = 0 if row["paused"] else max(0, now_ms - row["next_ms"])
    names = ("practice", "next_ms", "interval_ms", "paused", "owner", "until_ms", "failures", "problem", "last_ok_ms")
    return Practice(wanted=_listed(row["wanted"]), late_ms=late, **{name: row[name] for name in names})


def _listed(wanted: str) -> tuple[str, ...]:
    return tuple(filter(None, wanted.split(",")))


def needed(kinds: Iterable[str]) -> int:
    """The version of the workers that know these kinds of work, and the sync that every practice has. What a newer
    program wants is known to newer workers."""
    return max(SINCE.get(kind, VERSION + 1) for kind in (KINDS[0], *kinds))


def wanting(kinds: Sequence[str]) -> dict[str, Any]:
    """What the table keeps of the kinds of work that are wanted besides the sync."""
    return {"wanted": ",".join(kinds), "version": needed(kinds)}


def _is(practice: str) -> ColumnElement[bool]:
    return due.c.practice == practice


def _change(conn: Connection, practice: str, values: Mapping[str, Any]) -> bool:
    return conn.execute(update(due).where(_is(practice)).values(values)).rowcount == 1
