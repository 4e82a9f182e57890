"""F81 to F88: a prompt stands on the platform once, whatever is lost on the way, and a person's edit stays."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from handrail.plugin_core.contracts import Notice
from handrail.plugin_core.errors import Denied, Unreachable, Unsupported
from handrail.schemas.vocab import RemoteState

from .script import Answer, Script, Seen, fhir
from .shelf import Shelf

TITLE = "Handrail: something to look at before the next session"
NOTICE = Notice(
    key="k" * 40,
    client="Patient/p1",
    rule="R1",
    state=RemoteState.ACTIVE,
    title=TITLE,
    opened=datetime(2026, 11, 1, 10, tzinfo=UTC),
    based_on=("r1", "r2"),
)
CLOSED = datetime(2026, 11, 20, 9, tzinfo=UTC)
INACTIVE = replace(NOTICE, state=RemoteState.INACTIVE, closed=CLOSED)
RETRACTED = replace(NOTICE, state=RemoteState.RETRACTED, closed=CLOSED)
WAYS: list[dict[str, Any]] = [{"put": True}, {"conditional": True}, {}]
STATUSES = {
    "flag": ("Flag", "active", "inactive"),
    "detected-issue": ("DetectedIssue", "preliminary", "final"),
    "task": ("Task", "requested", "cancelled"),
}


@pytest.mark.parametrize("way", WAYS, ids=["put", "conditional", "search"])
@pytest.mark.parametrize("name", STATUSES)
def test_the_life_of_a_prompt(connect, way: dict[str, Any], name: str) -> None:  # type: ignore[no-untyped-def]
    """Made once, closed, taken back; never deleted, as a clinician may need to see that it was there."""
    kind, active, inactive = STATUSES[name]
    shelf = Shelf(**way)
    with Script(shelf) as server:
        carrier = connect(server.base).carrier(name)
        made = carrier.deliver(NOTICE, None, None)
        assert made.created
        again = carrier.deliver(NOTICE, made.remote_id, made.remote_version)
        by_key = carrier.deliver(NOTICE, None, None)
        assert (again.created, by_key.created) == (False, False)
        assert {again.remote_id, by_key.remote_id} == {made.remote_id}
        assert shelf.of(kind)[0]["status"] == active
        closed = carrier.deliver(INACTIVE, made.remote_id, made.remote_version)
        assert shelf.of(kind)[0]["status"] == inactive
        taken = carrier.deliver(RETRACTED, closed.remote_id, closed.remote_version)
        assert not taken.human_edit
        assert [one["status"] for one in shelf.of(kind)] == ["entered-in-error"]
        assert list(carrier.find(NOTICE.key)) == [made.remote_id]
    assert sum(path.startswith(kind) for _, path in shelf.writes) == 3


def test_the_payload_says_nothing_of_the_person(connect) -> None:  # type: ignore[no-untyped-def]
    """What stands in a chart is read by many; a score or a level there would be a label."""
    shelf = Shelf(put=True)
    with Script(shelf) as server:
        connect(server.base).carrier("flag").deliver(NOTICE, None, None)
        connect(server.base).carrier("flag").deliver(replace(INACTIVE), None, None)
    (flag,) = shelf.of("Flag")
    assert flag["code"]["text"] == TITLE
    assert "text" not in flag
    assert flag["period"] == {"start": "2026-11-01T10:00:00Z", "end": "2026-11-20T09:00:00Z"}
    details = [one["valueReference"]["reference"] for one in flag["extension"]]
    assert details == ["QuestionnaireResponse/r1", "QuestionnaireResponse/r2"]
    assert flag["author"] == {"reference": "Device/handrail"}
    (trace,) = shelf.of("Provenance")
    assert trace["target"] == [{"reference": f"Flag/{flag['id']}"}]
    assert [one["what"]["reference"] for one in trace["entity"]] == details


def test_a_reason_is_shown_only_if_the_notice_brings_one(connect) -> None:  # type: ignore[no-untyped-def]
    """Reasons are for clinicians; the practice decides per carrier. Whatever is in them must not become markup."""
    shelf = Shelf(put=True)
    with Script(shelf) as server:
        adapter = connect(server.base)
        for name in STATUSES:
            adapter.carrier(name).deliver(replace(NOTICE, reason="Two <b>lines</b> went up."), None, None)
    assert "Two &lt;b&gt;lines" in shelf.of("Flag")[0]["text"]["div"]
    assert shelf.of("Task")[0]["note"] == [{"text": "Two <b>lines</b> went up."}]


@pytest.mark.parametrize("way", WAYS, ids=["put", "conditional", "search"])
@pytest.mark.parametrize("lost", [1, 2, 3])
def test_f81_f82_f83_f84_f84a_a_lost_answer_makes_no_second_one(connect, clock, way: dict[str, Any], lost: int) -> None:  # type: ignore[no-untyped-def]
    """The platform did it and the answer was lost: sending again blindly puts two prompts into the chart."""
    shelf = Shelf(**way, lose=lost, kinds=("Flag",))
    with Script(shelf) as server:
        done = connect(server.base).carrier("flag").deliver(NOTICE, None, None)
    assert len(shelf.of("Flag")) == 1
    assert done.remote_id == shelf.of("Flag")[0]["id"]
    assert [path for _, path in shelf.writes].count("Flag") <= 1
    assert clock.slept[0] >= 2.0


@pytest.mark.parametrize("status", [500, 502, 504, 408])
def test_f84a_a_server_error_on_a_write_leaves_it_open_and_is_looked_after(connect, clock, status: int) -> None:  # type: ignore[no-untyped-def]
    """The error may come after the work was done, so a look comes before the next write."""
    shelf = Shelf(conditional=True, refuse={"Flag": [status]}, kinds=("Flag",))
    with Script(shelf) as server:
        assert connect(server.base).carrier("flag").deliver(NOTICE, None, None).created
        paths = [(one.method, one.path.partition("?")[0]) for one in server.seen]
    first = paths.index(("POST", "/fhir/Flag"))
    assert paths[first + 1] == ("GET", "/fhir/Flag")
    assert clock.slept[0] >= 2.0


def test_f81_a_lost_update_is_known_as_ours(connect) -> None:  # type: ignore[no-untyped-def]
    """Taken for a person's edit, it would block the retraction that may have to follow."""
    shelf = Shelf(put=True)
    with Script(shelf) as server:
        carrier = connect(server.base).carrier("flag")
        made = carrier.deliver(NOTICE, None, None)
        shelf.lose = 1
        closed = carrier.deliver(INACTIVE, made.remote_id, made.remote_version)
        assert not closed.human_edit
        carrier.deliver(RETRACTED, closed.remote_id, closed.remote_version)
    assert shelf.of("Flag")[0]["status"] == "entered-in-error"


