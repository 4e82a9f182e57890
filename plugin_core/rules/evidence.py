"""Building blocks of evidence: everything with which a reader can redo a flag by hand.

Only called for forms at which a flag opens (or that a reader asks about), so clarity goes before speed here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from operator import itemgetter
from typing import Any

from ...schemas.records import (
    Constant,
    Course,
    Evidence,
    FormUsed,
    Instrument,
    LineMove,
    ScoreDefinition,
    ScoredForm,
    Step,
)
from ...schemas.vocab import Blank
from ..words import mark, spoken, tr
from . import words
from .bands import constants, rule_constant
from .once import once
from .view import APART, NO_SCORE, STRAIGHT, Baseline, Track, View, answer

MOST_MOVED = 3
_SCORE = mark("{score} on {day}")
_SCORE_FROM = mark("{score} on {day}, from {answered} of {of} lines")
_AND = mark(" and ")


def used(form: ScoredForm, role: str, scores: Iterable[str], items: Iterable[str]) -> FormUsed:
    """A form with the scores and the raw answers that were read from it; None where there is no number."""
    values: dict[str, float | None] = {name: form.value(name) for name in scores}
    given = form.answers
    values |= {item: found if (found := given.get(item)).__class__ is int else None for item in items}
    return FormUsed(form.id, form.authored, role, values)


def baseline_used(view: View, baseline: Baseline, scores: Sequence[str], items: Sequence[str]) -> list[FormUsed]:
    """The baseline's one or two forms."""
    roles = (tr("baseline"),) if len(baseline.forms) == 1 else (tr("baseline, first"), tr("baseline, second"))
    forms = view.course.forms
    return [used(forms[i], role, scores, items) for i, role in zip(baseline.forms, roles, strict=True)]


def baseline_words(view: View, baseline: Baseline) -> str:
    """The half-sentence that names the baseline: which forms, what mean."""
    forms = view.course.forms
    template = words.BASELINES[len(baseline.forms), view.stretch[baseline.forms[0]] > 0]
    dates = words.days([forms[i].authored.date() for i in baseline.forms])
    return template.format(dates=dates, mean=words.one(baseline.mean))


def dates_of(course: Course, indices: Iterable[int]) -> str:
    """The days of these forms, in words."""
    return words.days([course.forms[i].authored.date() for i in indices])


def lines_of(definition: ScoreDefinition) -> dict[str, str]:
    """How many lines a score has and what they are called, for a sentence."""
    name = words.LINES.get(definition.id) or tr("lines of {title}", title=definition.title)
    return {"count": words.count(len(definition.items)), "lines": name}


def score_step(course: Course, definition: ScoreDefinition, index: int) -> Step:
    """How a mean came about: each answered line, turned round where it is keyed the other way."""
    made = _made(course)
    key = (definition.id, index)
    if key not in made:
        made[key] = _score_step(course, definition, index)
    return made[key]  # type: ignore[no-any-return]


def _score_step(course: Course, definition: ScoreDefinition, index: int) -> Step:
    form = course.forms[index]
    parts = [
        term
        for name, table in _terms(course.instrument, definition.id)
        if (value := answer(form, name)) is not None and (term := table.get(value)) is not None
    ]
    whole = len(parts) == len(definition.items)
    what = tr(
        _SCORE if whole else _SCORE_FROM,
        score=definition.title,
        day=words.day(form.authored.date()),
        answered=len(parts),
        of=len(definition.items),
    )
    return Step(what, f"({' + '.join(parts)}) / {len(parts)}", form.value(definition.id))


@once
def _terms(instrument: Instrument, score: str) -> list[tuple[str, dict[int, str]]]:
    """For each line of a score what every answer looks like in its sum, turned round or not."""
    made = []
    for name in instrument.score(score).items:
        item, ends = instrument.item(name), turned(instrument, name)
        made.append((name, {value: str(value) if ends is None else f"({ends} − {value})" for value in item.values}))
    return made


