"""OpenEMR: the conformance kit, OpenEMR's own contract, and the platform's own traps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from handrail.adapters.openemr.settings import SYSTEM_SCOPES, OpenEmrSettings
from handrail.adapters.openemr.spec import SPEC
from handrail.adapters.transport import Transport
from handrail.plugin_core.errors import Unreachable, Unsupported
from handrail.plugin_core.testing import AdapterConformance, Filled
from handrail.schemas.vocab import RemoteState

from .contract import Contract, Exempt
from .doubles.base import Reply, Request
from .doubles.openemr import ADA, BEN, CLIENT_ID, WHO, OpenEmrDouble

ONE = "1f" * 16
UNSAID = "the file lists _id only; the code takes patient, questionnaire and authored as well (its source, section 9.5)"
CREATED = "the file says 200, the code answers 201 with the message's id"
EXEMPT = (
    Exempt("GET /fhir/QuestionnaireResponse", "no query authored", UNSAID),
    Exempt("POST /api/patient/{pid}/message", "Unknown response http status: 201", CREATED),
)


class TestOpenEmr(AdapterConformance):
    """What every adapter promises."""

    spec = SPEC
    double: OpenEmrDouble

    def platform(self) -> OpenEmrDouble:
        return OpenEmrDouble()

    def test_a_lost_reply_makes_no_second_prompt(self) -> None:
        """Messages cannot be read back, so that "once" and "surely" cannot both be had: it stands once at most, and
        where nobody knows a person is told to look (kit's test, as far as OpenEMR allows it)."""
        carrier = self.open().carrier("message")
        self.double.lose_replies()
        lost = carrier.deliver(self.notice(ONE), None, None)
        assert "cannot be read back" in (lost.refused or "")
        again = self.open().carrier("message").deliver(self.notice(ONE), None, None)
        assert "cannot be read back" in (again.refused or "")
        assert len(self.double.messages) == 1
        back = self.open().carrier("message").deliver(self.notice(ONE, RemoteState.RETRACTED), None, None)
        assert back.refused, "what may stand there is not said to be taken back"

    # --- the contract -----------------------------------------------------------------------------------------------

    def test_every_request_and_answer_keeps_the_contract(self) -> None:
        """What the double takes, OpenEMR must take."""
        self.fill(3)
        adapter = self.open()
        adapter.test()
        list(adapter.forms())
        first = self.pull_all(adapter)
        self.pull_all(adapter, first.cursor)
        list(adapter.listing())
        adapter.fetch([first.responses[0].id])
        list(adapter.clients([f"Patient/{ADA}"]))
        carrier = adapter.carrier("message")
        done = carrier.deliver(self.notice(ONE, clinician=f"Practitioner/{WHO}"), None, None)
        for state in (RemoteState.INACTIVE, RemoteState.ACTIVE, RemoteState.RETRACTED):
            done = carrier.deliver(self.notice(ONE, state), done.remote_id, done.remote_version)
        seen = [one for one in self.double.seen if one.request.path.startswith("/apis/")]
        # FHIR resources are not described in the file, only that they are objects: hence closed=False.
        Contract.openapi("openemr-api.yaml", below="/apis/default", exempt=EXEMPT, closed=False).ensure(seen, least=15)

    # --- reading ----------------------------------------------------------------------------------------------------

    def test_the_time_of_the_request_is_no_time_of_change(self) -> None:
        """OpenEMR stamps `meta.lastUpdated` with the time of each answer: each form would be new at each run."""
        self.fill(1)
        adapter = self.open()
        first = self.pull_all(adapter)
        self.clock.later(hours=5)
        again = self.pull_all(adapter, first.cursor)
        assert [form.updated for form in (*first.responses, *again.responses)] == [None, None]
        assert again.responses == first.responses
        assert first.cursor is not None
        assert first.cursor.since is not None
        assert first.cursor.since < self.clock.at

    def test_f7_a_form_dated_later_than_the_platforms_clock_moves_the_cursor_no_further(self) -> None:
        """A tablet whose clock is a year ahead would hide all other forms for a year."""
        now = self.clock.at
        self.clock.later(days=300)
        (early,) = self.fill(1)
        self.clock.at = now
        (given,) = self.fill(1)
        done = self.pull_all(self.open())
        assert done.ids == {early, given}
        assert done.cursor is not None
        assert done.cursor.since is not None
        assert done.cursor.since <= self.clock.at

    def test_f7_without_the_platforms_clock_no_time_moves_the_cursor(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A form dated into the year 2999 would hide all others from then on."""
        monkeypatch.setattr(self.double, "told", lambda: "")
        (given,) = self.fill(1)
        done = self.pull_all(self.open())
        assert done.ids == {given}
        assert done.cursor is not None
        assert done.cursor.since is None

    def test_a_form_begun_earlier_and_finished_later_comes(self) -> None:
        """Its `authored` stays that of the beginning."""
        begun = self.double.add(Filled(f"Patient/{ADA}", (0, None, None)), "in-progress")
        first = self.pull_all(self.open())
        assert first.last(begun).status == "in-progress"
        self.clock.later(days=5)
        self.fill(1)
        first = self.pull_all(self.open(), first.cursor)
        self.double.amend(begun, Filled(f"Patient/{ADA}", (0, 1, 2)))
        assert self.pull_all(self.open(), first.cursor).last(begun).status == "amended"

    def test_a_questionnaire_is_known_by_any_of_its_names(self) -> None:
        """An answer names the record's id or the form's own (doubt); the mapping must find it under both."""
        (form,) = self.open().forms()
        self.double.add(Filled(f"Patient/{ADA}", (0, 1, 2)))
        self.double.named_by = "kestrel-form"
        self.double.add(Filled(f"Patient/{ADA}", (0, 1, 2)))
        assert {one.form for one in self.pull_all(self.open()).responses} == {form.form}

    def test_no_count_is_sent(self) -> None:
        """OpenEMR's searches break with it (its issue 12330); the double fails on it."""
        self.test_every_request_and_answer_keeps_the_contract()
        assert not [one for one in self.double.seen if one.request.one("_count")]

    def test_an_openemr_without_filled_in_questionnaires_says_so(self) -> None:
        """Before late 2025 there is no such route; the version number does not tell."""
        adapter = self.open()
        handle = self.double.handle

        def older(request: Any) -> Any:
            reply = handle(request)
            return replace(reply, status=404) if "QuestionnaireResponse" in request.path else reply

        self.double.handle = older  # type: ignore[method-assign]
        with pytest.raises(Unsupported, match="versions from late 2025"):
            adapter.test()

    # --- messages ---------------------------------------------------------------------------------------------------

    def test_a_message_goes_to_the_clients_clinician_else_to_the_settings_user(self) -> None:
        """A message to nobody is read by nobody."""
        for clinician, user, key in ((f"Practitioner/{WHO}", "drdoe", "1f"), (None, "thea", "2f")):
            adapter = self.open()
            done = adapter.carrier("message").deliver(self.notice(key * 16, clinician=clinician), None, None)
            assert self.double.messages[str(done.remote_id).partition("/")[2]]["to"] == user

    def test_a_message_to_nobody_is_refused_with_what_to_do(self) -> None:
        """And not sent to whoever comes first."""
        settings = {name: value for name, value in self.loaded().items() if name != "messages_to"}
        adapter = self.spec.open(replace(self.context(), settings=settings))
        assert "messages_to" in (adapter.carrier("message").deliver(self.notice(ONE), None, None).refused or "")

    def test_a_message_is_closed_and_then_taken_back(self) -> None:
        """Done for what was overcome, deleted for what was an error."""
        carrier = self.open().carrier("message")
        done = carrier.deliver(self.notice(ONE), None, None)
        done = carrier.deliver(self.notice(ONE, RemoteState.INACTIVE), done.remote_id, done.remote_version)
        assert [row["message_status"] for row in self.double.messages.values()] == ["Done"]
        done = carrier.deliver(self.notice(ONE, RemoteState.RETRACTED), done.remote_id, done.remote_version)
        assert not self.double.messages

    def test_a_run_that_is_ended_in_mid_request_sends_no_second_message(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Ctrl-C while the answer is awaited: the message may stand there already, and cannot be looked for."""
        exchange = Transport.exchange

        def ended(self: Transport, method: str, url: str, **more: Any) -> Any:
            reply = exchange(self, method, url, **more)
            if method == "POST" and url.endswith("/message"):
                raise KeyboardInterrupt
            return reply

        monkeypatch.setattr(Transport, "exchange", ended)
        with pytest.raises(KeyboardInterrupt):
            self.open().carrier("message").deliver(self.notice(ONE), None, None)
        monkeypatch.undo()
        again = self.open().carrier("message").deliver(self.notice(ONE), None, None)
        assert "cannot be read back" in (again.refused or "")
        assert len(self.double.messages) == 1

    @pytest.mark.parametrize("body", [b"", b'<br />Warning: PHP notice {"mid": 5}', b'{"data": []}', b"[7]"])
    def test_f84a_a_message_that_was_taken_without_an_id_is_not_sent_again(self, body: bytes) -> None:
        """A notice of PHP before the answer hides the id of a message that stands there: told as refused, it would be
        written once more with the next change."""
        self._answers(201, body)
        for _ in range(2):
            done = self.open().carrier("message").deliver(self.notice(ONE), None, None)
            assert "cannot be read back" in (done.refused or "")
        assert len(self.double.messages) == 1

    @pytest.mark.parametrize("name", ["validationErrors", "internalErrors"])
    def test_a_message_that_openemr_finds_faulty_is_refused_whatever_the_status(self, name: str) -> None:
        """OpenEMR's services list what was wrong beside empty data; nothing was stored, and it may be tried again."""
        handle = self._answers(200, f'{{"{name}": {{"body": "is missing"}}, "data": []}}'.encode())
        self.double.messages.clear()
        done = self.open().carrier("message").deliver(self.notice(ONE), None, None)
        assert "does not accept a message" in (done.refused or "")
        self.double.handle = handle  # type: ignore[method-assign]
        self.double.messages.clear()
        assert self.open().carrier("message").deliver(self.notice(ONE), None, None).created

    def _answers(self, status: int, body: bytes) -> Any:
        """From now on the message is stored and this is what comes back; gives the server as it was."""
        handle = self.double.handle

        def odd(request: Request) -> Reply:
            reply = handle(request)
            taken = request.method == "POST" and request.path.endswith("/message")
            return Reply(status, body=body, headers={"Content-Type": "application/json"}) if taken else reply

        self.double.handle = odd  # type: ignore[method-assign]
        return handle

    def test_where_nothing_can_be_noted_nothing_is_sent(self, tmp_path: Path) -> None:
        """A prompt that nobody wrote down could stand twice; and a full disk is no reason for a traceback."""
        carrier = self.spec.open(replace(self.context(), folder=tmp_path)).carrier("message")
        journal = carrier._journal._file  # type: ignore[attr-defined]
        journal.with_suffix(".new").mkdir()
        with pytest.raises(Unreachable, match="cannot be noted"):
            carrier.deliver(self.notice(ONE), None, None)
        journal.mkdir()
        with pytest.raises(Unreachable, match="cannot be noted"):
            carrier.deliver(self.notice(ONE), None, None)
        assert not self.double.messages

    def test_a_message_moves_with_a_merged_client(self) -> None:
        """It would else stand in a chart that nobody opens (F67)."""
        carrier = self.open().carrier("message")
        done = carrier.deliver(self.notice(ONE), None, None)
        moved = carrier.deliver(self.notice(ONE, client=f"Patient/{BEN}"), done.remote_id, done.remote_version)
        assert moved.remote_id != done.remote_id
        assert [row["pid"] for row in self.double.messages.values()] == ["18"]

    # --- signing in -------------------------------------------------------------------------------------------------

    def test_a_key_alone_reads_and_does_not_write(self) -> None:
        """OpenEMR lets a system client use FHIR only; that is said before anything is tried."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        asked: list[dict[str, str]] = []
        self.double.oauth.token = lambda request: (  # type: ignore[method-assign]
            asked.append(request.form()) or _token(self.double)  # type: ignore[func-returns-value]
        )
        self.fill(1)
        adapter = self.open({"private_key": pem}, auth="system", private_key="file:x")
        assert len(self.pull_all(adapter).responses) == 1
        assert asked[0]["grant_type"] == "client_credentials"
        assert asked[0]["scope"] == SYSTEM_SCOPES  # S6
        with pytest.raises(Unsupported, match="auth=person"):
            adapter.carrier("message")

    def test_a_key_is_demanded_where_a_key_signs_in(self) -> None:
        """Found out at `connect`, not in the night."""
        given = {"base_url": "https://emr.example", "client_id": CLIENT_ID, "auth": "system"}
        assert "private_key" in OpenEmrSettings().validate(given)


def _token(double: OpenEmrDouble) -> Reply:
    access, _ = double.oauth.first()
    return Reply(200, {"access_token": access, "token_type": "Bearer", "expires_in": 300})
