"""The practice at work behind the pages: engines for the threads that serve, the clock, keyed hashes for tokens.

An engine is used by one thread at a time: it holds an open adapter and things computed when first needed. Each has
connections of its own, so that a page reads beside a running sync (SQLite in WAL mode, PostgreSQL by snapshots). One
that was opened on a store file or with a key file that was replaced since (`handrail restore`, `key rotate --master`)
is not used again: what it wrote would lie in a file that nobody reads. Where store or key is no file, the wrapped keys
in the store tell the same, and each write looks at them first: what is sealed with a key that is gone stays sealed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ..engine import Engine
from ..errors import StoreError
from ..keeping.rotation import open_with
from ..manager import Plugins
from ..words import mark, tr
from .trail import Trail

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ..settings import Settings
    from ..store import Store
    from .caseload import Caseload

PATIENCE = 3.0
"""Seconds that people wait while another program holds the store; a sync waits longer."""
REPLACED = mark(
    "The store was replaced while this page was open (a backup put back, or a new key). Nothing was changed. Load the "
    "page again."
)
Prepare = Callable[[Engine], None]
Place = tuple[tuple[int, ...] | None, ...]


class Desk:
    """One practice's desk.

    :param settings: the practice's settings.
    :param now: the clock, as for `Engine`.
    :param prepare: called with each new engine, for a demo or a test that replaces a part of it.
    :param plugins: already prepared plugins, as for `Engine`.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        now: Callable[[], datetime] | None = None,
        prepare: Prepare | None = None,
        plugins: Plugins | None = None,
    ) -> None:
        self.settings = settings
        self._now = now
        self._prepare = prepare
        self._plugins = plugins or Plugins(settings.plugins)
        self._idle: list[Engine] = []
        self._opened: dict[Engine, Place] = {}
        self._place: Place = ()
        self._closed = False
        self._lock = threading.Lock()
        self.ready = False
        self.trail = Trail()
        self.turn = threading.Lock()

    @contextmanager
    def engine(self) -> Iterator[Engine]:
        """An engine for this thread alone, until the block ends."""
        found = self.borrow()
        try:
            yield found
        finally:
            self.give_back(found)

    def borrow(self) -> Engine:
        """An engine for this thread alone; to be given back. The one used last comes first, since it is warm."""
        place = self._files()
        while (found := self._warmest(place)) is not None:
            if self._opened.get(found) == place and self._is_as_opened(found):
                return found
            with self._lock:
                self._opened.pop(found, None)
                self._forget()
            found.close()
        return self._open(place)

    def _warmest(self, place: Place) -> Engine | None:
        with self._lock:
            if place != self._place:
                self._place = place
                self._forget()
            return self._idle.pop() if self._idle else None

    def _forget(self) -> None:
        """What was read from a store that is not there any more."""
        self.ready = False
        self.__dict__.pop("caseload", None)

    def _is_as_opened(self, engine: Engine) -> bool:
        if self._in_files:
            return True
        try:
            with engine.store.reading() as tx:
                return engine.store.is_as_opened(tx.conn)
        except StoreError:  # a new one says what is wrong, or does without that connection
            return False

    def _open(self, place: Place) -> Engine:
        made = Engine(self.settings, plugins=self._plugins, now=self._now)
        made.store = open_with(self.settings, patience=PATIENCE)
        if not self._in_files:
            made.store.guarded_by(_only_as_opened(made.store))
        if self._prepare is not None:
            self._prepare(made)
        with self._lock:
            if not self._closed:
                self._opened[made] = place
        return made

    @cached_property
    def _in_files(self) -> bool:
        """Whether store and key are files, which tell by themselves when others took their places."""
        return self.settings.store_in_file and self.settings.key_reference.startswith("file:")

    def _files(self) -> Place:
        """What tells the store's and the key's files from others that took their places; nothing for a server's."""
        kind, _, key = self.settings.key_reference.partition(":")
        store = self.settings.store_path if self.settings.store_in_file else None
        return _told(store), _told(Path(key) if kind == "file" else None)

    def give_back(self, engine: Engine) -> None:
        """Ends a loan."""
        with self._lock:
            if engine in self._opened:
                self._idle.append(engine)
                return
        engine.close()

    def warm(self, engines: int) -> None:
        """Makes so many engines and reads the list of clients once."""
        made = [self.borrow() for _ in range(engines)]
        try:
            for engine in made:
                engine.registry.instruments  # noqa: B018 - computed when first asked for
                self.caseload.rows(engine, engine.source, "")
        finally:
            for engine in made:
                self.give_back(engine)

    def close(self) -> None:
        """Gives back what was opened. What a thread still works with ends when that thread has done."""
        with self._lock:
            idle, self._opened, self._idle, self._closed = self._idle, {}, [], True
        for engine in idle:
            engine.close()

    @cached_property
    def caseload(self) -> Caseload:
        """The list of clients, kept in memory in step with the store."""
        from .caseload import Caseload

        return Caseload()

    @property
    def secure(self) -> bool:
        """Whether people reach the desk by https, so that cookies may be kept to it."""
        return self.settings.web.address.startswith("https://")


def _only_as_opened(store: Store) -> Callable[[Connection], None]:
    def guard(conn: Connection) -> None:
        if not store.is_as_opened(conn):
            raise StoreError(tr(REPLACED))

    return guard


def _told(file: Path | None) -> tuple[int, ...] | None:
    if file is None:
        return None
    try:
        found = file.stat()
    except OSError:
        return ()
    return found.st_dev, found.st_ino
