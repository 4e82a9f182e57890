"""`python -m benchmarks.signal.screening [--clients N] [--rules R1]`: the cost of `handrail screen` for many clients.

Writes N simulated clients with 12 forms each, four weeks apart, 15 in a hundred of them at risk, sorted by client; runs
the command as a process of its own with all its rules; prints seconds by the clock, seconds of processors and memory.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from . import lines, worlds
from .figures import BASE_RATE
from .truth import AT_RISK

FORMS, EVERY_WEEKS, PART = 12, 4, 5000


def write(file: Path, clients: int) -> int:
    """Writes the practice; gives the number of forms. Clients of the simulation who stop earlier are left out."""
    done, seed = 0, 5001
    with file.open("w", encoding="utf-8") as out:
        while done < clients:
            world = worlds.make(seed, PART, "monthly")
            stays = (world.present.cumsum(1) * world.present)[:, (FORMS - 1) * EVERY_WEEKS] == FORMS
            world.present[:, (FORMS - 1) * EVERY_WEEKS + 1 :] = False
            risk = world.truth.label == AT_RISK
            few = np.flatnonzero(stays & risk)[: int(BASE_RATE / (1 - BASE_RATE) * (stays & ~risk).sum())]
            chosen = np.sort(np.concatenate([few, np.flatnonzero(stays & ~risk)]))[: clients - done]
            lines.write(world, out, chosen, done)
            done, seed = done + len(chosen), seed + 1
    return clients * FORMS


def main() -> None:
    """Reads the arguments, measures and prints one line for each number of clients."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.signal.screening", description=__doc__)
    parser.add_argument("--clients", type=int, nargs="+", default=[25_000, 100_000])
    parser.add_argument("--rules", default="", help="only these rules, as for screen")
    chosen = parser.parse_args()
    for clients in chosen.clients:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "practice.jsonl"
            forms = write(file, clients)
            print(f"{clients:,} clients, {forms:,} forms: {measured(file, Path(folder), chosen.rules)}", flush=True)


def measured(file: Path, folder: Path, rules: str) -> str:
    """Runs the command; seconds by the clock, of the processors, and a bound of the memory of its largest process.

    The bound is never below what this process has itself, as Linux counts it into its children.
    """
    command = [sys.executable, "-m", "handrail.plugin_core.cli", "--settings", str(folder / "none.toml")]
    command += ["screen", str(file), "-o", str(folder / "flags.jsonl"), *(["--rules", rules] if rules else [])]
    begun = time.monotonic()
    started = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(started.pid, 0)
    started.returncode = os.waitstatus_to_exitcode(status)
    if started.returncode:
        raise SystemExit(f"screen ended with {started.returncode}")
    flags = sum(1 for _ in (folder / "flags.jsonl").open("rb"))
    return (
        f"{time.monotonic() - begun:.1f} s, {used.ru_utime + used.ru_stime:.1f} s of processors, "
        f"no process above {used.ru_maxrss / 1024:.0f} MB, {flags:,} lines written"
    )


if __name__ == "__main__":
    main()
