"""What the evidence of a flag follows from, in bytes: as long as they are the same, so is the evidence.

A reading depends on nothing after its form, so only what lies at or before the form that opened the flag is in it.
Making evidence costs ten times as much as this, and most standing flags of a course that changed rest on what did not.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from ...schemas.records import Course, ScoredForm
from ..rules.life import Episode
from ..words import spoken

_encode = msgspec.json.Encoder().encode


def basis_of(episode: Episode, plugin: str) -> bytes:
    """Everything that a rule can read for an episode: itself, the constants of the forms, and the courses until then;
    and the language that it speaks.

    :param plugin: where the rule comes from.
    """
    course, rule, until = episode.course, episode.rule, episode.form.authored
    sessions = None if course.sessions is None else _until(course.sessions, until)
    facts = (
        (plugin, rule.id, rule.version, _until(course.therapists, until), sessions, spoken()),
        _read(course, course.forms[: episode.opened + 1]),
        [_read(other, [form for form in other.forms if form.authored <= until]) for other in course.others.values()],
    )
    return _encode(facts)


def _until(times: tuple[datetime, ...], moment: datetime) -> list[datetime]:
    return [time for time in times if time <= moment]


def _read(course: Course, forms: tuple[ScoredForm, ...] | list[ScoredForm]) -> tuple[object, ...]:
    """A course as far as these forms."""
    instrument = course.instrument
    constants = [score.change for score in instrument.scores]
    return instrument.id, instrument.version, instrument.sha256, constants, [_facts(form) for form in forms]


def _facts(form: ScoredForm) -> tuple[object, ...]:
    values = [(score.name, score.value) for score in form.scores.values()]
    return form.id, form.authored, form.answers, values, form.straight_line, sorted(form.tags), form.language
