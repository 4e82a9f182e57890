"""Queries over forms: responses with their history, clients, and what was set aside.

One row a response, its answers and scores sealed together: fifteen answer rows cost five times as much. Everything
is written a page at a time by `executemany`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import msgspec
from sqlalchemy import delete, func, insert, literal, select, update

from ...schemas.records import Answer, Client, Quarantined, Response, ScoredForm
from ...schemas.vocab import Blank, QuarantineReason, ResponseStatus
from .database import Tx, now_ms
from .ready import OfKeys
from .scores import Plain, encoded
from .sql import Row, amend, among, chunks, offset_of, to_ms, upsert
from .tables import clients, history, missing, quarantine, responses


class Stored(msgspec.Struct, array_like=True, gc=False):
    """What is sealed of a response. New fields go to the end, with a default, so that old rows stay readable."""

    id: str
    answers: dict[str, int | str]
    scores: list[Plain]
    straight_line: bool
    mode: str
    language: str | None = None
    source: str | None = None
    tags: list[str] = []
    totals: dict[str, float] = {}


class StoredClient(msgspec.Struct, gc=False):
    """What is sealed of a client."""

    ref: str
    name: str | None = None
    clinician: str | None = None
    clinician_name: str | None = None
    changes: list[str] = []
    email: str | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What the store already has of a response."""

    content: str
    updated_ms: int | None
    client: str
    active: bool


_encode = msgspec.json.Encoder().encode
_response = msgspec.json.Decoder(Stored)
_client = msgspec.json.Decoder(StoredClient)


# --- responses -----------------------------------------------------------------------------------------------------


_sealed = OfKeys(responses.c.key, responses.c.key, responses.c.sealed)
_known = OfKeys(
    responses.c.key,
    *(responses.c.key, responses.c.content, responses.c.updated_ms, responses.c.client, responses.c.active),
)


def known(tx: Tx, keys: Iterable[str]) -> dict[str, Known]:
    """What the store has of these response keys."""
    return {
        key: Known(content, updated_ms, client, bool(active))
        for key, content, updated_ms, client, active in _known.rows(tx, keys)
    }


def row(tx: Tx, key: str, client: str, response: Response, form: ScoredForm, content: str, scored_by: str) -> Row:
    """The row of a response, sealed."""
    stored = Stored(
        response.id,
        dict(form.answers),
        encoded(form.scores),  # type: ignore[arg-type]  # as their bytes
        form.straight_line,
        response.mode.value,
        response.language,
        response.source,
        sorted(response.tags),
        dict(response.totals),
    )
    return {
        "source": tx.source,
        "key": key,
        "client": client,
        "instrument": response.instrument,
        "instrument_version": response.instrument_version,
        "authored_ms": to_ms(response.authored),
        "offset_min": offset_of(response.authored),
        "updated_ms": None if response.updated is None else to_ms(response.updated),
        "remote_version": response.version,
        "status": response.status.value,
        "active": True,
        "content": content,
        "scored_by": scored_by,
        "sealed": tx.sealer.seal(place(tx, key), _encode(stored)),
    }


def place(tx: Tx, key: str) -> str:
    """Where the sealed part of a response belongs: its row."""
    return f"responses:{tx.source}:{key}"


def save(tx: Tx, rows: Sequence[Row], replaced: Sequence[str]) -> None:
    """Stores rows; those that replace an older version (`replaced`, their keys) keep it in the history (F60)."""
    keep_history(tx, replaced)
    upsert(tx, responses, rows)


def keep_history(tx: Tx, keys: Sequence[str]) -> None:
    """Copies rows as they are into the history. A sealed value there still opens at its response's place."""
    names = ["source", "key", "remote_version", "status", "sealed"]
    for part in chunks(keys):
        where = (responses.c.source == tx.source) & among(tx, responses.c.key, part)
        rows = select(*(responses.c[name] for name in names), literal(now_ms())).where(where)
        tx.conn.execute(insert(history).from_select([*names, "replaced_ms"], rows))


