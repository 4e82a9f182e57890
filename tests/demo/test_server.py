"""The demo server does what its CapabilityStatement says: what the demo shows of the adapter is then to be trusted."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
import requests
from handrail.adapters.demo.search import read_date
from handrail.adapters.demo.server import DemoServer
from handrail.adapters.demo.store import Clock
from hypothesis import given
from hypothesis import strategies as st

from .conftest import Caller

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SYSTEM = "https://handrail.example/fhir/id/flag"


def flag(**more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Flag",
        "status": "active",
        "code": {"text": "something to look at"},
        "subject": {"reference": "Patient/a"},
        **more,
    }


def form(name: str, **more: Any) -> dict[str, Any]:
    return {"resourceType": "QuestionnaireResponse", "id": name, "status": "completed", **more}


def ids(answer: requests.Response) -> list[str]:
    return [entry["resource"]["id"] for entry in answer.json().get("entry", []) if entry["search"]["mode"] == "match"]


def walk(caller: Caller, path: str) -> list[str]:
    """All ids of a search, by next links alone."""
    found: list[str] = []
    while path:
        answer = caller.get(path)
        found += ids(answer)
        path = next((link["url"] for link in answer.json()["link"] if link["relation"] == "next"), "")
    return found


# --- writing -------------------------------------------------------------------------------------------------------


def test_conditional_create_makes_one_resource_of_eight_at_once(server: DemoServer, caller: Caller) -> None:
    """F84a: two flags for one prompt would show the clinician the same thing twice."""
    body = flag(identifier=[{"system": SYSTEM, "value": "k"}])
    headers = {"Authorization": f"Bearer {server.token}", "If-None-Exist": f"identifier={SYSTEM}|k"}

    def post(_: int) -> int:
        return requests.post(f"{server.base}/Flag", json=body, headers=headers, timeout=10).status_code

    for value in range(5):
        body["identifier"][0]["value"] = f"k{value}"
        headers["If-None-Exist"] = f"identifier={SYSTEM}|k{value}"
        with ThreadPoolExecutor(8) as pool:
            assert sorted(pool.map(post, range(8))) == [200] * 7 + [201]
    assert caller.get("Flag").json()["total"] == 5


def test_conditional_create_refuses_when_several_match_or_nothing_is_named(caller: Caller) -> None:
    """F85: choosing one of two would hide a double; an ignored condition would match every resource."""
    body = flag(identifier=[{"system": SYSTEM, "value": "k"}])
    for _ in range(2):
        assert caller.call("POST", "Flag", body).status_code == 201
    assert caller.call("POST", "Flag", body, If_None_Exist=f"identifier={SYSTEM}|k").status_code == 412
    assert caller.call("POST", "Flag", body, If_None_Exist="").status_code == 400
    assert caller.call("POST", "Flag", body, If_None_Exist="nonsense=1").status_code == 400


def test_the_found_resource_of_a_conditional_create_is_not_changed(caller: Caller) -> None:
    """A retried POST must not undo what a clinician did in between."""
    first = caller.call("POST", "Flag", flag(identifier=[{"system": SYSTEM, "value": "k"}])).json()
    again = caller.call(
        "POST",
        "Flag",
        flag(status="inactive", identifier=[{"system": SYSTEM, "value": "k"}]),
        If_None_Exist=f"identifier={SYSTEM}|k",
    )
    assert (again.status_code, again.json()) == (200, first)


def test_if_match_guards_an_update(caller: Caller) -> None:
    """F86: without it the second of two writers wipes out the first."""
    made = caller.call("POST", "Flag", flag())
    body = {**made.json(), "status": "inactive"}
    path = f"Flag/{body['id']}"
    done = caller.call("PUT", path, body, If_Match=made.headers["ETag"])
    assert (done.status_code, done.headers["ETag"]) == (200, 'W/"2"')
    late = caller.call("PUT", path, {**body, "status": "entered-in-error"}, If_Match=made.headers["ETag"])
    assert late.status_code == 412
    assert late.json()["resourceType"] == "OperationOutcome"
    assert caller.get(path).json()["status"] == "inactive"
    assert caller.call("PUT", "Flag/none", flag(id="none"), If_Match='W/"1"').status_code == 412


def test_update_creates_under_the_id_that_was_given(caller: Caller) -> None:
    """The adapter writes its Device and its forms this way; a second write must not make a second one."""
    assert caller.call("PUT", "Device/handrail", {"resourceType": "Device", "id": "handrail"}).status_code == 201
    assert caller.call("PUT", "Device/handrail", {"resourceType": "Device", "id": "handrail"}).status_code == 200
    assert caller.call("PUT", "Device/other", {"resourceType": "Device", "id": "handrail"}).status_code == 400


def test_deleted_is_410_and_its_history_stays(caller: Caller) -> None:
    """F62: "never there" and "deleted" mean different things to whoever withdraws a score."""
    made = caller.call("POST", "Flag", flag()).json()
    path = f"Flag/{made['id']}"
    assert caller.call("DELETE", path).status_code == 204
    assert caller.call("DELETE", path).status_code == 204
    assert caller.get(path).status_code == 410
    assert caller.get("Flag/never").status_code == 404
    assert ids(caller.get("Flag")) == []
    assert caller.get(f"{path}/_history/1").json() == made
    entries = caller.get(f"{path}/_history").json()["entry"]
    assert [(one["request"]["method"], "resource" in one) for one in entries] == [("DELETE", False), ("PUT", True)]


def test_writes_say_which_version_and_where(caller: Caller) -> None:
    """The ledger of pushed flags is kept from these headers."""
    made = caller.call("POST", "Flag", flag())
    meta = made.json()["meta"]
    assert made.headers["Location"] == f"{caller.base}/Flag/{made.json()['id']}/_history/1"
    assert made.headers["ETag"] == 'W/"1"'
    assert made.headers["Content-Type"] == "application/fhir+json"
    last = parsedate_to_datetime(made.headers["Last-Modified"])
    assert last == datetime.fromisoformat(meta["lastUpdated"]).replace(microsecond=0)
    assert caller.get(made.headers["Location"]).json() == made.json()
    assert caller.call("POST", "Flag", flag(), Prefer="return=minimal").content == b""


def test_no_two_writes_share_a_time_not_even_when_the_clock_stands(caller: Caller, server: DemoServer) -> None:
    """F1: a cursor that lands between two equal times must not be a matter of luck in the demo."""
    for _ in range(30):
        server.clock.set(NOON)
        caller.call("POST", "Flag", flag())
    found = caller.get("Flag?_sort=_lastUpdated&_count=100").json()["entry"]
    times = [entry["resource"]["meta"]["lastUpdated"] for entry in found]
    assert len(set(times)) == 30
    assert times == sorted(times)
    assert all(len(time) == len("2026-03-01T12:00:00.000Z") for time in times)


# --- searching -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sort", ["", "&_sort=_lastUpdated", "&_sort=-_lastUpdated"])
def test_paging_over_equal_times_gives_each_form_once(server: DemoServer, caller: Caller, sort: str) -> None:
    """F1, F14a: forms of one bulk import share one stamp; losing one at a page's end would lose a client's answers."""
    for number in range(23):
        server.load(form(f"q{number:02d}"), NOON + timedelta(days=number // 11))
    found = walk(caller, f"QuestionnaireResponse?_count=4{sort}")
    assert sorted(found) == [f"q{number:02d}" for number in range(23)]
    assert len(found) == 23


def test_a_form_written_during_the_walk_shifts_no_page(server: DemoServer, caller: Caller) -> None:
    """F16: counting by offset would show one form twice and another never."""
    for number in range(6):
        server.load(form(f"q{number}"), NOON + timedelta(minutes=number))
    first = caller.get("QuestionnaireResponse?_count=3&_sort=-_lastUpdated")
    server.load(form("new"), NOON + timedelta(hours=1))
    rest = walk(caller, first.json()["link"][1]["url"])
    assert ids(first) + rest == ["q5", "q4", "q3", "q2", "q1", "q0"]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("ge2026-03-01T12:00:01.000Z", ["b", "c"]),
        ("gt2026-03-01T12:00:01.000Z", ["c"]),
        ("ge2026-03-01T13:00:01.000%2B01:00", ["b", "c"]),
        ("gt2026-03-01T12:00:00Z", ["b", "c"]),
        ("lt2026-03-01T12:00:01Z", ["a"]),
        ("le2026-03-01T12:00:01Z", ["a", "b"]),
        ("2026-03-01T12:00:01Z", ["b"]),
        ("ne2026-03-01T12:00:01Z", ["a", "c"]),
        ("sa2026-03-01T12:00:01Z", ["c"]),
        ("eb2026-03-01T12:00:01Z", ["a"]),
        ("ge2026-03-02", ["c"]),
        ("2026-03", ["a", "b", "c"]),
        ("gt2026", []),
    ],
)
def test_last_updated_compares_instants(
    server: DemoServer, caller: Caller, condition: str, expected: list[str]
) -> None:
    """F2, F9: off by one millisecond or one hour here is a form that no sync ever sees."""
    server.load(form("a"), NOON + timedelta(milliseconds=400))
    server.load(form("b"), NOON + timedelta(seconds=1))
    server.load(form("c"), NOON + timedelta(days=1))
    assert ids(caller.get(f"QuestionnaireResponse?_lastUpdated={condition}")) == expected


@given(st.integers(631152000000, 3786912000000), st.integers(-14 * 60, 14 * 60))
def test_a_date_read_back_is_the_same_instant(low: int, minutes: int) -> None:
    """A time that changes by being written with another offset would move a form across a bound."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=low)
    local = moment + timedelta(minutes=minutes)
    offset = f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
    text = f"{local:%Y-%m-%dT%H:%M:%S}.{local.microsecond // 1000:03d}{offset}"
    assert read_date(f"ge{text}") == ("ge", (low, low + 1))


