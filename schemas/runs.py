"""Schemas of runs and the practice's own records: cursors, reports, quarantine, audit, sessions, enrolment."""

from __future__ import annotations

from . import records
from .base import Day, Id, Many, Number, One, RecordSchema, Ref, Table, Text, Time, Whole, Word, YesNo
from .instruments import INSTRUMENT_ID
from .vocab import QuarantineReason, RunOutcome


class SessionSchema(RecordSchema):
    """An attended session."""

    record = records.Session
    client = Ref(required=True)
    on = Day(required=True)
    therapist = Ref(allow_none=True)


class EnrolmentSchema(RecordSchema):
    """Who is asked what and how often, on which consent."""

    record = records.Enrolment
    client = Ref(required=True)
    instruments = Many(Id(pattern=INSTRUMENT_ID), required=True, most=50)
    every_weeks = Whole(required=True, least=1, most=104)
    start = Day(required=True)
    every_sessions = Whole(allow_none=True, least=1, most=100)
    consent = Day(allow_none=True)
    consent_by = Text(allow_none=True, most=200)
    consent_text = Text(allow_none=True, most=64)
    channel = Text(allow_none=True, most=64)
    tags = Many(Text(most=64), gives=frozenset)
    paused_until = Day(allow_none=True)
    opted_out = Day(allow_none=True)
    end = Day(allow_none=True)


class QuarantinedSchema(RecordSchema):
    """A form that was set aside."""

    record = records.Quarantined
    remote_id = Ref(required=True)
    reason = Word(QuarantineReason, required=True)
    where = Text(required=True, most=400)
    message = Text(required=True, most=1000)
    form = Text(allow_none=True, most=1000)
    version = Ref(allow_none=True)


class AuditEntrySchema(RecordSchema):
    """Who did what when."""

    record = records.AuditEntry
    at = Time(required=True)
    actor = Text(required=True, most=200)
    action = Text(required=True, most=200)
    subject = Ref(allow_none=True)
    detail = Text(allow_none=True)


class CursorSchema(RecordSchema):
    """Up to where a stream was read."""

    record = records.Cursor
    stream = Text(required=True, most=200)
    since = Time(allow_none=True)
    server = Text(allow_none=True, most=1000)
    page_size = Whole(allow_none=True, least=1)
    token = Text(allow_none=True)


class ProblemSchema(RecordSchema):
    """Something that did not go as it should."""

    record = records.Problem
    what = Text(required=True)
    source = Text(required=True, most=400)
    fatal = YesNo()
    person = YesNo()


class RunReportSchema(RecordSchema):
    """What a sync did, and what it left undone."""

    record = records.RunReport
    started = Time(required=True)
    finished = Time(required=True)
    outcome = Word(RunOutcome, required=True)
    counts = Table(Whole(), required=True, key=Text(most=100))
    seconds = Table(Number(), required=True, key=Text(most=100))
    problems = Many(One(ProblemSchema))
    undone = Many(Text())
