"""A page of rows goes into the store as one statement: every value as it was, on both databases."""

from __future__ import annotations

from typing import Any

import pytest
from handrail.plugin_core.store import Store
from handrail.plugin_core.store.sql import among, upsert
from handrail.plugin_core.store.tables import clients, deliveries
from sqlalchemy import select

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
