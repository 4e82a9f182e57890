"""Courses from what is stored: what the rules read of clients, and what people are shown of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, tzinfo

from ...schemas.records import Course, ScoredForm
from ..collecting.tags import with_tags
from ..instruments.translations import in_language
from ..registry import Registry
from ..selfcheck import with_shared
from ..store import Tx
from ..store.courses import forms_of


def series_of(
    tx: Tx,
    keys: Sequence[str],
    registry: Registry,
    zone: tzinfo | None,
    read_tags: Collection[str],
    scored_by: dict[str, str] | None = None,
) -> dict[str, list[tuple[str, str, ScoredForm]]]:
    """What the rules read of clients, and what people are shown of them: forms by the practice's day, self-checks that
    were shared, the tags of the enrolments. Client key -> (instrument, version, form), oldest first.

    :param scored_by: as of `courses.forms_of`.
    """
    return with_tags(tx, with_shared(tx, forms_of(tx, keys, zone, scored_by), registry), read_tags)


def courses_of(
    client: str,
    series: Sequence[tuple[str, str, ScoredForm]],
    therapists: Sequence[datetime],
    registry: Registry,
    sessions: tuple[datetime, ...] | None = None,
) -> list[Course]:
    """A client's courses, one for each instrument version, each with the other instruments' newest beside it.

    `sessions` are attended sessions, None where the platform gives none.
    """
    grouped: dict[tuple[str, str], list[ScoredForm]] = {}
    for instrument, version, form in series:
        grouped.setdefault((instrument, version), []).append(form)
    alone: dict[tuple[str, str], Course] = {}
    for key, found in grouped.items():
        if key in registry.instruments:
            form_of = in_language(registry.instruments[key].descriptor)
            alone[key] = Course(client, form_of, tuple(found), therapists=tuple(therapists), sessions=sessions)
    if len(alone) < 2:
        return list(alone.values())
    newest: dict[str, Course] = {}
    for (instrument, _), course in sorted(alone.items(), key=lambda pair: pair[1].forms[-1].authored):
        newest[instrument] = course
    return [
        replace(course, others={name: other for name, other in newest.items() if name != course.instrument.id})
        for course in alone.values()
    ]


def start_of(day: str) -> datetime:
    """The first instant of an ISO date, in UTC."""
    return datetime.combine(date.fromisoformat(day), datetime.min.time(), UTC)
