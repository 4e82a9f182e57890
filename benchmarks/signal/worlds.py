"""The worlds: who comes how often and for how long, with which answers. The reference world and a shifted one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .answers import MISSING, Answered, Manner, answer
from .courses import WEEKS, Courses, Floats, draw
from .truth import Truth, judge

REFERENCE = Manner()
SHIFTED = Manner(
    growth=(), warning=(), noise=0.68, day_sd=0.5, tails=4.0, centre=(-0.15, 0.45), agree_sd=0.4, extreme_sd=0.3
)
"""Other loadings, weaker reliability, heavy tails, other means. Its figures are looked at, never tuned on."""

SPACINGS = {
    "weekly": (1, 0.75),
    "fortnightly": (2, 0.85),
    "four-weekly": (4, 0.92),
    "sparse": (1, 0.45),
    "monthly": (4, 1.0),
}
"""Weeks between forms as planned, and how often the planned one is answered."""
MIXED = "mixed"
"""Each client by one of the first three."""


@dataclass(frozen=True)
class World:
    """One simulated practice: `days` (n, WEEKS) since the first form, `present` where there is a form."""

    courses: Courses
    answered: Answered
    truth: Truth
    present: Any
    days: Floats
    end: Any
    spacing: str


def make(seed: int, n: int, spacing: str = "weekly", manner: Manner = REFERENCE, **changes: float) -> World:
    """A world of n clients; the same seed gives the same world. `changes` replace parts of the manner."""
    rng = np.random.default_rng(seed)
    courses = draw(rng, n)
    end = _last_week(rng, courses)
    present = _present(rng, n, spacing) & (np.arange(WEEKS)[None, :] <= end[:, None])
    answered = answer(rng, courses, replace(manner, **changes))  # type: ignore[arg-type]
    answered.raw[~present] = MISSING
    days = np.asarray(7.0 * np.arange(WEEKS)[None, :] + rng.integers(0, 4, (n, WEEKS)), np.float64)
    days[:, 0] = 0
    return World(courses, answered, judge(courses.g, courses.d, end, present), present, days, end, spacing)


def _last_week(rng: np.random.Generator, courses: Courses) -> Any:
    """Drop-out depends on the course: those meant to be at risk stay longer. Nobody leaves before week 6."""
    hazard = np.where(courses.meant_benign, 0.012, 0.006)[:, None]
    leaves = rng.random(courses.g.shape) < hazard
    return np.where(leaves.any(1), np.maximum(leaves.argmax(1), 6), WEEKS - 1)


def _present(rng: np.random.Generator, n: int, spacing: str) -> Any:
    if spacing == MIXED:
        parts = [_present(rng, n, name) for name in ("weekly", "fortnightly", "four-weekly")]
        return np.choose(rng.integers(0, len(parts), n)[:, None], parts)
    every, chance = SPACINGS[spacing]
    present = (rng.random((n, WEEKS)) < chance) & (np.arange(WEEKS) % every == 0)[None, :]
    present[:, 0] = True
    return present
