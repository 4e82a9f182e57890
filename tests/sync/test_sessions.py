"""Attended sessions on their way from the platform to rule P4, on the invented platform and on a real server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from handrail.adapters.fhir.adapter import FhirAdapter
from handrail.plugin_core.collecting.enrolling import Wish
from handrail.plugin_core.engine import Engine
from handrail.plugin_core.errors import PlatformError, Unreachable, Unsupported
from handrail.plugin_core.store import sessions
from handrail.schemas.vocab import RunOutcome

from ..peers.servers import Medplum, Sekmet
from .stage import EVEN, Stage, form, gr18

Json = dict[str, Any]
FEW = "not yet: fewer than 8 attended sessions"
NONE = "not evaluated: the platform gives no sessions"
LAST = 7  # days ago of the newest form


def visit(stage: Stage, client: str, number: int, **more: Any) -> Json:
    """The visit so many weeks after the first form."""
    start = stage.now - timedelta(days=LAST + 84 - 7 * number)
    return {
        "resourceType": "Encounter",
        "id": f"{client}-visit-{number}",
        "status": "finished",
        "class": {"code": "AMB"},
        "subject": {"reference": f"Patient/{client}"},
        "period": {"start": start.isoformat(timespec="seconds")},
        **more,
    }


def quiet_forms(stage: Stage, client: str) -> list[Json]:
    """Four forms over twelve weeks on which nothing moves, and little new is tried."""
    found = []
    for number in range(4):
        when = stage.now - timedelta(days=LAST + 28 * (3 - number))
        found.append(form(f"{client}-{number + 1}", client, when, gr18(EVEN, F2=1)))
    return found


def puts(stage: Stage, *bodies: Mapping[str, Any]) -> None:
    for body in bodies:
        stage.put(dict(body))


def readings(stage: Stage, client: str) -> list[str]:
    """The rules whose flags stand for the client."""
    return [rule for who, rule in (one.split() for one in stage.active()) if who == client]


def why(stage: Stage, client: str) -> str | None:
    """What P4 says at the client's newest form."""

    def ask(engine: Engine) -> str | None:
        (course,) = engine.client(f"Patient/{client}").courses
        return engine.registry.rules["P4"].descriptor.judge(course)[-1].why

    why: str | None = stage.ask(ask)
    return why


def test_p4_speaks_where_the_platform_gives_eight_sessions_and_not_before(stage: Stage) -> None:
    """The pattern that P4 names would never be seen if sessions stopped at the platform's door."""
    for client, number in (("a", 8), ("b", 7)):
        stage.person(client)
        puts(stage, *quiet_forms(stage, client), *(visit(stage, client, n) for n in range(number)))
    report = stage.sync()
    assert report.outcome is RunOutcome.COMPLETE
    assert report.counts["clients_with_new_sessions"] == 2
    assert (readings(stage, "a"), readings(stage, "b")) == (["P4"], [])
    assert why(stage, "b") == FEW
    again = stage.sync()
    assert "clients_with_new_sessions" not in again.counts


def test_p4_says_that_it_is_not_evaluated_where_nobody_enters_sessions(stage: Stage) -> None:
    """A platform that can hold sessions and holds none: "none attended" would be a guess."""
    stage.person("a")
    puts(stage, *quiet_forms(stage, "a"))
    assert stage.sync().problems == ()
    assert why(stage, "a") == NONE


def test_visits_that_did_not_take_place_or_are_anothers_do_not_count(stage: Stage) -> None:
    """Eight visits, of which one was cancelled, one is of another client and two are on one day."""
    stage.person("a")
    visits = [visit(stage, "a", n) for n in range(8)]
    visits[3]["status"] = "cancelled"
    visits[4]["subject"] = {"reference": "Patient/other"}
    visits[5]["period"] = visits[6]["period"]
    puts(stage, *quiet_forms(stage, "a"), *visits)
    stage.sync()
    assert why(stage, "a") == FEW


