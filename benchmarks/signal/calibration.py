"""The limits of R1's running number for each budget, from simulated benign clients; written into the constants file.

One limit for weekly forms and one power of the weeks between forms for each budget: the power at which the share of
benign clients that are ever prompted about differs least between cadences, the limit at which it is the budget.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
from handrail.plugin_core.signal.constants import BUDGETS, constants

from .courses import Floats
from .detectors import SPACING, by_rules
from .truth import BENIGN
from .worlds import make

CADENCES = ("weekly", "fortnightly", "four-weekly")
SEEDS = tuple(range(101, 141))
POWERS = np.round(np.arange(0.0, 0.51, 0.01), 2)
FILE = Path(__file__).resolve().parents[2] / "plugin_core" / "signal" / "constants.json"


def limits(clients: int) -> dict[str, dict[str, float]]:
    """Limit and power for each budget, from so many clients of each cadence."""
    known, benign = constants(), []
    for cadence in CADENCES:
        parts: list[tuple[Floats, Floats]] = []
        for seed in SEEDS:
            world = make(seed, clients // len(SEEDS), cadence)
            found = by_rules(world, ("R1",))
            who = world.truth.label == BENIGN
            spacing = np.clip(found[SPACING][who], known.least_spacing, known.most_spacing)
            parts.append((found["R1"][who], spacing))
        benign.append((np.concatenate([a for a, _ in parts]), np.concatenate([b for _, b in parts])))
    return {str(budget): _fit(benign, budget / 100) for budget in BUDGETS}


def _fit(benign: list[tuple[Floats, Floats]], share: float) -> dict[str, float]:
    """The power at which one limit leaves the shares of the cadences nearest to each other."""
    best, chosen = np.inf, {"weekly": 0.0, "power": 0.0}
    for power in POWERS:
        highest = [(number / spacing**power).max(1) for number, spacing in benign]
        limit = float(np.mean([np.quantile(one, 1 - share) for one in highest]))
        off = max(abs(float((one > limit).mean()) - share) for one in highest)
        if off < best:
            best, chosen = off, {"weekly": round(limit, 3), "power": float(power)}
    return chosen


def calibrate(clients: int) -> dict[str, dict[str, float]]:
    """Computes the limits and writes them, with the command, the seeds and the commit that made them."""
    found = limits(clients)
    known = json.loads(FILE.read_text(encoding="utf-8"))
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
    known["limits"] = found
    known["calibration"] = {
        "command": f"python -m benchmarks.signal calibrate --clients {clients}",
        "seed": f"{SEEDS[0]} to {SEEDS[-1]}",
        "clients": clients * len(CADENCES),
        "commit": commit.stdout.strip(),
    }
    lines = [f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in known.items()]
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    return found
