"""Healthie: the conformance kit, the vendor's schema, and the platform's own traps."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from graphql import OperationDefinitionNode, parse
from graphql.utilities import value_from_ast_untyped
from handrail.adapters.healthie.carriers import key_in
from handrail.adapters.healthie.reading import client_of, response_of, template_of, ticked, time_of, unread
from handrail.adapters.healthie.spec import SPEC
from handrail.plugin_core.contracts import Ask, Hint, Refusal
from handrail.plugin_core.errors import Denied, PlatformError, Unreachable, Unsupported
from handrail.plugin_core.instruments import builtin_one
from handrail.plugin_core.mapping import FormReader, own_mapping
from handrail.plugin_core.testing import AdapterConformance, Filled, Reply
from handrail.schemas.records import Client, Quarantined
from handrail.schemas.vocab import QuarantineReason, RemoteState
from hypothesis import given, settings
from hypothesis import strategies as st

from .contract import Contract
from .doubles.healthie import TEMPLATE, HealthieDouble, text
from .odd import odd

ADA, BEN = "501", "502"
ONE, TWO = "1f" * 16, "2f" * 16


class TestHealthie(AdapterConformance):
    """What every adapter promises."""

    spec = SPEC
    double: HealthieDouble

    def platform(self) -> HealthieDouble:
        return HealthieDouble()

    def setup_method(self, method: object = None) -> None:
        """A fresh platform, whose form a person has mapped: only of such forms are answers read."""
        super().setup_method(method)
        self.confirmed[TEMPLATE] = ("kestrel", "1")

    # --- the vendor's schema ------------------------------------------------------------------------------------

    def test_every_query_and_answer_keeps_the_contract_put_together_from_the_vendors_pages(self) -> None:
        """A field that the schema does not have fails the whole query, and with it the practice's sync."""
        self.do_everything()
        Contract.graphql("healthie.graphql").ensure(self.double.seen, least=25)

    def do_everything(self) -> None:
        """Each query and each mutation at least once."""
        self.fill(self.double.page_size + 2)
        adapter: Any = self.open(assignee="31")
        adapter.test()
        list(adapter.forms())
        pulled = self.pull_all(adapter)
        list(adapter.listing())
        adapter.fetch([*pulled.ids, "77"])
        list(adapter.clients([ADA, BEN, "77"]))
        adapter.publish(builtin_one("gr18"))
        line = next(one for one in self.double.tables["modules"].values() if one["external_id"] == "G1")
        line["options_array"] = ["Other"]
        adapter.publish(builtin_one("gr18"))
        sender = adapter.sender()
        asked = sender.ask(self.request())
        sender.remind(self.request(asked.remote_id))
        sender.withdraw(self.request(asked.remote_id))
        for name in ("task", "tag"):
            carrier = adapter.carrier(name)
            done = carrier.deliver(self.notice(ONE), None, None)
            carrier.find(ONE)
            done = carrier.deliver(self.notice(ONE, RemoteState.INACTIVE), done.remote_id, done.remote_version)
            done = carrier.deliver(self.notice(ONE), done.remote_id, done.remote_version)
            carrier.deliver(self.notice(ONE, RemoteState.RETRACTED), done.remote_id, done.remote_version)

    def test_no_query_costs_more_than_the_platform_allows(self) -> None:
        """Over 2000 a query is refused, and the cost is counted as the vendor's page on limits shows."""
        self.do_everything()
        costs = {cost(one.request.json()) for one in self.double.seen}
        assert 500 < max(costs) < 2000

    def test_no_chat_message_is_ever_written(self) -> None:
        """What Healthie calls a note is a chat message: the client would read the prompt."""
        self.do_everything()
        assert not [one for one in self.double.seen if b"createNote" in one.request.body]

    def request(self, remote_id: str | None = None, key: str = ONE) -> Ask:
        """A request to the first client."""
        due = self.clock.at
        return Ask(Client(ADA), builtin_one("gr18"), due, key, due + timedelta(days=14), remote_id=remote_id)

    # --- forms --------------------------------------------------------------------------------------------------

    def test_answers_of_forms_that_nobody_mapped_are_not_even_asked_for(self) -> None:
        """Chart notes are forms, too: what Handrail does not need it does not read."""
        other = self.double.put("forms", {"name": "Chart note", "external_id": None, "external_id_type": None})
        line = self.double.module(other, "Session notes", None, "textarea")
        note = self.double.group(ADA, [(line, "a secret of the session")], other)
        ours = self.double.add(Filled(ADA, (0, 1, 2)))
        done = self.pull_all(self.open())
        assert done.last(note).lines == ()
        assert len(done.last(ours).lines) == 3
        assert not [one for one in self.double.seen if b"a secret" in one.reply.content()]

    def test_f59_a_form_that_is_not_finished_yet_is_in_progress(self) -> None:
        """Healthie keeps what a client has filled in so far; half an answer is none."""
        begun, done = self.double.add(Filled(ADA, (0, 1, 2))), self.double.add(Filled(BEN, (0, 1, 2)))
        self.double.change("groups", begun, finished=False)
        adapter = self.open()
        found = self.pull_all(adapter)
        assert [found.last(one).status for one in (begun, done)] == ["in-progress", "completed"]
        assert [one.status for one in adapter.fetch([begun]).responses] == ["in-progress"]

    def test_a_form_that_was_published_and_asked_for_is_read_without_asking(self) -> None:
        """Nobody is to confirm how Handrail's own questions are read; a wrong line would be a wrong score."""
        instrument = builtin_one("gr18")
        adapter: Any = self.open()
        made = adapter.publish(instrument)
        assert adapter.sender().ask(self.request()).sent
        self.confirmed[made.form] = instrument.key
        chosen = [
            (made.questions[item.id], item.options[place % len(item.options)].label)
            for place, item in enumerate(instrument.items)
        ]
        remote_id = self.double.group(ADA, chosen, made.form)
        form = self.pull_all(adapter).last(remote_id)
        read = FormReader([own_mapping(instrument, "healthie", made.form, made.questions)]).read(form)
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

    def test_several_ticks_where_one_is_meant_are_two_answers(self) -> None:
        """The reader sets such a line aside; the first of two would be a guess."""
        options = ["Alone", "With a friend, or two", "With family"]
        line = self.double.module(TEMPLATE, "How?", options, "checkbox")
        form = self.double.group(ADA, [(line, "Alone,With a friend, or two")])
        (one,) = (line for line in self.pull_all(self.open()).last(form).lines if line.answers)
        assert [answer.label for answer in one.answers] == ["Alone", "With a friend, or two"]

    def test_an_option_with_a_comma_is_one_answer(self) -> None:
        """Taken apart at commas it would be two answers, and the form set aside."""
        options = ["Never", "Sometimes, not often"]
        line = self.double.module(TEMPLATE, "How often?", options)
        form = self.double.group(ADA, [(line, "Sometimes, not often")])
        (one,) = (line for line in self.pull_all(self.open()).last(form).lines if line.answers)
        assert [answer.label for answer in one.answers] == ["Sometimes, not often"]

    def test_a_form_of_an_appointment_is_dated_by_when_it_was_made(self) -> None:
        """Its created_at is the time of service, which may lie in the future: the form would be set aside."""
        service = text(self.clock.at + timedelta(days=9))
        form = self.double.group(ADA, [], created_at=service, appointment={"id": "8"})
        assert self.pull_all(self.open()).last(form).authored == text(self.clock.at)

    def test_a_form_that_is_listed_and_not_given_is_set_aside_not_withdrawn(self) -> None:
        """A form that the platform holds back for a moment would else take its flag out of the chart."""
        held, whole = (self.double.add(Filled(ADA, (0, 1, 2))) for _ in range(2))
        self.double.held_back = {held}
        page = next(iter(self.open().pull(None)))
        assert [one.id for one in page.responses] == [whole]
        assert [one.remote_id for one in page.set_aside] == [held]
        assert not page.gone

    def test_a_form_without_client_is_set_aside_and_the_others_go_on(self) -> None:
        """One broken row must not stop the practice's sync."""
        broken, whole = self.double.group("", []), self.double.add(Filled(BEN, (0, 1, 2)))
        self.double.tables["groups"][broken]["user"] = None
        page = next(iter(self.open().pull(None)))
        assert [one.id for one in page.responses] == [whole]
        assert [one.reason for one in page.set_aside] == [QuarantineReason.NO_CLIENT]

    def test_a_merged_client_is_unknown_and_their_forms_come_under_the_other(self) -> None:
        """Healthie moves the forms and names no replacement: a full sync gives them to the record that is kept."""
        form = self.double.add(Filled(ADA, (0, 1, 2)))
        adapter = self.open()
        first = self.pull_all(adapter)
        self.double.tables["groups"][form]["user"] = BEN
        del self.double.tables["users"][ADA]
        assert [client.ref for client in adapter.clients([ADA, BEN])] == [BEN]
        assert first.last(form).client == ADA
        assert self.pull_all(adapter).last(form).client == BEN

    def test_clients_who_are_archived_have_names_and_a_provider(self) -> None:
        """Their course is still read, by the therapist who knows them."""
        self.double.close_client(ADA)
        (client,) = self.open().clients([ADA])
        assert (client.name, client.clinician, client.clinician_name) == ("Ada Kestrelmeier", "31", "Robin Ashgrove")
        assert client.email is None

    # --- asking -------------------------------------------------------------------------------------------------

    def test_healthie_reminds_of_the_open_request_and_of_no_other(self) -> None:
        """The client gets an e-mail by each: an answered request must bring none."""
        adapter: Any = self.open()
        adapter.publish(builtin_one("gr18"))
        sender = adapter.sender()
        asked = sender.ask(self.request())
        assert asked.remote_id
        assert sender.remind(self.request(asked.remote_id)).sent
        row = self.double.tables["requests"][asked.remote_id]
        assert row["reminders"] == 1
        row["answer"] = "90001"
        sender.remind(self.request(asked.remote_id))
        assert row["reminders"] == 1
        sender.withdraw(self.request(asked.remote_id))
        assert asked.remote_id in self.double.tables["requests"]

    def test_a_lost_reply_to_a_reminder_sends_no_second_e_mail(self) -> None:
        """One reminder too few is a lesser nuisance than two."""
        adapter: Any = self.open()
        adapter.publish(builtin_one("gr18"))
        sender = adapter.sender()
        asked = sender.ask(self.request())
        self.double.lose_replies()
        assert sender.remind(self.request(asked.remote_id)).sent
        assert self.double.tables["requests"][asked.remote_id]["reminders"] == 1

    def test_f84a_a_request_that_is_still_being_made_is_not_made_again(self) -> None:
        """Healthie makes requests in the background. After a lost answer the list does not have it yet: asked again at
        once, the client would get two e-mails for one form."""
        self.confirmed[TEMPLATE] = builtin_one("gr18").key
        adapter: Any = self.open()
        self.double.delay = timedelta(minutes=3)
        self.double.lose_replies()
        with pytest.raises(Unreachable, match="looks first"):
            adapter.sender().ask(self.request())
        self.double.heal()
        self.clock.later(minutes=10)
        assert adapter.sender().ask(self.request()).remote_id in self.double.tables["requests"]
        assert len(self.double.tables["requests"]) == 1

    def test_a_client_is_asked_by_the_form_that_the_practice_made_and_mapped(self) -> None:
        """A practice with a form of its own need not publish ours."""
        adapter: Any = self.open()
        with pytest.raises(Unsupported, match="handrail publish"):
            adapter.sender().ask(self.request())
        self.confirmed[TEMPLATE] = builtin_one("gr18").key
        assert adapter.sender().ask(self.request()).sent
        (row,) = self.double.tables["requests"].values()
        assert row["form"] == TEMPLATE
        assert row["skip_notification_email"] is False

    def test_clients_are_not_e_mailed_where_the_practice_said_so(self) -> None:
        """The practice tells its clients itself."""
        self.confirmed[TEMPLATE] = builtin_one("gr18").key
        adapter: Any = self.open(notify=False)
        adapter.sender().ask(self.request())
        (row,) = self.double.tables["requests"].values()
        assert row["skip_notification_email"] is True

    # --- tasks and tags -----------------------------------------------------------------------------------------

    def test_a_task_without_anybody_to_do_it_is_refused_in_words(self) -> None:
        """Assigned to nobody, it lands with whoever owns the key, and no clinician sees it."""
        self.double.tables["users"][ADA]["dietitian_id"] = None
        done = self.open().carrier("task").deliver(self.notice(ONE), None, None)
        assert done.refused
        assert "assignee" in done.refused
        done = self.open(assignee="44").carrier("task").deliver(self.notice(ONE), None, None)
        assert self.double.tables["tasks"][str(done.remote_id)]["assignee_ids"] == ["44"]

    @pytest.mark.parametrize("carrier", ["task", "tag"])
    def test_a_key_that_ended_takes_nothing_for_gone(self, carrier: str) -> None:
        """As a guest nobody sees any task or client, with status 200: a prompt that stands would count as taken back,
        and a new one as refused for good."""
        done = self.open().carrier(carrier).deliver(self.notice(ONE), None, None)
        ended = self.open(secrets={"api_key": "kestrel-ended"}).carrier(carrier)
        for state in RemoteState:
            with pytest.raises(Denied):
                ended.deliver(self.notice(ONE, state), done.remote_id, done.remote_version)
        assert self.standing(carrier)

    def test_a_task_that_a_person_ticked_off_stays_so(self) -> None:
        """They have seen to it (F86)."""
        carrier = self.open().carrier("task")
        done = carrier.deliver(self.notice(ONE), None, None)
        self.double.change("tasks", str(done.remote_id), complete=True)
        assert carrier.deliver(self.notice(ONE), done.remote_id, done.remote_version).human_edit
        assert self.double.tables["tasks"][str(done.remote_id)]["complete"] is True

    def test_prompts_follow_a_client_whose_records_were_merged(self) -> None:
        """In the old record nobody would see them any more (F67)."""
        for name in ("task", "tag"):
            carrier = self.open().carrier(name)
            done = carrier.deliver(self.notice(ONE), None, None)
            carrier.deliver(self.notice(ONE, client=BEN), done.remote_id, done.remote_version)
            assert [mark.client for mark in self.double.marks(name) if mark.active] == [BEN]

    def test_a_tag_that_the_practice_made_itself_is_used_not_made_again(self) -> None:
        """Two tags of one name, and nobody knows which to filter by."""
        made = self.double.put("tags", {"name": "Handrail: look before session"})
        self.open().carrier("tag").deliver(self.notice(ONE), None, None)
        assert list(self.double.tables["tags"]) == [made]

    def test_a_tag_that_does_not_go_is_said(self) -> None:
        """The reference leaves open which id takes a tag off; believed gone, it would stand for ever."""
        carrier = self.open().carrier("tag")
        done = carrier.deliver(self.notice(ONE), None, None)
        silent: dict[str, Any] = {"removeAppliedTag": {"tag": None, "messages": []}}
        self.double.plant(lambda _, __: Reply(200, {"data": silent}), on="write", times=1000)
        with pytest.raises(PlatformError, match="tag"):
            carrier.deliver(self.notice(ONE, RemoteState.RETRACTED), done.remote_id, done.remote_version)

    # --- webhooks -----------------------------------------------------------------------------------------------

    def hear(self, request: Any, **changed: Any) -> Hint | Refusal:
        """What the adapter makes of a webhook."""
        assert SPEC.webhook is not None
        return SPEC.webhook(self.context(**changed), request)

    @pytest.mark.parametrize("more", [{}, {"base64": True}, {"query": "a=1&b=2"}])
    def test_a_webhook_is_verified_as_the_vendor_documents_it(self, more: dict[str, Any]) -> None:
        """Signed text: method, path, query, digest, type and length, an absent query leaving its place empty."""
        heard = self.hear(self.double.webhook(**more))
        assert isinstance(heard, Hint)
        assert heard.pull
        assert heard.forms == ("90001",)

    def test_a_webhook_whose_body_or_path_was_changed_is_refused(self) -> None:
        """Each part of it is signed; unsigned, anybody could make us read whatever they like."""
        genuine = self.double.webhook()
        changed = [
            replace(genuine, body=genuine.body.replace(b"90001", b"90002")),
            replace(genuine, path="/hooks/other"),
            replace(genuine, query="x=1"),
            replace(genuine, method="GET"),
            replace(genuine, headers={**genuine.headers, "signature": "sig1="}),
            replace(genuine, headers={**genuine.headers, "content-digest": "SHA-256"}),
            replace(genuine, headers={}),
            replace(genuine, headers={**genuine.headers, "signature": "sig1=é" + "0" * 63}),
        ]
        for request in changed:
            heard = self.hear(request)
            assert isinstance(heard, Refusal)
            assert len(heard.reason.split()) > 4

    def test_the_other_reading_of_an_absent_query_is_a_setting(self) -> None:
        """The documentation leaves it open; the reading of its own example is the one that holds by itself."""
        genuine = self.double.webhook()
        assert isinstance(self.hear(genuine, webhook_blank_query="dropped"), Refusal)

    def test_without_a_secret_no_webhook_is_believed(self) -> None:
        """A practice that set none up has none."""
        assert SPEC.webhook is not None
        context = replace(self.context(), secret=lambda _: " ")
        assert isinstance(SPEC.webhook(context, self.double.webhook()), Refusal)

    def test_events_of_other_things_are_believed_but_nothing_is_pulled_for_them(self) -> None:
        """A busy practice sends thousands of events a day about appointments."""
        heard = self.hear(self.double.webhook(event_type="appointment.created"))
        assert isinstance(heard, Hint)
        assert not heard.pull
        assert heard.forms == ()
        merged = self.hear(self.double.webhook(event_type="patient.merged"))
        assert isinstance(merged, Hint)
        assert merged.pull


