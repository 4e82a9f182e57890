"""A computer that gives no more threads: `Thread.start` fails as it does under a limit on processes."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

NEXT_PAGE = "handrail-next-page"
Which = Callable[[threading.Thread], bool]


def refused(patch: pytest.MonkeyPatch, which: Which = lambda _: True) -> list[str]:
    """From now on no such thread can be started; gives the list of names of those that were tried."""
    tried: list[str] = []
    start = threading.Thread.start

    def starts(thread: threading.Thread) -> None:
        if which(thread):
            tried.append(thread.name)
            raise RuntimeError("can't start new thread")
        start(thread)

    patch.setattr(threading.Thread, "start", starts)
    return tried


def ours(thread: threading.Thread) -> bool:
    """What a sync starts, beside the threads of the platform in the test's own process."""
    return thread.name == NEXT_PAGE or isinstance(thread, threading.Timer)


def from_ahead(thread: threading.Thread) -> bool:
    """A thread that is started while the next page is fetched ahead: the computer gave one and has no second."""
    return isinstance(thread, threading.Timer) and threading.current_thread().name == NEXT_PAGE
