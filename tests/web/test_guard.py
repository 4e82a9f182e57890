"""What holds for every page: who may see it, tokens on every write, headers, addresses, nothing from elsewhere.

The tests go over all routes that there are, so that a page that is added later is held to the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from handrail.plugin_core.report.series import visible
from handrail.plugin_core.store import book
from handrail.plugin_core.web.access import Role, access_of
from handrail.plugin_core.web.staff import Staff
from werkzeug.routing import Rule

from .people import Browser, House, texts

Open = Callable[..., House]
UNSAFE = {"POST", "PUT", "PATCH", "DELETE"}


def trail(house: House) -> list[tuple[str, str, str | None, str | None]]:
    """Who, what, of whom, remark."""

    def read(engine: Any) -> list[tuple[str, str, str | None, str | None]]:
        with engine.store.reading() as tx:
            return [(one.actor, one.action, one.subject, one.detail) for one in book.trail(tx)]

    return house.ask(read)  # type: ignore[no-any-return]


def routes(house: House, methods: set[str]) -> Iterator[Rule]:
    """The pages of the desk that take one of these methods."""
    yield from (rule for rule in house.app.url_map.iter_rules() if methods & (rule.methods or set()))


def address(house: House, rule: Rule) -> str:
    """An address of a page, about a client with prompts and about their flag."""
    row = next(row for row in house.ask(lambda e: e.flags()) if row.kind == "prompt")
    account = next((one.key for one in house.ask(lambda e: Staff(e).everybody())), "none")
    values = {
        "client": row.flag.client,
        "flag": row.flag.key,
        "key": account,
        "token": "t" * 32,
        "digest": "0",
        "name": "desk.css",
    }
    path = str(rule.rule)
    for name in rule.arguments:
        path = re.sub(rf"<(\w+:)?{name}>", values.get(name, "1"), path)
    return path


def answers_of(house: House) -> set[str]:
    """Everything that only somebody who sees answers may read: lines of forms, options, scores, reasons, titles."""

    def look(engine: object) -> set[str]:
        found: set[str] = set()
        for key, _ in engine.clients():  # type: ignore[attr-defined]
            view = engine.client(key)  # type: ignore[attr-defined]
            found |= {row.flag.evidence.reason[:40] for row in view.flags}
            for course in visible(view.courses):
                found |= {item.text for item in course.instrument.items}
                found |= {score.title for score in course.instrument.scores if len(score.title) > 8}
        titles = {one.descriptor.title for one in engine.registry.rules.values()}  # type: ignore[attr-defined]
        return found | titles

    found: set[str] = house.ask(look)
    return found


@pytest.mark.parametrize("role", [Role.FRONT_DESK, Role.ADMINISTRATOR])
def test_who_sees_no_answers_finds_none_on_any_page(house: House, role: Role) -> None:
    """Over all pages and all texts of all clients: the front desk must never read what somebody answered."""
    browser = house.browser(role.value)
    secrets = answers_of(house)
    assert len(secrets) > 60
    seen = 0
    for rule in routes(house, {"GET"}):
        answer = browser.get(address(house, rule), follow_redirects=True)
        body = texts(answer.text)
        assert [secret for secret in secrets if secret in body] == [], rule.rule
        seen += answer.status_code == 200
    assert seen > 5


@pytest.mark.parametrize("role", list(Role))
def test_the_matrix_of_roles(house: House, role: Role) -> None:
    """Which account gets which page, written out: a change of it is a decision, not an accident."""
    browser = house.browser(role.value, clinician=house.clinicians()[0])
    mine = next(iter(house.clients_of(house.clinicians()[0])))
    pages = {"/clients", f"/client/{mine}", f"/client/{mine}/numbers"}
    sees = {path for path in (*pages, "/due", "/people", "/trail", "/me")
            if browser.get(path).status_code == 200}  # fmt: skip
    assert (
        sees
        == {"/due", "/me"}
        | {
            Role.CLINICIAN: pages,
            Role.SUPERVISOR: pages,
            Role.ADMINISTRATOR: {"/people", "/trail"},
            Role.FRONT_DESK: set(),
        }[role]
    )


def test_the_front_desk_cannot_act_either(house: House) -> None:
    """A write that answers with nothing is still a write."""
    browser = house.browser("front-desk")
    token = browser.get("/me").text.split('name="csrf" value="')[1].split('"')[0]
    before = house.ask(lambda e: e.flags(everything=True))
    for rule in routes(house, UNSAFE):
        access = access_of(house.app.view_functions[rule.endpoint])
        assert access is not None
        if not access.everybody and Role.FRONT_DESK not in access.roles:
            answer = browser.post(
                address(house, rule), {"csrf": token, "note": "x", "done": "x", "reason": "x", "until": "2026-06-01"}
            )
            assert answer.status_code == 403, rule.rule
    assert house.ask(lambda e: e.flags(everything=True)) == before


# --- tokens ----------------------------------------------------------------------------------------------------------


def test_no_write_is_taken_without_its_token(house: House) -> None:
    """Else any page on the internet could press the buttons of somebody who is signed in."""
    browser = house.browser("clinician", "supervisor", "administrator", "front-desk")
    found = 0
    for rule in routes(house, UNSAFE):
        access = access_of(house.app.view_functions[rule.endpoint])
        assert access is not None
        if access.token:
            found += 1
            for token in ({}, {"csrf": ""}, {"csrf": "0" * 32}):
                answer = browser.post(address(house, rule), token)
                other_way_in = not access.everybody and not access.roles
                assert answer.status_code == 400 or (other_way_in and answer.status_code in (401, 403)), (
                    rule.rule,
                    token,
                )
    assert found > 8


def test_a_token_of_another_browser_does_not_fit(house: House) -> None:
    """An attacker has a token too: their own."""
    house.account("clinician")
    one, two = house.browser(), house.browser()
    token = one.get("/sign-in").text.split('name="csrf" value="')[1].split('"')[0]
    two.get("/sign-in")
    assert two.post("/sign-in", {"csrf": token, "login": "anna", "password": "x" * 12}).status_code == 400


@pytest.mark.parametrize(
    "head",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "https://["},
        {"Origin": "https://[evil.example]"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_write_from_another_site_is_refused_with_any_token(house: House, head: dict[str, str]) -> None:
    """The browser itself says where a form came from."""
    browser = house.browser("clinician")
    page = browser.get("/me")
    assert browser.send(page, "/me/elsewhere", headers=head).status_code == 400
    assert browser.send(page, "/me/elsewhere", headers={"Origin": "http://localhost"}).status_code == 200


@pytest.mark.parametrize("path", ["/files//x%0Ay", "/%0d%0a//x", "/me//elsewhere", "/files//evil.example/"])
def test_an_address_that_is_none_is_answered_as_one_that_is_not_there(house: House, path: str) -> None:
    """Anybody can ask for it: it must be no fault of the desk's, and lead nowhere."""
    answer = house.browser().get(path)
    assert answer.status_code == 404
    assert "Location" not in answer.headers


