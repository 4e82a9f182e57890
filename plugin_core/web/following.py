"""Follows a platform's announcement: one `handrail sync --if-hinted` in its own process, soon, and never two at once.

A process of its own keeps the desk's memory and threads out of it, and is the same command that a schedule runs.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

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
        self._wanted = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._last = float("-inf")

    def hear(self) -> None:
        """Something was announced."""
        with self._lock:
            self._wanted.set()
            if self._thread is None:
                self._thread = threading.Thread(target=self._follow, name="handrail-follow", daemon=True)
                self._thread.start()

    def _follow(self) -> None:
        while self._goes_on():
            time.sleep(max(self._wait, self._last + self._apart - time.monotonic()))
            self._wanted.clear()
            self._last = time.monotonic()
            try:
                status = self._sync()
            except OSError as error:  # no process could be begun; the schedule's next sync goes on
                log.error("the sync after an announcement was not begun (%s)", type(error).__name__)
                continue
            if status:
                log.warning("the sync after an announcement ended with status %s", status)

    def _goes_on(self) -> bool:
        """Whether something waits; if not, the thread is over in the same moment, so that the next one begins anew."""
        with self._lock:
            if not self._wanted.is_set():
                self._thread = None
            return self._thread is not None
