"""The time of a test: it moves when somebody sleeps or when it is told to, so that nothing waits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

START = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


class Clock:
    """The platform's time; an adapter's own clock goes `adrift` seconds before it.

    `slept` lists what an adapter slept, in seconds.
    """

    def __init__(self, at: datetime = START) -> None:
        self.at = at
        self.adrift = 0.0
        self.slept: list[float] = []

    def now(self) -> float:
        """Seconds since 1970 on the adapter's machine."""
        return self.at.timestamp() + self.adrift

    def sleep(self, seconds: float) -> None:
        """What the adapter is given instead of `time.sleep`."""
        self.slept.append(seconds)
        self.at += timedelta(seconds=max(0.0, seconds))

    def later(self, **by: float) -> datetime:
        """Moves on, as `timedelta` is written (`days=3`); gives the new time."""
        self.at += timedelta(**by)
        return self.at
