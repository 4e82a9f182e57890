"""Queries over remarks: what a client says of a form of theirs, to correct it or to add to it.

A remark stays with the client who made it: when the form turns out to be another client's, it is not shown to that one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import msgspec
from sqlalchemy import ColumnElement, insert, select

from .database import Tx
from .sql import among, chunks, from_ms, to_ms
from .tables import remarks

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Remark:
    """A client's remark on a form: our keys of both, when and by whom it was written down, the words."""

    form: str
    client: str
    at: datetime
    text: str
    author: str


def _place(tx: Tx, form: str, at_ms: int) -> str:
    return f"remarks:{tx.source}:{form}:{at_ms}"


def add(tx: Tx, item: Remark) -> None:
    """Stores a remark."""
    at = to_ms(item.at)
    sealed = tx.sealer.seal(_place(tx, item.form, at), _encode([item.text, item.author]))
    values = {"source": tx.source, "response": item.form, "client": item.client, "at_ms": at, "sealed": sealed}
    tx.conn.execute(insert(remarks).values(**values))


def of_forms(tx: Tx, form_keys: Iterable[str]) -> dict[str, list[Remark]]:
    """Remarks by form, oldest first."""
    found: dict[str, list[Remark]] = {}
    for part in chunks(form_keys):
        where = (remarks.c.source == tx.source) & among(tx, remarks.c.response, part)
        for item in _read(tx, where):
            found.setdefault(item.form, []).append(item)
    return found


def of_clients(tx: Tx, client_keys: Iterable[str]) -> dict[str, list[Remark]]:
    """What clients have remarked, oldest first, on forms that turned out to be another's too."""
    found: dict[str, list[Remark]] = {}
    for part in chunks(client_keys):
        for item in _read(tx, (remarks.c.source == tx.source) & among(tx, remarks.c.client, part)):
            found.setdefault(item.client, []).append(item)
    return found


def _read(tx: Tx, where: ColumnElement[bool]) -> list[Remark]:
    found = []
    for row in tx.conn.execute(select(remarks).where(where).order_by(remarks.c.at_ms, remarks.c.id)):
        text, author = msgspec.json.decode(tx.sealer.open(_place(tx, row.response, row.at_ms), row.sealed))
        found.append(Remark(row.response, row.client, from_ms(row.at_ms), text, author))
    return found
