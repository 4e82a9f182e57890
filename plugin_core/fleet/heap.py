"""Keeps the memory of a process flat that works in ever new threads.

glibc gives threads heaps of their own, up to eight for each processor, and what is freed in one is not used by another:
a process grows with each thread though no object of Python's stays. Python's own lock lets one thread work at a time
anyway, so that one heap costs nothing. What a worker grows by in all: `python -m benchmarks.worker --memory 60`.
"""

from __future__ import annotations

import ctypes
import logging
import platform

log = logging.getLogger(__name__)
_M_ARENA_MAX = -8  # malloc.h of glibc; https://man7.org/linux/man-pages/man3/mallopt.3.html


def one_heap() -> None:
    """Lets all threads share one heap where the C library is glibc; others are left alone. Before threads begin."""
    if platform.libc_ver()[0] == "glibc" and not ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1):
        log.info("glibc keeps more than one heap; the memory of this worker may grow")
