"""Pictures of a course as SVG, with the same numbers as a table: no script, no style attribute, no random id.

The look (colours, dark mode, print) is the page's style sheet; without one a chart is black on white. Meaning is
always in a shape and a word: a diamond is a form that a flag rests on, a square one that the rules pass over, a cross
one without score, a dashed upright line a new therapist.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from ...schemas.records import Course, ScoreDefinition, ScoredForm
from ..rules import words
from ..words import mark, tr, trn
from ..words.spelling import short, short_day
from . import phrases
from .model import model_legend, seen_by_model
from .plain import plain
from .series import (
    Mark,
    Point,
    Series,
    Span,
    few,
    lines_named,
    notes_of,
    series_of,
    shown_value,
    spans_of,
)

if TYPE_CHECKING:
    from ..signal.picture import Picture

LEFT, RIGHT, TOP, BOTTOM = 62.0, 10.0, 20.0, 26.0
DATE_WIDTH = 76.0
STEPS = (0.5, 1, 2, 5, 10, 20, 25, 50, 100)
MOST_TICKS = 5
_LEAST, _MOST = mark("{value} least"), mark("{value} most")
_NUMBERS = mark("The same numbers as a table")
_SCROLLS = {"class_": "wide", "tabindex": "0", "role": "group"}  # scrolled by keyboard too where it is too wide
_NEWEST = mark("the newest {shown} of {number} forms")
_HEADING = mark("{score}, {low} to {high}")
_HEADING_HOPED = mark("{score}, {low} to {high}; {hoped}")
ORDINARY = mark("ordinary ups and downs around the baseline ({origins})")

Attribute = str | float | int


def tag(name: str, *inside: str, **attributes: Attribute) -> Markup:
    """One element: attributes and plain text are escaped, elements inside are not; `class_` and `a_b` as in Python."""
    told = "".join([f' {_named(key)}="{_valued(value)}"' for key, value in attributes.items()])
    if not inside:
        return Markup(f"<{name}{told}/>")  # noqa: S704 - names are literals in this file, values are escaped
    body = "".join([part if isinstance(part, Markup) else _safe(part) for part in inside])
    return Markup(f"<{name}{told}>{body}</{name}>")  # noqa: S704 - the same, and what is inside is escaped


@cache
def _named(key: str) -> str:
    return key.rstrip("_").replace("_", "-")


@lru_cache(4000)
def _safe(text: str) -> str:
    """Text as HTML shows it; a page has the same days, numbers and words over and over."""
    return str(escape(plain(text)))


def _valued(value: Attribute) -> str:
    return _safe(value) if isinstance(value, str) else _short(value)


def _short(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where a date and a value lie in the picture; `floor` is the lower end of the scale."""

    width: float
    floor: float
    first: datetime
    last: datetime
    low: float
    high: float
    whole: timedelta

    def x(self, when: datetime) -> float:
        """Across: by time; a single form lies in the middle."""
        part = (when - self.first) / self.whole if self.whole else 0.5
        return LEFT + 6 + part * (self.width - LEFT - RIGHT - 6)

    def y(self, value: float) -> float:
        """Down: by value; what lies outside the scale is drawn at its edge."""
        inside = self.low if value < self.low else self.high if value > self.high else value
        return self.floor - (inside - self.low) / (self.high - self.low) * (self.floor - TOP)


def course_svg(
    course: Course, score_id: str, *, marked: Iterable[str] = (), width: float = 340, height: float = 180
) -> Markup:
    """One score over time.

    :param marked: ids of the forms that a flag rests on; they are drawn as diamonds.
    :param width: in units of the picture; it is scaled to the room it gets.
    :raises KeyError: the instrument has no such score.
    """
    return series_svg(series_of(course, score_id), frozenset(marked), width=width, height=height)


