"""Two records of one person become one, and apart again if it was a mistake; each in the one transaction of the caller.

Everything follows the person: forms, flags with what people said of them, holds, remarks, notes, requests, sessions,
enrolment, self-checks. A flag keeps its key, so that it is one flag, here and on the platform, where its entry is moved
to the other chart (F67). What moved is remembered with the redirect, so that it can go back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

import msgspec
from sqlalchemy import Column, Table, delete, select, update

from ...schemas.vocab import DeliveryState, EnrolmentState, RemoteState
from . import forms, mend
from .database import Tx, now_ms
from .forms import StoredClient
from .mend import CLIENT, StoredRedirect
from .sql import among, chunks, upsert
from .tables import asks, clients, deliveries, enrolments, flags, holds, notes, remarks, responses, selfchecks, sessions

_encode = msgspec.json.Encoder().encode
# Tables whose rows carry the client in one column and are sealed at a place without it: they only change hands.
_PLAIN: Mapping[str, tuple[Table, Column[Any]]] = {
    "remarks": (remarks, remarks.c.id),
    "notes": (notes, notes.c.key),
    "asks": (asks, asks.c.key),
    "selfchecks": (selfchecks, selfchecks.c.key),
}


def resolve(redirected: Mapping[str, str], client: str) -> str:
    """The record that stands for a client today, over any number of merges."""
    seen = {client}
    while client in redirected and redirected[client] not in seen:
        client = redirected[client]
        seen.add(client)
    return client


def merged_into(tx: Tx) -> dict[str, str]:
    """Client records that are no more: key -> key of the record that each was merged into."""
    return {one.key: one.target for one in mend.redirects_of(tx, CLIENT)}


def ref_of(tx: Tx, client: str) -> str:
    """The platform's reference of a client's record, also of one that is no more: forms that come with it follow it."""
    gone = mend.redirect(tx, CLIENT, client)
    if gone is not None and gone.stored.record is not None:
        return gone.stored.record.ref
    return forms.read_clients(tx, [client])[client].ref


def ensure(tx: Tx, key: str, ref: str) -> None:
    """Makes a client who has no record here yet; the platform is asked who they are at the next sync."""
    if not forms.read_clients(tx, [key]):
        forms.mark_dirty(tx, {key: ref})


def merge(tx: Tx, old: str, old_ref: str, new: str, new_ref: str, reason: str, author: str) -> int:
    """Gives everything of the record `old` to the client `new`; gives how many forms that were.

    The caller has made sure that `new` does not itself lead back to `old`.
    """
    ensure(tx, new, new_ref)
    record = forms.read_clients(tx, [old]).get(old)
    stored = StoredRedirect(new_ref, reason, author, record=record or StoredClient(old_ref))
    keys = _forms_of(tx, old)
    mend.remember_moved(tx, dict.fromkeys(keys, old))
    mend.give_forms(tx, keys, new)
    stored.taken = {name: _hand_over(tx, name, old, new) for name in _PLAIN}
    stored.taken["holds"] = _holds(tx, old, new)
    stored.taken["sessions"] = _sessions(tx, old, new)
    stored.taken["enrolment"] = _enrolment(tx, old, new)
    stored.taken["ended"] = [day.isoformat() for day in mend.ends_of(tx, [old]).values()]
    if record is not None:
        stored.taken["changes"] = _therapists(tx, new, record.changes)
    _flags(tx, flags_of(tx, old), new)
    mend.set_redirect(tx, CLIENT, old, new, stored)
    tx.conn.execute(delete(clients).where(clients.c.source == tx.source, clients.c.key == old))
    forms.mark_keys_dirty(tx, [new])
    return len(keys)


def unmerge(tx: Tx, old: str) -> tuple[str, int]:
    """Takes a merge back: what came with the record goes back to it, and what has arrived for it since.

    Gives the key of the client that it had been merged into, and how many forms went back.
    :raises KeyError: there is no such merge.
    """
    found = mend.redirect(tx, CLIENT, old)
    if found is None:
        raise KeyError(old)
    mend.drop_redirects(tx, CLIENT, [old])
    now = resolve(merged_into(tx), found.target)
    record = found.stored.record or StoredClient("")
    _restore(tx, old, record)
    for day in found.stored.taken.get("ended", ()):
        mend.set_end(tx, old, date.fromisoformat(day))
    returned = _forms_back(tx, old)
    taken = found.stored.taken
    for name in _PLAIN:
        _hand_over(tx, name, now, old, taken.get(name, []))
    _holds(tx, now, old, taken.get("holds", []))
    _sessions(tx, now, old, taken.get("sessions", []))
    _enrolment_back(tx, now, old, taken.get("enrolment", []))
    _therapists(tx, now, (), without=taken.get("changes", []))
    _flags(tx, _flags_opened_by(tx, now, returned), old)
    forms.mark_keys_dirty(tx, [old, now])
    return now, len(returned)


# --- forms ----------------------------------------------------------------------------------------------------------


def _forms_of(tx: Tx, client: str) -> list[str]:
    where = (responses.c.source == tx.source) & (responses.c.client == client)
    return list(tx.conn.execute(select(responses.c.key).where(where).order_by(responses.c.key)).scalars())


def _forms_back(tx: Tx, old: str) -> list[str]:
    """Forms that came with the record, or were reassigned to it, return; those of records merged into it, too."""
    redirected = merged_into(tx)
    returned, settled = [], []
    for key, came_with in mend.moved(tx).items():
        owner = resolve(redirected, came_with)
        if owner == old:
            returned.append(key)
        if owner == came_with:
            settled.append(key)
    mend.give_forms(tx, returned, old)
    mend.drop_redirects(tx, mend.MOVED, settled)
    return returned


# --- flags and what the platform shows of them ------------------------------------------------------------------------


def flags_of(tx: Tx, client: str) -> list[str]:
    """Keys of a client's flags, whatever their state."""
    where = (flags.c.source == tx.source) & (flags.c.client == client)
    return list(tx.conn.execute(select(flags.c.key).where(where)).scalars())


