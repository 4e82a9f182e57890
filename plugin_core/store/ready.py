"""Questions that are asked of every page of clients, each made once: to make a statement anew costs SQLAlchemy more
than the database needs to answer it, and a row as the driver gives it costs half of what one of SQLAlchemy's does.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from sqlalchemy import Column, ColumnElement, CursorResult, Select, Text, bindparam, func, select, true

from .database import Tx
from .sql import CHUNK, chunks, of_each

_encode = msgspec.json.Encoder().encode


class OfKeys:
    """What a table has of the source in the rows whose column is one of many keys.

    :param keyed: the column that is compared with the keys.
    :param what: the columns that are read, with values that need no treatment by SQLAlchemy (a yes or no is 0 or 1 on
        SQLite).
    :param where: what else must be true of a row.
    :param order: the columns by which the rows of one question are ordered.
    """

    def __init__(
        self,
        keyed: Column[Any],
        *what: Column[Any],
        where: ColumnElement[bool] | None = None,
        order: tuple[Column[Any], ...] = (),
    ) -> None:
        self._keyed = keyed
        self._what = what
        self._where = true() if where is None else where
        self._order = order
        self._made: dict[str, tuple[str, list[str] | None]] = {}

    def rows(self, tx: Tx, keys: Iterable[str]) -> list[tuple[Any, ...]]:
        """The rows, as the driver gives them; each once, also where a key is given twice."""
        found: list[tuple[Any, ...]] = []
        for part in chunks(dict.fromkeys(keys), CHUNK):
            result = self._asked(tx, part)
            found += result.cursor.fetchall()
            result.close()
        return found

    def _asked(self, tx: Tx, keys: list[str]) -> CursorResult[Any]:
        """Asks as the driver takes it, at half of what SQLAlchemy adds to a question."""
        dialect = tx.conn.dialect
        if dialect.name not in self._made:
            made = (self._on_sqlite() if dialect.name == "sqlite" else self._on_postgresql()).compile(dialect=dialect)
            self._made[dialect.name] = str(made), made.positiontup
        sql, order = self._made[dialect.name]
        given = {"s": tx.source, "k": _encode(keys).decode()}
        if order is None:
            return tx.conn.exec_driver_sql(sql, given)
        return tx.conn.exec_driver_sql(sql, tuple(map(given.__getitem__, order)))

    def _on_sqlite(self) -> Select[Any]:
        listed = func.json_each(bindparam("k", type_=Text)).table_valued("value")
        mine = self._keyed.table.c.source == bindparam("s")
        return (
            select(*self._what).where(mine, self._where, self._keyed.in_(select(listed.c.value))).order_by(*self._order)
        )

    def _on_postgresql(self) -> Select[Any]:
        what = list(dict.fromkeys((*self._what, *self._order)))
        joined, found = of_each(self._keyed, bindparam("k", type_=Text), bindparam("s"), what, self._where)
        return (
            select(*(found[column.name] for column in self._what))
            .select_from(joined)
            .order_by(*(found[column.name] for column in self._order))
        )
