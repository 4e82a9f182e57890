"""Schemas of mappings: how a platform's form is read, as a person confirmed it. Kept as files."""

from __future__ import annotations

from . import records
from .base import AnswerValue, Id, Many, One, RecordSchema, Ref, Table, Text, Time
from .instruments import INSTRUMENT_ID, ITEM_ID, LANGUAGE, VERSION


class MappedQuestionSchema(RecordSchema):
    """Which item a platform's question is, and which of its options is which number."""

    record = records.MappedQuestion
    question = Ref(required=True)
    item = Id(required=True, pattern=ITEM_ID)
    text = Text(required=True, blank=True)
    options = Table(AnswerValue(), required=True, key=Text(most=400), most=200)


class MappingSchema(RecordSchema):
    """How one form of a platform is read."""

    record = records.Mapping
    platform = Id(required=True)
    form = Text(required=True, most=1000)
    form_version = Ref(required=True, allow_none=True)
    instrument = Id(required=True, pattern=INSTRUMENT_ID)
    instrument_version = Id(required=True, pattern=VERSION)
    questions = Many(One(MappedQuestionSchema), required=True, least=1, most=500)
    ignored = Many(Ref(), most=1000)
    totals = Table(Id(pattern=ITEM_ID), key=Ref(), most=100)
    confirmed = Time(allow_none=True)
    confirmed_by = Text(allow_none=True, most=200)
    language = Id(allow_none=True, pattern=LANGUAGE)
