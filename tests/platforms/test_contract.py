"""The contract checker itself: what breaks a contract is found, and what keeps it is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from handrail.plugin_core.testing import Exchange, Reply, Request

from .contract import Contract, Exempt, OpenApi

DOCUMENT: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "Kestrel", "version": "1"},
    "servers": [{"url": "https://kestrel.example/v9"}],
    "security": [{"key": []}],
    "components": {"securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}}},
    "paths": {
        "/forms": {
            "get": {
                "parameters": [{"name": "since", "in": "query", "schema": {"type": "string", "format": "date-time"}}],
                "responses": {
                    "200": {
                        "description": "ok",
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Forms"}}},
                    }
                },
            },
            "post": {
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {
                            "schema": {
                                "type": "object",
                                "required": ["title"],
                                "properties": {"title": {"type": "string"}},
                            }
                        }
                    },
                },
                "responses": {"201": {"description": "made"}},
            },
        },
        "/forms/{id}": {
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
            "get": {"responses": {"200": {"description": "ok"}}},
        },
        "/forms/all": {"get": {"responses": {"200": {"description": "ok"}}}},
    },
}
DOCUMENT["components"]["schemas"] = {
    "Forms": {
        "type": "object",
        "required": ["forms"],
        "properties": {
            "forms": {"type": "array", "items": {"type": "object", "properties": {"id": {"type": "string"}}}}
        },
    }
}
SCHEMA = """
type Query { form(id: ID!): Form }
type Form { id: ID! title: String! size: Int }
type Mutation { rename(id: ID!, title: String!): Form }
"""


@pytest.fixture
def openapi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OpenApi:
    monkeypatch.setenv("HANDRAIL_SPECS", str(tmp_path))
    (tmp_path / "kestrel.json").write_text(json.dumps(DOCUMENT))
    return Contract.openapi("kestrel.json", below="/v1")


def asked(method: str, path: str, *query: tuple[str, str], body: Any = None) -> Request:
    sent = b"" if body is None else json.dumps(body).encode()
    return Request(method, path, query, {"content-type": "application/json"} if sent else {}, sent)


FORMS = Reply(200, {"forms": [{"id": "1"}]})
GOOD = [
    Exchange(asked("GET", "/v1/forms", ("since", "2026-03-01T00:00:00Z")), FORMS),
    Exchange(asked("POST", "/v1/forms", body={"title": "x"}), Reply(201)),
    Exchange(asked("GET", "/v1/forms/all"), Reply(200)),
    Exchange(asked("GET", "/v1/forms/7"), Reply(404, {"whatever": 1})),
    Exchange(asked("GET", "/v1/forms"), Reply(200, {"nonsense": 1}), planted=True),
    Exchange(asked("GET", "/v1/forms"), Reply(drop=True)),
]
BAD = {
    "no such operation": Exchange(asked("GET", "/v1/form"), FORMS),
    "has no such operation": Exchange(asked("DELETE", "/v1/forms"), Reply(204)),
    "knows no query sinse": Exchange(asked("GET", "/v1/forms", ("sinse", "2026-03-01T00:00:00Z")), FORMS),
    "request:": Exchange(asked("POST", "/v1/forms", body={"titel": "x"}), Reply(201)),
    "answer 200": Exchange(asked("GET", "/v1/forms"), Reply(200, {"forms": [{"id": 1}]})),
    "additional": Exchange(asked("GET", "/v1/forms"), Reply(200, {"forms": [], "more": 1}), planted=False),
    "answer:": Exchange(asked("POST", "/v1/forms", body={"title": "x"}), Reply(200, {})),
}


def test_what_keeps_the_contract_passes(openapi: OpenApi) -> None:
    """Answers that a test spoiled on purpose, and undocumented refusals, are no fault of anybody's."""
    openapi.ensure(GOOD)


@pytest.mark.parametrize("said", BAD)
def test_what_breaks_the_contract_is_found(openapi: OpenApi, said: str) -> None:
    """A query that the platform ignores without a word is how an adapter reads everything, or nothing."""
    with pytest.raises(AssertionError, match="against the contract") as caught:
        openapi.ensure([*GOOD, BAD[said]])
    assert said.lower() in str(caught.value).lower()


def test_an_exemption_excuses_its_place_alone(openapi: OpenApi) -> None:
    """One that is too wide hides the next fault."""
    query = BAD["knows no query sinse"]
    openapi.exempt = (Exempt("GET /forms", "knows no query sinse", "the vendor's page has it since May"),)
    openapi.ensure([query])
    assert openapi.used == set(openapi.exempt)
    with pytest.raises(AssertionError):
        openapi.ensure([query, BAD["no such operation"]])


def test_nothing_checked_is_not_a_pass(openapi: OpenApi) -> None:
    """A test whose double was never asked proves nothing."""
    with pytest.raises(AssertionError, match="only 0"):
        openapi.ensure([])


def test_an_absent_contract_is_said_loudly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence would read as agreement."""
    monkeypatch.setenv("HANDRAIL_SPECS", str(tmp_path))
    with pytest.raises(pytest.skip.Exception, match=r"NOT RUN.*absent\.json"):
        Contract.openapi("absent.json")


def graphql(query: str, answer: Any, **variables: Any) -> Exchange:
    return Exchange(asked("POST", "/graphql", body={"query": query, "variables": variables}), Reply(200, answer))


READ = "query Read($id: ID!) { form(id: $id) { id title size } }"
FORM = {"data": {"form": {"id": "1", "title": "x", "size": None}}}
WRONG = {
    "Cannot query field": graphql("query Read { form(id: 1) { name } }", FORM),
    "variables": graphql(READ, FORM),
    "no such variable": graphql(READ, FORM, id="1", colour="blue"),
    "Cannot return null": graphql(READ, {"data": {"form": {"id": "1", "title": None, "size": None}}}, id="1"),
    "Int cannot represent": graphql(READ, {"data": {"form": {"id": "1", "title": "x", "size": "big"}}}, id="1"),
    "not asked for": graphql(READ, {"data": {"form": {**FORM["data"]["form"], "colour": 1}}}, id="1"),
    "neither data nor errors": graphql(READ, {}, id="1"),
    "another path": Exchange(asked("POST", "/other", body={"query": READ}), Reply(200, FORM)),
}


def test_a_query_and_its_answer_that_keep_the_schema_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Aliases, mutations and refusals included."""
    monkeypatch.setenv("HANDRAIL_SPECS", str(tmp_path))
    (tmp_path / "kestrel.graphql").write_text(SCHEMA)
    renamed = {"data": {"new": {"id": "1"}}}
    Contract.graphql("kestrel.graphql").ensure(
        [
            graphql(READ, FORM, id="1"),
            graphql('mutation { new: rename(id: 1, title: "y") { id } }', renamed),
            graphql(READ, {"errors": [{"message": "no"}], "data": None}, id="1"),
        ]
    )


@pytest.mark.parametrize("said", WRONG)
def test_what_breaks_the_schema_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    """The platform answers such a query with errors and status 200."""
    monkeypatch.setenv("HANDRAIL_SPECS", str(tmp_path))
    (tmp_path / "kestrel.graphql").write_text(SCHEMA)
    with pytest.raises(AssertionError) as caught:
        Contract.graphql("kestrel.graphql").ensure([WRONG[said]])
    assert said in str(caught.value)
