"""Queries over flags and what people and the platform made of them: acknowledgements, holds, deliveries (the outbox).

The outbox is state, not a list of commands: a delivery says how a flag should look on the platform and how it looks
there. What differs is to be sent; a flag that is raised and cleared before anything went out sends nothing (F87).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import msgspec
from sqlalchemy import func, insert, select, update

from ...schemas.records import Acknowledgement, Evidence, Flag, Hold
from ...schemas.vocab import STANDING_STATES, DeliveryState, FlagState, RemoteState
from .database import Tx, now_ms
from .forms import Row, chunks, from_ms, offset_of, to_ms, upsert
from .tables import acknowledgements, deliveries, flags, holds

_encode = msgspec.json.Encoder().encode


class StoredFlag(msgspec.Struct, gc=False):
    """What is sealed of a flag."""

    evidence: Evidence
    score: float | None = None


class StoredDelivery(msgspec.Struct, array_like=True, gc=False):
    """What is sealed of a delivery: the platform's id and version of the object."""

    remote_id: str | None = None
    remote_version: str | None = None


_flag = msgspec.json.Decoder(StoredFlag)
_delivery = msgspec.json.Decoder(StoredDelivery)
STANDING = tuple(state.value for state in STANDING_STATES)


@dataclass(frozen=True, slots=True)
class FlagRow:
    """A flag as the store has it, without its evidence: enough to compare with what the rules say now."""

    key: str
    client: str
    rule: str
    kind: str
    state: FlagState
    shown: bool
    opening: str


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A delivery to be sent, with what the platform needs to know of its flag."""

    flag: str
    client: str
    rule: str
    carrier: str
    wanted: RemoteState
    on_platform: RemoteState
    opened: datetime
    closed: datetime | None
    attempts: int
    remote_id: str | None
    remote_version: str | None


def _flag_place(tx: Tx, key: str) -> str:
    return f"flags:{tx.source}:{key}"


# --- flags ---------------------------------------------------------------------------------------------------------


def of_clients(tx: Tx, client_keys: Sequence[str]) -> dict[str, list[FlagRow]]:
    """All flags of clients, cleared and withdrawn ones too: client key -> rows."""
    columns = (flags.c.key, flags.c.client, flags.c.rule, flags.c.kind, flags.c.state, flags.c.shown, flags.c.opening)
    found: dict[str, list[FlagRow]] = {key: [] for key in client_keys}
    for part in chunks(client_keys):
        query = select(*columns).where(flags.c.source == tx.source, flags.c.client.in_(part)).order_by(flags.c.key)
        for key, client, rule, kind, state, shown, opening in tx.conn.execute(query):
            found[client].append(FlagRow(key, client, rule, kind, FlagState(state), shown, opening))
    return found


def save(tx: Tx, items: Sequence[tuple[Flag, str]]) -> None:
    """Stores flags with their kind, new or changed as a whole."""
    now = now_ms()
    rows = [
        {
            "source": tx.source,
            "key": flag.key,
            "client": flag.client,
            "rule": flag.rule,
            "rule_version": flag.rule_version,
            "kind": kind,
            "state": flag.state.value,
            "shown": flag.shown,
            "opening": flag.opening_form,
            "opened_ms": to_ms(flag.opened),
            "offset_min": offset_of(flag.opened),
            "closed_ms": None if flag.closed is None else to_ms(flag.closed),
            "changed_ms": now,
            "sealed": tx.sealer.seal(_flag_place(tx, flag.key), _encode(StoredFlag(flag.evidence, flag.score))),
        }
        for flag, kind in items
    ]
    upsert(tx, flags, rows)


def set_state(tx: Tx, key: str, state: FlagState, closed: datetime | None) -> None:
    """Changes a flag's state; `closed` is the form that closed it, or None."""
    where = (flags.c.source == tx.source) & (flags.c.key == key)
    values = {"state": state.value, "closed_ms": None if closed is None else to_ms(closed), "changed_ms": now_ms()}
    tx.conn.execute(update(flags).where(where).values(**values))