def deactivate(tx: Tx, keys: Sequence[str], status: str) -> list[str]:
    """Takes responses out of scores and rules, keeping their history; gives the clients whose course that changes."""
    touched: set[str] = set()
    for part in chunks(keys):
        where = (responses.c.source == tx.source) & among(tx, responses.c.key, part) & responses.c.active
        found = tx.conn.execute(select(responses.c.key, responses.c.client).where(where)).all()
        keep_history(tx, [r.key for r in found])
        touched.update(r.client for r in found)
        tx.conn.execute(update(responses).where(where).values(active=False, status=status, content=""))
    return sorted(touched)


def stamp(tx: Tx, stamps: Mapping[str, int]) -> None:
    """Notes when responses that no longer count were last changed (key -> ms), so that an older version which arrives
    later does not bring them back (F63)."""
    rows = [{"source": tx.source, "key": key, "active": False, "updated_ms": ms} for key, ms in stamps.items()]
    amend(tx, responses, rows, only=["active"])


_BLANKS = {blank.value: blank for blank in Blank}


def as_answers(raw: Mapping[str, int | str]) -> Mapping[str, Answer]:
    """Answers as records have them from answers as they are stored."""
    if _BLANKS.keys().isdisjoint(raw.values()):
        return raw  # type: ignore[return-value]  # numbers only: as it is
    return {item: value if isinstance(value, int) else _BLANKS[value] for item, value in raw.items()}


def remote_ids(tx: Tx, keys: Sequence[str]) -> dict[str, str]:
    """The platform's ids of responses, active or not."""
    return {key: unseal(tx, key, sealed).id for key, sealed in _sealed.rows(tx, keys)}


def unseal(tx: Tx, key: str, sealed: bytes) -> Stored:
    """The sealed part of a response's row."""
    return _response.decode(tx.sealer.open(place(tx, key), sealed))


def rescored(tx: Tx, fresh: Mapping[str, tuple[ScoredForm, str]]) -> None:
    """Writes new scores: response key -> the form with them, and by which instrument."""
    rows = []
    for key, sealed in _sealed.rows(tx, fresh):
        form, by = fresh[key]
        stored = unseal(tx, key, sealed)
        stored.scores = encoded(form.scores)  # type: ignore[assignment]  # as their bytes
        stored.straight_line = form.straight_line
        resealed = tx.sealer.seal(place(tx, key), _encode(stored))
        rows.append({"source": tx.source, "key": key, "sealed": resealed, "scored_by": by})
    for part in chunks(rows):
        amend(tx, responses, part)


def instruments_seen(tx: Tx) -> set[str]:
    """Of which instruments there are forms."""
    query = select(responses.c.instrument).where(responses.c.source == tx.source, responses.c.active).distinct()
    return set(tx.conn.execute(query).scalars())


def count_set_aside(tx: Tx) -> int:
    """How many forms are set aside. `counts` looks at every response, which a sync with no news cannot afford."""
    return int(tx.conn.execute(select(func.count()).where(quarantine.c.source == tx.source)).scalar_one())


def counts(tx: Tx) -> dict[str, int]:
    """How many responses, clients and set-aside forms there are."""
    tables = {
        "responses": select(func.count()).where(responses.c.source == tx.source, responses.c.active),
        "clients": select(func.count()).where(clients.c.source == tx.source),
    }
    found = {name: int(tx.conn.execute(query).scalar_one()) for name, query in tables.items()}
    return found | {"set_aside": count_set_aside(tx)}


# --- clients -------------------------------------------------------------------------------------------------------


_dirty = OfKeys(clients.c.key, clients.c.key, clients.c.dirty)


def mark_dirty(tx: Tx, refs: Mapping[str, str]) -> None:
    """Says that these clients (key -> platform reference) have a new form; makes new clients.

    The rules must read their courses anew, and the platform is to be asked anew who they and their therapists are.
    Both stay to be done until they are done, whatever stops the sync in between.
    """
    have: dict[str, bool] = dict(_dirty.rows(tx, refs))
    for part in chunks(have):
        where = (clients.c.source == tx.source) & among(tx, clients.c.key, part)
        tx.conn.execute(update(clients).where(where).values(marks=clients.c.marks + 1, known=None))
    for part in chunks(key for key, dirty in have.items() if not dirty):  # apart: `dirty` is part of an index
        where = (clients.c.source == tx.source) & among(tx, clients.c.key, part)
        tx.conn.execute(update(clients).where(where).values(dirty=True))
    new = [
        {
            "source": tx.source,
            "key": key,
            "dirty": True,
            "known": None,
            "sealed": tx.sealer.seal(_client_place(tx, key), _encode(StoredClient(ref))),
        }
        for key, ref in refs.items()
        if key not in have
    ]
    upsert(tx, clients, new, keep=["sealed"])


