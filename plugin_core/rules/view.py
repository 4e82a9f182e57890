"""A course as the rules read it: which forms count, where a stretch begins, and each score against its baseline.

The baseline is the mean of the first two scored forms if they lie at most 6 weeks apart, else the first; it starts
again with a new therapist, and so does every other looking back ("in a row", "weeks since the first form"): that is a
*stretch*. A new version of the instrument is another course. Forms with one answer on every line and forms kept apart
by their tags are passed over. All of it looks backwards only: what is said of a form depends on nothing after it.

Weeks are counted in calendar days, each form's day in its own offset: a form six weeks later at a later hour of the
day is still six weeks later.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from typing import NamedTuple

from ...schemas.records import Change, Course, Instrument, ScoreDefinition, ScoredForm
from ..contracts import Reading
from ..words import mark
from .bands import PAIR_DAYS, TOLERANCE, Band, Limits, beyond, limits

FEWEST_TO_SHIFT = 3
"""Scored forms in a row that a shift takes at least: one for the baseline, two beyond the band."""

NOT_MET = Reading(False)
NO_SCORE = Reading(None, why=mark("no score on this form"))
STRAIGHT = Reading(None, why=mark("passed over: the same answer was chosen on every line"))
APART = Reading(None, why=mark("passed over: kept apart from the change rules by its tags"))
BASELINE = Reading(None, why=mark("not yet: this form belongs to the baseline"))
FIRST_AFTER = Reading(None, why=mark("not yet: one form after the baseline; two in a row are looked at"))
NO_CONSTANTS = Reading(None, why=mark("not evaluated: no measurement error is known for this score"))


class Baseline(NamedTuple):
    """What a score is compared with: one or two forms (indices into the course), their mean, and the band."""

    forms: tuple[int, ...]
    mean: float
    band: Band


class Place(NamedTuple):
    """Where a scored form stands: its distance from the baseline in bands (up is positive), and the form before it.

    `before` is the index of the scored form before this one if that also lies after the baseline, else None.
    """

    value: float
    bands: float
    before: int | None
    baseline: Baseline


@dataclass(frozen=True, slots=True)
class Track:
    """One score along a course. `places[i]` is a `Place`, or the reading that says why form i has none.

    `baselines`: what forms were compared with, each with the index of the last form that was.
    """

    definition: ScoreDefinition
    change: Change
    places: tuple[Place | Reading, ...]
    baselines: tuple[tuple[Baseline, int], ...] = ()

    def over(self, index: int, sign: int) -> float | Reading:
        """Distance beyond the band on the last two scored forms, the smaller of the two, in bands.

        Greater than 0 exactly if both lie beyond the band in the direction of `sign`. A `Reading` says why there is
        no such number at this form.
        """
        place = self.places[index]
        if isinstance(place, Reading):
            return place
        earlier = FIRST_AFTER if place.before is None else self.places[place.before]
        if isinstance(earlier, Reading):
            return FIRST_AFTER
        last, before = place.bands, earlier.bands
        result = (last if last < before else before) if sign > 0 else -(last if last > before else before)
        result -= 1.0
        return 0.0 if -TOLERANCE < result < TOLERANCE else result

    def beyond(self, place: Place, sign: int) -> bool:
        """Whether this one form lies beyond the band in that direction."""
        return beyond(sign * place.bands, 1.0)

    def pair(self, index: int) -> tuple[tuple[int, Place], tuple[int, Place]]:
        """This form and the scored form before it, each with its place. Raises ValueError where there are not two."""
        last = self.places[index]
        if isinstance(last, Place) and last.before is not None:
            before = self.places[last.before]
            if isinstance(before, Place):
                return (index, last), (last.before, before)
        raise ValueError("fewer than two forms after the baseline at this form")


class View:
    """A course prepared for judging. Made once a course and shared by the rules that read it (`view_of`)."""

    def __init__(self, course: Course, apart: frozenset[str]) -> None:
        self.course = course
        self.apart = apart
        self._tracks: dict[str, Track | None] = {}
        self._scored: dict[str, list[list[tuple[int, float]]]] = {}
        self.aside = [_aside(form, apart) for form in course.forms]
        self.stretch = _stretches(course)

    @cached_property
    def days(self) -> list[int]:
        """Each form's day, in its own offset, as a number."""
        return [form.authored.toordinal() for form in self.course.forms]

    @cached_property
    def first(self) -> list[int]:
        """For each form the first form of its stretch that is not passed over (itself where it is the first)."""
        firsts: list[int] = []
        begun: dict[int, int] = {}
        for index, (stretch, aside) in enumerate(zip(self.stretch, self.aside, strict=True)):
            if aside is None:
                begun.setdefault(stretch, index)
            firsts.append(begun.get(stretch, index))
        return firsts

    def weeks(self, index: int) -> float:
        """Weeks from the first form of this stretch to this one."""
        return (self.days[index] - self.days[self.first[index]]) / 7

    def counted(self, index: int) -> int:
        """How many forms of this stretch, up to and with this one, are not passed over."""
        stretch = self.stretch[index]
        return sum(self.stretch[i] == stretch and self.aside[i] is None for i in range(index + 1))

    def scored(self, name: str) -> list[list[tuple[int, float]]]:
        """The forms with this score that are not passed over, with its value, a list for each stretch."""
        if (found := self._scored.get(name)) is None:
            stretches: dict[int, list[tuple[int, float]]] = {}
            for index, form, aside, stretch in zip(count(), self.course.forms, self.aside, self.stretch, strict=False):
                score = form.scores.get(name)
                if score is not None and score.value is not None and aside is None:
                    if stretch not in stretches:
                        stretches[stretch] = []
                    stretches[stretch].append((index, score.value))
            found = self._scored[name] = list(stretches.values())
        return found

    def may_shift(self, name: str, sign: int) -> bool:
        """A quick look at a score: False only where `Track.over` is above 0 at no form."""
        bands = _limits(self.course.instrument, name)
        if bands is None:
            return False
        for scored in self.scored(name):
            if len(scored) < FEWEST_TO_SHIFT:
                continue
            base = self.pairs([index for index, _ in scored[:2]])
            baseline = _baseline(scored, base, bands)
            edge = baseline.mean + sign * baseline.band.width
            before = False
            for _, value in scored[base:]:
                here = value > edge if sign > 0 else value < edge
                if here and before:
                    return True
                before = here
        return False

    def track(self, name: str) -> Track | None:
        """The score along the course; None where the instrument has no such score or nothing says its error."""
        if name not in self._tracks:
            self._tracks[name] = _track(self, name)
        return self._tracks[name]

    def answered(self, item: str) -> dict[int, list[int]]:
        """The forms with a number on this line that are not passed over, by stretch."""
        found: dict[int, list[int]] = {}
        for index, form in enumerate(self.course.forms):
            # As `answer` has it: a blank is a text.
            if form.answers.get(item).__class__ is int and self.aside[index] is None:
                found.setdefault(self.stretch[index], []).append(index)
        return found

    def pairs(self, scored: Sequence[int]) -> int:
        """How many of these forms of one stretch make the baseline: the first two if near enough, else the first."""
        near = len(scored) > 1 and self.days[scored[1]] - self.days[scored[0]] <= PAIR_DAYS
        return 2 if near else 1

    def window(self, items: tuple[str, ...], size: int) -> list[tuple[int, ...] | None]:
        """For each form the last `size` forms, oldest first and this one included, with a number on all these lines.

        Fewer where the stretch has fewer; None where this form is passed over or lacks a number itself.
        """
        windows: list[tuple[int, ...] | None] = []
        current = -1
        seen: tuple[int, ...] = ()
        for index, form in enumerate(self.course.forms):
            if self.aside[index] is not None or any(answer(form, item) is None for item in items):
                windows.append(None)
                continue
            if self.stretch[index] != current:
                current, seen = self.stretch[index], ()
            seen = (*seen[1 - size :], index) if size > 1 else (index,)
            windows.append(seen)
        return windows


