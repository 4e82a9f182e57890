"""Queries over what happened: cursors, runs, the audit trail, and when pushing began."""

from __future__ import annotations

from datetime import datetime

import msgspec
from sqlalchemy import delete, func, insert, select, update

from ...schemas.records import AuditEntry, Cursor, RunReport
from ...schemas.vocab import RunOutcome
from . import chain
from .database import Tx, now_ms
from .sql import from_ms, to_ms, upsert
from .tables import audit, cursors, responses, runs, sources

_cursor = msgspec.json.Decoder(Cursor)
_report = msgspec.json.Decoder(RunReport)
_encode = msgspec.json.Encoder().encode
KEPT_RUNS = 500


def cursor(tx: Tx, stream: str) -> Cursor | None:
    """Up to where the stream was read. One that cannot be read any more means one full pull, never a guess (F15)."""
    where = (cursors.c.source == tx.source) & (cursors.c.stream == stream)
    raw = tx.conn.execute(select(cursors.c.value).where(where)).scalar()
    if raw is None:
        return None
    try:
        found = _cursor.decode(raw)
    except (ValueError, RecursionError):
        return None
    # A time without an offset could not be compared with the server's, and would stop every run to come.
    return None if found.since is not None and found.since.tzinfo is None else found


def set_cursor(tx: Tx, value: Cursor) -> None:
    """Moves the cursor, in the transaction that stores what it covers."""
    upsert(tx, cursors, [{"source": tx.source, "stream": value.stream, "value": _encode(value).decode()}])


def forget_cursors(tx: Tx) -> None:
    """The next sync pulls everything."""
    tx.conn.execute(delete(cursors).where(cursors.c.source == tx.source))


def add_run(tx: Tx, report: RunReport) -> None:
    """Keeps the report of a run; the oldest beyond the last five hundred go."""
    values = {"started_ms": to_ms(report.started), "outcome": report.outcome.value, "report": _encode(report).decode()}
    tx.conn.execute(insert(runs).values(source=tx.source, **values))
    newest = select(runs.c.id).where(runs.c.source == tx.source).order_by(runs.c.id.desc()).limit(KEPT_RUNS)
    tx.conn.execute(delete(runs).where(runs.c.source == tx.source, runs.c.id.not_in(newest.scalar_subquery())))


def last_runs(tx: Tx, limit: int = 10) -> list[RunReport]:
    """Reports of runs, newest first."""
    query = select(runs.c.report).where(runs.c.source == tx.source).order_by(runs.c.id.desc()).limit(limit)
    return [_report.decode(raw) for raw in tx.conn.execute(query).scalars()]


def last_source(tx: Tx) -> int | None:
    """The connection of the practice that a run was made of last, or the newest; None: there never was any."""
    newest = select(func.max(runs.c.id)).where(runs.c.source == sources.c.id).scalar_subquery()
    query = select(sources.c.id).where(sources.c.practice == tx.sealer.practice)
    return tx.conn.execute(query.order_by(func.coalesce(newest, 0).desc(), sources.c.id.desc())).scalars().first()


def last_success(tx: Tx, until: datetime) -> datetime | None:
    """When the newest complete run ended, of those that began up to a time: after the computer's clock was put back,
    runs lie in its future and say nothing."""
    query = select(runs.c.report).where(runs.c.source == tx.source, runs.c.outcome == RunOutcome.COMPLETE.value)
    newest = query.where(runs.c.started_ms <= to_ms(until)).order_by(runs.c.id.desc()).limit(1)
    raw = tx.conn.execute(newest).scalar()
    return None if raw is None else _report.decode(raw).finished


def newest_form(tx: Tx) -> datetime | None:
    """When the newest form was filled in, of all clients."""
    ms = tx.conn.execute(select(func.max(responses.c.authored_ms)).where(responses.c.source == tx.source)).scalar()
    return None if ms is None else from_ms(ms)


def record(tx: Tx, actor: str, action: str, subject: str | None = None, detail: str | None = None) -> None:
    """Adds to the audit trail, in the transaction that does the thing: who did what, without the data itself (S38).

    :param subject: our key of a client, a flag or a form; never a platform's id or a name.
    """
    chain.append(tx, {"at_ms": now_ms(), "actor": actor, "action": action, "subject": subject, "detail": detail})


def trail(tx: Tx, limit: int = 1000) -> list[AuditEntry]:
    """The newest entries of the audit trail, oldest first."""
    query = select(audit).where(audit.c.practice == tx.sealer.practice).order_by(audit.c.id.desc()).limit(limit)
    rows = list(tx.conn.execute(query))
    return [AuditEntry(from_ms(r.at_ms), r.actor, r.action, r.subject, r.detail) for r in reversed(rows)]


def pushing_since(tx: Tx) -> datetime | None:
    """When the practice agreed to what stood then being pushed; None: not yet."""
    ms = tx.conn.execute(select(sources.c.pushing_since_ms).where(sources.c.id == tx.source)).scalar()
    return None if ms is None else from_ms(ms)


def stop_pushing(tx: Tx) -> None:
    """Before anything more is pushed, the practice is asked again."""
    tx.conn.execute(update(sources).where(sources.c.id == tx.source).values(pushing_since_ms=None))


def start_pushing(tx: Tx) -> None:
    """The practice has seen the count and agreed."""
    tx.conn.execute(update(sources).where(sources.c.id == tx.source).values(pushing_since_ms=now_ms()))
