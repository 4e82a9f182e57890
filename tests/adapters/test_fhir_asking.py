"""F81 to F88 for requests to clients: one for one due day, whatever is lost, and nothing about the client in it.

What would hurt: a client asked twice, one asked who opted out, or a portal that shows what the form is about.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from handrail.adapters.fhir.questionnaire import questionnaire_of
from handrail.plugin_core.contracts import Ask, Settling
from handrail.plugin_core.errors import Denied, PlatformError, Unreachable, Unsupported
from handrail.plugin_core.instruments import builtin_one
from handrail.schemas.records import Client

from .script import Script
from .shelf import Shelf

FORM = builtin_one("phq9")
ASK = Ask(
    client=Client("Patient/p1", name="Canary Name"),
    instrument=FORM,
    due=datetime(2026, 11, 20, tzinfo=UTC),
    expires=datetime(2026, 11, 27, tzinfo=UTC),
    key="a" * 40,
)
KINDS = {"task": "Task", "service-request": "ServiceRequest"}
WAYS: list[dict[str, Any]] = [{"put": True}, {"conditional": True}, {}]
OPEN = {"Task": "requested", "ServiceRequest": "active"}
WITHDRAWN = {"Task": "cancelled", "ServiceRequest": "revoked"}


def shelf(*kinds: str, form: bool = True, **more: Any) -> Shelf:
    made = Shelf(kinds=(*kinds, "Device", "Questionnaire"), **more)
    if form:
        made.save("Questionnaire/q", questionnaire_of(FORM))
    made.writes.clear()
    return made


def written(on: Shelf, kind: str) -> list[tuple[str, str]]:
    return [one for one in on.writes if one[1].startswith(kind)]


@pytest.mark.parametrize("way", WAYS, ids=["put", "conditional", "search"])
@pytest.mark.parametrize("by", KINDS)
def test_the_life_of_a_request(connect, by: str, way: dict[str, Any]) -> None:  # type: ignore[no-untyped-def]
    """Asked once, reminded once for each reminder, taken back; four calls that are repeated cost nothing."""
    kind = KINDS[by]
    on = shelf(kind, **way)
    with Script(on) as server:
        sender = connect(server.base, ask_by=by).sender()
        made = sender.ask(ASK)
        assert made.sent
        known = replace(ASK, remote_id=made.remote_id)
        assert {sender.ask(ASK).remote_id, sender.ask(known).remote_id} == {made.remote_id}
        assert [one["status"] for one in on.of(kind)] == [OPEN[kind]]
        for ask in (replace(known, reminder=1), replace(ASK, reminder=1), replace(known, reminder=2)):
            assert sender.remind(ask).sent
        notes = [note["text"] for note in on.of(kind)[0]["note"]]
        assert notes == ["Reminder 1: the form is still open.", "Reminder 2: the form is still open."]
        sender.withdraw(known)
        sender.withdraw(ASK)
        assert [one["status"] for one in on.of(kind)] == [WITHDRAWN[kind]]
        assert sender.ask(ASK).refused
        assert sender.remind(replace(known, reminder=3)).refused
    assert len(written(on, kind)) == 4


def test_a_task_is_as_sdc_describes_it(connect) -> None:  # type: ignore[no-untyped-def]
    """SDC 4, sdc-task: rule sdc-t1 (no focus beside the input), the client as owner, a requester, days that include
    their end; another program must understand it without knowing us."""
    on = shelf("Task", put=True)
    with Script(on) as server:
        connect(server.base, ask_by="auto").sender().ask(ASK)
    task = on.of("Task")[0]
    assert task["code"]["coding"][0]["code"] == "complete-questionnaire"
    assert task["code"]["coding"][0]["system"] == task["input"][0]["type"]["coding"][0]["system"]
    assert task["input"][0]["valueCanonical"] == "https://handrail.example/fhir/Questionnaire/phq9|" + FORM.version
    assert "focus" not in task
    assert task["for"] == task["owner"] == {"reference": "Patient/p1"}
    assert task["requester"]["reference"].startswith("Device/")
    assert task["restriction"] == {"period": {"start": "2026-11-20", "end": "2026-11-27"}}
    assert task["intent"] == "order"


@pytest.mark.parametrize("by", KINDS)
def test_a_request_says_nothing_about_the_client_or_the_form(connect, by: str) -> None:  # type: ignore[no-untyped-def]
    """A portal on a family's screen shows its texts; only the form's address says which form it is."""
    on = shelf(KINDS[by], put=True)
    with Script(on) as server:
        sender = connect(server.base, ask_by=by).sender()
        sender.ask(ASK)
        sender.remind(replace(ASK, reminder=1))
    sent = on.of(KINDS[by])[0]
    text = json.dumps({name: value for name, value in sent.items() if name not in ("input", "extension")})
    for word in ("Canary", FORM.title, "PHQ", "Health", "depress", "score", FORM.items[0].text):
        assert word not in text


@pytest.mark.parametrize("way", WAYS, ids=["put", "conditional", "search"])
@pytest.mark.parametrize("lost", [1, 2])
def test_f81_f84a_a_lost_answer_asks_nobody_twice(connect, clock, way: dict[str, Any], lost: int) -> None:  # type: ignore[no-untyped-def]
    """The server did it and the line dropped: the next round looks first."""
    on = shelf("Task", **way)
    with Script(on) as server:
        sender = connect(server.base, ask_by="task").sender()
        sender.ask(replace(ASK, key="other"))  # our Device is there from now on
        on.lose = lost
        assert sender.ask(ASK).sent
        on.lose = 1
        assert sender.remind(replace(ASK, reminder=1)).sent
        on.lose = 1
        sender.withdraw(ASK)
    mine = [one for one in on.of("Task") if one["identifier"][0]["value"] == ASK.key]
    assert [(one["status"], len(one["note"])) for one in mine] == [("cancelled", 1)]


def test_f82_a_server_that_stays_down_leaves_it_open_and_the_next_run_finds_it(connect) -> None:  # type: ignore[no-untyped-def]
    """Unreachable is no "sent" and no "refused": it is asked again, and found if it was done."""
    on = shelf("Task", conditional=True)
    with Script(on) as server:
        sender = connect(server.base, ask_by="task").sender()
        on.refuse["Task"] = [503] * 20
        with pytest.raises(Unreachable, match="did not confirm"):
            sender.ask(ASK)
        on.refuse.clear()
        assert sender.ask(ASK).sent
    assert len(on.of("Task")) == 1


@pytest.mark.parametrize("status", [409, 412, 425, 429])
def test_f85_what_passes_is_tried_again(connect, clock, status: int) -> None:  # type: ignore[no-untyped-def]
    """A busy moment is no reason to leave a client unasked."""
    on = shelf("Task", conditional=True, refuse={"Task": [status]})
    with Script(on) as server:
        assert connect(server.base, ask_by="task").sender().ask(ASK).sent
    assert len(on.of("Task")) == 1


def test_f84a_of_two_requests_the_older_stays(connect) -> None:  # type: ignore[no-untyped-def]
    """A second writer made one, too: the client must see one."""
    on = shelf("Task")
    with Script(on) as server:
        sender = connect(server.base, ask_by="task").sender()
        first = sender.ask(ASK)
        on.save("Task/twin", {k: v for k, v in on.of("Task")[0].items() if k != "id"})
        on.stored["Task/twin"]["meta"]["lastUpdated"] = "2026-11-22T13:00:00Z"
        assert sender.ask(ASK).remote_id == first.remote_id
    assert {one["id"]: one["status"] for one in on.of("Task")} == {
        first.remote_id: "requested",
        "twin": "entered-in-error",
    }


def test_a_server_that_ignores_the_filter_gives_nobody_elses_request(connect) -> None:  # type: ignore[no-untyped-def]
    """Every filter is checked again here: else one client's request stands for another's."""
    on = shelf("Task", ignores_filters=True)
    with Script(on) as server:
        sender = connect(server.base, ask_by="task").sender()
        one, two = sender.ask(ASK), sender.ask(replace(ASK, key="b" * 40))
    assert one.remote_id != two.remote_id
    assert len(on.of("Task")) == 2


@pytest.mark.parametrize("status", ["rejected", "cancelled", "failed", "entered-in-error"])
def test_f86_what_a_person_closed_is_not_put_up_again(connect, status: str) -> None:  # type: ignore[no-untyped-def]
    """The client declined, or the office took it back: asking again would be nagging."""
    on = shelf("Task", put=True)
    with Script(on) as server:
        sender = connect(server.base, ask_by="task").sender()
        made = sender.ask(ASK)
        path = f"Task/{made.remote_id}"
        on.save(path, {**on.stored[path], "status": status})
        before = len(on.writes)
        again, reminded = sender.ask(ASK), sender.remind(replace(ASK, remote_id=made.remote_id, reminder=1))
        sender.withdraw(ASK)
    assert again.refused == reminded.refused
    assert again.refused
    assert (on.stored[path]["status"], len(on.writes)) == (status, before)


@pytest.mark.parametrize("status", [404, 410])
def test_what_a_person_removed_is_not_put_up_again(connect, status: int) -> None:  # type: ignore[no-untyped-def]
    """Gone is gone; and there is nothing to take back."""
    on = shelf("Task", put=status == 410, conditional=status == 404)
    with Script(on) as server:
        sender = connect(server.base, ask_by="task").sender()
        made = sender.ask(ASK)
        known = replace(ASK, remote_id=made.remote_id)
        if status == 410:
            on.stored[f"Task/{made.remote_id}"] = {"deleted": True, "resourceType": "Task", "id": "x", "meta": {}}
            assert "removed" in str(sender.ask(ASK).refused)
        else:
            del on.stored[f"Task/{made.remote_id}"]
        assert "removed" in str(sender.ask(known).refused)
        assert "removed" in str(sender.remind(replace(known, reminder=1)).refused)
        sender.withdraw(known)
    assert len(written(on, "Task")) == 1


def test_f86_a_persons_edit_between_look_and_write_stays(  # type: ignore[no-untyped-def]
    connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If-Match makes the server refuse the reminder; read again, the request is in progress and keeps their note."""
    on = shelf("Task", put=True)
    with Script(on) as server:
        sender = connect(server.base, ask_by="task").sender()
        path = f"Task/{sender.ask(ASK).remote_id}"
        real = on._write

        def edited_first(seen: Any, where: str) -> Any:
            if where == path and on.stored[path]["meta"]["versionId"] == "1":
                on.save(path, {**on.stored[path], "status": "in-progress", "note": [{"text": "asked by phone"}]})
            return real(seen, where)

        monkeypatch.setattr(on, "_write", edited_first)
        assert sender.remind(replace(ASK, reminder=1)).sent
    assert on.stored[path]["status"] == "in-progress"
    assert [note["text"] for note in on.stored[path]["note"]] == [
        "asked by phone",
        "Reminder 1: the form is still open.",
    ]


