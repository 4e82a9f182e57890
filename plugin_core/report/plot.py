"""A small plot of one score in characters: the band as a shade, forms as marks, in the same meaning as on the page.

Every mark is a shape with its word in the legend; nothing depends on colour. There is a set of plain ASCII marks for
terminals and files that know no others.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from ..rules import words
from ..words import mark, tr
from ..words.spelling import short, short_day
from .charts import ORDINARY, tick
from .series import Mark, Point, Series, Span

if TYPE_CHECKING:
    from ..signal.picture import Picture

RIBBON = mark("the answers with ordinary ups and downs taken off, and how unsure that is")
STRETCH = mark("the weeks that raised this flag")
ROWS = 9
LEFT = 9
LEAST, MOST = 24, 72


@dataclass(frozen=True, slots=True)
class Marks:
    """The characters of a plot."""

    form: str
    rests: str
    passed: str
    none: str
    band: str
    base: str
    therapist: str
    axis: str
    floor: str
    held: str
    under: str


FINE = Marks("●", "◆", "□", "×", "░", "┄", "┆", "│", "─", "▓", "━")
ASCII = Marks("o", "#", "u", "x", ".", "-", ":", "|", "-", "%", "=")


@dataclass(frozen=True, slots=True)
class _Grid:
    """Which cell a date and a value fall into."""

    series: Series
    across: int

    def column(self, when: datetime) -> int:
        """Across: by time; a single form lies in the middle."""
        first, last = self.series.points[0].when, self.series.points[-1].when
        whole = (last - first).total_seconds()
        return round((when - first).total_seconds() / whole * (self.across - 1)) if whole else self.across // 2

    def row(self, value: float) -> int:
        """Down: the nearest row."""
        low, high = self.series.definition.low, self.series.definition.high
        inside = min(max(value, low), high)
        return ROWS - 1 - round((inside - low) / (high - low) * (ROWS - 1))

    def centre(self, row: int) -> float:
        """The value of a row."""
        low, high = self.series.definition.low, self.series.definition.high
        return high - (high - low) * row / (ROWS - 1)

    def band(self, span: Span) -> list[int]:
        """The rows of a band, the baseline's own always among them."""
        return [r for r in range(ROWS) if span.low <= self.centre(r) <= span.high or r == self.row(span.mean)]

    def place(self, point: Point) -> int:
        """The row of a form: on that side of the band's edge where it lies, although a row is coarser than that."""
        if point.value is None:
            return ROWS - 1
        row = self.row(point.value)
        span = next((s for s in self.series.spans if s.start <= point.when <= s.end), None)
        if span is None:
            return row
        rows = self.band(span)
        if span.low <= point.value <= span.high:
            return min(max(row, rows[0]), rows[-1])
        return max(min(row, rows[0] - 1), 0) if point.value > span.high else min(max(row, rows[-1] + 1), ROWS - 1)


def plot(
    series: Series,
    *,
    marked: Iterable[str] = (),
    width: int = 60,
    marks: Marks = FINE,
    model: Picture | None = None,
) -> list[str]:
    """The lines of a plot, at most `width` characters wide; empty where there is no form.

    Across by time, down by value. Two forms in one cell show the later one; a form that a flag rests on always shows.

    :param model: how rule R1 saw the course; its ribbon then stands in place of the band, darker in the weeks that
        raised the flag.
    """
    if not series.points:
        return []
    if model is not None:
        series = replace(series, spans=())
    grid = _Grid(series, min(max(width - LEFT - 1, LEAST), MOST))
    cells = [[" "] * grid.across for _ in range(ROWS)]
    for span in series.spans:
        for x in range(grid.column(span.start), grid.column(span.end) + 1):
            for y in grid.band(span):
                cells[y][x] = marks.band
            cells[grid.row(span.mean)][x] = marks.base
    held = _ribbon(grid, cells, model, marks) if model is not None else range(0)
    for when in series.therapists:
        for line in cells:
            line[grid.column(when)] = marks.therapist
    rests = frozenset(marked)
    for point in sorted(series.points, key=lambda p: p.form in rests):
        cells[grid.place(point)][grid.column(point.when)] = _mark(point, rests, marks)
    return [*_framed(series, cells, marks), *_dates(series, grid.across, marks, held)]


def _ribbon(grid: _Grid, cells: list[list[str]], model: Picture, marks: Marks) -> range:
    """Where the score probably was in each week, one error to either side; gives the columns that raised the flag."""
    known = model.courses.get(grid.series.definition.id, ())
    columns = [grid.column(one.when) for one in known]
    held = range(0)
    if model.stretch is not None:
        start, end = (min(max(grid.column(when), 0), grid.across - 1) for when in model.stretch)
        held = range(start, end + 1)
    for x in range(max(columns[0], 0), min(columns[-1], grid.across - 1) + 1) if known else ():
        one = known[min(range(len(known)), key=lambda nth: abs(columns[nth] - x))]
        for y in range(grid.row(one.mean + one.error), grid.row(one.mean - one.error) + 1):
            cells[y][x] = marks.held if x in held else marks.band
        cells[grid.row(one.mean)][x] = marks.base
    return held


def _mark(point: Point, rests: frozenset[str], marks: Marks) -> str:
    if point.mark is Mark.NONE:
        return marks.none
    if point.form in rests:
        return marks.rests
    return marks.form if point.mark is Mark.SCORED else marks.passed


def _framed(series: Series, cells: list[list[str]], marks: Marks) -> list[str]:
    low, high = series.definition.low, series.definition.high
    scale = series.definition
    names = {0: tick(scale, high), ROWS // 2: short((low + high) / 2), ROWS - 1: tick(scale, low)}
    return [f"{names.get(y, ''):>{LEFT - 1}} {marks.axis}{''.join(line).rstrip()}" for y, line in enumerate(cells)]


def _dates(series: Series, across: int, marks: Marks, held: range) -> list[str]:
    floor = " " * LEFT + marks.floor + "".join(marks.under if x in held else marks.floor for x in range(across))
    start, end = short_day(series.points[0].when), short_day(series.points[-1].when)
    dates = start if start == end else f"{start}{end:>{across - len(start)}}"
    return [floor, " " * (LEFT + 1) + dates]


def legend(series: Iterable[Series], rests: frozenset[str], marks: Marks = FINE, model: Picture | None = None) -> str:
    """What the marks in these plots mean, only those that occur."""
    drawn = list(series)
    points = [point for one in drawn for point in one.points]
    kinds = {point.mark for point in points}
    origins = sorted({words.origin(span.origin) for one in drawn for span in one.spans})
    found = [(marks.form, tr("a form"), Mark.SCORED in kinds)]
    found.append((marks.rests, tr("a form that a flag rests on"), any(p.form in rests for p in points)))
    found.append((marks.passed, tr("a form that the rules pass over"), Mark.PASSED in kinds))
    found.append((marks.none, tr("no score on this form"), Mark.NONE in kinds))
    found.append((marks.band, tr(ORDINARY, origins="; ".join(origins)), bool(origins) and model is None))
    if model is not None:
        found.append((marks.band, tr(RIBBON), True))
        found.append((marks.held, tr(STRETCH), model.stretch is not None))
    found.append((marks.therapist, tr("a new therapist"), any(one.therapists for one in drawn)))
    return "   ".join(f"{mark} {told}" for mark, told, there in found if there)
