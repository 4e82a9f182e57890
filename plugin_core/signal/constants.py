"""The numbers of the signal, read from one data file with where they come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import msgspec

BUDGETS = (2, 5, 10)
"""Benign clients in a hundred prompted about in a year, in simulation."""


@dataclass(frozen=True, slots=True)
class Path:
    """How one trait is assumed to move: variance of its level at intake, of its trend a week, and of a wandering
    that is forgotten over `wander_weeks`; in squared SDs of the intake population."""

    level: float
    trend: float
    wander: float
    wander_weeks: float


@dataclass(frozen=True, slots=True)
class Style:
    """Agreeing with lines whichever way they are worded: variance between people and within, in squared points."""

    between: float
    within: float


@dataclass(frozen=True, slots=True)
class Extremity:
    """How far lines of one trait usually lie apart, as a share of the room that their mean leaves them: the squared
    distances from the mean over (mean - lowest) * (highest - mean), summed over the forms so far.

    `before` squared points of room count as if `usual` had been seen in them already, and no form counts for more than
    `cap` of its room. `pull` is how strongly the share counts; the logarithm of the factor is held within `most`.
    Beyond `doubt_from` squared points a line, a form's error variance grows with the power `doubt_power` of it.
    """

    usual: float
    before: float
    cap: float
    pull: float
    most: float
    doubt_from: float
    doubt_power: float


@dataclass(frozen=True, slots=True)
class Condition:
    """The condition that is looked for, in SDs of the intake population; `stay_*` is where it ends again."""

    level: float
    rise: float
    floor: float
    growth: float
    stay_level: float
    stay_rise: float
    stay_growth: float


@dataclass(frozen=True, slots=True)
class News:
    """Good news: a change since intake of more than `sure` of its errors and `least` SDs of the intake population,
    while the other trait has not moved the wrong way by more than `against` of its errors."""

    sure: float
    least: float
    against: float


@dataclass(frozen=True, slots=True)
class Limit:
    """The limit of the running number where forms come every week, and the power of the weeks between forms by which it
    rises where they come more seldom: from fewer forms a number strays further."""

    weekly: float
    power: float


@dataclass(frozen=True, slots=True)
class Constants:
    """Everything that the model assumes. Names are explained in docs/signal.md.

    `limits` maps a budget to the running number beyond which the rule is met; `calibration` says which run made them.
    `least_spacing` and `most_spacing`: weeks between forms, below and above which the limit stays as it is there.
    """

    origin: str
    source: str
    centre: Mapping[str, float]
    unit_per_sd: float
    noise_fixed: float
    least_lines: Mapping[str, int]
    growth: Path
    warning: Path
    style: Style
    extremity: Extremity
    condition: Condition
    news: News
    stay_share: float
    fade: float
    look_back: int
    change_weeks: int
    least_weeks: int
    least_forms: int
    least_spacing: float
    most_spacing: float
    limits: Mapping[str, Limit]
    calibration: Mapping[str, str | int]

    def limit(self, budget: int, spacing: float) -> float:
        """The limit of the running number at a budget where forms lie so many weeks apart.

        :raises KeyError: the budget was not calibrated.
        """
        found = self.limits[str(budget)]
        inside = min(max(spacing, self.least_spacing), self.most_spacing)
        return round(found.weekly * float(inside**found.power), 3)


@cache
def constants() -> Constants:
    """The constants that ship with this version."""
    return msgspec.json.decode(files(__package__).joinpath("constants.json").read_bytes(), type=Constants)
