"""Queries over deliveries, the outbox: how each flag should look on the platform, and how it looks there.

The outbox is state, not a list of commands: what differs is to be sent; a flag that is raised and cleared before
anything went out sends nothing (F87).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import case, func, select, update

from ...schemas.vocab import DeliveryState, FlagState, RemoteState
from .database import Tx, now_ms
from .flags import STANDING
from .ready import OfKeys
from .sql import Row, among, chunks, from_ms, upsert
from .tables import clients, deliveries, flags

_encode = msgspec.json.Encoder().encode


class StoredDelivery(msgspec.Struct, array_like=True, gc=False):
    """What is sealed of a delivery: the platform's id and version of the object as we last knew it, and to which states
    it was to be brought since by writes of which nobody knows the outcome."""

    remote_id: str | None = None
    remote_version: str | None = None
    attempted: tuple[RemoteState, ...] = ()


_delivery = msgspec.json.Decoder(StoredDelivery)


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
    attempted: tuple[RemoteState, ...] = ()


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
    be taken back there. A wish that the platform meets already, or that cancels out, is nothing to send; one that is
    no other than before changes nothing, so that a refusal stays one (F88) and a waiting time is waited.
    """
    if not wishes:
        return
    have = {(flag, carrier): _Standing(*rest) for flag, carrier, *rest in _standing.rows(tx, wishes)}
    for flag in wishes:
        for carrier in carriers:
            have.setdefault((flag, carrier), _NEW)
    rows = [
        _wish(tx, flag, carrier, wishes[flag], now)
        for (flag, carrier), now in have.items()
        if now.wanted != wishes[flag].value
    ]
    upsert(tx, deliveries, rows, keep=["on_platform", "sealed"])


_standing = OfKeys(
    deliveries.c.flag,
    *(deliveries.c.flag, deliveries.c.carrier, deliveries.c.wanted, deliveries.c.on_platform, deliveries.c.state),
    deliveries.c.attempts,
)


class _Standing(NamedTuple):
    """A delivery as it stands: what was wanted so far, how it looks on the platform, where it stands."""

    wanted: str | None
    on_platform: str
    state: str
    attempts: int

    @property
    def unsure(self) -> bool:
        """Something was sent and its outcome is not known: it may look otherwise there than was confirmed (F81, F82).

        A refusal is an outcome, but only of the last attempt.
        """
        known = 1 if self.state == DeliveryState.REFUSED else 0
        return self.state != DeliveryState.DELIVERED and self.attempts > known


_NEW = _Standing(None, RemoteState.ABSENT.value, DeliveryState.PENDING.value, 0)


def _wish(tx: Tx, flag: str, carrier: str, wanted: RemoteState, now: _Standing) -> Row:
    cancels_out = now.on_platform == RemoteState.ABSENT and wanted is not RemoteState.ACTIVE
    met = (wanted == now.on_platform or cancels_out) and not now.unsure
    return {
        "source": tx.source,
        "flag": flag,
        "carrier": carrier,
        "wanted": wanted.value,
        "on_platform": now.on_platform,
        "state": (DeliveryState.DELIVERED if met else DeliveryState.PENDING).value,
        "attempts": now.attempts if now.unsure else 0,
        "not_before_ms": None,
        "problem": None,
        "changed_ms": now_ms(),
        "sealed": None,
    }


def unqueued(tx: Tx, carriers: Sequence[str], kinds: Sequence[str]) -> dict[str, RemoteState]:
    """Standing, shown flags of these kinds that some carrier has no delivery for: a carrier chosen after they rose, or
    chosen again after all was taken back. Flags of clients who were discharged stay off the platform."""
    have: dict[str, set[str]] = {}
    kept = (deliveries.c.source == tx.source) & (deliveries.c.wanted != RemoteState.RETRACTED.value)
    query = select(deliveries.c.flag, deliveries.c.carrier).where(kept)
    for flag, carrier in tx.conn.execute(query):
        have.setdefault(flag, set()).add(carrier)
    where = (flags.c.source == tx.source) & flags.c.state.in_(STANDING) & flags.c.shown & flags.c.kind.in_(kinds)
    over = select(clients.c.key).where(clients.c.source == tx.source, clients.c.ended.is_not(None))
    keys = tx.conn.execute(select(flags.c.key).where(where, flags.c.client.not_in(over))).scalars()
    return {key: RemoteState.ACTIVE for key in keys if not set(carriers) <= have.get(key, set())}


def standing_on(tx: Tx, client_keys: Sequence[str]) -> dict[tuple[str, str], int]:
    """How many flags of each client are to stand on each carrier: (client key, carrier) -> number.

    Those that the platform refused for good are not counted: nothing of them is there.
    """
    found: dict[tuple[str, str], int] = {}
    for part in chunks(client_keys):
        query = (
            select(flags.c.client, deliveries.c.carrier, func.count())
            .join(flags, (flags.c.source == deliveries.c.source) & (flags.c.key == deliveries.c.flag))
            .where(
                (deliveries.c.source == tx.source)
                & (deliveries.c.wanted == RemoteState.ACTIVE.value)
                & (deliveries.c.state != DeliveryState.REFUSED.value)
                & among(tx, flags.c.client, part)
            )
            .group_by(flags.c.client, deliveries.c.carrier)
        )
        for client, carrier, number in tx.conn.execute(query):
            found[client, carrier] = number
    return found


