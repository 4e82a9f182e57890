"""Attended sessions, merged records, addresses, and forms that no one marked as finished, from scripted answers.

What would hurt: a session of another client, a visit that never took place, an address of years ago, a half-filled form
that is scored though the practice never said so.
"""

from __future__ import annotations

from datetime import date
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from handrail.adapters.fhir.people import client_from
from handrail.adapters.fhir.sessions import appointment_sessions, encounter_sessions
from handrail.plugin_core.errors import Unsupported
from handrail.schemas.records import Session
from hypothesis import given
from hypothesis import strategies as st

from .script import Answer, Script, Seen, bundle, fhir, response

LOCAL = "https://ehr.example/fhir"
ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"


def encounter(**more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Encounter",
        "id": "e1",
        "status": "finished",
        "class": {"system": ACT, "code": "AMB"},
        "subject": {"reference": "Patient/p1"},
        "period": {"start": "2026-03-02T18:00:00+01:00"},
        "participant": [{"individual": {"reference": "Practitioner/d1"}}],
        **more,
    }


def appointment(**more: Any) -> dict[str, Any]:
    people = [
        {"actor": {"reference": "Patient/p1"}, "status": "accepted"},
        {"actor": {"reference": "Practitioner/d1"}, "status": "accepted"},
    ]
    return {
        "resourceType": "Appointment",
        "id": "a1",
        "status": "fulfilled",
        "start": "2026-03-09T18:00:00+01:00",
        "participant": people,
        **more,
    }


FIRST = Session("Patient/p1", date(2026, 3, 2), "Practitioner/d1")
SECOND = Session("Patient/p1", date(2026, 3, 9), "Practitioner/d1")


@pytest.mark.parametrize(
    ("more", "counts"),
    [
        ({}, True),
        ({"class": {"system": ACT, "code": "VR"}}, True),
        ({"class": {"code": "HH"}}, True),
        ({"class": {"system": "https://platform.example/visits", "code": "therapy"}}, True),
        ({"subject": {"reference": f"{LOCAL}/Patient/p1"}}, True),
        ({"period": {"start": "2026-03-02"}}, True),
        ({"status": "cancelled"}, False),
        ({"status": "planned"}, False),
        ({"status": "entered-in-error"}, False),
        ({"class": {"system": ACT, "code": "IMP"}}, False),
        ({"class": {"system": ACT, "code": "EMER"}}, False),
        ({"class": {}}, False),
        ({"period": {"start": "2026-03"}}, False),
        ({"period": {}}, False),
        ({"subject": {"reference": "Group/g1"}}, False),
        ({"subject": {"reference": "https://elsewhere.example/fhir/Patient/p1"}}, False),
    ],
)
def test_what_counts_as_a_session(more: dict[str, Any], counts: bool) -> None:
    """P4 speaks after eight sessions: one that did not take place must not be among them."""
    assert list(encounter_sessions(encounter(**more), LOCAL)) == ([FIRST] if counts else [])