def _flags_opened_by(tx: Tx, client: str, form_keys: Sequence[str]) -> list[str]:
    found: list[str] = []
    for part in chunks(form_keys):
        where = (flags.c.source == tx.source) & (flags.c.client == client) & among(tx, flags.c.opening, part)
        found += tx.conn.execute(select(flags.c.key).where(where)).scalars()
    return found


def _flags(tx: Tx, keys: Sequence[str], to: str) -> None:
    """Flags change hands; entries that stand on the platform are sent again, so that they move to the other chart."""
    for part in chunks(keys):
        where = (flags.c.source == tx.source) & among(tx, flags.c.key, part)
        tx.conn.execute(update(flags).where(where).values(client=to, changed_ms=now_ms()))
        stands = (
            (deliveries.c.source == tx.source)
            & among(tx, deliveries.c.flag, part)
            & (deliveries.c.wanted == RemoteState.ACTIVE.value)
            & (deliveries.c.on_platform == RemoteState.ACTIVE.value)
        )
        again = {"state": DeliveryState.PENDING.value, "not_before_ms": None, "problem": None, "changed_ms": now_ms()}
        tx.conn.execute(update(deliveries).where(stands).values(**again))


# --- what else belongs to a client -----------------------------------------------------------------------------------


def _hand_over(tx: Tx, name: str, giver: str, taker: str, only: Sequence[str] | None = None) -> list[str]:
    """Rows of a table change hands, all of the giver's or only those of these ids; gives their ids."""
    table, column = _PLAIN[name]
    where = (table.c.source == tx.source) & (table.c.client == giver)
    found = list(tx.conn.execute(select(column).where(where)).scalars())
    wanted = None if only is None else set(only)
    mine = [value for value in found if wanted is None or str(value) in wanted]
    for part in chunks(mine):
        tx.conn.execute(update(table).where(where, column.in_(part)).values(client=taker))
    return [str(value) for value in mine]


def _reseal(tx: Tx, sealed: bytes, place: Callable[[str], str], giver: str, taker: str) -> bytes:
    """What was sealed at the giver's place, sealed at the taker's."""
    return tx.sealer.seal(place(taker), tx.sealer.open(place(giver), sealed))