def series_svg(
    series: Series,
    rests: frozenset[str] = frozenset(),
    *,
    width: float = 340,
    height: float = 180,
    model: Picture | None = None,
) -> Markup:
    """The picture of a series as it is given: one without its bands is a picture without bands."""
    spoken = [(short_day(point.when), _value_words(point)) for point in series.points]
    told = Markup("").join((tag("title", heading(series)), tag("desc", _described(series, rests, spoken))))
    shape = {"viewBox": f"0 0 {_short(width)} {_short(height)}", "role": "img", "class_": "course"}
    if not series.points:
        return tag("svg", told, **shape)
    scale = series.definition
    first, last = series.points[0].when, series.points[-1].when
    frame = _Frame(width, height - BOTTOM, first, last, scale.low, scale.high, last - first)
    titles = [f"{_safe(day)}: {_safe(value)}" for day, value in spoken]
    parts = [
        *(seen_by_model(frame, model, scale.id) if model is not None else ()),
        *(_band(frame, span) for span in series.spans),
        *_axis(frame, scale),
        *_dates(frame, [point.when for point in series.points]),
        *(_therapist(frame, when) for when in series.therapists),
        *(_line(frame, run) for run in series.lines() if len(run) > 1),
        *(_point(frame, *one, rests) for one in zip(series.points, titles, strict=True)),
    ]
    return tag("svg", told, *parts, **shape)


# --- parts of the picture --------------------------------------------------------------------------------------------


def _band(frame: _Frame, span: Span) -> Markup:
    left, right = frame.x(span.start), frame.x(span.end)
    top, bottom, mean = frame.y(span.high), frame.y(span.low), frame.y(span.mean)
    area = tag(
        "rect", class_="band", x=left, y=top, width=right - left, height=bottom - top, fill="#000", fill_opacity="0.1"
    )
    base = tag("line", class_="base", x1=left, y1=mean, x2=right, y2=mean, stroke="#000", stroke_dasharray="5 3")
    return area + base


def _axis(frame: _Frame, scale: ScoreDefinition) -> list[Markup]:
    """Lines across at round numbers, the ends in words."""
    found = []
    for value in _ticks(scale.low, scale.high):
        y = frame.y(value)
        label, across = tick(scale, value), f'x1="{_short(LEFT)}" x2="{_short(frame.width - RIGHT)}"'
        at = f'{across} y1="{_short(y)}" y2="{_short(y)}"'
        found.append(Markup(f'<line class="grid" stroke="#000" stroke-opacity="0.2" {at}/>'))  # noqa: S704 - numbers
        found.append(tag("text", label, class_="tick", x=LEFT - 4, y=y + 3.5, text_anchor="end"))
    return found


def _ticks(low: float, high: float) -> list[float]:
    step = next((s for s in STEPS if (high - low) / s < MOST_TICKS), high - low)
    inner = [low + step * n for n in range(1, MOST_TICKS) if low + step * (n + 0.6) <= high]
    return [low, *inner, high]


def _dates(frame: _Frame, when: Sequence[datetime]) -> list[Markup]:
    """A tick for each form; dates below the first, the last, and as many between as there is room for."""
    marks = "".join([f"M{frame.x(moment):.1f} {frame.floor:.1f}v4" for moment in when])
    ticks = [tag("path", class_="dates", d=marks, fill="none", stroke="#000")]
    left, right = LEFT + DATE_WIDTH, frame.width - 2 - DATE_WIDTH
    labels = [_date(when[0], LEFT, "start", frame)]
    for moment in when[1:-1]:
        x = frame.x(moment)
        if left + DATE_WIDTH * 0.6 <= x <= right - DATE_WIDTH * 0.6:
            labels.append(_date(moment, x, "middle", frame))
            left = x + DATE_WIDTH * 0.6
    if when[-1].date() != when[0].date():
        labels.append(_date(when[-1], frame.width - 2, "end", frame))
    return [*ticks, *labels]


def _date(when: datetime, x: float, anchor: str, frame: _Frame) -> Markup:
    return tag("text", short_day(when), class_="tick", x=x, y=frame.floor + 17, text_anchor=anchor)


def _therapist(frame: _Frame, when: datetime) -> Markup:
    x = frame.x(when)
    anchor, aside = ("start", 4) if x < frame.width / 2 else ("end", -4)
    line = tag("line", class_="break", x1=x, x2=x, y1=TOP - 12, y2=frame.floor, stroke="#000", stroke_dasharray="2 3")
    return line + tag("text", tr("new therapist"), class_="tick", x=x + aside, y=TOP - 6, text_anchor=anchor)


def _line(frame: _Frame, run: Sequence[Point]) -> Markup:
    points = " ".join([f"{_short(frame.x(p.when))},{_short(frame.y(p.value or 0.0))}" for p in run])
    return tag("polyline", class_="line", points=points, fill="none", stroke="#000", stroke_width=1.5)


