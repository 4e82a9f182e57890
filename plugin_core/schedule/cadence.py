"""At which minutes of the day a practice syncs: regular for every scheduler, spread over practices (F94)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..words import tr

DAY = 24 * 60
# Numbers of minutes that divide an hour, or hours that divide a day: what cron, systemd and launchd can all say.
REGULAR = (5, 6, 10, 12, 15, 20, 30, 60, 120, 180, 240, 360, 480, 720, DAY)


@dataclass(frozen=True, slots=True)
class Cadence:
    """Every so many minutes, the first time of a day so many minutes after midnight (`0 <= offset < every`)."""

    every: int
    offset: int

    @classmethod
    def of(cls, minutes: int, *seeds: str) -> Cadence:
        """The nearest regular cadence that is not slower, its start drawn from a hash of the seeds."""
        every = max((fit for fit in REGULAR if fit <= minutes), default=REGULAR[0])
        digest = hashlib.sha256("\0".join(seeds).encode()).digest()
        return cls(every, int.from_bytes(digest[:8], "big") % every)

    @property
    def times(self) -> tuple[tuple[int, int], ...]:
        """All (hour, minute) of a day."""
        return tuple(divmod(minute, 60) for minute in range(self.offset, DAY, self.every))

    @property
    def minutes(self) -> tuple[int, ...]:
        """The minutes of each hour, where it runs at least hourly; else the one minute."""
        return tuple(range(self.offset % 60, 60, min(self.every, 60)))

    def next_after(self, now: datetime) -> datetime:
        """The next start after a time, on the same clock."""
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        passed = int((now - midnight) / timedelta(minutes=1))
        ahead = next((m for m in range(self.offset, DAY, self.every) if m > passed), DAY + self.offset)
        return midnight + timedelta(minutes=ahead)

    def words(self) -> str:
        """In words: "every 15 minutes, counted from 00:07", "every hour, at 7 minutes past"."""
        hour, minute = divmod(self.offset, 60)
        if self.every == 60:
            return tr("every hour, at {minute} minutes past", minute=minute)
        start = f"{hour:02}:{minute:02}"
        if self.every < 60:
            return tr("every {number} minutes, counted from {start}", number=self.every, start=start)
        return tr("every {number} hours, counted from {start}", number=self.every // 60, start=start)
