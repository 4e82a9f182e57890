"""Schemas of what clients answered: the flat response that all platforms' forms become, and what scoring makes of it.

The response is flat on purpose: marshmallow judges one level with one compiled field for all answers, which costs a
fraction of a nested schema a line. `judge` loads a page and tells the good records from those to set aside.
"""

# ruff: noqa: ARG002, RUF012 - marshmallow fixes signatures and class attributes

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from collections.abc import Mapping as MappingABC
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

from marshmallow import ValidationError, fields, missing

from . import records
from .base import (
    AnswerValue,
    Day,
    Id,
    Many,
    Number,
    One,
    RecordSchema,
    Ref,
    Strict,
    Table,
    Text,
    Time,
    Whole,
    Word,
    YesNo,
)
from .instruments import INSTRUMENT_ID, ITEM_ID, VERSION, InstrumentSchema
from .problems import by_index
from .records import Answer, Instrument, Response
from .vocab import Blank, Mode, QuarantineReason, ResponseStatus
from .words import WITH_MORE, mark

Checker = Callable[[MappingABC[str, object]], dict[str, Answer]]

_WHOLE = frozenset({int})
MOST_KNOWN = 200  # texts of a field that are remembered as good
_BLANKS: dict[object, Blank] = {None: Blank.EMPTY, **{blank.value: blank for blank in Blank}}


def answer_checker(instrument: Instrument) -> Checker:
    """A function that judges raw answers against the instrument.

    It gives `{item id: number | Blank}` and raises marshmallow's ValidationError with a message for each line that the
    instrument does not have, and for each answer that is not among the line's options. A line that is left out stays
    out. Compile it once an instrument; it takes about 2 µs for 19 lines.
    """
    allowed = {item.id: frozenset(item.values) for item in instrument.items}
    every = {(line, value) for line, values in allowed.items() for value in values}

    def check(answers: MappingABC[str, object]) -> dict[str, Answer]:
        if _WHOLE.issuperset(map(type, answers.values())) and every.issuperset(answers.items()):
            return dict(answers)  # type: ignore[arg-type]  # nothing but numbers that the lines offer: the common form
        found: dict[str, Answer] = {}
        for line, value in answers.items():
            # A true int only: True == 1 and 3.0 == 3 would pass for members of the set.
            if value.__class__ is int and line in allowed and value in allowed[line]:
                found[line] = value
            elif line in allowed and (value is None or isinstance(value, str)) and value in _BLANKS:
                found[line] = _BLANKS[value]
            else:
                raise ValidationError(_complaints(answers, allowed))
        return found

    return check


def _complaints(answers: MappingABC[str, object], allowed: MappingABC[str, frozenset[int]]) -> dict[str, list[str]]:
    """What is wrong with each line; only called once something is."""
    found: dict[str, list[str]] = {}
    for line, value in answers.items():
        if line not in allowed:
            found[str(line)] = [mark("the form has no such line")]
        elif value.__class__ is int:
            if value not in allowed[line]:
                found[line] = [mark("is not among the answers that the line offers")]
        elif not ((value is None or isinstance(value, str)) and value in _BLANKS):
            found[line] = [mark('must be a whole number, null, "empty" or "declined"')]
    return found


