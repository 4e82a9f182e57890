"""Handrail as the benchmark runs it: the engine in this process, the default sealed store, the demo's `fhir` platform.

    python -m benchmarks.engine full|again|rescore|rescore-updated --base URL --dir DIR

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

import handrail.adapters.fhir.adapter
import handrail.plugin_core.signal.pages
import handrail.plugin_core.sync.lock
import handrail.plugin_core.sync.rescore
import handrail.plugin_core.sync.run  # noqa: F401 - imported late otherwise, like those above
import sqlalchemy.dialects.sqlite  # noqa: F401 - imported late otherwise, inside the time
from handrail.plugin_core.engine import Engine
from handrail.plugin_core.paths import default_file
from handrail.plugin_core.settings import Settings, load, save
from handrail.plugin_core.store import Store, keys
from handrail.plugin_core.sync import basis
from handrail.schemas.records import RunReport

from .measure import report as tell


def _settings(base_url: str) -> Settings:
    """What `handrail init --key-file` and `handrail connect fhir` would have written."""
    file = default_file()
    save(file, {"practice": "bench", "key": "file:handrail.key", "platform.name": "fhir"})
    save(file, {"platform.settings": {"base_url": base_url}})
    keys.write(f"file:{file.parent / 'handrail.key'}", keys.make_master())
    settings = load(file)
    Store(settings.store_url, settings.practice, keys.master(settings.key_reference), create=True).close()
    return settings


def _sync(settings: Settings) -> tuple[RunReport, float]:
    began = time.perf_counter()
    with Engine(settings) as engine:
        report = engine.sync()
    seconds = time.perf_counter() - began
    if report.outcome != "complete":
        sys.exit("; ".join(problem.what for problem in report.problems))
    return report, seconds


def full_sync(base_url: str, folder: Path) -> dict[str, Any]:
    """Make settings and an empty store in `folder`, then pull, judge, score and store all that `base_url` has."""
    report, seconds = _sync(_settings(base_url))
    return {"responses": report.counts.get("new", 0), "seconds": seconds, "pull": report.seconds.get("pull", seconds)}


def sync_again(base_url: str, folder: Path) -> dict[str, Any]:
    """Sync the store in `folder` once more; "responses" is how many had changed."""
    report, seconds = _sync(load(default_file()))
    return {"responses": report.counts.get("new", 0) + report.counts.get("replaced", 0), "seconds": seconds}


def rescore(folder: Path) -> dict[str, Any]:
    """Compute all scores and flags of the store in `folder` anew from the stored answers, and write what differs."""
    began = time.perf_counter()
    with Engine(load(default_file())) as engine:
        done = engine.rescore(dry_run=False)
    return {"responses": done.forms, "seconds": time.perf_counter() - began}


def rescore_updated(folder: Path) -> dict[str, Any]:
    """The same as after an update of Handrail: nothing that its former code has made of flags counts as known."""
    basis._stamp = lambda: str(time.time_ns())  # type: ignore[assignment]  # its place, not its cache
    return rescore(folder)


def main() -> None:
    """Run one job and print its figures as a line of JSON."""
    parser = argparse.ArgumentParser(description="One job of Handrail's engine, measured.")
    parser.add_argument("job", choices=["full", "again", "rescore", "rescore-updated"])
    parser.add_argument("--base", default="")
    parser.add_argument("--dir", type=Path, required=True)
    options = parser.parse_args()
    jobs: dict[str, Callable[[], dict[str, Any]]] = {
        "full": lambda: full_sync(options.base, options.dir),
        "again": lambda: sync_again(options.base, options.dir),
        "rescore": lambda: rescore(options.dir),
        "rescore-updated": lambda: rescore_updated(options.dir),
    }
    began = time.perf_counter()
    result = jobs[options.job]()
    result["whole_seconds"] = round(time.perf_counter() - began, 4)
    result["per_s"] = round(result["responses"] / result["seconds"], 1)
    tell(result)


if __name__ == "__main__":
    main()