def _holds(tx: Tx, giver: str, taker: str, only: Sequence[str] | None = None) -> list[str]:
    where = (holds.c.source == tx.source) & (holds.c.client == giver)
    ids = []
    for row in tx.conn.execute(select(holds).where(where)).all():
        if only is not None and str(row.id) not in only:
            continue
        span = f"{row.start}:{row.until}"
        sealed = _reseal(tx, row.sealed, lambda who, span=span: f"holds:{tx.source}:{who}:{span}", giver, taker)  # type: ignore[misc]
        tx.conn.execute(update(holds).where(holds.c.id == row.id).values(client=taker, sealed=sealed))
        ids.append(str(row.id))
    return ids


def _sessions(tx: Tx, giver: str, taker: str, only: Sequence[str] | None = None) -> list[str]:
    """Attended days; two on one day are one for every rule, so that the taker's own stays."""
    where = (sessions.c.source == tx.source) & (sessions.c.client == giver)
    days = []
    for row in tx.conn.execute(select(sessions).where(where)).all():
        if only is not None and row.on not in only:
            continue
        day = row.on
        sealed = _reseal(tx, row.sealed, lambda who, day=day: f"sessions:{tx.source}:{who}:{day}", giver, taker)  # type: ignore[misc]
        upsert(tx, sessions, [{"source": tx.source, "client": taker, "on": day, "sealed": sealed}], keep=["sealed"])
        tx.conn.execute(delete(sessions).where(where, sessions.c.on == day))
        days.append(day)
    return days


def _enrolment(tx: Tx, old: str, new: str) -> list[str]:
    """The living record's own enrolment stays, unless it has none, or the other one is an opt-out: a no stands.

    Gives nothing, or ["moved"], with the state and the content of the one whose place it takes.
    """
    rows = {key: _enrolment_row(tx, key) for key in (old, new)}
    mine, theirs = rows[old], rows[new]
    opted_out = EnrolmentState.OPTED_OUT.value
    if mine is None or (theirs is not None and (mine.state != opted_out or theirs.state == opted_out)):
        return []
    before = [] if theirs is None else [theirs.state, tx.sealer.open(_place_of(tx, new), theirs.sealed).decode()]
    _give_enrolment(tx, mine, old, new)
    return ["moved", *before]


def _enrolment_back(tx: Tx, now: str, old: str, taken: Sequence[str]) -> None:
    if "moved" in taken and (row := _enrolment_row(tx, now)) is not None:
        _give_enrolment(tx, row, now, old)
        for state, content in zip(taken[1::2], taken[2::2], strict=True):
            sealed = tx.sealer.seal(_place_of(tx, now), content.encode())
            row = {"source": tx.source, "client": now, "state": state, "changed_ms": now_ms(), "sealed": sealed}
            upsert(tx, enrolments, [row])


def _place_of(tx: Tx, client: str) -> str:
    return f"enrolments:{tx.source}:{client}"


def _enrolment_row(tx: Tx, client: str) -> Any:
    where = (enrolments.c.source == tx.source) & (enrolments.c.client == client)
    return tx.conn.execute(select(enrolments).where(where)).first()


def _give_enrolment(tx: Tx, row: Any, giver: str, taker: str) -> None:
    sealed = _reseal(tx, row.sealed, lambda who: _place_of(tx, who), giver, taker)
    values = {"source": tx.source, "client": taker, "state": row.state, "changed_ms": now_ms(), "sealed": sealed}
    upsert(tx, enrolments, [values])
    tx.conn.execute(delete(enrolments).where(enrolments.c.source == tx.source, enrolments.c.client == giver))


def _therapists(tx: Tx, client: str, more: Sequence[str], without: Sequence[str] = ()) -> list[str]:
    """Days of a new therapist join those of the living record, or leave it; gives those that are new in it."""
    record = forms.read_clients(tx, [client])[client]
    added = sorted(set(more) - set(record.changes))
    changes = sorted((set(record.changes) | set(added)) - set(without))
    if changes != record.changes:
        record.changes = changes
        sealed = tx.sealer.seal(f"clients:{tx.source}:{client}", _encode(record))
        where = (clients.c.source == tx.source) & (clients.c.key == client)
        tx.conn.execute(update(clients).where(where).values(sealed=sealed))
    return added


def _restore(tx: Tx, key: str, record: StoredClient) -> None:
    sealed = tx.sealer.seal(f"clients:{tx.source}:{key}", _encode(record))
    upsert(tx, clients, [{"source": tx.source, "key": key, "dirty": True, "known": None, "sealed": sealed}])
