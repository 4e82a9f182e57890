"""How long to wait before asking again: the server's word where it gives one, else growing pauses with jitter."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from .times import http_date

MAX_DIGITS = 10


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that `Retry-After` asks for, never negative; None where it is absent or nonsense (F31).

    A date is measured against the answer's own `Date`, not against the local clock. The usual HTTP library raises on
    `abc`, `-5` and `1.5`, so it is kept from reading this header.
    """
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(int(text)) if len(text) <= MAX_DIGITS else float(10**MAX_DIGITS)
    until, sent = http_date(text), http_date(headers.get("Date"))
    if until is None or sent is None:
        return None
    return max(0.0, (until - sent).total_seconds())


@dataclass(slots=True)
class Patience:
    """Waits for one source, for all its threads together: while it is asked to be quiet, nobody asks (F30, F32).

    `tries` counts requests, `first` and `longest` are seconds of the growing pauses, `obey_up_to` caps what a server
    may ask for. `now` and `sleep` are the caller's, so that tests wait in no real time.
    """

    now: Callable[[], float]
    sleep: Callable[[float], None]
    tries: int = 5
    first: float = 1.0
    longest: float = 60.0
    obey_up_to: float = 300.0
    jitter: Callable[[], float] = random.random
    _quiet_until: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def hold(self) -> None:
        """Waits while another request was told to."""
        left = self._quiet_until - self.now()
        if left > 0:
            self.sleep(min(left, self.obey_up_to))

    def pause(self, attempt: int, asked: float | None = None) -> None:
        """Waits after the failed try number `attempt` (0 is the first): what was `asked`, or 2^attempt with jitter."""
        grown = min(self.longest, self.first * 2.0**attempt) * (0.5 + 0.5 * self.jitter())
        seconds = grown if asked is None else min(asked, self.obey_up_to)
        with self._lock:
            self._quiet_until = max(self._quiet_until, self.now() + seconds)
        self.sleep(seconds)