def test_a_kept_appointment_is_a_session_of_each_client_who_was_there() -> None:
    """A couple comes together; one who had declined did not come."""
    people = [
        {"actor": {"reference": "Patient/p1"}},
        {"actor": {"reference": "Patient/p2"}, "status": "accepted"},
        {"actor": {"reference": "Patient/p3"}, "status": "declined"},
        {"actor": {"reference": "Practitioner/d1"}},
    ]
    found = list(appointment_sessions(appointment(participant=people), LOCAL))
    assert [(one.client, one.therapist) for one in found] == [
        ("Patient/p1", "Practitioner/d1"),
        ("Patient/p2", "Practitioner/d1"),
    ]
    for status in ("booked", "noshow", "cancelled"):
        assert list(appointment_sessions(appointment(status=status), LOCAL)) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12) | st.just("fulfilled") | st.just("finished"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "status",
                    "class",
                    "code",
                    "period",
                    "start",
                    "participant",
                    "actor",
                    "reference",
                    "link",
                    "name",
                    "use",
                    "telecom",
                    "system",
                    "value",
                    "rank",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@given(JSON.filter(lambda one: isinstance(one, dict)))
def test_any_shape_is_read_or_passed_over(resource: dict[str, Any]) -> None:
    """One odd record of a platform must not end the reading of all others."""
    list(encounter_sessions(resource, LOCAL))
    list(appointment_sessions(resource, LOCAL))
    client_from({**resource, "id": "p1"}, LOCAL, email=True)


def server_with(kinds: tuple[str, ...], refuse: dict[str, int] | None = None, said: bool = True) -> Any:
    """A server that lists these kinds and ignores every filter, as one real server does."""
    held = {
        "Encounter": [encounter(), encounter(id="e2", subject={"reference": "Patient/other"})],
        "Appointment": [appointment()],
    }

    def reply(seen: Seen) -> Answer:
        kind = urlsplit(seen.path).path.removeprefix("/fhir/")
        if kind == "metadata":
            rows = [{"type": one, "interaction": [{"code": "search-type"}]} for one in kinds] if said else []
            return fhir({"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1", "rest": [{"resource": rows}]})
        if refuse and kind in refuse:
            return fhir({"resourceType": "OperationOutcome"}, refuse[kind])
        return fhir(bundle(*held[kind]))

    return reply


@pytest.mark.parametrize(
    ("kinds", "choice", "expected"),
    [
        (("Encounter", "Appointment"), "auto", [FIRST, SECOND]),
        (("Encounter",), "auto", [FIRST]),
        (("Appointment",), "auto", [SECOND]),
        (("Encounter", "Appointment"), "encounter", [FIRST]),
        (("Encounter", "Appointment"), "appointment", [SECOND]),
        (("Encounter", "Appointment"), "none", []),
    ],
)
def test_sessions_come_from_what_the_server_has_and_the_practice_chose(connect, kinds, choice, expected) -> None:  # type: ignore[no-untyped-def]
    """The filter is checked again here: the other client's visit is nobody's session of ours."""
    with Script(server_with(kinds)) as server:
        assert list(connect(server.base, sessions=choice).sessions(["Patient/p1"])) == expected


def test_a_server_that_says_nothing_of_itself_is_asked(connect) -> None:  # type: ignore[no-untyped-def]
    """One real router lists no resource at all."""
    with Script(server_with((), said=False)) as server:
        assert list(connect(server.base).sessions(["Patient/p1"])) == [FIRST, SECOND]


def test_without_sessions_it_is_said_plainly_with_what_to_do(connect) -> None:  # type: ignore[no-untyped-def]
    """A rule that is silently never evaluated looks like a client who is doing well."""
    with Script(server_with(("Flag",))) as server, pytest.raises(Unsupported, match="set sessions to none"):
        list(connect(server.base).sessions(["Patient/p1"]))
    refuse = {"Encounter": 403, "Appointment": 404}
    with (
        Script(server_with(("Encounter", "Appointment"), refuse)) as server,
        pytest.raises(Unsupported, match="not evaluated"),
    ):
        list(connect(server.base).sessions(["Patient/p1"]))


def test_one_kind_that_is_refused_does_not_cost_the_other(connect) -> None:  # type: ignore[no-untyped-def]
    """A right that is missing for one of two sources."""
    with Script(server_with(("Encounter", "Appointment"), {"Appointment": 403})) as server:
        assert list(connect(server.base).sessions(["Patient/p1"])) == [FIRST]


def test_many_clients_are_asked_for_in_addresses_of_a_length_that_servers_take(connect) -> None:  # type: ignore[no-untyped-def]
    """Proxies cut addresses at a few thousand letters."""
    refs = [f"Patient/{'x' * 40}{number}" for number in range(60)]
    with Script(server_with(("Encounter",))) as server:
        list(connect(server.base).sessions(refs))
        asked = [one for one in server.seen if "Encounter" in one.path]
    assert max(len(one.path) for one in asked) < 2000
    named = [ref for one in asked for ref in parse_qs(urlsplit(one.path).query)["patient"][0].split(",")]
    assert named == refs


# --- people --------------------------------------------------------------------------------------------------------


def patient(**more: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": "p1", **more}


@pytest.mark.parametrize(
    ("links", "found"),
    [
        ([{"type": "replaced-by", "other": {"reference": "Patient/p2"}}], "Patient/p2"),
        ([{"type": "replaced-by", "other": {"reference": f"{LOCAL}/Patient/p2"}}], "Patient/p2"),
        ([{"type": "replaces", "other": {"reference": "Patient/p0"}}], None),
        ([{"type": "seealso", "other": {"reference": "Patient/p2"}}], None),
        ([{"type": "replaced-by", "other": {"reference": "Patient/p1"}}], None),
        ([{"type": "replaced-by", "other": {"reference": "https://elsewhere.example/fhir/Patient/p2"}}], None),
        ([{"type": "replaced-by", "other": {"reference": "RelatedPerson/p2"}}], None),
        (
            [{"type": "replaced-by", "other": {}}, {"type": "replaced-by", "other": {"reference": "Patient/p3"}}],
            "Patient/p3",
        ),
        ("nonsense", None),
    ],
)
def test_f67_a_record_that_was_merged_names_the_one_that_replaced_it(links: Any, found: str | None) -> None:
    """Answers of one person in two courses: neither shows what the two together would."""
    assert client_from(patient(link=links), LOCAL).replaced_by == found


def test_an_address_is_read_only_where_the_practice_asks_by_e_mail() -> None:
    """What is not needed is not read; and an address of years ago is somebody else's by now."""
    mails = [
        {"system": "phone", "value": "123"},
        {"system": "email", "value": "old@example.org", "use": "old", "rank": 1},
        {"system": "email", "value": "ended@example.org", "period": {"end": "2020-01-01"}, "rank": 1},
        {"system": "email", "value": "second@example.org", "rank": 2},
        {"system": "email", "value": " first@example.org ", "rank": 1},
        {"system": "email", "value": "no address"},
    ]
    assert client_from(patient(telecom=mails), LOCAL).email is None
    assert client_from(patient(telecom=mails), LOCAL, email=True).email == "first@example.org"


# --- forms that no one marked as finished --------------------------------------------------------------------------


UNFINISHED = response("r1", status="in-progress")
del UNFINISHED["authored"]
UNDATED = {**UNFINISHED, "id": "r2", "status": "completed"}
BLANK = {**UNFINISHED, "id": "r3", "item": [{"linkId": "G1"}]}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, {"r1": ("in-progress", False, ()), "r2": ("completed", False, ())}),
        (
            {"take_in_progress": True},
            {"r1": ("completed", False, ("taken-in-progress",)), "r2": ("completed", False, ())},
        ),
        (
            {"date_by_server": True},
            {"r1": ("in-progress", False, ()), "r2": ("completed", True, ("dated-by-server",))},
        ),
        (
            {"take_in_progress": True, "date_by_server": True},
            {
                "r1": ("completed", True, ("taken-in-progress", "dated-by-server")),
                "r2": ("completed", True, ("dated-by-server",)),
            },
        ),
    ],
    ids=["neither", "in-progress", "server's date", "both"],
)
def test_f59_unfinished_and_undated_forms_are_read_only_by_the_practices_word(connect, settings, expected) -> None:  # type: ignore[no-untyped-def]
    """A half-filled form scored on a guess; or a whole platform's forms left unread. The practice knows which it is.
    A blank form says nothing in either case."""
    with Script(lambda _: fhir(bundle(UNFINISHED, UNDATED, BLANK))) as server:
        adapter = connect(server.base, **settings)
        pulled = {one.id: one for page in adapter.pull(None) for one in page.responses}
        fetched = {one.id: one for one in adapter.fetch(["r1", "r2", "r3"]).responses}
    assert fetched == pulled
    assert pulled["r3"].status == "in-progress"
    for form, (status, dated, tags) in expected.items():
        one = pulled[form]
        assert (one.status, one.tags) == (status, tags)
        assert one.authored == (one.updated if dated else None)
