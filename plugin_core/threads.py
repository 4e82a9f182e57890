"""Threads, where the system may give none: a limit on processes of a user, or of a container, counts threads as well.

What only works ahead does without its thread (`started`). Where there is no way without, a person is told (`begin`).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

from .errors import Unreachable
from .words import tr

PAUSES = (0.01, 0.05)
"""Seconds before another try: a thread that has ended, which may be our own, is counted for a moment longer."""
log = logging.getLogger(__name__)
REFUSED = "can't start new thread"  # how Python says that the system gave none; it has no class of its own for it


class NoThread(Unreachable):
    """The system gives no thread; nothing was begun. It may give one later, so the same is worth another try then."""


def begin(thread: Thread) -> None:
    """Starts a thread without which what is asked for cannot be done.

    :raises NoThread: the system gives none.
    """
    for pause in PAUSES:
        if started(thread):
            return
        time.sleep(pause)
    with needed():
        thread.start()


@contextmanager
def needed() -> Iterator[None]:
    """As `begin`, round what starts threads of its own.

    :raises NoThread: the system gives none.
    """
    try:
        yield
    except RuntimeError as error:
        if str(error) != REFUSED:
            raise
        raise NoThread(
            tr(
                "This computer lets Handrail do nothing more at the same time: too many programs run already, for this "
                "user or in this container. Close other programs, or have the limit on processes raised (ulimit -u, or "
                "the container's pids limit), then do the same again. What was stored is whole."
            )
        ) from None


def started(thread: Thread) -> bool:
    """Starts a thread that can be done without; False where the system gives none."""
    try:
        with needed():
            thread.start()
    except NoThread:
        log.info("the system gives no thread (%s)", thread.name)
        _may_be_tried_again(thread)
        return False
    return True


def _may_be_tried_again(thread: Thread) -> None:
    """Python 3.13 takes a thread that the system refused for one that was started (seen on 3.13.0: its handle says so),
    and says "thread already started" at the next try. A new handle is what a new thread would have."""
    if (handle := getattr(threading, "_ThreadHandle", None)) is not None:
        vars(thread)["_handle"] = handle()
