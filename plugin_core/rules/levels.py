"""Rules that read answers as they stand: P3 (relief, no new steps), P5 (steady reliance), P7 and the pattern note."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from ...schemas.records import Course, Evidence, LineMove, ScoredForm, Step
from ..contracts import Reading
from ..words import mark, tr, trn
from . import words
from .bands import constants, reaches
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
from .view import NO_CONSTANTS, NO_SCORE, NOT_MET, STRAIGHT, Place, Track, View, answer, view_of

RELIEF, NEW_STEPS = "F1", "F2"
RELIEF_LEAST, STEPS_MOST = 3, 1
RELIEF_WINDOW, RELIEF_MET, RELIEF_WEEKS = 4, 3, 8
STEADY_LEVEL, STEADY_FORMS, STEADY_WEEKS = 3.0, 3, 12
ASKED_LINES, ASKED_ANSWER = ("W2", "W5"), 4

UNANSWERED = Reading(None, why=mark("not evaluated: a line that is needed has no answer on this form"))
FEW_FORMS = Reading(None, why=mark("not yet: three forms that can be used are needed"))
FEW_WEEKS_8 = Reading(None, why=mark("not yet: fewer than 8 weeks since the first form"))
FEW_WEEKS_12 = Reading(None, why=mark("not yet: fewer than 12 weeks since the first form"))


def weeks_step(view: View, index: int, needed: int) -> Step:
    """How long this stretch had lasted at a form."""
    working = trn("at least {count} is needed", "at least {count} are needed", needed)
    return Step(tr("Weeks since the first form"), working, round(view.weeks(index), 1))


def judge_relief(course: Course, *, apart: frozenset[str]) -> Sequence[Reading]:
    """P3: F1 at 3 or more and F2 at 1 or less on three of the last four forms with both; not before 8 weeks."""
    view = view_of(course, apart)
    relieved = [_relieved(form) for form in course.forms]
    readings: list[Reading] = []
    stretch = -1
    window: tuple[int, ...] = ()
    for index, here in enumerate(relieved):
        if view.aside[index] is not None or here is None:
            readings.append(view.aside[index] or UNANSWERED)
            continue
        if view.stretch[index] != stretch:
            stretch, window = view.stretch[index], ()
        window = (*window[1 - RELIEF_WINDOW :], index)
        if len(window) < RELIEF_MET:
            readings.append(FEW_FORMS)
        elif view.weeks(index) < RELIEF_WEEKS:
            readings.append(FEW_WEEKS_8)
        elif sum(relieved[i] is True for i in window) >= RELIEF_MET:
            readings.append(Reading(True, evidence=partial(_explain_relief, view, window)))
        else:
            readings.append(NOT_MET)
    return readings


def may_be_relief(course: Course) -> bool:
    """The quick look of P3: False only where `judge_relief` is met at no form."""
    return sum(_relieved(form) is True for form in course.forms) >= RELIEF_MET


def _relieved(form: ScoredForm) -> bool | None:
    """Whether relief was high and new steps few on this form; None where one of the two lines has no number."""
    relief, steps = form.answers.get(RELIEF), form.answers.get(NEW_STEPS)
    if relief.__class__ is not int or steps.__class__ is not int:  # a blank is a text
        return None
    return relief >= RELIEF_LEAST and steps <= STEPS_MOST


def _explain_relief(view: View, window: tuple[int, ...]) -> Evidence:
    course = view.course
    met = sum(_relieved(course.forms[i]) is True for i in window)
    relief, change = (words.quoted(course.instrument.item(name).text) for name in (RELIEF, NEW_STEPS))
    steps = [
        Step(
            tr("Form on {day}", day=dates_of(course, (i,))),
            tr(
                "{relief} ≥ 3 and {change} ≤ 1",
                relief=f"{RELIEF} {answer(course.forms[i], RELIEF)}",
                change=f"{NEW_STEPS} {answer(course.forms[i], NEW_STEPS)}",
            ),
            _relieved(course.forms[i]),
        )
        for i in window
    ]
    needed = tr("{number} of {of}, at least 3 are needed", number=met, of=len(window))
    steps.append(Step(tr("Forms on which both hold"), needed, met))
    steps.append(weeks_step(view, window[-1], RELIEF_WEEKS))
    return Evidence(
        reason=words.REASONS["P3"].format(
            met=words.count(met), window=words.count(len(window)), dates=dates_of(course, window), relief=relief,
            change=change,
        ),
        forms=tuple(
            used(course.forms[i], tr("form {number}", number=n), (), (RELIEF, NEW_STEPS))
            for n, i in enumerate(window, 1)
        ),
        steps=tuple(steps),
        constants=rule_constants(
            ((mark("least relief answer"), RELIEF_LEAST), (mark("highest answer on new steps"), STEPS_MOST),
             (mark("forms looked at"), RELIEF_WINDOW), (mark("forms needed"), RELIEF_MET),
             (mark("weeks needed"), RELIEF_WEEKS))
        ),
        moves=(),
        clears_when=words.CLEARS["P3"],
    )  # fmt: skip


def judge_steady(course: Course, *, apart: frozenset[str]) -> Sequence[Reading]:
    """P5: reliance at 3.0 or more on three scored forms in a row and growth not up by its band; not before 12 weeks.

    Growth is read on the same form. Where it has no score there, or no baseline yet, the rule is not judged, unless
    reliance alone already says no.
    """
    view = view_of(course, apart)
    growth = view.track("growth")
    if growth is None:
        return [NO_CONSTANTS] * len(course.forms)
    readings, stretch = [], -1
    row: tuple[int, ...] = ()
    for index, form in enumerate(course.forms):
        value = None if view.aside[index] is not None else form.value("reliance")
        if value is None:
            readings.append(view.aside[index] or NO_SCORE)
            continue
        if view.stretch[index] != stretch:
            stretch, row = view.stretch[index], ()
        row = (*row[1 - STEADY_FORMS :], index)
        readings.append(_steady(view, growth, row))
    return readings


def may_be_steady(course: Course, *, apart: frozenset[str]) -> bool:
    """The quick look of P5: False only where `judge_steady` is met at no form."""
    scored = view_of(course, apart).scored("reliance")
    return any(sum(reaches(value, STEADY_LEVEL) for _, value in stretch) >= STEADY_FORMS for stretch in scored)


def _steady(view: View, growth: Track, row: tuple[int, ...]) -> Reading:
    index = row[-1]
    if len(row) < STEADY_FORMS:
        return FEW_FORMS
    if view.weeks(index) < STEADY_WEEKS:
        return FEW_WEEKS_12
    if not all(reaches(view.course.forms[i].value("reliance") or 0.0, STEADY_LEVEL) for i in row):
        return NOT_MET
    place = growth.places[index]
    if not isinstance(place, Place):
        return place
    if growth.beyond(place, 1):
        return NOT_MET
    return Reading(True, evidence=partial(_explain_steady, view, growth, place, row))


def _explain_steady(view: View, growth: Track, place: Place, row: tuple[int, ...]) -> Evidence:
    course, index, baseline = view.course, row[-1], place.baseline
    reliance = course.instrument.score("reliance")
    width = baseline.band.width
    values = [course.forms[i].value("reliance") or 0.0 for i in row]
    edge = baseline.mean + width
    items = (*reliance.items, *growth.definition.items)
    return Evidence(
        reason=_steady_words(view, growth, place, row, values),
        forms=(
            *baseline_used(view, baseline, ("growth",), growth.definition.items),
            *(
                used(course.forms[i], tr("form {number}", number=n), ("reliance", "growth"), items)
                for n, i in enumerate(row, 1)
            ),
        ),
        steps=(
            *(score_step(course, reliance, i) for i in row),
            Step(tr("Reliance on each of the three"), tr(" and ").join(f"{words.exact(v)} ≥ 3" for v in values), True),
            *band_steps(view, growth, baseline),
            score_step(course, growth.definition, index),
            Step(tr("Growth is up by more than its band"), f"{words.exact(place.value)} > {words.exact(edge)}", False),
            weeks_step(view, index, STEADY_WEEKS),
        ),
        constants=(
            *constants(growth.definition.title, growth.change, baseline.band),
            *rule_constants(
                (
                    (mark("reliance at least"), STEADY_LEVEL),
                    (mark("forms in a row"), STEADY_FORMS),
                    (mark("weeks needed"), STEADY_WEEKS),
                )
            ),
        ),
        moves=(),
        clears_when=words.CLEARS["P5"].format(
            edge=words.exact(edge), mean=words.exact(baseline.mean), band=words.exact(width)
        ),
    )


def _steady_words(view: View, growth: Track, place: Place, row: tuple[int, ...], values: list[float]) -> str:
    both = lines_of(growth.definition)
    return words.REASONS["P5"].format(
        dates=dates_of(view.course, row),
        **lines_of(view.course.instrument.score("reliance")),
        values=words.listed([words.one(v) for v in values]),
        growth_count=both["count"],
        growth_lines=both["lines"],
        growth=words.one(place.value),
        baseline=baseline_words(view, place.baseline),
        band=words.one(place.baseline.band.width),
        origin=words.origin(growth.change.origin),
    )


def judge_asked(course: Course) -> Sequence[Reading]:
    """P7: the last answer, 4, on W2 or W5 of this form. Not read from a form with one answer on every line."""
    readings = []
    for index, form in enumerate(course.forms):
        lines = tuple(name for name in ASKED_LINES if answer(form, name) == ASKED_ANSWER)
        if form.straight_line:
            readings.append(STRAIGHT)
        elif lines:
            readings.append(Reading(True, evidence=partial(_explain_asked, course, index, lines)))
        elif all(answer(form, name) is None for name in ASKED_LINES):
            readings.append(UNANSWERED)
        else:
            readings.append(NOT_MET)
    return readings


def _explain_asked(course: Course, index: int, lines: tuple[str, ...]) -> Evidence:
    form = course.forms[index]
    texts = [words.quoted(course.instrument.item(name).text) for name in lines]
    return Evidence(
        reason=words.REASONS["P7"].format(date=dates_of(course, (index,)), lines=words.listed(texts)),
        forms=(used(form, tr("this form"), (), ASKED_LINES),),
        steps=tuple(
            Step(tr("Answer on {line}", line=name), f"{answer(form, name)} = {ASKED_ANSWER}", True) for name in lines
        ),
        constants=rule_constants(((mark("answer looked for"), ASKED_ANSWER),)),
        moves=tuple(LineMove(name, course.instrument.item(name).text, None, ASKED_ANSWER) for name in lines),
        clears_when=words.CLEARS["note"],
    )


def judge_pattern(course: Course) -> Sequence[Reading]:
    """The pattern note: all lines that the instrument names have the same raw answer (clinical.md 3.6)."""
    return [
        Reading(True, evidence=partial(_explain_pattern, course, index)) if form.straight_line else NOT_MET
        for index, form in enumerate(course.forms)
    ]


def _explain_pattern(course: Course, index: int) -> Evidence:
    form, lines = course.forms[index], course.instrument.straight_line
    value = next((v for name in lines if (v := answer(form, name)) is not None), None)
    return Evidence(
        reason=words.REASONS["pattern"],
        forms=(used(form, tr("this form"), (), lines),),
        steps=(
            Step(
                trn("Answer on {count} line", "Answer on each of {count} lines", len(lines)),
                tr("all the same"),
                None if value is None else float(value),
            ),
        ),
        constants=(),
        moves=(),
        clears_when=words.CLEARS["note"],
    )