def test_an_answered_request_is_marked_once_with_its_form(connect) -> None:  # type: ignore[no-untyped-def]
    """Else the client's portal shows a form as open that was filled in."""
    on = shelf("Task", put=True)
    with Script(on) as server:
        sender = connect(server.base, ask_by="task").sender()
        sender.ask(ASK)
        settling = isinstance(sender, Settling)
        assert settling
        sender.settle(ASK, "r1")
        sender.settle(ASK, "r1")
        sender.withdraw(ASK)
    task = on.of("Task")[0]
    assert task["status"] == "completed"
    assert [one["valueReference"]["reference"] for one in task["output"]] == ["QuestionnaireResponse/r1"]


@pytest.mark.parametrize("status", [400, 413, 422])
def test_f88_a_request_that_is_refused_for_good_says_so(connect, status: int) -> None:  # type: ignore[no-untyped-def]
    """The office must ask another way, so somebody must read it; without whom it is about."""
    on = shelf("Task", conditional=True, refuse={"Task": [status]})
    with Script(on) as server:
        done = connect(server.base, ask_by="task").sender().ask(ASK)
    assert not done.sent
    assert "another way" in str(done.refused)
    assert "p1" not in str(done.refused)


def test_a_client_whose_chart_is_gone_is_refused_alone(connect) -> None:  # type: ignore[no-untyped-def]
    """One closed chart must not stop the others' requests."""
    on = shelf("Task", conditional=True, refuse={"Task": [404]}, patients=())
    with Script(on) as server:
        assert "chart" in str(connect(server.base, ask_by="task").sender().ask(ASK).refused)


