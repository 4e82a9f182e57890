"""Small things that every measured child process shares: its peak memory, its result line, its own home folder."""

from __future__ import annotations

import json
import resource
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Any

MIB = 1024 * 1024
EVERY = 0.2  # seconds between two looks at the memory of processes: often enough, and nothing that they feel


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


class Watch:
    """Looks at a process and those that it started, while they run: `peak` is the most memory in MiB that they had
    together, pages that they share counted once. 0 where there is no /proc."""

    def __init__(self, pid: int) -> None:
        self.peak = 0.0
        self._pid = pid
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(EVERY):
            started = Path(f"/proc/{self._pid}/task/{self._pid}/children")
            try:
                every = [self._pid, *map(int, started.read_text().split())]
            except OSError:
                return
            self.peak = max(self.peak, sum(map(_shared_mib, every)))


def _shared_mib(pid: int) -> float:
    """The memory of a process, each page divided by the number of processes that have it."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0  # it has just ended
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def report(result: dict[str, Any]) -> None:
    """Print a child's result as the one line of JSON that `benchmarks.run` reads."""
    print(json.dumps({**result, "peak_mib": round(peak_mib(), 1)}), flush=True)


def home(folder: Path) -> dict[str, str]:
    """The environment in which `handrail` finds its settings and its store under `folder` and nowhere else."""
    places = ("config", "data", "state", "cache")
    return {"HOME": str(folder), **{f"XDG_{place.upper()}_HOME": str(folder / place) for place in places}}
