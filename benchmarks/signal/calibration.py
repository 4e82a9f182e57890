"""The limits of R1's running number for each budget, from simulated benign clients; written into the constants file."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
from handrail.plugin_core.signal.constants import BUDGETS

from .detectors import by_rules
from .figures import highest
from .truth import BENIGN
from .worlds import make

MIX = {"weekly": 0.8, "fortnightly": 0.1, "four-weekly": 0.1}
SEEDS = tuple(range(101, 111))
FILE = Path(__file__).resolve().parents[2] / "plugin_core" / "signal" / "constants.json"


def limits(clients: int) -> dict[str, float]:
    """The limit for each budget: so many of a hundred benign clients are ever above it in a year."""
    most = []
    for seed in SEEDS:
        for spacing, share in MIX.items():
            world = make(seed, int(clients * share / len(SEEDS)), spacing)
            found = highest(by_rules(world, ("R1",))["R1"])
            most.append(found[world.truth.label == BENIGN])
    every = np.concatenate(most)
    return {str(budget): round(float(np.quantile(every, 1 - budget / 100)), 3) for budget in BUDGETS}


def calibrate(clients: int) -> dict[str, float]:
    """Computes the limits and writes them, with the command, the seeds and the commit that made them."""
    found = limits(clients)
    known = json.loads(FILE.read_text(encoding="utf-8"))
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
    known["thresholds"] = found
    known["calibration"] = {
        "command": f"python -m benchmarks.signal calibrate --clients {clients}",
        "seed": f"{SEEDS[0]} to {SEEDS[-1]}",
        "clients": clients,
        "commit": commit.stdout.strip(),
    }
    lines = [f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in known.items()]
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    return found