def answer(form: ScoredForm, item: str) -> int | None:
    """The raw number on a line, None where it was left empty or declined."""
    found = form.answers.get(item)
    return found if found.__class__ is int else None  # a Blank is a str


def _aside(form: ScoredForm, apart: frozenset[str]) -> Reading | None:
    if form.straight_line:
        return STRAIGHT
    if form.tags and not form.tags.isdisjoint(apart):
        return APART
    return None


def _stretches(course: Course) -> list[int]:
    """For each form how many changes of therapist lie at or before it."""
    if not course.therapists:
        return [0] * len(course.forms)
    starts = sorted(course.therapists)
    return [bisect_right(starts, form.authored) for form in course.forms]


def _track(view: View, name: str) -> Track | None:
    definition, bands = score_of(view.course.instrument, name), _limits(view.course.instrument, name)
    if definition is None or definition.change is None or bands is None:
        return None
    places: list[Place | Reading] = [aside or NO_SCORE for aside in view.aside]
    baselines = []
    for scored in view.scored(name):
        for index, _ in scored:
            places[index] = BASELINE
        base = view.pairs([index for index, _ in scored])
        baseline = _place(places, scored, base, bands)
        if scored[base:]:
            baselines.append((baseline, scored[-1][0]))
    return Track(definition, definition.change, tuple(places), tuple(baselines))