def read(tx: Tx, *, states: Sequence[str] = STANDING, client: str | None = None) -> list[tuple[Flag, str]]:
    """Flags with their kind, newest first; standing ones unless other states are asked for."""
    query = select(flags).where(flags.c.source == tx.source, flags.c.state.in_(states))
    if client is not None:
        query = query.where(flags.c.client == client)
    query = query.order_by(flags.c.opened_ms.desc(), flags.c.client, flags.c.rule)
    return [(_as_flag(tx, row), row.kind) for row in tx.conn.execute(query)]


def _as_flag(tx: Tx, row: Any) -> Flag:
    stored = _flag.decode(tx.sealer.open(_flag_place(tx, row.key), row.sealed))
    return Flag(
        key=row.key,
        client=row.client,
        rule=row.rule,
        rule_version=row.rule_version,
        state=FlagState(row.state),
        opened=from_ms(row.opened_ms, row.offset_min),
        opening_form=row.opening,
        evidence=stored.evidence,
        score=stored.score,
        closed=None if row.closed_ms is None else from_ms(row.closed_ms, row.offset_min),
        shown=row.shown,
    )


def evidence_of(tx: Tx, keys: Iterable[str]) -> dict[str, Evidence]:
    """The evidence of flags, by key."""
    found: dict[str, Evidence] = {}
    for part in chunks(keys):
        query = select(flags.c.key, flags.c.sealed).where(flags.c.source == tx.source, flags.c.key.in_(part))
        for key, sealed in tx.conn.execute(query):
            found[key] = _flag.decode(tx.sealer.open(_flag_place(tx, key), sealed)).evidence
    return found


def count_by_state(tx: Tx) -> dict[str, int]:
    """How many flags there are in each state."""
    query = select(flags.c.state, func.count()).where(flags.c.source == tx.source).group_by(flags.c.state)
    return {state: int(number) for state, number in tx.conn.execute(query)}


# --- people --------------------------------------------------------------------------------------------------------


def acknowledge(tx: Tx, item: Acknowledgement) -> None:
    """Records that a person has seen a flag; a cleared or withdrawn one keeps its state."""
    sealed = tx.sealer.seal(f"acknowledgements:{tx.source}:{item.flag}", _encode([item.author, item.note]))
    values = {"source": tx.source, "flag": item.flag, "at_ms": to_ms(item.at), "useful": item.useful, "sealed": sealed}
    tx.conn.execute(insert(acknowledgements).values(**values))
    where = (flags.c.source == tx.source) & (flags.c.key == item.flag) & (flags.c.state == FlagState.RAISED.value)
    tx.conn.execute(update(flags).where(where).values(state=FlagState.ACKNOWLEDGED.value, changed_ms=now_ms()))


def acknowledged(tx: Tx, flag_keys: Iterable[str]) -> dict[str, list[Acknowledgement]]:
    """Acknowledgements by flag, oldest first."""
    found: dict[str, list[Acknowledgement]] = {}
    for part in chunks(flag_keys):
        where = (acknowledgements.c.source == tx.source) & acknowledgements.c.flag.in_(part)
        for row in tx.conn.execute(select(acknowledgements).where(where).order_by(acknowledgements.c.id)):
            author, note = msgspec.json.decode(tx.sealer.open(f"acknowledgements:{tx.source}:{row.flag}", row.sealed))
            entry = Acknowledgement(row.flag, from_ms(row.at_ms), author, note, row.useful)
            found.setdefault(row.flag, []).append(entry)
    return found


def add_hold(tx: Tx, item: Hold) -> None:
    """Records a hold; `item.client` is our key of the client."""
    sealed = tx.sealer.seal(f"holds:{tx.source}:{item.client}", _encode([item.reason, item.author]))
    values = {"start": item.start.isoformat(), "until": item.until.isoformat(), "sealed": sealed}
    tx.conn.execute(insert(holds).values(source=tx.source, client=item.client, **values))


