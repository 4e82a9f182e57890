"""Single values: no type is ever turned into another, no time is ever guessed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from handrail.schemas.base import AnswerValue, Day, Number, Text, Whole, YesNo, parse_answer, parse_time
from handrail.schemas.vocab import Blank
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import ValidationError

from .strategies import TIMES

JSON_LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
JSON = JSON_LEAVES | st.lists(JSON_LEAVES, max_size=2) | st.dictionaries(st.text(), JSON_LEAVES, max_size=2)


@given(st.integers())
def test_whole_numbers_are_answers_as_they_are(value: int) -> None:
    """Which of them the line offers is judged with the form."""
    assert parse_answer(value) == value


@pytest.mark.parametrize(("raw", "blank"), [(None, Blank.EMPTY), ("empty", Blank.EMPTY), ("declined", Blank.DECLINED)])
def test_blanks_are_kept_apart(raw: object, blank: Blank) -> None:
    """Left empty and rather not said are different facts about a client."""
    assert parse_answer(raw) is blank


@pytest.mark.parametrize("raw", [2.7, 3.0, "3", True, False, "", "Declined", [], {}, float("nan")])
def test_nothing_else_is_an_answer(raw: object) -> None:
    """A `2.7`, a `"3"` or a `true` read as 3 would be an answer that nobody gave."""
    with pytest.raises(ValueError, match="must be a whole number"):
        parse_answer(raw)
    with pytest.raises(ValidationError):
        AnswerValue().deserialize(raw)


@given(JSON)
def test_strict_fields_keep_the_value_or_refuse_it(value: Any) -> None:
    """Whatever JSON holds: a field gives back the very same value of the right type, or it raises."""
    for field, kinds in (
        (Whole(least=-(2**53)), (int,)),
        (Number(), (int, float)),
        (YesNo(), (bool,)),
        (Text(), (str,)),
    ):
        try:
            found = field.deserialize(value)
        except ValidationError:
            continue
        assert found is value
        assert type(found) in kinds


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**64, -(2**53) - 1])
def test_f54_numbers_that_would_be_rounded_are_refused(value: float) -> None:
    """2^64 through a float is another number; a score must not change on its way."""
    with pytest.raises(ValidationError):
        Number().deserialize(value)


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "a\x00b", "\x00"])
def test_f52_f53_texts_that_a_database_refuses_stop_here(text: str) -> None:
    """One such letter, met at the database, would cost the whole page."""
    with pytest.raises(ValidationError, match="cannot be stored"):
        Text().deserialize(text)


@given(TIMES)
def test_times_come_back_in_their_own_offset(moment: datetime) -> None:
    """A form filled in at 23:30 is of that evening, wherever the server stands."""
    found = parse_time(moment.isoformat())
    assert found == moment
    assert found.utcoffset() == moment.utcoffset()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-02T10:00:00Z", datetime(2026, 3, 2, 10, tzinfo=UTC)),
        ("2026-03-02 10:00:00+00:00", datetime(2026, 3, 2, 10, tzinfo=UTC)),
        ("2026-03-02T10:00+0000", datetime(2026, 3, 2, 10, tzinfo=UTC)),
        ("2026-03-02T10:00:00.123456789Z", datetime(2026, 3, 2, 10, 0, 0, 123456, tzinfo=UTC)),
        ("2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=UTC)),
        ("2016-12-31T23:59:60.5Z", datetime(2017, 1, 1, 0, 0, 0, 500000, tzinfo=UTC)),
    ],
)
def test_ways_of_writing_a_time(text: str, expected: datetime) -> None:
    """Servers differ; a leap second is rare and real."""
    assert parse_time(text) == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("2025-07-09", "must be a date, time and offset"),
        ("2026-03-02T10:00:00", "no time-zone offset"),
        ("2026-03-02T24:00:00Z", "must be a date, time and offset"),
        ("2026-02-30T10:00:00Z", "not a date and time that exists"),
        ("2026-03-02T10:00:61Z", "must be a date, time and offset"),
        ("2026-03-02T10:00:00+99:00", "not a date and time that exists"),
        ("2999-01-01T00:00:00Z", "year outside"),
        ("0001-01-01T00:00:00Z", "year outside"),
        ("2026-W10-1T10:00:00Z", "must be a date, time and offset"),
        ("２０２６-03-02T10:00:00Z", "must be a date, time and offset"),
        ("2026-03-02T10:00:00Z\n", "must be a date, time and offset"),
        ("", "must be a date, time and offset"),
    ],
)
def test_times_that_would_have_to_be_guessed_are_refused(text: str, says: str) -> None:
    """A bare date is no midnight, a time without offset belongs to no evening: both move forms between days."""
    with pytest.raises(ValueError, match=says) as caught:
        parse_time(text)
    assert not text or text.strip() not in str(caught.value)


@given(st.text())
def test_any_text_is_a_time_or_a_plain_refusal(text: str) -> None:
    """No text may end in another error than ValueError."""
    try:
        found = parse_time(text)
    except ValueError:
        return
    assert found.tzinfo is not None


@pytest.mark.parametrize("value", ["2026-02-30", "2026-3-2", "20260302", "2026-03-02T00:00:00Z", "0001-01-01", 5, None])
def test_days_that_are_none(value: object) -> None:
    """A hold that ends on a day that does not exist would never end."""
    with pytest.raises(ValidationError):
        Day().deserialize(value)


def test_leap_second_on_the_last_day_is_no_crash() -> None:
    """Adding a second must not run over the calendar's end."""
    assert parse_time("2199-12-31T23:59:60Z") - parse_time("2199-12-31T23:59:59Z") == timedelta(seconds=1)
