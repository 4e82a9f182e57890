"""Requests to clients and attended sessions on servers that nobody here wrote: asked, asked again after a lost answer,
reminded, taken back, read back once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests
from handrail.adapters.addresses import Base
from handrail.adapters.fhir.adapter import FhirAdapter
from handrail.adapters.fhir.settings import FhirSettings, auth_of
from handrail.adapters.transport import Reply, Transport
from handrail.adapters.waiting import Patience
from handrail.plugin_core.contracts import AdapterContext, Ask
from handrail.plugin_core.errors import Unreachable
from handrail.plugin_core.instruments import builtin_one
from handrail.schemas.records import Client

FORM = builtin_one("gr18")
BY = {"task": "Task", "service-request": "ServiceRequest"}


class Platform:
    """A real server seen from its own side, with what a sign-in needs."""

    def __init__(self, base: str, settings: dict[str, Any] | None = None, secret: str = "") -> None:
        self.base = base
        self._settings = settings or {}
        self._secret = secret
        self.adapters: list[FhirAdapter] = []

    def connect(self, **settings: Any) -> FhirAdapter:
        self.adapters.append(FhirAdapter(self._context(settings)))
        return self.adapters[-1]

    def _context(self, settings: dict[str, Any]) -> AdapterContext:
        loaded = FhirSettings().load({"base_url": self.base, **self._settings, **settings})
        wait = lambda _: time.sleep(0.05)  # noqa: E731 - shorter than any server's pause
        return AdapterContext("p", loaded, lambda _: self._secret, lambda _: None, time.time, wait, "test/1")

    def call(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Content-Type": "application/fhir+json"}
        if self._secret:
            context = self._context({})
            transport = Transport("test/1")
            auth = auth_of(context, Base.parse(self.base), transport, Patience(time.time, time.sleep))
            credential = auth.header()
            assert credential is not None
            headers["Authorization"] = credential.reveal()
            transport.close()
        answer = requests.request(method, f"{self.base}/{path}", json=body, headers=headers, timeout=20)
        assert answer.ok, answer.text
        return answer.json()

    def create(self, kind: str, **elements: Any) -> str:
        return str(self.call("POST", kind, {"resourceType": kind, **elements})["id"])


@pytest.fixture(params=["sekmet", "sekmet_search", "sekmet_smart_rs384", "medplum"])
def platform(request: pytest.FixtureRequest) -> Iterator[Platform]:
    server = request.getfixturevalue(request.param)
    made = Platform(server.base)
    if "smart" in request.param:
        key = Path(server.client.private_key).read_text(encoding="utf-8")
        settings = {"auth": "smart", "client_id": server.client.client_id, "private_key": "ref"}
        made = Platform(server.base, {**settings, "scopes": server.client.scopes}, key)
    yield made
    for adapter in made.adapters:
        adapter.close()


def losing(monkeypatch: pytest.MonkeyPatch, times: int) -> Callable[[], int]:
    """The next answers to writes are lost on the way back: the server did its part. Gives how many were lost."""
    real, lost = Transport.exchange, [0]

    def exchange(self: Transport, method: str, url: str, **more: Any) -> Reply:
        reply = real(self, method, url, **more)
        if method in ("POST", "PUT") and "token" not in url and lost[0] < times:
            lost[0] += 1
            raise Unreachable("the line dropped")
        return reply

    monkeypatch.setattr(Transport, "exchange", exchange)
    return lambda: lost[0]


def ask_for(platform: Platform) -> Ask:
    client = platform.create("Patient", name=[{"text": "Invented"}])
    due = datetime(2026, 11, 20, tzinfo=UTC)
    return Ask(Client(f"Patient/{client}"), FORM, due, uuid4().hex, expires=due + timedelta(days=7))


@pytest.mark.parametrize("by", BY)
def test_f81_the_life_of_a_request_on_a_real_server(
    platform: Platform, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client who is asked twice stops answering; one who opted out must not be asked at all."""
    adapter = platform.connect(ask_by=by)
    adapter.publish(FORM)
    ask = ask_for(platform)
    sender = platform.connect(ask_by=by).sender()
    sender.ask(replace(ask, key=uuid4().hex))  # our Device is there from now on
    lost = losing(monkeypatch, 1)
    made = sender.ask(ask)
    assert (made.sent, lost()) == (True, 1)
    monkeypatch.undo()
    known = replace(ask, remote_id=made.remote_id)
    assert adapter.sender().ask(ask).remote_id == made.remote_id
    reminded = losing(monkeypatch, 1)
    for again in (known, ask):
        assert sender.remind(replace(again, reminder=1)).sent
    assert reminded() == 1
    monkeypatch.undo()
    stored = platform.call("GET", f"{BY[by]}/{made.remote_id}")
    assert len(stored["note"]) == 1
    assert sender.find(ask.key) == [made.remote_id]  # type: ignore[attr-defined]
    sender.withdraw(known)
    sender.withdraw(ask)
    assert platform.call("GET", f"{BY[by]}/{made.remote_id}")["status"] in ("cancelled", "revoked")
    assert sender.ask(known).refused