def mark_keys_dirty(tx: Tx, keys: Iterable[str]) -> None:
    """Only that the rules must read these courses anew."""
    for part in chunks(keys):
        where = (clients.c.source == tx.source) & among(tx, clients.c.key, part)
        tx.conn.execute(update(clients).where(where).values(dirty=True, marks=clients.c.marks + 1))


def mark_all_dirty(tx: Tx) -> None:
    """After a rule, an instrument or a plugin changed: every course is read anew."""
    marked = update(clients).where(clients.c.source == tx.source).values(dirty=True, marks=clients.c.marks + 1)
    tx.conn.execute(marked)


def dirty(tx: Tx, after: str, limit: int) -> list[str]:
    """Clients whose course changed since the rules last read it, by key, from `after` on."""
    where = (clients.c.source == tx.source) & clients.c.dirty & (clients.c.key > after)
    return list(tx.conn.execute(select(clients.c.key).where(where).order_by(clients.c.key).limit(limit)).scalars())


_marks = OfKeys(clients.c.key, clients.c.key, clients.c.marks)


def marks(tx: Tx, keys: Sequence[str]) -> dict[str, int]:
    """How often each of these clients was marked, to be read together with their courses."""
    return dict(_marks.rows(tx, keys))


def clean(tx: Tx, read: Mapping[str, int]) -> None:
    """The rules have read these courses, with so many marks; one that a person's command has marked since stays."""
    rows = [{"source": tx.source, "key": key, "marks": number, "dirty": False} for key, number in read.items()]
    amend(tx, clients, rows, only=["marks"])


def _client_place(tx: Tx, key: str) -> str:
    return f"clients:{tx.source}:{key}"


_people = OfKeys(clients.c.key, clients.c.key, clients.c.sealed)


def read_clients(tx: Tx, keys: Sequence[str] | None = None) -> dict[str, StoredClient]:
    """The sealed part of clients, all of them where no keys are given."""
    every = select(clients.c.key, clients.c.sealed).where(clients.c.source == tx.source)
    rows: Iterable[Any] = tx.conn.execute(every) if keys is None else _people.rows(tx, keys)
    return {key: _client.decode(tx.sealer.open(_client_place(tx, key), sealed)) for key, sealed in rows}


def unasked(tx: Tx, limit: int, after: str = "") -> dict[str, str]:
    """Clients of whom the platform was not asked since their last new form, from `after` on: key -> reference."""
    where = (clients.c.source == tx.source) & clients.c.known.is_(None) & (clients.c.key > after)
    keys = list(tx.conn.execute(select(clients.c.key).where(where).order_by(clients.c.key).limit(limit)).scalars())
    return {key: stored.ref for key, stored in read_clients(tx, keys).items()}


def save_clients(tx: Tx, found: Mapping[str, Client | None], on: date) -> list[str]:
    """Stores what the platform says of clients (None: it does not know them). Gives those with a new therapist.

    A change of therapist is dated by the day of the sync that saw it, where the platform names no date.
    """
    stored = read_clients(tx, list(found))
    moved = []
    rows = []
    for key, client in found.items():
        old = stored[key]
        if client is not None:
            new_hand = old.clinician is not None and client.clinician not in (None, old.clinician)
            if new_hand:
                old.changes.append((client.clinician_since or on).isoformat())
                moved.append(key)
            old.name = client.name
            old.email = client.email
            old.clinician = client.clinician or old.clinician
            old.clinician_name = client.clinician_name or old.clinician_name
        sealed = tx.sealer.seal(_client_place(tx, key), _encode(old))
        rows.append({"source": tx.source, "key": key, "known": client is not None, "sealed": sealed})
    amend(tx, clients, rows)
    return moved


