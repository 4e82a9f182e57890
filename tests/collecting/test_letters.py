"""Letters to clients say that something waits and where, and nothing else; a real mail server takes them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from handrail.plugin_core.collecting.letters import EMAIL, letter
from handrail.plugin_core.contracts import Ask, Asked, CollectorContext, Letter, Sender
from handrail.plugin_core.errors import AddressRefused, MailProblem, Unsupported
from handrail.plugin_core.instruments import builtin, builtin_one
from handrail.plugin_core.mail import Mailer
from handrail.plugin_core.settings import Mail
from handrail.plugin_core.words import languages, speaking
from handrail.schemas.records import Client

from tests.core.post_office import Scripted, certificate, post_office

PERSON = Client("Patient/77", name="Klara Invented", clinician_name="Dr Zeppelin", email="klara@home.example")
ASK = Ask(PERSON, builtin_one("phq9"), datetime(2026, 11, 20, 12, tzinfo=UTC), "ab" * 16)


class Platform:
    """A platform's way of asking that keeps what it was told."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.told: list[str] = []

    def ask(self, _ask: Ask) -> Asked:
        self.told.append("ask")
        return self.asked

    def remind(self, _ask: Ask) -> Asked:
        self.told.append("remind")
        return self.asked

    def withdraw(self, ask: Ask) -> None:
        self.told.append(f"withdraw {ask.remote_id}")


class Post:
    """Where letters go; a problem is raised where there is one."""

    def __init__(self, problem: MailProblem | None = None) -> None:
        self.letters: list[Letter] = []
        self.problem = problem

    def __call__(self, one: Letter) -> None:
        self.letters.append(one)
        if self.problem is not None:
            raise self.problem


def context(post: Post | Mailer, platform: Platform | None = None, language: str = "en") -> CollectorContext:
    def sender() -> Sender:
        if platform is None:
            raise Unsupported("This platform does not ask.")
        return platform

    send = post.send if isinstance(post, Mailer) else post
    return CollectorContext("North Road", language, "Call 999.", "It is up to you.", sender, send)


@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize("link", [None, "https://portal.example/f/1"])
@pytest.mark.parametrize("reminder", [0, 1])
def test_a_letter_names_no_form_no_client_and_no_health(language: str, link: str | None, reminder: int) -> None:
    """A letter is read on shared screens and by mail servers on its way (clinical.md 5, rule 8)."""
    for instrument in builtin():
        with speaking(language):
            one = letter(Ask(PERSON, instrument, ASK.due, ASK.key, reminder=reminder), "North Road", link)
        text = f"{one.subject}\n{one.text}".casefold()
        words = ["klara", "zeppelin", "patient", "therap", "questionnaire", "fragebogen", "score", "health", "gesund"]
        words += ["answer on", instrument.id, instrument.title.casefold(), ASK.key]
        words += [item.text.casefold() for item in instrument.items]
        assert [word for word in words if word in text] == []
        assert (link or "North Road") in one.text


def test_it_says_who_asks_where_and_how_to_stop() -> None:
    """A letter that cannot be stopped is spam; one without a sender looks like a trap."""
    one = letter(ASK, "North Road", None)
    assert one.subject == "North Road: something is waiting for you"
    for said in ("portal", "do not want these letters", "up to you", "do not answer"):
        assert said in one.text


def test_the_platform_is_asked_first_and_its_link_is_in_the_letter() -> None:
    """A letter that leads to nothing would teach clients to ignore the next one."""
    platform, post = Platform(Asked(sent=True, link="https://portal.example/f/1", remote_id="Task/9")), Post()
    asked = EMAIL.ask(ASK, context(post, platform))
    assert asked == Asked(sent=True, link="https://portal.example/f/1", remote_id="Task/9")
    assert platform.told == ["ask"]
    assert "https://portal.example/f/1" in post.letters[0].text


def test_a_platform_that_cannot_ask_leaves_the_letter_to_itself() -> None:
    """A practice on paper can still remind its clients."""
    post = Post()
    assert EMAIL.ask(ASK, context(post)).sent
    assert len(post.letters) == 1


def test_a_client_without_an_address_is_refused_before_anything_leaves() -> None:
    """A request on the platform that nobody is told of would be counted as sent."""
    platform, post = Platform(Asked(sent=True)), Post()
    person = Client("Patient/78", name="Otto Invented")
    asked = EMAIL.ask(Ask(person, ASK.instrument, ASK.due, ASK.key), context(post, platform))
    assert not asked.sent
    assert "address" in (asked.refused or "")
    assert "Otto" not in (asked.refused or "")
    assert (platform.told, post.letters) == ([], [])


def test_an_address_that_takes_no_mail_is_refused_and_the_platforms_request_is_taken_back() -> None:
    """Else a request stands on the platform that Handrail counts as refused."""
    platform = Platform(Asked(sent=True, remote_id="Task/9"))
    asked = EMAIL.ask(ASK, context(Post(AddressRefused("no", passing=False)), platform))
    assert asked.refused
    assert platform.told == ["ask", "withdraw Task/9"]


def test_another_problem_of_the_mail_server_is_not_the_clients_fault() -> None:
    """A wrong password must not mark every client as without an address."""
    for passing in (True, False):
        with pytest.raises(MailProblem) as caught:
            EMAIL.ask(ASK, context(Post(MailProblem("no", passing=passing)), Platform(Asked(sent=True))))
        assert caught.value.passing is passing


def test_what_the_platform_refuses_is_not_announced() -> None:
    """A letter about a form that will never be there."""
    post = Post()
    assert EMAIL.ask(ASK, context(post, Platform(Asked(sent=False, refused="closed")))).refused == "closed"
    assert post.letters == []


def test_a_repeated_request_is_the_same_letter_and_a_reminder_another() -> None:
    """After a crash the same letter may leave twice; the receiving side must be able to see that."""
    post = Post()
    assert EMAIL.remind is not None
    EMAIL.ask(ASK, context(post))
    EMAIL.ask(ASK, context(post))
    EMAIL.remind(Ask(PERSON, ASK.instrument, ASK.due, ASK.key, reminder=1), context(post))
    first, second, reminder = (one.key for one in post.letters)
    assert first == second != reminder
    assert "still" in post.letters[2].subject


def test_a_real_server_takes_it_and_a_refused_address_comes_back_as_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of the way, over an encrypted line."""
    cert = certificate(tmp_path, "127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(cert))
    with post_office("starttls", cert) as (port, box):
        sending = Mailer(Mail("127.0.0.1", port, "starttls", sender="desk@north.example"), lambda: "", timeout=5)
        assert EMAIL.ask(ASK, context(sending)).sent
    assert box.envelopes[0].rcpt_tos == ["klara@home.example"]
    assert "something for you to fill in" in box.letters[0].get_content()
    with Scripted({"RCPT": "550 5.1.1 no such user"}) as server:
        sending = Mailer(Mail("127.0.0.1", server.port, "none", sender="desk@north.example"), lambda: "", timeout=5)
        assert EMAIL.ask(ASK, context(sending)).refused
