"""SMART App Launch: the page before the session inside a record system, for its staff, for the client in context."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from handrail.plugin_core.settings_web import RecordSystem
from handrail.plugin_core.store import book
from werkzeug.test import TestResponse

from .people import Browser, House
from .test_openid import CLIENT, Provider, _Answers

Open = Callable[..., House]


class RecordServer(Provider):
    """A small record system: a FHIR address, its sign-in, a patient in context."""

    def __init__(self) -> None:
        super().__init__()
        self.RequestHandlerClass = _Smart
        self.fhir = f"{self.issuer}/fhir"
        self.context: dict[str, Any] = {}
        self.configuration: dict[str, Any] = {}
        self.claims = {"fhirUser": f"{self.fhir}/Practitioner/therapist-1"}


class _Smart(_Answers):
    server: RecordServer

    def do_GET(self) -> None:  # noqa: N802 - the library's name
        at = self.server.issuer
        if self.path == "/fhir/.well-known/smart-configuration":
            places = {
                "authorization_endpoint": f"{at}/authorize",
                "token_endpoint": f"{at}/token",
                "jwks_uri": f"{at}/keys",
            }
            self._send({"issuer": at, **places, **self.server.configuration})
        else:
            super().do_GET()

    def _send(self, what: Mapping[str, Any], status: int = 200) -> None:
        super()._send({**what, **self.server.context} if "access_token" in what else what, status)


@pytest.fixture
def server() -> Iterator[RecordServer]:
    made = RecordServer()
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture
def house(open_house: Open, server: RecordServer) -> House:
    system = RecordSystem("ehr", server.issuer, "file:none.json", fhir=(server.fhir,), client=CLIENT)
    house = open_house(record_systems=(system,), frames=("https://charts.ehr.example",))
    server.now = lambda: house.clock.now.timestamp()
    house.account("administrator", login="boss")
    return house


def patient_of(house: House) -> tuple[str, str]:
    """(the platform's id, our key) of a client."""
    key = next(iter(house.clients_of()))
    ref: str = house.ask(lambda e: e.client(key).ref)
    return ref.rpartition("/")[2], key


def launched(house: House, server: RecordServer, browser: Browser | None = None, **change: str) -> TestResponse:
    """Somebody opens Handrail in a chart; `change` spoils what comes back."""
    browser = browser or house.browser()
    there = browser.get("/smart/launch", query_string={"iss": server.fhir, "launch": "xyz"})
    assert there.status_code == 302, there.text
    back = urlsplit(server.consent(there.headers["Location"]))
    query = {name: values[0] for name, values in parse_qs(back.query).items()} | change
    return browser.get(back.path, query_string=query)


def test_the_page_of_the_client_in_context_opens(house: House, server: RecordServer) -> None:
    """The minute before the session: two clicks too many, and nobody looks."""
    patient, key = patient_of(house)
    server.context = {"patient": patient}
    browser = house.browser()
    answer = launched(house, server, browser)
    assert answer.status_code == 302
    assert answer.headers["Location"] == f"/client/{key}"
    assert server.asked["aud"] == server.fhir
    assert server.asked["launch"] == "xyz"
    assert server.asked["code_challenge_method"] == "S256"
    page = browser.get(answer.headers["Location"])
    assert page.status_code == 200
    assert "frame-ancestors https://charts.ehr.example" in page.headers["Content-Security-Policy"]


def test_s52_the_trail_tells_the_people_of_a_record_system_apart(house: House, server: RecordServer) -> None:
    """Who looked must be told of a person, not of a system that forty people use; and by a number, since the record
    system's reference may be a name. The administrator's page names those whom the practice knows."""
    patient, _ = patient_of(house)
    server.context = {"patient": patient}
    by = []
    for person in ("Practitioner/therapist-1", "Practitioner/therapist-2", "Practitioner/therapist-1"):
        server.claims = {"fhirUser": f"{server.fhir}/{person}"}
        browser = house.browser()
        answer = launched(house, server, browser)
        assert browser.get(answer.headers["Location"]).status_code == 200
        by.append([one.actor for one in _trail(house)[-2:]])
    assert by[0] == by[2] != by[1], "the same person has the same number"
    assert all(launch == look for launch, look in by), "launch and look are of one person"
    assert all(re.fullmatch(r"record system ehr, person [0-9a-f]{10}", launch) for launch, _ in by)
    boss = house.browser("administrator", login="second")
    house.account("clinician", login="anna", clinician="Practitioner/therapist-1")
    named = [row for row in boss.get("/trail").text.split("<tr>") if by[0][0] in row]
    assert named
    assert all("Anna" in row for row in named)
    assert not any("Anna" in row for row in boss.get("/trail").text.split("<tr>") if by[1][0] in row)


def _trail(house: House) -> list[Any]:
    def read(engine: Any) -> list[Any]:
        with engine.store.reading() as tx:
            return list(book.trail(tx))

    return house.ask(read)  # type: ignore[no-any-return]


def test_nothing_else_of_the_desk_opens(house: House, server: RecordServer) -> None:
    """A launch for one chart must not become a key to all of them."""
    patient, key = patient_of(house)
    server.context = {"patient": patient}
    browser = house.browser()
    launched(house, server, browser)
    other = next(one for one in house.clients_of() if one != key)
    assert browser.get(f"/client/{other}").status_code == 404
    assert _trail(house)[-1].action == "client-refused", "that it was wanted is in the trail"
    for path in ("/clients", "/people", "/trail", "/due", "/me"):
        assert browser.get(path).status_code in (302, 303, 403, 404), path
    page = browser.get(f"/client/{key}")
    assert house.clients_of()[key] in page.text
    assert "/seen" not in page.text, "a page inside another program shows; acts are for those who signed in here"
    house.clock.later(minutes=61)
    assert house.clients_of()[key] not in browser.get(f"/client/{key}").text


@pytest.mark.parametrize(
    "issuer",
    [
        "",
        "https://evil.example/fhir",
        "{fhir}.evil.example",
        "{fhir}/../other",
        "{fhir}?x",
        "//evil.example",
        "file:///x",
    ],
)
def test_a_record_system_that_nobody_named_is_refused(house: House, server: RecordServer, issuer: str) -> None:
    """Whoever could name their own would make the desk ask their server, and send people there."""
    answer = house.browser().get("/smart/launch", query_string={"iss": issuer.format(fhir=server.fhir), "launch": "x"})
    assert answer.status_code == 403
    assert server.asked == {}


@pytest.mark.parametrize("user", [None, "Patient/p1", "RelatedPerson/r", "https://x/Patient/p1", "Practitioner/"])
def test_only_staff_is_let_in(house: House, server: RecordServer, user: str | None) -> None:
    """The app also stands in the patients' own portal of some record systems."""
    server.context = {"patient": patient_of(house)[0]}
    server.claims["fhirUser"] = user
    assert launched(house, server).status_code == 403


@pytest.mark.parametrize("change", [{"state": "another"}, {"state": ""}, {"code": "guessed"}])
def test_what_comes_back_must_fit(house: House, server: RecordServer, change: dict[str, str]) -> None:
    """A way back that somebody else began, or a code that nobody gave."""
    server.context = {"patient": patient_of(house)[0]}
    assert launched(house, server, None, **change).status_code in (400, 403)


def test_a_way_back_counts_in_its_own_browser_and_once(house: House, server: RecordServer) -> None:
    """A link back that is sent to somebody else opens nothing there."""
    server.context = {"patient": patient_of(house)[0]}
    there = house.browser().get("/smart/launch", query_string={"iss": server.fhir, "launch": "x"})
    back = server.consent(there.headers["Location"])
    assert house.browser().get(back).status_code == 400


@pytest.mark.parametrize(
    ("claims", "why"),
    [({"aud": "another-app"}, "audience"), ({"iss": "https://evil.example"}, "issuer"), ({"nonce": "old"}, "nonce"),
     ({"exp": 1}, "expired")],
    ids=lambda one: one if isinstance(one, str) else "",
)  # fmt: skip
def test_an_id_token_of_another_is_refused(house: House, server: RecordServer, claims: Any, why: str) -> None:
    """It alone says that this is staff."""
    server.context = {"patient": patient_of(house)[0]}
    server.claims |= claims
    assert launched(house, server).status_code == 403, why


def test_no_client_in_context_and_one_not_measured_here(house: House, server: RecordServer) -> None:
    """Both happen every day, and are nobody's fault."""
    assert launched(house, server).status_code == 400
    server.context = {"patient": "somebody-else"}
    answer = launched(house, server)
    assert answer.status_code == 404
    assert "somebody-else" not in answer.text


def test_s1_a_token_endpoint_elsewhere_is_not_used(house: House, server: RecordServer) -> None:
    """A record system's page of addresses that was tampered with must not lead our code away."""
    server.configuration = {"token_endpoint": "https://evil.example/token"}
    answer = house.browser().get("/smart/launch", query_string={"iss": server.fhir, "launch": "x"})
    assert answer.status_code == 503


def test_inside_another_sites_page_the_cookie_says_so(open_house: Open, server: RecordServer) -> None:
    """Browsers drop it otherwise, and the launch ends in a circle."""
    system = RecordSystem("ehr", server.issuer, "file:none.json", fhir=(server.fhir,), client=CLIENT)
    house = open_house(record_systems=(system,), address="https://desk.practice.example")
    house.account("administrator", login="boss")
    answer = house.app.test_client().get(
        "/smart/launch", query_string={"iss": server.fhir, "launch": "x"}, headers={"Host": "desk.practice.example"}
    )
    (cookie,) = [one for one in answer.headers.getlist("Set-Cookie") if "handrail-launch" in one]
    for word in ("Secure", "HttpOnly", "SameSite=None", "Partitioned"):
        assert word in cookie