def cost(asked: dict[str, Any]) -> int:
    """Each field counts one, those in a connection as often as rows are asked for."""
    (operation,) = (one for one in parse(asked["query"]).definitions if isinstance(one, OperationDefinitionNode))
    given = asked["variables"]

    def of(node: Any, times: int) -> int:
        total = 0
        for one in node.selection_set.selections if node.selection_set else ():
            rows = [
                value_from_ast_untyped(told.value, given) for told in one.arguments or () if told.name.value == "first"
            ]
            total += times + of(one, times * (rows[0] if rows else 1))
        return total

    return of(operation, 1)


def test_a_time_with_blanks_is_read_as_one() -> None:
    """Healthie's guides show "2022-01-01 09:45:20 -0400" beside ISO 8601."""
    assert time_of("2022-01-01 09:45:20 -0400") == "2022-01-01T09:45:20-04:00"
    assert time_of("2026-02-01T09:12:44Z") == "2026-02-01T09:12:44Z"
    assert time_of(None) is None


_WORDS = st.text(st.characters(codec="ascii", categories=("L", "N", "P", "Z")), min_size=1, max_size=12).filter(
    lambda word: word.strip() == word and not set(word) & set(",;")
)


@given(st.lists(_WORDS, min_size=1, max_size=6, unique_by=str.lower), st.data())
def test_what_was_ticked_is_what_is_read(options: list[str], data: st.DataObject) -> None:
    """Of any options that were joined by commas exactly those are found again."""
    chosen = [option for option in options if data.draw(st.booleans())]
    if chosen:
        assert ticked(",".join(chosen), options) == chosen


