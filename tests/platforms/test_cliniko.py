"""Cliniko: the conformance kit, the vendor's contract, and the platform's own traps."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from handrail.adapters.cliniko.reading import client_of, question_name, response_of, template_of
from handrail.adapters.cliniko.settings import ClinikoSettings, shard_of
from handrail.adapters.cliniko.spec import SPEC
from handrail.adapters.rounds import mark_of
from handrail.adapters.transport import Reply as Answered
from handrail.adapters.transport import Transport
from handrail.plugin_core.contracts import Ask, RemoteLine
from handrail.plugin_core.errors import Denied, NotTheApi, PlatformError, SettingsError
from handrail.plugin_core.instruments import builtin_one
from handrail.plugin_core.mapping import FormReader, own_mapping
from handrail.plugin_core.mapping.propose import propose
from handrail.plugin_core.testing import AdapterConformance, Filled, Reply, Request
from handrail.schemas.records import Client, Quarantined
from handrail.schemas.vocab import RemoteState
from hypothesis import given, settings
from hypothesis import strategies as st

from .contract import Contract, Exempt
from .doubles.cliniko import ClinikoDouble, text
from .odd import odd

ADA, BEN = "1250000000000000901", "1250000000000000902"
ONE = "1f" * 16


class TestCliniko(AdapterConformance):
    """What every adapter promises."""

    spec = SPEC
    double: ClinikoDouble

    def platform(self) -> ClinikoDouble:
        return ClinikoDouble()

    # --- the vendor's contract ----------------------------------------------------------------------------------

    def test_every_request_and_answer_keeps_the_contract(self) -> None:
        """A name misspelled in a request is ignored by the platform without a word, and found by nobody."""
        double = self.double
        self.fill(double.page_size + 2)
        therapist(double)
        adapter: Any = self.open(clinician_from="appointment")
        adapter.test()
        list(adapter.forms())
        pulled = self.pull_all(adapter)
        list(adapter.listing())
        adapter.fetch([*pulled.ids, "77"])
        list(adapter.clients([ADA, BEN, "77"]))
        adapter.publish(builtin_one("gr18"))
        self.double.change("patient_form_templates", list(double.tables["patient_form_templates"])[-1], content={})
        adapter.publish(builtin_one("gr18"))
        self._ask_and_withdraw(adapter)
        carrier = adapter.carrier("medical-alert")
        done = carrier.deliver(self.notice(ONE), None, None)
        carrier.deliver(self.notice(ONE, RemoteState.RETRACTED), done.remote_id, done.remote_version)
        carrier.find(ONE)
        Contract.openapi("cliniko.json", below="/v1", exempt=EXEMPT).ensure(double.seen, least=20)

    def _ask_and_withdraw(self, adapter: Any) -> None:
        sender = adapter.sender()
        asked = sender.ask(self.request())
        sender.withdraw(self.request(asked.remote_id))

    def request(self, remote_id: str | None = None) -> Ask:
        """A request to the first client."""
        due = self.clock.at
        return Ask(Client(ADA), builtin_one("gr18"), due, ONE, due + timedelta(days=14), remote_id=remote_id)

    # --- forms --------------------------------------------------------------------------------------------------

    def test_a_form_that_was_published_and_asked_for_is_read_without_asking(self) -> None:
        """Nobody is to confirm how Handrail's own questions are read; a wrong line would be a wrong score."""
        instrument = builtin_one("gr18")
        adapter: Any = self.open()
        made = adapter.publish(instrument)
        asked = adapter.sender().ask(self.request())
        content = self.double.tables["patient_forms"][asked.remote_id]["content"]
        for place, question in enumerate(content["sections"][0]["questions"]):
            options = question["answers"]
            options[place % len(options)]["selected"] = True
        self.double.change("patient_forms", asked.remote_id, content=content, completed_at=text(self.clock.at))
        form = self.pull_all(adapter).last(asked.remote_id)
        read = FormReader([own_mapping(instrument, "cliniko", made.form, made.questions)]).read(form)
        assert not isinstance(read, Quarantined)
        for place, item in enumerate(instrument.items):
            wanted = item.options[place % len(item.options)].value
            assert read["answers"][item.id] == ("declined" if wanted is None else wanted)

    def test_forms_of_one_second_over_the_edge_of_a_page_all_come(self) -> None:
        """The next page is asked for from that second: asked for after it, the rest of it would never come."""
        given = {*self.fill(3, apart=0.0)}
        self.clock.later(hours=1)
        given |= {*self.fill(self.double.page_size + 3, apart=0.0)}
        assert self.pull_all(self.open()).ids == given

    def test_two_questions_of_one_text_are_told_apart_by_their_section_or_place(self) -> None:
        """Questions have no ids; one answer read twice, or as the other's, would be a wrong score."""
        question = {"name": "How was it?", "type": "radiobuttons", "required": False}
        asked = [{**question, "answers": [{"value": "Bad"}, {"value": "Good", "selected": True}]}, dict(question)]
        content = {"sections": [{"name": "Now", "questions": asked}, {"name": "Before", "questions": [asked[0]]}]}
        self.double.put("patient_forms", self.double.form("Twice", ADA, content))
        self.double.put("patient_form_templates", {"name": "Twice", "content": content, "archived_at": None})
        adapter = self.open()
        lines = self.pull_all(adapter).responses[0].lines
        assert [line.question for line in lines] == [
            "now / how was it?",
            "now / how was it? #2",
            "before / how was it?",
        ]
        (form,) = [form for form in adapter.forms() if form.title == "Twice"]
        assert [one.question for one in form.questions] == [line.question for line in lines]

    def test_two_lines_that_fit_one_item_are_never_proposed_as_complete(self) -> None:
        """A form with one question twice is shown to a person, not mapped by itself."""
        instrument = builtin_one("gr18")
        adapter: Any = self.open()
        adapter.publish(instrument)
        (template,) = [row for row in self.double.tables["patient_form_templates"].values() if "gr18" in row["name"]]
        questions = template["content"]["sections"][0]["questions"]
        questions.append(questions[0])
        form = next(one for one in adapter.forms() if "gr18" in one.title)
        proposal = propose(form, [instrument])
        assert proposal is not None
        assert not proposal.complete

    def test_an_option_label_twice_is_a_problem_that_a_person_sees(self) -> None:
        """Answers bear the label alone: which of the two was ticked, nobody could tell."""
        instrument = builtin_one("gr18")
        adapter: Any = self.open()
        adapter.publish(instrument)
        (template,) = [row for row in self.double.tables["patient_form_templates"].values() if "gr18" in row["name"]]
        answers = template["content"]["sections"][0]["questions"][0]["answers"]
        answers[0]["value"] = answers[1]["value"]
        proposal = propose(next(one for one in adapter.forms() if "gr18" in one.title), [instrument])
        assert proposal is not None
        assert not proposal.complete
        assert proposal.guesses[0].problem

    def test_a_key_of_another_shard_says_where_the_shard_stands(self) -> None:
        """A key of another shard is a wrong key there, and nothing else tells why."""
        with pytest.raises(Denied, match="au1"):
            self.open(self.double.wrong_secrets()).test()

    def test_an_address_without_its_version_says_what_to_do(self) -> None:
        """A bare status 404 tells nobody that three letters are missing."""
        with pytest.raises(NotTheApi, match="/v1"):
            self.open(base_url=self.double.origin).test()

    def test_two_templates_of_one_name_are_not_offered_for_mapping(self) -> None:
        """An answered form names no template: which of the two it was, nobody could tell."""
        content: dict[str, Any] = {"sections": []}
        for _ in range(2):
            self.double.put("patient_form_templates", {"name": "Intake", "content": content, "archived_at": None})
        assert "Intake" not in [form.title for form in self.open().forms()]
        assert any("same name" in one for one in self.said)

    def test_markup_entities_and_a_free_option_are_read_as_people_see_them(self) -> None:
        """Cliniko's editor writes entities and markup; compared as they are, no answer would be known."""
        questions = [
            {"name": "Calmer &amp; <b>better</b>", "type": "paragraph", "answer": "<div>Yes &amp; no</div>"},
            {
                "name": "Who helped?",
                "type": "checkboxes",
                "answers": [{"value": "Friend", "selected": True}, {"value": "Family", "selected": True}],
                "other": {"enabled": True, "selected": True, "value": "A neighbour"},
            },
            {"name": "Signed", "type": "signature", "signature_id": "9"},
        ]
        content = {"sections": [{"name": None, "questions": questions}]}
        self.double.put("patient_forms", self.double.form("Odd", ADA, content))
        lines: tuple[RemoteLine, ...] = self.pull_all(self.open()).responses[0].lines
        assert lines[0].text == "Calmer & better"
        assert lines[0].answers[0].label == "Yes & no"
        assert [one.label for one in lines[1].answers] == ["Friend", "Family", "A neighbour"]
        assert lines[2].answers == ()

    def test_f52_a_letter_that_is_none_costs_one_answer_not_the_page(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The page could never be read, and no form behind it would ever come."""
        given = self.fill(3)
        real = Transport.exchange

        def sent_oddly(transport: Transport, *handed: Any, **more: Any) -> Answered:
            reply = real(transport, *handed, **more)
            return replace(reply, body=reply.body.replace(b"Often-kestrel", rb"Often\ud83d", 1))

        monkeypatch.setattr(Transport, "exchange", sent_oddly)
        assert self.pull_all(self.open()).ids == set(given)

    def test_ids_of_64_bits_stay_as_they_are(self) -> None:
        """Read as a number with a point, the last digits change and the form becomes another client's."""
        remote_id = self.double.add(Filled(ADA, (0, 1, 2)))
        row = self.double.tables["patient_forms"][remote_id]
        row["id"] = int(remote_id)  # as a number, too
        form = self.pull_all(self.open()).responses[0]
        assert form.id == remote_id
        assert len(remote_id) == 19
        assert form.client == ADA

    def test_f59_a_form_that_is_not_completed_yet_is_in_progress(self) -> None:
        """Reception opens a form before the client does; what stands in it then is no answer."""
        begun, done = self.double.add(Filled(ADA, (0, 1, 2))), self.double.add(Filled(BEN, (0, 1, 2)))
        self.double.tables["patient_forms"][begun]["completed_at"] = None
        adapter = self.open()
        assert self.pull_all(adapter).ids == {done}
        by_id = {one.id: one.status for one in adapter.fetch([begun, done]).responses}
        assert by_id == {begun: "in-progress", done: "completed"}

    def test_a_form_without_client_is_set_aside_and_the_others_go_on(self) -> None:
        """One broken row must not stop the practice's sync."""
        broken = self.double.add(Filled(ADA, (0, 1, 2)))
        whole = self.double.add(Filled(BEN, (0, 1, 2)))
        self.double.tables["patient_forms"][broken]["patient"] = {}
        done = self.pull_all(self.open())
        assert done.ids == {whole}
        assert done.set_aside == [broken]

    # --- people -------------------------------------------------------------------------------------------------

    def test_a_merged_patient_names_the_record_that_replaced_it(self) -> None:
        """Their course would else end, and a new one begin, in the middle of therapy."""
        self.double.change(
            "patients",
            ADA,
            archived_at=text(self.clock.at),
            merged_at=text(self.clock.at),
            merged_with_patient=self.double.link("patients", BEN),
        )
        found = {client.ref: client.replaced_by for client in self.open().clients([ADA, BEN])}
        assert found == {ADA: BEN, BEN: None}

    def test_the_therapist_is_the_practitioner_of_the_latest_appointment_only_where_set(self) -> None:
        """Cliniko's files name no therapist, and looking costs two requests a client."""
        practitioner = therapist(self.double)
        (plain,) = self.open().clients([ADA])
        assert plain.clinician is None
        assert not [one for one in self.double.seen if "appointments" in one.request.path]
        (known,) = self.open(clinician_from="appointment").clients([ADA])
        assert (known.clinician, known.clinician_name) == (practitioner, "Robin Ashgrove")

    # --- asking -------------------------------------------------------------------------------------------------

    def test_asking_gives_a_link_and_says_that_nothing_was_sent(self) -> None:
        """Who believes that Cliniko has sent it waits for ever."""
        adapter: Any = self.open()
        adapter.publish(builtin_one("gr18"))
        asked = adapter.sender().ask(self.request())
        assert not asked.sent
        assert asked.link
        assert asked.link.startswith("https://")
        reminded = adapter.sender().remind(self.request(asked.remote_id))
        assert reminded.refused
        assert "no reminders" in reminded.refused

    def test_two_due_days_never_share_one_open_form(self) -> None:
        """One answer would count for both: the second request would be taken for answered, and a form be missing."""
        adapter: Any = self.open()
        adapter.publish(builtin_one("gr18"))
        sender = adapter.sender()
        first = sender.ask(self.request())
        self.clock.later(days=28)
        self.double.lose_replies()
        second = sender.ask(self.request())
        assert second.remote_id != first.remote_id
        assert len(self.double.asks()) == 2, "after a lost reply the second was made twice, or not"
        self.double.heal()
        sender.withdraw(self.request())  # its id was lost: only what was made for it is taken back
        away = {name for name, row in self.double.tables["patient_forms"].items() if row.get("archived_at")}
        assert away == {second.remote_id}

    def test_an_answered_form_is_never_archived(self) -> None:
        """It was answered just before somebody opted out: the answers belong to the file."""
        adapter: Any = self.open()
        adapter.publish(builtin_one("gr18"))
        sender = adapter.sender()
        asked = sender.ask(self.request())
        self.double.change("patient_forms", asked.remote_id, completed_at=text(self.clock.at))
        sender.withdraw(self.request(asked.remote_id))
        assert not self.double.tables["patient_forms"][asked.remote_id].get("archived_at")

    # --- alerts -------------------------------------------------------------------------------------------------

    def test_an_alert_follows_a_client_whose_records_were_merged(self) -> None:
        """In the old record nobody would see it any more (F67)."""
        carrier = self.open().carrier("medical-alert")
        done = carrier.deliver(self.notice(ONE), None, None)
        moved = carrier.deliver(self.notice(ONE, client=BEN), done.remote_id, done.remote_version)
        standing = self.double.standing("medical-alert", mark_of(ONE))
        assert [row["id"] for row in standing] == [moved.remote_id]
        assert standing[0]["patient"]["links"]["self"].endswith(BEN)

    def test_an_alert_that_a_person_wrote_anew_is_theirs(self) -> None:
        """They made it their own words; archived by us, what they wrote would be lost (F86)."""
        carrier = self.open().carrier("medical-alert")
        done = carrier.deliver(self.notice(ONE), None, None)
        self.double.change("medical_alerts", str(done.remote_id), name="Talk with Kim first")
        closed = carrier.deliver(self.notice(ONE, RemoteState.INACTIVE), done.remote_id, done.remote_version)
        assert closed.human_edit
        assert not self.double.tables["medical_alerts"][str(done.remote_id)]["archived_at"]

    def test_a_prompt_stands_anew_where_archived_alerts_are_no_longer_shown(self) -> None:
        """No source says whether an archived alert can still be read by its id (doubt): taken for a person's hand, a
        prompt that holds after all would never be seen again."""
        carrier = self.open().carrier("medical-alert")
        done = carrier.deliver(self.notice(ONE), None, None)
        done = carrier.deliver(self.notice(ONE, RemoteState.RETRACTED), done.remote_id, done.remote_version)
        del self.double.tables["medical_alerts"][str(done.remote_id)]
        again = carrier.deliver(self.notice(ONE), done.remote_id, done.remote_version)
        assert not again.human_edit
        assert len(self.double.standing("medical-alert", mark_of(ONE))) == 1

    def test_doubles_of_an_alert_are_archived(self) -> None:
        """Two people at two computers may have pushed at once (F84a)."""
        adapter = self.open()
        carrier = adapter.carrier("medical-alert")
        carrier.deliver(self.notice(ONE), None, None)
        row = dict(next(iter(self.double.tables["medical_alerts"].values())))
        self.double.put("medical_alerts", {key: row[key] for key in ("name", "patient", "archived_at")})
        done = carrier.deliver(self.notice(ONE), None, None)
        assert done.doubles == 1
        assert len(self.double.standing("medical-alert", mark_of(ONE))) == 1

    def test_f18_pages_that_go_in_a_circle_end_the_listing_with_an_error(self) -> None:
        """Ended in silence, the forms behind the circle would be missing twice, and be withdrawn as deleted."""
        self.fill(self.double.page_size * 2)
        page = self.double._list

        def circle(request: Request, table: str) -> Reply:
            found = page(request, table)
            found.data["links"]["next"] = f"{self.double.origin}{request.path}?page=2"
            return found

        self.double._list = circle  # type: ignore[method-assign]
        with pytest.raises(PlatformError, match="in a circle"):
            list(self.open().listing())

    # --- keys and limits ----------------------------------------------------------------------------------------

    def test_f14_another_account_is_told_whatever_the_key_may_see(self) -> None:
        """A key with fewer rights is the same practice; another practice's answers must never join this one's."""
        known = self.open().test().fingerprint
        self.double.hidden = {"medical_alerts", "patient_form_templates", "patients"}
        assert self.open().test().fingerprint == known
        self.double.account = "78"
        assert self.open().test().fingerprint != known

    def test_f14_a_key_that_does_not_tell_its_account_is_refused(self) -> None:
        """Read without knowing whose forms they are, they could be anybody's."""
        self.double.hidden = {"settings"}
        with pytest.raises(Denied, match="whose account"):
            self.open().test()

    def test_a_key_without_a_right_says_which(self) -> None:
        """The key acts for its user; a front-desk user's key sees no forms."""
        self.double.hidden = {"medical_alerts"}
        identity = self.open().test()
        assert identity.can["medical-alert"] is False
        assert any("medical alerts" in note for note in identity.notes)
        self.double.hidden = {"patient_forms"}
        with pytest.raises(Denied, match="patient forms"):
            self.open().test()

    def test_two_hundred_requests_a_minute_are_not_passed(self) -> None:
        """Cliniko blocks accounts that ask on; the wait is ours, not theirs."""
        adapter = self.open()
        for _ in range(230):
            adapter.fetch(["77"])
        assert 0 < sum(self.clock.slept) <= 60


def therapist(double: ClinikoDouble) -> str:
    """Gives the first client an appointment; gives the practitioner's id."""
    practitioner = double.put("practitioners", {"first_name": "Robin", "last_name": "Ashgrove"})
    row = {
        "patient": double.link("patients", ADA),
        "practitioner": double.link("practitioners", practitioner),
        "starts_at": text(double.clock.at),
        "cancelled_at": None,
    }
    double.put("individual_appointments", row)
    return practitioner


EXEMPT: tuple[Exempt, ...] = ()


@pytest.mark.parametrize(
    ("key", "shard"), [("MS0xMjM-au2", "au2"), ("MS0xMjM", "au1"), ("a-b-uk1", "uk1"), ("x-ca12", "ca12")]
)
def test_the_shard_is_read_from_the_key(key: str, shard: str) -> None:
    """A key says itself where its account lives; one without an end belongs to the first shard."""
    assert shard_of(key) == shard


@pytest.mark.parametrize(
    "end", ["evil.example", "au2.evil.example/", "AU2", "", "au", "au123", "au2\n", "a\u0661\u0662"]
)
def test_a_key_cannot_lead_to_another_host(end: str) -> None:
    """What follows the last dash becomes part of the host to which the key is sent."""
    with pytest.raises(SettingsError, match="shard"):
        shard_of(f"MS0xMjM-{end}")


@pytest.mark.parametrize("mail", ["", "nobody", "a b@c.example", "a@b\r\nX-Header: 1", "a)@b.example"])
def test_the_contact_must_be_an_address(mail: str) -> None:
    """It goes into a header of every request, and Cliniko may block those without one."""
    found = ClinikoSettings().validate({"api_key": "file:x", "contact_email": mail})
    assert "contact_email" in found


RELATION = {"links": {"self": "https://api.au2.cliniko.com/v1/patients/7"}}
QUESTION = {
    "name": "How?",
    "type": "checkboxes",
    "answers": [{"value": "Well", "selected": True}],
    "other": {"enabled": True, "selected": True, "value": "So so"},
    "answer": "text",
}
ROW = {
    "id": "1",
    "name": "Form",
    "updated_at": "2026-02-01T09:12:44Z",
    "completed_at": "2026-02-01T09:12:44Z",
    "patient": RELATION,
    "merged_with_patient": RELATION,
    "first_name": "A",
    "content": {"sections": [{"name": "S", "questions": [QUESTION]}]},
}


@settings(max_examples=400, deadline=None)
@given(odd(ROW))
def test_nothing_that_comes_breaks_the_reading(row: dict[str, Any]) -> None:
    """One odd row must not end the sync of all: it is read, or set aside."""
    found = response_of(row)
    if not isinstance(found, Quarantined):
        assert found.id.isdigit()
        assert found.client.isdigit()
        assert all(answer.label is not None for line in found.lines for answer in line.answers)
    template_of(row)
    client_of(row, email=True)


@given(st.text(max_size=300), st.text(max_size=300))
def test_a_questions_name_always_fits(section: str, question: str) -> None:
    """A name that is too long to keep would make the mapping unreadable."""
    assert len(question_name(section, question)) <= 250
