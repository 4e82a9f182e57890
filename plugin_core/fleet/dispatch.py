"""Calls workers for the practices that are due, in the transaction that marks them as called.

What is due is asked anew each time, no ticks are counted: a dispatcher that was away misses nothing. Any number may run
beside each other. Few calls wait at a time, so that the order in which practices come is that of the due table, not
that of a queue; who is first is decided as late as can be.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from sqlalchemy import Connection, Engine

from ..errors import StoreError
from ..store.database import plainly
from . import due
from .due import Called
from .lease import Clock

log = logging.getLogger(__name__)
WAITING_CALLS = 16  # for each practice that a worker can have at once
EVERY_SECONDS = 5.0
AT_MOST_EVERY = 0.2  # seconds, while workers ask for more
Defer = Callable[[Connection, Sequence[Called]], None]


def dispatch(
    pool: Engine,
    defer: Defer,
    most: int,
    clock: Clock = due.database_now,
    waiting: Callable[[Connection], int] = lambda _: 0,
    at_once: int | None = None,
) -> list[Called]:
    """Calls a worker for each practice that is due; gives whom.

    :param defer: puts the calls into the queue on the connection that it is given, within its transaction.
    :param most: how many calls may wait.
    :param waiting: how many calls lie in the queue. While all workers are busy, calls are made again that are not lost:
        without a look at the queue it would grow without end (F99).
    :param at_once: how many the caller works on itself.
    """
    with plainly(pool), pool.connect().execution_options(handrail_write=True) as conn, conn.begin():
        called = due.call(conn, clock(conn), most, in_queue=waiting(conn), at_once=at_once)
        if called:
            defer(conn, called)
        return called


class Dispatcher(threading.Thread):
    """Does so every few seconds, and at once when a worker of this process has become free."""

    def __init__(
        self,
        pool: Engine,
        defer: Defer,
        parallel: int,
        stopping: threading.Event,
        waiting: Callable[[Connection], int] = lambda _: 0,
    ) -> None:
        super().__init__(name="dispatch", daemon=True)
        self._pool = pool
        self._defer = defer
        self._waiting = waiting
        self._most = parallel * WAITING_CALLS
        self._stopping = stopping
        self._free = threading.Event()

    def free(self) -> None:
        """A place has become free."""
        self._free.set()

    def run(self) -> None:
        while not self._stopping.wait(AT_MOST_EVERY):
            self._free.clear()
            try:
                dispatch(self._pool, self._defer, self._most, waiting=self._waiting)
            except StoreError as error:  # the database is away for a moment: the next round asks again
                log.warning("%s", error.message)
            except Exception as error:  # noqa: BLE001 - the queue's own faults too: without this thread nobody is called
                log.warning("nobody could be called (%s); it is tried again", type(error).__name__)
            self._free.wait(EVERY_SECONDS)
