"""From running numbers to figures: sensitivity, delay, false alarms, the share of flags that are right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .courses import WEEKS, Floats
from .truth import AT_RISK, BENIGN
from .worlds import World

EARLY_WEEKS, SOON_WEEKS = 2, 16
BASE_RATE = 0.15


@dataclass(frozen=True)
class Figures:
    """Shares between 0 and 1. `soon` is sensitivity within 16 weeks of onset, `delay` the median in weeks, `right` the
    share of flags that are right where 15 in a hundred clients are at risk."""

    clients: int
    at_risk: int
    threshold: float
    sensitivity: float
    soon: float
    delay: float
    false_alarms: float
    right: float
    auc: float


def highest(number: Floats) -> Floats:
    """Each client's highest running number."""
    most: Floats = number.max(1)
    return most


def threshold_at(world: World, number: Floats, share: float) -> float:
    """The least threshold at which no more than this share of the benign is ever above it."""
    return float(np.quantile(highest(number)[world.truth.label == BENIGN], 1 - share, method="higher"))


def figures(world: World, number: Floats, threshold: float) -> Figures:
    """What a detector does at a threshold. A hit is a form above it no earlier than 2 weeks before onset."""
    label, onset = world.truth.label, world.truth.onset
    risk, benign = label == AT_RISK, label == BENIGN
    weeks = np.arange(WEEKS)[None, :]
    hits = (number[risk] > threshold) & (weeks >= onset[risk][:, None] - EARLY_WEEKS)
    found = hits.any(1)
    delay = np.where(found, hits.argmax(1) - onset[risk], WEEKS)
    alarms = float((highest(number)[benign] > threshold).mean())
    sensitivity = float(found.mean())
    right = BASE_RATE * sensitivity / max(BASE_RATE * sensitivity + (1 - BASE_RATE) * alarms, 1e-12)
    return Figures(
        clients=len(label),
        at_risk=int(risk.sum()),
        threshold=threshold,
        sensitivity=sensitivity,
        soon=float((found & (delay <= SOON_WEEKS)).mean()),
        delay=float(np.median(delay[found])) if found.any() else float("nan"),
        false_alarms=alarms,
        right=right,
        auc=auc(world, number),
    )


def auc(world: World, number: Floats) -> float:
    """How often the highest number of a client at risk is above that of a benign one, ties counting half."""
    most = highest(number)
    benign = np.sort(most[world.truth.label == BENIGN])
    risk = most[world.truth.label == AT_RISK]
    below = (np.searchsorted(benign, risk) + np.searchsorted(benign, risk, "right")) / 2
    return float(below.mean() / len(benign))


def alarms_among(world: World, number: Floats, threshold: float, who: Any) -> tuple[float, int]:
    """False alarms among the benign for whom `who` is true, and how many these are."""
    chosen = (world.truth.label == BENIGN) & who
    return float((highest(number)[chosen] > threshold).mean()) if chosen.any() else float("nan"), int(chosen.sum())