# --- headers and addresses -------------------------------------------------------------------------------------------


def everywhere(house: House) -> Browser:
    return house.browser("clinician", "supervisor", "administrator", "front-desk")


def test_every_answer_has_the_headers(house: House) -> None:
    """One page without them is enough."""
    browser = everywhere(house)
    for rule in routes(house, {"GET"}):
        answer = browser.get(address(house, rule))
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy, rule.rule
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        stored = answer.headers["Cache-Control"]
        assert stored == "no-store" or rule.endpoint.startswith("files."), rule.rule


def test_only_pages_meant_for_it_may_be_framed_and_only_by_the_listed(open_house: Open) -> None:
    """A page inside a stranger's page can be made to press its own buttons."""
    house = open_house(frames=("https://ehr.example",))
    browser = everywhere(house)
    for rule in routes(house, {"GET"}):
        access = access_of(house.app.view_functions[rule.endpoint])
        assert access is not None
        policy = browser.get(address(house, rule)).headers["Content-Security-Policy"]
        wanted = "frame-ancestors https://ehr.example" if access.framed else "frame-ancestors 'none'"
        assert wanted in policy, rule.rule


def test_nothing_is_asked_of_another_place_and_nothing_runs_inside_a_page(house: House) -> None:
    """No font, picture or count from elsewhere; no script or style in the page itself, which the policy would block."""
    browser = everywhere(house)
    for rule in routes(house, {"GET"}):
        body = browser.get(address(house, rule), follow_redirects=True).text
        assert not re.search(r"<style|<script(?![^>]*\bsrc=)|\sstyle=|\son\w+=|javascript:", body), rule.rule
        for found in re.findall(r"""(?:src|href|action|data|poster)=["']([^"']*)""", body):
            assert urlsplit(found).netloc == "", (rule.rule, found)