def test_filters_find_what_they_name(server: DemoServer, caller: Caller) -> None:
    """A filter that lets another client's form through mixes two people up."""
    ours = {"system": "s", "value": "v"}
    subject = {"reference": "Patient/a"}
    canonical = "https://x.example/Questionnaire/f"
    server.load(form("one", identifier=ours, subject=subject, questionnaire=f"{canonical}|1"), NOON)
    server.load(form("two", subject={"reference": "Patient/b"}, status="amended", authored="2026-02-01"), NOON)
    for query, expected in {
        "patient=a": ["one"],
        "patient=Patient/a": ["one"],
        "subject=Patient/b": ["two"],
        f"patient={caller.base}/Patient/b": ["two"],
        "patient=a,b": ["one", "two"],
        "patient=a&status=amended": [],
        "status=amended": ["two"],
        "identifier=s|v": ["one"],
        "identifier=v": ["one"],
        "identifier=s|": ["one"],
        "identifier=|v": [],
        "identifier=other|v": [],
        f"questionnaire={canonical}": ["one"],
        f"questionnaire={canonical}|1": ["one"],
        f"questionnaire={canonical}|2": [],
        "authored=ge2026-02-01": ["two"],
        "_id=two,none": ["two"],
        "patient=": None,
        "_lastUpdated=yesterday": None,
        "_lastUpdated=ge2026-03-01T00:00:00+01:00": None,
        "patient:exact=a": None,
        "_count=many": None,
    }.items():
        answer = caller.get(f"QuestionnaireResponse?{query}")
        assert (ids(answer) if answer.status_code == 200 else None) == expected, query