def test_a_visit_that_was_taken_back_counts_no_more_at_the_next_news(stage: Stage) -> None:
    """What is gone on the platform goes here."""
    stage.person("a")
    puts(stage, *quiet_forms(stage, "a"), *(visit(stage, "a", n) for n in range(8)))
    stage.sync()
    assert readings(stage, "a") == ["P4"]
    stage.later(minutes=10)
    puts(stage, visit(stage, "a", 2, status="entered-in-error"))
    stage.put({**quiet_forms(stage, "a")[0], "status": "amended"})
    stage.sync()
    assert why(stage, "a") == FEW


def test_sessions_are_asked_only_of_those_with_news(stage: Stage) -> None:
    """Each sync would otherwise read the calendar of the whole practice."""
    for client in ("a", "b"):
        stage.person(client)
        puts(stage, *quiet_forms(stage, client), visit(stage, client, 0))
    stage.sync()
    before = stage.requests()["GET", "Encounter"]
    stage.later(minutes=10)
    stage.sync()
    assert stage.requests()["GET", "Encounter"] == before
    stage.put({**quiet_forms(stage, "a")[0], "status": "amended"})
    stage.sync()
    assert stage.requests()["GET", "Encounter"] == before + 1


def test_who_is_asked_by_sessions_is_looked_up_without_news_and_without_forms(stage: Stage) -> None:
    """ "Each second session" would else stand still until the client happens to send a form."""
    stage.person("a")
    stage.put(visit(stage, "a", 0))
    stage.sync()
    wish = Wish("Patient/a", every_sessions=2, start=date(2026, 1, 1), consent=stage.now.date())
    stage.ask(lambda engine: engine.collecting.enrol([wish], "office"))
    stage.later(days=1)
    stage.put(visit(stage, "a", 1))
    assert stage.sync().counts["clients_with_new_sessions"] == 1
    key = stage.ask(lambda engine: engine.client_key("Patient/a"))

    def days(engine: Any) -> list[date]:
        with engine.store.reading(engine.source) as tx:
            return sessions.read(tx, [key])[key]

    assert len(stage.ask(days)) == 2


@pytest.mark.parametrize("error", [Unreachable("The line dropped."), Unsupported("No sessions here.")])
def test_sessions_that_cannot_be_had_are_said_and_cost_nothing_else(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, error: PlatformError
) -> None:
    """An extra must not stop forms, rules and flags."""

    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(FhirAdapter, "sessions", refuse)
    stage.person("a")
    puts(stage, *quiet_forms(stage, "a"))
    report = stage.sync()
    assert report.outcome is RunOutcome.COMPLETE
    assert report.counts["new"] == 4
    assert [problem.what for problem in report.problems] == [f"Attended sessions could not be read: {error.message}"]


@pytest.mark.parametrize("make", [Sekmet, lambda: Sekmet(search=True), Medplum], ids=["stock", "search", "medplum"])
def test_p4_on_a_real_server(tmp_path: Path, start_peer: Any, make: Callable[[], Any]) -> None:
    """The same on servers that nobody here wrote, one of which ignores filters on what else it holds."""
    server = start_peer(make())
    with Stage(tmp_path / "practice", server=server.base) as stage:
        for client, number in (("a", 8), ("b", 7)):
            put(server.base, {"resourceType": "Patient", "id": client, "name": [{"text": f"Invented {client}"}]})
            for body in (*quiet_forms(stage, client), *(visit(stage, client, n) for n in range(number))):
                put(server.base, body)
        report = stage.sync()
        assert report.outcome is RunOutcome.COMPLETE, report.problems
        assert (why(stage, "a"), why(stage, "b")) == (None, FEW)
        flags = stage.ask(lambda engine: [row.flag.rule for row in engine.flags()])
        assert flags == ["P4"]


def put(base: str, body: Json) -> None:
    headers = {"Content-Type": "application/fhir+json"}
    requests.put(
        f"{base}/{body['resourceType']}/{body['id']}", json=body, headers=headers, timeout=20
    ).raise_for_status()
