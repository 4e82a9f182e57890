"""The demo's platform takes requests to clients as any other does, so that `handrail send` shows something there."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from handrail.adapters.demo.server import DemoServer
from handrail.adapters.fhir.adapter import FhirAdapter
from handrail.adapters.fhir.settings import FhirSettings
from handrail.plugin_core.contracts import AdapterContext, Ask
from handrail.plugin_core.instruments import builtin_one
from handrail.schemas.records import Client

GR18 = builtin_one("gr18")


@pytest.fixture
def server() -> Iterator[DemoServer]:
    with DemoServer(seed=3) as running:
        running.load({"resourceType": "Patient", "id": "c-1"}, running.started)
        yield running


@pytest.fixture
def adapter(server: DemoServer) -> Iterator[FhirAdapter]:
    settings = FhirSettings().load({"base_url": server.base, "auth": "bearer", "token": "x", "ask_by": "auto"})
    clock = server.clock.seconds
    made = FhirAdapter(AdapterContext("demo", settings, lambda _: server.token, print, clock, lambda _: None, "t/1"))
    yield made
    made.close()


def stored(server: DemoServer, kind: str) -> list[dict[str, Any]]:
    return [one.body for one in server.store.latest(kind) if one.body is not None]


def test_a_client_of_the_demo_is_asked_once_reminded_and_let_go(server: DemoServer, adapter: FhirAdapter) -> None:
    """Who tries the demo must see the same as on a real platform."""
    adapter.publish(GR18)
    now = server.clock.now()
    ask = Ask(Client("Patient/c-1"), GR18, now, "k" * 40, expires=now + timedelta(days=7), reminder=1)
    sender = adapter.sender()
    assert {sender.ask(ask).remote_id for _ in range(2)} == {stored(server, "Task")[0]["id"]}
    assert sender.remind(ask).sent
    sender.withdraw(ask)
    (task,) = stored(server, "Task")
    assert (task["status"], len(task["note"])) == ("cancelled", 1)


def test_visits_and_appointments_are_kept_and_given(server: DemoServer, adapter: FhirAdapter) -> None:
    """P4 and a cadence by sessions can be tried on the demo server."""
    visit = {"resourceType": "Encounter", "id": "v1", "status": "finished", "class": {"code": "AMB"}}
    server.load(visit | {"subject": {"reference": "Patient/c-1"}, "period": {"start": "2026-03-02"}}, server.started)
    people = [{"actor": {"reference": "Patient/c-1"}, "status": "accepted"}]
    kept = {"resourceType": "Appointment", "id": "a1", "status": "fulfilled", "participant": people}
    server.load(kept | {"start": "2026-03-09T10:00:00Z"}, server.started)
    days = sorted(held.on.isoformat() for held in adapter.sessions(["Patient/c-1"]))
    assert days == ["2026-03-02", "2026-03-09"]
