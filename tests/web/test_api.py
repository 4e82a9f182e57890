"""The JSON API: what a vendor's program may read and do, with which token, and that its document is true."""

from __future__ import annotations

import re
from typing import Any

import pytest
import schemathesis
from handrail.plugin_core.store import book
from handrail.plugin_core.web.api import SCOPES
from handrail.plugin_core.web.staff import Staff
from hypothesis import HealthCheck, given, settings
from werkzeug.test import TestResponse

from .people import House, json_of

ALL = tuple(SCOPES)


class Program:
    """Another program, with a token of these scopes."""

    def __init__(self, house: House, *scopes: str) -> None:
        self.house = house
        self.client = house.app.test_client()
        more = {"login": "program test", "scopes": list(scopes)}
        self.token = house.ask(lambda e: Staff(e).begin_as("api", "p" * 32, 60, more=more))

    def get(self, path: str, **more: Any) -> TestResponse:
        return self.client.get(f"/api/v1{path}", headers=self.headers(more.pop("headers", {})), **more)

    def post(self, path: str, body: Any) -> TestResponse:
        return self.client.post(f"/api/v1{path}", json=body, headers=self.headers({}))

    def headers(self, more: dict[str, str]) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}", **more}


@pytest.fixture
def program(house: House) -> Program:
    """One that may do everything."""
    house.account("administrator", login="boss")
    return Program(house, *ALL)


def test_clients_forms_and_flags_are_those_of_the_store(program: Program) -> None:
    """A vendor shows these in its own pages: a wrong number there is believed."""
    clients = json_of(program.get("/clients?page_size=100"))
    assert len(clients) == len(program.house.clients_of())
    one = next(c for c in clients if c["forms"] > 3)
    forms = json_of(program.get(f"/clients/{one['key']}/forms?page_size=100"))
    view = program.house.ask(lambda e: e.client(one["key"]))
    assert view.ref == one["reference"]
    expected = {f.id: f for course in view.courses for f in course.forms}
    assert {f["key"] for f in forms} == set(expected)
    for found in forms:
        scores = expected[found["key"]].scores
        assert {s["name"]: s["value"] for s in found["scores"]} == {n: s.value for n, s in scores.items()}
    flags = json_of(program.get("/flags?page_size=100"))
    assert {f["key"] for f in flags} == program.house.ask(lambda e: {r.flag.key for r in e.flags()})
    assert json_of(program.get(f"/flags/{flags[0]['key']}")) == flags[0]


def test_lists_come_in_pages_and_nothing_is_left_out(program: Program) -> None:
    """A list that ends after the first page loses clients without a word."""
    found, page = [], 1
    while rows := program.get(f"/clients?page={page}&page_size=7").json:
        found += [row["key"] for row in rows]
        page += 1
    assert sorted(found) == sorted(program.house.clients_of())
    head = program.get("/clients?page_size=7").headers["X-Pagination"]
    assert f'"total": {len(found)},' in head


