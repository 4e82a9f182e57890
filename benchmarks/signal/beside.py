"""Whether relief and symptoms help to find: R1's number with a share of each added, the shares chosen on other seeds.

Relief is the line "I left my last session feeling better" (F1), steps the line on something new (F2), both as means of
the last four forms. Symptoms are a questionnaire of their own that is simulated here: they fall as growth rises, go up
for a while in productive distress, and wander; what counts is their change since the first two forms.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np

from .courses import WEEKS, Floats, wander
from .figures import figures, threshold_at
from .tables import Run, mean, percent, runs, table
from .worlds import World

CHOSEN_ON = 6000
SHARES = (-0.6, -0.3, 0.0, 0.3, 0.6)
LAST = 4
SYMPTOM_ERROR = 0.45


def _recent(world: World, values: Floats) -> Floats:
    """The mean of the last four forms up to each form, (n, WEEKS)."""
    out = np.zeros(values.shape)
    for client in range(len(values)):
        weeks = np.flatnonzero(world.present[client])
        for nth, week in enumerate(weeks):
            out[client, week] = values[client, weeks[max(nth - LAST + 1, 0) : nth + 1]].mean()
    return out


def _symptoms(world: World) -> Floats:
    """The observed symptom score of each week, in SDs."""
    rng = np.random.default_rng(77)
    g, weeks = world.courses.g, np.arange(WEEKS)[None, :]
    n = len(g)
    distress = (world.courses.relief < 0)[:, None] & (weeks >= 6) & (weeks < 26)
    path = rng.normal(0, 0.85, (n, 1)) - 0.5 * (g - g[:, :1]) + 0.8 * distress + wander(rng, n)
    observed: Floats = path + rng.normal(0, SYMPTOM_ERROR, (n, WEEKS))
    return observed


def _features(world: World) -> tuple[Floats, Floats, Floats]:
    symptoms = _recent(world, _symptoms(world))
    first = np.take_along_axis(symptoms, np.argmax(world.present, 1)[:, None], 1)
    relief, steps = (_recent(world, world.answered.beside[..., n].astype(float)) - 2 for n in (0, 1))
    return relief, steps, symptoms - first


def _found(
    found: Sequence[Run], features: Sequence[tuple[Floats, ...]], shares: Sequence[float]
) -> tuple[float, float]:
    """Sensitivity in the year and within 16 weeks at 5 % false alarms with these shares added."""
    rows = []
    for run, parts in zip(found, features, strict=True):
        number = run.numbers["R1"] + sum(share * part for share, part in zip(shares, parts, strict=True))
        rows.append(figures(run.world, number, threshold_at(run.world, number, 0.05)))
    whole = mean(rows)
    return whole.sensitivity, whole.soon


def gain(fresh: Sequence[Run]) -> str:
    """A table of what each adds on fresh seeds."""
    tuned = runs(CHOSEN_ON, "weekly", ("R1",), seeds=(3001, 3002, 3003, 3004))
    known, features = [_features(run.world) for run in tuned], [_features(run.world) for run in fresh]
    rows = []
    for title, used in (
        ("R1", ()),
        ("and relief, new steps", (0, 1)),
        ("and symptoms", (2,)),
        ("and all three", (0, 1, 2)),
    ):
        tried = list(product(*(SHARES if n in used else (0.0,) for n in range(3))))
        best = max(tried, key=lambda shares: _found(tuned, known, shares))
        year, soon = _found(fresh, features, best)
        shares = ", ".join(f"{share:g}" for share in best)
        rows.append([title, shares, percent(year), percent(soon)])
    return table(
        ["detector", "shares of relief, steps, symptoms", "in the year at 5 %", "within 16 weeks at 5 %"], rows
    )
