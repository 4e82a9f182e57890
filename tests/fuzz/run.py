"""Runs inputs through a parser: by parser, seed and number, so that any input can be made again."""

from __future__ import annotations

import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from random import Random

from .mutate import Sample, bent, sample

SECONDS = 2.0
"""CPU time that one input may cost. Ordinary ones cost a millisecond; what grows as a square passes this at once."""
ENDLESS = 20.0
"""User CPU time after which an input is stopped: one that never ends would else hold the run, and nobody would hear."""
MEGABYTES = 256
"""How much the process may have grown at its highest over a run."""


@dataclass(frozen=True)
class Parser:
    """One reader of foreign input.

    :param samples: valid inputs, made when they are first needed.
    :param call: reads one input; its second argument is the number of the sample that it was made of.
    :param own: the errors that it may raise. All else is a defect.
    :param bend: another way to change a sample than as a text.
    """

    name: str
    samples: Callable[[], Sequence[bytes]]
    call: Callable[[bytes, int], object]
    own: tuple[type[BaseException], ...] = ()
    bend: Callable[[Sample, Random], bytes] = field(default=bent)

    def __hash__(self) -> int:
        return hash(self.name)


@cache
def samples_of(parser: Parser) -> tuple[Sample, ...]:
    """The samples with their tokens. Each of them is read, so that a fuzzer that only feeds rubbish is noticed."""
    given = tuple(sample(data) for data in parser.samples())
    for number, one in enumerate(given):
        parser.call(one.data, number)
    return given


def made(parser: Parser, seed: int, number: int) -> tuple[bytes, int]:
    """The input of that number, and of which sample it was made."""
    random = Random(f"{parser.name} {seed} {number}")
    given = samples_of(parser)
    which = random.randrange(len(given))
    return parser.bend(given[which], random), which


@dataclass(frozen=True, slots=True)
class Fault:
    """What an input did that it must not: how to make it again, and what came of it."""

    parser: str
    seed: int
    number: int
    what: str

    def __str__(self) -> str:
        again = f"python -m tests.soak.fuzz {self.parser} --seed {self.seed} --only {self.number}"
        return f"{self.what}   (again: {again})"


def run(parser: Parser, seed: int, begin: int, count: int) -> list[Fault]:
    """Feeds so many inputs; gives the first ten faults."""
    faults: list[Fault] = []
    samples_of(parser)
    highest = _megabytes()
    with _endless_noticed():
        for number in range(begin, begin + count):
            data, which = made(parser, seed, number)
            what = _fed(parser, data, which)
            if what:
                faults.append(Fault(parser.name, seed, number, what))
                if len(faults) == 10:
                    break
    grown = _megabytes() - highest
    if grown > MEGABYTES:
        faults.append(Fault(parser.name, seed, begin, f"the process grew by {grown:.0f} MiB"))
    return faults


class _Endless(BaseException):
    """None that a parser would take for one of its own."""


@contextmanager
def _endless_noticed() -> Iterator[None]:
    """Only in the main thread, which signals reach: elsewhere `signal.signal` refuses.

    :raises ValueError: this is another thread.
    """

    def stop(*_: object) -> None:
        raise _Endless

    before = signal.signal(signal.SIGVTALRM, stop)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _fed(parser: Parser, data: bytes, which: int) -> str | None:
    began = time.thread_time()
    signal.setitimer(signal.ITIMER_VIRTUAL, ENDLESS)
    try:
        parser.call(data, which)
    except parser.own:
        pass
    except _Endless:
        return f"did not end within {ENDLESS:.0f} s of CPU time"
    except Exception as error:  # noqa: BLE001 - finding these is what this is for
        place = error.__traceback__
        while place is not None and place.tb_next is not None:
            place = place.tb_next
        where = f"{place.tb_frame.f_code.co_filename}:{place.tb_lineno}" if place is not None else "?"
        return f"{type(error).__name__}: {str(error)[:120]} at {where}"
    spent = time.thread_time() - began
    return f"took {spent:.1f} s of CPU time" if spent > SECONDS else None


def _megabytes() -> float:
    highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return highest / (1 << 20 if sys.platform == "darwin" else 1 << 10)