def test_f86_what_a_client_declined_on_a_real_server_stays_declined(platform: Platform) -> None:
    """Their no is theirs."""
    platform.connect().publish(FORM)
    ask = ask_for(platform)
    sender = platform.connect(ask_by="auto").sender()
    made = sender.ask(ask)
    task = platform.call("GET", f"Task/{made.remote_id}")
    platform.call("PUT", f"Task/{made.remote_id}", {**task, "status": "rejected"})
    assert sender.ask(ask).refused
    assert sender.remind(replace(ask, reminder=1)).refused
    sender.withdraw(ask)
    assert platform.call("GET", f"Task/{made.remote_id}")["status"] == "rejected"


def test_a_request_that_a_real_server_has_no_more_is_no_error(platform: Platform) -> None:
    """404 on one, 410 on the others: there is nothing to take back, and nothing is put up again."""
    platform.connect().publish(FORM)
    ask = ask_for(platform)
    sender = platform.connect(ask_by="task").sender()
    made = sender.ask(ask)
    known = replace(ask, remote_id=made.remote_id)
    platform.call("DELETE", f"Task/{made.remote_id}")
    sender.withdraw(known)
    assert sender.ask(known).refused
    assert sender.remind(replace(known, reminder=1)).refused


def test_an_answered_request_is_completed_on_a_real_server(platform: Platform) -> None:
    """The client's list shows it as done."""
    platform.connect().publish(FORM)
    ask = ask_for(platform)
    sender = platform.connect(ask_by="task").sender()
    made = sender.ask(ask)
    for _ in range(2):
        sender.settle(ask, "some-form")  # type: ignore[attr-defined]
    task = platform.call("GET", f"Task/{made.remote_id}")
    assert (task["status"], len(task["output"])) == ("completed", 1)


def visit(client: str, day: str, **more: Any) -> dict[str, Any]:
    return {
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
        "subject": {"reference": f"Patient/{client}"},
        "period": {"start": f"{day}T18:00:00+01:00"},
        **more,
    }


def test_sessions_of_a_real_server_are_those_that_took_place(platform: Platform) -> None:
    """Two clients' visits and appointments, some cancelled: each day once is for the rules, each client their own."""
    one, two = (platform.create("Patient") for _ in range(2))
    platform.create("Encounter", **visit(one, "2026-03-02"))
    platform.create("Encounter", **visit(one, "2026-03-09", status="cancelled"))
    platform.create("Encounter", **visit(two, "2026-03-03"))
    people = [{"actor": {"reference": f"Patient/{one}"}, "status": "accepted"}]
    times = {"start": "2026-03-16T18:00:00+01:00", "end": "2026-03-16T19:00:00+01:00"}
    platform.create("Appointment", status="fulfilled", participant=people, **times)
    platform.create("Appointment", status="noshow", participant=people, **times)
    adapter = platform.connect()
    found = sorted((held.client, held.on) for held in adapter.sessions([f"Patient/{one}", "Patient/none"]))
    assert found == [(f"Patient/{one}", date(2026, 3, 2)), (f"Patient/{one}", date(2026, 3, 16))]
    both = {held.client for held in adapter.sessions([f"Patient/{one}", f"Patient/{two}"])}
    assert both == {f"Patient/{one}", f"Patient/{two}"}


def test_f67_a_merged_record_on_a_real_server_names_its_successor(platform: Platform) -> None:
    """And an address only where the practice asks by e-mail."""
    kept = platform.create("Patient", telecom=[{"system": "email", "value": "client@example.org"}])
    link = [{"other": {"reference": f"Patient/{kept}"}, "type": "replaced-by"}]
    old = platform.create("Patient", active=False, link=link)
    refs = [f"Patient/{old}", f"Patient/{kept}"]
    found = {one.ref: (one.replaced_by, one.email) for one in platform.connect().clients(refs)}
    assert found == {refs[0]: (refs[1], None), refs[1]: (None, None)}
    mails = {one.ref: one.email for one in platform.connect(client_email=True).clients(refs)}
    assert mails == {refs[0]: None, refs[1]: "client@example.org"}