def _point(frame: _Frame, point: Point, title: str, rests: frozenset[str]) -> Markup:
    """A form in its shape; a browser shows day and value, the (escaped) title, where the pointer rests."""
    x, told, marked = frame.x(point.when), f"<title>{title}</title>", point.form in rests
    if point.mark is Mark.SCORED and not marked and point.value is not None:  # nearly all of them: written at once
        at = f'cx="{_short(x)}" cy="{_short(frame.y(point.value))}"'
        return Markup(f'<circle class="form" {at} r="3.2">{told}</circle>')  # noqa: S704 - escaped
    return _marked(frame, point, marked, x, Markup(told))  # noqa: S704 - escaped


def _marked(frame: _Frame, point: Point, rests: bool, x: float, told: Markup) -> Markup:
    """A form that a flag rests on, one that was passed over, one without a score."""
    if point.value is None:
        cross = _cross(told, x, frame.floor - 7)
        return cross if not rests else cross + _ring(x, frame.floor - 7)
    y = frame.y(point.value)
    if rests:
        return tag("path", told, class_="rests", d=f"M{x:.1f} {y - 6.5:.1f}l6.5 6.5l-6.5 6.5l-6.5-6.5z", stroke="#000")
    return tag("rect", told, class_="passed", x=x - 3.5, y=y - 3.5, width=7, height=7, fill="#fff", stroke="#000")


def _cross(told: Markup, x: float, y: float) -> Markup:
    path = f"M{x - 3.5:.1f} {y - 3.5:.1f}l7 7m0-7l-7 7"
    return tag("path", told, class_="none", d=path, fill="none", stroke="#000", stroke_width=1.5)


def _ring(x: float, y: float) -> Markup:
    return tag("circle", class_="ring", cx=x, cy=y, r=7, fill="none", stroke="#000")


# --- words for the picture -------------------------------------------------------------------------------------------


def tick(scale: ScoreDefinition, value: float) -> str:
    """A number on the upright axis; the ends say what they are."""
    template = {scale.low: _LEAST, scale.high: _MOST}.get(value)
    return tr(template, value=short(value)) if template else short(value)


def heading(series: Series) -> str:
    """What is shown, with the ends of the scale and the hoped-for direction as the form defines it."""
    scale = series.definition
    hoped = phrases.HOPED[scale.direction]
    template = _HEADING_HOPED if hoped else _HEADING
    return tr(template, score=scale.title, low=short(scale.low), high=short(scale.high), hoped=hoped)


def _described(series: Series, rests: frozenset[str], spoken: Sequence[tuple[str, str]]) -> str:
    """The picture in words, for those who do not see it; `spoken` is day and value of each point."""
    both = zip(series.points, spoken, strict=True)
    points = [f"{day}: {value}{_rests_words(point, rests)}" for point, (day, value) in both]
    bands = [
        tr(
            "Baseline from {day}: {mean}, band {low} to {high} ({origin})",
            day=short_day(s.start),
            mean=words.one(s.mean),
            low=words.one(s.low),
            high=words.one(s.high),
            origin=words.origin(s.origin),
        )
        for s in series.spans
    ]
    breaks = [tr("New therapist from {day}", day=short_day(when)) for when in series.therapists]
    return ". ".join([*points, *bands, *breaks]) or tr("No form so far")


def _value_words(point: Point) -> str:
    if point.value is None:
        return Mark.NONE.told
    return words.one(point.value) + (f", {Mark.PASSED.told}" if point.mark is Mark.PASSED else "")


def _rests_words(point: Point, rests: frozenset[str]) -> str:
    return ", " + tr("a form that the flag rests on") if point.form in rests else ""


def legend(series: Sequence[Series], rests: frozenset[str]) -> list[tuple[str, str]]:
    """(shape, words) of what stands in these pictures."""
    points = [point for one in series for point in one.points]
    marks = {point.mark for point in points}
    spans = [span for one in series for span in one.spans]
    origins = sorted({words.origin(span.origin) for span in spans})
    found = [("●", tr("a form"), Mark.SCORED in marks)]
    found.append(("◆", tr("a form that this flag rests on"), any(point.form in rests for point in points)))
    found.append(("□", tr("a form that the rules pass over"), Mark.PASSED in marks))
    found.append(("×", tr("no score on this form"), Mark.NONE in marks))
    found.append(("▒", tr(ORDINARY, origins="; ".join(origins)), bool(spans)))
    found.append(("┆", tr("a new therapist: the baseline begins anew"), any(one.therapists for one in series)))
    return [(shape, told) for shape, told, there in found if there]


