"""When the next form is due: pure arithmetic over days of the practice, and the reason in words.

First form at the start; the second three weeks after it; then the cadence. Three weeks, because the two make the
baseline and are to lie 2 to 4 weeks apart (clinical.md 2.1): a request due on day 21 that is answered on its last day,
the 28th, still falls inside. Every due day is counted from one thing that happened, the last form or the last request,
never from a calendar of all due days: after a long gap one request is due, not all that were missed.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta, tzinfo
from enum import StrEnum

from ..words import Texts, mark, tr
from ..words.spelling import day as day_words
from ..words.spelling import whole

SECOND_WEEKS = 3
"""Weeks from the first form to the second, if the cadence is not shorter."""

RECENT = timedelta(weeks=6)
"""A form this long before the start belongs to what was before, not to this enrolment (rules: PAIR_DAYS)."""

LEAST_GAP = timedelta(weeks=1)
"""Counted by sessions, no form is due sooner than this after the last one, however close the sessions lie."""


class Why(StrEnum):
    """Why a form is due."""

    FIRST = "first"
    SECOND = "second"
    WEEKS = "weeks"
    SESSIONS = "sessions"
    UNANSWERED = "unanswered"
    UNANSWERED_SESSIONS = "unanswered-sessions"


REASONS = Texts(
    {
        Why.FIRST: mark("First form."),
        Why.SECOND: mark("Second form, {weeks} weeks after the first of {day}; the two make the baseline."),
        Why.WEEKS: mark("{weeks} weeks since the form of {day}."),
        Why.SESSIONS: mark("Attended session number {sessions} since the form of {day}."),
        Why.UNANSWERED: mark("{weeks} weeks since it was last asked for on {day}."),
        Why.UNANSWERED_SESSIONS: mark("Attended session number {sessions} since it was last asked for on {day}."),
    }
)
WAITING = mark("{text} Attended so far: {held}.")


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often one form is asked for. `not_before`: the first day on which it may be asked again, after a pause."""

    start: date
    every_weeks: int
    every_sessions: int | None = None
    not_before: date | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """A request that went out and was not answered: the day it was due, and the day on which it was made."""

    due: date
    asked: date


@dataclass(frozen=True, slots=True)
class Past:
    """What happened to one form of one client.

    `forms`: days of all answered forms, whoever asked for them. `unanswered`: requests that were missed or refused.
    `used`: due days for which there has been a request, whatever became of it. `sessions`: days of attended sessions,
    None where the platform gives none.
    """

    forms: tuple[date, ...] = ()
    unanswered: tuple[Request, ...] = ()
    used: frozenset[date] = frozenset()
    sessions: tuple[date, ...] | None = None


@dataclass(frozen=True, slots=True)
class Due:
    """The next form: the day, None while sessions are still to be attended, and why."""

    day: date | None
    why: Why
    since: date | None = None
    weeks: int | None = None
    sessions: int | None = None
    held: int | None = None

    @property
    def reason(self) -> str:
        """The reason as one sentence, in the language that is spoken."""
        since = "" if self.since is None else day_words(self.since)
        text = tr(REASONS.source[self.why], weeks=self.weeks, sessions=self.sessions, day=since)
        return text if self.day is not None or self.held is None else tr(WAITING, text=text, held=whole(self.held))


def day_of(when: datetime, zone: tzinfo) -> date:
    """The practice's local day of an instant."""
    return when.astimezone(zone).date()


def noon(day: date, zone: tzinfo) -> datetime:
    """Noon of a day, which no change of the clocks skips or doubles."""
    return datetime.combine(day, time(12), zone)


def next_due(rhythm: Rhythm, past: Past, today: date) -> Due:
    """When the next form is due, and why; a day in the past means: now, once.

    :param today: the practice's day; it matters only where a request for the same day was taken back, and where a
        clock that was ahead has noted requests in the future.
    """
    due = _by_rhythm(rhythm, past, today)
    if due.day is None:
        return due
    day = max(due.day, rhythm.start, rhythm.not_before or rhythm.start)
    if day in past.used:
        # Taken back (a pause, an opt-out) and wanted again: another day, since one day has one request.
        day = max(today, day)
        while day in past.used:
            day += timedelta(days=1)
    return replace(due, day=day)


def due_then(rhythm: Rhythm, past: Past, day: date) -> Due:
    """Why a request that there is already was due on its day: by what had happened when it was made. Forms that reached
    us later, or were filled in since, are the reason of the next one.

    :param day: the due day of the request.
    """
    unanswered = tuple(one for one in past.unanswered if one.due < day)
    forms = sorted(one for one in past.forms if one < day)
    for known in range(len(forms), -1, -1):
        due = _by_rhythm(rhythm, replace(past, forms=tuple(forms[:known]), unanswered=unanswered), day)
        if due.day is not None and max(due.day, rhythm.start, rhythm.not_before or rhythm.start) == day:
            return replace(due, day=day)
    # Taken back and wanted again on another day, or by another rhythm: what is known of that day is the nearest.
    return replace(_by_rhythm(rhythm, replace(past, forms=tuple(forms), unanswered=unanswered), day), day=day)


def _by_rhythm(rhythm: Rhythm, past: Past, today: date) -> Due:
    recent = [day for day in past.forms if day >= rhythm.start - RECENT]
    last = max(recent, default=None)
    missed = [day for one in past.unanswered if (day := _made(one, today)) > (last or date.min)]
    missed = [day for day in missed if day >= rhythm.start - RECENT]
    if missed:
        return _after(rhythm, past, max(missed), Why.UNANSWERED, Why.UNANSWERED_SESSIONS)
    if last is None:
        return Due(rhythm.start, Why.FIRST)
    if len(recent) == 1 and rhythm.every_weeks >= SECOND_WEEKS:
        return Due(last + timedelta(weeks=SECOND_WEEKS), Why.SECOND, last, SECOND_WEEKS)
    return _after(rhythm, past, last, Why.WEEKS, Why.SESSIONS)


def _made(request: Request, today: date) -> date:
    """The day from which a missed request counts; one noted by a clock that was ahead counts from its due day."""
    return request.asked if request.asked <= today else request.due


def _after(rhythm: Rhythm, past: Past, since: date, by_weeks: Why, by_sessions: Why) -> Due:
    """The cadence from one day on."""
    wanted = rhythm.every_sessions
    if wanted is None or past.sessions is None:
        return Due(since + timedelta(weeks=rhythm.every_weeks), by_weeks, since, rhythm.every_weeks)
    days = sorted(past.sessions)
    later = days[bisect_right(days, since) :]
    if len(later) < wanted:
        return Due(None, by_sessions, since, sessions=wanted, held=len(later))
    return Due(max(later[wanted - 1], since + LEAST_GAP), by_sessions, since, sessions=wanted)


def missed_in_a_row(forms: Iterable[date], missed: Iterable[Request]) -> int:
    """How many requests have run out since the last form, whoever asked for that."""
    last = max(forms, default=date.min)
    return sum(one.asked > last for one in missed)
