"""Opens the store, brings it to this version, and runs transactions that may be repeated.

SQLite by default (WAL; a commit waits for the disk, but for pages that a power cut may take back: F70), PostgreSQL by
the same code. A write transaction takes its lock at the start (BEGIN IMMEDIATE), so that two writers queue instead of
failing in the middle; passing faults of the database repeat the whole transaction (F72, F75, F76), which is safe since
every write here is keyed.
"""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, insert, inspect, select, text, update
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError, SQLAlchemyError

from .. import private
from ..errors import KeyProblem, StoreError
from ..words import mark, tr
from ..words.kept import why_of
from . import disks, opening, seal, whole
from .tables import keys, practices, sources

HEAD = "0006"
TRIES = 5
PAUSE = 0.05
BUSY_SECONDS = 10
_CHECK = b"handrail"
T = TypeVar("T")
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Tx:
    """An open transaction of one practice and one source (a platform connection)."""

    conn: Connection
    sealer: seal.Sealer
    source: int


class Store:
    """The store of one practice.

    :param url: an SQLAlchemy address, `sqlite:////path/store.db` or `postgresql+psycopg://…`.
    :param practice: the practice's id in the store.
    :param master: the 32 bytes that its keys are wrapped with.
    :param create: make the store, and the practice in it, where they are not there.
    :param pool: the connections of a host's worker, of the right version and shared by the practices that it works on.
    :param patience: seconds that a person who waits for an answer has while another program holds the store. None: as
        long as a sync has, which may wait most of a minute.
    :raises StoreError: not there, unreadable, or made by a newer Handrail.
    :raises KeyProblem: the key is not the one the store was sealed with.
    """

    def __init__(
        self,
        url: str,
        practice: str,
        master: bytes,
        *,
        create: bool = False,
        pool: Engine | None = None,
        patience: float | None = None,
    ) -> None:
        self.practice = practice
        self._rehearsal: Connection | None = None
        self._shared = pool is not None
        self._patience = patience
        self._wrapped: dict[int, bytes] = {}
        self._sources: dict[str, int] = {}  # those that were there when it was opened
        self.guard: Callable[[Connection], None] | None = None
        self.holding: Callable[[Connection], None] | None = None  # while a command has the lock (sync/lock.py)
        opened = pool or engine_of(url, master, create=create, patience=patience)
        self.engine = opened.execution_options(handrail_practice=practice, handrail_patience=patience)
        try:
            with plainly(self.engine):
                if pool is None:
                    upgrade(self.engine, create=create)
                self.sealer = self._open_keys(master, create=create)
        except BaseException:
            self._dispose()
            raise

    def close(self) -> None:
        """Gives the connections back; on SQLite the write-ahead log is folded in (F80)."""
        if self.engine.dialect.name == "sqlite":
            try:
                with self.engine.connect() as conn:
                    conn.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)")
            except SQLAlchemyError as error:
                # SQLite folds the log in by itself later. Raising here would hide why the store is being closed.
                log.info("the write-ahead log was not folded in (%s)", type(error).__name__)
        self._dispose()

    def _dispose(self) -> None:
        if not self._shared:
            self.engine.dispose()

    def guarded_by(self, guard: Callable[[Connection], None]) -> None:
        """From now on each write transaction begins with `guard`, which raises where this process may write no more."""
        self.guard = guard

    def plain(self) -> AbstractContextManager[None]:
        """Turns faults of the database inside into a StoreError."""
        return plainly(self.engine)

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- transactions --------------------------------------------------------------------------------------------

    @contextmanager
    def reading(self, source: int = 0) -> Iterator[Tx]:
        """A consistent view; nothing is written."""
        if self._rehearsal is not None:
            with plainly(self.engine):
                yield Tx(self._rehearsal, self.sealer, source)
            return
        with plainly(self.engine), self._snapshot() as conn, conn.begin():
            yield Tx(conn, self.sealer, source)

    def _snapshot(self) -> Connection:
        """A connection whose transaction sees one state of the store; SQLite's always does."""
        conn = self.engine.connect()
        if conn.dialect.name == "postgresql":
            conn = conn.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        return conn

    def write(self, work: Callable[[Tx], T], source: int = 0, *, again: bool = False) -> T:
        """Runs `work` in one transaction and commits it; repeats it whole when the database says "later".

        `work` must only depend on what it reads inside, and have no effect outside. Where the answer to the COMMIT was
        lost, the server is asked whether it took, so that nothing is entered in the audit trail twice (F76).

        :param again: what a power cut takes back is done again by the next run, as a page whose cursor goes with it.
            SQLite then does not wait for the disk; PostgreSQL does, since it may come back while this process runs on.
        """
        if self._rehearsal is not None:
            with plainly(self.engine), self._rehearsal.begin_nested():
                return work(Tx(self._rehearsal, self.sealer, source))
        unsure: tuple[int, T] | None = None
        begun = time.monotonic()
        for attempt in range(1, TRIES + 1):
            try:
                options = {"handrail_write": True, "handrail_again": again}
                with self.engine.connect().execution_options(**options) as conn, conn.begin():
                    if unsure is not None and _took(conn, unsure[0]):
                        return unsure[1]
                    unsure = None
                    for allows in (self.guard, self.holding):
                        if allows is not None:
                            allows(conn)
                    done = work(Tx(conn, self.sealer, source))
                    if (number := _number(conn)) is not None:
                        unsure = number, done
                return done
            except DBAPIError as error:
                over = self._patience is not None and time.monotonic() - begun >= self._patience
                if over or attempt == TRIES or not _passing(error):
                    raise _as_store_error(error, self.engine) from None
                time.sleep(PAUSE * 2**attempt)
        raise AssertionError("unreachable")

    @property
    def rehearsing(self) -> bool:
        """Whether what is written now will be rolled back."""
        return self._rehearsal is not None

    @contextmanager
    def rehearsal(self) -> Iterator[None]:
        """Everything written inside is seen inside and then rolled back: a dry run over the real code."""
        with plainly(self.engine), self.engine.connect().execution_options(handrail_write=True) as conn:
            trans = conn.begin()
            self._rehearsal = conn
            try:
                yield
            finally:
                self._rehearsal = None
                trans.rollback()

    # --- practice, keys, sources -----------------------------------------------------------------------------------

    def _open_keys(self, master: bytes, *, create: bool) -> seal.Sealer:
        with self.engine.connect() as conn:
            check = conn.execute(select(practices.c.sealed).where(practices.c.id == self.practice)).scalar()
            wrapped = self._read_keys(conn)
            rows = conn.execute(select(sources.c.name, sources.c.id).where(sources.c.practice == self.practice))
            self._sources = {row.name: row.id for row in rows}
        found = self._unwrapped(wrapped, master)
        if not found or check is None:
            if not create:
                raise StoreError(
                    tr("The store has no practice {practice!r}. Run: handrail init", practice=self.practice)
                )
            return self._new_practice(master)
        sealer = seal.Sealer(self.practice, found, lambda: self.practice_keys(master))
        if sealer.open(f"practices:{self.practice}", check) != _CHECK:
            raise KeyProblem(
                tr("The store's check value is not as Handrail wrote it. Restore the store from a backup.")
            )
        return sealer

    def practice_keys(self, master: bytes) -> dict[int, bytes]:
        """The practice's keys by id, as the store has them at this moment.

        :raises KeyProblem: the master key is not the one that they were wrapped with.
        """
        with self.engine.connect() as conn:
            wrapped = self._read_keys(conn)
        return self._unwrapped(wrapped, master)

    def _unwrapped(self, wrapped: dict[int, bytes], master: bytes) -> dict[int, bytes]:
        opened = {number: seal.unwrap(master, self.practice, number, key) for number, key in wrapped.items()}
        good = {number: key for number, key in opened.items() if key is not None}
        if len(good) != len(opened):
            raise KeyProblem(
                tr(
                    "The key does not fit this store: it was sealed with another one. Nothing was written. Put the "
                    "right key back (the keyring entry or key file that belongs to this store)."
                )
            )
        self._wrapped = wrapped
        return good

    def _read_keys(self, conn: Connection) -> dict[int, bytes]:
        rows = conn.execute(select(keys.c.id, keys.c.wrapped).where(keys.c.practice == self.practice))
        return {row.id: row.wrapped for row in rows}

    def is_as_opened(self, conn: Connection) -> bool:
        """Whether the keys that it was opened with are those of the database still: a restore, and a new master key,
        wrap them anew. What is sealed with keys that are gone could never be opened again."""
        return self._wrapped.items() <= self._read_keys(conn).items()

    def _new_practice(self, master: bytes) -> seal.Sealer:
        key = secrets.token_bytes(seal.KEY_BYTES)
        sealer = seal.Sealer(self.practice, {1: key})
        now = now_ms()

        def work(tx: Tx) -> None:
            wrapped = seal.wrap(master, self.practice, 1, key)
            tx.conn.execute(insert(keys).values(practice=self.practice, id=1, wrapped=wrapped, created_ms=now))
            check = sealer.seal(f"practices:{self.practice}", _CHECK)
            tx.conn.execute(insert(practices).values(id=self.practice, created_ms=now, sealed=check))

        self.sealer = sealer
        self.write(work)
        return sealer

    def source(self, name: str) -> int:
        """The number of a platform connection, made when it is new."""
        if name in self._sources:
            return self._sources[name]

        def work(tx: Tx) -> int:
            where = (sources.c.practice == self.practice) & (sources.c.name == name)
            found = tx.conn.execute(select(sources.c.id).where(where)).scalar()
            if found is None:  # another process may be making it at this moment
                make = dialect_insert(tx.conn)
                new = make(sources).values(practice=self.practice, name=name)
                tx.conn.execute(new.on_conflict_do_nothing(index_elements=["practice", "name"]))
                found = tx.conn.execute(select(sources.c.id).where(where)).scalar_one()
            return int(found)

        return self.write(work)

    def fingerprint(self, source: int) -> str | None:
        """The server that this source was last read from (F14)."""
        with self.reading(source) as tx:
            return tx.conn.execute(select(sources.c.fingerprint).where(sources.c.id == source)).scalar()

    def set_fingerprint(self, source: int, value: str) -> None:
        """Remembers which server answers."""
        self.write(lambda tx: tx.conn.execute(update(sources).where(sources.c.id == source).values(fingerprint=value)))


