"""Schemas of flags and what becomes of them. Evidence goes out and comes back exactly: it is kept to be checked."""

from __future__ import annotations

from . import records
from .base import (
    AnswerValue,
    Day,
    Id,
    Many,
    Number,
    One,
    OneOf,
    Plain,
    RecordSchema,
    Ref,
    Table,
    Text,
    Time,
    Whole,
    Word,
    YesNo,
)
from .instruments import ITEM_ID
from .vocab import DeliveryState, FlagState, RemoteState

RULE_ID = r"[A-Za-z][A-Za-z0-9_.-]{0,31}"
ORIGINS = ("assumed", "local", "published", "rule")


class ConstantSchema(RecordSchema):
    """A number that a rule used and did not compute."""

    record = records.Constant
    name = Text(required=True, most=200)
    value = Number(required=True)
    origin = OneOf(*ORIGINS, required=True)
    source = Text(required=True, most=1000)


class LineMoveSchema(RecordSchema):
    """How one line moved."""

    record = records.LineMove
    item = Id(required=True, pattern=ITEM_ID)
    text = Text(required=True, most=1000)
    before = Number(required=True, allow_none=True)
    after = AnswerValue(required=True)


class FormUsedSchema(RecordSchema):
    """A form that a flag rests on, and what was read from it."""

    record = records.FormUsed
    id = Ref(required=True)
    authored = Time(required=True)
    role = Text(required=True, most=200)
    values = Table(Number(allow_none=True), required=True, key=Text(most=200))


class StepSchema(RecordSchema):
    """One line of the sum."""

    record = records.Step
    what = Text(required=True)
    working = Text(required=True, blank=True)
    result = Plain(required=True)


class EvidenceSchema(RecordSchema):
    """Everything with which a reader can redo a flag by hand."""

    record = records.Evidence
    reason = Text(required=True)
    forms = Many(One(FormUsedSchema), required=True)
    steps = Many(One(StepSchema), required=True)
    constants = Many(One(ConstantSchema), required=True)
    moves = Many(One(LineMoveSchema), required=True)
    clears_when = Text(required=True, blank=True)


class FlagSchema(RecordSchema):
    """A prompt for a conversation."""

    record = records.Flag
    key = Text(required=True, most=128)
    client = Ref(required=True)
    rule = Id(required=True, pattern=RULE_ID)
    rule_version = Id(required=True)
    state = Word(FlagState, required=True)
    opened = Time(required=True)
    opening_form = Ref(required=True)
    evidence = One(EvidenceSchema, required=True)
    score = Number(allow_none=True)
    closed = Time(allow_none=True)
    shown = YesNo()


class DeliverySchema(RecordSchema):
    """One object on the platform that shows a flag."""

    record = records.Delivery
    flag = Text(required=True, most=128)
    carrier = Id(required=True)
    wanted = Word(RemoteState, required=True)
    on_platform = Word(RemoteState, required=True)
    state = Word(DeliveryState, required=True)
    remote_id = Ref(allow_none=True)
    remote_version = Ref(allow_none=True)
    attempts = Whole()
    not_before = Time(allow_none=True)
    problem = Text(allow_none=True)


class HoldSchema(RecordSchema):
    """A clinician's pause for a client; a pause has a reason, an end and an author."""

    record = records.Hold
    client = Ref(required=True)
    start = Day(required=True)
    until = Day(required=True)
    reason = Text(required=True, most=1000)
    author = Text(required=True, most=200)


class AcknowledgementSchema(RecordSchema):
    """A person has seen a flag."""

    record = records.Acknowledgement
    flag = Text(required=True, most=128)
    at = Time(required=True)
    author = Text(required=True, most=200)
    note = Text(allow_none=True)
    useful = OneOf("yes", "no", "unsure", allow_none=True)
    kind = OneOf("closed", allow_none=True)
