"""Follows a platform's announcement: one `handrail sync --if-hinted` in its own process, soon, and never two at once.

A process of its own keeps the desk's memory and threads out of it, and is the same command that a schedule runs.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from .errand import Errand

log = logging.getLogger(__name__)
WAIT = 10.0
"""Seconds from an announcement to the sync: clients' forms come in handfuls."""
APART = 60.0
"""Seconds between two syncs at least."""


def run_sync(settings: Path) -> int:
    """The sync; its exit status. It is quiet: what it has to say is in `handrail flags` and `doctor`."""
    call = [sys.executable, "-m", "handrail.plugin_core.cli", "--settings", str(settings)]
    done = subprocess.run(  # noqa: S603 - our own program with the settings that the desk was begun with
        [*call, "sync", "--if-hinted", "--quiet"], stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    return done.returncode


class Follower:
    """Starts a sync some seconds after the first of several announcements.

    :param sync: does one sync; gives its exit status. `wait` and `apart` are seconds.
    """

    def __init__(self, sync: Callable[[], int], *, wait: float = WAIT, apart: float = APART) -> None:
        self._sync = sync
        self._wait = wait
        self._apart = apart
        self._last = float("-inf")
        self._errand = Errand("handrail-follow", self._follow, self._pause)

    def hear(self) -> None:
        """Something was announced."""
        if not self._errand.hear():  # the next announcement, or the schedule's next sync, goes on
            log.warning("the sync after an announcement was not begun (no thread)")

    def _pause(self) -> float:
        return max(self._wait, self._last + self._apart - time.monotonic())

    def _follow(self) -> bool:
        self._last = time.monotonic()
        try:
            status = self._sync()
        except OSError as error:  # no process could be begun; the schedule's next sync goes on
            log.error("the sync after an announcement was not begun (%s)", type(error).__name__)
            return False
        if status:
            log.warning("the sync after an announcement ended with status %s", status)
        return False
