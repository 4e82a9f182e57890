"""What `handrail doctor` looks at of running by itself: when a sync last succeeded, and what it said."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from ..engine import Engine
from .check import NOTE, OK, WRONG, Check


def last_run(engine: Engine) -> Iterator[Check]:
    runs = engine.runs(1)
    if not runs:
        yield Check("last sync", NOTE, "there was none yet. Run: handrail sync")
        return
    last = runs[0]
    age = engine.now() - last.finished
    state = OK if last.outcome == "complete" and age < timedelta(days=1) else NOTE
    yield Check("last sync", state, f"{last.outcome}, {last.finished.isoformat(timespec='minutes')}")
    for problem in last.problems:
        yield Check("last sync", WRONG if problem.fatal else NOTE, problem.what)