def holds_of(tx: Tx, client_keys: Iterable[str]) -> dict[str, list[Hold]]:
    """Holds by client, oldest first, past ones too: the rules need them to give the same answer again."""
    found: dict[str, list[Hold]] = {}
    for part in chunks(client_keys):
        where = (holds.c.source == tx.source) & holds.c.client.in_(part)
        for row in tx.conn.execute(select(holds).where(where).order_by(holds.c.id)):
            reason, author = msgspec.json.decode(tx.sealer.open(f"holds:{tx.source}:{row.client}", row.sealed))
            hold = Hold(row.client, date.fromisoformat(row.start), date.fromisoformat(row.until), reason, author)
            found.setdefault(row.client, []).append(hold)
    return found


# --- the outbox ----------------------------------------------------------------------------------------------------

_WANTED = {
    FlagState.RAISED: RemoteState.ACTIVE,
    FlagState.ACKNOWLEDGED: RemoteState.ACTIVE,
    FlagState.HELD: RemoteState.ACTIVE,
    FlagState.CLEARED: RemoteState.INACTIVE,
    FlagState.WITHDRAWN: RemoteState.RETRACTED,
}


def wanted_for(state: FlagState) -> RemoteState:
    """How a flag of that state should look on the platform."""
    return _WANTED[state]


def want(tx: Tx, wishes: Mapping[str, RemoteState], carriers: Sequence[str]) -> None:
    """Queues flags (key -> how it should look) for carriers, in the transaction that changed them.

    Deliveries that exist keep their carrier even if the practice has chosen another since: what was made there must
    be taken back there. A wish that the platform meets already, or that cancels out, is nothing to send.
    """
    if not wishes:
        return
    have: dict[tuple[str, str], tuple[RemoteState, int]] = {}
    for part in chunks(wishes):
        where = (deliveries.c.source == tx.source) & deliveries.c.flag.in_(part)
        columns = (deliveries.c.flag, deliveries.c.carrier, deliveries.c.on_platform, deliveries.c.attempts)
        for flag, carrier, on_platform, _ in tx.conn.execute(select(*columns).where(where)):
            have[flag, carrier] = (RemoteState(on_platform), 0)
    for flag in wishes:
        for carrier in carriers:
            have.setdefault((flag, carrier), (RemoteState.ABSENT, 0))
    rows = [_wish(tx, flag, carrier, wishes[flag], now) for (flag, carrier), (now, _) in have.items()]
    upsert(tx, deliveries, rows, keep=["on_platform", "sealed"])


def _wish(tx: Tx, flag: str, carrier: str, wanted: RemoteState, now: RemoteState) -> Row:
    met = wanted == now or (now is RemoteState.ABSENT and wanted is not RemoteState.ACTIVE)
    return {
        "source": tx.source,
        "flag": flag,
        "carrier": carrier,
        "wanted": wanted.value,
        "on_platform": now.value,
        "state": (DeliveryState.DELIVERED if met else DeliveryState.PENDING).value,
        "attempts": 0,
        "not_before_ms": None,
        "problem": None,
        "changed_ms": now_ms(),
        "sealed": None,
    }


def unqueued(tx: Tx, carriers: Sequence[str], kinds: Sequence[str]) -> dict[str, RemoteState]:
    """Standing, shown flags of these kinds that some carrier has no delivery for: a carrier chosen after they rose."""
    have: dict[str, set[str]] = {}
    query = select(deliveries.c.flag, deliveries.c.carrier).where(deliveries.c.source == tx.source)
    for flag, carrier in tx.conn.execute(query):
        have.setdefault(flag, set()).add(carrier)
    where = (flags.c.source == tx.source) & flags.c.state.in_(STANDING) & flags.c.shown & flags.c.kind.in_(kinds)
    keys = tx.conn.execute(select(flags.c.key).where(where)).scalars()
    return {key: RemoteState.ACTIVE for key in keys if not set(carriers) <= have.get(key, set())}


