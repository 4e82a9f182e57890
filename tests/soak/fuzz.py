"""A million odd inputs for each parser (`make soak`), seeded, and resumed where it was stopped.

`python -m tests.soak.fuzz` tries all, one parser on each processor, `... fhir-page csv --inputs 50000` some; `--only N`
makes one input again. How far each parser came with a seed is kept in `.cache/fuzz.json`, by this process alone, until
all that were asked for are through.
"""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Collection, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, field
from multiprocessing.util import Finalize
from pathlib import Path

from tests.fuzz import parsers
from tests.fuzz.run import Fault, made, run

KEPT = Path(__file__).parents[2] / ".cache" / "fuzz.json"
ROUND = 5000


def main(arguments: Sequence[str]) -> int:
    """Ends with 1 where a parser has a fault."""
    wanted = _asked(arguments)
    chosen = wanted.parsers or list(parsers.BY_NAME)
    if wanted.only is not None:
        return _again(chosen[0], wanted.seed, wanted.only)
    with ProcessPoolExecutor(wanted.jobs, multiprocessing.get_context("spawn"), _start) as pool:
        trial = _Trial(pool, wanted.seed, wanted.inputs)
        with ThreadPoolExecutor(wanted.jobs) as threads:  # each waits for one parser, whose rounds follow each other
            try:
                good = list(threads.map(trial.tried, chosen))
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    if not all(good):
        return 1
    trial.forget(chosen)  # the next run, of another day's program, begins anew
    return 0


def _asked(arguments: Sequence[str]) -> argparse.Namespace:
    line = argparse.ArgumentParser(description=__doc__)
    line.add_argument("parsers", nargs="*", metavar="PARSER", help=", ".join(parsers.BY_NAME))
    line.add_argument("--seed", type=int, default=2)
    line.add_argument("--inputs", type=int, default=1_000_000, help="for each parser")
    line.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many parsers are tried at a time")
    line.add_argument("--only", type=int, help="the number of one input, of one parser")
    return line.parse_args(arguments)


def _again(name: str, seed: int, number: int) -> int:
    parser, before = parsers.BY_NAME[name], logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        data, which = made(parser, seed, number)
        print(f"{len(data)} bytes made of sample {which}: {data[:400]!r}")
        parser.call(data, which)
    finally:
        parsers.close()
        logging.disable(before)
    return 0


# --- in a process of its own ----------------------------------------------------------------------------------------


def _start() -> None:
    """What the parsers made is removed when the process ends, and it ends when the one that began it does."""
    logging.disable(logging.CRITICAL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Finalize(None, parsers.close, exitpriority=10)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    if (parent := multiprocessing.parent_process()) is not None:
        parent.join()
        parsers.close()
        os._exit(1)


def _round(name: str, seed: int, begin: int, count: int) -> tuple[list[Fault], float]:
    """What was found, and the seconds of processor time that it took."""
    began = time.process_time()
    return run(parsers.BY_NAME[name], seed, begin, count), time.process_time() - began


# --- in the first process -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Trial:
    pool: Executor
    seed: int
    inputs: int
    turn: threading.Lock = field(default_factory=threading.Lock)

    def tried(self, name: str) -> bool:
        """Whether a parser had no fault, going on from where it was stopped."""
        done, spent = min(self.inputs, _kept().get(self._key(name), 0)), 0.0
        for begin in range(done, self.inputs, ROUND):
            count = min(ROUND, self.inputs - begin)
            faults, seconds = self.pool.submit(_round, name, self.seed, begin, count).result()
            spent += seconds
            if faults:
                _say(f"{name}: faults among the inputs {begin} to {begin + count}", *(f"  {one}" for one in faults))
                return False
            self._keep({self._key(name): begin + count})
        _say(f"{name}: {self.inputs:,} inputs, {self.inputs - done:,} of them now, {spent:.0f} s of CPU")
        return True

    def forget(self, names: Sequence[str]) -> None:
        """These parsers are through."""
        self._keep({}, without={self._key(name) for name in names})

    def _key(self, name: str) -> str:
        return f"{name} {self.seed}"

    def _keep(self, reached: dict[str, int], without: Collection[str] = ()) -> None:
        with self.turn:
            kept = {name: done for name, done in (_kept() | reached).items() if name not in without}
            KEPT.parent.mkdir(exist_ok=True)
            fresh = KEPT.with_suffix(".new")
            fresh.write_text(json.dumps(kept, indent=1), encoding="utf-8")
            fresh.replace(KEPT)


def _kept() -> dict[str, int]:
    return json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {}


def _say(*lines: str) -> None:
    print("\n".join(lines), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
