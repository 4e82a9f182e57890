"""What the pre-session page says of one client, put together from the client's courses: no template, no request.

Numbers, bands and pictures are those of the rules and the report; nothing is computed a second time. Changes are told
between the last two scored forms; the bands are those around the baseline.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from markupsafe import Markup

from ...schemas.records import Course, Instrument, ScoredForm
from ...schemas.vocab import Blank
from ..report import phrases
from ..report.cards import notes_on_last
from ..report.charts import course_figure
from ..report.series import Mark, all_scores, main_scores, notes_on, series_of, shown_value, visible
from ..rules import words
from ..words import mark, tr
from ..words.spelling import short_day

if TYPE_CHECKING:
    from ..contracts import RuleSpec
    from ..report.series import Series
    from ..views import ClientView

MAIN = "gr18"
MOST_MOVED = 2
SMALL, LARGE = 120, 150
NEWEST = 52
"""Forms in a picture: a year of weekly ones. More cannot be told apart at a glance; all are on the page of numbers."""
INSIDE = mark("within ordinary ups and downs ({low} to {high})")
ABOVE = mark("above ordinary ups and downs ({low} to {high})")
BELOW = mark("below ordinary ups and downs ({low} to {high})")


@dataclass(frozen=True, slots=True)
class Change:
    """One score: its name, the hoped-for direction in words, before and now as they are shown, and where now lies."""

    title: str
    hoped: str
    before: str
    now: str
    place: str


@dataclass(frozen=True, slots=True)
class Moved:
    """A line of the form that moved: its text, and both answers in words."""

    text: str
    before: str
    now: str


@dataclass(frozen=True, slots=True)
class Part:
    """One form of the client: its newest and the one before, what changed, which lines moved, what was left out, and
    the rules' notes on the newest (`asked`: title and reason)."""

    title: str
    day: str
    before: str
    changes: tuple[Change, ...]
    moved: tuple[Moved, ...]
    notes: tuple[str, ...]
    asked: tuple[tuple[str, str], ...]
    empty: str
    figure: Markup


def parts(view: ClientView, marked: frozenset[str], rules: Collection[RuleSpec]) -> tuple[Part | None, list[Part]]:
    """The main form's part and those of the others, by what the practice asks.

    :param rules: the registered rules; those that give notes (P7, the pattern note) are told of the newest form.
    :param marked: ids of forms that open prompts rest on; the pictures mark them.
    """
    courses = visible(view.courses)
    main = _main(courses)
    found = [part_of(course, marked, LARGE if course is main else SMALL, rules) for course in courses]
    first = next((part for course, part in zip(courses, found, strict=True) if course is main), None)
    return first, [part for course, part in zip(courses, found, strict=True) if course is not main]


def _main(courses: Sequence[Course]) -> Course | None:
    """The course that the page begins with: growth and reliance where it is in use, else the one with most forms."""
    asked = [course for course in courses if course.instrument.audience != "therapist"]
    ours = [course for course in asked if course.instrument.id == MAIN]
    return max(ours or asked, key=lambda course: (course.forms[-1].authored, len(course.forms)), default=None)


def part_of(course: Course, marked: frozenset[str], height: float, rules: Collection[RuleSpec] = ()) -> Part:
    """What is told of one course."""
    form = course.instrument
    last = course.forms[-1]
    before = _before(course)
    asked = tuple(notes_on_last(course, rules))
    # Where the rules' notes are told, that of one answer on every line is among them, in whole sentences.
    bare = replace(last, straight_line=False) if asked else last
    return Part(
        title=phrases.course_title(course),
        day=short_day(last.authored),
        before="" if before is None else short_day(before.authored),
        changes=tuple(_change(course, name, before) for name in scores_of(form)),
        moved=() if before is None else moved(form, before, last),
        notes=tuple(notes_on(course, bare)),
        asked=asked,
        empty=words.EMPTY_STATES.get(len(course.forms), ""),
        figure=course_figure(
            course, scores_of(form), table=all_scores(form), marked=marked, height=height, newest=NEWEST
        ),
    )


def scores_of(form: Instrument) -> list[str]:
    """The scores that the page draws: the main ones, then single lines that stand alone (relief beside change)."""
    alone = [score.id for score in form.scores if score.beside is None and len(score.items) == 1]
    return list(dict.fromkeys([*main_scores(form), *alone]))


def _before(course: Course) -> ScoredForm | None:
    """The form before the newest that has a number to compare with."""
    names = main_scores(course.instrument)
    for form in reversed(course.forms[:-1]):
        if any(form.value(name) is not None for name in names):
            return form
    return None


def _change(course: Course, name: str, before: ScoredForm | None) -> Change:
    series = series_of(course, name, newest=1)
    value, why = shown_value(course.forms[-1], name)
    return Change(
        series.definition.title,
        phrases.HOPED[series.definition.direction],
        "–" if before is None else shown_value(before, name)[0],
        value if why is None else tr("{value}, {why}", value=value, why=why),
        place_of(series),
    )


def place_of(series: Series) -> str:
    """Where the newest form lies beside the band around the baseline; empty where there is none."""
    point, span = series.points[-1], series.spans[-1] if series.spans else None
    if point.value is None or point.mark is not Mark.SCORED or span is None or span.end < point.when:
        return ""
    if point.form in span.forms:
        return ""  # a form of the baseline is not compared with it
    text = ABOVE if point.value > span.high else BELOW if point.value < span.low else INSIDE
    return tr(text, low=words.one(span.low), high=words.one(span.high))


def moved(form: Instrument, before: ScoredForm, last: ScoredForm) -> tuple[Moved, ...]:
    """The lines whose answers moved most between two forms, in the form's order where equal; none that did not."""
    found = []
    for at, item in enumerate(form.items):
        old, new = before.answers.get(item.id), last.answers.get(item.id)
        if isinstance(old, Blank) or isinstance(new, Blank) or old is None or new is None or old == new:
            continue
        labels = {option.value: option.label for option in item.options}
        found.append((-abs(new - old), at, Moved(item.text, _answer(labels, old), _answer(labels, new))))
    return tuple(one for _, _, one in sorted(found, key=lambda each: each[:2])[:MOST_MOVED])


def _answer(labels: Mapping[int | None, str], value: int) -> str:
    label = labels.get(value)
    return str(value) if label is None else tr("{value}, {answer}", value=value, answer=label)
