"""A million odd inputs for each parser (`make soak`), seeded, and resumed where it was stopped.

`python -m tests.soak.fuzz` tries all, `... fhir-page csv --inputs 50000` some; `--only N` makes one input again. How
far each parser came with a seed is kept in `.cache/fuzz.json` until all that were asked for are through.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.fuzz import parsers
from tests.fuzz.run import Parser, made, run

KEPT = Path(__file__).parents[2] / ".cache" / "fuzz.json"
ROUND = 5000


def main(arguments: Sequence[str]) -> int:
    """Ends with 1 where a parser has a fault."""
    wanted = _asked(arguments)
    logging.disable(logging.CRITICAL)
    try:
        if wanted.only is not None:
            return _again(parsers.BY_NAME[wanted.parsers[0]], wanted.seed, wanted.only)
        chosen = [parsers.BY_NAME[name] for name in wanted.parsers or parsers.BY_NAME]
        found = max(_tried(parser, wanted.seed, int(wanted.inputs * parser.share)) for parser in chosen)
        if not found:  # the next run, of another day's program, begins anew
            through = {_name(one, wanted.seed) for one in chosen}
            _write({name: done for name, done in _kept().items() if name not in through})
        return found
    finally:
        parsers.close()


def _asked(arguments: Sequence[str]) -> argparse.Namespace:
    line = argparse.ArgumentParser(description=__doc__)
    line.add_argument("parsers", nargs="*", metavar="PARSER", help=", ".join(parsers.BY_NAME))
    line.add_argument("--seed", type=int, default=2)
    line.add_argument("--inputs", type=int, default=1_000_000, help="for each parser, times its share")
    line.add_argument("--only", type=int, help="the number of one input, of one parser")
    return line.parse_args(arguments)


def _again(parser: Parser, seed: int, number: int) -> int:
    data, which = made(parser, seed, number)
    print(f"{len(data)} bytes made of sample {which}: {data[:400]!r}")
    parser.call(data, which)
    return 0


def _tried(parser: Parser, seed: int, inputs: int) -> int:
    done, began = min(inputs, _kept().get(_name(parser, seed), 0)), time.process_time()
    for begin in range(done, inputs, ROUND):
        count = min(ROUND, inputs - begin)
        faults = run(parser, seed, begin, count)
        if faults:
            print(f"{parser.name}: faults among the inputs {begin} to {begin + count}")
            print("\n".join(f"  {fault}" for fault in faults))
            return 1
        _write(_kept() | {_name(parser, seed): begin + count})
    print(
        f"{parser.name}: {inputs:,} inputs, {inputs - done:,} of them now, {time.process_time() - began:.0f} s of CPU"
    )
    sys.stdout.flush()
    return 0


def _kept() -> dict[str, int]:
    return json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {}


def _name(parser: Parser, seed: int) -> str:
    return f"{parser.name} {seed}"


def _write(kept: dict[str, int]) -> None:
    KEPT.parent.mkdir(exist_ok=True)
    KEPT.write_text(json.dumps(kept, indent=1), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
