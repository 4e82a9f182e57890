"""The model: two latent courses followed forward form by form, for many clients at once. Needs numpy.

Growth and warning are each a Gaussian process over the weeks since the first form: a level, a trend and a slow
wandering (Ornstein-Uhlenbeck). A form is one noisy observation of each, in SDs of the intake population: the mean of
the lines that were answered, turned round where they are worded the other way, less what the person's agreeing style
adds; its error variance follows from SD, retest correlation and the number of lines answered. Conditioning on the forms
one after the other (Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, section 2.2; one row of the
Cholesky factor a form) gives, after each form, mean and error of every week up to then. What is said of a form depends
on nothing after it: row i of the factor rests on rows 0 to i alone.

For each of the last weeks the model gives how far the condition of `Condition` held; the running number is their sum,
recent weeks counting more: about the number of recent weeks in which it held.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .constants import Condition, Constants, Path

Array = np.ndarray[Any, np.dtype[Any]]
Pair = tuple[Array, ...]
"""Mean and error."""

GRID = 61
"""Weeks that are followed at once: 0 to 60."""
UNSEEN = 1e6
"""The error variance of a trait that a form does not show (padding)."""
GREW, FELL = 1, 2
DECIMALS = 6
"""Numbers are rounded to this many decimals, so that the order of a sum on another machine changes nothing."""
_LEAST_VARIANCE = 1e-4


@dataclass(frozen=True)
class Scale:
    """How answers become observations. `reverse`, `is_growth` one boolean a line; `top` is min + max of the answers,
    `low` their min.

    `unit` (growth, warning): points of the form in one SD of the intake population; `noise` the error variance of a
    complete form in squared SDs, from SD and retest correlation.
    """

    reverse: Array
    is_growth: Array
    top: int
    low: int
    unit: tuple[float, float]
    noise: tuple[float, float]


@dataclass(frozen=True)
class Seen:
    """What forms show, each (n, J): observed growth and warning in SDs, their error variances, the style taken off in
    points, the factor for a liking for the ends or the middle of the scale, whether the form can be read at all."""

    growth: Array
    warning: Array
    growth_noise: Array
    warning_noise: Array
    style: Array
    drawn: Array
    readable: Array


@dataclass(frozen=True)
class Followed:
    """What the model says after each form, the last axis being the weeks looked at, newest first.

    `held` (n, J, L) how far the condition held; means and errors of the warning level, its rise since intake and the
    quarter's change of growth; `number` (n, J) the running number; `weeks` which weeks these are; `grown` and
    `risen` (n, J) the change of growth and of warning since intake, as of the form's own week; `surer` (n, J) the surer
    of growth up and warning down, in its errors, and `told` which of them is good news (`GREW` + `FELL`).
    """

    number: Array
    held: Array
    level: Pair
    rise: Pair
    change: Pair
    weeks: Array
    grown: Pair
    risen: Pair
    surer: Array
    told: Array


def see(raw: Array, scale: Scale, constants: Constants) -> Seen:
    """Reads forms: raw answers (n, J, lines) as floats, NaN where there is none, in the order of time."""
    answered = ~np.isnan(raw)
    centre = np.where(scale.is_growth, constants.centre["growth"], constants.centre["warning"])
    scored = np.where(answered, np.where(scale.reverse, scale.top - raw, raw) - centre, 0.0)
    counts = [(answered & part).sum(-1) for part in (scale.is_growth, ~scale.is_growth)]
    style = _style(scored, answered, scale, constants)
    drawn, doubt = _spread(scored, answered, scale, constants)
    sign = np.where(scale.reverse, -1.0, 1.0)
    found, noises = [], []
    for index, part in enumerate((scale.is_growth, ~scale.is_growth)):
        lines = np.maximum(counts[index], 1)
        mean = scored[..., part].sum(-1) / lines
        added = style * ((answered & part) * sign).sum(-1) / lines
        found.append((mean - added) * drawn / scale.unit[index])
        fixed = constants.noise_fixed
        noises.append(scale.noise[index] * (fixed + (1 - fixed) * part.sum() / lines) * drawn**2 * doubt)
    least = constants.least_lines
    readable = (counts[0] >= least["growth"]) & (counts[1] >= least["warning"])
    return Seen(found[0], found[1], noises[0], noises[1], style, drawn, readable)


def _style(scored: Array, answered: Array, scale: Scale, constants: Constants) -> Array:
    """The agreeing style in points, as far as it shows up to each form, (n, J).

    Half the distance between lines worded one way and the other, averaged over both traits and the forms so far, drawn
    towards none while forms are few (an empirical Bayes mean).
    """
    halves = []
    for part in (scale.is_growth, ~scale.is_growth):
        means, both = [], np.ones(answered.shape[:-1], bool)
        for turned in (False, True):
            some = answered & part & (scale.reverse == turned)
            lines = some.sum(-1)
            means.append((scored * some).sum(-1) / np.maximum(lines, 1))
            both &= lines > 0
        halves.append((np.where(both, (means[0] - means[1]) / 2, 0.0), both))
    shown = halves[0][1].astype(int) + halves[1][1]
    here = (halves[0][0] + halves[1][0]) / np.maximum(shown, 1)
    forms = np.cumsum(shown > 0, axis=1)
    mean = np.cumsum(here, axis=1) / np.maximum(forms, 1)
    between, within = constants.style.between, constants.style.within
    style: Array = mean * between / (between + within / np.maximum(forms, 1))
    return style


def _spread(scored: Array, answered: Array, scale: Scale, constants: Constants) -> tuple[Array, Array]:
    """What follows from how far lines of one trait lie apart on a form, two factors (n, J).

    The first draws forms together that show a liking for the ends of the scale (below 1) or for its middle: judged by
    all forms so far, against the room that their means leave, since lines near an end of the scale cannot lie far
    apart. The second widens the error of a form on which lines that ask the same lie so far apart that it may have
    been filled in without care.
    """
    apart = np.zeros(answered.shape[:-1])
    room = np.zeros(answered.shape[:-1])
    for name, part in (("growth", scale.is_growth), ("warning", ~scale.is_growth)):
        there = answered[..., part]
        lines = np.maximum(there.sum(-1), 1)
        mean = scored[..., part].sum(-1) / lines
        apart += (((scored[..., part] - mean[..., None]) * there) ** 2).sum(-1)
        low = mean + constants.centre[name] - scale.low
        room += (lines - 1) * np.maximum(low * (scale.top - 2 * scale.low - low), 0.0)
    known = constants.extremity
    seen = known.usual * known.before + np.minimum(apart, known.cap * room).cumsum(1)
    share = seen / (known.before + room.cumsum(1))
    spread = 0.5 * known.pull * np.log(share / known.usual)
    drawn: Array = np.exp(-np.clip(spread, -known.most, known.most))
    here = apart / np.maximum(answered.sum(-1) - 2, 1)
    doubt: Array = np.maximum(1.0, here / known.doubt_from) ** known.doubt_power
    return drawn, doubt


def follow(weeks: Array, seen: Seen, constants: Constants) -> Followed:
    """Follows n clients with up to J forms each.

    :param weeks: (n, J) weeks since the first form, rising along each row, less than `GRID`; a negative one is padding
        at the end of a row.
    """
    there = weeks >= 0
    times = np.where(there, weeks, 0.0)
    grid = np.arange(GRID)
    earlier = np.maximum(grid - constants.change_weeks, 0)
    noise = [np.where(there, one, UNSEEN) for one in (seen.growth_noise, seen.warning_noise)]
    growth = _condition(times, seen.growth, noise[0], constants.growth)
    warning = _condition(times, seen.warning, noise[1], constants.warning)
    now = np.floor(times + 0.5).astype(int)
    window = now[:, :, None] - np.arange(constants.look_back + 1)
    inside, at = window >= 0, np.maximum(window, 0)
    change, level = _at_weeks(growth, at, earlier), _at_weeks(warning, at)
    rise = _at_weeks(warning, at, np.zeros(GRID, int))
    held = np.where(inside, _held(level, rise, change, inside, constants), 0.0)
    number = np.round((held * constants.fade ** np.arange(constants.look_back + 1)).sum(2), DECIMALS)
    grown, risen = _since_start(growth, now), _since_start(warning, now)
    return Followed(number, held, level, rise, change, window, grown, risen, *_news(grown, risen, constants))


class _Conditioned(NamedTuple):
    """One trait, conditioned on the forms one after the other: rows of the Cholesky factor, row j of form j.

    `level` (n, J, GRID) belongs to the weeks of the grid, `moved` (n, J) to what was observed; `own` is the prior
    covariance of the weeks.
    """

    level: Array
    moved: Array
    own: Array


def _condition(times: Array, seen: Array, noise: Array, path: Path) -> _Conditioned:
    """Conditions one trait on the forms one after the other."""
    clients, forms = times.shape
    grid = np.arange(GRID, dtype=float)
    weeks = _covariance(path, times, np.broadcast_to(grid, (clients, GRID)))
    rows = np.concatenate([_covariance(path, times, times), seen[..., None], weeks], axis=2)
    for form in range(forms):
        row = rows[:, form]
        if form:
            row -= (rows[:, :form, form][:, None, :] @ rows[:, :form])[:, 0]
        row /= np.sqrt(row[:, form] + noise[:, form])[:, None]
    return _Conditioned(rows[:, :, forms + 1 :], rows[:, :, forms], _covariance(path, grid[None], grid[None])[0])


def _at_weeks(trait: _Conditioned, at: Array, since: Array | None = None) -> Pair:
    """Mean and error of the level in the weeks `at` of each form, or of its change since other weeks, each (n, J, L).
    `since` names those for every week of the grid.

    Row j rests on forms 0 to j only. A change is a difference of levels, and so are its rows of the factor. Taken form
    by form: all weeks after all forms are many times what a processor keeps at hand.
    """
    grid, own = np.arange(GRID), trait.own
    before = own[grid, grid]
    if since is not None:
        before = before + own[since, since] - 2 * own[grid, since]
    clients, forms = trait.moved.shape
    sum_of, known_of = np.zeros((clients, GRID)), np.zeros((clients, GRID))
    mean, known = np.empty(at.shape), np.empty(at.shape)
    places = at + GRID * np.arange(clients)[:, None, None]
    for form in range(forms):
        part = trait.level[:, form]
        if since is not None:
            part = part - part.take(since, axis=1)
        known_of += part * part
        sum_of += part * trait.moved[:, form, None]
        mean[:, form] = sum_of.take(places[:, form])
        known[:, form] = known_of.take(places[:, form])
    return mean, np.sqrt(np.maximum(before[at] - known, _LEAST_VARIANCE))


def _since_start(trait: _Conditioned, now: Array) -> Pair:
    """Mean and error of the change since week 0, as of each form's own week `now` (n, J), each (n, J)."""
    part = np.take_along_axis(trait.level, now[:, None, :], 2) - trait.level[:, :, :1]
    part *= np.tri(now.shape[1], dtype=bool).T  # of forms up to this one alone
    before = trait.own[now, now] + trait.own[0, 0] - 2 * trait.own[now, 0]
    left = before - (part * part).sum(1)
    mean = (part * trait.moved[..., None]).sum(1)
    return np.round(mean, DECIMALS), np.round(np.sqrt(np.maximum(left, _LEAST_VARIANCE)), DECIMALS)


