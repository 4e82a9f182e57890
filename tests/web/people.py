"""Who comes to the desk in tests, and how: accounts made through the desk's own interface, a browser that fills in."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

from flask.testing import FlaskClient
from handrail.plugin_core.engine import Engine
from handrail.plugin_core.store.accounts import Account
from handrail.plugin_core.web.app import create_app
from handrail.plugin_core.web.desk import Desk
from handrail.plugin_core.web.staff import Staff, Wanted
from werkzeug.test import TestResponse

TODAY = date(2026, 5, 4)
PASSWORD = "four words that rhyme not"


def json_of(answer: TestResponse) -> Any:
    """What an answer says; it fails on one that says nothing."""
    assert answer.json is not None
    return answer.json


class Clock:
    """The practice's clock, which a test moves on."""

    def __init__(self) -> None:
        self.now = datetime(TODAY.year, TODAY.month, TODAY.day, 13, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def later(self, **more: float) -> None:
        self.now += timedelta(**more)


class House:
    """A desk with its application."""

    def __init__(self, desk: Desk, clock: Clock) -> None:
        self.desk = desk
        self.clock = clock
        self.app = create_app(desk)

    def ask(self, question: Any) -> Any:
        """What an engine of this practice answers."""
        with self.desk.engine() as engine:
            return question(engine)

    def clinicians(self) -> list[str]:
        """The platform's references of the therapists."""
        return [ref for ref, _ in self.ask(lambda e: self.desk.caseload.clinicians(e, e.source))]

    def clients_of(self, clinician: str | None = None) -> dict[str, str]:
        """Names by key, of all clients or of one therapist's."""
        found = self.ask(lambda e: self.desk.caseload.people(e, e.source))
        return {key: one.name for key, one in found.items() if clinician in (None, one.clinician)}

    def account(self, *roles: str, login: str = "anna", clinician: str | None = None) -> Account:
        """Makes an account; the first one of a desk is an administrator's, made for the purpose."""

        def make(engine: Engine) -> Account:
            staff = Staff(engine)
            if (first := staff.first_link()) is not None:
                staff.accept(first, "the-first", "The First", PASSWORD)
            token = staff.invite(Wanted(login.title(), login, frozenset(roles), clinician), "the-first")
            return staff.accept(token, "", "", PASSWORD)

        made: Account = self.ask(make)
        return made

    def browser(self, *roles: str, login: str = "anna", clinician: str | None = None) -> Browser:
        """A browser; with roles, of somebody who has such an account and is signed in."""
        made = Browser(self.app.test_client())
        if roles:
            account = self.account(*roles, login=login, clinician=clinician)
            made.begin(self.ask(lambda engine: Staff(engine).begin(account)))
        return made


class Browser:
    """A browser without JavaScript: keeps cookies, sends the forms that a page has."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client

    def begin(self, token: str) -> None:
        """Is signed in with a token."""
        self.client.set_cookie("handrail", token)

    def get(self, path: str, **more: Any) -> TestResponse:
        return self.client.get(path, **more)

    def post(self, path: str, data: dict[str, Any] | None = None, **more: Any) -> TestResponse:
        """Sends fields as they are, without a token."""
        return self.client.post(path, data=data or {}, **more)

    def send(self, page: TestResponse, action: str, fields: dict[str, Any] | None = None, **more: Any) -> TestResponse:
        """Fills in the form of a page that is sent to a path ending so, and sends it with all its hidden fields."""
        found = [form for form in forms(page.text) if (form["action"] or page.request.path).endswith(action)]
        assert found, f"no form to {action} on {page.request.path}"
        path = found[0]["action"] or page.request.path
        return self.client.post(path, data={**found[0]["fields"], **(fields or {})}, **more)

    def sign_in(self, login: str = "anna", password: str = PASSWORD) -> TestResponse:
        return self.send(self.get("/sign-in"), "/sign-in", {"login": login, "password": password})


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[dict[str, Any]] = []
        self.area: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "form":
            self.found.append({"action": given.get("action"), "method": given.get("method", "get"), "fields": {}})
        if not self.found:
            return
        fields, name = self.found[-1]["fields"], given.get("name")
        if tag == "input" and name and given.get("type") in (None, "hidden", "text", "date", "search"):
            fields[name] = given.get("value") or ""
        if tag == "textarea" and name:
            self.area, fields[name] = name, ""

    def handle_data(self, data: str) -> None:
        if self.area:
            self.found[-1]["fields"][self.area] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self.area = None


def forms(html: str) -> list[dict[str, Any]]:
    """The forms of a page with the fields that they would send."""
    parser = _Forms()
    parser.feed(html)
    return parser.found


def texts(html: str) -> str:
    """What a page says, in one line."""
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def names_in(html: str, names: Iterable[str]) -> list[str]:
    """Which of these names are on the page."""
    return [name for name in names if name in html]