def turned(instrument: Instrument, name: str) -> int | None:
    """Of a line that is worded the other way, what its answer is taken from; None of any other."""
    item = instrument.item(name)
    return item.values[0] + item.values[-1] if item.reverse else None


_last: tuple[Course, str, dict[Any, Any]] | None = None


def _made(course: Course) -> dict[Any, Any]:
    """Parts of evidence that were made for this course already, in the language that is spoken.

    Rules that open with one client share baselines and forms, and read a course one after the other; so those of the
    last course are kept, found by identity. A lost race between threads only makes a part twice.
    """
    global _last
    found, language = _last, spoken()
    if found is None or found[0] is not course or found[1] != language:
        found = _last = course, language, {}
    return found[2]


def band_steps(view: View, track: Track, baseline: Baseline) -> list[Step]:
    """From the forms and the constants to the baseline and its band."""
    made = _made(view.course)
    key = ("band", track.definition.id, baseline.forms)
    if key not in made:
        made[key] = _band_steps(view, track, baseline)
    return made[key]  # type: ignore[no-any-return]


def _band_steps(view: View, track: Track, baseline: Baseline) -> list[Step]:
    change, band, forms = track.change, baseline.band, view.course.forms
    name = track.definition.title
    values = [words.exact(forms[i].value(track.definition.id) or 0.0) for i in baseline.forms]
    mean = f"({' + '.join(values)}) / {len(values)}" if len(values) > 1 else values[0]
    root = "√(1 + 1/2)" if band.forms == 2 else "√2"
    return [
        *(score_step(view.course, track.definition, i) for i in baseline.forms),
        Step(tr("Baseline of {score}", score=name), mean, baseline.mean),
        Step(
            tr("Standard error of {score}", score=name),
            f"{words.exact(change.sd or 0.0)} × √(1 − {words.exact(change.retest or 0.0)})",
            band.sem,
        ),
        Step(
            tr("Band of {score}", score=name),
            f"{words.exact(band.factor)} × {words.exact(band.sem)} × {root}",
            band.width,
        ),
    ]


def passed_over(view: View, track: Track, since: int, until: int) -> list[Step]:
    """Says which forms between two forms were not looked at, so that "in a row" can be followed."""
    skipped = (STRAIGHT, APART, NO_SCORE)
    left = [i for i in range(since, until) if any(track.places[i] is reading for reading in skipped)]
    if not left:
        return []
    return [Step(tr("Forms between these that were passed over"), dates_of(view.course, left), float(len(left)))]


def line_moves(course: Course, base: Sequence[int], index: int, signs: Mapping[str, int]) -> list[LineMove]:
    """The lines that moved most from the forms of the baseline to this one, at most three, by raw answer, in the
    direction that carried their score: `signs` says for each score which that is.

    `before` is the mean of the baseline's answers to that line. A line that is blank on either side is left out.
    """
    last, first, found = course.forms[index].answers, [course.forms[i].answers for i in base], []
    for score, sign in signs.items():
        for name, text, way in _ways(course.instrument, score):
            now = last.get(name)
            earlier = [value for given in first if isinstance(value := given.get(name), int)]
            if not isinstance(now, int) or not earlier:  # a blank is a text
                continue
            before = sum(earlier) / len(earlier)
            carried = (now - before) * sign * way
            if carried > 0:
                found.append((carried, name, text, before, now))
    found.sort(key=itemgetter(0), reverse=True)
    return [LineMove(name, text, before, now) for _, name, text, before, now in found[:MOST_MOVED]]


@once
def _ways(instrument: Instrument, score: str) -> list[tuple[str, str, int]]:
    """The lines of a score: id, text, and -1 where a line is worded the other way, else 1."""
    items = map(instrument.item, instrument.score(score).items)
    return [(item.id, item.text, -1 if item.reverse else 1) for item in items]