def test_f81_a_lost_retraction_that_is_no_longer_meant_is_undone(connect) -> None:  # type: ignore[no-untyped-def]
    """The answer to a retraction was lost, then the form was amended back: taken for a person's decision, the prompt
    would never come again."""
    shelf = Shelf(put=True)
    with Script(shelf) as server:
        carrier = connect(server.base).carrier("flag")
        made = carrier.deliver(NOTICE, None, None)
        carrier.deliver(RETRACTED, made.remote_id, made.remote_version)  # and nobody heard of it
        lost = replace(NOTICE, attempted=(RemoteState.RETRACTED, RemoteState.ACTIVE))
        assert not carrier.deliver(lost, made.remote_id, made.remote_version).human_edit
        assert shelf.of("Flag")[0]["status"] == "active"


def test_f81_a_lost_retraction_that_is_repeated_is_known_as_ours(connect) -> None:  # type: ignore[no-untyped-def]
    """Lost, repeated by a later run, and months after it the prompt is called for again."""
    shelf = Shelf(put=True)
    with Script(shelf) as server:
        carrier = connect(server.base).carrier("flag")
        made = carrier.deliver(NOTICE, None, None)
        carrier.deliver(RETRACTED, made.remote_id, made.remote_version)  # and nobody heard of it
        again = replace(RETRACTED, attempted=(RemoteState.RETRACTED,))
        taken = carrier.deliver(again, made.remote_id, made.remote_version)
        assert not carrier.deliver(NOTICE, taken.remote_id, taken.remote_version).human_edit
        assert shelf.of("Flag")[0]["status"] == "active"


