"""What the evidence of a flag follows from, in bytes: as long as they are the same, so is the evidence.

A reading depends on nothing after its form, so only what lies at or before the form that opened the flag is in it.
Making evidence costs ten times as much as this, and most standing flags of a course that changed rest on what did not.
"""

from __future__ import annotations

from datetime import datetime
from functools import cache
from hashlib import sha256
from pathlib import Path

import msgspec

from ...schemas.records import Course, ScoredForm
from ..registry import Registry
from ..rules.life import Episode
from ..words import spoken

_encode = msgspec.json.Encoder().encode
_CODE = ("rules", "signal", "words", "../schemas")
_KINDS = {".py", ".json", ".mo"}


@cache
def code() -> tuple[tuple[str, int, int], ...]:
    """What of Handrail's own files makes evidence: name, size and time of each. Empty where there are no files to see,
    such as in a zip file: then nobody can tell whether they have changed.
    """
    top = Path(__file__).resolve().parents[1]
    files = (path for folder in _CODE if (top / folder).is_dir() for path in (top / folder).iterdir())
    stats = [(path.name, path.stat()) for path in files if path.suffix in _KINDS]
    return tuple(sorted((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats))


def basis_of(episode: Episode, registry: Registry) -> bytes:
    """Everything that a rule can read for an episode: itself, the constants of the forms, and the courses until then;
    how sparing it is, the language that it speaks, and Handrail's own code."""
    course, rule, until = episode.course, episode.rule, episode.form.authored
    plugin, budget = registry.rules[rule.id].plugin, registry.budget
    sessions = None if course.sessions is None else _until(course.sessions, until)
    facts = (
        (plugin, rule.id, rule.version, budget, _until(course.therapists, until), sessions, spoken(), _stamp()),
        _read(course, course.forms[: episode.opened + 1]),
        [_read(other, [form for form in other.forms if form.authored <= until]) for other in course.others.values()],
    )
    return _encode(facts)


@cache
def _stamp() -> str:
    return sha256(_encode(code())).hexdigest()


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
