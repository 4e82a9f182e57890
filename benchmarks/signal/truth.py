"""Who counts as a client to flag: decided by the latent path alone, as the signal's documentation defines it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .courses import WEEKS, Floats

AT_RISK, BENIGN, NEITHER = 1, 0, -1
RUN_WEEKS = 12
NEARLY_WEEKS = 8
"""A condition that held this long, but not 12 weeks, is too close to the limit to count either way."""
FEWEST_FORMS = 3


@dataclass(frozen=True)
class Truth:
    """`label` is AT_RISK, BENIGN or NEITHER; `onset` the first week of the first run of 12, -1 where there is none."""

    label: Any
    onset: Any
    holds: Any


def condition(g: Floats, d: Floats, end: Any) -> Any:
    """In which weeks the condition holds, booleans of the shape of `g` and `d`, (n, weeks); never after a client's last
    week `end`."""
    n, weeks = g.shape
    holds = np.zeros((n, weeks), bool)
    now = np.zeros(n, bool)
    for week in range(weeks):
        grown = g[:, week] - g[:, max(0, week - 13)]
        level, rise = d[:, week], d[:, week] - d[:, 0]
        begins = ((level >= 1.0) | ((rise >= 0.8) & (level >= 0.3))) & (grown < 0.25)
        ends = ((level < 0.8) & (rise < 0.6)) | (grown >= 0.4)
        now = np.where(now, ~ends, begins)
        holds[:, week] = now & (week <= end)
    return holds


def judge(g: Floats, d: Floats, end: Any, present: Any) -> Truth:
    """Labels for n clients with forms in the weeks where `present` (n, WEEKS) is true."""
    holds = condition(g, d, end)
    run, longest = np.zeros(len(g), int), np.zeros(len(g), int)
    onset = np.full(len(g), -1)
    for week in range(WEEKS):
        run = np.where(holds[:, week], run + 1, 0)
        longest = np.maximum(longest, run)
        onset[(run == RUN_WEEKS) & (onset < 0)] = week - RUN_WEEKS + 1
    label = np.where(onset >= 0, AT_RISK, BENIGN)
    label[(longest >= NEARLY_WEEKS) & (longest < RUN_WEEKS)] = NEITHER
    after = (present & (np.arange(WEEKS)[None, :] >= onset[:, None])).sum(1)
    label[(present.sum(1) < FEWEST_FORMS) | ((onset >= 0) & (after < FEWEST_FORMS))] = NEITHER
    return Truth(label, onset, holds)
