"""How often one browser may write: kept in memory, since it only has to stop a program that runs wild."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable


class Pace:
    """At most `most` writes within `seconds`, for each key.

    :param clock: seconds that only go on.
    """

    def __init__(self, most: int, seconds: float, clock: Callable[[], float]) -> None:
        self._most = most
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: dict[str, deque[float]] = {}

    def allows(self, key: str) -> bool:
        """Counts one write; False where there were too many."""
        now = self._clock()
        with self._lock:
            self._forget(now)
            times = self._seen.setdefault(key, deque())
            if len(times) >= self._most:
                return False
            times.append(now)
            return True

    def _forget(self, now: float) -> None:
        for key in list(self._seen):
            times = self._seen[key]
            while times and times[0] <= now - self._seconds:
                times.popleft()
            if not times:
                del self._seen[key]