# --- opening -------------------------------------------------------------------------------------------------------


def engine_of(
    url: str, master: bytes = b"", *, create: bool = False, kept: int = 5, patience: float | None = None
) -> Engine:
    """The database of an address; an SQLite file that is not there is made with `create`, else refused.

    :param master: opens a file that is encrypted as a whole; other stores do without.
    :param kept: how many connections to PostgreSQL are kept open.
    :param patience: as for `Store`.
    """
    try:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
        parsed.get_dialect().import_dbapi()
    except (ArgumentError, NoSuchModuleError):
        raise StoreError(
            tr(
                "The setting store is not the address of a database, such as sqlite:///handrail.db or "
                "postgresql+psycopg://user@host/name. Mend it in the settings."
            )
        ) from None
    except ImportError:
        raise StoreError(
            tr(
                "The store is on {backend}, and the driver for it is not installed. Run: pipx inject handrail "
                '"handrail[{extra}]"',
                backend=backend,
                extra={"sqlite": "sqlcipher"}.get(backend, "postgres"),
            )
        ) from None
    if backend == "sqlite":
        path = Path(parsed.database or "")
        if not path.exists():
            if not create:
                raise StoreError(tr("There is no store at {path}. Run: handrail init", path=path))
            _create_private(path)
        driver = {"module": whole.library()} if whole.covers(url) else {}
        parsed = parsed.set(drivername="sqlite")
        waits = {"timeout": BUSY_SECONDS if patience is None else patience}
        engine = create_engine(parsed, hide_parameters=True, connect_args=waits, **driver)
        if driver:
            event.listen(engine, "do_connect", whole.opener(master))
        event.listen(engine, "connect", opening.sqlite_connect)
        event.listen(engine, "begin", opening.sqlite_begin)
        return engine
    engine = create_engine(parsed, hide_parameters=True, pool_pre_ping=True, pool_size=kept)
    event.listen(engine, "begin", opening.postgresql_begin)
    event.listen(engine, "do_execute", opening.postgresql_execute)
    return engine


