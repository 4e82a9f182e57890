"""Guessing is made slow: failed tries are counted in the store, so that a restart forgives nobody.

After a few failures nothing more is taken for a while, which doubles with each further failure. It is counted by what
was tried (a name, a code) and by where it came from; a name that does not exist is counted like one that does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..store import Tx, accounts
from ..store.accounts import Tries
from . import here

MINUTE_MS = 60_000
LONGEST_MS = 60 * MINUTE_MS


@dataclass(frozen=True, slots=True)
class Limit:
    """How many failures are free, and for how long it is shut after the first one too many."""

    free: int
    shut_ms: int = MINUTE_MS
    forget_ms: int = 60 * MINUTE_MS


BY_NAME = Limit(free=5)
BY_ADDRESS = Limit(free=30)


class Guard:
    """The tries of one thing: `Guard({("sign-in", name): BY_NAME, ("address", ip): BY_ADDRESS})`."""

    def __init__(self, limits: Mapping[tuple[str, str], Limit]) -> None:
        self._limits = {here.keyed("tries", kind, what): limit for (kind, what), limit in limits.items()}
        self._taken: dict[str, Tries] = {}

    def take(self) -> int:
        """Counts one try before it is looked at, so that tries side by side are all counted; `passed` takes it back.

        :returns: for how many more seconds nothing is taken; 0: go on.
        """
        now = here.now_ms()

        def write(tx: Tx) -> int:
            have = accounts.tries(tx, list(self._limits))
            if (left := max((one.until_ms - now for one in have.values()), default=0)) > 0:
                return -(-left // 1000)
            self._taken = {key: _more(have.get(key, Tries()), limit, now) for key, limit in self._limits.items()}
            accounts.tried(tx, self._taken)
            return 0

        return here.engine().store.write(write)

    def passed(self, *, taken: bool = False) -> None:
        """Forgets the failures of what was tried; those of the place it came from stay.

        :param taken: this try was counted by `take`, which is undone for the place.
        """
        keys = [key for key, limit in self._limits.items() if limit is not BY_ADDRESS]
        places = [key for key in self._limits if key not in keys] if taken else []

        def write(tx: Tx) -> None:
            accounts.forget_tries(tx, keys)
            have = accounts.tries(tx, places)
            accounts.tried(tx, {key: self._without_mine(key, one) for key, one in have.items()})

        here.engine().store.write(write)

    def _without_mine(self, key: str, one: Tries) -> Tries:
        """What was counted, but for this try: it opens what itself has shut, not what another try has shut since."""
        return Tries(one.number - 1, one.last_ms, 0 if one == self._taken.get(key) else one.until_ms)


def _more(old: Tries, limit: Limit, now: int) -> Tries:
    number = 1 if now - old.last_ms > limit.forget_ms and now > old.until_ms else old.number + 1
    over = number - limit.free
    shut = 0 if over < 0 else now + min(LONGEST_MS, limit.shut_ms * 2**over)
    return Tries(number, now, shut)
