"""DrChrono: the conformance kit, the vendor's contract, and the platform's own traps."""

from __future__ import annotations

import hmac
import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import pytest
from handrail.adapters.budget import Spent
from handrail.adapters.drchrono.reading import local
from handrail.plugin_core.contracts import Hint, RemoteAnswer, RemoteResponse, WebhookRequest
from handrail.plugin_core.errors import Unsupported
from handrail.plugin_core.testing import QUESTIONS, AdapterConformance
from handrail.schemas.vocab import RemoteState, ResponseStatus

from .benches import OnDrChrono
from .contract import Contract, Exempt
from .doubles.drchrono import CLIENT_ID, CLIENT_SECRET, DOCTOR, FLAG_TYPE, HOOK, NAMES, USER, DrChronoDouble

ADA, BEN = NAMES
ONE = "1f" * 16
VERBOSE = "the file leaves it out; the vendor's narrative has it (verbose=true brings flags and custom demographics)"
NOTHING = "the file itself says 204 No Content; it names an empty content there, which the checker takes for some"
EXEMPT = (
    Exempt("GET /api/patients", "no query verbose", VERBOSE),
    Exempt("GET /api/patients/{id}", "no query verbose", VERBOSE),
    Exempt("PATCH /api/patients/{id}", "answer 204: Missing response data", NOTHING),
    Exempt("PATCH /api/tasks/{id}", "answer 204: Missing response data", NOTHING),
)


def _answered(form: RemoteResponse) -> list[str]:
    return [line.question for line in form.lines if line.answers]


