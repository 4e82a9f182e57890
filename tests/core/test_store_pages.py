"""A page of rows goes into the store as one statement, and is looked for by one: on both databases every value as it
was, and no more of the store is read than was asked for."""

from __future__ import annotations

from functools import partial
from typing import Any, Protocol

import pytest
from handrail.plugin_core.store import Store, Tx, forms
from handrail.plugin_core.store.ready import OfKeys
from handrail.plugin_core.store.sql import amend, among, upsert
from handrail.plugin_core.store.tables import clients, deliveries, responses
from sqlalchemy import delete, select, text, update

ODD = ["plain", "it's", 'a "b"', "100 %s %(x)s", "back\\slash", "two\nlines", "käse 🧀", "{}", "\ufeff", "1e5", "null"]


def row(source: int, key: str, number: int, **more: Any) -> dict[str, Any]:
    """A client's row with something of every kind in it."""
    sealed = bytes(range(256)) + bytes([number % 256])
    first = {"source": source, "key": key, "dirty": number % 2 == 0, "marks": number, "known": None}
    return first | {"ended": None if number % 3 else "2026-11-20", "sealed": sealed} | more


def stored(store: Store, source: int) -> list[dict[str, Any]]:
    """All of them, in order."""
    with store.reading(source) as tx:
        found = tx.conn.execute(select(clients).order_by(clients.c.marks)).mappings()
        return [{name: bytes(v) if name == "sealed" else v for name, v in one.items()} for one in found]


def test_a_page_comes_back_as_it_was_written(store: Store, source: int) -> None:
    """A quotation mark, a percent sign, a byte of zero, nothing at all: one lost is somebody's answer."""
    page = [row(source, key, number) for number, key in enumerate(ODD)]
    store.write(lambda tx: upsert(tx, clients, page), source)
    assert stored(store, source) == page
    changed = [one | {"known": True, "sealed": b"", "marks": one["marks"] + 100} for one in page]
    store.write(lambda tx: upsert(tx, clients, changed, keep=("sealed",)), source)
    kept = [one | {"sealed": before["sealed"]} for one, before in zip(changed, page, strict=True)]
    assert stored(store, source) == kept


@pytest.mark.parametrize("size", [2, 500])
def test_a_row_that_comes_twice_in_a_page_is_there_once_as_it_came_last(store: Store, source: int, size: int) -> None:
    """A platform's page may hold a form twice; PostgreSQL refuses to update a row twice in one statement."""
    page = [row(source, f"key-{number}", number) for number in range(size - 1)]
    page.append(row(source, "key-0", 0, known=False))
    store.write(lambda tx: upsert(tx, clients, page), source)
    found = stored(store, source)
    assert len(found) == size - 1
    assert found[0]["known"] is False


def test_large_numbers_and_empty_columns_stay(store: Store, source: int) -> None:
    """Milliseconds since 1970 do not fit a short integer, and a JSON number might have become a float on its way."""
    base = {"source": source, "carrier": "flag", "wanted": "active", "on_platform": "none", "state": "pending"}
    page = [
        base | {"flag": f"{n}", "attempts": n, "not_before_ms": 9_007_199_254_740_993 if n else None}
        | {"problem": None, "changed_ms": 1_790_000_000_001 + n, "sealed": None}
        for n in range(3)
    ]  # fmt: skip
    store.write(lambda tx: upsert(tx, deliveries, page), source)
    with store.reading(source) as tx:
        found = tx.conn.execute(select(deliveries).order_by(deliveries.c.flag)).mappings().all()
    assert [dict(one) for one in found] == page


def test_odd_keys_are_found_again(store: Store, source: int) -> None:
    """They are one parameter, too."""
    store.write(lambda tx: upsert(tx, clients, [row(source, key, n) for n, key in enumerate(ODD)]), source)
    with store.reading(source) as tx:
        found = tx.conn.execute(select(clients.c.key).where(among(tx, clients.c.key, [*ODD, "another"]))).scalars()
        assert sorted(found) == sorted(ODD)
        assert tx.conn.execute(select(clients.c.key).where(among(tx, clients.c.key, []))).all() == []


KNOWN = OfKeys(clients.c.key, clients.c.key, clients.c.sealed, order=(clients.c.marks,))


def test_keys_are_asked_for_in_one_order_and_answered_once(store: Store, source: int) -> None:
    """One asked for twice is one client: told twice, a course would be judged twice."""
    beside = store.source("beside")
    store.write(lambda tx: upsert(tx, clients, [row(source, key, n) for n, key in enumerate(ODD)]), source)
    store.write(lambda tx: upsert(tx, clients, [row(beside, key, n) for n, key in enumerate(ODD)]), beside)
    with store.reading(source) as tx:
        found = KNOWN.rows(tx, [*reversed(ODD), "another", *ODD])
        assert KNOWN.rows(tx, []) == []
    assert [(key, bytes(sealed)) for key, sealed in found] == [
        (key, row(source, key, n)["sealed"]) for n, key in enumerate(ODD)
    ]


def read_of(tx: Tx, table: str) -> int:
    """How many rows of a table PostgreSQL has looked at in this transaction."""
    query = "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = :table"
    return int(tx.conn.execute(text(query), {"table": table}).scalar_one())


def form(source: int, number: int) -> dict[str, Any]:
    """A form's row, of which nothing is ever opened."""
    of = {"source": source, "key": f"form-{number}", "client": f"client-{number % 300}", "status": "completed"}
    read = {"instrument": "growth", "instrument_version": "1", "authored_ms": number, "offset_min": 0}
    rest = {"updated_ms": None, "remote_version": None, "active": True, "content": "", "scored_by": "", "sealed": b""}
    return of | read | rest


