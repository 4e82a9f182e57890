"""What sealing costs a full sync, and what fetching the next page ahead saves on a slow line.

    python -m benchmarks.sealed [--responses 10000] [--passes 5]

Each sync is a fresh process, the two ways by turns, in the Python that this is called with. *plain* is a Sealer that
puts its head before a value and no more; *waits* fetches a page when it is asked for. Both exist here alone. The cost
of sealing is a ratio of computing time (all processes of a sync together), which others on the machine change least;
what fetching ahead saves is a ratio of time that passed, of the whole sync and of the pull alone: clients are asked for
without a page ahead. Of each the median over the passes. Ends with 1 where one is missed.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

from typing_extensions import override

from . import children, measure
from .children import Server

LATENCY_MS = 50
MOST, LEAST = 1.15, 1.3
T = TypeVar("T")


def _plain() -> None:
    """Values lie open from here on. Head and nonce keep their places, so that rows are only the tag shorter."""
    from handrail.plugin_core.store.seal import Sealer

    def seal(self: Sealer, place: str, plain: bytes) -> bytes:
        return self._head + b"\0" * 12 + plain

    def opened(self: Sealer, place: str, sealed: bytes) -> bytes:
        return sealed[15:]

    Sealer.seal, Sealer.open = seal, opened  # type: ignore[method-assign]


def _waits() -> None:
    """Each page is asked for when the one before is done."""
    from handrail.adapters.ahead import Ahead
    from handrail.adapters.fhir import pull

    class Later(Ahead[T]):
        """Begins when its value is asked for."""

        def __init__(self, call: Callable[[], T]) -> None:
            self._begin = partial(super().__init__, call)

        @override
        def is_here(self) -> bool:
            return False

        @override
        def result(self) -> T:
            self._begin()
            return super().result()

        @override
        def settle(self, seconds: float) -> None:
            """Nothing is on its way."""

    pull.Ahead = Later  # type: ignore[attr-defined]  # another module's name there


WAYS: dict[str, Callable[[], None]] = {"as it is": lambda: None, "plain": _plain, "waits": _waits}


def _child(way: str, base: str, folder: Path) -> None:
    from . import engine

    WAYS[way]()
    before = _computed()
    result = engine.full_sync(base, folder)
    measure.report({**result, "cpu": _computed() - before})


def _computed() -> float:
    """Seconds of computing of this process and of those that it started and that have ended."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in both)


def _sync(way: str, base: str, responses: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="handrail-bench-") as folder:
        arguments = ("--way", way, "--base", base, "--dir", folder)
        result = children.run(Path(sys.executable), "benchmarks.sealed", *arguments, home=Path(folder))
    if result["responses"] != responses:
        raise children.Failed(f"{result['responses']} of {responses} forms were stored")
    return result


def _ratios(first: str, second: str, base: str, options: argparse.Namespace, *what: str) -> list[float]:
    """Of a pair of syncs, the first one's by the second one's, of each of `what`; the median over the passes."""
    found = []
    for number in range(options.passes):
        order = (first, second) if number % 2 == 0 else (second, first)
        took = {way: _sync(way, base, options.responses) for way in order}
        found.append([took[first][one] / took[second][one] for one in what])
        said = ", ".join(f"{one} {took[first][one]:.2f} and {took[second][one]:.2f} s" for one in what)
        print(f"  {first} and {second}: {said}", file=sys.stderr, flush=True)
    return [float(median(each)) for each in zip(*found, strict=True)]


def main() -> int:
    """Measures both, or is one measured sync itself."""
    line = argparse.ArgumentParser(description=__doc__)
    line.add_argument("--responses", type=int, default=10_000)
    line.add_argument("--passes", type=int, default=5)
    line.add_argument("--way", choices=list(WAYS), help=argparse.SUPPRESS)
    line.add_argument("--base", default="", help=argparse.SUPPRESS)
    line.add_argument("--dir", type=Path, help=argparse.SUPPRESS)
    options = line.parse_args()
    if options.way:
        _child(options.way, options.base, options.dir)
        return 0
    with Server(Path(sys.executable), options.responses) as server:
        (cost,) = _ratios("as it is", "plain", server.base, options, "cpu")
    with Server(Path(sys.executable), options.responses, latency_ms=LATENCY_MS) as server:
        saved, of_pages = _ratios("waits", "as it is", server.base, options, "seconds", "pull")
    print(f"sealed against plain columns, full sync, computing   {cost:.2f} x   target <= {MOST} x")
    print(f"{LATENCY_MS} ms latency, pages of 500: a page ahead saves   {saved:.2f} x   target >= {LEAST} x")
    print(f"  of the time in which pages are pulled             {of_pages:.2f} x")
    return 0 if cost <= MOST and saved >= LEAST else 1


if __name__ == "__main__":
    sys.exit(main())