def moves_words(moves: Sequence[LineMove]) -> str:
    """The sentence that names the lines that moved most; empty where none did."""
    if not moves:
        return ""
    lines = [tr(words.MOVE, line=words.quoted(m.text), before=words.raw(m.before or 0.0), after=m.after) for m in moves]
    return tr(words.MOVES, lines=", ".join(lines))


def shift(view: View, track: Track, index: int, sign: int, inside: Sequence[str] = ()) -> Evidence:
    """Evidence for a score that lies beyond its band on two forms in a row; the caller puts the reason in.

    `inside` names further scores that are shown on each form. `reason` is the template's filling, see `change.py`.
    """
    last, before = track.pair(index)
    definition, baseline, course = track.definition, last[1].baseline, view.course
    shown = (definition.id, *inside)
    pair = (before[0], last[0])
    steps = [*band_steps(view, track, baseline), *(score_step(course, definition, i) for i in pair)]
    for (_, place), what in (
        (before, tr("First form against the baseline")),
        (last, tr("Second form against the baseline")),
    ):
        high, low = (place.value, baseline.mean) if sign > 0 else (baseline.mean, place.value)
        working = f"{words.exact(high)} − {words.exact(low)}"
        steps.append(Step(what, working, high - low))
    bands = [sign * place.bands for _, place in (before, last)]
    working = tr(_AND).join(f"{words.exact(number)} > 1" for number in bands)
    steps.append(Step(tr("Both beyond the band, counted in bands"), working, True))
    working = f"{words.exact(min(bands))} − 1"
    steps.append(Step(tr("Running number: the smaller of the two, less 1"), working, min(bands) - 1))
    steps += passed_over(view, track, baseline.forms[0], index)
    forms = baseline_used(view, baseline, shown, definition.items)
    forms.append(used(course.forms[before[0]], tr("first"), shown, definition.items))
    forms.append(used(course.forms[index], tr("second"), shown, definition.items))
    moves = line_moves(course, baseline.forms, index, {definition.id: sign})
    return Evidence(
        reason="",
        forms=tuple(forms),
        steps=tuple(steps),
        constants=constants(definition.title, track.change, baseline.band),
        moves=tuple(moves),
        clears_when="",
    )


def shift_words(view: View, track: Track, index: int, moves: Sequence[LineMove]) -> dict[str, str]:
    """What the templates for such a shift need."""
    last, before = track.pair(index)
    baseline = last[1].baseline
    return {
        "dates": dates_of(view.course, (before[0], last[0])),
        **lines_of(track.definition),
        "first": words.one(before[1].value),
        "second": words.one(last[1].value),
        "baseline": baseline_words(view, baseline),
        "band": words.one(baseline.band.width),
        "origin": words.origin(track.change.origin),
        "moves": moves_words(moves),
    }


def marked(course: Course, evidence: Evidence) -> Evidence:
    """The evidence, with a sentence more where its forms were answered in more than one language (clinical.md 8.3)."""
    told = [form for one in (course, *course.others.values()) for form in one.forms if form.language]
    if not told:
        return evidence
    based = {form.id for form in evidence.forms}
    answered = {form.language.partition("-")[0] for form in told if form.language and form.id in based}
    if len(answered) < 2:
        return evidence
    sentence = tr(words.LANGUAGES, languages=", ".join(sorted(answered)))
    return replace(evidence, reason=f"{evidence.reason} {sentence}")


def answer_words(instrument: Instrument, item: str, value: int | Blank) -> str:
    """The label of an answer as it stands on the form, with a small first letter, or "not answered"."""
    labels = {option.value: option.label for option in instrument.item(item).options}
    label = labels.get(value) if isinstance(value, int) else tr(words.NOT_ANSWERED)
    return str(value) if label is None else label[:1].lower() + label[1:]


def rule_constants(pairs: Iterable[tuple[str, float]]) -> tuple[Constant, ...]:
    """Numbers that are decisions of a rule; their names are marked texts."""
    return tuple(rule_constant(tr(name), value) for name, value in pairs)