def test_a_missing_right_concerns_all_and_is_raised(connect) -> None:  # type: ignore[no-untyped-def]
    """Else a whole practice's requests end as refused, one by one."""
    on = shelf("Task", conditional=True, refuse={"Task": [403]})
    with Script(on) as server, pytest.raises(Denied, match="ask clients"):
        connect(server.base, ask_by="task").sender().ask(ASK)
    on = shelf("Task", conditional=True, refuse={"Task": [405]})
    with Script(on) as server, pytest.raises(Unsupported):
        connect(server.base, ask_by="task").sender().ask(ASK)


def test_a_server_that_takes_no_changes_cannot_remind_and_says_so(connect) -> None:  # type: ignore[no-untyped-def]
    """A reminder that nobody gets must not count as sent; a request that stays open must not count as taken back."""
    on = shelf("Task", conditional=True)
    with Script(on) as server:
        sender = connect(server.base, ask_by="task").sender()
        sender.ask(ASK)
        on.refuse["Task"] = [405, 422]
        done = sender.remind(replace(ASK, reminder=1))
        assert not done.sent
        assert "cannot remind" in str(done.refused)
        with pytest.raises(PlatformError, match="by hand"):
            sender.withdraw(ASK)


def test_it_is_off_until_the_practice_chooses_it(connect) -> None:  # type: ignore[no-untyped-def]
    """A portal may show a request to others; nobody may find that out afterwards."""
    on = shelf("Task", put=True)
    with Script(on) as server:
        adapter = connect(server.base)
        with pytest.raises(Unsupported, match="ask_by"):
            adapter.sender()
        assert adapter.test().can["ask"] is False
        assert connect(server.base, ask_by="auto").test().can["ask"] is True
    assert on.writes == []


