"""Queries over therapists' self-checks: sealed with their author's key, a shared copy with the practice's.

Handrail itself cannot open what is not shared: the practice's key does not fit it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import msgspec
from sqlalchemy import delete, insert, select, update

from ...schemas.records import Answers
from ..errors import SealBroken
from .database import Tx, now_ms
from .forms import as_answers
from .ready import OfKeys
from .seal import Sealer
from .sql import among, chunks, from_ms, offset_of, to_ms
from .tables import authors, responses, selfchecks

_CHECK = b"handrail self-check"
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, int | str]).decode


@dataclass(frozen=True, slots=True)
class SelfCheck:
    """One self-check about one client. `client` and `key` are our keyed hashes; `version` is that of the form."""

    key: str
    client: str
    authored: datetime
    delete_on: date
    answers: Answers
    shared: bool


def author_key(tx: Tx, name: str) -> str:
    """Our keyed hash of an author's name."""
    return tx.sealer.hash("author", name)


def known(tx: Tx, author: str, own: Sealer) -> bool | None:
    """Whether the author's key is the right one; None where the author has none yet."""
    where = (authors.c.practice == tx.sealer.practice) & (authors.c.key == author)
    sealed = tx.conn.execute(select(authors.c.sealed).where(where)).scalar()
    if sealed is None:
        return None
    try:
        return own.open(f"authors:{author}", sealed) == _CHECK
    except SealBroken:
        return False


def begun(tx: Tx, author: str) -> bool:
    """Whether the author has a key."""
    where = (authors.c.practice == tx.sealer.practice) & (authors.c.key == author)
    return tx.conn.execute(select(authors.c.key).where(where)).first() is not None


def begin(tx: Tx, author: str, own: Sealer) -> None:
    """Remembers by a known text which key is this author's."""
    sealed = own.seal(f"authors:{author}", _CHECK)
    values = {"practice": tx.sealer.practice, "key": author, "created_ms": now_ms(), "sealed": sealed}
    tx.conn.execute(insert(authors).values(**values))


def end(tx: Tx, author: str) -> None:
    """Forgets which key was this author's."""
    where = (authors.c.practice == tx.sealer.practice) & (authors.c.key == author)
    tx.conn.execute(delete(authors).where(where))


def keys_of(tx: Tx, author: str) -> list[str]:
    """The keys of an author's self-checks; they need not be opened for it."""
    where = (selfchecks.c.source == tx.source) & (selfchecks.c.author == author)
    return list(tx.conn.execute(select(selfchecks.c.key).where(where)).scalars())


def _place(tx: Tx, key: str) -> str:
    return f"selfchecks:{tx.source}:{key}"


def add(tx: Tx, author: str, own: Sealer, check: SelfCheck) -> None:
    """Stores a new self-check, sealed with its author's key."""
    values = {
        "source": tx.source,
        "key": check.key,
        "author": author,
        "client": check.client,
        "authored_ms": to_ms(check.authored),
        "offset_min": offset_of(check.authored),
        "delete_on": check.delete_on.isoformat(),
        "sealed": own.seal(_place(tx, check.key), _encode(dict(check.answers))),
        "shared": None,
    }
    tx.conn.execute(insert(selfchecks).values(**values))


def of_author(tx: Tx, author: str, own: Sealer) -> list[SelfCheck]:
    """An author's own self-checks, newest first."""
    where = (selfchecks.c.source == tx.source) & (selfchecks.c.author == author)
    query = select(selfchecks).where(where).order_by(selfchecks.c.authored_ms.desc(), selfchecks.c.key)
    return [
        SelfCheck(
            row.key,
            row.client,
            from_ms(row.authored_ms, row.offset_min),
            date.fromisoformat(row.delete_on),
            as_answers(_decode(own.open(_place(tx, row.key), row.sealed))),
            row.shared is not None,
        )
        for row in tx.conn.execute(query)
    ]


def share(tx: Tx, check: SelfCheck, *, on: bool) -> None:
    """Puts a copy under the practice's key, or takes it away again."""
    shared = tx.sealer.seal(f"{_place(tx, check.key)}:shared", _encode(dict(check.answers))) if on else None
    where = (selfchecks.c.source == tx.source) & (selfchecks.c.key == check.key)
    tx.conn.execute(update(selfchecks).where(where).values(shared=shared))


_shared = OfKeys(
    selfchecks.c.client,
    *(selfchecks.c.key, selfchecks.c.client, selfchecks.c.authored_ms, selfchecks.c.offset_min, selfchecks.c.shared),
    where=selfchecks.c.shared.is_not(None),
    order=(selfchecks.c.authored_ms, selfchecks.c.key),
)


def shared_of(tx: Tx, client_keys: Sequence[str]) -> dict[str, list[tuple[str, datetime, Answers]]]:
    """What authors have shared, by client: (key, time, answers), oldest first."""
    found: dict[str, list[tuple[str, datetime, Answers]]] = {}
    for key, client, ms, offset, sealed in _shared.rows(tx, client_keys):
        answers = as_answers(_decode(tx.sealer.open(f"{_place(tx, key)}:shared", sealed)))
        found.setdefault(client, []).append((key, from_ms(ms, offset), answers))
    return found


def drop(tx: Tx, keys: Sequence[str]) -> list[str]:
    """Deletes self-checks; gives the clients of those that were shared, whose courses are to be read anew."""
    touched: set[str] = set()
    for part in chunks(keys):
        where = (selfchecks.c.source == tx.source) & among(tx, selfchecks.c.key, part)
        query = select(selfchecks.c.client).where(where, selfchecks.c.shared.is_not(None))
        touched.update(tx.conn.execute(query).scalars())
        tx.conn.execute(delete(selfchecks).where(where))
    return sorted(touched)


def outlived(tx: Tx, today: date) -> list[str]:
    """Self-checks whose twelve months are over."""
    where = (selfchecks.c.source == tx.source) & (selfchecks.c.delete_on <= today.isoformat())
    return list(tx.conn.execute(select(selfchecks.c.key).where(where)).scalars())


def last_by_client(tx: Tx, author: str) -> dict[str, datetime]:
    """When the author last filled one in, by client."""
    where = (selfchecks.c.source == tx.source) & (selfchecks.c.author == author)
    query = select(selfchecks.c.client, selfchecks.c.authored_ms, selfchecks.c.offset_min).where(where)
    found: dict[str, datetime] = {}
    for row in tx.conn.execute(query.order_by(selfchecks.c.authored_ms)):
        found[row.client] = from_ms(row.authored_ms, row.offset_min)
    return found


def form_dates(tx: Tx, instruments: Sequence[str]) -> dict[str, list[datetime]]:
    """When each client filled in a form of these instruments; dates are readable without any key."""
    where = (responses.c.source == tx.source) & responses.c.active & responses.c.instrument.in_(instruments)
    query = select(responses.c.client, responses.c.authored_ms, responses.c.offset_min).where(where)
    found: dict[str, list[datetime]] = {}
    for row in tx.conn.execute(query.order_by(responses.c.authored_ms)):
        found.setdefault(row.client, []).append(from_ms(row.authored_ms, row.offset_min))
    return found
