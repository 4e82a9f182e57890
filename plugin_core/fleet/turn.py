"""A practice's turn with a worker: so many pages or so many seconds, then others come first (F95).

The turn is the engine's `progress` and `sleep`. It ends a sync by raising `GaveWay`, which a sync takes for a platform
that does not answer any more: what is stored stays, and the next turn goes on from there.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from ..errors import Unreachable
from ..words import mark, tr

LONGEST_SLEEP = 20.0  # seconds; who has to wait longer waits outside, and another practice has the place
TURN_OVER = mark("Other practices have their turn first. The rest follows by itself.")
WAITING = mark("The platform wants to be asked later. It goes on by itself then.")


class GaveWay(Unreachable):
    """The turn is over, and not everything is done."""


class Turn:
    """Counts what a practice uses up.

    :param pages: how many pages of forms it may read. :param seconds: how long it may take.
    :param stopping: set when the worker is to end; the turn then ends at the next page.
    :param resumable: whether a pull that stops here goes on here; one that would begin anew is left to end (F13).
    :param clock: seconds that only grow.
    """

    def __init__(
        self,
        pages: int,
        seconds: float,
        stopping: threading.Event,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.resumable: Callable[[], bool] = lambda: True
        self.gave_way = False
        self.wait_seconds: float | None = None
        self._pages_left = pages
        self._clock = clock
        self._until = clock() + seconds
        self._stopping = stopping
        self.last_seen = clock()

    def seen(self) -> None:
        """Something moved: whoever watches for a standstill starts counting anew."""
        self.last_seen = self._clock()

    def progress(self, part: str, _more: int, _of: int | None) -> None:
        """What an engine reports its progress to.

        :raises GaveWay: the turn is over.
        """
        self.seen()
        if self._stopping.is_set():
            self._end()
        if part == "pulling":
            self._pages_left -= 1
            if self._spent() and self.resumable():
                self._end()
        elif part == "pushing" and self._spent():
            self._end()

    def sleep(self, seconds: float) -> None:
        """Waits, if it is not for long.

        :raises GaveWay: it would be, or the worker is to end. `wait_seconds` then says how long.
        """
        self.seen()
        if seconds > LONGEST_SLEEP:
            self.wait_seconds = max(self.wait_seconds or 0.0, seconds)
            raise GaveWay(tr(WAITING))
        if self._stopping.wait(seconds):
            self._end()
        self.seen()

    def _spent(self) -> bool:
        return self._pages_left <= 0 or self._clock() >= self._until

    def _end(self) -> None:
        self.gave_way = True
        raise GaveWay(tr(TURN_OVER))
