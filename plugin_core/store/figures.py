"""Counts over the whole practice: asked and answered, prompted, seen, found useful. Never by therapist or by client."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime

from sqlalchemy import func, select

from ...schemas.vocab import AskState
from .database import Tx
from .sql import from_ms, to_ms
from .tables import acknowledgements, asks, flags, responses

PROMPT = "prompt"


def asked(tx: Tx, since: date, until: date) -> Counter[str]:
    """Requests that fell due in these days, by what became of them; those withdrawn before an answer are left out."""
    where = (asks.c.source == tx.source) & asks.c.due.between(since.isoformat(), until.isoformat())
    query = select(asks.c.state, func.count()).where(where, asks.c.state != AskState.WITHDRAWN).group_by(asks.c.state)
    return Counter({state: int(number) for state, number in tx.conn.execute(query)})


def clients_with_forms(tx: Tx, since: datetime, until: datetime) -> int:
    """How many clients have a form in this time."""
    when = responses.c.authored_ms.between(to_ms(since), to_ms(until))
    query = select(func.count(responses.c.client.distinct()))
    return int(tx.conn.execute(query.where(responses.c.source == tx.source, responses.c.active, when)).scalar_one())


def prompts(tx: Tx, since: datetime, until: datetime) -> int:
    """Prompts shown that opened in this time; those behind "more" and those withdrawn since are not counted."""
    when = flags.c.opened_ms.between(to_ms(since), to_ms(until))
    query = select(func.count()).where(flags.c.source == tx.source, flags.c.kind == PROMPT, flags.c.shown, when)
    return int(tx.conn.execute(query.where(flags.c.state != "withdrawn")).scalar_one())


def seen(tx: Tx, since: datetime, until: datetime) -> list[tuple[float, str | None]]:
    """Prompts that opened in this time and were acknowledged: days from form to the first acknowledgement, and the
    last word on their usefulness."""
    when = flags.c.opened_ms.between(to_ms(since), to_ms(until))
    same = (acknowledgements.c.source == flags.c.source) & (acknowledgements.c.flag == flags.c.key)
    query = (
        select(flags.c.key, flags.c.opened_ms, acknowledgements.c.at_ms, acknowledgements.c.useful)
        .join(acknowledgements, same)
        .where(flags.c.source == tx.source, flags.c.kind == PROMPT, flags.c.shown, when)
        .order_by(acknowledgements.c.id)
    )
    first: dict[str, float] = {}
    useful: dict[str, str | None] = {}
    for key, opened, at, said in tx.conn.execute(query):
        first.setdefault(key, (from_ms(at) - from_ms(opened)).total_seconds() / 86_400)
        useful[key] = said or useful.get(key)
    return [(days, useful[key]) for key, days in first.items()]
