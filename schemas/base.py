"""What all schemas share: the base class, the strict fields, and the policy on unknown keys.

Policy: Handrail's own files, lines and API refuse a key that they do not know (a misspelled key would otherwise be
data that silently went missing). What comes from a platform is read by its adapter, which drops what it does not use
(F55) before anything reaches a schema here. Nested schemas do not inherit the policy in marshmallow, so every schema
of ours derives from `BaseSchema`.

The fields never turn one type into another: `2.7`, `"3"` and `true` are not the answer 3. Their messages say what is
wrong and never hold the value.
"""

# ruff: noqa: ARG002, RUF012 - marshmallow fixes signatures and class attributes

from __future__ import annotations

import copy
import math
import re
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar

from marshmallow import RAISE, Schema, ValidationError, fields, missing, post_load

from .records import Answer
from .vocab import Blank
from .words import COUNT, ONE_OF, RANGE, YEARS, mark

FIRST_YEAR, LAST_YEAR = 1900, 2199
ID_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"

_ID = re.compile(ID_PATTERN)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(
    r"([0-9]{4})-[0-9]{2}-[0-9]{2}[T ](?:[01][0-9]|2[0-3]):[0-5][0-9]"
    r"(?::(?:[0-5][0-9]|(60))(?:\.[0-9]{1,9})?)?(Z|[+-][0-9]{2}:?[0-9]{2})?"
)
# What platforms send, as a rule: nothing to look at twice.
_COMMON_TIME = re.compile(
    r"(?:19|20|21)[0-9]{2}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,9})?"
    r"(?:Z|[+-][0-9]{2}:[0-9]{2})"
)


class BaseSchema(Schema):
    """The base of every schema: unknown keys are refused, messages are plain."""

    error_messages = {
        "unknown": mark("is not a key of this format"),
        "type": mark("must be an object"),
    }

    class Meta:
        unknown = RAISE


class RecordSchema(BaseSchema):
    """A schema whose load gives the frozen dataclass `record` and whose dump gives JSON-able dicts."""

    record: ClassVar[type]

    @post_load
    def _to_record(self, data: dict[str, Any], **_: Any) -> Any:
        return self.record(**data)

    def on_bind_field(self, field_name: str, field_obj: fields.Field[Any]) -> None:
        """A field is what `dump` takes it for.

        :raises TypeError: one of another name than the record's attribute, or with a value for one that is absent.
        """
        if field_obj.data_key or field_obj.attribute or field_obj.dump_default is not missing:
            raise TypeError("a record's field bears the name of an attribute, which is always there")

    def dump(self, obj: Any, *, many: bool | None = None) -> Any:
        """As the base's, without the search for a value under several names and the steps before and after: a record
        has what its fields name, and a flag's evidence is twenty records."""
        if self.many if many is None else many:
            return [self.dump(one, many=False) for one in obj]
        return {name: field._serialize(getattr(obj, name), name, obj) for name, field in self.dump_fields.items()}


# --- parsing of single values, usable without a schema -----------------------------------------------------------


def parse_time(text: str) -> datetime:
    """An aware datetime from ISO 8601 text, in its own offset.

    A leap second (`:60`) is read as the second after it; fractions beyond microseconds are cut off.

    :raises ValueError: without an offset, a bare date, no such date, or a year outside 1900-2199. The message is plain
        and does not hold the text.
    """
    if _COMMON_TIME.fullmatch(text) is not None:
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            raise ValueError(mark("is not a date and time that exists")) from None
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError(mark("must be a date, time and offset such as 2026-03-02T10:00:00+00:00"))
    year, leap, offset = match.groups()
    if offset is None:
        raise ValueError(mark("has no time-zone offset"))
    if not FIRST_YEAR <= int(year) <= LAST_YEAR:
        raise ValueError(YEARS.format(first=FIRST_YEAR, last=LAST_YEAR))
    try:
        if leap is None:
            return datetime.fromisoformat(text)
        start = match.start(2)
        return datetime.fromisoformat(f"{text[:start]}59{text[start + 2 :]}") + timedelta(seconds=1)
    except (ValueError, OverflowError):
        raise ValueError(mark("is not a date and time that exists")) from None


def parse_answer(value: object) -> Answer:
    """An answer: a whole number as it is; null and `"empty"` as empty; `"declined"` as declined.

    :raises ValueError: for anything else, `true`, `3.0` and `"3"` among them.
    """
    if value.__class__ is int:
        return value
    if value is None:
        return Blank.EMPTY
    if isinstance(value, str) and value in (Blank.EMPTY, Blank.DECLINED):
        return Blank(value)
    raise ValueError(mark('must be a whole number, null, "empty" or "declined"'))


