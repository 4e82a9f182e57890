"""The numbers that the rules use: bands around a baseline, computed by formula from an instrument's constants.

Nothing here is typed in that can be computed: the standard error follows from a score's standard deviation and
retest correlation, the band from the standard error and from how many forms make the baseline. What is a decision and
not a measurement (the factors, the weeks, the levels) goes into evidence with the origin `rule`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import NamedTuple

from ...schemas.records import Change, Constant
from ..words import mark, tr

TOLERANCE = 1e-9
"""Scores are means of whole numbers in binary floating point: a distance of less than this is no distance. Used by
`beyond` (`>`), `reaches` (`>=`) and the running number of `Track.over`, which is 0 there, and nowhere else."""

PAIR_DAYS = 6 * 7
"""The first two scored forms make the baseline together if they lie at most 6 weeks apart."""

PAIR_FACTOR = 1.645
SINGLE_FACTOR = 1.96


def beyond(value: float, limit: float) -> bool:
    """`value > limit`, with the tolerance."""
    return value - limit > TOLERANCE


def reaches(value: float, limit: float) -> bool:
    """`value >= limit`, with the tolerance."""
    return value - limit >= -TOLERANCE


def standard_error(sd: float, retest: float) -> float:
    """Standard error of measurement, `SD * sqrt(1 - r)`, in units of the score (clinical.md 4.1)."""
    return sd * sqrt(1.0 - retest)


class Band(NamedTuple):
    """How far a score must lie from its baseline before a form counts.

    `width` in units of the score; `factor` times the standard error of the difference between one form and a mean
    of `forms` forms.
    """

    width: float
    factor: float
    forms: int
    sem: float


@dataclass(frozen=True, slots=True)
class Limits:
    """The two bands of one score: against a mean of two forms, and against one form alone."""

    pair: Band
    single: Band


def limits(change: Change | None) -> Limits | None:
    """The bands that follow from these constants, None where SD or retest correlation are not known.

    Against a mean of two: `1.645 * SEM * sqrt(1 + 1/2)`; against one form: `1.96 * SEM * sqrt(2)` (clinical.md 4.1
    and the table in 4.3).
    """
    if change is None or change.sd is None or change.retest is None:
        return None
    sem = standard_error(change.sd, change.retest)
    if sem <= 0:
        return None
    return Limits(
        pair=Band(PAIR_FACTOR * sem * sqrt(1.5), PAIR_FACTOR, 2, sem),
        single=Band(SINGLE_FACTOR * sem * sqrt(2.0), SINGLE_FACTOR, 1, sem),
    )


def reliable_change(change: Change | None) -> tuple[float, str] | None:
    """The reliable change between two forms, with its comparison (">" or ">="); None where nothing is known.

    A published figure is used as it is published. Otherwise Jacobson and Truax: `1.96 * SEM * sqrt(2)`, beyond which
    (">") a change counts (clinical.md 4.1 and 10).
    """
    if change is None:
        return None
    if change.reliable is not None:
        return change.reliable, change.reliable_compare
    bands = limits(change)
    return None if bands is None else (bands.single.width, ">")


def moved(difference: float, limit: float, compare: str) -> bool:
    """Whether a difference, either way, is a reliable change."""
    size = abs(difference)
    return beyond(size, limit) if compare == ">" else reaches(size, limit)


def constants(name: str, change: Change, band: Band) -> tuple[Constant, ...]:
    """What a band rests on, each number with its origin."""
    found = [
        Constant(tr(what, score=name), value, change.origin, change.source)
        for what, value in (
            (mark("{score}: standard deviation"), change.sd),
            (mark("{score}: retest correlation"), change.retest),
        )
        if value is not None
    ]
    return (*found, rule_constant(tr("factor of the band"), band.factor))


def rule_constant(name: str, value: float) -> Constant:
    """A number that is a decision of the rule, not a measurement."""
    return Constant(name, value, "rule", "docs/rules.md")
