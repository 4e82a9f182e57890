"""Rules that look beyond the client's form: P4 (sessions and symptom measures) and P6 (the shared self-check)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from ...schemas.records import Change, Constant, Course, Evidence, FormUsed, LineMove, ScoreDefinition, ScoredForm, Step
from ..contracts import Reading
from ..words import mark, tr, trn
from . import words
from .bands import constants, moved, reliable_change
from .evidence import (
    band_steps,
    baseline_used,
    baseline_words,
    dates_of,
    lines_of,
    rule_constants,
    score_step,
    used,
)
from .levels import FEW_FORMS, FEW_WEEKS_12, NEW_STEPS, STEPS_MOST, UNANSWERED, weeks_step
from .view import NO_CONSTANTS, NOT_MET, Place, Track, View, answer, view_of

LEAST_SESSIONS, LEAST_WEEKS, LEAST_FORMS = 8, 12, 3
NEW_STEPS_FORMS = 2

SELF_CHECK, SHARED = "ts8", "shared"
DECIDES, TOLD = "W5", "T3"
LITTLE, MUCH = 1, 3
NEAR_DAYS = 4 * 7

NO_SESSIONS = Reading(None, why=words.NO_SESSIONS)
FEW_SESSIONS = Reading(None, why=mark("not yet: fewer than 8 attended sessions"))
NO_SELF_CHECK = Reading(None, why=mark("not evaluated: no shared self-check within 4 weeks before this form"))


@dataclass(frozen=True, slots=True)
class Symptom:
    """How a symptom score stands at a time: its first and its last form since the start of the stretch."""

    course: Course
    definition: ScoreDefinition
    change: Change
    first: ScoredForm
    last: ScoredForm
    limit: float
    compare: str

    @property
    def difference(self) -> float:
        """Last less first, in units of the score."""
        return (self.last.value(self.definition.id) or 0.0) - (self.first.value(self.definition.id) or 0.0)

    @property
    def moved(self) -> bool:
        """Whether that is a reliable change, either way."""
        return moved(self.difference, self.limit, self.compare)


def judge_little_change(course: Course, *, apart: frozenset[str]) -> Sequence[Reading]:
    """P4: growth within its band, no reliable change on a symptom measure, F2 at 1 or less on the last two forms.

    Not before three forms, 8 attended sessions and 12 weeks; not judged where the platform gives no sessions.
    A measure with fewer than two scores since the start shows no change; the evidence lists what was read.
    """
    if course.sessions is None:
        return [NO_SESSIONS] * len(course.forms)
    view = view_of(course, apart)
    growth = view.track("growth")
    if growth is None:
        return [NO_CONSTANTS] * len(course.forms)
    windows = view.window((NEW_STEPS,), NEW_STEPS_FORMS)
    return [_little(view, growth, index, windows[index]) for index in range(len(course.forms))]


def may_be_little_change(course: Course) -> bool:
    """The quick look of P4: False only where `judge_little_change` is met at no form."""
    return len(course.sessions or ()) >= LEAST_SESSIONS and len(course.forms) >= LEAST_FORMS


def _little(view: View, growth: Track, index: int, window: tuple[int, ...] | None) -> Reading:
    place = growth.places[index]
    if not isinstance(place, Place):
        return place
    if view.counted(index) < LEAST_FORMS:
        return FEW_FORMS
    if view.weeks(index) < LEAST_WEEKS:
        return FEW_WEEKS_12
    sessions = _sessions(view, index)
    if sessions < LEAST_SESSIONS:
        return FEW_SESSIONS
    if growth.beyond(place, 1) or growth.beyond(place, -1):
        return NOT_MET
    if window is None:
        return UNANSWERED
    if len(window) < NEW_STEPS_FORMS:
        return FEW_FORMS
    if any((answer(view.course.forms[i], NEW_STEPS) or 0) > STEPS_MOST for i in window):
        return NOT_MET
    symptoms = _symptoms(view, index)
    if any(symptom.moved for symptom in symptoms):
        return NOT_MET
    return Reading(True, evidence=partial(_explain_little, view, growth, place, index, window, sessions, symptoms))


def _sessions(view: View, index: int) -> int:
    since, until = _span(view, index)
    return sum((since is None or since <= held) and held <= until for held in view.course.sessions or ())


def _span(view: View, index: int) -> tuple[datetime | None, datetime]:
    """From when on this stretch counts (None: from the beginning), and the time of the form."""
    stretch = view.stretch[index]
    return (sorted(view.course.therapists)[stretch - 1] if stretch else None), view.course.forms[index].authored


def _symptoms(view: View, index: int) -> tuple[Symptom, ...]:
    """The symptom measures in use: other forms answered by the client that have a known reliable change.

    Each series counts by itself, also two versions of one instrument; forms after this one are not looked at.
    """
    since, until = _span(view, index)
    found = []
    for other in view.course.others.values():
        if other.instrument.audience != "client" or other.instrument.id == view.course.instrument.id:
            continue
        forms = [
            form
            for form in other.forms
            if (since is None or since <= form.authored) and form.authored <= until
            and not form.straight_line and form.tags.isdisjoint(view.apart)
        ]  # fmt: skip
        for definition in other.instrument.scores:
            limit = reliable_change(definition.change)
            scored = [form for form in forms if form.value(definition.id) is not None]
            if definition.change is not None and limit is not None and scored:
                found.append(Symptom(other, definition, definition.change, scored[0], scored[-1], *limit))
    return tuple(found)


def _explain_little(
    view: View,
    growth: Track,
    place: Place,
    index: int,
    window: tuple[int, ...],
    sessions: int,
    symptoms: tuple[Symptom, ...],
) -> Evidence:
    course, baseline = view.course, place.baseline
    width = baseline.band.width
    new = [answer(course.forms[i], NEW_STEPS) or 0 for i in window]
    return Evidence(
        reason=_little_words(view, growth, place, window, new, sessions, symptoms),
        forms=(
            *baseline_used(view, baseline, ("growth",), growth.definition.items),
            used(course.forms[window[0]], tr("first"), ("growth",), (NEW_STEPS,)),
            used(course.forms[index], tr("second"), ("growth",), (*growth.definition.items, NEW_STEPS)),
            *(form for symptom in symptoms for form in _symptom_forms(symptom)),
        ),
        steps=(
            *band_steps(view, growth, baseline),
            score_step(course, growth.definition, index),
            Step(
                tr("Growth within its band"),
                tr("{distance} ≤ 1, counted in bands", distance=f"|{words.exact(place.bands)}|"),
                True,
            ),
            Step(tr("New steps on the last two forms"), tr(" and ").join(f"{value} ≤ 1" for value in new), True),
            *(_symptom_step(symptom) for symptom in symptoms),
            Step(
                tr("Attended sessions up to this form"),
                trn("at least {count} is needed", "at least {count} are needed", LEAST_SESSIONS),
                sessions,
            ),
            weeks_step(view, index, LEAST_WEEKS),
        ),
        constants=(
            *constants(growth.definition.title, growth.change, baseline.band),
            *(_symptom_constant(symptom) for symptom in symptoms),
            *rule_constants(
                (
                    (mark("sessions needed"), LEAST_SESSIONS),
                    (mark("weeks needed"), LEAST_WEEKS),
                    (mark("new steps at most"), STEPS_MOST),
                )
            ),
        ),
        moves=(),
        clears_when=words.CLEARS["P4"].format(band=words.exact(width), mean=words.exact(baseline.mean)),
    )


def _little_words(
    view: View,
    growth: Track,
    place: Place,
    window: tuple[int, ...],
    new: list[int],
    sessions: int,
    symptoms: tuple[Symptom, ...],
) -> str:
    titles = ", ".join(dict.fromkeys(symptom.course.instrument.title for symptom in symptoms))
    return words.REASONS["P4"].format(
        date=dates_of(view.course, window[-1:]),
        **lines_of(growth.definition),
        now=words.one(place.value),
        baseline=baseline_words(view, place.baseline),
        band=words.one(place.baseline.band.width),
        origin=words.origin(growth.change.origin),
        dates=dates_of(view.course, window),
        change=words.quoted(view.course.instrument.item(NEW_STEPS).text),
        first=new[0],
        second=new[1],
        sessions=sessions,
        symptoms=tr(words.SYMPTOMS_UNMOVED, titles=titles) if titles else tr(words.NO_SYMPTOM_MEASURE),
    )


def _symptom_forms(symptom: Symptom) -> list[FormUsed]:
    title, name = symptom.course.instrument.title, symptom.definition.id
    ends = [(symptom.first, tr("{form}, first", form=title)), (symptom.last, tr("{form}, last", form=title))]
    return [used(form, role, (name,), ()) for form, role in ends]


def _symptom_step(symptom: Symptom) -> Step:
    name = symptom.definition.id
    last, first = (words.exact(form.value(name) or 0.0) for form in (symptom.last, symptom.first))
    working = f"|{last} − {first}| {symptom.compare} {words.exact(symptom.limit)}"
    return Step(_symptom_change(symptom), working, False)


def _symptom_constant(symptom: Symptom) -> Constant:
    return Constant(_symptom_change(symptom), symptom.limit, symptom.change.origin, symptom.change.source)


def _symptom_change(symptom: Symptom) -> str:
    titles = {"form": symptom.course.instrument.title, "score": symptom.definition.title}
    return tr("{form}, {score}: reliable change", **titles)


def judge_two_views(course: Course, *, apart: frozenset[str]) -> Sequence[Reading]:
    """P6: client's W5 at 1 or less beside the therapist's T3 at 3 or more, or W5 at 3 or more beside T3 at 1 or less.

    Reads the last self-check that the therapist shared (tag `shared`), at most 4 weeks before the client's form. One
    written after a client's form is read at the client's next form: a reading depends on nothing after its form.
    """
    checks = _shared_checks(course)
    if not checks:
        return [NO_SELF_CHECK] * len(course.forms)
    checks.sort(key=lambda form: form.authored)
    view = view_of(course, apart)
    return [_two_views(view, index, checks) for index in range(len(course.forms))]


def may_be_two_views(course: Course) -> bool:
    """The quick look of P6: False only where `judge_two_views` is met at no form."""
    return bool(_shared_checks(course))


def _shared_checks(course: Course) -> list[ScoredForm]:
    """The therapist's self-checks that were shared and have the line that is read."""
    return [
        form
        for other in course.others.values()
        if other.instrument.id == SELF_CHECK
        for form in other.forms
        if SHARED in form.tags and answer(form, TOLD) is not None
    ]


