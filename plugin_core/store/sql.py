"""What the queries share: lists of keys in parts, upserts by the page, times as numbers."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from itertools import islice
from operator import itemgetter
from typing import Any, TypeVar

import msgspec
from sqlalchemy import (
    JSON,
    Column,
    ColumnElement,
    Connection,
    FromClause,
    LargeBinary,
    Table,
    Text,
    and_,
    bindparam,
    cast,
    func,
    literal_column,
    select,
    text,
    true,
    tuple_,
)
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from .database import Tx, dialect_insert
from .opening import KEYS, PLANNED_ANEW

CHUNK = 500
T = TypeVar("T")
Row = dict[str, Any]


def chunks(items: Iterable[T], size: int = CHUNK) -> Iterator[list[T]]:
    """Lists of at most `size`, so that no query grows with the data."""
    rest = iter(items)
    while part := list(islice(rest, size)):
        yield part


def among(tx: Tx, column: Column[str], keys: Collection[str]) -> ColumnElement[bool]:
    """That the column is one of the keys, in a row of the source. They are one parameter: SQLAlchemy needs 5 µs for
    each of many."""
    if len(keys) == 1:
        return column == next(iter(keys))
    listed = msgspec.json.encode(list(keys)).decode()
    if tx.conn.dialect.name == "sqlite":
        return column.in_(select(func.json_each(listed).table_valued("value").c.value))
    primary, sql, key, source = _rows_of_each(column)
    return primary.in_(text(sql).bindparams(**{key: listed, source: tx.source}))


_rows: dict[tuple[str, str], tuple[ColumnElement[Any], str, str, str]] = {}


def _rows_of_each(column: Column[str]) -> tuple[ColumnElement[Any], str, str, str]:
    """The primary key of a column's table, the question which rows those of many keys are, and the names of what it
    takes: the keys and the source. Put together by SQLAlchemy each time, it would cost more than the answer."""
    table = column.table
    at = (table.name, column.name)
    if at not in _rows:
        from sqlalchemy.dialects.postgresql.base import PGDialect  # 60 ms, which no command on SQLite is to pay

        again = table.alias()
        primary = [one.name for one in table.primary_key]
        key, source = (f"{table.name}_{column.name}_{name}" for name in ("keys", "source"))
        named: Any = PGDialect
        joined, found = of_each(
            again.c[column.name], bindparam(key, type_=Text), bindparam(source), [again.c[name] for name in primary]
        )
        sql = select(*found).select_from(joined).compile(dialect=named(paramstyle="named"))
        _rows[at] = tuple_(*(table.c[name] for name in primary)), str(sql), key, source
    return _rows[at]


def of_each(
    keyed: ColumnElement[Any],
    keys: ColumnElement[str],
    source: ColumnElement[Any],
    what: Sequence[ColumnElement[Any]],
    where: ColumnElement[bool] | None = None,
) -> tuple[FromClause, ReadOnlyColumnCollection[str, Any]]:
    """What PostgreSQL has of the source in the rows whose column is one of the keys: what to select from, and the
    columns there.

    It looks for each key by itself, and so by the index of source and key. What the server believes of a source that is
    new, or of a table that it has not counted yet, is that it has next to no rows; asked for all keys at once it reads
    all of them, for each page of a first pull anew. OFFSET 0 keeps it from making one of the two. It is planned anew
    each time (opening.py).

    :param keys: a JSON list of them.
    :param where: what else must be true of a row.
    """
    listed = getattr(func, KEYS)(cast(keys, JSON)).table_valued("value")
    table: Any = keyed.table
    mine = and_(table.c.source == source, true() if where is None else where)
    one = select(*what).where(mine, keyed == listed.c.value).offset(literal_column("0")).lateral("found")
    return listed.join(one, true()), one.c


def upsert(tx: Tx, table: Table, rows: Sequence[Row], *, keep: Sequence[str] = ()) -> None:
    """Inserts rows, or updates those whose primary key is there; columns in `keep` stay as they are then.

    All rows have the same columns, and values that the driver takes as they are.
    """
    if not rows:
        return
    names = tuple(rows[0])
    if len(rows) == 1 or _twice(table, rows):
        tx.conn.execute(_upsert(tx.conn, table, names, tuple(keep)), list(rows))
    elif tx.conn.dialect.name == "sqlite":
        sql, order = _driver_upsert(tx.conn, table, names, tuple(keep))
        tx.conn.exec_driver_sql(sql, list(map(itemgetter(*order), rows)))
    else:
        tx.conn.exec_driver_sql(_page_upsert(tx.conn, table, names, tuple(keep)), (msgspec.json.encode(rows).decode(),))


def _twice(table: Table, rows: Sequence[Row]) -> bool:
    """Whether a row comes twice: one statement over all of them could not update it twice."""
    primary = [column.name for column in table.primary_key]
    return len({tuple(row[name] for name in primary) for row in rows}) < len(rows)


_pages: dict[tuple[str, str, tuple[str, ...], tuple[str, ...]], str] = {}


def _page_upsert(conn: Connection, table: Table, names: tuple[str, ...], keep: tuple[str, ...]) -> str:
    """One statement for a page on PostgreSQL."""
    key = ("upsert", table.name, names, keep)
    if key not in _pages:
        quoted = conn.dialect.identifier_preparer.quote
        made = str(_upsert(conn, table, names, keep).compile(dialect=conn.dialect, column_keys=list(names)))
        conflict = made[made.index(" ON CONFLICT ") :]
        source, taken = _page(conn, table, names)
        into = f"INSERT INTO {quoted(table.name)} ({', '.join(map(quoted, names))})"
        _pages[key] = f"{into} SELECT {', '.join(taken.values())} FROM {source}{conflict}"  # noqa: S608 - our own names
    return _pages[key]


def _page(conn: Connection, table: Table, names: Sequence[str]) -> tuple[str, dict[str, str]]:
    """Rows of a page as PostgreSQL reads them from one parameter, in JSON, and how each column is taken from there: a
    parameter for each value costs the driver more than all else does. What is binary comes as base64."""
    quoted = conn.dialect.identifier_preparer.quote
    kinds = {name: table.c[name].type for name in names}
    binary = {name for name, kind in kinds.items() if isinstance(kind, LargeBinary)}
    given = ", ".join(
        f"{quoted(name)} {'text' if name in binary else kind.compile(conn.dialect)}" for name, kind in kinds.items()
    )
    columns = {name: f"page.{quoted(name)}" for name in names}
    taken = {name: f"decode({at}, 'base64')" if name in binary else at for name, at in columns.items()}
    return f"json_to_recordset(%s::text::json) AS page({given})", taken


def amend(tx: Tx, table: Table, rows: Sequence[Row], *, only: Sequence[str] = ()) -> None:
    """Updates rows that are there, found by their primary key; the others are passed over.

    All have the same columns, and values as for `upsert`; no row comes twice.

    :param only: columns that are compared instead of set: a row that has another value there by now stays as it is.
    """
    if not rows:
        return
    names = tuple(rows[0])
    found_by = [*(column.name for column in table.primary_key), *only]
    order = [*(name for name in names if name not in found_by), *found_by]
    if tx.conn.dialect.name == "sqlite":
        tx.conn.exec_driver_sql(_each_amended(tx.conn, table, order, found_by), list(map(itemgetter(*order), rows)))
    else:
        sql = _page_amended(tx.conn, table, order, found_by)
        tx.conn.exec_driver_sql(sql, (msgspec.json.encode(rows).decode(),), execution_options=PLANNED_ANEW)


def _each_amended(conn: Connection, table: Table, order: Sequence[str], found_by: Sequence[str]) -> str:
    quoted = conn.dialect.identifier_preparer.quote
    given = {name: f"{quoted(name)} = ?" for name in order}
    values = ", ".join(given[name] for name in order if name not in found_by)
    where = " AND ".join(given[name] for name in found_by)
    return f"UPDATE {quoted(table.name)} SET {values} WHERE {where}"  # noqa: S608 - our own names


def _page_amended(conn: Connection, table: Table, order: Sequence[str], found_by: Sequence[str]) -> str:
    key = ("amend", table.name, tuple(order), tuple(found_by))
    if key not in _pages:
        quoted = conn.dialect.identifier_preparer.quote
        own = quoted(table.name)
        source, taken = _page(conn, table, order)
        values = ", ".join(f"{quoted(name)} = {taken[name]}" for name in order if name not in found_by)
        where = " AND ".join(f"{own}.{quoted(name)} = {taken[name]}" for name in found_by)
        _pages[key] = f"UPDATE {own} SET {values} FROM {source} WHERE {where}"  # noqa: S608 - our own names
    return _pages[key]


_compiled: dict[tuple[str, tuple[str, ...], tuple[str, ...]], tuple[str, list[str]]] = {}


def _driver_upsert(
    conn: Connection, table: Table, names: tuple[str, ...], keep: tuple[str, ...]
) -> tuple[str, list[str]]:
    """The statement as SQLite's driver takes it, and the order of its values: half the time of a row goes this way."""
    key = (table.name, names, keep)
    if key not in _compiled:
        made = _upsert(conn, table, names, keep).compile(dialect=conn.dialect, column_keys=list(names))
        _compiled[key] = str(made), list(made.positiontup or ())
    return _compiled[key]