class Answers(Strict):
    """All answers of one form in one field.

    Once the schema has set `checkers`, by (instrument, version), each answer is judged by the form's own options;
    `version_key` is the key under which the record carries the version. Without, only the types are judged.
    """

    default_error_messages = {
        "type": mark("must be an object"),
        "form": mark("no form of that name and version is known here"),
    }

    def __init__(self, *, version_key: str = "instrument_version", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.version_key = version_key
        self.checkers: MappingABC[tuple[str, str], Checker] | None = None
        self._loose = Table(AnswerValue(), key=Id(pattern=ITEM_ID))

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dict[str, Answer]:
        if value.__class__ is not dict:
            raise self.make_error("type")
        if self.checkers is None:
            return self._loose._deserialize(value, attr, data)
        name, version = data.get("instrument"), data.get(self.version_key)
        checker = self.checkers.get((name, version)) if isinstance(name, str) and isinstance(version, str) else None
        if checker is None:
            raise self.make_error("form")
        return checker(value)

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> dict[str, int | str]:
        return {line: answer.value if isinstance(answer, Blank) else answer for line, answer in value.items()}


class JudgedSchema(RecordSchema):
    """A schema whose `Answers` field judges by instruments.

    :param instruments: the forms that answers are judged by. Without them only the types of answers are judged, which
        serves for what was judged before, such as a row of the store.
    """

    def __init__(self, instruments: Iterable[Instrument] | None = None, **kwargs: Any) -> None:
        self._instruments = None if instruments is None else tuple(instruments)
        known = self._instruments
        self._checkers = None if known is None else {one.key: answer_checker(one) for one in known}
        self._narrow: dict[tuple[str, ...], Self] = {}
        super().__init__(**kwargs)

    def for_page(self, page: Sequence[dict[str, Any]]) -> Self:
        """This schema with the required fields and those that some record of the page has: it judges the page the same.

        marshmallow spends 2 µs on a field that is not there, and most forms have few of the optional ones.
        """
        names = {name for name, one in self.load_fields.items() if one.required}
        for record in page:
            if isinstance(record, dict):
                names.update(record)
        only = tuple(name for name in self.load_fields if name in names)
        if only not in self._narrow:
            self._narrow[only] = type(self)(self._instruments, only=only, unknown=self.unknown)
        return self._narrow[only]

    def _deserialize(self, data: Any, **kwargs: Any) -> Any:
        """As marshmallow has it. In a page without a fault, the common one, the same fields judge the same values here,
        without a closure for each value and a set for each record; anything else goes marshmallow's own way.
        """
        if kwargs.get("many") and not kwargs.get("partial") and data.__class__ is list:
            try:
                return [self._faultless(record) for record in data]
            except ValidationError:
                pass
        return super()._deserialize(data, **kwargs)

    def _faultless(self, record: Any) -> dict[str, Any]:
        """One record by its fields. Raises ValidationError for every fault, and for all that is not plain."""
        if record.__class__ is not dict or self._judges is None:
            raise ValidationError("not plain")
        found = {}
        for name, judge_value, deserialize, required, known in self._judges:
            if name in record:
                value = record[name]
                if known is not None and value.__class__ is str:
                    if value not in known and len(known) < MOST_KNOWN:
                        known[value] = judge_value(value, name, record)
                    found[name] = known[value] if value in known else judge_value(value, name, record)
                else:
                    found[name] = deserialize(None) if value is None else judge_value(value, name, record)
            elif required:
                raise ValidationError("not plain")
        if len(found) != len(record):
            raise ValidationError("not plain")
        return found

    @cached_property
    def _judges(self) -> list[tuple[str, Callable[..., Any], Callable[..., Any], bool, dict[str, Any] | None]] | None:
        """Name, judge of a value, whole `deserialize`, duty and known good texts of each field; None where one has
        more to it. Names and words of lists have few different texts, so each is judged once."""
        every = self.load_fields.items()
        if any(
            one.data_key or one.attribute or one.load_default is not missing
            or type(one).deserialize is not Strict.deserialize
            for _, one in every
        ):  # fmt: skip
            return None
        few = (Id, Word)
        return [
            (name, one._deserialize, one.deserialize, one.required, {} if type(one) in few else None)
            for name, one in every
        ]

    def on_bind_field(self, field_name: str, field_obj: fields.Field[Any]) -> None:
        """Hands the compiled checkers to the answers field."""
        if isinstance(field_obj, Answers):
            field_obj.checkers = self._checkers


class ResponseSchema(JudgedSchema):
    """One filled-in form in the instrument's own words, flat."""

    record = Response
    id = Ref(required=True)
    client = Ref(required=True)
    instrument = Id(required=True, pattern=INSTRUMENT_ID)
    instrument_version = Id(required=True, pattern=VERSION)
    authored = Time(required=True)
    answers = Answers(required=True)
    status = Word(ResponseStatus)
    version = Ref(allow_none=True)
    updated = Time(allow_none=True)
    mode = Word(Mode)
    language = Text(allow_none=True, most=64)
    source = Text(allow_none=True, most=1000)
    tags = Many(Text(most=100), gives=frozenset, most=50)
    totals = Table(Number(), key=Id(pattern=ITEM_ID), most=100)


@dataclass(frozen=True, slots=True)
class Refused:
    """A record of a page that is set aside: its position, why, where in it, and a sentence without its content."""

    index: int
    reason: QuarantineReason
    where: str
    message: str


_REASONS = (
    ("answers", QuarantineReason.UNKNOWN_ANSWER),
    ("authored", QuarantineReason.NO_TIME),
    ("client", QuarantineReason.NO_CLIENT),
)


def judge(schema: ResponseSchema, page: Sequence[dict[str, Any]]) -> tuple[list[Response], list[Refused]]:
    """A page of flat records as responses, in order, and those that are set aside instead.

    One bad record costs that record and never the page.
    """
    schema = schema.for_page(page)
    try:
        return schema.load(page, many=True), []
    except ValidationError as error:
        found = by_index(error)
    good = [record for index, record in enumerate(page) if index not in found]
    responses: list[Response] = schema.load(good, many=True)
    return responses, [_refused(index, lines) for index, lines in found.items()]


def _refused(index: int, lines: tuple[str, ...]) -> Refused:
    where, _, message = lines[0].partition(": ")
    reason = next((reason for name, reason in _REASONS if where.split(".")[0] == name), QuarantineReason.SHAPE)
    if len(lines) > 1:
        message = WITH_MORE.format(message=message, count=len(lines) - 1)
    return Refused(index, reason, where, message)


class ScoreSchema(RecordSchema):
    """One score of one form; a value or a reason, never both and never neither."""

    record = records.Score
    name = Id(required=True, pattern=ITEM_ID)
    value = Number(required=True, allow_none=True)
    answered = Whole(required=True)
    of = Whole(required=True)
    method = Text(required=True, most=100)
    reason = Text(allow_none=True, most=1000)


class ScoredFormSchema(RecordSchema):
    """A form as rules see it."""

    record = records.ScoredForm
    id = Ref(required=True)
    authored = Time(required=True)
    answers = Answers(required=True)
    scores = Table(One(ScoreSchema), required=True, key=Id(pattern=ITEM_ID), most=100)
    straight_line = YesNo()
    tags = Many(Text(most=100), gives=frozenset, most=50)
    mode = Word(Mode)
    language = Text(allow_none=True, most=64)


class ClientSchema(RecordSchema):
    """A client as the platform knows them."""

    record = records.Client
    ref = Ref(required=True)
    name = Text(allow_none=True, most=400)
    clinician = Ref(allow_none=True)
    clinician_name = Text(allow_none=True, most=400)
    clinician_since = Day(allow_none=True)
    email = Text(allow_none=True, most=254)
    replaced_by = Ref(allow_none=True)


class CourseSchema(RecordSchema):
    """What one client answered over time, with the form that it was asked by."""

    record = records.Course
    client = Ref(required=True)
    instrument = One(InstrumentSchema, required=True)
    forms = Many(One(ScoredFormSchema), required=True)
    others = Table(One(lambda: CourseSchema()), key=Id(pattern=INSTRUMENT_ID), most=50)
    therapists = Many(Time())
    sessions = Many(Time(), allow_none=True)
