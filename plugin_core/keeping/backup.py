"""Backups: one encrypted file with everything of a practice, written while others work, checked, put back whole.

The file opens with the master key alone, which is kept in another place than the backup (S18, S22). It is the same for
SQLite and PostgreSQL. Layout: magic, salt (16 bytes), then pieces of `length (4) | AES-256-GCM`, whose nonce and
associated data count them and mark the last: a file that was cut off, edited or reordered does not open. Inside: a
first line that says what it is, then a JSON line for each row.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import msgspec
from cryptography.exceptions import InvalidTag
from sqlalchemy import Engine, select

from .. import private
from ..errors import KeyProblem, StoreError, UsageError
from ..settings import Settings
from ..store import Store, book, dump, keys, seal
from ..store.database import HEAD, engine_of, upgrade, version
from ..store.migrations import run as migrate
from ..store.tables import practices
from ..sync.lock import exclusive_file
from ..sync.points import reach
from ..words import mark, tr
from ..words.kept import why_of
from . import trail
from .rotation import wrap_anew

MAGIC = b"HANDRAIL-BACKUP-1\n"
SALT = 16
PIECE = 1 << 18
LARGEST = 1 << 24
UNREADABLE = (ValueError, RecursionError)  # no JSON, bytes that are no text, brackets without an end
Progress = Callable[[str, int, int | None], None]
NOT_OURS = mark("{file} is not a backup of Handrail.")
DAMAGED = mark(
    "{file} does not open: it was cut off or changed, or it was made under another key. Nothing was restored. "
    "Use another "
    "backup, or put the key back that the store had on that day."
)


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The first line of a backup."""

    practice: str
    made: datetime
    store: str
    format: int = 1


@dataclass(frozen=True, slots=True)
class Contents:
    """What a backup holds: when it was made, of which store version, rows by table."""

    practice: str
    made: datetime
    store: str
    rows: dict[str, int] = field(default_factory=dict)


# --- writing --------------------------------------------------------------------------------------------------------


def write(
    store: Store, settings: Settings, file: Path, now: datetime, progress: Progress, *, enter: Callable[[], None]
) -> Contents:
    """See `Keeping.backup`. The file is there whole or not at all, and not before `enter` has put it into the trail."""
    if file.exists():
        raise UsageError(
            tr("There is a file {file} already. Choose another name; no backup is written over.", file=file)
        )
    counts: dict[str, int] = {}
    half = file.with_name(file.name + ".new")
    master = keys.master(settings.key_reference)
    head = Head(store.practice, now, HEAD)
    try:
        private.remove(half)
        private.create(half)
        with half.open("wb") as out, store.reading() as tx:
            _seal(out, master, _lines(head, dump.rows(tx), counts, progress))
            out.flush()
            os.fsync(out.fileno())
        reach("backup-written")
        enter()
        half.replace(file)
    except OSError as error:
        raise StoreError(tr("The backup cannot be written to {file} ({why}).", file=file, why=why_of(error))) from None
    finally:
        private.remove(half)
    return Contents(head.practice, head.made, head.store, counts)


def _lines(head: Head, rows: Iterable[dump.Line], counts: dict[str, int], progress: Progress) -> Iterator[bytes]:
    encode = msgspec.json.encode
    yield encode(head) + b"\n"
    for table, row in rows:
        counts[table] = counts.get(table, 0) + 1
        progress("backing up", 1, None)
        yield encode((table, row)) + b"\n"


def _seal(out: IO[bytes], master: bytes, lines: Iterable[bytes]) -> None:
    salt = secrets.token_bytes(SALT)
    cipher = seal.backup_cipher(master, salt)
    out.write(MAGIC + salt)
    held, number = bytearray(), 0

    def put(piece: bytes, last: bool) -> None:
        sealed = cipher.encrypt(_nonce(number, last), piece, MAGIC)
        out.write(len(sealed).to_bytes(4, "big") + sealed)

    for line in lines:
        held += line
        if len(held) >= PIECE:
            put(bytes(held), last=False)
            held.clear()
            number += 1
    put(bytes(held), last=True)


def _nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(11, "big") + (b"\x01" if last else b"\x00")


# --- reading --------------------------------------------------------------------------------------------------------


def read(file: Path, master: bytes, practice: str) -> Contents:
    """Opens a whole backup and counts what it holds; puts nothing back.

    :raises UsageError: it is no backup, or that of another practice.
    :raises KeyProblem: it does not open.
    """
    head, rows = _opened(file, master)
    _same_practice(head, practice)
    counts: dict[str, int] = {}
    for table, _ in rows:
        counts[table] = counts.get(table, 0) + 1
    return Contents(head.practice, head.made, head.store, counts)


def _same_practice(head: Head, practice: str) -> None:
    if head.practice != practice:
        raise UsageError(
            tr(
                "This is a backup of the practice {practice!r}, and the settings name {other!r}. Use that practice's "
                "settings.",
                practice=head.practice,
                other=practice,
            )
        )


def _opened(file: Path, master: bytes) -> tuple[Head, Iterator[dump.Line]]:
    lines = _plain_lines(file, master)
    try:
        head = msgspec.json.decode(next(lines, b""), type=Head)
    except UNREADABLE:
        raise UsageError(tr(NOT_OURS, file=file)) from None
    if head.store > HEAD or head.format != 1:
        raise UsageError(tr("This backup was made by a newer Handrail. Update Handrail first: pipx upgrade handrail"))
    return head, (_line(raw, file) for raw in lines)


