"""Brings what clients sent among the forms, at once and beside the page that thanks them: no client waits for a sync.

What was sent is committed before; a stop in between loses nothing, since the next start and the next sync try again.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ..errors import HandrailError
from .errand import Errand
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
        self._tries = 0
        self._begun = False
        self._errand = Errand("handrail-arrivals", self._round, self._pause)

    def begin(self) -> None:
        """Looks once for what an earlier process left."""
        if not self._begun:
            self._begun = True
            self.hear()

    def hear(self) -> None:
        """Something was sent. Without a thread it is one try, here and now: it may hold a safety answer."""
        if not self._errand.hear():
            self._round()

    def settled(self, seconds: float = 30.0) -> bool:
        """Waits until nothing is under way; False where that takes longer."""
        return self._errand.settled(seconds)

    def _pause(self) -> float:
        return PAUSES[min(self._tries, len(PAUSES)) - 1] if self._tries else 0.0

    def _round(self) -> bool:
        self._tries = self._tries + 1 if self._take_in() else 0
        if self._tries < MOST_TRIES:
            return self._tries > 0
        log.warning("forms that clients sent are still waiting; the next sync tries again")
        self._tries = 0
        return False

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
