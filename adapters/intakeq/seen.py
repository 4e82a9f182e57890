"""Which intakes were read lately, so that the day's requests are not spent on the same ones again and again.

The list is by day and says nothing of when an intake last changed, so what stands in it is read anew once an hour, as
long as more than a quarter of the day's requests are left beside what is new. Ids are kept as short hashes, since
cursors are not sealed.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from hashlib import sha256

import msgspec

from ...schemas.records import Json

AGAIN_MINUTES = 55


class Seen:
    """What was read when: a hash of a list's row -> minutes since 1970, by the platform's clock."""

    def __init__(self, known: dict[str, int], now: int) -> None:
        self._known = known
        self._now = now

    @classmethod
    def of(cls, text: str | None, clock: datetime | None) -> Seen:
        """From a cursor's token; one that cannot be read holds nothing."""
        now = 0 if clock is None else int(clock.timestamp() // 60)
        try:
            return cls(msgspec.json.decode(text or "{}", type=dict[str, int]), now)
        except (msgspec.DecodeError, UnicodeError):
            return cls({}, now)

    def wants(self, row: Json, *, spare: bool) -> bool:
        """Whether the answers are to be read: not yet, or not lately while requests are to spare."""
        last = self._known.get(_name(row))
        return last is None or (spare and not 0 <= self._now - last < AGAIN_MINUTES)

    def read(self, row: Json) -> None:
        """The answers were read."""
        self._known[_name(row)] = self._now

    def keep_only(self, rows: Collection[Json]) -> None:
        """Forgets what no list shows any more."""
        names = {_name(row) for row in rows}
        self._known = {name: at for name, at in self._known.items() if name in names}

    def text(self) -> str:
        """For the cursor."""
        return msgspec.json.encode(self._known).decode()


def _name(row: Json) -> str:
    """Changes with everything that the list says of the intake."""
    return sha256(msgspec.json.encode(row, order="deterministic")).hexdigest()[:12]
