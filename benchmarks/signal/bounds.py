"""How well one could do at best: a detector that knows the simulated world, the lines' parameters and each one's style.

It weighs some ten thousand courses drawn from the simulator itself by how likely they make the answers so far (a
particle filter without moves), with the true loadings and thresholds of each line, the true answering style of each
client and the true spread of bad days; its number is the share of that weight on courses at risk whose onset has come.
No detector that has to learn all this from the answers can be expected to do much better.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import numpy as np
from handrail.plugin_core.signal import model
from handrail.plugin_core.signal.constants import constants
from handrail.plugin_core.signal.pages import scale_of

from .answers import IS_GROWTH, LINES, MISSING, REVERSED, Manner, instrument
from .courses import WEEKS, Floats, draw
from .figures import EARLY_WEEKS
from .truth import AT_RISK, judge
from .worlds import REFERENCE, World

PARTICLES = 24_000
GRID = np.linspace(-4.5, 4.5, 91)
SEED = 9001
LEAST_WEEKS = 8
BATCH = 200


def best_possible(world: World, manner: Manner = REFERENCE) -> Floats:
    """The running number of that detector, (n, WEEKS), minus infinity where there is no form."""
    rng = np.random.default_rng(SEED)
    drawn = draw(rng, PARTICLES)
    g, d = drawn.g, drawn.d
    whole = np.full(PARTICLES, WEEKS - 1)
    truth = judge(g, d, whole, np.ones(g.shape, bool))
    onset = np.where(truth.label == AT_RISK, truth.onset, 10 * WEEKS)
    ripe = onset[:, None] <= np.arange(WEEKS)[None, :] + EARLY_WEEKS
    cells = [np.clip(np.rint((one - GRID[0]) / (GRID[1] - GRID[0])), 0, len(GRID) - 1).astype(int) for one in (g, d)]
    blur = np.exp(-0.5 * ((GRID[:, None] - GRID[None, :]) / manner.day_sd) ** 2)
    blur /= blur.sum(1, keepdims=True)
    out = np.full((len(world.present), WEEKS), -np.inf)
    for client in range(len(world.present)):
        weight = np.zeros(PARTICLES)
        for week in np.flatnonzero(world.present[client]):
            seen = _likelihood(world, client, int(week), manner, blur)
            weight += seen[0][cells[0][:, week]] + seen[1][cells[1][:, week]]
            if week >= LEAST_WEEKS:
                share: Floats = np.exp(weight - float(np.max(weight)))
                out[client, week] = float((share * ripe[:, week]).sum() / share.sum())
    return out


def _likelihood(world: World, client: int, week: int, manner: Manner, blur: Floats) -> tuple[Floats, Floats]:
    """The logarithm of how likely the answers of one form are, for each value of growth and of warning on the grid."""
    answered = world.answered
    found = []
    for growth in (True, False):
        total = np.zeros(len(GRID))
        for line in np.flatnonzero(growth == IS_GROWTH):
            raw = answered.raw[client, week, line]
            if raw != MISSING:
                total += np.log(_probability(world, client, int(line), raw, manner))
        top = float(np.max(total))
        found.append(np.log(blur @ np.exp(total - top) + 1e-4))
    return found[0], found[1]


def _probability(world: World, client: int, line: int, raw: int, manner: Manner) -> Floats:
    """How likely an answer on a line is for each value of its trait on the grid (a graded-response model)."""
    answered = world.answered
    latent = answered.loadings[line] * GRID
    edges = -answered.cuts[line][::-1] if REVERSED[line] else answered.cuts[line]
    latent = (-latent if REVERSED[line] else latent) + answered.agree[client]
    edges = np.concatenate([[-np.inf], edges * answered.extreme[client], [np.inf]])
    high = 1 / (1 + np.exp(-(latent - edges[raw]) / manner.noise))
    low = 1 / (1 + np.exp(-(latent - edges[raw + 1]) / manner.noise))
    chance: Floats = np.maximum(high - low, 1e-6)
    return chance


def styles_known(world: World) -> Floats:
    """R1's running number where each client's answering style is given instead of estimated, (n, WEEKS).

    What a style does to a form in points follows from a regression of R1's own estimates on the true styles.
    """
    known, scale = constants(), scale_of(instrument(), constants())
    if scale is None:
        raise AssertionError("the form has constants")
    answered, out = world.answered, np.full((len(world.present), WEEKS), -np.inf)
    rows = [_Row(world, client) for client in range(len(world.present))]
    own = _seen(rows, scale, known)
    true = np.stack([answered.agree, np.log(answered.extreme)], 1)
    slopes = [np.polyfit(true[:, n], own[:, n], 1) for n in (0, 1)]
    style, drawn = np.polyval(slopes[0], true[:, 0]), np.exp(np.polyval(slopes[1], true[:, 1]))
    for start in range(0, len(rows), BATCH):
        some = rows[start : start + BATCH]
        raw, weeks = _packed(some)
        at, shape = slice(start, start + len(some)), weeks.shape
        given = [np.broadcast_to(values[at, None], shape) for values in (style, drawn)]
        with (
            patch.object(model, "_style", _style_given(given[0])),
            patch.object(model, "_spread", _drawn_given(given[1], model._spread)),
        ):
            found = model.follow(weeks, model.see(raw, scale, known), known)
        for number, row in zip(found.number, some, strict=True):
            judged = (np.arange(len(row.weeks)) + 1 >= known.least_forms) & (row.times >= known.least_weeks)
            out[row.client, row.weeks[judged]] = number[: len(row.weeks)][judged]
    return out


def _style_given(style: Floats) -> Callable[..., Floats]:
    return lambda *_: style


def _drawn_given(drawn: Floats, own: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args: (drawn, own(*args)[1])


class _Row:
    """The forms of one client that R1 reads."""

    def __init__(self, world: World, client: int) -> None:
        raw = world.answered.raw[client].astype(float)
        raw[raw == MISSING] = np.nan
        straight = np.nanmax(raw[:, :15], 1, initial=-1) == np.nanmin(raw[:, :15], 1, initial=9)
        there = ~np.isnan(raw)
        enough = (there[:, IS_GROWTH].sum(1) >= 3) & (there[:, ~IS_GROWTH].sum(1) >= 2)
        self.client = client
        self.weeks = np.flatnonzero(world.present[client] & enough & ~straight)
        self.times = (world.days[client, self.weeks] - world.days[client, self.weeks[:1]]) / 7
        self.raw = raw[self.weeks]


def _packed(rows: list[_Row]) -> tuple[Floats, Floats]:
    longest = max(len(row.weeks) for row in rows)
    raw = np.full((len(rows), longest, len(LINES)), np.nan)
    weeks = np.full((len(rows), longest), -1.0)
    for n, row in enumerate(rows):
        raw[n, : len(row.weeks)], weeks[n, : len(row.weeks)] = row.raw, row.times
    return raw, weeks


def _seen(rows: list[_Row], scale: Any, known: Any) -> Floats:
    """R1's own estimates after each client's last form: agreeing in points, logarithm of the factor for the ends."""
    found = []
    for start in range(0, len(rows), BATCH):
        some = rows[start : start + BATCH]
        seen = model.see(_packed(some)[0], scale, known)
        last = [max(len(row.weeks) - 1, 0) for row in some]
        at = np.arange(len(some))
        found.append(np.stack([seen.style[at, last], np.log(seen.drawn[at, last])], 1))
    return np.concatenate(found)
