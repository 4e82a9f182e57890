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
    """How far lines of one trait usually lie apart (variance in squared points), read on forms with more than
    `least_lines`, each counted as at most `cap`; half trusted after `forms` forms.

    `pull` is how strongly it counts, and the logarithm of the factor is held within `most`. Beyond `doubt_from` a
    form's error variance grows with the power `doubt_power` of it.
    """

    usual: float
    least_lines: int
    forms: float
    most: float
    pull: float
    cap: float
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
class Constants:
    """Everything that the model assumes. Names are explained in docs/signal.md.

    `thresholds` maps a budget to the running number beyond which the rule is met; `calibration` says which run made it.
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
    stay_share: float
    fade: float
    look_back: int
    change_weeks: int
    least_weeks: int
    least_forms: int
    thresholds: Mapping[str, float]
    calibration: Mapping[str, str | int]

    def threshold(self, budget: int) -> float:
        """The limit of the running number at a budget. Raises KeyError for one that was not calibrated."""
        return self.thresholds[str(budget)]


@cache
def constants() -> Constants:
    """The constants that ship with this version."""
    return msgspec.json.decode(files(__package__).joinpath("constants.json").read_bytes(), type=Constants)