def pending(tx: Tx, limit: int, not_later_ms: int) -> list[Outgoing]:
    """Deliveries to send now, oldest flags first."""
    where = (
        (deliveries.c.source == tx.source)
        & (deliveries.c.state == DeliveryState.PENDING.value)
        & (func.coalesce(deliveries.c.not_before_ms, 0) <= not_later_ms)
    )
    joined = deliveries.join(flags, (flags.c.source == deliveries.c.source) & (flags.c.key == deliveries.c.flag))
    query = (
        select(deliveries, flags.c.client, flags.c.rule, flags.c.opened_ms, flags.c.closed_ms, flags.c.offset_min)
        .select_from(joined)
        .where(where)
        .order_by(flags.c.opened_ms, deliveries.c.flag, deliveries.c.carrier)
        .limit(limit)
    )
    return [_outgoing(tx, row) for row in tx.conn.execute(query)]


def _outgoing(tx: Tx, row: Any) -> Outgoing:
    remote = StoredDelivery()
    if row.sealed is not None:
        remote = _delivery.decode(tx.sealer.open(f"deliveries:{tx.source}:{row.flag}", row.sealed))
    return Outgoing(
        flag=row.flag,
        client=row.client,
        rule=row.rule,
        carrier=row.carrier,
        wanted=RemoteState(row.wanted),
        on_platform=RemoteState(row.on_platform),
        opened=from_ms(row.opened_ms, row.offset_min),
        closed=None if row.closed_ms is None else from_ms(row.closed_ms, row.offset_min),
        attempts=row.attempts,
        remote_id=remote.remote_id,
        remote_version=remote.remote_version,
    )


def _delivery_where(tx: Tx, flag: str, carrier: str) -> Any:
    return (deliveries.c.source == tx.source) & (deliveries.c.flag == flag) & (deliveries.c.carrier == carrier)


def sent(tx: Tx, item: Outgoing, remote_id: str | None, remote_version: str | None) -> None:
    """The platform now looks as wanted; the remote id is kept for the update and the retraction."""
    stored = _encode(StoredDelivery(remote_id, remote_version))
    values = {
        "on_platform": item.wanted.value,
        "state": DeliveryState.DELIVERED.value,
        "attempts": item.attempts + 1,
        "not_before_ms": None,
        "problem": None,
        "changed_ms": now_ms(),
        "sealed": tx.sealer.seal(f"deliveries:{tx.source}:{item.flag}", stored),
    }
    tx.conn.execute(update(deliveries).where(_delivery_where(tx, item.flag, item.carrier)).values(**values))


def not_sent(tx: Tx, item: Outgoing, problem: str, *, refused: bool, not_before_ms: int | None = None) -> None:
    """The write failed: refused for good (F88), or to be tried again later."""
    values = {
        "state": (DeliveryState.REFUSED if refused else DeliveryState.PENDING).value,
        "attempts": item.attempts + 1,
        "not_before_ms": not_before_ms,
        "problem": problem,
        "changed_ms": now_ms(),
    }
    tx.conn.execute(update(deliveries).where(_delivery_where(tx, item.flag, item.carrier)).values(**values))


def deliveries_of(tx: Tx, flag_keys: Iterable[str]) -> dict[str, list[Any]]:
    """Delivery rows by flag, for people: carrier, state, problem."""
    found: dict[str, list[Any]] = {}
    for part in chunks(flag_keys):
        where = (deliveries.c.source == tx.source) & deliveries.c.flag.in_(part)
        for row in tx.conn.execute(select(deliveries).where(where).order_by(deliveries.c.carrier)):
            found.setdefault(row.flag, []).append(row)
    return found


def outbox(tx: Tx) -> dict[str, int]:
    """How many deliveries there are in each state, and since when the oldest waits (milliseconds, 0: none)."""
    query = select(deliveries.c.state, func.count()).where(deliveries.c.source == tx.source)
    found = {state: int(number) for state, number in tx.conn.execute(query.group_by(deliveries.c.state))}
    waiting = (deliveries.c.source == tx.source) & (deliveries.c.state == DeliveryState.PENDING.value)
    oldest = tx.conn.execute(select(func.min(deliveries.c.changed_ms)).where(waiting)).scalar()
    return found | {"oldest_ms": int(oldest or 0)}
