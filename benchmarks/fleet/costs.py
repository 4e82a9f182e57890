"""What a turn really costs a worker: processor time of a sync that finds nothing new, on a real PostgreSQL.

The turn is the worker's whole own: settings, lease, engine, connection to the platform, one look over HTTP, the rules'
question whether anything is to be read anew, the due time. The platform is a small server in another thread, whose own
work is not counted.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from handrail.plugin_core.fleet.timing import Ended
from sqlalchemy import event

from tests.fleet.houses import NORTH, house
from tests.fleet.works import arrive, open_practice, resume, working
from tests.sync.stage import EVEN

TURNS = 25
CLIENTS = 5


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn that finds nothing: seconds of processor time (the median of some), what it asks of the database."""

    seconds: float
    statements: float
    transactions: float


def empty_turn(store: str) -> Turn:
    """Measures it.

    :param store: the address of an empty database, by a user who may do everything there.
    """
    spent: list[float] = []
    asked: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder, house(Path(folder), store, NORTH) as host, working(host) as work:
        stage = open_practice(host, NORTH)
        for number in range(CLIENTS):
            arrive(stage, f"client-{number}", [EVEN] * 6)
        work.run(NORTH)
        event.listen(work.pool, "before_cursor_execute", lambda *_: asked.update(["statements"]))
        event.listen(work.pool, "begin", lambda *_: asked.update(["transactions"]))
        for _ in range(TURNS):
            resume(host, NORTH)
            begun = time.thread_time()
            ended = work.run(NORTH)
            spent.append(time.thread_time() - begun)
            assert ended is Ended.DONE, ended
    return Turn(median(spent), asked["statements"] / TURNS, asked["transactions"] / TURNS)