def test_f84a_doubles_are_counted_the_oldest_stays(connect) -> None:  # type: ignore[no-untyped-def]
    """Conditional create is not atomic on many servers: three of 48 parallel posts stood on a real one."""
    shelf = Shelf(conditional=True)
    for number in (3, 1, 2):
        shelf.writes = [("x", "y")] * number
        shelf.save(f"Flag/d{number}", _stored())
    with Script(shelf) as server:
        done = connect(server.base).carrier("flag").deliver(NOTICE, None, None)
    assert (done.remote_id, done.doubles, done.created) == ("d1", 2, False)
    assert {one["id"]: one["status"] for one in shelf.of("Flag")} == {
        "d1": "active", "d2": "entered-in-error", "d3": "entered-in-error",
    }  # fmt: skip


def _stored(**more: Any) -> dict[str, Any]:
    identifier = [{"system": "https://handrail.example/fhir/id/flag", "value": NOTICE.key}]
    return {"resourceType": "Flag", "identifier": identifier, "status": "active", **more}


@pytest.mark.parametrize("way", WAYS, ids=["put", "conditional", "search"])
def test_a_server_that_ignores_the_filter_lends_us_nobody_elses_flag(connect, way: dict[str, Any]) -> None:  # type: ignore[no-untyped-def]
    """It answers everybody's flags; the first of them would be turned off by mistake."""
    shelf = Shelf(**way, ignores_filters=True)
    shelf.save("Flag/other", {"resourceType": "Flag", "status": "active", "code": {"text": "Allergy"}})
    with Script(shelf) as server:
        carrier = connect(server.base).carrier("flag")
        made = carrier.deliver(NOTICE, None, None)
        carrier.deliver(INACTIVE, made.remote_id, made.remote_version)
    assert shelf.stored["Flag/other"]["status"] == "active"
    assert len(shelf.of("Flag")) == 2


def test_f85_conflict_is_waited_out(connect, clock) -> None:  # type: ignore[no-untyped-def]
    """409 and 429 pass; the same key goes again after a look."""
    shelf = Shelf(conditional=True, refuse={"Flag": [409, 429, 412]}, kinds=("Flag",))
    with Script(shelf) as server:
        assert connect(server.base).carrier("flag").deliver(NOTICE, None, None).created
    assert len(shelf.of("Flag")) == 1
    assert 3.0 in clock.slept


def test_f86_a_persons_decision_is_never_overwritten(connect) -> None:  # type: ignore[no-untyped-def]
    """A clinician who closed a flag has decided; a program that opens it again would be switched off."""
    shelf = Shelf(put=True)
    with Script(shelf) as server:
        carrier = connect(server.base).carrier("flag")
        made = carrier.deliver(NOTICE, None, None)
        path = f"Flag/{made.remote_id}"
        shelf.save(path, {**shelf.stored[path], "status": "inactive"})
        for wanted in (NOTICE, RETRACTED):
            done = carrier.deliver(wanted, made.remote_id, made.remote_version)
            assert done.human_edit
            assert done.remote_version == made.remote_version
        assert shelf.stored[path]["status"] == "inactive"


