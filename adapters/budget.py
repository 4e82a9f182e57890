"""Counts our own requests against a platform's published limits, so that the platform never has to refuse them.

The count outlives the process and is shared by all practices that use the same key (one file a key, locked), since
DrChrono's 500 an hour belong to the application and IntakeQ's 500 a day to the account, whoever asks. Where no folder
is given the count lives as long as the connection. A platform's own refusal (429) still stands: `http.py` obeys it.
The libraries that limit rates count sliding windows only or need a server; DrChrono's window begins on the hour.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from math import ceil
from pathlib import Path

from filelock import FileLock

from ..plugin_core.contracts import Counted, Tally
from ..plugin_core.errors import Unreachable
from ..plugin_core.words import tr

LONGEST_WAIT = 120.0
LOCK_SECONDS = 30.0
SHORTEST_WAIT = 0.001  # also what the counts are kept to; less than that would be lost in a clock's own steps


class Spent(Unreachable):
    """The budget of a day or an hour is used up; what is left goes on in a later run (exit status 3)."""


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `most` requests within `seconds`.

    `aligned`: the window begins on whole multiples of `seconds` in UTC, as where a platform resets "at the top of the
    hour"; else it slides. `keep` of the requests are not used by readers, so that a prompt can always be taken back.
    """

    most: int
    seconds: float
    aligned: bool = False
    keep: int = 0


@dataclass(slots=True)
class Budget:
    """Waits until a request fits all limits, or raises `Spent` where that would take longer than two minutes.

    :param name: what is shared: a platform and the key whose limit it is. Only its hash is written down.
    :param folder: where the counts lie; None keeps them in memory.
    :param tally: where they lie instead on a host, whose workers share them.
    """

    name: str
    limits: Sequence[Limit]
    now: Callable[[], float]
    sleep: Callable[[float], None]
    site: str
    folder: Path | None = None
    tally: Tally | None = None
    _memory: Counted = field(default_factory=lambda: Counted([]))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, *, write: bool = False) -> None:
        """One request more. A `write` may use what readers leave.

        :raises Spent: the sentence names when it goes on.
        """
        waited = 0.0
        while True:
            with self._counted() as counted:
                now, times = self.now(), counted.times
                self._forget(times, now)
                waits = [_wait(limit, times, now, write=write) for limit in self.limits]
                wait = max(0.0, counted.not_before - now, *waits)
                if wait <= 0:
                    times.append(now)
                    return
            waited += wait
            if waited > LONGEST_WAIT:
                if self.tally is not None:
                    self.sleep(wait)  # on a host this ends the turn: another practice has the place meanwhile
                raise Spent(
                    tr(
                        "The number of requests that {site} allows is used up. It goes on after {time} UTC by itself, "
                        "at the next run; nothing is lost.",
                        site=self.site,
                        time=datetime.fromtimestamp(self.now() + wait, UTC).strftime("%Y-%m-%d %H:%M"),
                    )
                )
            self.sleep(max(wait, SHORTEST_WAIT))

    def left(self, of: Limit | None = None) -> int:
        """How many reads fit now into all limits, or into this one of them."""
        limits = self.limits if of is None else (of,)
        with self._counted() as counted:
            now = self.now()
            free = (limit.most - limit.keep - len(_within(limit, counted.times, now)) for limit in limits)
            return max(0, min(free, default=0))  # writes may have used what is kept from readers

    def hush(self, seconds: float) -> None:
        """The platform has asked to be left alone for so long: by nobody who counts against the same limits (F30)."""
        with self._counted() as counted:
            counted.not_before = max(counted.not_before, self.now() + seconds)

    def _forget(self, times: list[float], now: float) -> None:
        longest = max((limit.seconds for limit in self.limits), default=0.0)
        # A clock that was set back leaves times in the future: they count as now, so that nobody waits for years.
        times[:] = [min(at, now) for at in times if at > now - longest]

    @contextmanager
    def _counted(self) -> Iterator[Counted]:
        """The requests so far; what is changed is kept."""
        if self.tally is not None:
            with self.tally(self.name) as counted:
                yield counted
            return
        if self.folder is None:
            with self._lock:
                yield self._memory
            return
        place = self.folder / f"requests-{sha256(self.name.encode()).hexdigest()[:24]}.json"
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with FileLock(f"{place}.lock", timeout=LOCK_SECONDS):
                times = _read(place)
                before = list(times)
                yield (counted := Counted(times, self._memory.not_before))
                self._memory.not_before = counted.not_before  # other processes meet the refusal themselves
                if counted.times != before:
                    _write(place, counted.times)
        except OSError as error:  # the folder is full, not ours, or another process holds the lock and stands still
            raise Unreachable(
                tr(
                    "The count of requests to {site} cannot be kept in {folder}, so none is sent: the limits of the "
                    "platform could be broken. Check that the folder can be written, then run the command again.",
                    site=self.site,
                    folder=self.folder,
                ),
                detail=type(error).__name__,
            ) from None


def _write(place: Path, times: Sequence[float]) -> None:
    """Keeps the counts to the millisecond, rounded up: a moment earlier would free its place too soon."""
    fresh = place.with_suffix(".new")
    fresh.write_text(json.dumps([ceil(at * 1000) / 1000 for at in times]), encoding="ascii")
    fresh.replace(place)


def _read(place: Path) -> list[float]:
    """What was counted; a file that cannot be read counts as nothing, as the platform's own 429 stands behind it."""
    try:
        found = json.loads(place.read_text(encoding="ascii"))
        return [float(at) for at in found]
    except FileNotFoundError:
        return []
    except (ValueError, TypeError, OverflowError, RecursionError):
        return []


def _within(limit: Limit, times: Sequence[float], now: float) -> list[float]:
    begin = now - now % limit.seconds if limit.aligned else now - limit.seconds
    return [at for at in times if at >= begin] if limit.aligned else [at for at in times if at > begin]


def _wait(limit: Limit, times: Sequence[float], now: float, *, write: bool) -> float:
    """Seconds until one request more fits this limit."""
    used = _within(limit, times, now)
    most = limit.most if write else limit.most - limit.keep
    if len(used) < most:
        return 0.0
    if limit.aligned:
        return limit.seconds - now % limit.seconds
    return sorted(used)[len(used) - most] + limit.seconds - now
