"""What is asked of every page of clients: by an index each, so that a page costs the same in a large practice."""

from __future__ import annotations

import pytest
from handrail.plugin_core.store import Store, courses, enrolments, flags, forms, mend, outgoing, ready, selfchecks
from handrail.plugin_core.store.ready import OfKeys
from sqlalchemy import event

from .samples import client_of, key_of, response, save

MODULES = (courses, enrolments, flags, forms, mend, outgoing, selfchecks)
QUESTIONS = {
    f"{module.__name__.rpartition('.')[2]}.{name.strip('_')}": value
    for module in MODULES
    for name, value in vars(module).items()
    if isinstance(value, OfKeys)
}


def test_a_page_of_clients_is_found_by_an_index_and_not_among_all_rows(store: Store) -> None:
    """Asked for in the order of its key, SQLite once read every flag of the practice for each forty clients."""
    if store.engine.dialect.name != "sqlite":
        pytest.skip("SQLite alone is asked how it goes about it; PostgreSQL decides by how many rows there are")
    assert len(QUESTIONS) >= 12
    asked: list[tuple[str, object]] = []
    event.listen(store.engine, "before_cursor_execute", lambda *seen: asked.append(seen[2:4]))
    with store.reading(1) as tx:
        for name, question in QUESTIONS.items():
            assert question.rows(tx, ["a", "b"]) == []
            statement, values = asked[-1]
            explained = tx.conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)  # type: ignore[arg-type]
            plan = [row[3] for row in explained]
            assert any(" USING " in step and step.count("=?") == 2 for step in plan), (name, plan)


def test_many_keys_are_asked_for_in_parts_and_none_is_lost(
    store: Store, source: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A form that is left out of a page's answer would be pulled again as new, or its flag taken for gone."""
    save(store, source, [response(n) for n in range(7)])
    keys = [key_of(store, source, response(n)) for n in range(7)]
    monkeypatch.setattr(ready, "CHUNK", 3)
    with store.reading(source) as tx:
        assert sorted(forms.known(tx, [*keys, "none"])) == sorted(keys)
        assert forms.known(tx, []) == {}
        mine = client_of(store, source)
        scored_by: dict[str, str] = {}
        assert len(courses.forms_of(tx, [mine, "nobody"], None, scored_by)[mine]) == 7
        assert sorted(scored_by) == sorted(keys)
    with store.reading(source + 1) as tx:
        assert forms.known(tx, keys) == {}, "another source's forms are not ours"
