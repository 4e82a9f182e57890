"""Answers on `gr18` by a graded-response model: lines, styles, bad days, careless people, missing lines.

A line's answer is the number of its thresholds that a latent response exceeds; the latent response is the line's
loading times the trait of that day, plus logistic noise; a line worded the other way has it turned round. An agreeing
style adds to every line as worded, whichever way it is keyed; an extreme style draws the thresholds together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from handrail.plugin_core.instruments import builtin
from handrail.schemas.records import Instrument

from .courses import Courses, Floats

_GR18 = next(one for one in builtin() if one.id == "gr18")
GROWTH = _GR18.score("growth").items
WARNING = _GR18.score("warning").items
LINES = (*GROWTH, *WARNING)
BESIDE = ("F1", "F2")
REVERSED = np.array([_GR18.item(name).reverse for name in LINES])
IS_GROWTH = np.array([name in GROWTH for name in LINES])
MISSING = -1


def instrument() -> Instrument:
    """The form that is answered."""
    return _GR18


@dataclass(frozen=True)
class Manner:
    """How a world answers. `spread` ranges of loadings; `noise` of a line; `day_sd` of a form, `shared` of it common
    to all lines; heavy tails with `tails` degrees of freedom; `styles` switches answering styles on."""

    growth: tuple[float, ...] | tuple[()] = (0.9, 1.1, 1.0, 0.8, 1.0, 0.8, 0.9, 0.9, 0.7, 0.8)
    warning: tuple[float, ...] | tuple[()] = (0.9, 1.1, 0.6, 0.6, 1.0, 1.0)
    loading: tuple[float, float] = (0.6, 1.2)
    noise: float = 0.55
    day_sd: float = 0.25
    shared: float = 0.6
    tails: float = 0.0
    centre: tuple[float, float] = (0.0, 0.3)
    agree_sd: float = 0.35
    extreme_sd: float = 0.25
    missing: float = 0.03
    careless: float = 0.02
    straight: float = 0.01


@dataclass(frozen=True)
class Answered:
    """Raw answers (n, WEEKS, 16) in the order of LINES, MISSING where left out; F1 and F2 beside; each one's style; and
    what this world's lines are like."""

    raw: Any
    beside: Any
    agree: Floats
    extreme: Floats
    loadings: Floats
    cuts: list[Floats]


def answer(rng: np.random.Generator, courses: Courses, manner: Manner) -> Answered:
    """Answers for every client and week; which weeks have a form is decided elsewhere."""
    n, weeks = courses.g.shape
    traits = _days(rng, courses, manner)
    loadings = _loadings(rng, manner)
    cuts = _thresholds(rng, manner)
    agree = rng.normal(0, 1, n) * manner.agree_sd
    extreme = np.exp(rng.normal(0, 1, n) * manner.extreme_sd)
    raw = np.empty((n, weeks, len(LINES)), np.int8)
    for line in range(len(LINES)):
        latent = loadings[line] * traits[0 if IS_GROWTH[line] else 1] + rng.logistic(0, manner.noise, (n, weeks))
        latent = (-latent if REVERSED[line] else latent) + agree[:, None]
        edges = -cuts[line][::-1] if REVERSED[line] else cuts[line]
        raw[..., line] = (latent[..., None] > edges * extreme[:, None, None]).sum(-1)
    _spoil(rng, raw, manner)
    return Answered(raw, _beside(rng, courses, traits), agree, extreme, loadings, cuts)


def _days(rng: np.random.Generator, courses: Courses, manner: Manner) -> tuple[Floats, Floats]:
    """Growth and warning as they are on the day of a form: a bad day lowers the one and raises the other."""
    shape = courses.g.shape
    draw = (lambda: rng.normal(0, 1, shape)) if not manner.tails else (lambda: _heavy(rng, manner.tails, shape))
    day, apart = draw(), np.sqrt(1 - manner.shared**2)
    g = courses.g - manner.day_sd * (manner.shared * day + apart * rng.normal(0, 1, shape))
    d = courses.d + manner.day_sd * (manner.shared * day + apart * rng.normal(0, 1, shape))
    return g, d


def _heavy(rng: np.random.Generator, tails: float, shape: tuple[int, ...]) -> Floats:
    drawn: Floats = rng.standard_t(tails, shape) / np.sqrt(tails / (tails - 2))
    return drawn


def _loadings(rng: np.random.Generator, manner: Manner) -> Floats:
    fixed = [*manner.growth, *manner.warning]
    return np.array(fixed) if fixed else rng.uniform(*manner.loading, len(LINES))


def _thresholds(rng: np.random.Generator, manner: Manner) -> list[Floats]:
    return [
        np.sort(rng.normal(0, 0.2, 4) + np.array([-1.5, -0.5, 0.5, 1.5]) + manner.centre[0 if growth else 1])
        for growth in IS_GROWTH
    ]


def _spoil(rng: np.random.Generator, raw: Any, manner: Manner) -> None:
    """Careless people answer half of their forms at random, straight-liners a third with one number; some lines are
    left out."""
    n, weeks, lines = raw.shape
    who = rng.random(n)
    careless = (who < manner.careless)[:, None] & (rng.random((n, weeks)) < 0.5)
    raw[careless] = rng.integers(0, 5, (int(careless.sum()), lines))
    straight = (who > 1 - manner.straight)[:, None] & (rng.random((n, weeks)) < 1 / 3)
    raw[straight] = rng.integers(0, 5, (int(straight.sum()), 1))
    raw[rng.random(raw.shape) < manner.missing] = MISSING


def _beside(rng: np.random.Generator, courses: Courses, traits: tuple[Floats, Floats]) -> Any:
    """F1 (felt better) follows relief; F2 (a new step) follows how much growth moved within a quarter."""
    n, weeks = courses.g.shape
    earlier = courses.g[:, np.maximum(np.arange(weeks) - 8, 0)]
    relief = courses.relief[:, None] * 0.8 + 0.4 + rng.logistic(0, 0.55, (n, weeks))
    step = 1.2 * (courses.g - earlier) + 0.3 * traits[0] + rng.logistic(0, 0.55, (n, weeks)) - 0.2
    edges = np.array([-1.5, -0.5, 0.5, 1.5])
    return np.stack([(x[..., None] > edges).sum(-1) for x in (relief, step)], -1).astype(np.int8)
