"""Keeps the cyclic collector from costing a sync its time."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_collector() -> Iterator[None]:
    """Fewer passes of the cyclic collector while pages of objects are alive.

    What was there before is set aside, so that a full pass costs little and comes often enough: every statement of
    SQLAlchemy is a cycle, and holds the keys of its page until then.
    """
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(20_000, 5, 5)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
