"""The facts of collecting as JSON (docs/json.md): enrolments, what is due, what a run of `send` did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date

from ...schemas.records import Enrolment, Json
from .facts import DueRow, Enrolled, SendReport

FORMAT = 1


def _day(when: date | None) -> str | None:
    return None if when is None else when.isoformat()


def enrolment_json(item: Enrolment) -> Json:
    """One enrolment."""
    return {
        "client_key": item.client,
        "instruments": list(item.instruments),
        "every_weeks": item.every_weeks,
        "every_sessions": item.every_sessions,
        "start": _day(item.start),
        "consent": _day(item.consent),
        "consent_by": item.consent_by,
        "consent_text": item.consent_text,
        "channel": item.channel,
        "tags": sorted(item.tags),
        "paused_until": _day(item.paused_until),
        "opted_out": _day(item.opted_out),
        "end": _day(item.end),
    }


def enrolled_json(items: Sequence[Enrolled], *, done: bool) -> Json:
    """What enrolments became, or (`done` false) would become."""
    return {
        "format": FORMAT,
        "done": done,
        "enrolments": [
            {
                "client": item.client,
                "new": item.before is None,
                "changed": item.changed,
                **enrolment_json(item.after),
                "notes": list(item.notes),
            }
            for item in items
        ],
    }


def due_json(rows: Sequence[DueRow]) -> Json:
    """What is due, with counts by standing."""
    return {
        "format": FORMAT,
        "counts": dict(sorted(Counter(row.standing.value for row in rows).items())),
        "due": [_due_row(row) for row in rows],
    }


def _due_row(row: DueRow) -> Json:
    return {
        "client": row.client,
        "client_key": row.key,
        "clinician": row.clinician,
        "instrument": row.instrument,
        "standing": row.standing.value,
        "due": _day(row.due),
        "reason": row.reason,
        "channel": row.channel,
        "missed": row.missed,
        "asked": _day(row.asked),
        "reminded": _day(row.reminded),
        "expires": _day(row.expires),
        "paused_until": _day(row.paused_until),
        "opted_out": _day(row.opted_out),
        "link": row.link,
        "ask": row.ask,
        "problem": row.problem,
        "notes": list(row.notes),
    }


def send_json(report: SendReport) -> Json:
    """What a run of `send` did."""
    return {
        "format": FORMAT,
        "outcome": report.outcome.value,
        "counts": {name: number for name, number in sorted(report.counts.items()) if number},
        "problems": list(report.problems),
        "listing": report.listing,
        "hand_over": [
            {
                "client": one.client,
                "instrument": one.instrument,
                "due": _day(one.due),
                "asked": _day(one.asked),
                "link": one.link,
                "sheet": one.sheet,
            }
            for one in report.hand_over
        ],
    }
