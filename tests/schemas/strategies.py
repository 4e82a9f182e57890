"""Hypothesis strategies made from our own fields: JSON that a schema must accept."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from typing import Any

from handrail.schemas.base import (
    FIRST_YEAR,
    LAST_YEAR,
    AnswerValue,
    Day,
    Many,
    Number,
    One,
    OneOf,
    Plain,
    Table,
    Text,
    Time,
    Whole,
    Word,
    YesNo,
)
from handrail.schemas.instruments import ITEM_ID
from handrail.schemas.responses import Answers, CourseSchema
from handrail.schemas.vocab import Blank
from hypothesis import strategies as st
from marshmallow import Schema, fields

LETTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\x00")
NUMBERS = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
ANSWERS = st.integers(-9, 9) | st.none() | st.sampled_from([blank.value for blank in Blank])
OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
TIMES = st.datetimes(datetime(FIRST_YEAR, 1, 2), datetime(LAST_YEAR, 12, 30), timezones=OFFSETS)  # noqa: DTZ001


def of_schema(schema: Schema) -> st.SearchStrategy[dict[str, Any]]:
    """JSON objects that the schema accepts, keys that may be missing now and then missing."""
    must = {n: of_field(f) for n, f in schema.load_fields.items() if f.required}
    may = {n: of_field(f) for n, f in schema.load_fields.items() if not f.required}
    if isinstance(schema, CourseSchema):
        may["others"] = st.just({})  # courses in courses have no end otherwise
    return st.fixed_dictionaries(must, optional=may)


def of_field(field: fields.Field[Any]) -> st.SearchStrategy[Any]:
    """Values that the field accepts."""
    found: st.SearchStrategy[Any] = next(make(field) for kind, make in _MAKE.items() if isinstance(field, kind))
    return found | st.none() if field.allow_none else found


def _text(field: Text) -> st.SearchStrategy[str]:
    if field.pattern is not None:
        return st.from_regex(field.pattern, fullmatch=True, alphabet=st.characters(max_codepoint=127)).filter(
            lambda text: len(text) <= field.most
        )
    return st.text(LETTERS, min_size=0 if field.blank else 1, max_size=min(field.most, 12))


def _many(field: Many) -> st.SearchStrategy[list[Any]]:
    unique = field.gives is frozenset
    return st.lists(of_field(field.inner), min_size=field.least, max_size=max(2, field.least), unique=unique)


def _one(field: One) -> st.SearchStrategy[dict[str, Any]]:
    return st.deferred(lambda: of_schema(field.schema))


_MAKE: dict[type, Any] = {
    Answers: lambda _: st.dictionaries(st.from_regex(ITEM_ID, fullmatch=True), ANSWERS, max_size=4),
    AnswerValue: lambda _: ANSWERS,
    Plain: lambda _: NUMBERS | st.booleans() | st.text(LETTERS, max_size=8),
    Text: _text,
    Word: lambda field: st.sampled_from([word.value for word in field.words]),
    OneOf: lambda field: st.sampled_from(field.words),
    Whole: lambda field: st.integers(field.least, field.most),
    Number: lambda _: NUMBERS,
    YesNo: lambda _: st.booleans(),
    Time: lambda _: TIMES.map(datetime.isoformat),
    Day: lambda _: st.dates(date(FIRST_YEAR, 1, 1), date(LAST_YEAR, 12, 31)).map(date.isoformat),
    Many: _many,
    Table: lambda field: st.dictionaries(of_field(field.key), of_field(field.inner), max_size=2),
    One: _one,
}
