"""New keys without stopping (S17).

The practice's key: a new one is made, then everything is sealed anew with it, batch by batch, each in a transaction of
its own. Others go on reading and writing: a value opens by the key that its own head names, and a process that meets a
key it does not know asks the store. Stopped anywhere, the same command goes on. The first key stays, since the keyed
hashes by which rows are found are made with it.

The master key wraps the practice's keys and lies outside the store. The new one is first kept beside the old one,
then the keys are wrapped anew in one transaction, then a file that is encrypted as a whole is encrypted anew, then the
new key takes the old one's place. Stopped in between, `open_with` finishes it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, func, insert, select, update

from ..errors import KeyProblem
from ..settings import Settings
from ..store import Store, Tx, dump, keys, seal, sealed, whole
from ..store.database import engine_of, now_ms
from ..store.tables import keys as key_table
from ..sync.points import reach

Progress = Callable[[str, int, int | None], None]
NEW = ".new"


@dataclass(frozen=True, slots=True)
class Rotated:
    """`resealed` values, `key` the number of the key that everything is sealed with now."""

    resealed: int
    key: int


def rotate(store: Store, settings: Settings, progress: Progress) -> Rotated:
    """See `Keeping.rotate`. A rotation that was stopped is finished first; only then a further key would be made."""
    master = keys.master(settings.key_reference)
    number = _unfinished(store) or _new_key(store, master)
    fresh = Store(settings.store_url, settings.practice, master)
    with fresh:
        done = 0
        with fresh.reading() as tx:
            owned = dump.owners_of(tx.conn, settings.practice)
        for what in sealed.SEALED:
            owners: list[Any] = owned if what.scope == "source" else [settings.practice]
            after: tuple[Any, ...] | None = None
            while True:
                resealed, after = fresh.write(_batch(what, owners, after))
                reach("rotate-batch")
                done += resealed
                progress("sealing anew", resealed, None)
                if after is None:
                    break
    return Rotated(done, number)


def _batch(
    what: sealed.Sealed, owners: list[Any], after: tuple[Any, ...] | None
) -> Callable[[Tx], tuple[int, tuple[Any, ...] | None]]:
    return lambda tx: sealed.reseal(tx, what, owners, after)


def _unfinished(store: Store) -> int | None:
    """The newest key's number where the store's own check value, which is sealed first, is not sealed with it yet, or
    where anything else is not."""
    with store.reading() as tx:
        where = key_table.c.practice == store.practice
        newest = int(tx.conn.execute(select(func.max(key_table.c.id)).where(where)).scalar_one())
        owned = dump.owners_of(tx.conn, store.practice)
        head = seal.head_of(newest)
        for what in sealed.SEALED:
            owners: list[Any] = owned if what.scope == "source" else [store.practice]
            column = what.table.c[what.column]
            query = select(column).where(what.table.c[what.scope].in_(owners), column.is_not(None))
            with tx.conn.execute(query.execution_options(yield_per=sealed.BATCH)) as found:
                if any(value[:3] != head for value in found.scalars()):
                    return newest
    return None


def _new_key(store: Store, master: bytes) -> int:
    made = secrets.token_bytes(seal.KEY_BYTES)

    def work(tx: Tx) -> int:
        where = key_table.c.practice == store.practice
        number = int(tx.conn.execute(select(func.max(key_table.c.id)).where(where)).scalar_one()) + 1
        wrapped = seal.wrap(master, store.practice, number, made)
        values = {"practice": store.practice, "id": number, "wrapped": wrapped, "created_ms": now_ms()}
        tx.conn.execute(insert(key_table).values(**values))
        return number

    number = store.write(work)
    reach("rotate-key-made")
    return number


def rotate_master(store: Store, settings: Settings) -> None:
    """See `Keeping.rotate_master`."""
    old = keys.master(settings.key_reference)
    reference = settings.key_reference
    keys.write(reference + NEW, keys.make_master())
    reach("master-new-kept")
    new = keys.master(reference + NEW)
    wrap_anew(store, old, new)
    reach("master-wrapped")
    if whole.covers(settings.store_url):
        store.engine.dispose()
        whole.rekey(settings.store_path, old, new)
        store.engine = engine_of(settings.store_url, new).execution_options(handrail_practice=store.practice)
        reach("master-file")
    _take_place(reference)


def wrap_anew(store: Store, old: bytes, new: bytes) -> None:
    """Wraps the practice's keys anew. Whoever has the store open at that moment sees by it that it is another one."""
    opened = store.practice_keys(old)

    def work(tx: Tx) -> None:
        for number, key in opened.items():
            where = (key_table.c.practice == store.practice) & (key_table.c.id == number)
            wrapped = seal.wrap(new, store.practice, number, key)
            tx.conn.execute(update(key_table).where(where).values(wrapped=wrapped))

    store.write(work)


def open_with(settings: Settings, pool: Engine | None = None, *, patience: float | None = None) -> Store:
    """The practice's store by the key that the settings name; finishes a change of the master key that was stopped.

    :param pool: a host's connections, and `patience` the seconds for a store that is held, as `Store` takes them.
    :raises KeyProblem: neither the key nor one that was about to take its place fits.
    """
    reference = settings.key_reference
    old = keys.master(reference)
    try:
        return Store(settings.store_url, settings.practice, old, pool=pool, patience=patience)
    except KeyProblem:
        if not keys.exists(reference + NEW):
            raise
        new = keys.master(reference + NEW)
        if whole.covers(settings.store_url):
            whole.rekey(settings.store_path, old, new)
        store = Store(settings.store_url, settings.practice, new, pool=pool, patience=patience)
        _take_place(reference)
        return store


def _take_place(reference: str) -> None:
    keys.write(reference, keys.read(reference + NEW).reveal())
    reach("master-in-place")
    keys.remove(reference + NEW)
