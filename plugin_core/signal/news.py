"""Rule N, good news, version 2: growth surely up or reliance surely down since the first form, by the model of R1.

The means of the last two forms must have moved so as well, by more than the error of one form: the model draws a start
that lies far out towards the middle, and a person who stays far out has not changed. Met too where the line about an
end of therapy (N2) has risen by 2 or more, as in version 1. Version 1 asked whether a score lay beyond its band on two
forms in a row, which told far more people of whom it was not true (docs/signal.md); its flags keep their own evidence.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from ...schemas.records import Course, Evidence
from ..contracts import Reading, RuleSpec
from ..rules import KEPT_APART, words
from ..rules.change import explain_horizon, horizon
from ..rules.view import NO_CONSTANTS, view_of
from .constants import constants
from .rule import FEW_FORMS, follow_course, guard, kept_of, possible, prepare

if TYPE_CHECKING:
    from .pages import Followable

ID, VERSION, ORDER = "N", "2", 90
SIGNS = {"growth": 1, "warning": -1}
TOLD = ((), ("growth",), ("warning",), ("growth", "warning"))
"""Which scores are good news, by the model's `told`."""


def rule_n(apart: frozenset[str] = KEPT_APART) -> RuleSpec:
    """The rule. `apart`: forms with one of these tags are passed over."""
    return RuleSpec(
        id=ID,
        version=VERSION,
        title=words.TITLES.source[ID],
        instrument="gr18",
        judge=partial(judge, apart=apart),
        kind="good-news",
        order=ORDER,
        possible=partial(may_be_news, apart=apart),
        prepare=partial(prepare, apart=apart),
    )


def may_be_news(course: Course, *, apart: frozenset[str]) -> bool:
    """The quick look of N: False only where `judge` is met at no form."""
    kept = kept_of(course, apart)
    changed = possible(course) if kept is None else kept.news
    return changed or any(horizon(view_of(course, apart)))


def judge(course: Course, *, apart: frozenset[str]) -> Sequence[Reading]:
    """One reading a form; not before 12 weeks and three forms, the rise of N2 apart.

    Running number: the surer of the two changes, in its own errors; a rise of N2 stands beside it and has none.
    """
    found = follow_course(course, apart)
    if found.scale is None:
        return [NO_CONSTANTS] * len(course.forms)
    known = constants()
    readings = [place if isinstance(place, Reading) else FEW_FORMS for place in found.places]
    for stretch in found.read:
        for nth, index in enumerate(stretch):
            readings[index] = guard(found, stretch, nth, known) or _reading(found, stretch, nth)
    for index, base in enumerate(horizon(found.view)):
        if base is not None:
            readings[index] = _with_horizon(found, readings[index], base, index)
    return readings


def _reading(found: Followable, stretch: Sequence[int], nth: int) -> Reading:
    place = found.places[stretch[nth]]
    if place is None or isinstance(place, Reading):
        raise AssertionError("a form that is read has a place")
    surer, which = place.news
    told = tuple(score for score in TOLD[which] if moved(found, stretch[: nth + 1], score))
    if not told:
        return Reading(False, surer)
    from .explain_news import explain

    return Reading(True, surer, None, partial(explain, found, tuple(stretch[: nth + 1]), place, told))


def moved(found: Followable, stretch: Sequence[int], score: str) -> bool:
    """Whether the means of a score on the last two forms lie beyond those of the first by more than the error."""
    from .explain_news import means

    first, last, error = means(found, stretch, score)
    return (last - first) * SIGNS[score] > error


def _with_horizon(found: Followable, reading: Reading, base: tuple[int, ...], index: int) -> Reading:
    """The reading of a form on which N2 has risen as well, or alone."""
    if reading.met is None and reading.why is not None and found.view.aside[index] is not None:
        return reading
    return Reading(True, reading.score, None, partial(_explained, found, reading, base, index))


def _explained(found: Followable, reading: Reading, base: tuple[int, ...], index: int) -> Evidence:
    from .explain_news import joined

    rise = explain_horizon(found.view, base, index)
    return joined([rise] if reading.evidence is None else [reading.evidence(), rise])
