"""Watches the turns of a worker: renews their leases, and finds those that do not move any more (F103).

A thread that hangs cannot be ended from outside. Its practice is paused under a new fence, so that it can write nothing
when it wakes; the other turns come to their end, and then the process begins anew, without it.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable
from importlib.metadata import packages_distributions
from types import FrameType

from ..errors import StoreError
from ..manager import Plugins
from ..store.database import plainly
from ..words import mark, tr
from . import lease
from .work import Running, Work

log = logging.getLogger(__name__)
LOOK_EVERY = 1.0
ASLEEP = 5.0
OWN = "handrail"
PLUGIN_HANGS = mark(
    "The plugin {plugin} did not come back within {minutes} minutes. The practice is paused. Update or remove the "
    "plugin, then run: handrail practices resume {practice}"
)
WE_HANG = mark(
    "Handrail itself stood still for {minutes} minutes (in {place}). The practice is paused. Please report that place, "
    "then run: handrail practices resume {practice}"
)


class Watch(threading.Thread):
    """Looks each second.

    :param hung: called once a turn has gone too long without a page, a delivery or a write.
    :param ended: set when there is nothing to watch any more.
    """

    def __init__(self, work: Work, hung: Callable[[], None], ended: threading.Event) -> None:
        super().__init__(name="watch", daemon=True)
        self._work = work
        self._hung = hung
        self._ended = ended
        self._stuck_seconds = work.host.worker.stuck_seconds
        self._renewed: dict[Running, float] = {}

    def run(self) -> None:
        looked = time.monotonic()
        while not self._ended.wait(LOOK_EVERY):
            before, looked = looked, time.monotonic()
            turns = list(self._work.running.values())
            if looked - before > ASLEEP:  # the whole process stood still, not a turn: a computer that slept
                for running in turns:
                    running.turn.seen()
            for running in turns:
                self._guarded(running)
            self._renewed = {one: at for one, at in self._renewed.items() if one in turns}

    def _guarded(self, running: Running) -> None:
        """One turn's look. Whatever goes wrong with it, the next one tries again, and the other turns have theirs:
        without this thread long turns would lose their leases, and nobody would find the one that hangs."""
        try:
            self._look(running)
        except StoreError as error:  # the database is away
            log.warning("%s", error.message)
        except Exception as error:  # noqa: BLE001 - see above
            place = traceback.extract_tb(error.__traceback__)[-1]
            kind = type(error).__name__
            log.error("practice %s: unforeseen fault %s in %s line %s", running.lease.practice, kind, *place[:2])

    def _look(self, running: Running) -> None:
        now = time.monotonic()
        if now - running.turn.last_seen > self._stuck_seconds:
            self._pause(running)
        elif (now - self._renewed.setdefault(running, now)) * 3000 > self._work.lease_ms:
            self._renewed[running] = now
            self._work.keep(running)

    def _pause(self, running: Running) -> None:
        practice = running.lease.practice
        plugin, place = _culprit(running)
        found = {"practice": practice, "minutes": max(1, round(self._stuck_seconds / 60))}
        problem = tr(PLUGIN_HANGS, plugin=plugin, **found) if plugin else tr(WE_HANG, place=place, **found)
        with plainly(self._work.pool), self._work.pool.begin() as conn:
            lease.stop(conn, running.lease, problem)
        log.error("practice %s: %s", practice, problem)
        self._hung()
        self._work.running.pop(running.thread, None)


def _culprit(running: Running) -> tuple[str | None, str]:
    """As `culprit`. A package whose metadata cannot be read is no reason to leave the practice with who hangs."""
    try:
        return culprit(sys._current_frames().get(running.thread), running.plugins)
    except Exception as error:  # noqa: BLE001 - what other packages have in their metadata is not ours
        log.warning("who hangs could not be found out (%s)", type(error).__name__)
        return None, tr("an unknown place")


def culprit(frame: FrameType | None, plugins: Plugins | None) -> tuple[str | None, str]:
    """Who a thread is with: the plugin whose code it entered last, None if it is in none, and the place in Handrail."""
    known = {} if plugins is None else {info.distribution.lower(): info for info in plugins.infos() if info.loaded}
    owners = packages_distributions()
    own = ""
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        for distribution in owners.get(module.partition(".")[0], ()):
            info = known.get(distribution.lower())
            if info is not None and distribution.lower() != OWN:
                return info.label, own
        if not own and module.startswith(f"{OWN}."):
            own = f"{module}.{frame.f_code.co_name}"
        frame = frame.f_back
    return None, own