# --- pictures with their numbers -------------------------------------------------------------------------------------


def course_figure(
    course: Course,
    scores: Sequence[str],
    *,
    table: Sequence[str] = (),
    marked: Iterable[str] = (),
    title: str = "",
    height: float = 180,
    model: Picture | None = None,
    newest: int = 0,
) -> Markup:
    """The pictures of several scores side by side, what the shapes mean, and all numbers as a table to open.

    `table` names the scores of the table where they are more than those drawn. `newest` shows only so many forms, and
    says so; 0 all of them. `model` draws a course as R1 saw it in
    place of baselines and bands. With too few forms a sentence stands in
    place of the pictures.
    """
    rests = frozenset(marked)
    head = tag("h4", title) if title else Markup("")
    numbers = course_table(course, table or scores, marked=rests, newest=newest)
    if (empty := few(course)) is not None:
        return tag("figure", head, tag("p", empty, class_="empty"), numbers, class_="courses")
    drawn = [series_of(course, name, newest) for name in scores]
    if model is not None:
        drawn = [replace(one, spans=()) for one in drawn]
    charts = [
        tag("div", tag("p", heading(one), class_="chart-title"), series_svg(one, rests, height=height, model=model),
            class_="chart")
        for one in drawn
    ]  # fmt: skip
    keys = [*legend(drawn, rests), *(model_legend(model) if model is not None else ())]
    shapes = [tag("span", tag("b", shape), f" {told}", class_="key") for shape, told in keys]
    if 0 < newest < len(course.forms):
        shapes.append(tag("span", tr(_NEWEST, shown=newest, number=len(course.forms)), class_="key"))
    parts = (tag("div", *charts, class_="charts"), tag("figcaption", Markup(" ").join(shapes)))
    return tag("figure", head, *parts, numbers, class_="courses")


def course_table(course: Course, scores: Sequence[str], *, marked: Iterable[str] = (), newest: int = 0) -> Markup:
    """The numbers of the pictures as a table in a details element, with what is missing by name."""
    rests = frozenset(marked)
    titles = [course.instrument.score(name).title for name in scores]
    head = tag("tr", *(tag("th", name, scope="col") for name in (tr("Form of"), *titles, tr("Remarks"))))
    shown = course.forms[-newest:]
    notes = notes_of(course, shown)
    rows = [_row(course, form, scores, form.id in rests, told) for form, told in zip(shown, notes, strict=True)]
    bands = [tag("li", told) for name in scores for told in _band_words(course, name)]
    named = [tag("li", f"{name}: {text}") for name, text in lines_named(course, notes)]
    label = f"{tr(_NUMBERS)}: {course.instrument.title}"  # a page has one for each form
    return tag(
        "details",
        tag("summary", tr(_NUMBERS), aria_label=label),
        tag("div", tag("table", tag("thead", head), tag("tbody", *rows)), **_SCROLLS, aria_label=label),
        *(tag("ul", *items, class_="small") for items in (bands, named) if items),
    )


def _row(course: Course, form: ScoredForm, scores: Sequence[str], rests: bool, notes: Sequence[str]) -> Markup:
    cells, remarks = "", [tr("a form that this flag rests on")] if rests else []
    for name in scores:
        value, why = shown_value(form, name)
        cells += f'<td class="number">{_safe(value)}</td>'
        if why:
            remarks.append(f"{course.instrument.score(name).title}: {why}")
    told, day = _safe("; ".join([*remarks, *notes])), _safe(short_day(form.authored))
    return Markup(f'<tr><th scope="row">{day}</th>{cells}<td>{told}</td></tr>')  # noqa: S704 - escaped


def _band_words(course: Course, score: str) -> list[str]:
    title = course.instrument.score(score).title
    return [
        trn(
            "{score}: baseline {mean} from {count} form, band {low} to {high} ({origin}), {start} to {end}",
            "{score}: baseline {mean} from {count} forms, band {low} to {high} ({origin}), {start} to {end}",
            len(span.forms),
            score=title,
            mean=words.exact(span.mean),
            low=words.exact(span.low),
            high=words.exact(span.high),
            origin=words.origin(span.origin),
            start=short_day(span.start),
            end=short_day(span.end),
        )
        for span in spans_of(course, score)
    ]
