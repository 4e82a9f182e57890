"""A practice on PostgreSQL whose line to the database is cut: anywhere by a seed, and at each COMMIT.

    python -m tests.soak database [--seeds 100] [--first 1] [--every 1]

At a COMMIT the answer is lost, so that nobody knows whether it took; both are played, for every COMMIT of two syncs.
The end is that of an undisturbed life, in the store and on the platform (F75, F76, F93).
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from handrail.plugin_core.errors import StoreError
from handrail.plugin_core.store import book, database
from handrail.schemas.vocab import RunOutcome

from tests.peers.servers import Postgres
from tests.sync.reading import Seen
from tests.sync.stage import Stage, second_act, small_practice

from .cutting import Cutting

MOST_RUNS = 80
SHARE = 0.002
Life = tuple[Seen, list[tuple[str, ...]], Counter[tuple[str, str]]]


def trail(engine: Any) -> Counter[tuple[str, str]]:
    """How often who did what, by the audit trail."""
    with engine.store.reading(engine.source) as tx:
        return Counter((one.actor, one.action) for one in book.trail(tx))


class Scene:
    """A PostgreSQL behind the proxy, and the demo platform; each life has a database of its own."""

    def __init__(self, postgres: Postgres, line: Cutting) -> None:
        self.postgres = postgres
        self.line = line
        self.runs = 0

    def life(self, folder: Path, cut: Callable[[int], None] | None) -> Life:
        """Two acts; `cut` is called with the number of the act, once the line is up, to say what is to be cut."""
        address = self.postgres.new_database().replace(f":{self.postgres.port}/", f":{self.line.port}/")
        self.line.pass_all()
        self.runs, self.cuts, self.commits = 0, 0, []
        with Stage(folder, store=address, page_size=9) as stage:
            small_practice(stage)
            for act in (1, 2):
                if act == 2:
                    second_act(stage)
                if cut:
                    cut(act)
                self._until_quiet(stage)
                self.cuts += self.line.cuts
                self.commits.append(self.line.commits)
                self.line.pass_all()
            return stage.seen(), stage.shown(), stage.ask(trail)

    def _until_quiet(self, stage: Stage) -> None:
        """Runs again as the practice's timer does, at the same time by the clock, until one is complete."""
        for _ in range(MOST_RUNS):
            self.runs += 1
            try:
                if stage.sync().outcome is RunOutcome.COMPLETE:
                    return
            except StoreError:
                continue
        raise AssertionError(f"no complete run in {MOST_RUNS}")


def differs(one: Life, right: Life) -> list[Any]:
    """What is otherwise than in the undisturbed life; nothing may be said twice in the trail either."""
    found: list[Any] = [one[0].differs(right[0])] if one[0].differs(right[0]) else []
    if one[1] != right[1]:
        found.append(("shown", Counter(one[1]) - Counter(right[1]), Counter(right[1]) - Counter(one[1])))
    if one[2] != right[2]:
        found.append(("trail", one[2] - right[2], right[2] - one[2]))
    return found


def main(arguments: Sequence[str]) -> int:
    """Plays every COMMIT and the seeds; 1 when a life ended otherwise."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak database")
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--every", type=int, default=1, help="play only every so many COMMITs")
    options = parser.parse_args(arguments)
    database.PAUSE = 0.01
    with (
        tempfile.TemporaryDirectory(prefix="handrail-soak-") as place,
        Postgres() as postgres,
        Cutting(postgres.port) as line,
    ):
        return _play(Scene(postgres, line), Path(place), options)


def _play(on: Scene, place: Path, options: argparse.Namespace) -> int:
    right = on.life(place / "right", None)
    commits = list(on.commits)
    print(f"undisturbed: {len(right[0].responses)} forms, COMMITs in the two acts: {commits}", flush=True)
    cases: list[tuple[str, Callable[[int], None]]] = [
        (f"act {act}, COMMIT {number} {'done' if done else 'lost'}", at_commit(on, act, number, done=done))
        for act, most in enumerate(commits, 1)
        for number in range(1, most + 1, options.every)
        for done in (True, False)
    ]
    cases += [(f"seed {seed}", anywhere(on, seed)) for seed in range(options.first, options.first + options.seeds)]
    bad = 0
    for name, cut in cases:
        begun = time.monotonic()
        found = differs(on.life(place / "life", cut), right)
        shutil.rmtree(place / "life")
        bad += bool(found)
        said = "the same" if not found else f"DIFFERS {found}"
        print(f"{name}: {said}; {time.monotonic() - begun:.1f} s; {on.runs} runs, {on.cuts} cuts", flush=True)
    return 1 if bad else 0


def at_commit(on: Scene, act: int, number: int, *, done: bool) -> Callable[[int], None]:
    """Cuts once, at that COMMIT of that act."""
    return lambda now: on.line.cut_at_commit(number, done=done) if now == act else on.line.pass_all()


def anywhere(on: Scene, seed: int) -> Callable[[int], None]:
    """Cuts anywhere, again and again."""
    return lambda act: on.line.cut_by(f"{seed} {act}", SHARE)