def test_unknown_parameters_are_reported_or_refused(server: DemoServer, caller: Caller) -> None:
    """F12: the adapter learns from this what the server did not do; a silent server would teach it to trust."""
    server.load(form("one"), NOON)
    answer = caller.get("QuestionnaireResponse?colour=red&_sort=authored&status=completed").json()
    assert [one["search"]["mode"] for one in answer["entry"]] == ["match", "outcome"]
    assert answer["link"][0]["url"].endswith("?status=completed")
    assert answer["total"] == 1
    strict = caller.get("QuestionnaireResponse?colour=red", Prefer="handling=strict")
    assert strict.status_code == 400
    assert "colour" in strict.json()["issue"][0]["diagnostics"]


def test_elements_gives_a_part_and_says_so(server: DemoServer, caller: Caller) -> None:
    """The reconcile lists ids and versions only; a part that looks whole would be stored as a form without answers."""
    server.load(form("one", subject={"reference": "Patient/a"}, item=[{"linkId": "G1"}]), NOON)
    [entry] = caller.get("QuestionnaireResponse?_elements=id,meta", Prefer="handling=strict").json()["entry"]
    part = entry["resource"]
    assert part.keys() == {"resourceType", "id", "meta", "status"}
    assert part["meta"]["tag"][0]["code"] == "SUBSETTED"
    assert "item" in caller.get("QuestionnaireResponse/one").json()