def test_auto_takes_what_the_server_says_it_takes(connect) -> None:  # type: ignore[no-untyped-def]
    """Task first; ServiceRequest where there is no Task; a plain sentence where there is neither."""
    for kinds, made in ((("Task", "ServiceRequest"), "Task"), (("ServiceRequest",), "ServiceRequest")):
        on = shelf(*kinds, put=True)
        with Script(on) as server:
            connect(server.base, ask_by="auto").sender().ask(ASK)
        assert len(on.of(made)) == 1
    with Script(shelf("Flag", put=True)) as server, pytest.raises(Unsupported, match="link or on paper"):
        connect(server.base, ask_by="auto").sender()


def test_nobody_is_asked_for_a_form_that_is_not_there(connect) -> None:  # type: ignore[no-untyped-def]
    """The client would open a request that leads nowhere."""
    on = shelf("Task", put=True, form=False)
    with Script(on) as server, pytest.raises(Unsupported, match="handrail publish phq9"):
        connect(server.base, ask_by="task").sender().ask(ASK)
    assert written(on, "Task") == []


def test_one_word_for_the_intent_is_used_where_a_platform_takes_one_only(connect) -> None:  # type: ignore[no-untyped-def]
    """Canvas refuses a Task with another intent than `unknown`."""
    on = shelf("Task", put=True)
    with Script(on) as server:
        connect(server.base, ask_by="task", task_intent="unknown").sender().ask(ASK)
    assert on.of("Task")[0]["intent"] == "unknown"