def _baseline(scored: list[tuple[int, float]], base: int, bands: Limits) -> Baseline:
    """What the forms of one stretch are compared with, its first `base` forms."""
    forms = tuple(index for index, _ in scored[:base])
    if base == 2:
        return Baseline(forms, (scored[0][1] + scored[1][1]) / 2, bands.pair)
    return Baseline(forms, scored[0][1], bands.single)


def _place(places: list[Place | Reading], scored: list[tuple[int, float]], base: int, bands: Limits) -> Baseline:
    """Puts the forms of one stretch that come after the baseline of `base` forms where they stand; gives that."""
    baseline = _baseline(scored, base, bands)
    mean, width = baseline.mean, baseline.band.width
    before = None
    for index, here in scored[base:]:
        places[index] = Place(here, (here - mean) / width, before, baseline)
        before = index
    return baseline


_found: tuple[Instrument, dict[str, Limits | None]] | None = None


def _limits(instrument: Instrument, name: str) -> Limits | None:
    """The bands of a score, kept for the instrument that was read last; None where nothing says its error."""
    global _found
    kept = _found
    if kept is None or kept[0] is not instrument:
        kept = _found = instrument, {}
    if name not in kept[1]:
        definition = score_of(instrument, name)
        kept[1][name] = None if definition is None else limits(definition.change)
    return kept[1][name]


def score_of(instrument: Instrument, name: str) -> ScoreDefinition | None:
    """The definition of a score, None where this instrument has no such score."""
    return next((score for score in instrument.scores if score.id == name), None)


_last: View | None = None
_page: dict[int, View] = {}


def keep(views: Sequence[View]) -> None:
    """Keeps the views of a page of courses that are judged next: `view_of` gives these, and none of an earlier page."""
    global _page
    _page = {id(view.course): view for view in views}


def view_of(course: Course, apart: frozenset[str]) -> View:
    """The course prepared for judging.

    All rules read a course one after the other, so the last view is kept; it is found by identity, is never changed
    from outside, and a lost race between threads only prepares a course twice.
    """
    global _last
    found = _last
    if found is None or found.course is not course or found.apart != apart:
        found = _page.get(id(course))
        if found is None or found.course is not course or found.apart != apart:
            found = View(course, apart)
        _last = found
    return found
