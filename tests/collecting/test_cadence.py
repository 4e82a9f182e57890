"""When the next form is due: the arithmetic alone, by examples from the calendar and by properties."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from handrail.plugin_core.collecting.cadence import (
    LEAST_GAP,
    RECENT,
    SECOND_WEEKS,
    Due,
    Past,
    Request,
    Rhythm,
    Why,
    day_of,
    missed_in_a_row,
    next_due,
    noon,
)
from hypothesis import given
from hypothesis import strategies as st

START = date(2026, 5, 4)
MONTHLY = Rhythm(START, 4)
WEEK = timedelta(weeks=1)
days = st.dates(date(2023, 6, 1), date(2029, 6, 1))


def due(past: Past, today: date = START, rhythm: Rhythm = MONTHLY) -> Due:
    return next_due(rhythm, past, today)


def test_the_first_form_is_due_at_the_start() -> None:
    """A client who was never asked would otherwise never be."""
    assert due(Past()) == Due(START, Why.FIRST)
    assert due(Past()).reason == "First form."


def test_the_second_form_comes_three_weeks_after_the_first_and_then_the_cadence() -> None:
    """clinical.md 2.1: the first two make the baseline and lie 2 to 4 weeks apart, also if answered on the last day."""
    first = START + timedelta(days=2)
    second = due(Past(forms=(first,)))
    assert (second.day, second.why) == (first + 3 * WEEK, Why.SECOND)
    assert second.reason == "Second form, 3 weeks after the first of 6 May 2026; the two make the baseline."
    assert second.day is not None
    assert 2 * WEEK <= second.day - first <= second.day + timedelta(days=7) - first <= 4 * WEEK
    third = due(Past(forms=(first, first + 3 * WEEK)))
    assert third.reason == "4 weeks since the form of 27 May 2026."
    assert third.day == date(2026, 6, 24)


def test_a_short_cadence_is_not_stretched_by_the_baseline() -> None:
    """A practice that asks each week means each week."""
    assert due(Past(forms=(START,)), rhythm=Rhythm(START, 1)).day == START + WEEK


def test_a_form_that_came_in_by_itself_counts() -> None:
    """Asking three days after a client filled in the form unasked would tell them that nobody looks."""
    forms = (START, START + 3 * WEEK, START + 5 * WEEK)
    assert due(Past(forms=forms)).day == START + 9 * WEEK


def test_forms_long_before_the_start_begin_nothing() -> None:
    """A client enrolled after years starts with a first form at the start, not three weeks after an old one."""
    old = START - RECENT - timedelta(days=1)
    assert due(Past(forms=(old - 4 * WEEK, old))) == Due(START, Why.FIRST)


def test_recent_forms_before_the_start_move_it() -> None:
    """Enrolled two weeks after a form: not asked again on the same day."""
    forms = (START - 6 * WEEK, START - 2 * WEEK)
    assert due(Past(forms=forms)).day == START + 2 * WEEK


def test_after_a_missed_request_the_cadence_goes_on_from_it() -> None:
    """Asking again at once would press; never asking again would lose the client."""
    past = Past((START, START + 3 * WEEK), (Request(START + 7 * WEEK, START + 7 * WEEK),))
    again = due(past, START + 9 * WEEK)
    assert again.day == START + 11 * WEEK
    assert again.reason == "4 weeks since it was last asked for on 22 June 2026."


def test_after_a_long_gap_one_request_is_due_and_not_five() -> None:
    """A practice that did not run Handrail for half a year must not send five requests in a row."""
    today = START + 30 * WEEK
    past = Past((START, START + 3 * WEEK))
    assert due(past, today).day == START + 7 * WEEK
    asked = Request(START + 7 * WEEK, today)
    after = Past(past.forms, (asked,), frozenset({asked.due}))
    assert due(after, today).day == today + 4 * WEEK


def test_by_sessions_the_nth_since_the_last_form() -> None:
    """Every 4th session, where the platform gives sessions; until then nothing is due, and the count is said."""
    rhythm = Rhythm(START, 4, every_sessions=4)
    forms = (START, START + 3 * WEEK)
    held = tuple(START + n * WEEK for n in range(3, 7))
    waiting = due(Past(forms, sessions=held), rhythm=rhythm)
    assert waiting.day is None
    assert waiting.reason == ("Attended session number 4 since the form of 25 May 2026. Attended so far: 3.")
    assert due(Past(forms, sessions=(*held, START + 7 * WEEK)), rhythm=rhythm).day == START + 7 * WEEK
    assert due(Past(forms, sessions=None), rhythm=rhythm).why is Why.WEEKS, "no sessions from the platform: by weeks"


def test_daily_sessions_do_not_ask_within_the_week() -> None:
    """In a day clinic the fourth session is on Thursday."""
    forms = (START, START + 3 * WEEK)
    held = tuple(START + 3 * WEEK + timedelta(days=n) for n in range(1, 6))
    assert due(Past(forms, sessions=held), rhythm=Rhythm(START, 4, 4)).day == START + 4 * WEEK


def test_a_day_whose_request_was_taken_back_is_not_used_again() -> None:
    """One day has one request (its key); after a pause that was lifted the form is due on another day."""
    past = Past(used=frozenset({START, START + timedelta(days=5)}))
    assert due(past, START + timedelta(days=5)).day == START + timedelta(days=6)


def test_a_pause_moves_what_fell_into_it_to_its_end_and_nothing_else() -> None:
    """Neither lost nor asked on every day of the pause."""
    back = START + 8 * WEEK
    forms = (START, START + 3 * WEEK)
    assert due(Past(forms), rhythm=Rhythm(START, 4, not_before=back)).day == back
    later = (*forms, START + 6 * WEEK)
    assert due(Past(later), rhythm=Rhythm(START, 4, not_before=back)).day == START + 10 * WEEK


def test_a_clock_that_was_ahead_does_not_silence_a_client_for_years() -> None:
    """A request noted in 2030 by a wrong clock counts from its due day once the clock is right."""
    ahead = Request(START, date(2030, 1, 1))
    assert due(Past(unanswered=(ahead,), used=frozenset({START})), START + WEEK).day == START + 4 * WEEK


@pytest.mark.parametrize(
    ("zone", "when", "day"),
    [
        ("Europe/Zurich", datetime(2026, 3, 29, 0, 30, tzinfo=UTC), date(2026, 3, 29)),  # clocks go forward
        ("Europe/Zurich", datetime(2026, 10, 24, 22, 30, tzinfo=UTC), date(2026, 10, 25)),  # the night with 25 hours
        ("Europe/Zurich", datetime(2026, 10, 25, 22, 59, tzinfo=UTC), date(2026, 10, 25)),
        ("Europe/Zurich", datetime(2026, 12, 31, 23, 30, tzinfo=UTC), date(2027, 1, 1)),
        ("America/Los_Angeles", datetime(2028, 3, 1, 7, 59, tzinfo=UTC), date(2028, 2, 29)),
        ("Pacific/Apia", datetime(2026, 1, 1, 11, 0, tzinfo=UTC), date(2026, 1, 2)),
    ],
)
def test_days_are_the_practices_own(zone: str, when: datetime, day: date) -> None:
    """A form filled in late in the evening belongs to that day, across clock changes and year ends."""
    assert day_of(when, ZoneInfo(zone)) == day


@given(days, st.sampled_from(["Europe/Zurich", "America/Sao_Paulo", "Africa/Cairo", "Pacific/Apia", "Asia/Beirut"]))
def test_noon_is_on_its_day_in_every_zone(day: date, name: str) -> None:
    """Midnight does not exist on some days of some zones; a due day must not become the day before."""
    zone = ZoneInfo(name)
    assert day_of(noon(day, zone), zone) == day


def test_year_ends_and_leap_days() -> None:
    """Weeks are weeks."""
    forms = (date(2027, 12, 13), date(2028, 1, 3), date(2028, 2, 1))
    assert due(Past(forms), rhythm=Rhythm(date(2027, 12, 13), 4)).day == date(2028, 2, 29)


# --- properties -----------------------------------------------------------------------------------------------------

rhythms = st.builds(Rhythm, st.just(START), st.integers(1, 26), st.none() | st.integers(1, 8))
offsets = st.lists(st.integers(-200, 600), max_size=12, unique=True)


@st.composite
def pasts(draw: st.DrawFn) -> Past:
    forms = tuple(sorted(START + timedelta(days=n) for n in draw(offsets)))
    missed = tuple(
        Request(START + timedelta(days=n), START + timedelta(days=n + draw(st.integers(0, 40))))
        for n in sorted(draw(offsets))
    )
    held = draw(st.none() | offsets.map(lambda found: tuple(START + timedelta(days=n) for n in found)))
    return Past(forms, missed, frozenset(one.due for one in missed), held)


@given(rhythms, pasts(), st.integers(0, 700))
def test_never_before_the_start_never_on_a_used_day_never_within_a_week_of_a_form(
    rhythm: Rhythm, past: Past, later: int
) -> None:
    """Whatever the past: no day has two requests, and no client is asked right after answering."""
    found = due(past, START + timedelta(days=later), rhythm)
    assert found.reason
    if found.day is None:
        assert rhythm.every_sessions is not None
        return
    assert found.day >= rhythm.start
    assert found.day not in past.used
    if recent := [day for day in past.forms if day >= rhythm.start - RECENT]:
        assert found.day >= max(recent) + LEAST_GAP


@given(rhythms.filter(lambda one: one.every_sessions is None), st.lists(st.integers(0, 60), max_size=40), st.data())
def test_no_two_requests_are_closer_than_the_rhythm(rhythm: Rhythm, gaps: list[int], data: st.DataObject) -> None:
    """Played forward over runs at any distance, with answers or none: no storm after any gap."""
    past, today = Past(), START
    asked: list[date] = []
    for gap in gaps:
        today += timedelta(days=gap)
        found = due(past, today, rhythm)
        assert found.day is not None
        if found.day > today:
            continue
        asked.append(today)
        used = past.used | {found.day}
        if data.draw(st.booleans()):
            past = Past((*past.forms, today), past.unanswered, used)
        else:
            past = Past(past.forms, (*past.unanswered, Request(found.day, today)), used)
    least = timedelta(weeks=min(SECOND_WEEKS, rhythm.every_weeks))
    assert all(later - earlier >= least for earlier, later in pairwise(asked))


@given(st.lists(days, max_size=6), st.lists(days, max_size=6))
def test_missed_in_a_row_ends_with_any_form(forms: list[date], missed: list[date]) -> None:
    """A client who answered by themself since has not gone silent."""
    found = missed_in_a_row(forms, [Request(day, day) for day in missed])
    assert found <= len(missed)
    if forms and missed and max(forms) >= max(missed):
        assert found == 0