def test_what_has_not_changed_is_not_sent_again(program: Program) -> None:
    """A program asks every minute; ETag is what makes that cheap."""
    first = program.get("/flags")
    again = program.get("/flags", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_a_program_can_say_that_somebody_has_seen_a_flag(program: Program) -> None:
    """Seen in the vendor's page is seen; a safety notice is not closed by it."""
    key = next(f["key"] for f in json_of(program.get("/flags?page_size=100")) if f["kind"] == "safety")
    made = program.post(f"/flags/{key}/acknowledgements", {"author": "Dr A", "note": "called", "useful": "yes"})
    assert made.status_code == 201
    assert json_of(made)["author"] == "Dr A (program test)"
    assert key in {f["key"] for f in json_of(program.get("/flags?page_size=100"))}


def test_holds(program: Program) -> None:
    """A pause from the vendor's page is the same pause."""
    key = json_of(program.get("/clients"))[0]["key"]
    made = program.post(f"/clients/{key}/holds", {"author": "Dr A", "until": "2026-06-01", "reason": "bereavement"})
    assert made.status_code == 201
    assert json_of(program.get(f"/clients/{key}/holds"))[-1]["reason"] == "bereavement"
    for until in ("2020-01-01", "2030-01-01"):
        refused = program.post(f"/clients/{key}/holds", {"author": "Dr A", "until": until, "reason": "x"})
        assert (refused.status_code, refused.mimetype) == (400, "application/problem+json")


CALLS = [
    ("clients", "GET", "/clients"), ("answers", "GET", "/clients/{client}/forms"), ("flags", "GET", "/flags"),
    ("flags", "GET", "/flags/{flag}"), ("hold", "GET", "/clients/{client}/holds"),
    ("hold", "POST", "/clients/{client}/holds"), ("acknowledge", "POST", "/flags/{flag}/acknowledgements"),
]  # fmt: skip


@pytest.mark.parametrize(("scope", "method", "path"), CALLS, ids=[f"{c[1]} {c[2]}" for c in CALLS])
def test_each_call_wants_its_scope_and_a_token(program: Program, scope: str, method: str, path: str) -> None:
    """A token for counting clients must not read answers."""
    house = program.house
    client, flag = next(iter(house.clients_of())), house.ask(lambda e: e.flags()[0].flag.key)
    place = "/api/v1" + path.format(client=client, flag=flag)
    others = Program(house, *(one for one in ALL if one != scope))
    bare = house.app.test_client().open(place, method=method, json={})
    assert (bare.status_code, bare.mimetype) == (401, "application/problem+json")
    refused = others.client.open(place, method=method, json={}, headers=others.headers({}))
    assert (refused.status_code, refused.mimetype) == (403, "application/problem+json")
    assert client not in refused.text


def test_a_token_ends(program: Program) -> None:
    """Tokens are forgotten in old scripts."""
    program.house.clock.later(minutes=61)
    assert program.get("/clients").status_code == 401


def test_a_sign_in_of_a_person_is_no_token(program: Program) -> None:
    """The API's rules are not those of the desk: a cookie stolen there opens nothing here, and the other way round."""
    account = program.house.account("supervisor", login="sue")
    program.token = program.house.ask(lambda e: Staff(e).begin(account))
    assert program.get("/clients").status_code == 401


def test_every_look_is_in_the_trail(program: Program) -> None:
    """S38: programs look too."""
    client = json_of(program.get("/clients"))[0]["key"]
    program.get(f"/clients/{client}/forms")

    def trail(engine: Any) -> list[tuple[str, str, str | None]]:
        with engine.store.reading() as tx:
            return [(one.actor, one.action, one.subject) for one in book.trail(tx)][-2:]

    assert program.house.ask(trail) == [
        ("program test", "api-clients-read", None),
        ("program test", "api-answers-read", client),
    ]


def test_the_administrator_makes_and_ends_tokens(house: House) -> None:
    """Shown once, named in the trail, void at once."""
    browser = house.browser("administrator", login="boss")
    page = browser.send(
        browser.get("/programs"), "/programs", {"name": "Practice app", "scopes": "flags", "days": "30"}
    )
    token = re.search(r'id="handed" value="([^"]+)"', page.text)
    assert token
    program = Program(house)
    program.token = token[1]
    assert program.get("/flags").status_code == 200
    assert program.get("/clients").status_code == 403
    again = browser.get("/programs")
    assert token[1] not in again.text
    assert "program Practice app" in again.text
    browser.send(again, "/end")
    assert program.get("/flags").status_code == 401


@pytest.mark.filterwarnings("ignore")
def test_schemathesis_finds_nothing(program: Program) -> None:
    """The document is a promise to vendors: each answer is as it says, whatever is asked."""
    schema = schemathesis.openapi.from_wsgi("/api/openapi.json", program.house.app)
    tried = []
    for result in schema.get_all_operations():
        operation = result.ok()  # type: ignore[union-attr]  # a path that cannot be read has none, and fails here

        @settings(max_examples=12, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy())
        def run(case: Any) -> None:
            case.call_and_validate(headers=program.headers({}))

        run()
        tried.append(operation.label)
    assert len(tried) == len(CALLS)