@pytest.mark.parametrize("store_url", [pytest.param("postgresql", marks=pytest.mark.peer("postgres"))], indirect=True)
def test_a_page_is_found_by_its_keys_whatever_the_server_believes_of_the_table(store: Store, source: int) -> None:
    """Asked often while there was next to nothing, and not counted since: PostgreSQL would rather read all that a
    source has for each key, so that a first pull of ten thousand forms takes minutes, and one of a million never ends.
    """
    for _ in range(12):  # by then a statement would have been prepared, and its plan kept
        with store.reading(source) as tx:
            forms.known(tx, [f"form-{n}" for n in range(100)])
    store.write(lambda tx: upsert(tx, responses, [form(source, n) for n in range(3000)]), source)
    with store.reading(source) as tx:
        before = read_of(tx, "responses")
        assert len(forms.known(tx, [f"form-{n}" for n in range(2950, 3050)])) == 50
        assert read_of(tx, "responses") - before <= 100


class Work(Protocol):
    """A statement by keys; gives how many rows it was about."""

    def __call__(self, tx: Tx, keys: list[str]) -> int: ...


def asked_by(column: str) -> dict[str, Work]:
    """Each kind of statement."""
    table = responses

    def mine(tx: Tx, keys: list[str]) -> Any:
        return (table.c.source == tx.source) & among(tx, table.c[column], keys)

    return {
        "looked for": lambda tx, keys: len(tx.conn.execute(select(table.c.key).where(mine(tx, keys))).all()),
        "changed": lambda tx, keys: tx.conn.execute(update(table).where(mine(tx, keys)).values(active=False)).rowcount,
        "deleted": lambda tx, keys: tx.conn.execute(delete(table).where(mine(tx, keys))).rowcount,
    }


@pytest.mark.parametrize("store_url", [pytest.param("postgresql", marks=pytest.mark.peer("postgres"))], indirect=True)
@pytest.mark.parametrize("counted", ["never", "when there were five"])
@pytest.mark.parametrize("column", ["key", "client"])
def test_rows_are_looked_for_changed_and_deleted_by_the_index(
    store: Store, source: int, counted: str, column: str
) -> None:
    """PostgreSQL read all that a new practice has, for each page anew: who is to be read again, what was taken back."""
    if counted != "never":
        store.write(lambda tx: upsert(tx, responses, [form(source, -n - 1) for n in range(5)]), source)
        with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
            conn.exec_driver_sql("ANALYZE")
    for work in asked_by(column).values():  # by then a statement would have been prepared, and its plan kept
        for _ in range(12):
            store.write(partial(work, keys=["none", "nobody"]), source)
    store.write(lambda tx: upsert(tx, responses, [form(source, n) for n in range(3000)]), source)
    keys = [f"{'form' if column == 'key' else 'client'}-{n}" for n in (7, 8, 9, 10, 11, 5000)]
    about = 5 if column == "key" else 50

    def counts(tx: Tx, work: Work) -> tuple[int, int]:
        before = read_of(tx, "responses")
        return work(tx, keys), read_of(tx, "responses") - before

    for what, work in asked_by(column).items():
        number, read = store.write(partial(counts, work=work), source)
        assert number == about, what
        assert read <= 2 * about, f"{what}: {read} rows were read"


def test_no_other_source_s_row_is_asked_for(store: Store, source: int) -> None:
    """Two platforms may give a form the same id: one that is taken back on one of them stays on the other."""
    beside = store.source("beside")
    for one in (source, beside):
        rows = [form(one, n) for n in range(6)]
        store.write(partial(upsert, table=responses, rows=rows), one)
    for column, keys in (("key", ["form-0", "form-1"]), ("client", ["client-2", "client-3"])):
        for what, work in asked_by(column).items():
            assert store.write(partial(work, keys=[*keys, "none"]), source) == 2, what
    with store.reading(beside) as tx:
        assert forms.known(tx, [f"form-{n}" for n in range(6)]).keys() == {f"form-{n}" for n in range(6)}
        assert all(one.active for one in forms.known(tx, [f"form-{n}" for n in range(6)]).values())


def test_what_is_amended_changes_and_nothing_else_does(store: Store, source: int) -> None:
    """Scores that are computed anew are written so: into the row of another form, they would be another's."""
    beside = store.source("beside")
    page = [row(source, key, number) for number, key in enumerate(ODD)]
    store.write(
        lambda tx: upsert(tx, clients, [*page, *(one | {"source": beside, "marks": 99} for one in page)]), source
    )
    new = [
        {"source": source, "key": one["key"], "sealed": one["sealed"][::-1], "known": True, "ended": one["key"]}
        for one in page[2:]
    ]
    absent = new[0] | {"key": "another"}
    store.write(lambda tx: amend(tx, clients, [*new, absent]), source)
    store.write(lambda tx: amend(tx, clients, []), source)
    found = stored(store, source)
    changed = [one | now for one, now in zip(page[2:], new, strict=True)]
    assert [one for one in found if one["source"] == source] == [*page[:2], *changed]
    assert all(one["known"] is None for one in found if one["source"] == beside)


def test_a_row_that_is_not_as_it_was_read_is_not_amended(store: Store, source: int) -> None:
    """A form that came while the rules read the course: its mark must stay, or nobody reads the course again."""
    page = [row(source, key, 4) for key in ("one", "two")]
    store.write(lambda tx: upsert(tx, clients, page), source)
    read = [{"source": source, "key": key, "marks": marks, "dirty": False} for key, marks in (("one", 4), ("two", 3))]
    store.write(lambda tx: amend(tx, clients, read, only=["marks"]), source)
    assert {one["key"]: (one["dirty"], one["marks"]) for one in stored(store, source)} == {
        "one": (False, 4),
        "two": (True, 4),
    }
