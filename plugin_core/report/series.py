"""A course as a picture shows it: points, gaps, breaks, and the band that the rules themselves compared with.

One reading for the page, the terminal and JSON, so that no two of them can differ. Baselines and bands come from the
rules' own view of the course; nothing is computed a second time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from ...schemas.records import Course, Flag, Instrument, Score, ScoreDefinition, ScoredForm
from ...schemas.vocab import Blank, Mode
from ..rules import KEPT_APART, words
from ..rules.view import score_of, view_of
from ..words import Texts, mark, tr
from ..words.kept import told

SHARED = "shared"
FEWEST = 3
"""Change can be shown from the third form on; before that a sentence stands in place of the picture."""

_BLANKS = frozenset(Blank)


TAGS = Texts({"under-age": mark("under age"), "proxy": mark("by proxy"), "interpreter": mark("with an interpreter")})
MODES = Texts(
    {
        Mode.LINK: mark("by a link"),
        Mode.KIOSK: mark("at a kiosk"),
        Mode.IN_SESSION: mark("in the session"),
        Mode.READ_ALOUD: mark("read aloud"),
        Mode.PAPER: mark("on paper"),
        Mode.UNKNOWN: mark("not known how"),
    }
)
UNANSWERED = mark("the line was not answered")
"""As the scorer words it; listed here for the catalogue."""


class Mark(StrEnum):
    """How a form stands in a series."""

    SCORED = "scored"
    PASSED = "passed over"
    NONE = "no score"

    @property
    def told(self) -> str:
        """In words."""
        return MARKS[self]


MARKS = Texts({Mark.SCORED: mark("scored"), Mark.PASSED: mark("passed over"), Mark.NONE: mark("no score")})


@dataclass(frozen=True, slots=True)
class Point:
    """One form in the series of one score. `value` is None exactly where the mark is `NONE`."""

    form: str
    when: datetime
    value: float | None
    mark: Mark
    stretch: int


@dataclass(frozen=True, slots=True)
class Span:
    """A baseline and its band, from the first form of the baseline to the last form compared with it.

    `mean` and `width` in units of the score; `forms` are the ids of the baseline's forms; `origin` is where the
    measurement error comes from.
    """

    start: datetime
    end: datetime
    mean: float
    width: float
    forms: tuple[str, ...]
    origin: str

    @property
    def low(self) -> float:
        """The lower edge."""
        return self.mean - self.width

    @property
    def high(self) -> float:
        """The upper edge."""
        return self.mean + self.width


@dataclass(frozen=True, slots=True)
class Series:
    """One score along a course. `therapists` are the changes of therapist between the first and the last form."""

    instrument: Instrument
    definition: ScoreDefinition
    points: tuple[Point, ...]
    spans: tuple[Span, ...]
    therapists: tuple[datetime, ...]

    @property
    def enough(self) -> bool:
        """Whether there are forms enough to show a change."""
        return len(self.points) >= FEWEST

    def lines(self) -> list[list[Point]]:
        """The points that are joined by a line: broken by a form without score and by a new therapist.

        A form that was passed over has its point, and the line goes by.
        """
        runs: list[list[Point]] = [[]]
        for point in self.points:
            if point.mark is Mark.NONE or (runs[-1] and runs[-1][-1].stretch != point.stretch):
                runs.append([])
            if point.mark is Mark.SCORED:
                runs[-1].append(point)
        return [run for run in runs if run]


def series_of(course: Course, score_id: str, newest: int = 0) -> Series:
    """One score along a course, with the bands that the rules saw; of its newest forms alone if so many are asked for.

    :raises KeyError: the instrument has no such score.
    """
    definition = score_of(course.instrument, score_id)
    if definition is None:
        raise KeyError(score_id)
    view = view_of(course, KEPT_APART)
    points = []
    begin = max(0, len(course.forms) - newest) if newest else 0
    for index, form in enumerate(course.forms[begin:], begin):
        value = form.value(score_id)
        mark = Mark.NONE if value is None else Mark.SCORED if view.aside[index] is None else Mark.PASSED
        points.append(Point(form.id, form.authored, value, mark, view.stretch[index]))
    first, last = (points[0].when, points[-1].when) if points else (None, None)
    inside = tuple(t for t in sorted(course.therapists) if first and last and first < t <= last)
    spans = tuple(spans_of(course, score_id))
    if begin and first:  # bands begin where the picture begins
        spans = tuple(replace(one, start=max(one.start, first)) for one in spans if one.end >= first)
    return Series(course.instrument, definition, tuple(points), spans, inside)


def spans_of(course: Course, score_id: str) -> list[Span]:
    """The baselines and bands of one score that the rules saw."""
    view = view_of(course, KEPT_APART)
    track = view.track(score_id)
    if track is None:
        return []
    forms = course.forms
    return [
        Span(
            start=forms[baseline.forms[0]].authored,
            end=forms[last].authored,
            mean=baseline.mean,
            width=baseline.band.width,
            forms=tuple(forms[i].id for i in baseline.forms),
            origin=track.change.origin,
        )
        for baseline, last in track.baselines
    ]


# --- what of a client is shown ---------------------------------------------------------------------------------------


def visible(courses: Iterable[Course]) -> list[Course]:
    """The courses that may be shown: of a therapist's self-check only the forms that the therapist shares.

    The self-check is its author's own by default and is kept out of what the practice reads (clinical.md 9.4).
    """
    found = []
    for course in courses:
        if course.instrument.audience == "therapist":
            course = replace(course, forms=tuple(form for form in course.forms if SHARED in form.tags))
        if course.forms:
            found.append(course)
    return found


def main_scores(instrument: Instrument) -> list[str]:
    """The scores with a picture of their own: neither shown beside another nor, where there are others, one line."""
    alone = [score for score in instrument.scores if score.beside is None]
    return [score.id for score in alone if len(score.items) > 1] or [score.id for score in alone]


def all_scores(instrument: Instrument) -> list[str]:
    """Every score of an instrument, in its order."""
    return [score.id for score in instrument.scores]


def scores_for(flag: Flag, course: Course) -> list[str]:
    """The scores to draw for a flag: first those that its evidence used, by number or by their one line, then the main.

    So a prompt about two single lines shows these two, and beside them where growth and reliance stood.
    """
    named = {name for form in flag.evidence.forms for name in form.values}
    used = [
        score.id
        for score in course.instrument.scores
        if score.id in named or (len(score.items) == 1 and score.items[0] in named)
    ]
    return list(dict.fromkeys([*used, *main_scores(course.instrument)]))


def few(course: Course) -> str | None:
    """The sentence in place of a picture where there are too few forms; None where there are enough."""
    return words.EMPTY_STATES.get(len(course.forms))


# --- words about one form --------------------------------------------------------------------------------------------


def notes_on(course: Course, form: ScoredForm) -> list[str]:
    """What a reader must know of a form beside its numbers: what is missing, passed over, or different from others."""
    (found,) = notes_of(course, [form])
    return found


def notes_of(course: Course, forms: Sequence[ScoredForm]) -> list[list[str]]:
    """The same for many forms of a course."""
    modes, languages = ({f.mode for f in course.forms}, {f.language for f in course.forms})
    return [_notes(course.instrument, form, len(modes) > 1, len(languages) > 1) for form in forms]


def _notes(instrument: Instrument, form: ScoredForm, modes: bool, languages: bool) -> list[str]:
    notes = [*_missing(instrument, form)]
    if form.straight_line:
        notes.append(tr("the same answer on every line"))
    if apart := sorted(form.tags & KEPT_APART):
        tags = ", ".join(TAGS.get(tag) or tag for tag in apart)
        notes.append(tr("kept apart from the change rules ({tags})", tags=tags))
    if "urgent" in form.tags:
        notes.append(tr("a free text was marked as urgent"))
    if modes and form.mode is not Mode.UNKNOWN:
        notes.append(tr("filled in: {mode}", mode=MODES[form.mode]))
    if languages and form.language:
        notes.append(tr("language: {language}", language=form.language))
    return notes


def _missing(instrument: Instrument, form: ScoredForm) -> list[str]:
    """Lines without a number by their ids; safety lines first, by number, as people speak of them."""
    if len(form.answers) == len(instrument.items) and not _BLANKS.intersection(form.answers.values()):
        return []  # as nearly always; answers have no other lines than their form
    given = [(item.id, form.answers.get(item.id, Blank.EMPTY)) for item in instrument.items]
    blank = {name: one for name, one in given if isinstance(one, Blank)}
    numbers = {item.id: number for number, item in enumerate(instrument.items, 1)}
    notes = [tr("item {number}: not answered", number=numbers[s.item]) for s in instrument.safety if s.item in blank]
    if len(blank) == len(instrument.items):
        return [*notes, tr("no line was answered")]
    optional = {item.id for item in instrument.items if item.optional}
    empty = [name for name, given in blank.items() if given is Blank.EMPTY and name not in optional]
    declined = [name for name, given in blank.items() if given is Blank.DECLINED]
    if empty:
        notes.append(tr("left empty: {lines}", lines=", ".join(empty)))
    if declined:
        notes.append(tr("would rather not say: {lines}", lines=", ".join(declined)))
    return notes


def lines_named(course: Course, notes: Iterable[Sequence[str]]) -> list[tuple[str, str]]:
    """(id, text) of the lines that these notes on forms of this course name, so that ids can be read."""
    told = " ".join(note for one in notes for note in one)
    tokens = set(told.replace(",", " ").split())
    return [(item.id, item.text) for item in course.instrument.items if item.id in tokens]


def shown_value(form: ScoredForm, score_id: str) -> tuple[str, str | None]:
    """A score as a table shows it, and the words that belong to it ("from 9 of 10 lines", or why there is none)."""
    score = form.scores.get(score_id)
    if score is None:
        return "–", None
    if score.value is None:
        return tr("no score"), _why(score)
    if not score.partial:
        return words.one(score.value), None
    return words.one(score.value), tr("from {answered} of {of} lines", answered=score.answered, of=score.of)


def _why(score: Score) -> str | None:
    return told(score.reason) if score.reason else None
