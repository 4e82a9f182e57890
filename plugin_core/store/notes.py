"""Queries over notes: what people of the practice write down about a client, beside what they note on a flag."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

import msgspec
from sqlalchemy import delete, insert, select

from .database import Tx
from .sql import among, chunks, from_ms, to_ms
from .tables import notes

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Note:
    """A note on a client: its key and the client's, when and by whom it was written down, the words."""

    key: str
    client: str
    at: datetime
    author: str
    text: str


def _place(tx: Tx, key: str) -> str:
    return f"notes:{tx.source}:{key}"


def add(tx: Tx, item: Note) -> None:
    """Stores a note."""
    sealed = tx.sealer.seal(_place(tx, item.key), _encode([item.author, item.text]))
    values = {"source": tx.source, "key": item.key, "client": item.client, "at_ms": to_ms(item.at), "sealed": sealed}
    tx.conn.execute(insert(notes).values(**values))


def drop(tx: Tx, key: str) -> None:
    """Deletes a note; in SQLite's file the words are overwritten, not only given up."""
    if tx.conn.dialect.name == "sqlite":
        tx.conn.exec_driver_sql("PRAGMA secure_delete=ON")
    tx.conn.execute(delete(notes).where(notes.c.source == tx.source, notes.c.key == key))


def of_clients(tx: Tx, client_keys: Iterable[str], zone: tzinfo = UTC) -> dict[str, list[Note]]:
    """Notes by client, oldest first, their times in `zone`."""
    found: dict[str, list[Note]] = {}
    for part in chunks(client_keys):
        where = (notes.c.source == tx.source) & among(tx, notes.c.client, part)
        for row in tx.conn.execute(select(notes).where(where).order_by(notes.c.at_ms, notes.c.key)):
            author, text = msgspec.json.decode(tx.sealer.open(_place(tx, row.key), row.sealed))
            at = from_ms(row.at_ms).astimezone(zone)
            found.setdefault(row.client, []).append(Note(row.key, row.client, at, author, text))
    return found