def _number(conn: Connection) -> int | None:
    """The number of a transaction that has written something, by which the server knows how it ended (PostgreSQL)."""
    if conn.dialect.name != "postgresql":
        return None
    found = conn.exec_driver_sql("SELECT txid_current_if_assigned()").scalar()
    return None if found is None else int(found)


def _took(conn: Connection, number: int) -> bool:
    """Whether that transaction was committed; one that is just ending is waited for, a bounded time."""
    for attempt in range(TRIES):
        state = conn.execute(text("SELECT txid_status(:number)"), {"number": number}).scalar()
        if state != "in progress":
            return bool(state == "committed")
        time.sleep(PAUSE * 2**attempt)
    return False


def _create_private(path: Path) -> None:
    """Makes the file for its owner only before SQLite sees it; journal files inherit the mode (S19)."""
    try:
        private.create(path)
    except FileExistsError:
        return
    except OSError as error:
        raise StoreError(
            tr("The store cannot be made at {path} ({why}). Choose another folder.", path=path, why=why_of(error))
        ) from None


def version(engine: Engine) -> str | None:
    """The store's version, None for an empty database."""
    with engine.connect() as conn:
        if not inspect(conn).has_table("alembic_version"):
            return None
        found = conn.execute(text("SELECT version_num FROM alembic_version")).scalar()
        return None if found is None else str(found)


