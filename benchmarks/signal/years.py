"""How often R1 prompts about clients who are well in the second and third year, which the budget says nothing of.

Three benign kinds that go on for three years: long by choice with little reliance, flat with little reliance, and
growth that comes to rest after the first year. None ever meets the condition for eight weeks in a row.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
from handrail.plugin_core.rules import KEPT_APART
from handrail.plugin_core.scoring import Scorer
from handrail.plugin_core.signal.rule import rule_r1
from handrail.schemas.records import Course, Response

from .answers import LINES, MISSING, answer, instrument
from .courses import Courses, Floats, wander
from .lines import START
from .truth import NEARLY_WEEKS, condition
from .worlds import REFERENCE, SPACINGS

YEARS, YEAR = 3, 52
WEEKS = YEARS * YEAR + 1
PAGE = 200
SEED = 3001


def by_year(clients: int, spacing: str) -> str:
    """One row of a table: the share of benign clients for whom R1 is met at some form of each year, default budget."""
    rng = np.random.default_rng(SEED)
    g, d = _paths(rng, clients)
    none = np.zeros(clients)
    raw = answer(rng, Courses(none.astype(int), g, d, none), REFERENCE).raw
    every, chance = SPACINGS[spacing]
    present = (rng.random(g.shape) < chance) & (np.arange(WEEKS) % every == 0)[None, :]
    present[:, 0] = True
    met = _met(raw, present)[_longest(condition(g, d, np.full(clients, WEEKS))) < NEARLY_WEEKS]
    shares = [100 * met[:, YEAR * year : YEAR * (year + 1)].any(1).mean() for year in range(YEARS)]
    return f"| {spacing} | {len(met):,} | " + " | ".join(f"{share:.1f} %" for share in shares) + " |"


def _paths(rng: np.random.Generator, clients: int) -> tuple[Floats, Floats]:
    kind, weeks = np.arange(clients) % 3, np.arange(WEEKS)
    intake, size = rng.normal(0, 0.85, clients), rng.uniform(0.6, 1.8, clients)
    level = np.choose(kind, [0.5 * intake - 0.6, np.minimum(intake, 0.5) - 0.2, 0.7 * intake - 0.2])
    grown = np.where(kind == 2, size, 0.0)[:, None] * np.clip(weeks / 40, 0, 1)[None, :]
    g = rng.normal(0, 0.85, (clients, 1)) + grown + wander(rng, clients, WEEKS)
    return g, level[:, None] + wander(rng, clients, WEEKS)


def _longest(holds: Any) -> Any:
    run, longest = np.zeros(len(holds), int), np.zeros(len(holds), int)
    for week in range(holds.shape[1]):
        run = np.where(holds[:, week], run + 1, 0)
        longest = np.maximum(longest, run)
    return longest


def _met(raw: Any, present: Any) -> Any:
    """In which weeks R1 is met, (n, WEEKS), by the product's own code."""
    scorer, form, rule = Scorer(instrument()), instrument(), rule_r1(KEPT_APART)
    met = np.zeros(present.shape, bool)
    for first in range(0, len(present), PAGE):
        page = {}
        for client in range(first, min(first + PAGE, len(present))):
            forms = []
            for week in present[client].nonzero()[0]:
                given = zip(LINES, raw[client, week], strict=True)
                answers = {name: int(value) for name, value in given if value != MISSING}
                when = START + timedelta(weeks=float(week))
                forms.append(
                    scorer.form(Response(f"{client}-{week}", f"c{client}", form.id, form.version, when, answers))
                )
            page[client] = Course(f"c{client}", form, tuple(forms))
        if rule.prepare is not None:
            rule.prepare(list(page.values()))
        for client, course in page.items():
            met[client, present[client]] = [bool(reading.met) for reading in rule.judge(course)]
    return met
