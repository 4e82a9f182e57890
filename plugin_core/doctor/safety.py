"""What `handrail doctor` looks at of safety answers: whether somebody can be told of one, and in time.

A poll cannot be a watch: an answer is seen when Handrail runs next, so the time between runs must fit into what the
practice promises.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise

from ..engine import Engine
from ..safety.channel import people
from ..safety.queue import cases
from ..safety.readiness import missing
from ..store import book, enrolments, forms, notices
from ..store.sql import from_ms
from ..words import tr, trp
from .check import NOTE, OK, WRONG, Check

PENDING_TOO_LONG = timedelta(minutes=30)
NAME = "safety answers"


def channel(engine: Engine) -> Iterator[Check]:
    """Whether everybody who must be told of a safety answer can be, and soon enough."""
    settings = engine.settings
    if settings.platform is None or not (used := _in_use(engine)):
        return
    if absent := missing(settings):
        text = tr(
            "{forms} has lines about safety, but these settings are not filled in: {settings}. Until they are, nobody "
            "is told of an answer. See docs/safety.md",
            forms=", ".join(used),
            settings=", ".join(absent),
        )
        yield Check(NAME, WRONG, text)
    else:
        yield Check(
            NAME, OK, tr("{forms}: clinician, backup, crisis text and mail server are filled in", forms=", ".join(used))
        )
    yield from _in_time(engine)
    yield from _addresses(engine)
    yield from _standing(engine)


def _in_use(engine: Engine) -> list[str]:
    """Instruments with safety lines that clients are asked for, that are mapped, or of which forms have come."""
    risky = {one.descriptor.id for one in engine.registry.instruments.values() if one.descriptor.safety}
    with engine.store.reading(engine.source) as tx:
        asked = {name for one in enrolments.read(tx).values() for name in one.instruments}
        seen = forms.instruments_seen(tx)
    mapped = {one.instrument for one in engine.mappings() if one.confirmed is not None}
    return sorted(risky & (asked | seen | mapped | set(engine.settings.collect.instruments)))


def _in_time(engine: Engine) -> Iterator[Check]:
    """The promise against the schedule, and against what really happened."""
    settings = engine.settings
    promise = timedelta(minutes=settings.safety.promise_minutes)
    every = timedelta(minutes=settings.schedule.every_minutes)
    if every > promise:
        text = tr(
            "the practice promises that a safety answer is seen within {promise}, but Handrail runs only every "
            "{every}. Set every_minutes in [schedule], then: handrail schedule",
            promise=_words(promise),
            every=_words(every),
        )
        yield Check(NAME, WRONG, text)
    if every > timedelta(minutes=settings.safety.repeat_minutes):
        text = tr("the backup is told again only when Handrail runs: repeat_minutes is shorter than every_minutes.")
        yield Check(NAME, NOTE, text)
    with engine.store.reading(engine.source) as tx:
        ended = [run.finished for run in book.last_runs(tx, 20) if run.outcome == "complete"][:5]
    times = [engine.now(), *ended]
    gaps = [later - earlier for later, earlier in pairwise(times)]
    if gaps and max(gaps) > promise:
        text = tr(
            "the practice promises that a safety answer is seen within {promise}, but lately {gap} passed without a "
            "sync that succeeded. See: handrail schedule",
            promise=_words(promise),
            gap=_words(max(gaps)),
        )
        yield Check(NAME, WRONG, text)


def _words(time: timedelta) -> str:
    minutes = round(time / timedelta(minutes=1))
    if minutes < 120:
        return trp("a stretch of time", "{number} minutes", number=minutes)
    return trp("a stretch of time", "{number} hours", number=round(minutes / 60))


def _addresses(engine: Engine) -> Iterator[Check]:
    """Clients whose clinician leads to nobody, and entries of the table that are nobody's clinician."""
    channel = engine.settings.safety
    with engine.store.reading(engine.source) as tx:
        clients = forms.read_clients(tx).values()
    refs = {client.clinician for client in clients if client.clinician}
    alone = sum(people(channel, client.clinician).backup is None for client in clients)
    nobody = sum(people(channel, client.clinician).clinician is None for client in clients)
    if nobody:
        text = tr(
            "{number} client(s) have nobody in [safety] clinicians, and there is no [safety] clinician for such a "
            "case: only the backup would be told.",
            number=nobody,
        )
        yield Check(NAME, WRONG, text)
    if channel.backup and alone:
        text = tr(
            "for {number} client(s) clinician and backup are the same person, so only one person would be told. Set "
            "[safety] backup, or [safety] clinician, to somebody else.",
            number=alone,
        )
        yield Check(NAME, WRONG, text)
    short = {ref.rpartition("/")[2] for ref in refs}
    strange = [key for key in channel.clinicians if key not in refs and key not in short]
    if strange and refs:
        text = tr(
            "no client has the clinician {strange} of [safety] clinicians. Is the reference right?",
            strange=", ".join(strange),
        )
        yield Check(NAME, NOTE, text)


def _standing(engine: Engine) -> Iterator[Check]:
    for sentence in engine.safety.alarms():
        yield Check(NAME, WRONG, sentence)
    for sentence in engine.safety.notes():
        yield Check(NAME, NOTE, sentence)
    with engine.store.reading(engine.source) as tx:
        found = cases(tx, engine.settings.safety)
    waiting = [
        from_ms(row.wanted_ms)
        for case in found
        for row in case.rows
        if not case.flag.seen and row.state.value in notices.TO_SEND
    ]
    if waiting and engine.now() - min(waiting) > PENDING_TOO_LONG:
        since = min(waiting).astimezone(engine.settings.zone).isoformat(" ", "minutes")
        yield Check(
            NAME, WRONG, tr("a notice has been waiting since {since}. Run: handrail sync --notices-only", since=since)
        )
