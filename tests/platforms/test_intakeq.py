"""IntakeQ: the conformance kit, a third party's contract, and the platform's own traps."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from handrail.adapters.budget import Spent
from handrail.adapters.intakeq import settings
from handrail.adapters.intakeq.reading import form_of, response_of
from handrail.adapters.intakeq.spec import SPEC
from handrail.plugin_core.contracts import Ask, Hint, RemoteAnswer, RemoteResponse, WebhookRequest
from handrail.plugin_core.errors import Denied, NotTheApi, PlatformError, Unsupported
from handrail.plugin_core.instruments import builtin_one
from handrail.plugin_core.testing import AdapterConformance
from handrail.schemas.records import Client
from handrail.schemas.vocab import RemoteState
from hypothesis import given as over
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from .contract import Contract, Exempt
from .doubles.base import Filled, Reply
from .doubles.intakeq import FORM, NAMES, TAG, TOKEN, IntakeqDouble

ADA, BEN = NAMES
ONE = "1f" * 16
WORDS = (
    "Id",
    "Text",
    "QuestionType",
    "Rows",
    "Answers",
    "ColumnNames",
    "Answer",
    "OfferedAnswers",
    "OfficeUse",
    "Matrix",
)
ARTICLE = "the third party's file leaves it out; the vendor's help article 251 (client API) has it"
EXEMPT = (
    Exempt("GET /api/v1/clients/profile/42", "no such operation", ARTICLE),
    Exempt("GET /api/v1/clients/profile/43", "no such operation", ARTICLE),
    Exempt("GET /practitioners", "no query includeInactive", ARTICLE),
)


class TestIntakeq(AdapterConformance):
    """What every adapter promises."""

    spec = SPEC
    double: IntakeqDouble

    def platform(self) -> IntakeqDouble:
        return IntakeqDouble()

    def setup_method(self, method: object = None) -> None:
        super().setup_method(method)
        self.confirmed[FORM] = ("gr18", "1")

    @pytest.fixture(autouse=True)
    def _small_pages(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The double's pages hold five rows instead of a hundred."""
        monkeypatch.setattr(settings, "PAGE_ROWS", IntakeqDouble.page_size)

    def test_a_request_is_taken_back(self) -> None:
        """IntakeQ has no way to take one back: that must be said, or a person relies on it."""
        sender = self._sender()
        asked = sender.ask(self._ask())
        with pytest.raises(Unsupported, match="Delete it there"):
            sender.withdraw(replace(self._ask(), remote_id=asked.remote_id))
        sender.withdraw(replace(self._ask("5f" * 16), client=Client(BEN)))  # nothing there: nothing to do

    # --- the contract -----------------------------------------------------------------------------------------------

    def test_every_request_and_answer_keeps_the_third_party_contract(self) -> None:
        """What the double takes IntakeQ must take, as far as a third party's reading of the help articles tells."""
        self.fill(4)
        adapter: Any = self.open()
        adapter.test()
        list(adapter.forms())
        first = self.pull_all(adapter)
        self.clock.later(days=2)
        self.pull_all(adapter, first.cursor)
        list(adapter.listing())
        adapter.fetch([first.responses[0].id])
        list(adapter.clients([ADA, BEN]))
        sender = adapter.sender()
        asked = sender.ask(self.request())
        sender.remind(self.request(asked.remote_id))
        carrier = adapter.carrier("tag")
        done = carrier.deliver(self.notice(ONE), None, None)
        carrier.find(ONE)
        carrier.deliver(self.notice(ONE, RemoteState.RETRACTED), done.remote_id, done.remote_version)
        Contract.openapi("intakeq.yaml", below="/api/v1", exempt=EXEMPT).ensure(self.double.seen, least=20)

    def request(self, remote_id: str | None = None, client: str = ADA) -> Ask:
        """A request to a client, due today."""
        due = self.clock.at
        return Ask(Client(client), builtin_one("gr18"), due, ONE, due + timedelta(days=14), remote_id=remote_id)

    # --- whose account ------------------------------------------------------------------------------------------------

    def test_f14_another_accounts_key_stops_the_sync(self) -> None:
        """Clients have small numbers in each account: tags would be put on clients of another practice."""
        self.fill(2)
        first = self.pull_all(self.open())
        self.double.intakes.clear()
        self.double.forms[:] = [{**self.double.forms[0], "Id": "5e00bb"}]
        adapter = self.open()
        with pytest.raises(NotTheApi, match="another one than before"):
            list(adapter.pull(first.cursor))
        self.confirmed["5e00bb"] = ("gr18", "1")  # the practice made its questionnaire anew, and mapped it
        assert not self.pull_all(adapter, first.cursor).error

    def test_a_quiet_week_is_no_other_account(self) -> None:
        """Nothing was filled in, or nothing that is mapped; an archived questionnaire is still the practice's."""
        self.double.forms[0]["Archived"] = True
        assert not self.pull_all(self.open()).responses
        self.confirmed.clear()
        before = len(self.double.seen)
        assert not self.pull_all(self.open()).responses
        assert not [one for one in self.double.seen[before:] if one.request.path.endswith("/questionnaires")]

    # --- reading ----------------------------------------------------------------------------------------------------

    def matrix(self, *cells: object) -> RemoteResponse:
        """An intake with a matrix of one row, whose cells are these."""
        question = {
            "Id": "q2",
            "Text": "Rate each",
            "QuestionType": "Matrix",
            "ColumnNames": ["0", "1", "2"],
            "Rows": [{"Text": "I call between sessions", "Answers": list(cells)}],
        }
        remote_id = self.double.put(ADA, [question])
        return self.pull_all(self.open()).last(remote_id)

    @pytest.mark.parametrize(
        ("cells", "labels"),
        [
            (("", "", "X"), ("2",)),
            (("", "true", ""), ("1",)),
            (("false", "False", "2"), ("2",)),
            ((None, "", ""), ()),
            ((), ()),
            (("x", "", "x"), ("0", "2")),
            (("", "", "", "x"), ("#4",)),
        ],
    )
    def test_a_matrix_is_read_by_any_mark_and_two_marks_are_two_answers(
        self, cells: tuple[object, ...], labels: tuple[str, ...]
    ) -> None:
        """How a cell is marked is documented nowhere (doubt); two marks in a row are set aside by the core."""
        (line,) = self.matrix(*cells).lines
        assert line.text == "I call between sessions"
        assert line.answers == tuple(RemoteAnswer(label=label) for label in labels)

    def test_two_rows_of_one_text_are_two_answers_on_one_line(self) -> None:
        """A row has no id; read in their order, a row put in between would shift all answers by one."""
        rows = [{"Text": "Same", "Answers": ["x", ""]}, {"Text": " SAME ", "Answers": ["", "x"]}]
        self.double.put(ADA, [{"Id": "q2", "QuestionType": "Matrix", "ColumnNames": ["0", "1"], "Rows": rows}])
        lines = self.pull_all(self.open()).responses[0].lines
        assert len({line.question for line in lines}) == 1
        assert len(lines) == 2

    @pytest.mark.parametrize(
        ("answer", "labels"),
        [
            ("Often", ("Often",)),
            ("Never; Often", ("Never", "Often")),
            ("Never, Often", ("Never", "Often")),
            (["Never", "Often"], ("Never", "Often")),
            ("Never, now and then", ("Never, now and then",)),
            ("", ()),
            (None, ()),
        ],
    )
    def test_several_ticks_are_several_answers(self, answer: object, labels: tuple[str, ...]) -> None:
        """How IntakeQ joins them is not documented (doubt); only offered labels are taken apart."""
        question = {"Id": "q1", "Text": "How?", "QuestionType": "MultipleChoice", "Answer": answer}
        self.double.put(ADA, [{**question, "OfferedAnswers": ["Never", "Often", "Never, now and then"]}])
        (line,) = self.pull_all(self.open()).responses[0].lines
        assert line.answers == tuple(RemoteAnswer(label=label) for label in labels)

    def test_what_the_office_noted_is_no_answer_of_the_client(self) -> None:
        """Office-use questions stand in the same list."""
        question = {"Id": "q9", "Text": "Office", "QuestionType": "OpenQuestion", "Answer": "HIGH", "OfficeUse": True}
        self.double.put(ADA, [question])
        assert not self.pull_all(self.open()).responses[0].lines

    @pytest.mark.parametrize(("status", "finished"), [("Completed", True), ("Submitted", True), ("Partial", False)])
    def test_submitted_and_completed_are_finished(self, status: str, finished: bool) -> None:
        """Some public code knows the one word, some the other (doubt)."""
        (form,) = self.fill(1)
        self.double.intakes[form]["Status"] = status
        (response,) = self.open().fetch([form]).responses
        assert (response.status == "completed") is finished

    def test_a_questionnaire_shows_its_questions_only_once_it_was_answered(self) -> None:
        """Templates are not exposed: a practice has to be told to fill the form in once."""
        adapter = self.open()
        (form,) = adapter.forms()
        assert not form.questions
        assert any("Fill those that are to be mapped in once" in said for said in self.said)
        self.fill(1)
        (form,) = self.open().forms()
        assert len(form.questions) == 3

    def test_an_intake_that_is_listed_and_not_given_is_no_deletion(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Taken for deleted, an answered form would leave its course without a word."""
        (form,) = self.fill(1)
        listed = self.double.intakes[form]
        self.double.intakes[form] = {**listed, "Id": "another"}
        monkeypatch.setattr(self.double, "_summary", lambda _: Reply(200, [listed]))
        got = self.pull_all(self.open())
        assert not got.gone
        assert not got.responses
        assert list(got.set_aside) == [form]

    def test_f18_a_list_without_an_end_stops_with_an_error(self) -> None:
        """An IntakeQ that takes no notice of the page's number gives the first for ever: the whole day's requests."""
        self.fill(5)
        answer = self.double._page
        self.double._page = lambda found, request: answer(  # type: ignore[method-assign]
            found, replace(request, query=tuple(pair for pair in request.query if pair[0] != "page"))
        )
        before = len(self.double.seen)
        with pytest.raises(PlatformError, match="in a circle"):
            list(self.open().listing())
        assert len(self.double.seen) - before <= 2

    @pytest.mark.parametrize("filters", [True, False])
    def test_f4_what_still_stands_is_not_deleted_because_a_filter_is_ignored(self, filters: bool) -> None:
        """That intakes can be asked for by `deletedOnly` is a third party's word: an IntakeQ that takes no notice of it
        lists all there are, and each form of the last days would be withdrawn with its prompts."""
        kept, gone = self.fill(2)
        first = self.pull_all(self.open())
        answer = self.double._summary
        if not filters:
            self.double._summary = lambda request: answer(  # type: ignore[method-assign]
                replace(request, query=tuple(pair for pair in request.query if pair[0] != "deletedOnly"))
            )
        self.double.delete(gone)
        again = self.pull_all(self.open(), first.cursor)
        assert list(again.gone) == ([gone] if filters else [])
        assert kept not in again.gone

    def test_a_wrong_key_says_where_the_right_one_stands(self) -> None:
        """The owner alone sees it, under a menu that nobody finds by chance."""
        with pytest.raises(Denied, match="Developer API"):
            self.open(secrets={"api_key": "kestrel-wrong"}).test()

    def test_a_reminder_whose_answer_is_lost_is_not_sent_twice(self) -> None:
        """Nothing at IntakeQ shows that an e-mail went out: tried again, the client would have it twice."""
        sender = self._sender()
        asked = sender.ask(self.request())
        self.double.lose_replies()
        done = sender.remind(replace(self.request(asked.remote_id), reminder=1))
        assert done.sent
        assert len(self.double.sent) == 1

    def test_the_client_is_named_in_two_ways(self) -> None:
        """Lists say ClientNumber, profiles ClientId."""
        (form,) = self.fill(1)
        row = self.double.intakes[form]
        row["ClientNumber"] = row.pop("ClientId")
        assert response_of(row).client == ADA  # type: ignore[union-attr]

    @over(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
            lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=6),
            max_leaves=20,
        )
    )
    @hypothesis_settings(max_examples=200, deadline=None)
    def test_no_intake_breaks_the_reading(self, odd: object) -> None:
        """A vendor may send anything; one odd intake must not end the run of all."""
        row = {"Id": "1", "ClientId": 42, "Questions": odd, "DateSubmitted": odd, "Status": odd}
        response_of(row)
        form_of({"Id": "f", "Name": odd}, [row, row])

    # --- the day's requests -----------------------------------------------------------------------------------------

    def test_only_mapped_questionnaires_cost_a_request_each(self) -> None:
        """A practice's other forms would use up the day."""
        self.fill(2)
        self.double.put(ADA, [], form="5e00cc")
        assert len(self.pull_all(self.open()).responses) == 2
        details = [one for one in self.double.seen if one.request.path.startswith("/api/v1/intakes/65")]
        assert len(details) == 2

    def test_a_backlog_is_read_over_several_days(self) -> None:
        """600 intakes at 500 requests a day: what was read yesterday is not read again, and nothing is lost."""
        given = self.fill(60, apart=1.0)
        limits: Any = {"daily_limit": 50, "minute_limit": 50, "kept_for_prompts": 10}
        read: set[str] = set()
        cursor = None
        for _ in range(8):
            got = self.pull(self.open(**limits), cursor)
            assert not read & got.ids, "an intake was read twice though requests are scarce"
            read |= got.ids
            cursor = got.cursor
            if got.error is None:
                break
            assert isinstance(got.error, Spent)
            self.clock.later(days=1)
        assert read == set(given)
        assert cursor is not None
        assert not [remote_id for remote_id in given if remote_id in (cursor.token or "")], "an id lies in the cursor"

    def test_what_stands_in_the_window_is_not_read_at_each_run(self) -> None:
        """Two days of intakes at each hourly run would be the whole day's requests."""
        self.fill(3)
        first = self.pull_all(self.open())
        self.clock.later(minutes=10)
        before = len(self.double.seen)
        again = self.pull_all(self.open(), first.cursor)
        assert not again.responses
        assert len(self.double.seen) - before == 2  # the list, and the list of what was deleted

    def test_f60_a_correction_is_read_though_a_run_each_quarter_of_an_hour_lists_half_the_day_away(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A row of the list looks the same after its intake was corrected: nothing but reading it anew shows it."""
        monkeypatch.setattr(settings, "PAGE_ROWS", 100)
        monkeypatch.setattr(self.double, "page_size", 100)
        limits: Any = {"daily_limit": 500, "minute_limit": 10, "kept_for_prompts": 60}
        cursor, corrected = None, ""
        read: set[str] = set()
        for run in range(3 * 96):
            if run == 97:
                corrected = self.double.add(Filled(ADA, (0, 1, 2)))
            elif run % 24 == 0:
                self.double.add(Filled(BEN, (0, 1, 2)))
            if run == 110:
                read.clear()
                self.double.amend(corrected, Filled(ADA, (2, 1, 0)))
            got = self.pull(self.open(**limits), cursor)
            assert got.error is None
            cursor, read = got.cursor, read | got.ids
            self.clock.later(minutes=15)
        assert corrected in read

    def test_the_tag_goes_from_a_chart_in_the_archive_too(self) -> None:
        """A client who comes back would bear a tag for which no prompt stands, and nothing would ever take it off."""
        carrier = self.open().carrier("tag")
        done = carrier.deliver(self.notice(ONE), None, None)
        self.double.close_client(ADA)
        back = carrier.deliver(self.notice(ONE, RemoteState.RETRACTED), done.remote_id, done.remote_version)
        assert back.refused is None
        assert not self.standing("tag")

    def test_the_tag_moves_from_a_record_that_was_merged_away(self) -> None:
        """The old record is gone: taking its tag off is refused, and must not hold the prompt up for ever (F67)."""
        carrier = self.open().carrier("tag")
        done = carrier.deliver(self.notice(ONE), None, None)
        del self.double.people[ADA]
        moved = carrier.deliver(self.notice(ONE, client=BEN), done.remote_id, done.remote_version)
        assert moved.remote_id == BEN
        assert self.standing("tag", BEN)

    def test_reading_leaves_requests_for_prompts(self) -> None:
        """A prompt that is wrong must be taken back today, not tomorrow."""
        adapter = self.open(daily_limit=20, minute_limit=100, kept_for_prompts=10)
        for _ in range(10):
            adapter.test()
        with pytest.raises(Spent):
            adapter.test()
        done = adapter.carrier("tag").deliver(self.notice(ONE), None, None)
        assert done.refused is None
        assert self.standing("tag")

    def test_ten_a_minute_are_waited_for_and_not_refused(self) -> None:
        """The platform never has to say no."""
        adapter = self.open(minute_limit=10)
        for _ in range(12):
            adapter.test()
        assert 55 <= sum(self.clock.slept) <= 65

    def test_the_budget_outlives_the_run(self) -> None:
        """A scheduled run each quarter of an hour is a new process each time."""
        limits: Any = {"daily_limit": 20, "minute_limit": 100, "kept_for_prompts": 10}
        for _ in range(10):
            self.open(**limits).test()
        with pytest.raises(Spent):
            self.open(**limits).test()

    # --- sending ----------------------------------------------------------------------------------------------------

    def test_a_reminder_goes_out_by_the_platform(self) -> None:
        """`resend`, by e-mail."""
        sender = self._sender()
        asked = sender.ask(self.request())
        assert sender.remind(self.request(asked.remote_id)).sent
        assert self.double.sent == [{"IntakeId": asked.remote_id, "DeliveryMethod": "email"}]

    def test_an_old_request_is_not_taken_for_the_new_one(self) -> None:
        """The client would never be asked again."""
        sender = self._sender()
        first = sender.ask(self.request())
        self.clock.later(days=28)
        second = sender.ask(self.request())
        assert second.remote_id not in (None, first.remote_id)

    def test_without_a_mapped_questionnaire_nobody_is_asked(self) -> None:
        """Another questionnaire in its place would be a wrong form."""
        self.confirmed.clear()
        with pytest.raises(Unsupported, match="handrail connect intakeq"):
            self._sender().ask(self.request())
        self.confirmed.update({FORM: ("gr18", "1"), "other": ("gr18", "1")})
        with pytest.raises(Unsupported, match="Several questionnaires"):
            self._sender().ask(self.request())

    def test_a_client_in_the_archive_is_refused_with_a_reason(self) -> None:
        """And not tried again each night."""
        self.double.close_client(ADA)
        assert "e-mail address" in (self._sender().ask(self.request()).refused or "")

    # --- tag --------------------------------------------------------------------------------------------------------

    def test_other_tags_stay(self) -> None:
        """They are the practice's."""
        self.double.people[ADA]["Tags"].append("VIP")
        carrier = self.open().carrier("tag")
        done = carrier.deliver(self.notice(ONE), None, None)
        carrier.deliver(self.notice(ONE, RemoteState.INACTIVE), done.remote_id, done.remote_version)
        assert self.double.people[ADA]["Tags"] == ["VIP"]

    def test_the_tag_moves_with_a_merged_client(self) -> None:
        """It would else stand on a record that nobody opens (F67)."""
        carrier = self.open().carrier("tag")
        done = carrier.deliver(self.notice(ONE), None, None)
        moved = carrier.deliver(self.notice(ONE, client=BEN), done.remote_id, done.remote_version)
        assert moved.remote_id == BEN
        assert (self.double.people[ADA]["Tags"], self.double.people[BEN]["Tags"]) == ([], [TAG])

    # --- webhook ----------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"[]",
            b"{",
            b'{"NoteId": "1", "Type": "Note Locked", "ClientId": 42}',
            b'{"IntakeId": "1", "Type": "Intake Sent"}',
            b'{"IntakeId": "1", "Type": "Intake Submitted", "Url": "https://evil.example"}',
            b'{"IntakeId": "' + b"1" * 5000 + b'", "Type": "Intake Submitted"}',
        ],
    )
    def test_only_the_documented_shape_is_believed(self, body: bytes) -> None:
        """Each accepted one costs a request of five hundred."""
        assert not isinstance(self._hear(replace(self.double.webhook(), body=body)), Hint)

    def test_the_token_may_stand_in_the_query_too_and_is_never_told(self) -> None:
        """Some people paste it behind a question mark."""
        request = replace(self.double.webhook(), path="/hook", query=TOKEN)
        assert isinstance(self._hear(request), Hint)
        assert TOKEN not in repr(self._hear(request))

    def test_a_short_token_is_refused(self) -> None:
        """It could be guessed."""
        request = replace(self.double.webhook(), path="/hook/abc")
        assert self.spec.webhook is not None
        assert not isinstance(self.spec.webhook(self.context({"webhook_token": "abc"}), request), Hint)

    def _hear(self, request: WebhookRequest) -> object:
        assert self.spec.webhook is not None
        return self.spec.webhook(self.context(), request)
