"""Queries over flags and what people made of them: acknowledgements and holds. What is sent of them: outgoing.py."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from operator import attrgetter
from typing import Any

import msgspec
from sqlalchemy import func, insert, select, update

from ...schemas.records import Acknowledgement, Evidence, Flag, Hold
from ...schemas.vocab import STANDING_STATES, FlagState
from .database import Tx, now_ms
from .ready import OfKeys
from .sql import amend, among, chunks, from_ms, offset_of, to_ms, upsert
from .tables import acknowledgements, flags, holds

_encode = msgspec.json.Encoder().encode


class StoredFlag(msgspec.Struct, gc=False):
    """What is sealed of a flag. `basis` stands for all that its evidence follows from, empty where that is not known;
    nothing is written after it (`Standing.is_of`)."""

    evidence: Evidence
    score: float | None = None
    basis: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """What a standing flag rests on, as it was sealed."""

    plain: bytes = field(repr=False)

    def is_of(self, basis: str) -> bool:
        """Whether this stands for all that its evidence follows from. It was written last, so the end tells."""
        return self.plain.endswith(b'"basis":' + _encode(basis) + b"}")

    def whole(self) -> StoredFlag:
        """Its evidence and score."""
        return _flag.decode(self.plain)


_flag = msgspec.json.Decoder(StoredFlag)
_NO_BASES: Mapping[str, str] = {}
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


def _flag_place(tx: Tx, key: str) -> str:
    return f"flags:{tx.source}:{key}"


# --- flags ---------------------------------------------------------------------------------------------------------


_of_clients = OfKeys(
    flags.c.client,
    *(flags.c.key, flags.c.client, flags.c.rule, flags.c.kind, flags.c.state, flags.c.shown, flags.c.opening),
)
_sealed = OfKeys(flags.c.key, flags.c.key, flags.c.sealed)
_STATES = {state.value: state for state in FlagState}
_by_key = attrgetter("key")


def of_clients(tx: Tx, client_keys: Sequence[str]) -> dict[str, list[FlagRow]]:
    """All flags of clients, cleared and withdrawn ones too: client key -> rows."""
    found: dict[str, list[FlagRow]] = {key: [] for key in client_keys}
    for key, client, rule, kind, state, shown, opening in _of_clients.rows(tx, client_keys):
        found[client].append(FlagRow(key, client, rule, kind, _STATES[state], bool(shown), opening))
    for rows in found.values():  # asked for in order, SQLite would look at every flag there is
        rows.sort(key=_by_key)
    return found


def save(tx: Tx, items: Sequence[tuple[Flag, str]], bases: Mapping[str, str] = _NO_BASES) -> None:
    """Stores flags with their kind, new or changed as a whole; `bases` as `StoredFlag.basis`, by flag key."""
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
            "sealed": _seal(tx, flag.key, StoredFlag(flag.evidence, flag.score, bases.get(flag.key, ""))),
        }
        for flag, kind in items
    ]
    upsert(tx, flags, rows)


def _seal(tx: Tx, key: str, stored: StoredFlag) -> bytes:
    return tx.sealer.seal(_flag_place(tx, key), _encode(stored))


def set_state(tx: Tx, key: str, state: FlagState, closed: datetime | None) -> None:
    """Changes a flag's state; `closed` is the form that closed it, or None."""
    where = (flags.c.source == tx.source) & (flags.c.key == key)
    values = {"state": state.value, "closed_ms": None if closed is None else to_ms(closed), "changed_ms": now_ms()}
    tx.conn.execute(update(flags).where(where).values(**values))


def withdrawn(tx: Tx) -> dict[str, datetime]:
    """When each withdrawn flag was withdrawn, by key; none of the forms that it rested on tells that."""
    where = (flags.c.source == tx.source) & (flags.c.state == FlagState.WITHDRAWN.value)
    rows = tx.conn.execute(select(flags.c.key, flags.c.changed_ms).where(where))
    return {row.key: from_ms(row.changed_ms, 0) for row in rows}


def set_shown(tx: Tx, key: str, shown: bool) -> None:
    """Whether a flag is shown or waits behind another one of its form."""
    where = (flags.c.source == tx.source) & (flags.c.key == key)
    tx.conn.execute(update(flags).where(where).values(shown=shown, changed_ms=now_ms()))


def set_evidence(
    tx: Tx, renewed: Mapping[str, tuple[Evidence, float | None]], bases: Mapping[str, str] = _NO_BASES
) -> None:
    """Renews what flags rest on, by key: the same episodes, other numbers."""
    amend(
        tx,
        flags,
        [
            {
                "source": tx.source,
                "key": key,
                "sealed": _seal(tx, key, StoredFlag(evidence, score, bases.get(key, ""))),
            }
            for key, (evidence, score) in renewed.items()
        ],
    )


def read(
    tx: Tx, *, states: Sequence[str] = STANDING, client: str | None = None, begins: str | None = None
) -> list[tuple[Flag, str]]:
    """Flags with their kind, newest first; standing ones unless other states are asked for.

    :param begins: those whose key begins so, and no others.
    """
    # Of one client all are read: asked for both, the database goes by the state and looks at everybody's flags.
    wanted = flags.c.state.in_(states) if client is None else flags.c.client == client
    if begins is not None:
        wanted = flags.c.key.startswith(begins, autoescape=True)
    query = select(flags).where(flags.c.source == tx.source, wanted)
    rows = tx.conn.execute(query.order_by(flags.c.opened_ms.desc(), flags.c.client, flags.c.rule))
    return [(_as_flag(tx, row), row.kind) for row in rows if row.state in states]


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


