"""Handrail as the benchmark runs it: the engine in this process, the default sealed store, the demo's `fhir` platform.

    python -m benchmarks.engine full|again|rescore --base URL --dir DIR

Each call is a process of its own, started by `benchmarks.run` with HOME and the XDG folders inside DIR (see
`measure.home`), so settings, key and store that are written where `handrail init` writes them are found again by the
next call and by the command `handrail flags`. Pushing stays off, as it is until a practice says yes to it.

Each function gives {"responses": how many were stored, changed or rescored, "seconds": the time of that job alone}:
imports, settings and key do not count, as they do not count for the baselines; connecting and closing do.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .measure import report


class NotConnected(Exception):
    """The engine cannot be driven yet."""


def full_sync(base_url: str, folder: Path) -> dict[str, Any]:
    """Make settings and an empty store in `folder`, then pull, judge, score and store all that `base_url` has."""
    raise NotConnected("the engine is not connected yet")


def sync_again(base_url: str, folder: Path) -> dict[str, Any]:
    """Sync the store in `folder` once more; "responses" is how many had changed."""
    raise NotConnected("the engine is not connected yet")


def rescore(folder: Path) -> dict[str, Any]:
    """Compute all scores and flags of the store in `folder` anew from the stored answers, and write them."""
    raise NotConnected("the engine is not connected yet")


def main() -> None:
    """Run one job and print its figures as a line of JSON."""
    parser = argparse.ArgumentParser(description="One job of Handrail's engine, measured.")
    parser.add_argument("job", choices=["full", "again", "rescore"])
    parser.add_argument("--base", default="")
    parser.add_argument("--dir", type=Path, required=True)
    options = parser.parse_args()
    jobs: dict[str, Callable[[], dict[str, Any]]] = {
        "full": lambda: full_sync(options.base, options.dir),
        "again": lambda: sync_again(options.base, options.dir),
        "rescore": lambda: rescore(options.dir),
    }
    began = time.perf_counter()
    try:
        result = jobs[options.job]()
    except NotConnected as why:
        sys.exit(str(why))
    result["whole_seconds"] = round(time.perf_counter() - began, 4)
    result["per_s"] = round(result["responses"] / result["seconds"], 1)
    report(result)


if __name__ == "__main__":
    main()
