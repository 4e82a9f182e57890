"""Healthie: every query on a GraphQL server that nobody here wrote, made from the vendor's schema.

The checker of the other tests and our double are both ours, or both Python's; this is the engine that most platforms
run. Without Node, or without the schema, it says that it did not run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from handrail.adapters.auth import NoAuth
from handrail.adapters.healthie import documents
from handrail.adapters.healthie.graph import Graph
from handrail.adapters.http import Manners
from handrail.adapters.network import base_at, rest_of
from handrail.plugin_core.contracts import AdapterContext

from tests.peers.servers import GraphQlMock

from .contract import specs

LISTS = ["1"]
GIVEN: dict[str, dict[str, Any]] = {
    "REQUEST": {"input": {"recipient_ids": LISTS, "form": "77", "metadata": "{}", "skip_notification_email": False}},
    "MAKE_TASK": {"input": {"client_id": "1", "assignee_ids": LISTS, "content": "x", "priority": 0, "metadata": "{}"}},
    "CHANGE_TASK": {"input": {"id": "1", "complete": True, "client_id": "2"}},
    "MAKE_FORM": {"input": {"name": "x", "external_id": "gr18/1", "external_id_type": "handrail", "prefill": False}},
    "MAKE_LINE": {
        "input": {"custom_module_form_id": "1", "label": "x", "mod_type": "radio", "options": "a", "index": 1}
    },
    "CHANGE_LINE": {"input": {"id": "1", "label": "x", "options_array": ["a"]}},
}
EVERY = {"ids": LISTS, "tags": LISTS, "id": "1", "client": "1", "tag": "1", "request": "1", "name": "x", "first": 2}
NAMES = sorted(name for name, text in vars(documents).items() if name.isupper() and "Handrail" in str(text))


def given_for(name: str, text: str) -> dict[str, Any]:
    """Variables for a document: those that it declares."""
    head = text.partition("{")[0]
    return GIVEN.get(name) or {key: value for key, value in EVERY.items() if f"${key}:" in head}


def test_a_server_of_the_vendors_schema_takes_every_query(
    start_peer: Callable[[GraphQlMock], GraphQlMock],
) -> None:
    """One field too many, and Healthie answers with an error instead of forms."""
    schema = specs() / "healthie.graphql"
    if not schema.is_file():
        pytest.skip("NOT RUN: the contract healthie.graphql is not in the folder that HANDRAIL_SPECS names")
    server = start_peer(GraphQlMock(schema))
    said: list[str] = []
    context = AdapterContext("p", {}, str, said.append, lambda: 0.0, lambda _: None, "Handrail/test")
    graph = Graph(rest_of(context, base_at(server.base, {}), NoAuth(), Manners()), said.append)
    assert len(NAMES) > 20
    for name in NAMES:
        text = getattr(documents, name)
        ask = graph.change if text.startswith("mutation") else graph.ask
        assert ask(text, given_for(name, text), purpose=f"try {name}"), name
    graph.rest.http.transport.close()
    assert not said