def pending(tx: Tx, limit: int, not_later_ms: int, only: Collection[str] | None = None) -> list[Outgoing]:
    """Deliveries to send now, oldest flags first; only those of the flags with these keys, if any are given."""
    where = (
        (deliveries.c.source == tx.source)
        & (deliveries.c.state == DeliveryState.PENDING.value)
        & (func.coalesce(deliveries.c.not_before_ms, 0) <= not_later_ms)
    )
    joined = deliveries.join(flags, (flags.c.source == deliveries.c.source) & (flags.c.key == deliveries.c.flag))
    query = (
        select(deliveries, flags.c.client, flags.c.rule, flags.c.opened_ms, flags.c.closed_ms, flags.c.offset_min)
        .select_from(joined)
        .where(where if only is None else where & among(tx, deliveries.c.flag, only))
        .order_by(flags.c.opened_ms, deliveries.c.flag, deliveries.c.carrier)
        .limit(limit)
    )
    return [_outgoing(tx, row) for row in tx.conn.execute(query)]


def _outgoing(tx: Tx, row: Any) -> Outgoing:
    remote = StoredDelivery()
    if row.sealed is not None:
        remote = _delivery.decode(tx.sealer.open(_place_of(tx, row.flag, row.carrier), row.sealed))
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
        attempted=remote.attempted,
    )


def _delivery_where(tx: Tx, flag: str, carrier: str) -> Any:
    return (deliveries.c.source == tx.source) & (deliveries.c.flag == flag) & (deliveries.c.carrier == carrier)


def sending(tx: Tx, item: Outgoing) -> None:
    """Commits, before anything goes out, that it is about to: a process that dies after the write leaves a delivery
    of which nobody knows the outcome, and such a one must not cancel out with what is wanted later (F82, F87). To what
    it was to be brought is kept: found so, it was our own lost write and no person's decision (F81, F86).
    """
    where = _delivery_where(tx, item.flag, item.carrier)
    tried = (*(state for state in item.attempted if state is not item.wanted), item.wanted)
    stored = _encode(StoredDelivery(item.remote_id, item.remote_version, tried))
    sealed = tx.sealer.seal(_place_of(tx, item.flag, item.carrier), stored)
    tx.conn.execute(update(deliveries).where(where).values(attempts=item.attempts + 1, sealed=sealed))


def _place_of(tx: Tx, flag: str, carrier: str) -> str:
    return f"deliveries:{tx.source}:{flag}:{carrier}"


def _unless_wanted_otherwise(item: Outgoing, state: DeliveryState) -> Any:
    """The state that follows from a result, unless something else was wanted while it was on its way."""
    return case((deliveries.c.wanted == item.wanted.value, state.value), else_=DeliveryState.PENDING.value)


def sent(tx: Tx, item: Outgoing, remote_id: str | None, remote_version: str | None) -> None:
    """The platform now looks as wanted; the remote id is kept for the update and the retraction."""
    stored = _encode(StoredDelivery(remote_id, remote_version))
    values = {
        "on_platform": item.wanted.value,
        "state": _unless_wanted_otherwise(item, DeliveryState.DELIVERED),
        "attempts": item.attempts + 1,
        "not_before_ms": None,
        "problem": None,
        "changed_ms": now_ms(),
        "sealed": tx.sealer.seal(_place_of(tx, item.flag, item.carrier), stored),
    }
    tx.conn.execute(update(deliveries).where(_delivery_where(tx, item.flag, item.carrier)).values(**values))


def not_sent(tx: Tx, item: Outgoing, problem: str, *, refused: bool, not_before_ms: int | None = None) -> None:
    """The write failed: refused for good (F88), or to be tried again later."""
    values = {
        "state": _unless_wanted_otherwise(item, DeliveryState.REFUSED if refused else DeliveryState.PENDING),
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
        where = (deliveries.c.source == tx.source) & among(tx, deliveries.c.flag, part)
        for row in tx.conn.execute(select(deliveries).where(where).order_by(deliveries.c.carrier)):
            found.setdefault(row.flag, []).append(row)
    return found


def counts(tx: Tx) -> dict[str, int]:
    """How many deliveries there are in each state, and since when the oldest waits (milliseconds, 0: none)."""
    query = select(deliveries.c.state, func.count()).where(deliveries.c.source == tx.source)
    found = {state: int(number) for state, number in tx.conn.execute(query.group_by(deliveries.c.state))}
    waiting = (deliveries.c.source == tx.source) & (deliveries.c.state == DeliveryState.PENDING.value)
    oldest = tx.conn.execute(select(func.min(deliveries.c.changed_ms)).where(waiting)).scalar()
    return found | {"oldest_ms": int(oldest or 0)}
