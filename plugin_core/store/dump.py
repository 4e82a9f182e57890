"""All rows of one practice out of a store and into an empty one, table by table: what a backup holds.

The rows are as the store has them, sealed values included; the numbers of sources stay, since sealed values are bound
to them. The same dump goes into SQLite and PostgreSQL.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, LargeBinary, MetaData, Table, delete, func, insert, select

from ..errors import StoreError
from ..words import tr
from .database import Tx
from .tables import metadata, practices, sources

PAGE = 1000
Line = tuple[str, dict[str, Any]]
# Numbers that the database gives and nothing refers to: given anew, so that those of other practices are not met.
_GIVEN = "id"


def owners_of(conn: Connection, practice: str) -> list[int]:
    """The numbers of the practice's sources."""
    return list(
        conn.execute(select(sources.c.id).where(sources.c.practice == practice).order_by(sources.c.id)).scalars()
    )


def rows(tx: Tx) -> Iterator[Line]:
    """(table, row) of everything that is the practice's, in an order in which it can be put back. Memory: one page."""
    owned = owners_of(tx.conn, tx.sealer.practice)
    for table in _tables():
        query = select(table).where(_mine(table, tx.sealer.practice, owned)).order_by(*table.primary_key.columns)
        with tx.conn.execute(query.execution_options(yield_per=PAGE)) as found:
            for row in found.mappings():
                yield str(table.name), {str(name): value for name, value in row.items()}


def wipe(conn: Connection, practice: str) -> None:
    """Takes out everything that is the practice's."""
    owned = owners_of(conn, practice)
    for table in reversed(_tables()):
        conn.execute(delete(table).where(_mine(table, practice, owned)))


def load(conn: Connection, lines: Iterable[Line], practice: str) -> dict[str, int]:
    """Puts rows into a store of the version that they come from; gives how many by table.

    :raises StoreError: a table or column is unknown, or a number of a source belongs to another practice here.
    """
    found = MetaData()
    found.reflect(conn)
    counts: dict[str, int] = {}
    page: list[dict[str, Any]] = []
    at: Table | None = None
    for name, row in lines:
        table = found.tables.get(name)
        if table is None or not set(row) <= set(table.c.keys()):
            raise StoreError(tr("The backup holds what this store has no place for ({table}).", table=name[:40]))
        if table is not at or len(page) == PAGE:
            _put(conn, at, page)
            at, page = table, []
        if name == sources.name:
            _free(conn, int(row["id"]), practice)
        page.append(_ready(table, row))
        counts[name] = counts.get(name, 0) + 1
    _put(conn, at, page)
    if conn.dialect.name == "postgresql":  # rows with numbers of their own leave the counter where it was
        place = func.pg_get_serial_sequence(sources.name, "id")
        # Never back: other practices' sources, which row security hides here, may have the numbers above.
        most = select(func.coalesce(func.max(sources.c.id), 0)).scalar_subquery()
        conn.execute(select(func.setval(place, func.greatest(func.nextval(place), most))))
    return counts


def _tables() -> Sequence[Table]:
    """By row security a row may be written, and taken out, only while its source and its practice are there."""
    first = (practices, sources)
    return (*first, *(table for table in metadata.sorted_tables if table not in first and not table.info.get("host")))


def _mine(table: Table, practice: str, owned: Sequence[int]) -> Any:
    if table is practices:
        return table.c.id == practice
    if "practice" in table.c:
        return table.c.practice == practice
    return table.c.source.in_(owned)


def _free(conn: Connection, number: int, practice: str) -> None:
    other = conn.execute(select(sources.c.practice).where(sources.c.id == number)).scalar()
    if other not in (None, practice):
        raise StoreError(
            tr(
                "This database holds another practice where the backup's would have to lie. Restore into a database of "
                "its own."
            )
        )


def _ready(table: Table, row: dict[str, Any]) -> dict[str, Any]:
    """A row as the database takes it: bytes again where the backup's text stands for them (base64)."""
    given = list(table.primary_key.columns.keys()) == [_GIVEN] and table.name not in (practices.name, sources.name)
    made = {}
    for name, value in row.items():
        if given and name == _GIVEN:
            continue
        binary = isinstance(value, str) and isinstance(table.c[name].type, LargeBinary)
        made[name] = b64decode(value, validate=True) if binary else value
    return made


def _put(conn: Connection, table: Table | None, page: Sequence[dict[str, Any]]) -> None:
    if table is not None and page:
        conn.execute(insert(table), list(page))