def test_no_address_holds_a_name_or_a_reference(house: House) -> None:
    """Addresses end in histories, logs and bookmarks."""
    browser = everywhere(house)
    people = house.ask(lambda e: [e.client(key) for key, _ in e.clients()])
    words = {view.shown.split()[0].casefold() for view in people} | {view.ref.rpartition("/")[2] for view in people}
    for rule in routes(house, {"GET"}):
        body = browser.get(address(house, rule), follow_redirects=True).text
        for found in re.findall(r"""(?:href|action)=["']([^"']*)""", body):
            parts = set(re.split(r"[^\w-]+", found.casefold()))
            assert not parts & words, (rule.rule, found)
        assert "<title>" not in body or not any(name in body.split("<title>")[1].split("</title>")[0] for name in words)


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8737", "localhost.evil.example", "127.0.0.1:9", ""])
def test_a_request_for_another_host_is_refused(house: House, host: str) -> None:
    """A name that somebody points at this machine must not lead into the desk (DNS rebinding)."""
    browser = everywhere(house)
    answer = browser.get("/clients", headers={"Host": host})
    assert answer.status_code == 400
    assert not any(name in answer.text for name in house.clients_of().values())


def test_f54_an_address_that_is_no_text_is_refused(house: House) -> None:
    """Any program on the network can send such bytes: each was an unforeseen fault in the log, with its place."""
    client = house.browser("administrator").client
    for path in ("/sign-in", "/clients"):
        answer = client.get(path, environ_overrides={"QUERY_STRING": "on=\xff\xcf"})
        assert answer.status_code == 400


def test_a_huge_body_is_refused(house: House) -> None:
    """Before it fills the memory."""
    browser = everywhere(house)
    page = browser.get("/me")
    answer = browser.send(page, "/me/password", {"old": "x" * 400_000})
    assert answer.status_code == 413
    assert "Shorten it" in answer.text


def test_a_hostile_name_is_a_name_and_nothing_more(house: House) -> None:
    """S28: what a platform sends is shown, never run."""
    hostile = "<img src=x onerror=alert(1)> {{7*7}} \u202e\x1b[31m"
    browser = house.browser("supervisor")
    from handrail.plugin_core.store import forms
    from handrail.schemas.records import Client

    key = next(iter(house.clients_of()))

    def rename(engine: object) -> None:
        view = engine.client(key)  # type: ignore[attr-defined]
        today = engine.now().date()  # type: ignore[attr-defined]
        engine.store.write(lambda tx: forms.save_clients(tx, {key: Client(view.ref, hostile)}, today), engine.source)  # type: ignore[attr-defined]

    house.ask(rename)
    for path in ("/clients", f"/client/{key}", "/due"):
        body = browser.get(path).text
        assert "<img" not in body
        assert "\u202e" not in body
        assert "\x1b" not in body
    assert "&lt;img src=x onerror=alert(1)&gt; {{7*7}}" in browser.get(f"/client/{key}").text


def test_a_fault_says_nothing_of_what_it_was_about(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """S24: not on the page, not in the log."""
    browser = house.browser("supervisor")
    key, name = next(iter(house.clients_of().items()))
    from handrail.plugin_core.web import client

    def broken(*_: object) -> None:
        raise ValueError(f"{name} answered 4")

    monkeypatch.setattr(client, "facts", broken)
    answer = browser.get(f"/client/{key}")
    assert answer.status_code == 500
    assert name not in answer.text
    assert name not in caplog.text
    assert "ValueError at test_guard.py" in caplog.text


# --- what was refused ------------------------------------------------------------------------------------------------


def test_a_look_that_was_refused_is_in_the_trail(house: House) -> None:
    """Somebody of the practice who tries a colleague's clients one by one must be seen by whoever reads the trail."""
    mine, other = house.clinicians()[:2]
    theirs = next(iter(house.clients_of(other)))
    anna = house.browser("clinician", clinician=mine)
    assert anna.get(f"/client/{theirs}").status_code == 404
    assert anna.get("/people").status_code == 403
    berta = house.browser("front-desk", login="berta")
    assert berta.get(f"/client/{theirs}").status_code == 403
    assert anna.get("/client/" + "0" * 32).status_code == 404
    found = [line for line in trail(house) if line[1].endswith("-refused")]
    assert found == [
        ("anna", "client-refused", theirs, "client.page"),
        ("anna", "page-refused", None, "people.everybody"),
        ("berta", "page-refused", theirs, "client.page"),
    ]


def test_who_is_not_signed_in_leaves_no_line(house: House) -> None:
    """Anybody outside could fill the trail until nobody reads it."""
    house.account("administrator", login="boss")
    before = len(trail(house))
    for path in ("/people", "/client/" + next(iter(house.clients_of())), "/kiosk"):
        house.browser().get(path)
    assert len(trail(house)) == before