@given(st.text(max_size=40), st.lists(st.text(max_size=10), max_size=5))
def test_ticks_are_never_guessed(answer: str, options: list[str]) -> None:
    """Whatever comes, what is read is options alone, or the whole text as it stands."""
    found = ticked(answer, options)
    assert found == [answer] or set(found) <= {option.strip() for option in options}


@pytest.mark.parametrize("metadata", [None, "", "{", "[]", 7, {"handrail": 1}, '{"other": "x"}', {"handrail": None}])
def test_metadata_of_others_is_no_key(metadata: object) -> None:
    """Others' programs write there, too."""
    assert key_in(metadata) is None


LINE = {"id": "7001", "label": "How?", "mod_type": "checkbox", "options_array": ["Well", "So so"], "position": 1.0}
ROW = {
    "id": "1",
    "name": "Form",
    "finished": True,
    "created_at": "2026-02-01T09:12:44Z",
    "updated_at": "2026-02-01 09:12:44 -0400",
    "user": {"id": "501"},
    "appointment": {"id": "8"},
    "custom_module_form": {"id": "77"},
    "form_answers": [{"custom_module_id": "7001", "label": "How?", "answer": "Well,So so", "custom_module": LINE}],
    "custom_modules": [LINE],
    "dietitian": {"id": "31", "full_name": "R"},
}


@settings(max_examples=400, deadline=None)
@given(odd(ROW))
def test_nothing_that_comes_breaks_the_reading(row: dict[str, Any]) -> None:
    """One odd row must not end the sync of all: it is read, or set aside."""
    found = response_of(row, None)
    if not isinstance(found, Quarantined):
        assert all(answer.label is not None for line in found.lines for answer in line.answers)
    unread(row)
    if isinstance(row.get("id"), str):  # the adapter reads no others
        template_of(row)
        client_of(row, email=True)
