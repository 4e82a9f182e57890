"""A platform's webhook: a reason to pull soon, and never data. What is new is read by the authenticated way alone.

The address is open to the world, so each request is bounded before it is looked at: its size, and how many a minute.
The adapter verifies it (`AdapterSpec.webhook`); an event that was heard before changes nothing; what is kept is a keyed
hash and a time. `handrail sync --if-hinted` then has something to do.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ..schemas.vocab import RunOutcome
from .contracts import Hint, Refusal, WebhookRequest
from .errors import HandrailError
from .store import Tx, book
from .store import hints as stored
from .store.sql import to_ms

if TYPE_CHECKING:
    from .engine import Engine

log = logging.getLogger(__name__)

LARGEST_BODY = 256 << 10
MOST_A_MINUTE = 120
METHODS = ("GET", "POST")
KEPT = timedelta(days=30)
"""How long an event that was heard is known again; a replay after that costs one pull that finds nothing."""
REFUSALS_NOTED_EVERY = 3600.0


@dataclass(slots=True)
class Door:
    """Counts one practice's requests in this process, whatever thread serves them."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    times: deque[float] = field(default_factory=deque)
    noted: float | None = None

    def lets_in(self, now: float) -> bool:
        """Whether one more fits into the minute."""
        with self.lock:
            while self.times and not now - 60.0 < self.times[0] <= now:
                self.times.popleft()
            if len(self.times) >= MOST_A_MINUTE:
                return False
            self.times.append(now)
            return True

    def notes(self, now: float) -> bool:
        """Whether a refusal is written down: one an hour, else anybody could fill the audit trail."""
        with self.lock:
            if self.noted is not None and 0 <= now - self.noted < REFUSALS_NOTED_EVERY:
                return False
            self.noted = now
            return True


_doors: dict[str, Door] = {}
_doors_lock = threading.Lock()


def _door(place: str) -> Door:
    with _doors_lock:
        return _doors.setdefault(place, Door())


class Hints:
    """The practice's ear: `receive` for whoever serves the address, `waiting` and `settle` for the sync."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def receive(self, request: WebhookRequest) -> tuple[int, bytes]:
        """Takes one request of the platform's; gives the status and the body to answer with. Raises nothing.

        404 where the connected platform has no webhooks, 405, 413 and 429 before the request is looked at, 403 where it
        is not the platform's, 503 where it cannot be told now (the platform then sends it again), else 200.
        """
        engine = self._engine
        webhook = None if engine.settings.platform is None else engine.spec.webhook
        if webhook is None:
            return 404, b""
        if request.method not in METHODS:
            return 405, b""
        if len(request.body) > LARGEST_BODY:
            return 413, b""
        door = _door(f"{engine.settings.store_url}|{engine.settings.practice}")
        if not door.lets_in(engine.now().timestamp()):
            return 429, b""
        try:
            from .opening import context_of

            heard = webhook(context_of(engine, engine.spec, engine.connection), request)
            return self._kept(heard, door)
        except HandrailError as error:
            log.warning("webhook: %s", error.message)
        except Exception as error:  # noqa: BLE001 - an adapter's fault must not end the desk; its text may be private
            log.warning("webhook: the adapter failed (%s)", type(error).__name__)
        return 503, b""

    def _kept(self, heard: Hint | Refusal, door: Door) -> tuple[int, bytes]:
        engine = self._engine
        if isinstance(heard, Refusal):
            if door.notes(engine.now().timestamp()):
                engine.store.write(lambda tx: book.record(tx, "platform", "webhook-refused"), engine.source)
            return 403, b""
        if not heard.pull:
            return 200, heard.reply
        key = engine.store.sealer.hash("hint", str(engine.source), heard.key)
        now = engine.now()

        def write(tx: Tx) -> None:
            if stored.known(tx, key):  # delivered again, or replayed by somebody: nothing comes of it
                return
            stored.add(tx, key, to_ms(now))
            stored.prune(tx, to_ms(now - KEPT))
            book.record(tx, "platform", "webhook-heard")

        engine.store.write(write, engine.source)
        return 200, heard.reply

    def waiting(self) -> int:
        """How many announcements no sync has followed yet."""
        with self._engine.store.reading(self._engine.source) as tx:
            return stored.waiting(tx)

    def settle(self, begun: datetime, outcome: RunOutcome) -> None:
        """A sync that began then has ended: where it pulled everything, what was heard before it is done."""
        engine = self._engine
        if outcome is RunOutcome.COMPLETE and self.waiting():
            now = to_ms(engine.now())
            engine.store.write(lambda tx: stored.settle(tx, to_ms(begun), now), engine.source)