def _upsert(conn: Connection, table: Table, names: tuple[str, ...], keep: tuple[str, ...]) -> Any:
    primary = [column.name for column in table.primary_key]
    statement = dialect_insert(conn)(table)
    new = {name: statement.excluded[name] for name in names if name not in primary and name not in keep}
    if new:
        return statement.on_conflict_do_update(index_elements=primary, set_=new)
    return statement.on_conflict_do_nothing(index_elements=primary)


# --- times ---------------------------------------------------------------------------------------------------------

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_MS = 86_400_000


def to_ms(when: datetime) -> int:
    """Milliseconds since 1970 UTC."""
    since = when - _EPOCH
    return since.days * _DAY_MS + since.seconds * 1000 + since.microseconds // 1000


def offset_of(when: datetime) -> int:
    """The offset in minutes that the time was written in."""
    offset = when.utcoffset()
    return 0 if offset is None else offset.days * 1440 + offset.seconds // 60


def from_ms(ms: int, offset_min: int = 0) -> datetime:
    """The instant in its own offset."""
    return _epoch_at(offset_min) + timedelta(0, 0, 0, ms)


@lru_cache(maxsize=2048)
def _epoch_at(offset_min: int) -> datetime:
    return _EPOCH.astimezone(timezone(timedelta(minutes=offset_min)))
