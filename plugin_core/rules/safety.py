"""Rule S: relays an answer to a safety line at once, whatever the total and whether or not the form is complete.

It says what was answered and nothing more; nothing holds it back, and a person closes it. A 0 is not safety, and an
unanswered line is shown as not answered (clinical.md 6).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from ...schemas.records import Course, Evidence, LineMove, SafetyLine, ScoredForm, Step
from ...schemas.vocab import Blank
from ..contracts import Reading
from ..words import languages, mark, speaking, tr
from . import words
from .bands import rule_constant
from .evidence import answer_words, used
from .view import NOT_MET, answer

URGENT = "urgent"
"""The tag of a form on which the client marked a free text as urgent."""

TAKEN_BACK = mark("The form with this answer was withdrawn or changed on the platform since.")
REASSIGNED_SINCE = mark("The form with this answer was found to be another client's since, and stands there now.")
_NOTES = (TAKEN_BACK, REASSIGNED_SINCE, "The form with this answer was withdrawn on the platform since.")

UNANSWERED = Reading(None, why=mark("a safety line was not answered"))


def judge_safety(course: Course) -> Sequence[Reading]:
    """Met on each form with a safety line answered at its limit or more, or with a free text marked as urgent."""
    lines = course.instrument.safety
    readings = []
    for index, form in enumerate(course.forms):
        if URGENT in form.tags or (lines and any(_met(form, line) for line in lines)):
            readings.append(Reading(True, evidence=partial(_explain, course, index)))
        elif lines and any(answer(form, line.item) is None for line in lines):
            readings.append(UNANSWERED)
        else:
            readings.append(NOT_MET)
    return readings


def may_be_safety(course: Course) -> bool:
    """The quick look of S: False only where `judge_safety` is met at no form."""
    return bool(course.instrument.safety) or any(form.tags and URGENT in form.tags for form in course.forms)


def _met(form: ScoredForm, line: SafetyLine) -> bool:
    value = answer(form, line.item)
    return value is not None and value >= line.at_least


def _explain(course: Course, index: int) -> Evidence:
    form, instrument = course.forms[index], course.instrument
    numbers = {item.id: number for number, item in enumerate(instrument.items, 1)}
    met = [line for line in instrument.safety if _met(form, line)]
    said = [
        words.REASONS["S.line"].format(
            number=numbers[line.item], answer=answer_words(instrument, line.item, form.answers[line.item])
        )
        for line in met
    ]
    if URGENT in form.tags:
        said.append(words.REASONS["S.urgent"])
    return Evidence(
        reason=" ".join([*said, words.REASONS["S.end"]]),
        forms=(used(form, tr("this form"), (), [line.item for line in instrument.safety]),),
        steps=(*(_step(form, line, numbers[line.item]) for line in instrument.safety), *_urgent(form)),
        constants=tuple(
            rule_constant(tr("item {number}, at least", number=numbers[line.item]), line.at_least)
            for line in instrument.safety
        ),
        moves=tuple(
            LineMove(line.item, instrument.item(line.item).text, None, form.answers.get(line.item, Blank.EMPTY))
            for line in instrument.safety
        ),
        clears_when=words.CLEARS["S"],
    )


def _urgent(form: ScoredForm) -> Sequence[Step]:
    return [Step(tr(MARKED), tr("by the client, on the form"), True)] if URGENT in form.tags else []


MARKED = mark("Free text marked as urgent")


def _step(form: ScoredForm, line: SafetyLine, number: int) -> Step:
    value = answer(form, line.item)
    if value is None:
        return Step(
            tr("Item {number}", number=number),
            tr("relayed at {number} or more", number=line.at_least),
            tr(words.NOT_ANSWERED),
        )
    return Step(tr("Item {number}", number=number), f"{value} ≥ {line.at_least}", _met(form, line))


# --- what changes when a form is amended -----------------------------------------------------------------------------


def worse(old: Evidence, new: Evidence) -> bool:
    """Whether the new answers are news beside those that people were told of: one is higher, a text has been marked as
    urgent, or an answer that was taken back has come again. A rule that names no lines is news with every change."""
    if taken_back(old):
        return True
    before, after = _answered(old), _answered(new)
    if not (before or after or new.moves or old.moves):
        return replace(new, reason=old.reason) != old
    return any(value > before.get(item, 0) for item, value in after.items())


def _answered(evidence: Evidence) -> dict[str, int]:
    found = {move.item: move.after for move in evidence.moves if isinstance(move.after, int)}
    marked = _in_every_language(MARKED)
    return found | ({MARKED: 1} if any(step.what in marked for step in evidence.steps) else {})


def _in_every_language(text: str) -> tuple[str, ...]:
    """What a stored text may read: the practice may have spoken another language when it was stored."""
    found = []
    for language in languages():
        with speaking(language):
            found.append(tr(text))
    return tuple(found)


def taken_back(evidence: Evidence) -> bool:
    """Whether it is written on the flag that its answer was taken back."""
    return evidence.reason.endswith(tuple(text for note in _NOTES for text in _in_every_language(note)))


def with_note(evidence: Evidence) -> Evidence:
    """The evidence with that note."""
    return replace(evidence, reason=f"{evidence.reason} {tr(TAKEN_BACK)}")