class TestDrChrono(OnDrChrono, AdapterConformance):
    """What every adapter promises."""

    # --- the vendor's contract --------------------------------------------------------------------------------------

    def test_every_request_and_answer_keeps_the_contract(self) -> None:
        """What the double takes, DrChrono must take; what it gives, DrChrono must be able to give."""
        self.double.nulls = False  # the file calls both links texts; the live API gives null at the ends
        self.fill(4)
        adapter = self.open()
        adapter.test()
        list(adapter.forms())
        first = self.pull_all(adapter)
        self.clock.later(days=2)
        self.fill(1)
        self.pull_all(adapter, first.cursor)
        self.double.page_size = 250  # type: ignore[misc]
        self.pull_all(self.open())  # appointments by their days
        list(adapter.listing())
        adapter.fetch([first.responses[0].id])
        list(adapter.clients([ADA, BEN]))
        for name in ("task", "patient-flag"):
            carrier = adapter.carrier(name)
            done = carrier.deliver(self.notice(ONE, clinician=str(DOCTOR)), None, None)
            for state in (RemoteState.INACTIVE, RemoteState.ACTIVE, RemoteState.RETRACTED):
                done = carrier.deliver(self.notice(ONE, state), done.remote_id, done.remote_version)
            carrier.find(ONE)
        seen = [exchange for exchange in self.double.seen if exchange.request.path.startswith("/api/")]
        Contract.openapi("drchrono.yml", exempt=EXEMPT).ensure(seen, least=20)

    def test_f14_another_practice_of_the_same_application_is_told(self) -> None:
        """One client id serves many practices: another one's sign-in must not fill this one's store. A colleague of the
        same practice may sign in; where DrChrono names no practice, it is another."""
        me = self.double.tables["users"]["9001"]
        known = self.open().test().fingerprint
        me.update(id="9002")
        assert self.open().test().fingerprint == known
        for other in ({"practice_group": "78"}, {"practice_group": None}, {"practice_group": None, "id": "9003"}):
            me.update(other)
            fingerprint = self.open().test().fingerprint
            assert fingerprint != known
            known = fingerprint

    # --- forms ------------------------------------------------------------------------------------------------------

    def test_rows_come_under_data_or_under_results(self) -> None:
        """The vendor's file says data, many live endpoints say results."""
        given = self.fill(3)
        self.double.list_name = "results"
        assert self.pull_all(self.open()).ids == set(given)

    def test_one_response_is_all_fields_of_one_template_in_one_appointment(self) -> None:
        """A field that changed comes alone in the list; read alone it would be a form of one line."""
        (form,) = self.fill(1)
        first = self.pull_all(self.open())
        self.clock.later(days=3)
        row = self.double.rows_of(form)[0]
        row.update(value="Often-kestrel", updated_at=self.double.now())
        changed = self.pull_all(self.open(), first.cursor).last(form)
        assert len([line for line in changed.lines if line.answers]) == 3
        assert changed.version != first.last(form).version

    def test_a_field_that_was_cleared_changes_the_form(self) -> None:
        """A removed row leaves no newer time behind; the version has to tell."""
        (form,) = self.fill(1)
        adapter = self.open()
        before = self.pull_all(adapter).last(form)
        last = self.double.rows_of(form)[-1]
        del self.double.tables["clinical_note_field_values"][str(last["id"])]
        after = adapter.fetch([form]).responses[0]
        assert after.version != before.version
        assert len(_answered(after)) == len(_answered(before)) - 1

    def test_other_templates_of_the_same_appointment_are_another_form(self) -> None:
        """The doctor's own note stands in the same appointment, and is nobody's questionnaire."""
        other = self.double.field("Doctor's remark", (), template=41)
        (form,) = self.fill(1)
        self.double.value(form.partition("/")[0], other, "kestrel remark")
        self.double._passes = lambda row, request: True  # type: ignore[method-assign]
        (response,) = self.pull_all(self.open()).responses
        assert [line.text for line in response.lines] == [question.text for question in QUESTIONS]

    @pytest.mark.parametrize(
        ("kind", "allowed", "value", "answers"),
        [
            ("Checkbox", (), "True", ("Yes",)),
            ("Checkbox", (), "False", ()),
            ("NullCheckbox", (), "0", ()),
            ("NullCheckbox", (), "1", ("No",)),
            ("NullCheckbox", (), "2", ("Yes",)),
            ("TwoStrings", (), "120/80", ("120/80",)),
            ("String", ("Never", "Often"), "Never, Often", ("Never", "Often")),
            ("String", ("Never, ever", "Often"), "Never, ever", ("Never, ever",)),
            ("String", ("Never", "Often"), "Never, now", ("Never, now",)),
            ("", (), "  ", ()),
            ("Photo", (), "kestrel.png", None),
        ],
    )
    def test_values_are_read_by_the_kind_of_their_field(
        self, kind: str, allowed: tuple[str, ...], value: str, answers: tuple[str, ...] | None
    ) -> None:
        """A box not ticked is no "no", a blank is no answer, two ticks on one line are two answers."""
        (form,) = self.fill(1)
        field = self.double.field("Odd one", allowed, kind)
        self.double.value(form.partition("/")[0], field, value)
        lines = {line.text: line.answers for line in self.pull_all(self.open()).last(form).lines}
        if answers is None:
            assert "Odd one" not in lines
        else:
            assert lines["Odd one"] == tuple(RemoteAnswer(label=label) for label in answers)

    def test_a_break_in_the_calendar_is_set_aside(self) -> None:
        """It has no patient: nobody knows whose form it is."""
        (form,) = self.fill(1)
        self.double.tables["appointments"][form.partition("/")[0]]["patient"] = None
        done = self.pull_all(self.open())
        assert not done.responses
        assert done.set_aside == [form]

    def test_answers_whose_appointment_is_not_shown_are_set_aside(self) -> None:
        """The signed-in user may not see it: taken for deleted, the form would be lost without a word."""
        (form,) = self.fill(1)
        del self.double.tables["appointments"][form.partition("/")[0]]
        done = self.pull_all(self.open())
        assert not done.gone
        assert done.set_aside == [form]

    def test_headings_and_drawings_are_no_part_of_an_answer(self) -> None:
        """DrChrono keeps values for headings, too: counted, the same answers would be another version of the form."""
        (form,) = self.fill(1)
        before = self.pull_all(self.open()).last(form)
        heading = self.double.field("About your week", (), "Header")
        self.double.value(form.partition("/")[0], heading, "kestrel heading")
        after = self.pull_all(self.open())
        assert [one.version for one in after.responses] == [before.version]

    def test_what_changed_between_two_pulls_of_one_program_is_seen(self) -> None:
        """A host keeps the connection: a visit that was deleted since, or a new line, would be missed."""
        (form,) = self.fill(1)
        adapter = self.open()
        first = self.pull_all(adapter)
        self.clock.later(hours=3)
        self.double.withdraw(form)
        self.double.field("A new line", ("Yes", "No"))
        again = self.pull_all(adapter, first.cursor).last(form)
        assert again.status == ResponseStatus.WITHDRAWN.value
        assert "A new line" in [line.text for line in again.lines]

    def test_the_form_of_a_visit_that_was_deleted_is_taken_back(self) -> None:
        """Its values stand as they were and are in no list of changes: its flag would stay in the chart for ever."""
        form, other = self.fill(2)
        first = self.pull_all(self.open())
        self.clock.later(days=30)
        visit = self.double.tables["appointments"][form.partition("/")[0]]
        visit.update(deleted_flag=True, updated_at=self.double.now())
        again = self.pull_all(self.open(), first.cursor)
        assert again.gone == [form]
        assert other not in again.gone
        assert not self.pull_all(self.open()).gone

    def test_the_list_of_patients_is_walked_once_for_all_batches(self) -> None:
        """A practice's names are asked for in batches: walked anew for each, they would spend the hour."""
        refs = [str(80_000 + number) for number in range(60)]
        for ref in refs:
            self.double.put("patients", {"first_name": "Kestrel", "last_name": ref, "doctor": DOCTOR}, int(ref))
        adapter = self.open()
        found = [client for start in (0, 20, 40) for client in adapter.clients(refs[start : start + 20])]
        assert [client.ref for client in found] == refs
        asked = [one for one in self.double.seen if one.request.path == "/api/patients"]
        assert len(asked) <= 1 + 62 // self.double.page_size
        assert not [one for one in self.double.seen if one.request.path.startswith("/api/patients/")]

    def test_archived_fields_are_no_longer_asked(self) -> None:
        """`connect` would else want a line mapped that no client will ever see."""
        field = self.double.field("Gone", ())
        self.double.tables["clinical_note_field_types"][str(field)]["archived"] = True
        (form,) = self.open().forms()
        assert "Gone" not in [question.text for question in form.questions]

    def test_many_appointments_are_looked_up_by_list(self) -> None:
        """One by one, a practice's first pull would spend the hour's requests of everybody."""
        self.double.page_size = 250  # type: ignore[misc]
        self.fill(25, apart=1.0)
        adapter = self.open()
        before = len(self.double.seen)
        self.pull_all(adapter)
        asked = [one.request.path for one in self.double.seen[before:]]
        assert not [path for path in asked if path.startswith("/api/appointments/")]

    def test_only_mapped_templates_are_read(self) -> None:
        """Clinical notes are none of our business."""
        self.fill(1)
        self.confirmed.clear()
        assert not self.pull_all(self.open()).responses
        assert not [one for one in self.double.seen if "values" in one.request.path]

    # --- times ------------------------------------------------------------------------------------------------------

    def test_times_without_a_zone_are_the_practices(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Read as UTC, an evening's form in New York would be of the next day."""
        zone = ZoneInfo("America/New_York")
        monkeypatch.setattr(type(self), "zone", lambda _: zone)
        self.double.zone = zone
        (form,) = self.fill(1, apart=0.0)
        authored = self.pull_all(self.open()).last(form).authored
        assert authored is not None
        assert datetime.fromisoformat(authored) == self.clock.at
        assert (
            datetime.fromisoformat(self.pull_all(self.open(times_in="utc")).last(form).authored or "") < self.clock.at
        )

    def test_times_in_the_future_say_which_setting_to_turn(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where DrChrono's times are UTC after all, the practice must be able to find out."""
        monkeypatch.setattr(type(self), "zone", lambda _: ZoneInfo("America/Los_Angeles"))
        self.fill(1, apart=0.0)
        done = self.pull_all(self.open())
        assert any("times_in = utc" in said for said in self.said)
        assert done.cursor is not None
        assert done.cursor.since is not None
        assert done.cursor.since <= self.clock.at, "the cursor ran ahead of the platform's own clock (F7)"

    def test_f7_without_the_platforms_clock_no_time_moves_the_cursor(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A note dated into the year 2999 would hide all others from then on."""
        monkeypatch.setattr(self.double, "told", lambda: "")
        (given,) = self.fill(1)
        done = self.pull_all(self.open())
        assert done.ids == {given}
        assert done.cursor is not None
        assert done.cursor.since is None
        assert any("carry no date" in said for said in self.said)

    # --- carriers ---------------------------------------------------------------------------------------------------

    def test_a_task_goes_to_the_clients_doctor_else_to_the_settings_user(self) -> None:
        """A task of nobody is read by nobody."""
        self.double.put("users", {"username": "thea", "doctor": "101", "is_doctor": True}, "9002")
        adapter = self.open()
        for clinician, user in (("101", "9002"), ("555", USER), (None, USER)):
            key = sha256(str(clinician).encode()).hexdigest()[:32]
            done = adapter.carrier("task").deliver(self.notice(key, clinician=clinician), None, None)
            assert self.double.tables["tasks"][str(done.remote_id)]["assignee_user"] == user

    def test_a_task_for_nobody_is_refused_with_what_to_do(self) -> None:
        """And not given to whoever comes first."""
        settings = {name: value for name, value in self.loaded().items() if name != "assignee_user"}
        adapter = self.spec.open(replace(self.context(), settings=settings))
        refused = adapter.carrier("task").deliver(self.notice(ONE, clinician="555"), None, None).refused
        assert refused is not None
        assert "assignee_user" in refused

    def test_a_task_that_a_person_completed_stays_completed(self) -> None:
        """They have dealt with it; a task that opens itself again is switched off (F86)."""
        carrier = self.open().carrier("task")
        done = carrier.deliver(self.notice(ONE), None, None)
        self.double.tables["tasks"][str(done.remote_id)]["status"] = 13
        again = carrier.deliver(self.notice(ONE), done.remote_id, done.remote_version)
        assert again.human_edit
        assert self.double.tables["tasks"][str(done.remote_id)]["status"] == 13

    def test_a_prompt_stands_anew_where_archived_tasks_are_no_longer_shown(self) -> None:
        """No source says whether an archived task can still be read by its id (doubt): taken for a person's hand, a
        prompt that holds after all would never be seen again."""
        carrier = self.open().carrier("task")
        done = carrier.deliver(self.notice(ONE), None, None)
        done = carrier.deliver(self.notice(ONE, RemoteState.RETRACTED), done.remote_id, done.remote_version)
        del self.double.tables["tasks"][str(done.remote_id)]
        again = carrier.deliver(self.notice(ONE), done.remote_id, done.remote_version)
        assert not again.human_edit
        assert len(self.double.tables["tasks"]) == 1

    def test_a_task_whose_id_was_lost_and_that_was_closed_can_stand_again(self) -> None:
        """Killed between the write and its note, then cleared, then true after all: it is ours to open, no person's."""
        carrier = self.open().carrier("task")
        carrier.deliver(self.notice(ONE), None, None)
        closed = carrier.deliver(self.notice(ONE, RemoteState.INACTIVE), None, None)
        again = carrier.deliver(self.notice(ONE), closed.remote_id, closed.remote_version)
        assert not again.human_edit
        assert [mark.active for mark in self.double.marks("task")] == [True]

    def test_flags_on_charts_are_refused_without_the_setting(self) -> None:
        """Opt-in twice: by the carrier's name, and by naming a flag type made for it."""
        settings = {name: value for name, value in self.loaded().items() if name != "patient_flag_type"}
        adapter = self.spec.open(replace(self.context(), settings=settings))
        with pytest.raises(Unsupported, match="patient_flag_type"):
            adapter.carrier("patient-flag")

    def test_other_flags_of_the_chart_are_written_back_as_they_were(self) -> None:
        """An allergy flag that is lost can cost a life."""
        allergy = {"id": 1, "flag_type": 7, "flag_text": "Allergy"}
        self.double.tables["patients"][ADA]["patient_flags_attached"] = [allergy]
        carrier = self.open().carrier("patient-flag")
        done = carrier.deliver(self.notice(ONE), None, None)
        assert [row["flag_type"] for row in self._flags()] == [7, FLAG_TYPE]
        carrier.deliver(self.notice(ONE, RemoteState.RETRACTED), done.remote_id, done.remote_version)
        assert self._flags() == [allergy]

    def _flags(self) -> list[dict[str, Any]]:
        return list(self.double.tables["patients"][ADA]["patient_flags_attached"])

    def test_a_platform_that_adds_instead_of_replacing_is_noticed(self) -> None:
        """No source says which it does (doubt): what comes of a write is read again and compared."""
        self.double.tables["patients"][ADA]["patient_flags_attached"] = [{"flag_type": 7, "flag_text": "Allergy"}]
        self.double.replaces = False
        done = self.open().carrier("patient-flag").deliver(self.notice(ONE), None, None)
        assert done.refused is not None
        assert "look at the chart" in done.refused

    def test_patient_messages_are_never_touched(self) -> None:
        """Clients read them."""
        self.test_every_request_and_answer_keeps_the_contract()
        assert not [one for one in self.double.seen if "message" in one.request.path]

    # --- webhook ----------------------------------------------------------------------------------------------------

    def test_the_address_is_proved_as_the_platform_asks(self) -> None:
        """DrChrono sends no event to an address that does not answer this."""
        request = WebhookRequest("GET", "/hook", "msg=kestrel-proof", {}, b"")
        hint = self._hear(request)
        assert isinstance(hint, Hint)
        assert not hint.pull
        token = hmac.new(HOOK.encode(), b"kestrel-proof", sha256).hexdigest()
        assert json.loads(hint.reply) == {"secret_token": token}

    def test_the_signature_is_read_as_the_setting_says(self) -> None:
        """The documented reading is the default; with the other, the secret itself no longer passes."""
        genuine = self.double.webhook()
        signed = replace(genuine, headers={**genuine.headers, "x-drchrono-signature": self.double.hmac(genuine.body)})
        assert isinstance(self._hear(genuine), Hint)
        assert not isinstance(self._hear(signed), Hint)
        assert isinstance(self._hear(signed, webhook_signature="hmac"), Hint)
        assert not isinstance(self._hear(genuine, webhook_signature="hmac"), Hint)

    def test_what_proves_the_address_signs_no_delivery(self) -> None:
        """The proof is an HMAC of any text that is asked: a body signed by it would pass as DrChrono's."""
        genuine = self.double.webhook()
        asked = WebhookRequest("GET", "/hook", urlencode({"msg": genuine.body.decode()}), {}, b"")
        assert not isinstance(self._hear(asked), Hint)
        proof = self._hear(replace(asked, query="msg=kestrel-proof"))
        assert isinstance(proof, Hint)
        signed = {**genuine.headers, "x-drchrono-signature": json.loads(proof.reply)["secret_token"]}
        forged = replace(genuine, headers=signed, body=b"kestrel-proof")
        assert not isinstance(self._hear(forged, webhook_signature="hmac"), Hint)

    def test_events_that_bring_no_form_are_no_reason_to_pull(self) -> None:
        """Each pull counts against the hour of all practices."""
        genuine = self.double.webhook()
        task = replace(genuine, headers={**genuine.headers, "x-drchrono-event": "TASK_CREATE"})
        hint = self._hear(task)
        assert isinstance(hint, Hint)
        assert not hint.pull

    def _hear(self, request: WebhookRequest, **settings: Any) -> object:
        assert self.spec.webhook is not None
        return self.spec.webhook(self.context(**settings), request)

    # --- the hour's requests ----------------------------------------------------------------------------------------

    def test_an_hour_that_is_used_up_goes_on_at_the_full_hour(self) -> None:
        """DrChrono resets at the top of the hour and says nothing of it with its 429."""
        self.clock.at = self.clock.at.replace(minute=40)
        adapter = self.open(hourly_limit=20, kept_for_prompts=5)
        for _ in range(15):
            adapter.test()
        with pytest.raises(Spent, match="10:00 UTC"):
            adapter.test()
        adapter.carrier("task").deliver(self.notice(ONE), None, None)  # what reading left is there for a prompt
        self.clock.at = self.clock.at.replace(hour=10, minute=0, second=1)
        adapter.test()


WORKER = """
import json, sys
from pathlib import Path
from handrail.adapters.budget import Spent
from handrail.adapters.drchrono.settings import DrChronoSettings
from handrail.adapters.drchrono.spec import SPEC
from handrail.plugin_core.contracts import AdapterContext
origin, client, folder, practice = sys.argv[1], sys.argv[2], Path(sys.argv[3]), sys.argv[4]
held = json.loads(sys.argv[5])
clock = [1_800_000_000.0]
def sleep(seconds):
    clock[0] += seconds
given = {"base_url": origin, "client_id": client, "client_secret": "file:x", "hourly_limit": 20, "kept_for_prompts": 0}
context = AdapterContext(practice, DrChronoSettings().load(given), held.__getitem__, print, lambda: clock[0], sleep,
    "Handrail/test", folder=folder)
adapter = SPEC.open(context)
done = 0
try:
    for _ in range(15):
        adapter.test()
        done += 1
except Spent:
    pass
print(done)
"""


def test_the_hour_is_shared_by_two_practices_in_two_processes(tmp_path: Path) -> None:
    """The 500 an hour are the application's: one practice's first pull would else lock out the others."""
    with DrChronoDouble() as double:
        held = {**double.secrets(), "client_secret": CLIENT_SECRET}
        held["tokens"] = json.dumps({**json.loads(held["tokens"]), "until": 2_000_000_000.0})
        words = [sys.executable, "-c", WORKER, double.origin, CLIENT_ID, str(tmp_path)]
        running = [
            subprocess.Popen([*words, name, json.dumps(held)], stdout=subprocess.PIPE, text=True)
            for name in ("one-practice", "another-practice")
        ]
        done = [int(process.communicate(timeout=60)[0].strip().splitlines()[-1]) for process in running]
        assert sum(done) == 20
        assert len([one for one in double.seen if one.request.path == "/api/users/current"]) == 20
        assert CLIENT_ID not in "".join(path.name for path in tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-02-01T09:12:44", "2026-02-01T14:12:44+00:00"),
        ("2026-02-01T09:12:44+01:00", "2026-02-01T08:12:44+00:00"),
        ("2026-03-08T02:30:00", "2026-03-08T07:30:00+00:00"),  # an hour that the clock leaves out
        ("2026-11-01T01:30:00", "2026-11-01T05:30:00+00:00"),  # one that it passes twice: the first
        ("yesterday", None),
        (None, None),
        (5, None),
    ],
)
def test_local_times_are_read_in_the_practices_zone(text: object, expected: str | None) -> None:
    """A time read in the wrong zone puts the form before or after another one."""
    read = local(text, ZoneInfo("America/New_York"))
    assert (read.isoformat() if read else None) == expected
    assert read is None or read.tzinfo is UTC
