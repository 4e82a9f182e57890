"""Brings what clients sent among the forms, at once and beside the page that thanks them: no client waits for a sync.

What was sent is committed before; a stop in between loses nothing, since the next start and the next sync try again.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from ..errors import HandrailError
from .wrong import place_of

if TYPE_CHECKING:
    from .desk import Desk

log = logging.getLogger(__name__)
PAUSES = (0.2, 0.5, 1.0, 2.0)
"""Seconds between tries while another process is at work; the last one again and again, up to `MOST_TRIES`."""
MOST_TRIES = 900


class Arrivals:
    """One thread while something waits, none otherwise.

    :param desk: gives engines.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._lock = threading.Lock()
        self._wanted = threading.Event()
        self._thread: threading.Thread | None = None
        self._begun = False

    def begin(self) -> None:
        """Looks once for what an earlier process left."""
        if not self._begun:
            self._begun = True
            self.hear()

    def hear(self) -> None:
        """Something was sent."""
        with self._lock:
            self._wanted.set()
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._work, name="handrail-arrivals", daemon=True)
                self._thread.start()

    def settled(self, seconds: float = 30.0) -> bool:
        """Waits until nothing is under way; False where that takes longer."""
        thread = self._thread
        if thread is not None:
            thread.join(seconds)
        return thread is None or not thread.is_alive()

    def _work(self) -> None:
        for tries in range(MOST_TRIES):
            self._wanted.clear()
            done = not self._take_in()
            with self._lock:  # who sends now sees either a thread that goes on, or none and begins another
                if done and not self._wanted.is_set():
                    self._thread = None
                    return
            threading.Event().wait(PAUSES[min(tries, len(PAUSES) - 1)])
        with self._lock:
            self._thread = None
        log.warning("forms that clients sent are still waiting; the next sync tries again")

    def _take_in(self) -> int:
        """One try; how many are still waiting."""
        try:
            with self._desk.engine() as engine:
                left, problems = engine.collecting.online.take_in()
        except HandrailError as error:
            log.warning("forms that clients sent could not be stored (%s)", type(error).__name__)
            return 1
        except Exception as error:  # noqa: BLE001 - its text may hold answers (S24); the next try or sync goes on
            log.error("forms that clients sent could not be stored (%s)", place_of(error))
            return 0
        for sentence in problems:
            log.warning("%s", sentence)
        return left