def test_f86_what_a_person_added_stays_when_we_close(connect) -> None:  # type: ignore[no-untyped-def]
    """Only the status is ours to change; a clinician's own words stay."""
    shelf = Shelf(put=True)
    with Script(shelf) as server:
        carrier = connect(server.base).carrier("flag")
        made = carrier.deliver(NOTICE, None, None)
        path = f"Flag/{made.remote_id}"
        shelf.save(path, {**shelf.stored[path], "encounter": {"reference": "Encounter/e1"}})
        assert not carrier.deliver(INACTIVE, made.remote_id, made.remote_version).human_edit
    assert shelf.stored[path]["encounter"] == {"reference": "Encounter/e1"}
    assert shelf.stored[path]["status"] == "inactive"


def test_f86_an_edit_between_look_and_write_wins(connect, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    """If-Match makes the server refuse; then it is read again and left alone."""
    shelf = Shelf(put=True)
    with Script(shelf) as server:
        carrier = connect(server.base).carrier("flag")
        made = carrier.deliver(NOTICE, None, None)
        path = f"Flag/{made.remote_id}"
        real = shelf._write

        def edited_first(seen: Any, where: str) -> Any:
            if where == path and shelf.stored[path]["meta"]["versionId"] == "1":
                shelf.save(path, {**shelf.stored[path], "status": "inactive"})
            return real(seen, where)

        monkeypatch.setattr(shelf, "_write", edited_first)
        done = carrier.deliver(RETRACTED, made.remote_id, made.remote_version)
    assert done.human_edit
    assert shelf.stored[path]["status"] == "inactive"


@pytest.mark.parametrize("state", [RETRACTED, INACTIVE])
def test_f87_what_was_never_made_is_not_taken_back(connect, state: Notice) -> None:  # type: ignore[no-untyped-def]
    """A pair that cancels out is never sent."""
    shelf = Shelf(put=True)
    with Script(shelf) as server:
        done = connect(server.base).carrier("flag").deliver(state, None, None)
    assert done.remote_id is None
    assert shelf.writes == []


def test_a_flag_that_a_person_removed_is_not_put_back(connect) -> None:  # type: ignore[no-untyped-def]
    """Medplum answers 404, others 410; both mean that somebody did not want it there."""
    shelf = Shelf(conditional=True)
    with Script(shelf) as server:
        done = connect(server.base).carrier("flag").deliver(NOTICE, "gone", "1")
    assert done.human_edit
    assert shelf.writes == []


@pytest.mark.parametrize(("status", "known"), [(422, True), (400, True), (404, False), (410, False)])
def test_f88_refused_for_good_is_said_plainly(connect, status: int, known: bool) -> None:  # type: ignore[no-untyped-def]
    """A prompt that never arrives is a clinical event: somebody must read why."""
    shelf = Shelf(conditional=True, refuse={"Flag": [status]}, patients=("p1",) if known else ())
    with Script(shelf) as server:
        done = connect(server.base).carrier("flag").deliver(NOTICE, None, None)
    assert done.refused
    assert "p1" not in done.refused
    assert NOTICE.key not in done.refused


def test_a_missing_right_or_kind_concerns_all_and_is_raised(connect) -> None:  # type: ignore[no-untyped-def]
    """Refusing one by one would put a practice's whole list into the dead letters."""
    with Script(Shelf(conditional=True, refuse={"Flag": [403]})) as server, pytest.raises(Denied, match="Flag"):
        connect(server.base).carrier("flag").deliver(NOTICE, None, None)
    with Script(Shelf(conditional=True, refuse={"Flag": [404]})) as server, pytest.raises(Unsupported):
        connect(server.base).carrier("flag").deliver(NOTICE, None, None)


def test_f32_a_server_that_stays_down_leaves_the_outcome_open(connect) -> None:  # type: ignore[no-untyped-def]
    """The outbox keeps it, and the next delivery looks first."""
    with Script(Shelf(put=True, refuse={"Flag": [503] * 20})) as server, pytest.raises(Unreachable):
        connect(server.base).carrier("flag").deliver(NOTICE, None, None)


def test_what_a_server_takes_is_read_from_it_and_from_the_settings(connect) -> None:  # type: ignore[no-untyped-def]
    """Real servers take more than they list; only the practice can know that from its vendor."""
    shelf = Shelf(put=True, kinds=("Flag",))
    with Script(shelf) as server:
        with pytest.raises(Unsupported, match="setting carriers"):
            connect(server.base).carrier("task")
        with pytest.raises(Unsupported, match="no carrier named"):
            connect(server.base).carrier("smoke-signal")
        task = connect(server.base, carriers=["task"], task_intent="unknown", create_by="conditional").carrier("task")
        assert task.deliver(NOTICE, None, None).created
    assert shelf.of("Task")[0]["intent"] == "unknown"


def test_without_device_and_provenance_the_prompt_still_comes_and_it_is_said(connect, warnings) -> None:  # type: ignore[no-untyped-def]
    """What is left out must be known, and known once."""
    shelf = Shelf(put=True, kinds=("Flag",))
    with Script(shelf) as server:
        carrier = connect(server.base).carrier("flag")
        carrier.deliver(NOTICE, None, None)
        carrier.deliver(replace(NOTICE, key="other"), None, None)
    assert shelf.of("Flag")[0]["contained"][0]["resourceType"] == "Device"
    assert shelf.of("Flag")[0]["author"] == {"reference": "#handrail"}
    assert [("Device" in text, "Provenance" in text) for text in warnings] == [(True, False), (False, True)]


def test_not_a_fhir_r4_server_is_said_before_anything_is_written(connect) -> None:  # type: ignore[no-untyped-def]
    """R5 means other things by the same words."""
    from handrail.plugin_core.errors import NotTheApi

    def refused(data: dict[str, Any]) -> None:
        with Script(lambda _: fhir(data)) as server, pytest.raises(NotTheApi, match="R4"):
            connect(server.base).test()

    for data in ({"resourceType": "CapabilityStatement", "fhirVersion": "5.0.0"}, {"resourceType": "Patient"}, {}):
        refused(data)


@pytest.mark.parametrize("way", WAYS, ids=["put", "conditional", "search"])
@pytest.mark.parametrize("hit", range(4))
def test_f39_a_web_page_to_a_write_confirms_nothing(connect, way: dict[str, Any], hit: int) -> None:  # type: ignore[no-untyped-def]
    """A proxy's page with status 200 in the platform's place: a retraction taken for done stays in the chart."""
    shelf = Shelf(**way)
    pages = [hit]

    def reply(seen: Seen) -> Answer:
        if seen.method in ("POST", "PUT"):
            pages[0] -= 1
            if pages[0] == -1:
                return Answer(200, b"<html>please sign in</html>", {"Content-Type": "text/html"})
        return shelf(seen)

    with Script(reply) as server:
        carrier = connect(server.base).carrier("flag")
        made = carrier.deliver(NOTICE, None, None)
        carrier.deliver(RETRACTED, made.remote_id, made.remote_version)
    assert [one["status"] for one in shelf.of("Flag")] == ["entered-in-error"]
    assert len(shelf.of("Provenance")) == 1
    assert shelf.of("Flag")[0]["author"]["reference"].startswith("Device/")


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("kind", ["Device", "Provenance"])
def test_f30_f32_a_busy_moment_is_no_refusal(connect, warnings, kind: str, status: int) -> None:  # type: ignore[no-untyped-def]
    """Taken for "keeps no such thing", one 503 would leave every prompt of the run without its origin."""
    shelf = Shelf(put=True, refuse={kind: [status]})
    with Script(shelf) as server:
        connect(server.base).carrier("flag").deliver(NOTICE, None, None)
    assert (len(shelf.of("Flag")), len(shelf.of("Device")), len(shelf.of("Provenance"))) == (1, 1, 1)
    assert warnings == []
