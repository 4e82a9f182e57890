"""A thread that goes round while there is something to do, and is not there otherwise. Never two at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from ..threads import started


class Errand:
    """Work that is asked for from many threads and done in one.

    :param name: of the thread.
    :param work: one round; True where more is left to do.
    :param pause: how many seconds to wait before the next round; what is asked for meanwhile belongs to that round.
    """

    def __init__(self, name: str, work: Callable[[], bool], pause: Callable[[], float]) -> None:
        self._name = name
        self._work = work
        self._pause = pause
        self._wanted = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def hear(self) -> bool:
        """There is something to do. False: the system gives no thread for it now; it waits until there is more."""
        with self._lock:
            self._wanted.set()
            if self._thread is None or not self._thread.is_alive():
                thread = threading.Thread(target=self._go, name=self._name, daemon=True)
                self._thread = thread if started(thread) else None
            return self._thread is not None

    def settled(self, seconds: float) -> bool:
        """Waits until nothing is under way; False where that takes longer."""
        thread = self._thread
        if thread is not None:
            thread.join(seconds)
        return thread is None or not thread.is_alive()

    def _go(self) -> None:
        while self._goes_on():
            time.sleep(self._pause())
            self._wanted.clear()
            if self._work():
                self._wanted.set()

    def _goes_on(self) -> bool:
        """Whether something waits; if not, the thread is over in the same moment, so that the next one begins anew."""
        with self._lock:
            if not self._wanted.is_set():
                self._thread = None
            return self._thread is not None
