"""Detectors on one world: the baselines of the field on the warning score, Handrail's plain rules, and R1.

Each gives a running number for each form, (n, WEEKS), minus infinity where there is no form or nothing can be said;
higher is stronger. A threshold is set afterwards, at the same share of false alarms for all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from handrail.plugin_core.rules import KEPT_APART, builtin_rules
from handrail.plugin_core.rules.life import fold
from handrail.plugin_core.scoring import Scorer
from handrail.plugin_core.signal.constants import BUDGETS, constants
from handrail.plugin_core.signal.rule import follow_course, judge, spacing_of
from handrail.schemas.records import Course

from .answers import IS_GROWTH, MISSING, REVERSED, instrument
from .courses import WEEKS, Floats
from .lines import course
from .worlds import World

NONE = -np.inf
SEM = 0.85 * np.sqrt(1 - 0.72)
PLAIN = ("P1", "P2", "P3", "P5")
"""The plain rules that can be judged here: P4 and P6 need sessions and a self-check, P7 is a note."""

Detector = Callable[[World], Floats]


def warning(world: World) -> Floats:
    """The warning score of each form by the form's own rule (5 of 6 lines), NaN where there is none."""
    raw = world.answered.raw[..., ~IS_GROWTH].astype(float)
    raw[raw == MISSING] = np.nan
    scored = np.where(REVERSED[~IS_GROWTH], 4 - raw, raw)
    lines = (~np.isnan(scored)).sum(-1)
    value: Floats = np.where(lines >= 5, np.nansum(scored, -1) / np.maximum(lines, 1), np.nan)
    return value


def _walk(world: World, step: Callable[[list[tuple[float, float]]], float]) -> Floats:
    """Lets a textbook rule go along each client's forms: it sees (week, score) up to and with each form."""
    values = warning(world)
    out = np.full(values.shape, NONE)
    for client in range(len(values)):
        seen: list[tuple[float, float]] = []
        for week in np.flatnonzero(~np.isnan(values[client])):
            seen.append((float(week), float(values[client, week])))
            out[client, week] = step(seen)
    return out


def level(world: World) -> Floats:
    """The score itself."""
    return _walk(world, lambda seen: seen[-1][1])


def two_in_a_row(world: World) -> Floats:
    """The smaller of the last two rises above the first form."""
    return _walk(world, lambda seen: min(v for _, v in seen[-2:]) - seen[0][1] if len(seen) > 2 else NONE)


def jacobson_truax(world: World) -> Floats:
    """The reliable change index against the first form (Jacobson and Truax 1991)."""
    return _walk(world, lambda seen: (seen[-1][1] - seen[0][1]) / (SEM * np.sqrt(2)) if len(seen) > 1 else NONE)


def expected_course(world: World) -> Floats:
    """Distance above what is expected from the first score, drawn to the mean as far as retest allows."""
    mean = float(np.nanmean(warning(world)[:, 0]))
    return _walk(world, lambda seen: seen[-1][1] - (mean + 0.72 * (seen[0][1] - mean)))


def ewma(world: World, weight: float = 0.3) -> Floats:
    """An exponentially weighted mean of the score (Roberts 1959), from the population's mean on."""
    mean = float(np.nanmean(warning(world)[:, 0]))

    def step(seen: list[tuple[float, float]]) -> float:
        now = 0.0
        for _, value in seen:
            now = (1 - weight) * now + weight * (value - mean)
        return now

    return _walk(world, step)


def cusum(world: World, slack: float = 0.25) -> Floats:
    """A one-sided cumulative sum above the mean of the first two forms (Page 1954)."""

    def step(seen: list[tuple[float, float]]) -> float:
        base = sum(v for _, v in seen[:2]) / len(seen[:2])
        now = 0.0
        for _, value in seen[2:]:
            now = max(0.0, now + value - base - slack)
        return now

    return _walk(world, step)


def slope(world: World) -> Floats:
    """The least-squares slope over all forms so far, in its own standard errors."""

    def step(seen: list[tuple[float, float]]) -> float:
        if len(seen) < 4:
            return NONE
        weeks, values = np.array(seen).T
        spread = ((weeks - weeks.mean()) ** 2).sum()
        return float(((weeks - weeks.mean()) * values).sum() / np.sqrt(spread) / SEM)

    return _walk(world, step)


SPACING = "spacing"


def met_at(budget: int) -> str:
    """The name under which `by_rules` says where R1 is met at the limit that ships."""
    return f"R1 met at {budget}"


def by_rules(world: World, rules: tuple[str, ...]) -> dict[str, Floats]:
    """Handrail's own rules by its own code. R1, P1 and P2: the running number; the others 1 while the flag stands.

    With R1 come, for each budget, where it is met at the limit that ships (1, else 0), and the weeks between forms.
    """
    scorer, shape = Scorer(instrument()), (len(world.present), WEEKS)
    chosen = [rule for rule in builtin_rules() if rule.id in rules]
    out = {rule.id: np.full(shape, NONE) for rule in chosen}
    if "R1" in out:
        out |= {name: np.full(shape, NONE) for name in (SPACING, *map(met_at, BUDGETS))}
    for start in range(0, len(world.present), 200):
        page = {n: course(world, n, scorer) for n in range(start, min(start + 200, len(world.present)))}
        for rule in chosen:
            if rule.prepare is not None:
                rule.prepare(list(page.values()))
        for client, one in page.items():
            weeks = np.flatnonzero(world.present[client])
            for rule in chosen:
                readings = rule.judge(one)
                if rule.id in ("R1", "P1", "P2"):
                    out[rule.id][client, weeks] = [NONE if r.score is None else r.score for r in readings]
                    if rule.id == "R1":
                        _at_limits(out, client, weeks, one)
                    continue
                for episode in fold(rule, one, readings):
                    out[rule.id][client, weeks[episode.opened : episode.closed]] = 1.0
    return out


def _at_limits(out: dict[str, Floats], client: int, weeks: Any, one: Course) -> None:
    """Where R1 is met at each budget, and how many weeks lie between the forms, for one client."""
    for budget in BUDGETS:
        met = [reading.met for reading in judge(one, apart=KEPT_APART, budget=budget)]
        out[met_at(budget)][client, weeks] = [NONE if found is None else float(found) for found in met]
    found = follow_course(one)
    for stretch in found.read:
        spacings = spacing_of([found.view.days[index] for index in stretch], constants())
        out[SPACING][client, weeks[stretch]] = spacings


BASELINES: Mapping[str, Detector] = {
    "level": level,
    "two in a row": two_in_a_row,
    "Jacobson-Truax": jacobson_truax,
    "expected course": expected_course,
    "EWMA": ewma,
    "CUSUM": cusum,
    "slope": slope,
}


def numbers(world: World, names: tuple[str, ...] = (*BASELINES, "R1", "P1")) -> dict[str, Any]:
    """The running numbers of the named detectors."""
    found: dict[str, Any] = {name: BASELINES[name](world) for name in names if name in BASELINES}
    found.update(by_rules(world, tuple(name for name in names if name not in BASELINES)))
    return found
