"""Small things that every measured child process shares: its peak memory, its result line, its own home folder."""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from typing import Any

MIB = 1024 * 1024


def peak_mib() -> float:
    """The most resident memory that this process has had, in MiB.

    On Linux from VmHWM: `ru_maxrss` there begins with what the parent had when it started the child.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (MIB if sys.platform == "darwin" else 1024)


def report(result: dict[str, Any]) -> None:
    """Print a child's result as the one line of JSON that `benchmarks.run` reads."""
    print(json.dumps({**result, "peak_mib": round(peak_mib(), 1)}), flush=True)


def home(folder: Path) -> dict[str, str]:
    """The environment in which `handrail` finds its settings and its store under `folder` and nowhere else."""
    places = ("config", "data", "state", "cache")
    return {"HOME": str(folder), **{f"XDG_{place.upper()}_HOME": str(folder / place) for place in places}}
