"""Keeps the cyclic collector from costing a sync its time."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_inside: list[tuple[int, int, int]] = []  # for each sync under way in this process, what it found set


@contextmanager
def quiet_collector() -> Iterator[None]:
    """Fewer passes of the cyclic collector while pages of objects are alive.

    What was there before the first sync of a process is set aside, so that a full pass costs little and comes often
    enough: every statement of SQLAlchemy is a cycle, and holds the keys of its page until then. It stays aside: to set
    it aside anew for each sync, and to put it back, would set aside what the sync before left as well, and begin to
    count anew towards a full pass, which a process of many short syncs would never come to.
    """
    with _lock:
        _inside.append(gc.get_threshold())
        if not gc.get_freeze_count():
            gc.freeze()
        gc.set_threshold(20_000, 5, 5)
    try:
        yield
    finally:
        with _lock:
            found = _inside.pop()
            if not _inside:  # syncs of other threads go on: the last one out puts it back
                gc.set_threshold(*found)