# --- manners -------------------------------------------------------------------------------------------------------


def test_the_capability_statement_is_true(caller: Caller) -> None:
    """The adapter decides by it how to push; every promise in it is tried here on every resource."""
    rest = requests.get(f"{caller.base}/metadata", timeout=10).json()["rest"][0]
    assert len(rest["resource"]) == 13
    for resource in rest["resource"]:
        for param in resource["searchParam"]:
            value = "ge2020-01-01" if param["type"] == "date" else "x"
            answer = caller.get(f"{resource['type']}?{param['name']}={value}", Prefer="handling=strict")
            assert answer.status_code == 200, (resource["type"], param)
        condition = "identifier=x" if resource["type"] != "Provenance" else "target=x"
        assert resource["conditionalCreate"]
        answer = caller.call("POST", resource["type"], {"resourceType": "none"}, If_None_Exist=condition)
        assert answer.status_code == 400
        assert caller.call("PUT", resource["type"], {}).status_code == 405, "conditionalUpdate is not promised"


def test_without_the_token_nothing_is_shown(server: DemoServer, caller: Caller) -> None:
    """Other programs on the machine can reach the port; and each start has another token."""
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {server.token}"}):
        answer = requests.get(f"{server.base}/Patient", headers=headers, timeout=10)
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert requests.post(f"{server.base}/Flag", json=flag(), headers=headers, timeout=10).status_code == 401
    assert caller.get("Flag").json()["total"] == 0
    assert DemoServer(seed=1).token != server.token


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("Flag", {"resourceType": "Task"}, 400),
        ("Flag", {"resourceType": "Flag", "status": "active"}, 422),
        ("Flag", flag(status="open"), 422),
        ("Flag", flag(note=None), 422),
        ("Flag", flag(category=[]), 422),
        ("Flag", flag(subject="Patient/a"), 422),
        ("Flag", flag(identifier={"value": "x"}), 422),
        ("Flag", [flag()], 400),
        ("Condition", {"resourceType": "Condition"}, 404),
    ],
)
def test_what_r4_does_not_allow_is_refused(caller: Caller, path: str, body: Any, status: int) -> None:
    """A demo server that takes anything would hide a broken payload from us."""
    answer = caller.call("POST", path, body)
    assert (answer.status_code, answer.json()["resourceType"]) == (status, "OperationOutcome")


@pytest.mark.parametrize("raw", [b"{", b"\xff", b'{"a": NaN}', b"[" * 100_000, b'{"a":' * 60 + b"1" + b"}" * 60])
def test_a_broken_body_is_refused_and_the_connection_goes_on(caller: Caller, raw: bytes) -> None:
    """F54: one bad request must not take the next one's place on the line."""
    headers = {"Content-Type": "application/fhir+json"}
    answer = caller.session.post(f"{caller.base}/Flag", data=raw, headers=headers, timeout=10)
    assert answer.status_code in (400, 422)
    assert caller.get("Flag").status_code == 200


def test_the_date_header_shows_the_servers_own_clock() -> None:
    """F7: the adapter measures odd times against this header; it has to belong to the same clock as lastUpdated."""
    with DemoServer(clock=Clock(NOON)) as server:
        answer = requests.get(f"{server.base}/metadata", timeout=10)
    assert timedelta(0) <= parsedate_to_datetime(answer.headers["Date"]) - NOON < timedelta(seconds=10)


def test_stopping_is_quick_although_a_client_keeps_its_line_open() -> None:
    """`make demo` must not hang at its end."""
    with requests.Session() as session:
        server = DemoServer().start()
        assert session.get(f"{server.base}/metadata", timeout=10).status_code == 200
        begun = time.perf_counter()
        server.stop()
        assert time.perf_counter() - begun < 1.0
        server.stop()
        with pytest.raises(RuntimeError):
            _ = server.base
