"""Schemas of instruments: of the records, and of the data file from which an instrument comes.

In the file a scale is written once under `scales` and lines name it; a record carries the options on each line.
"""

from __future__ import annotations

from typing import Any

from marshmallow import post_load

from . import records
from .base import BaseSchema, Id, Many, Number, One, OneOf, RecordSchema, Table, Text, Whole, Word, YesNo
from .vocab import Direction

FORMAT = 1
ITEM_ID = r"[A-Za-z][A-Za-z0-9_-]{0,31}"
INSTRUMENT_ID = r"[a-z][a-z0-9-]{0,31}"
VERSION = r"[0-9A-Za-z][0-9A-Za-z.+-]{0,31}"
LANGUAGE = r"[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}"


class CodingSchema(RecordSchema):
    """A code of a published code system."""

    record = records.Coding
    system = Text(required=True, most=255)
    code = Text(required=True, most=64)
    display = Text(allow_none=True, most=400)


class OptionSchema(RecordSchema):
    """One answer that can be ticked."""

    record = records.Option
    code = Id(required=True)
    label = Text(required=True, most=200)
    value = Whole(required=True, allow_none=True, least=-1000, most=1000)
    codings = Many(One(CodingSchema), most=10)


class _LineSchema(RecordSchema):
    """What a line of the file and a line of the record share."""

    record = records.Item
    id = Id(required=True, pattern=ITEM_ID)
    text = Text(required=True, most=1000)
    reverse = YesNo()
    optional = YesNo()
    hint = Text(allow_none=True, most=1000)
    topic = Text(allow_none=True, most=100)
    codings = Many(One(CodingSchema), most=10)


class ItemSchema(_LineSchema):
    """One line of a form with its options."""

    options = Many(One(OptionSchema), required=True, least=2, most=100)


class FileItemSchema(_LineSchema):
    """One line of a form as the file has it: `scale` names one of the file's scales."""

    scale = Id(required=True)

    @post_load
    def _to_record(self, data: dict[str, Any], **_: Any) -> Any:
        # Becomes a record only when the whole file is there, since the options stand under `scales`.
        return data


class ChangeSchema(RecordSchema):
    """Constants of measurement error with their origin."""

    record = records.Change
    origin = OneOf("assumed", "local", "published", required=True)
    source = Text(required=True, most=1000)
    sd = Number(allow_none=True)
    retest = Number(allow_none=True)
    reliable = Number(allow_none=True)
    reliable_compare = OneOf(">", ">=")
    caseness = Number(allow_none=True)


class ScoreDefinitionSchema(RecordSchema):
    """How one score follows from the lines."""

    record = records.ScoreDefinition
    id = Id(required=True, pattern=ITEM_ID)
    title = Text(required=True, most=200)
    method = OneOf("mean", "sum", "special", required=True)
    items = Many(Id(pattern=ITEM_ID), required=True, least=1, most=500)
    least = Whole(required=True, least=1)
    low = Number(required=True)
    high = Number(required=True)
    direction = Word(Direction)
    beside = Id(allow_none=True, pattern=ITEM_ID)
    change = One(ChangeSchema, allow_none=True)
    codings = Many(One(CodingSchema), most=10)
    scorer = Id(allow_none=True)


class SafetyLineSchema(RecordSchema):
    """A line whose answer is passed on at once."""

    record = records.SafetyLine
    item = Id(required=True, pattern=ITEM_ID)
    at_least = Whole(required=True, least=-1000, most=1000)


class LicenceSchema(RecordSchema):
    """Whose wording, under what terms, read where."""

    record = records.Licence
    name = Text(required=True, most=200)
    source = Text(required=True)
    notice = Text(required=True)


class _FormSchema(RecordSchema):
    """What the file and the record of an instrument share."""

    record = records.Instrument
    id = Id(required=True, pattern=INSTRUMENT_ID)
    version = Id(required=True, pattern=VERSION)
    title = Text(required=True, most=200)
    audience = OneOf("client", "therapist", required=True)
    status = OneOf("draft", "published", required=True)
    language = Id(required=True, pattern=LANGUAGE)
    lead_in = Text(required=True)
    window = Text(required=True, most=200)
    note = Text(allow_none=True)
    licence = One(LicenceSchema, required=True)
    codings = Many(One(CodingSchema), most=10)
    scores = Many(One(ScoreDefinitionSchema), required=True, least=1, most=100)
    straight_line = Many(Id(pattern=ITEM_ID), most=500)
    safety = Many(One(SafetyLineSchema), most=50)


class _TranslatedLineSchema(BaseSchema):
    text = Text(required=True, most=1000)
    hint = Text(most=1000)


class _TranslatedScoreSchema(BaseSchema):
    title = Text(required=True, most=200)
    source = Text(most=1000)


class TranslationFileSchema(BaseSchema):
    """The texts of a form in another language: nothing that is scored by, only what is read.

    `options` are labels by option code, `items` texts by line, `scores` titles by score, each with the words on where
    its assumed constants come from.
    """

    format = Whole(required=True, least=FORMAT, most=FORMAT)
    instrument = Id(required=True, pattern=INSTRUMENT_ID)
    version = Id(required=True, pattern=VERSION)
    language = Id(required=True, pattern=LANGUAGE)
    status = Text(required=True, most=200)
    title = Text(required=True, most=200)
    lead_in = Text(required=True)
    window = Text(required=True, most=200)
    note = Text()
    notice = Text(required=True)
    options = Table(Text(most=200), required=True, most=500)
    items = Table(One(_TranslatedLineSchema), required=True, most=500)
    scores = Table(One(_TranslatedScoreSchema), required=True, most=100)


class InstrumentSchema(_FormSchema):
    """A form as a record: options on every line, and the hash of the file that it came from."""

    items = Many(One(ItemSchema), required=True, least=1, most=500)
    sha256 = Text(pattern=r"([0-9a-f]{64})?", blank=True)


class InstrumentFileSchema(_FormSchema):
    """A form as its data file has it, format 1.

    Loads to an `Instrument` without hash. A scale that is not there is reported at the line that names it.
    """

    format = Whole(required=True, least=FORMAT, most=FORMAT)
    scales = Table(Many(One(OptionSchema), least=2, most=100), required=True, most=100)
    items = Many(One(FileItemSchema), required=True, least=1, most=500)

    @post_load
    def _to_record(self, data: dict[str, Any], **_: Any) -> Any:
        scales = data.pop("scales")
        del data["format"]
        lines = []
        for line in data.pop("items"):
            name = line.pop("scale")
            lines.append(records.Item(options=scales.get(name, ()), **line))
        return records.Instrument(items=tuple(lines), **data)
