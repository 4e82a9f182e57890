"""Keeps the memory of a process flat that has one turn after another, in ever new threads.

A turn leaves some 6,000 objects in cycles (engine, statements of SQLAlchemy, tracebacks), a MiB with what they hold,
and where its platform is away its TLS context: another 0.7 MiB with the authorities in it, which the collector does not
count. What a pass over young objects meets in the middle of a turn waits for a full one; as a command sets the
collector, that came once in two hundred turns.

glibc gives threads heaps of their own, up to eight for each processor, and what is freed in one is not used by another:
a process grows with each thread though no object of Python's stays. Python's own lock lets one thread work at a time
anyway, so that one heap costs nothing. What a worker grows by in all: `python -m benchmarks.worker --memory 60`.
"""

from __future__ import annotations

import ctypes
import gc
import logging
import platform
from itertools import count

log = logging.getLogger(__name__)
TURNS_A_PASS = 8  # a pass takes a third of a turn's time, most of it for what has to be freed anyway
_M_ARENA_MAX = -8  # malloc.h of glibc; https://man7.org/linux/man-pages/man3/mallopt.3.html


def one_heap() -> None:
    """Lets all threads share one heap where the C library is glibc; others are left alone. Before threads begin."""
    if platform.libc_ver()[0] == "glibc" and not ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1):
        log.info("glibc keeps more than one heap; the memory of this worker may grow")


class Sweep:
    """Takes out what turns have left behind. Any number of threads may call it."""

    def __init__(self) -> None:
        self._turns = count(1)

    def after_a_turn(self) -> None:
        """Every few turns a full pass of the collector."""
        if next(self._turns) % TURNS_A_PASS == 0:
            gc.collect()
