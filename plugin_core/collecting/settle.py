"""Settles requests by the forms that have come in, and takes a settlement back when its form is withdrawn.

A form answers a request if the client filled it in between a few days before the request and its last day, whenever it
reaches us, and whoever asked for it. One form answers one request.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from ...schemas.vocab import AskState
from ..store import Store, Tx, asks
from ..store.asks import LIVE, AskRow
from .cadence import day_of

EARLY = timedelta(days=3)
"""A form from this long before the request answers it: it was on its way, or was filled in by itself, when we asked."""
LATE = timedelta(days=60)
"""How long after its last day a request is still looked at, for a form that reaches us late."""

Found = dict[tuple[str, str], list[tuple[datetime, str]]]


def settle(store: Store, source: int, now: datetime, zone: ZoneInfo, *, withdrawn: bool = True) -> Counter[str]:
    """Settles what can be settled; gives the counts (`settled`, `reopened`).

    :param withdrawn: look also whether forms that have settled something were withdrawn since. It reads all answered
        requests; leave it out where no form was withdrawn.
    """
    with store.reading(source) as tx:
        busy = bool(_open(tx, day_of(now, zone))) or (withdrawn and bool(asks.unsupported_answers(tx)))
    if not busy:
        return Counter()
    return store.write(lambda tx: _settle(tx, now, zone, withdrawn), source)


def _open(tx: Tx, today: date) -> list[AskRow]:
    return asks.read(tx, states=(*LIVE, AskState.EXPIRED), since=today - LATE)


def _settle(tx: Tx, now: datetime, zone: ZoneInfo, withdrawn: bool) -> Counter[str]:
    today = day_of(now, zone)
    lost = asks.unsupported_answers(tx) if withdrawn else []
    rows = sorted([*_open(tx, today), *lost], key=lambda row: (row.due, row.key))
    clients = sorted({row.client for row in rows})
    found = asks.answers(tx, clients)
    gone = {row.key for row in lost}
    have = asks.read(tx, states=(AskState.ANSWERED,), clients=clients)
    used = {row.answered_by for row in have if row.key not in gone}
    done: Counter[str] = Counter()
    for row in rows:
        form = _answer(row, found.get((row.client, row.instrument), ()), used, today, zone)
        if form is not None:
            used.add(form[1])
            _answered(tx, row, form, now)
            done["settled"] += row.key not in gone
        elif row.key in gone:
            _taken_back(tx, row, today, now)
            done["reopened"] += 1
    return done


def _answer(
    row: AskRow, forms: Sequence[tuple[datetime, str]], used: set[str | None], today: date, zone: ZoneInfo
) -> tuple[datetime, str] | None:
    """The first form that answers this request and no other."""
    first = row.due if row.asked is None else min(row.due, day_of(row.asked, zone))
    last = today if row.asked is None else row.expires
    fitting = (form for form in forms if first - EARLY <= day_of(form[0], zone) <= last and form[1] not in used)
    return next(fitting, None)


def _answered(tx: Tx, row: AskRow, form: tuple[datetime, str], now: datetime) -> None:
    """The channel is told as well, if it may know of the request."""
    told = row.recall or row.state in (AskState.SENDING, AskState.OPEN)
    asks.change(
        tx, row.key, now, state=AskState.ANSWERED, answered_by=form[1], problem=None, not_before=None, recall=told
    )


def _taken_back(tx: Tx, row: AskRow, today: date, now: datetime) -> None:
    """Its form counts no longer: open again while there is time, else missed; never asked so far: to be asked."""
    again = AskState.OPEN if today <= row.expires else AskState.EXPIRED
    state = AskState.PLANNED if row.asked is None else again
    asks.change(tx, row.key, now, state=state, answered_by=None, recall=False)