def _line(raw: bytes, file: Path) -> dump.Line:
    try:
        found: tuple[str, dict[str, Any]] = msgspec.json.decode(raw, type=tuple[str, dict[str, Any]])
    except UNREADABLE:
        raise KeyProblem(tr(DAMAGED, file=file)) from None
    return found


def _plain_lines(file: Path, master: bytes) -> Iterator[bytes]:
    held = b""
    for piece in _pieces(file, master):
        *whole, held = (held + piece).split(b"\n")
        yield from whole
    if held:
        raise KeyProblem(tr(DAMAGED, file=file))


def _pieces(file: Path, master: bytes) -> Iterator[bytes]:
    try:
        with file.open("rb") as source:
            if source.read(len(MAGIC)) != MAGIC:
                raise UsageError(tr(NOT_OURS, file=file))
            cipher = seal.backup_cipher(master, source.read(SALT))
            number, last = 0, False
            while not last:
                length = int.from_bytes(source.read(4), "big")
                sealed = source.read(length) if 0 < length <= LARGEST else b""
                after = source.read(1)
                source.seek(-len(after), os.SEEK_CUR)
                last = not after
                yield cipher.decrypt(_nonce(number, last), sealed, MAGIC)
                number += 1
    except (InvalidTag, ValueError):
        raise KeyProblem(tr(DAMAGED, file=file)) from None
    except OSError as error:
        raise UsageError(tr("{file} cannot be read ({why}).", file=file, why=why_of(error))) from None


# --- putting back ---------------------------------------------------------------------------------------------------


def restore(settings: Settings, file: Path, author: str, *, replace: bool) -> Contents:
    """Puts a backup in the place of the practice's store.

    What was there is replaced only with `replace`; on SQLite the old file stays beside under another name. A backup
    of an older store version is brought up to this one. The next sync catches up: forms are pulled anew from the
    backup's cursor, flags meet their own keys on the platform (F78).

    :raises UsageError: a store is there and `replace` was not said; or as `read`.
    :raises KeyProblem: the backup does not open with the key that the settings name.
    """
    master = keys.master(settings.key_reference)
    read(file, master, settings.practice)  # the whole file opens before anything is touched
    if settings.store_in_file:
        with exclusive_file(settings.store_path, "restoring"):
            contents = _into_file(settings, file, master, replace=replace)
    else:
        engine = engine_of(settings.store_url, master).execution_options(handrail_practice=settings.practice)
        try:
            contents = _into_server(settings, engine, file, master, replace=replace)
        finally:
            engine.dispose()
    with Store(settings.store_url, settings.practice, master) as store:
        if not settings.store_in_file:
            wrap_anew(store, master, master)  # a desk that is running has no other file to notice
        store.write(lambda tx: book.record(tx, author, "store-restored", detail=contents.made.isoformat()))
        trail.remember(store, settings)
    return contents


def _into_file(settings: Settings, file: Path, master: bytes, *, replace: bool) -> Contents:
    path = settings.store_path
    if path.exists() and not replace:
        raise UsageError(_there(path))
    fresh = path.with_name(path.name + ".restoring")
    for old in (fresh, *_beside(fresh)):
        private.remove(old)
    try:
        kind, _, _ = settings.store_url.partition(":///")
        engine = engine_of(f"{kind}:///{fresh}", master, create=True)
        try:
            contents = _fill(engine, file, master, settings.practice)
        finally:
            engine.dispose()
        reach("restore-filled")
        _swap(path, fresh)
    finally:
        for old in (fresh, *_beside(fresh)):
            private.remove(old)
    return contents


def _swap(path: Path, fresh: Path) -> None:
    """The old file keeps its log (its last commits may lie there alone) under its new name."""
    if path.exists():
        kept = _free_name(path)
        for old, new in zip((path, *_beside(path)), (kept, *_beside(kept)), strict=True):
            if old.exists():
                old.replace(new)
        reach("restore-old-moved")
    fresh.replace(path)


def _free_name(path: Path) -> Path:
    number = 1
    while (kept := path.with_name(f"{path.name}.before-restore-{number}")).exists():
        number += 1
    return kept


def _beside(path: Path) -> tuple[Path, Path]:
    return path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")


def _into_server(settings: Settings, engine: Engine, file: Path, master: bytes, *, replace: bool) -> Contents:
    if version(engine) is not None and not replace:
        with engine.connect() as conn:
            if conn.execute(select(practices.c.id).where(practices.c.id == settings.practice)).first():
                raise UsageError(_there(settings.practice))
    return _fill(engine, file, master, settings.practice)


def _there(what: object) -> str:
    return tr("There is a store already ({what}). To put the backup in its place, add --replace.", what=what)


def _fill(engine: Engine, file: Path, master: bytes, practice: str) -> Contents:
    """Makes the tables of the backup's version where there are none, puts the rows in, brings all up to this
    version."""
    head, rows = _opened(file, master)
    _same_practice(head, practice)
    found = version(engine)
    if found is None:
        migrate(engine, head.store)
    elif found != head.store:
        raise UsageError(
            tr(
                "The backup is of store version {then}, the database of version {now}. Restore into an empty database.",
                then=head.store,
                now=found,
            )
        )
    with engine.connect().execution_options(handrail_write=True) as conn, conn.begin():
        dump.wipe(conn, practice)
        counts = dump.load(conn, rows, practice)
    upgrade(engine)
    return Contents(head.practice, head.made, head.store, counts)
