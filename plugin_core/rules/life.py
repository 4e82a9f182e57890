"""The life of a flag: folds what a rule finds at each form into episodes that open and close.

Raised when the condition holds and no guard is on; a guard (a hold, a new therapist, the quiet weeks after an
acknowledgement) delays the opening and never closes anything. Cleared when the condition is false on two scored forms
in a row; a form that could not be judged is passed over. A safety answer is an episode of its own on each form and is
closed by a person only. Notes have no life. Every decision at a form uses that form's own time and nothing after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ...schemas.records import Course, Evidence, FormUsed, Hold, ScoredForm, Step
from ..contracts import Reading, RuleSpec
from ..words import tr
from . import words
from .evidence import marked

NEW_THERAPIST_DAYS = 4 * 7
QUIET_DAYS = 12 * 7
STALE_DAYS = 10 * 7

PROMPT, GOOD_NEWS, NOTE, SAFETY = "prompt", "good-news", "note", "safety"
FALSE_TO_CLEAR = 2


@dataclass(frozen=True, slots=True)
class Episode:
    """One flag from its opening to its clearing.

    `opened` and `closed` are indices into the course's forms (`closed` None: it stands); `last_false` are the two
    forms on which the condition was false. `score` is the rule's running number at the opening, `closing_score` at
    the clearing.
    """

    rule: RuleSpec
    course: Course = field(repr=False)
    reading: Reading = field(repr=False)
    opened: int
    closed: int | None = None
    last_false: tuple[int, ...] = ()
    closing_score: float | None = None

    @property
    def form(self) -> ScoredForm:
        """The form that opened it."""
        return self.course.forms[self.opened]

    @property
    def closing_form(self) -> ScoredForm | None:
        """The form that closed it, None while it stands."""
        return None if self.closed is None else self.course.forms[self.closed]

    @property
    def key_form(self) -> str:
        """Id of the form that opened it; a flag raised anew later is another flag."""
        return self.form.id

    @property
    def score(self) -> float | None:
        """The rule's running number at the opening."""
        return self.reading.score

    def evidence(self) -> Evidence:
        """Everything with which the opening can be redone by hand; raises what a plugin's rule raises."""
        make = self.reading.evidence
        return self.bare_evidence() if make is None else marked(self.course, make())

    def bare_evidence(self) -> Evidence:
        """What stands where the rule gives none: its title."""
        return Evidence(tr(self.rule.title), (), (), (), (), "")

    def closing_evidence(self) -> Evidence:
        """On which two forms the condition was false. Raises ValueError while the episode stands."""
        if self.closed is None:
            raise ValueError("this episode has not cleared")
        forms = [self.course.forms[i] for i in self.last_false]
        dates = words.days([form.authored.date() for form in forms])
        return Evidence(
            reason=words.REASONS["cleared"].format(dates=dates),
            forms=tuple(
                FormUsed(f.id, f.authored, r, {}) for f, r in zip(forms, (tr("first"), tr("second")), strict=True)
            ),
            steps=tuple(
                Step(tr("Condition on {day}", day=words.day(f.authored.date())), tr("see the rule"), False)
                for f in forms
            ),
            constants=(),
            moves=(),
            clears_when=words.CLEARS["cleared"],
        )


def episodes(
    rule: RuleSpec,
    course: Course,
    *,
    holds: Sequence[Hold] = (),
    acknowledged: Mapping[str, datetime] | None = None,
) -> list[Episode]:
    """The flags of one rule on one course, oldest first; at most one of a rule stands at a time, safety apart.

    `holds` are the client's; `acknowledged` maps the id of an episode's opening form to when it was acknowledged.
    A note gives no episodes: see `notes`.
    """
    if rule.possible is not None and not rule.possible(course):
        return []
    return fold(rule, course, rule.judge(course), holds=holds, acknowledged=acknowledged)


