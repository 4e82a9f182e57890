"""Queries for forms that staff typed in from paper: which request a code stands for, what was entered before.

Entries are stored like all other forms. Their id begins with a word of ours, so that a platform which does not list
them is never taken to have dropped them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from sqlalchemy import select

from ...schemas.records import Answer
from .database import Tx
from .forms import as_answers, remote_ids, unseal
from .tables import asks, responses

PREFIX = "handrail:entry:"
MOST = 3  # a code that fits more than one request names none


def id_of(tx: Tx, client: str, instrument: str, on: date) -> str:
    """The id of the entry of that client, form and day: entered twice it is one form."""
    return PREFIX + tx.sealer.hash("entry", str(tx.source), client, instrument, on.isoformat())


def asks_that_begin(tx: Tx, start: str) -> list[str]:
    """Keys of requests that begin with these hexadecimal digits."""
    query = select(asks.c.key).where(asks.c.source == tx.source, asks.c.key.startswith(start, autoescape=True))
    return list(tx.conn.execute(query.limit(MOST)).scalars())


def answers_of(tx: Tx, key: str) -> Mapping[str, Answer] | None:
    """What stands in the store under a response key, while it counts; None: nothing."""
    where = (responses.c.source == tx.source) & (responses.c.key == key) & responses.c.active
    sealed = tx.conn.execute(select(responses.c.sealed).where(where)).scalar()
    return None if sealed is None else as_answers(unseal(tx, key, sealed).answers)


def only_from_the_platform(tx: Tx, keys: Sequence[str]) -> list[str]:
    """Of these response keys those that came from the platform; a platform knows nothing of entries made here."""
    ids = remote_ids(tx, keys)
    return [key for key in keys if not is_entry(ids.get(key, ""))]


def is_entry(remote_id: str) -> bool:
    """Whether a form of this id was typed in here."""
    return remote_id.startswith(PREFIX)