def _covariance(path: Path, one: Array, other: Array) -> Array:
    """Prior covariance between times, (n, a) and (n, b) in weeks: (n, a, b)."""
    left, right = np.exp(one / path.wander_weeks), np.exp(other / path.wander_weeks)
    near = left[:, :, None] / right[:, None, :]
    np.minimum(near, 1 / near, out=near)
    near *= path.wander
    covariance: Array = path.trend * one[:, :, None] * other[:, None, :]
    covariance += path.level
    covariance += near
    return covariance


def _news(grown: Pair, risen: Pair, constants: Constants) -> tuple[Array, Array]:
    """The surer of growth up and warning down, in its errors, and which of them is good news."""
    news = constants.news
    up, down = grown[0] / grown[1], -risen[0] / risen[1]
    grew = (up > news.sure) & (grown[0] > news.least) & (down >= -news.against)
    fell = (down > news.sure) & (-risen[0] > news.least) & (up >= -news.against)
    return np.round(np.maximum(up, down), 4), GREW * grew + FELL * fell


def _held(level: Pair, rise: Pair, change: Pair, inside: Array, constants: Constants) -> Array:
    """How far the condition held in each week of the window, newest first; between 0 and 1.

    A condition that had begun stays until lower limits: the share `stay_share` of that is added, week by week.
    """
    asked: Condition = constants.condition
    high = below(asked.level, level, above=True)
    risen = np.minimum(below(asked.rise, rise, above=True), below(asked.floor, level, above=True))
    begun = np.maximum(high, risen) * below(asked.growth, change)
    lasting = np.maximum(below(asked.stay_level, level, above=True), below(asked.stay_rise, rise, above=True))
    lasting = np.where(inside, np.maximum(lasting * below(asked.stay_growth, change), begun), 0.0)
    begun = np.where(inside, begun, 0.0)
    held, stays = np.empty_like(begun), np.zeros(begun.shape[:2])
    for week in range(begun.shape[2] - 1, -1, -1):
        stays = begun[..., week] + (lasting[..., week] - begun[..., week]) * stays
        held[..., week] = stays
    mixed: Array = begun + constants.stay_share * (held - begun)
    return mixed


def below(limit: float, pair: Pair, above: bool = False) -> Array:
    """How surely a normal value with that mean and error lies below (or above) a limit.

    The normal distribution by Page's logistic approximation (Applied Statistics 26, 1977), off by less than 0.0002.
    """
    mean, error = pair
    z = (mean - limit) / error if above else (limit - mean) / error
    z = np.clip(z, -6.0, 6.0)
    sure: Array = 1 / (1 + np.exp(-z * (1.5976 + 0.07056 * z * z)))
    return sure


def levels(weeks: Array, seen: Array, noise: Array, path: Path) -> Pair:
    """Mean and error of one trait in every week of the grid, in SDs, after all forms of one client."""
    every = np.broadcast_to(np.arange(GRID), (1, len(weeks), GRID))
    mean, error = _at_weeks(_condition(weeks[None], seen[None], noise[None], path), every)
    return mean[0, -1], error[0, -1]