def fold(
    rule: RuleSpec,
    course: Course,
    readings: Sequence[Reading],
    *,
    holds: Sequence[Hold] = (),
    acknowledged: Mapping[str, datetime] | None = None,
) -> list[Episode]:
    """As `episodes`, for readings that are there already."""
    if rule.kind == NOTE:
        return []
    if rule.kind == SAFETY:
        return [Episode(rule, course, reading, i) for i, reading in enumerate(readings) if reading.met]
    found: list[Episode] = []
    opened: int | None = None
    false: tuple[int, ...] = ()
    quiet_from: list[datetime] = []
    for index, reading in enumerate(readings):
        if reading.met is None:
            continue
        if opened is None:
            if reading.met and not _guarded(rule, course, index, holds, quiet_from):
                opened, false = index, ()
            continue
        false = () if reading.met else (*false, index)
        if len(false) == FALSE_TO_CLEAR:
            found.append(Episode(rule, course, readings[opened], opened, index, false, reading.score))
            quiet_from += _acknowledged(course.forms[opened], acknowledged)
            opened = None
    if opened is not None:
        found.append(Episode(rule, course, readings[opened], opened))
    return found


def notes(rule: RuleSpec, course: Course) -> list[Episode]:
    """The notes of one rule: each form by itself, opened there and never standing."""
    return fold_notes(rule, course, rule.judge(course))


def fold_notes(rule: RuleSpec, course: Course, readings: Sequence[Reading]) -> list[Episode]:
    """As `notes`, for readings that are there already."""
    if rule.kind != NOTE:
        return []
    return [Episode(rule, course, reading, i, closed=i) for i, reading in enumerate(readings) if reading.met]


def _acknowledged(form: ScoredForm, acknowledged: Mapping[str, datetime] | None) -> list[datetime]:
    when = None if acknowledged is None else acknowledged.get(form.id)
    return [] if when is None else [when]


def _guarded(rule: RuleSpec, course: Course, index: int, holds: Sequence[Hold], quiet_from: Sequence[datetime]) -> bool:
    """Whether something delays the opening of a prompt at this form; good news is not guarded."""
    if rule.kind != PROMPT:
        return False
    form = course.forms[index]
    today = form.authored.date()
    if any(hold.start <= today <= hold.until for hold in holds):
        return True
    if any(0 <= _days(start, form) < NEW_THERAPIST_DAYS and start <= form.authored for start in course.therapists):
        return True
    return any(when <= form.authored and _days(when, form) < QUIET_DAYS for when in quiet_from)


def _days(since: datetime, form: ScoredForm) -> int:
    """Calendar days from a moment to a form, both in the form's own zone (in a practice: the practice's)."""
    return (form.authored.date() - since.astimezone(form.authored.tzinfo).date()).days


def stale(course: Course, as_of: datetime) -> bool:
    """Whether no form has come for more than 10 weeks, or none at all: then nothing is raised, and nothing cleared."""
    if not course.forms:
        return True
    last = course.forms[-1]
    return (as_of.astimezone(last.authored.tzinfo).date() - last.authored.date()).days > STALE_DAYS


@dataclass(frozen=True, slots=True)
class Shown:
    """What of the flags that opened with one form goes where."""

    first: Episode | None
    more: tuple[Episode, ...]
    good_news: tuple[Episode, ...]
    safety: tuple[Episode, ...]


def shown(opened: Iterable[Episode]) -> Shown:
    """Sorts the flags that opened with one form of one client.

    Of the prompts that may be shown (`RuleSpec.prompts`) the first by the rules' order is shown and pushed, the rest
    stay behind "more"; good news is always shown; safety answers go their own way and are never joined with a prompt.
    """
    sorted_ = sorted(opened, key=lambda episode: (episode.rule.order, episode.rule.id))
    kinds = {kind: tuple(e for e in sorted_ if e.rule.kind == kind) for kind in (PROMPT, GOOD_NEWS, SAFETY)}
    prompts = kinds[PROMPT]
    first = next((episode for episode in prompts if episode.rule.prompts), None)
    more = tuple(episode for episode in prompts if episode is not first)
    return Shown(first, more, kinds[GOOD_NEWS], kinds[SAFETY])
