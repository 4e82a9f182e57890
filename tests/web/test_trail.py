"""Requests that wait together are written together, and none goes out before its own lines are there."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from handrail.plugin_core.errors import StoreError
from handrail.plugin_core.store import Store, book
from handrail.plugin_core.web.trail import Trail, Wish

from .people import House


def at_once(house: House, number: int, monkeypatch: pytest.MonkeyPatch, write: Any) -> list[Exception | None]:
    """Writes so many wishes from as many threads that all wait for each other; `write` stands for the store's own."""
    trail = Trail()
    faults: list[Exception | None] = [None] * number
    source = house.ask(lambda e: e.source)

    def one(at: int) -> None:
        with house.desk.engine() as engine:
            try:
                trail.write(engine, source, Wish([(f"user{at}", "looked", None, None)]))
            except StoreError as fault:
                faults[at] = fault

    threads = [threading.Thread(target=one, args=(at,)) for at in range(number)]
    with trail._turn:  # nobody may begin before all of them wait
        for thread in threads:
            thread.start()
        for _ in range(3000):
            if len(trail._waiting) == number:
                break
            time.sleep(0.01)
        monkeypatch.setattr(Store, "write", write)
    for thread in threads:
        thread.join(20)
    return faults


def test_those_who_wait_are_written_in_one_transaction(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each commit waits for the disk: eight of them one after the other would be eight waits."""
    writes: list[int] = []
    write = Store.write

    def counted(*a: Any, **k: Any) -> Any:
        writes.append(1)
        return write(*a, **k)

    assert at_once(house, 6, monkeypatch, counted) == [None] * 6
    assert len(writes) == 1
    with house.desk.engine() as engine, engine.store.reading(engine.source) as tx:
        found = {one.actor for one in book.trail(tx, 6)}
    assert found == {f"user{at}" for at in range(6)}


def test_a_fault_is_told_to_each_of_them(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else five pages would go out of which the trail knows nothing."""

    def full(*_: Any, **__: Any) -> None:
        raise StoreError("The disk is full; nothing was half written.")

    assert [type(one) for one in at_once(house, 6, monkeypatch, full)] == [StoreError] * 6