def standing(tx: Tx, keys: Iterable[str]) -> dict[str, Standing]:
    """What these flags rest on, by key, read no further than asked."""
    return {key: Standing(tx.sealer.open(_flag_place(tx, key), sealed)) for key, sealed in _sealed.rows(tx, keys)}


def evidence_of(tx: Tx, keys: Iterable[str]) -> dict[str, Evidence]:
    """The evidence of flags, by key."""
    return {
        key: _flag.decode(tx.sealer.open(_flag_place(tx, key), sealed)).evidence
        for key, sealed in _sealed.rows(tx, keys)
    }


def of_kind(tx: Tx, kind: str, client_keys: Iterable[str]) -> list[Flag]:
    """All flags of a kind of clients, with their evidence, in whatever state."""
    found: list[Flag] = []
    for part in chunks(client_keys):
        where = (flags.c.source == tx.source) & (flags.c.kind == kind) & among(tx, flags.c.client, part)
        found += (_as_flag(tx, row) for row in tx.conn.execute(select(flags).where(where)))
    return found


def count_by_state(tx: Tx) -> dict[str, int]:
    """How many flags there are in each state."""
    query = select(flags.c.state, func.count()).where(flags.c.source == tx.source).group_by(flags.c.state)
    return {state: int(number) for state, number in tx.conn.execute(query)}


# --- people --------------------------------------------------------------------------------------------------------


CLOSED = "closed"


def close(tx: Tx, item: Acknowledgement) -> None:
    """Records that a person has closed a safety flag, whatever its state, at the time of the person."""
    _said(tx, item)
    set_state(tx, item.flag, FlagState.CLEARED, item.at)


def _said(tx: Tx, item: Acknowledgement) -> None:
    at = to_ms(item.at)
    sealed = tx.sealer.seal(_acknowledgement_place(tx, item.flag, at), _encode([item.author, item.note]))
    values = {"source": tx.source, "flag": item.flag, "at_ms": at, "useful": item.useful, "kind": item.kind}
    tx.conn.execute(insert(acknowledgements).values(**values, sealed=sealed))


def acknowledge(tx: Tx, item: Acknowledgement) -> None:
    """Records that a person has seen a flag; a cleared or withdrawn one keeps its state."""
    _said(tx, item)
    where = (flags.c.source == tx.source) & (flags.c.key == item.flag) & (flags.c.state == FlagState.RAISED.value)
    tx.conn.execute(update(flags).where(where).values(state=FlagState.ACKNOWLEDGED.value, changed_ms=now_ms()))


def _acknowledgement_place(tx: Tx, flag: str, at_ms: int) -> str:
    return f"acknowledgements:{tx.source}:{flag}:{at_ms}"


_said_of = acknowledgements.c
_acknowledged = OfKeys(
    _said_of.flag,
    *(_said_of.flag, _said_of.at_ms, _said_of.useful, _said_of.kind, _said_of.sealed),
    order=(_said_of.id,),
)


def acknowledged(tx: Tx, flag_keys: Iterable[str]) -> dict[str, list[Acknowledgement]]:
    """Acknowledgements by flag, oldest first."""
    found: dict[str, list[Acknowledgement]] = {}
    for flag, at, useful, kind, sealed in _acknowledged.rows(tx, flag_keys):
        author, note = msgspec.json.decode(tx.sealer.open(_acknowledgement_place(tx, flag, at), sealed))
        found.setdefault(flag, []).append(Acknowledgement(flag, from_ms(at), author, note, useful, kind))
    return found


def add_hold(tx: Tx, item: Hold) -> None:
    """Records a hold; `item.client` is our key of the client."""
    start, until = item.start.isoformat(), item.until.isoformat()
    sealed = tx.sealer.seal(_hold_place(tx, item.client, start, until), _encode([item.reason, item.author]))
    values = {"source": tx.source, "client": item.client, "start": start, "until": until, "sealed": sealed}
    tx.conn.execute(insert(holds).values(**values))


def _hold_place(tx: Tx, client: str, start: str, until: str) -> str:
    return f"holds:{tx.source}:{client}:{start}:{until}"


_holds = OfKeys(holds.c.client, *(holds.c.client, holds.c.start, holds.c.until, holds.c.sealed), order=(holds.c.id,))


def holds_of(tx: Tx, client_keys: Iterable[str]) -> dict[str, list[Hold]]:
    """Holds by client, oldest first, past ones too: the rules need them to give the same answer again."""
    found: dict[str, list[Hold]] = {}
    for client, start, until, sealed in _holds.rows(tx, client_keys):
        reason, author = msgspec.json.decode(tx.sealer.open(_hold_place(tx, client, start, until), sealed))
        hold = Hold(client, date.fromisoformat(start), date.fromisoformat(until), reason, author)
        found.setdefault(client, []).append(hold)
    return found