def _two_views(view: View, index: int, checks: list[ScoredForm]) -> Reading:
    form = view.course.forms[index]
    since, until = _span(view, index)
    near = [check for check in checks if check.authored <= until and (since is None or since <= check.authored)]
    if not near or view.days[index] - near[-1].authored.toordinal() > NEAR_DAYS:
        return NO_SELF_CHECK
    if (aside := view.aside[index]) is not None:
        return aside
    client = answer(form, DECIDES)
    if client is None:
        return UNANSWERED
    therapist = answer(near[-1], TOLD) or 0
    if (client <= LITTLE and therapist >= MUCH) or (client >= MUCH and therapist <= LITTLE):
        return Reading(True, evidence=partial(_explain_two_views, view.course, form, near[-1]))
    return NOT_MET


def _explain_two_views(course: Course, form: ScoredForm, check: ScoredForm) -> Evidence:
    instrument = next(other.instrument for other in course.others.values() if other.instrument.id == SELF_CHECK)
    client, therapist = answer(form, DECIDES) or 0, answer(check, TOLD) or 0
    texts = course.instrument.item(DECIDES).text, instrument.item(TOLD).text
    days = form.authored.toordinal() - check.authored.toordinal()
    sides = ("≤ 1", "≥ 3") if client <= LITTLE else ("≥ 3", "≤ 1")
    return Evidence(
        reason=words.REASONS["P6"].format(
            client_date=words.day(form.authored.date()),
            client=client,
            client_line=words.quoted(texts[0]),
            therapist_date=words.day(check.authored.date()),
            therapist=therapist,
            therapist_line=words.quoted(texts[1]),
        ),
        forms=(
            used(form, tr("client's form"), (), (DECIDES,)),
            used(check, tr("therapist's self-check, shared"), (), (TOLD,)),
        ),
        steps=(
            Step(tr("The two answers"), tr(" and ").join((f"{client} {sides[0]}", f"{therapist} {sides[1]}")), True),
            Step(tr("Days between the two forms"), tr("at most {number}", number=NEAR_DAYS), days),
        ),
        constants=rule_constants(
            ((mark("little, at most"), LITTLE), (mark("much, at least"), MUCH), (mark("days apart"), NEAR_DAYS))
        ),
        moves=(LineMove(DECIDES, texts[0], None, client), LineMove(TOLD, texts[1], None, therapist)),
        clears_when=words.CLEARS["P6"],
    )
