"""Ending a hold before its day: today, never earlier, since the rules were held up to now and must find that again."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from sqlalchemy import delete

from . import flags, forms
from .database import Tx
from .tables import holds


def end_today(tx: Tx, client: str, today: date) -> int:
    """Lets a client's holds end with this day; gives how many there were that would have lasted longer."""
    longer = [one for one in flags.holds_of(tx, [client]).get(client, ()) if one.start <= today < one.until]
    for one in longer:
        where = (holds.c.source == tx.source) & (holds.c.client == client)
        row = where & (holds.c.start == one.start.isoformat()) & (holds.c.until == one.until.isoformat())
        tx.conn.execute(delete(holds).where(row))
        flags.add_hold(tx, replace(one, until=today))
    if longer:
        forms.mark_keys_dirty(tx, [client])
    return len(longer)
