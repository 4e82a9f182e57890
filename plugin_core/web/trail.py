"""What requests want written before their answers go out: lines of the audit trail, sign-ins in use, who looked when.

Requests that wait at the same time are written in one transaction by the first of them: one wait for the disk instead
of many, and no polling for the database's one place to write. Each goes out only once its own lines are committed.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..store import Tx, accounts, book

if TYPE_CHECKING:
    from ..engine import Engine
    from ..store.accounts import Look

Line = tuple[str, str, str | None, str | None]


@dataclass(slots=True, eq=False)
class Wish:
    """What one request wants written. `lines`: actor, action, our key, detail."""

    lines: list[Line] = field(default_factory=list)
    seen: tuple[str, int] | None = None
    looked: tuple[str, str, Look] | None = None
    done: bool = False
    fault: Exception | None = None

    def write(self, tx: Tx) -> None:
        """Writes it."""
        for actor, action, subject, detail in self.lines:
            book.record(tx, actor, action, subject, detail)
        if self.seen:
            accounts.seen(tx, *self.seen)
        if self.looked:
            accounts.looked(tx, *self.looked)


class Trail:
    """The one place through which the requests of a desk write."""

    def __init__(self) -> None:
        self._waiting: list[Wish] = []
        self._list = threading.Lock()
        self._turn = threading.Lock()

    def write(self, engine: Engine, source: int, wish: Wish) -> None:
        """Returns once it is committed.

        :raises StoreError: it could not be written, nor what was to be written with it.
        """
        with self._list:
            self._waiting.append(wish)
        with self._turn:
            if not wish.done:
                self._write_all(engine, source)
        if wish.fault is not None:
            raise wish.fault

    def _write_all(self, engine: Engine, source: int) -> None:
        with self._list:
            together, self._waiting = self._waiting, []
        fault: Exception | None = None

        def write(tx: Tx) -> None:
            for one in together:
                one.write(tx)

        try:
            engine.store.write(write, source)
        except Exception as error:  # noqa: BLE001 - each of the waiting requests raises it
            fault = error
        for one in together:
            one.fault, one.done = fault, True