def storable(text: str) -> bool:
    """Whether every database can hold the text: no NUL (F53) and no lone surrogate (F52)."""
    if "\x00" in text:
        return False
    return text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)


# --- fields ------------------------------------------------------------------------------------------------------


class Strict(fields.Field[Any]):
    """The base of our fields: one `_deserialize`, which judges, and nothing round it.

    marshmallow's own `deserialize` walks three lists of functions a value, which we never fill; leaving that out makes
    a flat response a third cheaper to load. So `validate=` and the like are refused here instead of being ignored.
    """

    default_error_messages = {"required": mark("is missing"), "null": mark("must not be null")}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if self.validators or self.pre_load or self.post_load:
            raise TypeError("a strict field judges in `_deserialize`; it takes no validators or processors")

    def deserialize(self, value: Any, attr: str | None = None, data: Any = None, **kwargs: Any) -> Any:
        """As the base class has it, without the functions that are never there."""
        if value is missing:
            return super().deserialize(value, attr, data, **kwargs)
        if value is None:
            if self.allow_none:
                return None
            raise self.make_error("null")
        return self._deserialize(value, attr, data, **kwargs)


class Text(Strict):
    """A text of at least one letter, at most `most`. `pattern` must match all of it. `blank` allows none at all."""

    default_error_messages = {
        "type": mark("must be text"),
        "empty": mark("must not be empty"),
        "long": mark("is too long"),
        "pattern": mark("is not of the allowed form"),
        "letters": mark("holds a character that cannot be stored"),
    }

    def __init__(self, *, most: int = 4000, pattern: str | None = None, blank: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.most = most
        self.pattern = pattern
        self.blank = blank
        self._match = None if pattern is None else re.compile(pattern).fullmatch

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if value.__class__ is not str:
            raise self.make_error("type")
        if not value and not self.blank:
            raise self.make_error("empty")
        if len(value) > self.most:
            raise self.make_error("long")
        if not storable(value):
            raise self.make_error("letters")
        if self._match is not None and self._match(value) is None:
            raise self.make_error("pattern")
        text: str = value
        return text


class Id(Text):
    """A short name that is safe in messages, columns and file names: letters, digits, dot, dash, underscore."""

    def __init__(self, *, most: int = 64, pattern: str = ID_PATTERN, **kwargs: Any) -> None:
        super().__init__(most=most, pattern=pattern, **kwargs)


class Ref(Text):
    """A name that a platform gave: any text up to 255 letters."""

    def __init__(self, *, most: int = 255, **kwargs: Any) -> None:
        super().__init__(most=most, **kwargs)


class Word(Strict):
    """One word of a closed list, by value."""

    default_error_messages = {"word": ONE_OF}

    def __init__(self, words: type[StrEnum], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.words = words
        self._table = {word.value: word for word in words}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> StrEnum:
        found = self._table.get(value) if value.__class__ is str else None
        if found is None:
            raise self.make_error("word", words=", ".join(self._table))
        return found

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else str(value.value)


class OneOf(Strict):
    """One of a few texts that are no enum of the field."""

    default_error_messages = {"word": ONE_OF}

    def __init__(self, *words: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.words = words

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if value.__class__ is not str or value not in self.words:
            raise self.make_error("word", words=", ".join(self.words))
        return str(value)


class Whole(Strict):
    """A whole number that JSON wrote as one, at least `least` and at most `most`."""

    default_error_messages = {
        "type": mark("must be a whole number"),
        "range": RANGE,
    }

    def __init__(self, *, least: int = 0, most: int = 2**53, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.least, self.most = least, most

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if value.__class__ is not int:
            raise self.make_error("type")
        if not self.least <= value <= self.most:
            raise self.make_error("range", least=self.least, most=self.most)
        return int(value)


class Number(Strict):
    """A finite number, kept as it was written: 3 stays 3 and 3.0 stays 3.0, so that a round trip changes nothing."""

    default_error_messages = {"type": mark("must be a finite number")}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if not is_number(value):
            raise self.make_error("type")
        return value


def is_number(value: object) -> bool:
    """Whether the value is an int or a finite float; a bool is neither, a whole number beyond a float's exact range is
    refused rather than rounded (F54)."""
    if value.__class__ is int:
        return abs(value) <= 2**53
    return isinstance(value, float) and math.isfinite(value)


class YesNo(Strict):
    """true or false, written as such."""

    default_error_messages = {"type": mark("must be true or false")}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if value.__class__ is not bool:
            raise self.make_error("type")
        return bool(value)


class Plain(Strict):
    """A number, a text, true, false or null, kept as it is: the result of one step of a worked sum."""

    default_error_messages = {
        "type": mark("must be a number, text, true, false or null"),
    }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_none=True, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        fits = is_number(value) or value.__class__ is bool or (value.__class__ is str and storable(value))
        if not fits:
            raise self.make_error("type")
        return value


class Time(Strict):
    """An aware time, see `parse_time`. Written as ISO 8601 in its own offset."""

    default_error_messages = {"type": mark("must be text")}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> datetime:
        if value.__class__ is not str:
            raise self.make_error("type")
        try:
            return parse_time(value)
        except ValueError as problem:
            raise ValidationError(str(problem)) from None

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else str(value.isoformat())


class Day(Strict):
    """A calendar day, YYYY-MM-DD, in the years 1900-2199."""

    default_error_messages = {"type": mark("must be a day such as 2026-03-02")}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> date:
        if value.__class__ is not str or _DAY.fullmatch(value) is None:
            raise self.make_error("type")
        try:
            day = date.fromisoformat(value)
        except ValueError:
            raise self.make_error("type") from None
        if not FIRST_YEAR <= day.year <= LAST_YEAR:
            raise self.make_error("type")
        return day

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else str(value.isoformat())


class AnswerValue(Strict):
    """One answer, see `parse_answer`; null counts as empty."""

    def deserialize(self, value: Any, attr: str | None = None, data: Any = None, **kwargs: Any) -> Any:
        """As the base's, but null is a value here: it says that the line was left empty."""
        if value is None:
            return Blank.EMPTY
        return super().deserialize(value, attr, data, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Answer:
        try:
            return parse_answer(value)
        except ValueError as problem:
            raise ValidationError(str(problem)) from None

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> int | str | None:
        return value.value if isinstance(value, Blank) else value


class Many(Strict):
    """A JSON array, as a tuple (`gives` names another collection). At most `most`, at least `least` entries."""

    default_error_messages = {
        "type": mark("must be a list"),
        "count": COUNT,
        "twice": mark("has an entry twice"),
    }

    def __init__(
        self, inner: fields.Field[Any], *, gives: type = tuple, least: int = 0, most: int = 100_000, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.inner = inner
        self.gives = gives
        self.least, self.most = least, most

    def _bind_to_schema(self, field_name: str, parent: Any) -> None:
        super()._bind_to_schema(field_name, parent)
        self.inner = copy.copy(self.inner)
        self.inner._bind_to_schema(field_name, self)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if value.__class__ is not list:
            raise self.make_error("type")
        if not self.least <= len(value) <= self.most:
            raise self.make_error("count", least=self.least, most=self.most)
        found = self.gives(_each(self.inner, enumerate(value)).values())
        if len(found) < len(value):
            raise self.make_error("twice")
        return found

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> list[Any] | None:
        if value is None:
            return None
        entries = sorted(value) if isinstance(value, frozenset) else value
        return [self.inner._serialize(entry, attr, obj) for entry in entries]


class Table(Strict):
    """A JSON object whose keys are names and whose values are all of one kind.

    :param inner: the field of each value.
    :param key: what a name may be; ids by default, so that a path in a message never holds a person's words.
    """

    default_error_messages = {
        "type": mark("must be an object"),
        "name": mark("has a name that is not of the allowed form"),
        "count": mark("has too many entries"),
    }

    def __init__(self, inner: fields.Field[Any], *, key: Text | None = None, most: int = 1000, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.inner = inner
        self.key = key or Id()
        self.most = most

    def _bind_to_schema(self, field_name: str, parent: Any) -> None:
        super()._bind_to_schema(field_name, parent)
        self.inner = copy.copy(self.inner)
        self.inner._bind_to_schema(field_name, self)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dict[str, Any]:
        if value.__class__ is not dict:
            raise self.make_error("type")
        if len(value) > self.most:
            raise self.make_error("count")
        for name in value:
            try:
                self.key.deserialize(name)
            except ValidationError:
                raise self.make_error("name") from None
        return _each(self.inner, value.items())

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> dict[str, Any] | None:
        if value is None:
            return None
        return {name: self.inner._serialize(entry, name, value) for name, entry in value.items()}


def _each(inner: fields.Field[Any], entries: Iterable[tuple[Any, Any]]) -> dict[Any, Any]:
    """Every entry through the field, by its name or position. Raises with the errors of all."""
    found: dict[Any, Any] = {}
    errors: dict[str | int, Any] = {}
    for name, entry in entries:
        try:
            found[name] = inner.deserialize(entry)
        except ValidationError as error:
            errors[name] = error.messages
    if errors:
        raise ValidationError(errors)
    return found


class One(fields.Nested):
    """Another record, in place."""

    default_error_messages = {
        "required": mark("is missing"),
        "null": mark("must not be null"),
        "type": mark("must be an object"),
    }
