"""python -m benchmarks.fleet: a host of 5,000 practices on simulated time, each figure beside its target.

`--practices`, `--minutes`, `--workers`, `--parallel`, `--turn-ms`, `--form-ms` choose the fleet and what it costs;
PostgreSQL is a throw-away one, safe against a crash of a process, not of the computer. `--json` prints the figures as
data. Times of the database and of a turn are real; all others are simulated, so a busy machine changes them little.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from dataclasses import asdict, replace
from datetime import UTC, datetime

from tests.peers.servers import Postgres

from .costs import empty_turn
from .figures import Figure, Scene, fleet_figures, huge_figures, shown
from .simulation import Workers
from .turns import Costs

BEGIN = int(datetime(2026, 3, 4, 9, 0, tzinfo=UTC).timestamp() * 1000)  # a Wednesday morning


def options() -> argparse.ArgumentParser:
    """What can be said on the command line."""
    made = argparse.ArgumentParser(prog="python -m benchmarks.fleet", description=__doc__)
    made.add_argument("--practices", type=int, default=5000)
    made.add_argument("--minutes", type=int, default=120, help="simulated time that counts, after one interval")
    made.add_argument("--interval", type=int, default=15, help="minutes between two syncs of a practice")
    made.add_argument("--workers", type=int, default=4)
    made.add_argument("--parallel", type=int, default=2)
    made.add_argument("--turn-ms", type=float, help="processor time of a sync that finds nothing; else it is measured")
    made.add_argument("--form-ms", type=float, default=0.4, help="processor time of a form (benchmarks.worker)")
    made.add_argument("--kill-every", type=int, default=0, help="seconds between two kills of a worker")
    made.add_argument("--small", type=int, default=500, help="practices beside the huge one")
    made.add_argument("--huge", type=int, default=1_000_000, help="its forms; 0 leaves this part out")
    made.add_argument("--seed", type=int, default=1)
    made.add_argument("--json", action="store_true")
    return made


def main() -> int:
    """Runs both parts and prints them."""
    given = options().parse_args()
    workers = Workers(given.workers, given.parallel, kill_every=given.kill_every)
    server = Postgres().start()
    try:
        real = empty_turn(server.new_database())
        turn = real.seconds if given.turn_ms is None else given.turn_ms / 1000
        scene = Scene(
            given.practices,
            BEGIN,
            given.minutes,
            given.interval,
            workers,
            Costs(turn, given.form_ms / 1000),
            given.seed,
        )
        figures = [
            Figure("a sync that finds nothing: processor time", real.seconds * 1000, "ms"),
            Figure("its statements to the database", real.statements, ""),
            Figure("its transactions", real.transactions, ""),
        ]
        if given.practices:
            figures += asyncio.run(fleet_figures(server.new_database(), scene))
        if given.huge:
            small = replace(scene, practices=given.small, workers=replace(workers, number=2, kill_every=0))
            figures += asyncio.run(huge_figures(server.new_database, small, given.huge))
    finally:
        server.stop()
    sys.stdout.write(json.dumps([asdict(one) for one in figures], indent=2) + "\n" if given.json else shown(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
