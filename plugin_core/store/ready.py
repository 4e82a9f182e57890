"""Questions that are asked of every page of clients, each made once: to make a statement anew costs SQLAlchemy more
than the database needs to answer it, and a row as the driver gives it costs half of what one of SQLAlchemy's does.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from sqlalchemy import Column, ColumnElement, CursorResult, Select, Text, bindparam, func, select

from .database import Tx
from .sql import CHUNK, chunks

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
        query = select(*what).where(keyed.table.c.source == bindparam("s"))
        self._query = (query if where is None else query.where(where)).order_by(*order)
        self._keyed = keyed
        self._made: dict[str, Select[Any]] = {}
        self._plain: tuple[str, list[str]] | None = None

    def rows(self, tx: Tx, keys: Iterable[str]) -> list[tuple[Any, ...]]:
        """The rows, as the driver gives them."""
        found: list[tuple[Any, ...]] = []
        for part in chunks(keys, CHUNK):
            result = self._asked(tx, part)
            found += result.cursor.fetchall()
            result.close()
        return found

    def _asked(self, tx: Tx, keys: list[str]) -> CursorResult[Any]:
        name = tx.conn.dialect.name
        if (statement := self._made.get(name)) is None:
            statement = self._made[name] = self._query.where(self._among(name))
        if name != "sqlite":
            return tx.conn.execute(statement, {"s": tx.source, "k": keys})
        if self._plain is None:  # as the driver takes it, at half of what SQLAlchemy adds to a question
            made = statement.compile(dialect=tx.conn.dialect)
            self._plain = str(made), list(made.positiontup or ())
        sql, order = self._plain
        given = {"s": tx.source, "k": _encode(keys).decode()}
        return tx.conn.exec_driver_sql(sql, tuple(map(given.__getitem__, order)))

    def _among(self, dialect: str) -> ColumnElement[bool]:
        """As `sql.among`."""
        if dialect == "sqlite":
            listed = func.json_each(bindparam("k", type_=Text)).table_valued("value")
            return self._keyed.in_(select(listed.c.value))
        return self._keyed.in_(bindparam("k", expanding=True))