def upgrade(engine: Engine, *, create: bool = False) -> None:
    """Brings the store to this version, in one transaction (F79). A store of a newer version is left alone."""
    found = version(engine)
    if found == HEAD:
        return
    if found is None and not create:
        raise StoreError(tr("There is no Handrail store in this database. Run: handrail init"))
    if found is not None:
        refuse_newer(found)
    from .migrations import run  # alembic is slow to import and seldom needed

    run(engine)


def refuse_newer(found: str) -> None:
    """Leaves a store of a newer version alone.

    :raises StoreError: it is one.
    """
    if found > HEAD:
        raise StoreError(
            tr(
                "This store was made by a newer Handrail (store version {found}, this program knows {head}). Nothing "
                "was changed. Update Handrail: pipx upgrade handrail",
                found=found,
                head=HEAD,
            )
        )


# --- errors --------------------------------------------------------------------------------------------------------

_REFUSED = mark(
    "The database server does not let Handrail in (user, password, database name or rights). Check the setting store "
    "and the server's password file, then run: handrail doctor"
)
_FULL = mark("The disk is full; nothing was half written. Make room, then run it again.")
_READ_ONLY = mark("The store cannot be written (read-only). Check the folder's rights.")
_OF_DISK = {disks.FULL: _FULL, disks.READ_ONLY: _READ_ONLY}
# PostgreSQL speaks the language of its host, so its faults go by the SQLSTATE (class, or the whole code).
_HELD = mark(
    "Another program holds the store (a backup, a virus scanner?). Nothing was half written. Wait for it or close it, "
    "then try again."
)
_BY_STATE = {"28": _REFUSED, "3D": _REFUSED, "42501": _REFUSED, "53100": _FULL, "55P03": _HELD}
_PASSING_STATES = ("08", "40", "55P03", "57P01", "57P02", "57P03")
_PASSING = re.compile(r"locked|busy|connection|terminat|server closed", re.IGNORECASE)
_PLAIN = (
    (
        "password|role .* does not exist|permitted to log in|database .* does not exist|no pg_hba.conf|for database|"
        "to set role",
        _REFUSED,
    ),
    ("disk is full|no space left", _FULL),
    ("readonly|read-only|permission denied", _READ_ONLY),
    ("locked|busy", _HELD),
    ("malformed|not a database|corrupt", mark("The store's file is damaged. Restore it from a backup.")),
    ("connection|server closed|terminat|refused", mark("The database server cannot be reached. Run it again later.")),
)


def _state(error: SQLAlchemyError) -> str:
    """The SQLSTATE of a fault, empty where the database gives none."""
    return str(getattr(getattr(error, "orig", None), "sqlstate", None) or "")


def _passing(error: DBAPIError) -> bool:
    """Whether the same transaction may well succeed a moment later."""
    if error.connection_invalidated or _state(error).startswith(_PASSING_STATES):
        return True
    return isinstance(error, OperationalError) and not _state(error) and bool(_PASSING.search(str(error.orig)))


def _as_store_error(error: SQLAlchemyError, engine: Engine) -> StoreError:
    """A plain sentence by the kind of fault. The database's own text may quote rows (S24), so it is never passed on."""
    state, raw = _state(error), str(getattr(error, "orig", error))
    sentence = _BY_STATE.get(state) or _BY_STATE.get(state[:2])
    if sentence is None:
        sentence = next((plain for pattern, plain in _PLAIN if re.search(pattern, raw, re.IGNORECASE)), None)
    if sentence is None and engine.dialect.name == "sqlite":
        sentence = _OF_DISK.get(disks.state(Path(engine.url.database or "")) or "")
    if sentence is None:
        sentence = tr(
            "The store could not be read or written ({fault}). Run: handrail doctor", fault=type(error).__name__
        )
    return StoreError(tr(sentence), detail=f"{engine.dialect.name}: {type(error).__name__}")


@contextmanager
def plainly(engine: Engine) -> Iterator[None]:
    """Turns faults of the database inside into a StoreError."""
    try:
        yield
    except SQLAlchemyError as error:
        raise _as_store_error(error, engine) from None


def dialect_insert(conn: Connection) -> Any:
    """The `insert` that knows ON CONFLICT; only the dialect in use is imported, since both together cost 60 ms."""
    if conn.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as postgresql_insert

        return postgresql_insert
    from sqlalchemy.dialects.sqlite import insert as sqlite_insert

    return sqlite_insert


def now_ms() -> int:
    """The local clock, for "when did we do it" only; never for cursors or rules."""
    return time.time_ns() // 1_000_000
