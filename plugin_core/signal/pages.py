"""From courses to the model and back: which forms are read, in which row, and what the model said after each.

A page of courses is followed at once, since numpy costs by the call; a course alone gives the same numbers. Each
stretch with one therapist is followed by itself. A stretch longer than the grid goes on in blocks of 26 weeks, each of
which sees the first two forms and those of the 34 weeks before it, so that cost grows with the number of forms alone;
where a block begins hangs on the weeks since the first form, so nothing later changes what was said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from operator import itemgetter
from typing import NamedTuple

import numpy as np

from ...schemas.records import Answers, Course, Instrument, ScoredForm
from ...schemas.vocab import Blank
from ..contracts import Reading
from ..rules.bands import standard_error
from ..rules.view import View
from ..words import mark
from .constants import Constants, constants
from .model import GRID, Array, Followed, Scale, Seen, follow, see

BLOCK_WEEKS, BEFORE_WEEKS = 26, 34
FIRST_FORMS = 2
CELLS = 60_000
"""Forms times grid weeks that are followed in one go: what fits into a processor's own memory."""

FEW_LINES = Reading(None, why=mark("passed over: too few lines have an answer on this form"))
SAME_DAY = Reading(None, why=mark("passed over: an earlier form of the same day is read"))

_BLANK = 255


class _Codes(dict[object, int]):
    """Answers as bytes; whatever is not a small number is a blank."""

    def __missing__(self, key: object) -> int:
        return _BLANK


_SMALL = 128  # bytes below it are ASCII, which is the quickest to ask
_CODES = _Codes({number: number for number in range(_SMALL)} | dict.fromkeys((None, *Blank), _BLANK))


@dataclass(slots=True)
class _Row:
    """One row of the model: the forms of a course that it sees, at which weeks, and from which on it answers."""

    course: int
    forms: list[int]
    weeks: list[float]
    since: int = 0
    offset: float = 0.0


class Place(NamedTuple):
    """Where the model's words about one form are kept. `offset` is what was taken off the weeks of later forms."""

    followed: Followed
    seen: Seen
    row: int
    column: int
    forms: tuple[int, ...]
    offset: float

    @property
    def number(self) -> float:
        """The running number after this form."""
        return float(self.followed.number[self.row, self.column])

    @property
    def news(self) -> tuple[float, int]:
        """How sure the surer of the changes since the first form is, in its errors, and what of it is good news."""
        at = self.row, self.column
        return float(self.followed.surer[at]), int(self.followed.told[at])

    @property
    def since_start(self) -> tuple[float, float, float, float]:
        """How much growth has risen since the first form, with its error, and how much warning has fallen, with its."""
        at = self.row, self.column
        grown, grown_error = (float(part[at]) for part in self.followed.grown)
        risen, risen_error = (float(part[at]) for part in self.followed.risen)
        return grown, grown_error, -risen, risen_error


@dataclass
class Followable:
    """What was found for one course.

    `reasons` says of each form why it is not read; `read` are those that are, a list for each stretch; `rows` where the
    model's words lie. `most` is the highest running number of all forms, `news` whether the model calls any of them
    good news: most courses need no closer look.
    """

    view: View
    scale: Scale | None
    reasons: list[Reading | None] = field(default_factory=list)
    read: list[list[int]] = field(default_factory=list)
    rows: list[tuple[Followed, Seen, int, _Row]] = field(default_factory=list)
    most: float = -1.0
    news: bool = False

    @cached_property
    def places(self) -> list[Place | Reading | None]:
        """For each form a place, or the reading that says why there is none; None where it is read, in a stretch that
        is too short for the model to be asked."""
        found: list[Place | Reading | None] = list(self.reasons)
        for followed, seen, at, row in self.rows:
            forms = tuple(row.forms)
            for column in range(row.since, len(forms)):
                found[forms[column]] = Place(followed, seen, at, column, forms, row.offset)
        return found


def followed(courses: Sequence[Course], apart: frozenset[str]) -> list[Followable]:
    """Follows a page of courses."""
    known = constants()
    found: list[Followable] = []
    by_form: dict[int, tuple[Scale, list[_Row]]] = {}
    for index, course in enumerate(courses):
        one = Followable(View(course, apart), scale_of(course.instrument, known))
        found.append(one)
        if one.scale is None:
            continue
        rows = by_form.setdefault(id(course.instrument), (one.scale, []))[1]
        one.reasons = _readable(one, known)
        for stretch in one.read:
            if one.view.days[stretch[-1]] - one.view.days[stretch[0]] >= 7 * known.least_weeks:
                rows += _rows(index, stretch, one.view)
    for scale, rows in by_form.values():
        for batch in _batches(rows):
            _follow(batch, found, scale, known)
    return found


_scales: dict[int, tuple[Instrument, Scale | None]] = {}


def lines_of(instrument: Instrument) -> tuple[str, ...]:
    """The lines that the model reads, growth's first."""
    return (*instrument.score("growth").items, *instrument.score("warning").items)


def scale_of(instrument: Instrument, known: Constants) -> Scale | None:
    """How this form's answers become observations; None where a score or its measurement error is missing."""
    kept = _scales.get(id(instrument))
    if kept is not None and kept[0] is instrument:
        return kept[1]
    if len(_scales) > 64:
        _scales.clear()
    _scales[id(instrument)] = instrument, (made := _scale(instrument, known))
    return made