# --- quarantine ----------------------------------------------------------------------------------------------------


def set_aside(tx: Tx, items: Mapping[str, Quarantined]) -> list[str]:
    """Puts forms into quarantine, by key; one that is there counts another attempt. Gives the keys that are new."""
    if not items:
        return []
    now = now_ms()
    have: dict[str, int] = {}
    for part in chunks(items):
        where = (quarantine.c.source == tx.source) & among(tx, quarantine.c.key, part)
        query = select(quarantine.c.key, quarantine.c.attempts).where(where)
        have.update((key, attempts) for key, attempts in tx.conn.execute(query))
    rows = [
        {
            "source": tx.source,
            "key": key,
            "reason": item.reason.value,
            "place": _holdable(item.where),
            "message": _holdable(item.message),
            "first_ms": now,
            "last_ms": now,
            "attempts": have.get(key, 0) + 1,
            "sealed": tx.sealer.seal(
                f"quarantine:{tx.source}:{key}",
                _encode([_holdable(t) for t in (item.remote_id, item.form, item.version)]),
            ),
        }
        for key, item in items.items()
    ]
    upsert(tx, quarantine, rows, keep=["first_ms"])
    return [key for key in items if key not in have]


_UNHOLDABLE = re.compile("[\x00\ud800-\udfff]")


def _holdable(text: str | None) -> str | None:
    """The text as every database can hold it: what a broken form brings must not cost its page (F52, F53)."""
    return None if text is None else _UNHOLDABLE.sub("\ufffd", text)


def release(tx: Tx, keys: Iterable[str]) -> int:
    """Takes forms out of quarantine (F50); gives how many were there."""
    gone = 0
    if tx.conn.execute(select(quarantine.c.key).where(quarantine.c.source == tx.source).limit(1)).first() is None:
        return 0  # as a rule there are none, and one look costs less than a page of them
    for part in chunks(keys):
        gone += tx.conn.execute(
            delete(quarantine).where(quarantine.c.source == tx.source, among(tx, quarantine.c.key, part))
        ).rowcount
    return gone


def in_quarantine(tx: Tx) -> list[Quarantined]:
    """Everything set aside, oldest first."""
    query = select(quarantine).where(quarantine.c.source == tx.source).order_by(quarantine.c.first_ms, quarantine.c.key)
    items = []
    for found in tx.conn.execute(query):
        remote, form, version = msgspec.json.decode(tx.sealer.open(f"quarantine:{tx.source}:{found.key}", found.sealed))
        reason = QuarantineReason(found.reason)
        items.append(Quarantined(remote, reason, found.place, found.message, form, version))
    return items


# --- reconcile -----------------------------------------------------------------------------------------------------


def seen_before(tx: Tx, keys: Iterable[str]) -> set[str]:
    """Of these response keys those that are stored, counting or not, or set aside."""
    found: set[str] = set()
    for part in chunks(keys):
        for table in (responses, quarantine):
            where = (table.c.source == tx.source) & among(tx, table.c.key, part)
            found.update(tx.conn.execute(select(table.c.key).where(where)).scalars())
    return found


def not_listed(tx: Tx, listed: set[str]) -> list[str]:
    """Active responses whose key the platform's list does not have."""
    where = (responses.c.source == tx.source) & responses.c.active
    return [key for key in tx.conn.execute(select(responses.c.key).where(where)).scalars() if key not in listed]


def missing_twice(tx: Tx, absent: Sequence[str]) -> list[str]:
    """Of the absent ones, those that an earlier reconcile missed too (F62); remembers the rest for next time."""
    before = set(tx.conn.execute(select(missing.c.key).where(missing.c.source == tx.source)).scalars())
    tx.conn.execute(delete(missing).where(missing.c.source == tx.source))
    again = [key for key in absent if key in before]
    rows = [{"source": tx.source, "key": key, "first_ms": now_ms()} for key in absent if key not in before]
    upsert(tx, missing, rows)
    return again


WITHDRAWN = ResponseStatus.WITHDRAWN.value
