"""Letters that a database cannot hold (F52, F53): one form set aside, never a lost page, the same on both databases."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from handrail.plugin_core.contracts import HookContext, Page, RemoteAnswer, RemoteLine, RemoteResponse
from handrail.plugin_core.instruments import builtin_one
from handrail.plugin_core.manager import Plugins
from handrail.plugin_core.mapping import FormReader, own_mapping
from handrail.plugin_core.registry import Registry
from handrail.plugin_core.store import Store, forms
from handrail.plugin_core.sync.ingest import Ingest

GAD7 = builtin_one("gad7")
MAPPING = own_mapping(GAD7, "demo")


def remote(number: int, **more: Any) -> RemoteResponse:
    """A filled-in form as an adapter gives it."""
    lines = tuple(RemoteLine(item.id, item.text, (RemoteAnswer(code=item.options[1].code),)) for item in GAD7.items)
    facts: dict[str, Any] = {"id": f"r{number}", "client": "c1", "status": "completed", "lines": lines}
    facts |= {"form": MAPPING.form, "form_version": "1", "authored": "2026-03-02T10:00:00Z", "version": "1"}
    return RemoteResponse(**(facts | more))


def broken_line(letter: str) -> tuple[RemoteLine, ...]:
    return (RemoteLine("GAD1", None, (RemoteAnswer(label=f"x{letter}"),)),)


@pytest.mark.parametrize("letter", ["\x00", "\ud800"], ids=["f53-nul", "f52-lone-surrogate"])
@pytest.mark.parametrize("where", ["client", "version", "source", "tags", "language", "lines", "id", "form_version"])
def test_one_form_is_set_aside_and_the_page_is_stored(store: Store, source: int, where: str, letter: str) -> None:
    """PostgreSQL refuses a NUL where SQLite takes it; no text of one form may cost its neighbours."""
    bad: Any = {"tags": (f"t{letter}",), "lines": broken_line(letter)}.get(where, f"x{letter}")
    context = HookContext("p", "demo", datetime(2026, 11, 20, tzinfo=UTC))
    registry = Registry(Plugins())
    ingest = Ingest(store, source, registry, FormReader([MAPPING]), context)
    ingest.page(Page([remote(0), remote(1, **{where: bad}), remote(2)]))
    with store.reading(source) as tx:
        counts = forms.counts(tx)
        assert (counts["responses"], counts["set_aside"]) == (2, 1)
        (aside,) = forms.in_quarantine(tx)
        assert letter not in aside.remote_id + aside.message + aside.where
