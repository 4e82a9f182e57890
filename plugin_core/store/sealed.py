"""Every sealed column of the store with the place that its value is bound to; sealing all of them anew (S17).

A value opens at its own place only (seal.py), so whoever seals rows anew must know each table's places. The modules
that write these tables make the same places; a test fills every table and opens every value by this list.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Table, select, tuple_, update

from . import tables
from .database import Tx

BATCH = 500


@dataclass(frozen=True, slots=True)
class Sealed:
    """One sealed column: the table, the columns that follow `table:source` (or `table:practice`) in its place, what
    comes at the end, and the table's name in it where that is another."""

    table: Table
    parts: tuple[str, ...]
    column: str = "sealed"
    end: str = ""
    name: str = ""

    @property
    def scope(self) -> str:
        """The column that says whose the row is."""
        if self.table is tables.practices:
            return "id"
        return "practice" if "practice" in self.table.c else "source"

    def place(self, row: Any) -> str:
        """The place of a row's value."""
        of = (getattr(row, self.scope), *(getattr(row, name) for name in self.parts))
        return ":".join((self.name or self.table.name, *map(str, of))) + self.end


# What an author of self-checks sealed with a key of their own (authors.sealed, selfchecks.sealed) is not the
# practice's.
SEALED = (
    Sealed(tables.practices, ()),
    Sealed(tables.clients, ("key",)),
    Sealed(tables.responses, ("key",)),
    Sealed(tables.history, ("key",), name="responses"),
    Sealed(tables.quarantine, ("key",)),
    Sealed(tables.flags, ("key",)),
    Sealed(tables.acknowledgements, ("flag", "at_ms")),
    Sealed(tables.holds, ("client", "start", "until")),
    Sealed(tables.deliveries, ("flag", "carrier")),
    Sealed(tables.enrolments, ("client",)),
    Sealed(tables.asks, ("key",)),
    Sealed(tables.sessions, ("client", "on")),
    Sealed(tables.notices, ("flag", "recipient", "number")),
    Sealed(tables.redirects, ("kind", "key")),
    Sealed(tables.remarks, ("response", "at_ms")),
    Sealed(tables.notes, ("key",)),
    Sealed(tables.selfchecks, ("key",), "shared", ":shared"),
    Sealed(tables.accounts, ("key",)),
    Sealed(tables.logins, ("key",)),
    Sealed(tables.invites, ("key",)),
)


def reseal(
    tx: Tx, what: Sealed, owners: Sequence[Any], after: tuple[Any, ...] | None
) -> tuple[int, tuple[Any, ...] | None]:
    """Seals one batch of a table's rows with the current key, in primary-key order after `after`.

    :param owners: the practice's sources, or the practice itself, as `Sealed.scope` says.
    :returns: how many were sealed anew, and the primary key to go on from; None at the end of the table.
    """
    key = list(what.table.primary_key.columns)
    column = what.table.c[what.column]
    query = select(what.table).where(what.table.c[what.scope].in_(owners), column.is_not(None))
    if after is not None:
        query = query.where(tuple_(*key) > after)
    rows = list(tx.conn.execute(query.order_by(*key).limit(BATCH).with_for_update()))
    done = 0
    for row in rows:
        value = getattr(row, what.column)
        if not tx.sealer.stale(value):
            continue
        place = what.place(row)
        fresh = tx.sealer.seal(place, tx.sealer.open(place, value))
        same = [one == getattr(row, one.name) for one in key]
        tx.conn.execute(update(what.table).where(*same).values({what.column: fresh}))
        done += 1
    if len(rows) < BATCH:
        return done, None
    return done, tuple(getattr(rows[-1], one.name) for one in key)