def _scale(instrument: Instrument, known: Constants) -> Scale | None:
    units, noises = [], []
    for name in ("growth", "warning"):
        change = next((score.change for score in instrument.scores if score.id == name), None)
        if change is None or change.sd is None or change.retest is None or not 0 < change.retest < 1:
            return None
        units.append(known.unit_per_sd * change.sd)
        noises.append((standard_error(change.sd, change.retest) / units[-1]) ** 2)
    items = [instrument.item(name) for name in lines_of(instrument)]
    growth = len(instrument.score("growth").items)
    values = items[0].values
    return Scale(
        np.array([item.reverse for item in items]),
        np.arange(len(items)) < growth,
        values[0] + values[-1],
        values[0],
        (units[0], units[1]),
        (noises[0], noises[1]),
    )


def _readable(one: Followable, known: Constants) -> list[Reading | None]:
    """Why forms are passed over; those that are read are put down in `one.read`, a list for each stretch."""
    view, course = one.view, one.view.course
    growth, warning = (course.instrument.score(name).items for name in ("growth", "warning"))
    least = known.least_lines["growth"], known.least_lines["warning"]
    reasons: list[Reading | None] = []
    stretch, day = -1, -1
    for index, form in enumerate(course.forms):
        if (aside := view.aside[index]) is not None:
            reasons.append(aside)
            continue
        if _few(form, "growth", growth, least[0]) or _few(form, "warning", warning, least[1]):
            reasons.append(FEW_LINES)
            continue
        if view.stretch[index] != stretch:
            stretch, day = view.stretch[index], -1
            one.read.append([])
        if view.days[index] <= day:
            reasons.append(SAME_DAY)
            continue
        day = view.days[index]
        one.read[-1].append(index)
        reasons.append(None)
    return reasons


def _few(form: ScoredForm, name: str, items: tuple[str, ...], least: int) -> bool:
    score = form.scores.get(name)
    if score is not None:
        return score.answered < least
    return sum(_CODES[form.answers.get(item)] != _BLANK for item in items) < least


def _rows(course: int, forms: list[int], view: View) -> Iterator[_Row]:
    """The rows in which a stretch is followed: one, and another for each block beyond the grid."""
    weeks = [(view.days[index] - view.days[forms[0]]) / 7 for index in forms]
    last = GRID - 1
    inside = sum(week < last for week in weeks)
    yield _Row(course, forms[:inside], weeks[:inside])
    while inside < len(forms):
        start = last + BLOCK_WEEKS * ((weeks[inside] - last) // BLOCK_WEEKS)
        end = sum(week < start + BLOCK_WEEKS for week in weeks)
        offset = start - BEFORE_WEEKS
        since = max(min(FIRST_FORMS, inside), sum(week < offset for week in weeks))
        first = min(FIRST_FORMS, since)
        chosen = [*range(first), *range(since, end)]
        times = [max(weeks[i] - offset, 0.0) for i in chosen]
        yield _Row(course, [forms[i] for i in chosen], times, chosen.index(inside), offset)
        inside = end


def _batches(rows: list[_Row]) -> Iterator[list[_Row]]:
    """Rows of about the same length together, so that little is padded."""
    rows = sorted(rows, key=lambda row: len(row.forms))
    batch: list[_Row] = []
    for row in rows:
        if batch and (len(batch) + 1) * len(row.forms) * GRID > CELLS:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


@lru_cache(maxsize=16)
def _reader(names: tuple[str, ...]) -> Callable[[Answers], bytes]:
    """What gives a form's answers to these lines as bytes."""
    complete = itemgetter(*names)

    def read(answers: Answers) -> bytes:
        try:
            found = bytes(complete(answers))
        except (KeyError, TypeError, ValueError):
            pass  # a line is left out, or its answer is no small number
        else:
            if found.isascii():
                return found
        return bytes(map(_CODES.__getitem__, map(answers.get, names)))

    return read


def _follow(batch: list[_Row], found: list[Followable], scale: Scale, known: Constants) -> None:
    longest = len(batch[-1].forms)
    codes_of = _reader(lines_of(found[batch[0].course].view.course.instrument))
    blank = bytes((_BLANK,)) * len(scale.reverse)
    weeks = np.full((len(batch), longest), -1.0)
    codes = bytearray()
    for at, row in enumerate(batch):
        forms = found[row.course].view.course.forms
        weeks[at, : len(row.weeks)] = row.weeks
        for index in row.forms:
            codes += codes_of(forms[index].answers)
        codes += blank * (longest - len(row.forms))
    raw: Array = np.frombuffer(bytes(codes), np.uint8).reshape(len(batch), longest, len(blank)).astype(float)
    raw[raw == _BLANK] = np.nan
    seen = see(raw, scale, known)
    result = follow(weeks, seen, known)
    there: Array = weeks >= 0
    most = np.where(there, result.number, 0.0).max(1).tolist()
    told = np.where(there, result.told, 0).max(1).tolist()
    for at, row in enumerate(batch):
        one = found[row.course]
        one.rows.append((result, seen, at, row))
        one.most, one.news = max(one.most, most[at]), one.news or told[at] > 0
