"""Latent weekly courses of growth (G) and of warning (D), in SDs of the intake population, class by class.

A class says how a course comes about; it never decides whether the client should be flagged: `truth.py` does, from the
path alone. Sizes, starts and lengths are drawn from uniform ranges, week 0 is intake.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

WEEKS = 53
WANDER_SD, WANDER_WEEKS = 0.18, 6.0

Floats = np.ndarray[Any, np.dtype[np.float64]]
Range = tuple[float, float]


@dataclass(frozen=True)
class Ramp:
    """A change of `size` that begins at week `start` and takes `length` weeks; `sign` -1 turns it round."""

    start: Range
    length: Range
    size: Range
    sign: float = 1.0

    def draw(self, rng: np.random.Generator, n: int) -> Floats:
        """One such change for each of n clients: (n, WEEKS)."""
        start, length, size = (rng.uniform(*bounds, (n, 1)) for bounds in (self.start, self.length, self.size))
        rise: Floats = np.clip((np.arange(WEEKS)[None, :] - start) / length, 0, 1) * size * self.sign
        return rise


@dataclass(frozen=True)
class Pulse:
    """A stretch of `length` weeks from `start` on, moved by `size`, then back."""

    start: Range
    length: Range
    size: Range
    sign: float = 1.0

    def draw(self, rng: np.random.Generator, n: int) -> Floats:
        """One such stretch for each of n clients: (n, WEEKS)."""
        start, length, size = (rng.uniform(*bounds, (n, 1)) for bounds in (self.start, self.length, self.size))
        weeks = np.arange(WEEKS)[None, :]
        inside = (weeks >= start) & (weeks < start + length)
        moved: Floats = inside * size * self.sign
        return moved


Move = Ramp | Pulse
_WHOLE = (0.0, 0.0), (52.0, 52.0)


@dataclass(frozen=True)
class Kind:
    """One class of courses. The intake level of D is `d_scale` times a standard one plus a draw of `d_shift`.

    `benign` is what the class is meant to be, and is used for drop-out and for tables only. `relief` and `mood` move
    the lines on relief and the mood beside.
    """

    share: float
    benign: bool
    g: tuple[Move, ...] = ()
    d: tuple[Move, ...] = ()
    d_scale: float = 1.0
    d_shift: Range = (0.0, 0.0)
    d_cap: float | None = None
    relief: float = 0.0


KINDS: Mapping[str, Kind] = {
    "slow rise": Kind(1.0, False, (Ramp(*_WHOLE, (-0.5, 0.25)),), (Ramp((2, 20), (12, 30), (1.0, 2.2)),)),
    "sudden rise": Kind(1.0, False, (Ramp(*_WHOLE, (-0.4, 0.25)),), (Ramp((4, 28), (1, 4), (1.1, 2.2)),)),
    "high from the start": Kind(
        1.0, False, (Ramp(*_WHOLE, (-0.4, 0.25)),), (Ramp(*_WHOLE, (-0.2, 0.4)),), 0.0, (1.1, 2.3)
    ),
    "relief without change": Kind(
        1.0, False, (Ramp(*_WHOLE, (-0.3, 0.2)),), (Ramp((0, 16), (8, 24), (0.9, 2.0)),), relief=1.0
    ),
    "reliance up, growth down": Kind(
        1.0, False, (Ramp((4, 24), (10, 24), (0.3, 1.2), -1),), (Ramp((4, 24), (10, 24), (0.9, 1.9)),)
    ),
    "early reliance that passes": Kind(
        1.6, True, (Ramp((2, 8), (20, 40), (0.6, 1.6)),), (Ramp((4, 10), (4, 10), (1.0, 2.0), -1),), 0.5, (0.6, 1.6)
    ),
    "reliance beside growth": Kind(1.4, True, (Ramp(*_WHOLE, (1.4, 2.6)),), (Ramp((0, 10), (6, 16), (0.6, 1.4)),)),
    "leaning while growing": Kind(
        1.0, True, (Ramp(*_WHOLE, (1.4, 2.4)),), (Ramp((26, 40), (6, 12), (0.5, 1.5), -1),), 0.4, (0.8, 1.6)
    ),
    "productive distress": Kind(
        1.4, True, (Ramp((4, 12), (20, 36), (0.8, 1.8)),), (Ramp(*_WHOLE, (-0.4, 0.2)),), 0.7, (-0.2, -0.2), relief=-1.0
    ),
    "long by choice": Kind(1.4, True, (Ramp(*_WHOLE, (-0.2, 0.3)),), (), 0.5, (-0.6, -0.6)),
    "flat": Kind(1.6, True, (Ramp(*_WHOLE, (-0.3, 0.3)),), (), 1.0, (-0.2, -0.2), d_cap=0.5),
    "steady growth": Kind(2.0, True, (Ramp((0, 6), (20, 45), (0.6, 1.8)),), (Ramp((0, 0), (40, 40), (0.0, 0.9), -1),)),
    "bad weeks": Kind(
        1.2,
        True,
        (Pulse((6, 44), (1, 4), (0.5, 1.2), -1), Ramp(*_WHOLE, (0.0, 1.0))),
        (Pulse((6, 44), (1, 4), (0.8, 1.6)),),
        0.7,
        (-0.3, -0.3),
    ),
    "growth lost, little reliance": Kind(1.2, True, (Ramp((4, 24), (8, 20), (0.5, 1.4), -1),), (), 0.5, (-0.5, -0.5)),
    "late growth": Kind(1.2, True, (Ramp((14, 26), (16, 26), (0.8, 1.8)),), (), 0.7, (-0.2, -0.2)),
}
EARLY = "early reliance that passes"
LEANING = "leaning while growing"
DISTRESS = "productive distress"


@dataclass(frozen=True)
class Courses:
    """Paths of n clients over WEEKS weeks: `g` and `d` (n, WEEKS), the class of each as an index into KINDS."""

    kind: Any
    g: Floats
    d: Floats
    relief: Floats = field(repr=False)

    @property
    def meant_benign(self) -> Any:
        """What the class was meant to be, one boolean a client."""
        return np.array([kind.benign for kind in KINDS.values()])[self.kind]


def draw(rng: np.random.Generator, n: int, intake_sd: float = 0.85) -> Courses:
    """Draws the courses of n clients, with a slow wandering of their own on top of their class's shape."""
    shares = np.array([kind.share for kind in KINDS.values()])
    chosen = rng.choice(len(shares), n, p=shares / shares.sum())
    g = np.repeat(rng.normal(0, intake_sd, (n, 1)), WEEKS, axis=1)
    d = np.zeros((n, WEEKS))
    intake, relief = rng.normal(0, intake_sd, n), np.zeros(n)
    for index, kind in enumerate(KINDS.values()):
        who = np.flatnonzero(chosen == index)
        level = intake[who] * kind.d_scale + rng.uniform(*kind.d_shift, len(who))
        level = level if kind.d_cap is None else np.minimum(level + 0.2, kind.d_cap) - 0.2
        g[who] += sum((move.draw(rng, len(who)) for move in kind.g), np.zeros((len(who), WEEKS)))
        d[who] = level[:, None] + sum((move.draw(rng, len(who)) for move in kind.d), np.zeros((len(who), WEEKS)))
        relief[who] = kind.relief
    return Courses(chosen, g + wander(rng, n), d + wander(rng, n), relief)


def wander(rng: np.random.Generator, n: int, weeks: int = WEEKS) -> Floats:
    """A stationary Ornstein-Uhlenbeck path for each client."""
    keep = np.exp(-1 / WANDER_WEEKS)
    steps = rng.normal(0, WANDER_SD, (n, weeks))
    for week in range(1, weeks):
        steps[:, week] = keep * steps[:, week - 1] + np.sqrt(1 - keep**2) * steps[:, week]
    return steps
