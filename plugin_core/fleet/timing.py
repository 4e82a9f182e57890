"""When a practice is worked on next: arithmetic alone, without a clock and without chance.

A practice has its own moment of each interval, by a hash of its id, and comes back to it whatever happened in between:
the moments of many practices stay spread as they were on the first day (F94). After something went wrong it waits by
the table below, longer each time, and where only a person can mend it up to a day (F96).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from hashlib import sha256

MINUTE = 60_000
SPREAD = 10  # a wait is lengthened by up to one part in this many, so that those that fell together come back apart


class Ended(Enum):
    """How a turn of a practice ended."""

    DONE = "done"
    MORE = "more"  # it gave way to others with work left (F95), or the worker is about to stop (F100)
    LATER = "later"  # the platform itself said when it may be asked again
    BUSY = "busy"  # a person's command is at work for the practice
    AWAY = "away"  # the platform could not be reached
    FAILED = "failed"  # something failed that may go by itself: a mail server, a rule of a plugin
    WRONG = "wrong"  # a person must mend it: credentials, settings, keys
    BROKEN = "broken"  # a fault that nobody has foreseen


_WAITS: Mapping[Ended, tuple[int, ...]] = {
    Ended.BUSY: (1,),
    Ended.AWAY: (1, 5, 15, 30, 60, 120),
    Ended.FAILED: (5, 15, 15, 30, 60),
    Ended.WRONG: (15, 60, 240, 1440),
    Ended.BROKEN: (15, 60, 240, 1440),
}
FAILURES = frozenset({Ended.AWAY, Ended.FAILED, Ended.WRONG, Ended.BROKEN})


def phase(practice: str, interval_ms: int) -> int:
    """The practice's own moment within each interval, in milliseconds from its beginning."""
    return int.from_bytes(sha256(practice.encode()).digest()[:8]) % interval_ms


def next_slot(practice: str, interval_ms: int, after_ms: int) -> int:
    """The practice's first own moment later than a time (ms since 1970)."""
    own = phase(practice, interval_ms)
    return (after_ms - own) // interval_ms * interval_ms + interval_ms + own


def next_ms(
    ended: Ended, practice: str, interval_ms: int, now_ms: int, *, failures: int = 0, not_before_ms: int | None = None
) -> int:
    """When the practice is due next (ms since 1970).

    :param failures: how many turns failed in a row, this one among them.
    :param not_before_ms: what the platform said, where it said something; it stands above all else.
    """
    return max(_wanted(ended, practice, interval_ms, now_ms, failures), not_before_ms or 0)


def _wanted(ended: Ended, practice: str, interval_ms: int, now_ms: int, failures: int) -> int:
    if ended is Ended.DONE:
        return next_slot(practice, interval_ms, now_ms + interval_ms // 4)  # one that was late is not asked twice
    if ended not in _WAITS:
        return now_ms
    waits = _WAITS[ended]
    wait = waits[min(max(failures, 1), len(waits)) - 1] * MINUTE
    return now_ms + wait + phase(f"{practice} {failures}", wait // SPREAD)


def sync_is_due(practice: str, interval_ms: int, now_ms: int, last_ok_ms: int | None) -> bool:
    """Whether no sync has succeeded since the practice's last own moment."""
    return last_ok_ms is None or last_ok_ms < next_slot(practice, interval_ms, now_ms) - interval_ms
