"""Letters leave whole, over a verified line, once each as far as anyone can tell; what goes wrong is said plainly."""

from __future__ import annotations

import logging
import ssl
import traceback
from pathlib import Path

import pytest
from click.testing import CliRunner
from handrail.plugin_core.cli import cli
from handrail.plugin_core.contracts import Letter
from handrail.plugin_core.engine import Engine
from handrail.plugin_core.errors import AddressRefused, MailProblem, SettingsError
from handrail.plugin_core.mail import Mailer, ascii_address, message_id
from handrail.plugin_core.settings import Mail, Settings, save
from hypothesis import given
from hypothesis import strategies as st

from .post_office import DROP, HANG, PASSWORD, USER, Scripted, certificate, free_port, post_office

SENDER = "practice@north-road.example"
LETTER = Letter(
    "klara@home.example", "Zürich: a form waits", "Guten Tag,\nein Formular wartet: ✓\n.\nFrom us\n", "ask-1"
)
PERSONAL = ("klara", "home.example", "Zürich", "Formular", PASSWORD, "ask-1")


@pytest.fixture
def cert(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A certificate for this computer that this computer trusts."""
    file = certificate(tmp_path, "127.0.0.1", "localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    return file


def mailer(
    port: int, security: str = "none", *, user: str = "", secret: str = PASSWORD, host: str = "127.0.0.1"
) -> Mailer:
    settings = Mail(host, port, security, user, "keyring:mail" if user else "", SENDER)
    return Mailer(settings, lambda: secret, timeout=5)


def problem(sending: Mailer, letter: Letter = LETTER) -> MailProblem:
    """The problem that sending runs into; nothing personal is in it, in whatever way it is printed."""
    with pytest.raises(MailProblem) as caught:
        sending.send(letter)
    printed = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + (caught.value.detail or "")
    assert [word for word in PERSONAL if word in printed] == []
    return caught.value


# --- a letter arrives ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("security", ["tls", "starttls", "none"])
def test_a_letter_arrives_whole_over_each_kind_of_line(cert: Path, security: str) -> None:
    """A letter that loses its umlauts or its dots, or goes to a second reader, would cost the practice its name."""
    with post_office(security, cert) as (port, box):
        mailer(port, security).send(LETTER)
    (envelope,), (letter,) = box.envelopes, box.letters
    assert (envelope.mail_from, envelope.rcpt_tos) == (SENDER, ["klara@home.example"])
    assert letter.get_content().replace("\r\n", "\n") == LETTER.text
    assert letter["Subject"] == LETTER.subject
    assert letter["Message-ID"] == message_id("ask-1", SENDER)
    assert letter["Auto-Submitted"] == "auto-generated"
    assert envelope.content.isascii()


def test_a_letter_says_nothing_that_it_need_not(cert: Path) -> None:
    """A tracking header, a program's name or the computer's name would tell readers of the mail more than the text."""
    with post_office("starttls", cert) as (port, box):
        mailer(port, "starttls").send(LETTER)
    wanted = {"From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version"}
    added_by_the_server = {"X-Peer", "X-MailFrom", "X-RcptTo"}
    found = {name for name in box.letters[0].keys() if not name.startswith("Content-")}  # noqa: SIM118 - a message
    assert found - added_by_the_server == wanted


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_it_signs_in_where_the_server_wants_it(cert: Path, security: str) -> None:
    """Nearly every provider does; without it no letter would ever leave."""
    with post_office(security, cert, sign_in=True) as (port, box):
        mailer(port, security, user=USER).send(LETTER)
        assert len(box.letters) == 1
        wrong = problem(mailer(port, security, user=USER, secret="not it"))
    assert (wrong.passing, wrong.detail) == (False, "sign-in: 535 5.7.8")
    assert "password" in wrong.message
    assert len(box.letters) == 1


def test_the_password_is_read_by_reference_each_time_anew(cert: Path, tmp_path: Path) -> None:
    """A password that changed must not need a restart, and none may stand in the settings (S9)."""
    secret = tmp_path / "mail.secret"
    secret.touch(0o600)
    secret.write_text("an old one")
    with post_office("starttls", cert, sign_in=True) as (port, box):
        mail = Mail("127.0.0.1", port, "starttls", USER, "file:mail.secret", SENDER)
        with Engine(Settings(tmp_path / "handrail.toml", mail=mail)) as engine:
            assert not problem(engine.mailer).passing
            secret.write_text(PASSWORD)
            engine.mailer.send(LETTER)
            secret.unlink()
            gone = problem(engine.mailer)
    assert len(box.letters) == 1
    assert not gone.passing
    assert "mail.secret" in gone.message


def test_a_try_signs_in_and_sends_nothing(cert: Path) -> None:
    """A wrong password must be found before the first letter waits, and a try must not reach anybody."""
    with post_office("starttls", cert, sign_in=True) as (port, box):
        mailer(port, "starttls", user=USER).test()
        with pytest.raises(MailProblem, match="password"):
            mailer(port, "starttls", user=USER, secret="not it").test()
    assert box.envelopes == []


# --- the line is verified, or nothing is sent ------------------------------------------------------------------------


def test_starttls_is_never_given_up_for_a_line_in_clear() -> None:
    """Somebody between us and the server could strip the offer and read every letter."""
    with Scripted({}) as server:
        found = problem(mailer(server.port, "starttls", user=USER))
    assert not found.passing
    assert "STARTTLS" in found.message
    assert [text[:4] for text in server.said] in (["ehlo"], ["ehlo", "quit"])


@pytest.mark.parametrize(
    ("names", "days", "trusted"),
    [(["mail.elsewhere.example"], 2, True), (["127.0.0.1"], -1, True), (["127.0.0.1"], 2, False)],
    ids=["another name", "expired", "nobody known signed it"],
)
@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_a_certificate_that_is_not_right_stops_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: list[str], days: int, trusted: bool, security: str
) -> None:
    """Letters and the password would go to whoever stands between."""
    file = certificate(tmp_path, *names, days=days)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with post_office(security, file) as (port, box):
        found = problem(mailer(port, security))
    assert not found.passing
    assert "certificate" in found.message
    assert box.envelopes == []


def test_tls_at_a_port_that_speaks_none_names_the_setting() -> None:
    """465 and 587 mixed up is the commonest mistake; "wrong version number" would tell nobody so."""
    with Scripted({}) as server:
        found = problem(mailer(server.port, "tls"))
    assert not found.passing
    assert "port and security" in found.message


@pytest.mark.parametrize("host", ["mail.example", "10.0.0.3", "localhost.example"])
def test_a_line_in_clear_is_for_this_computer_only(host: str) -> None:
    """A password and the clients' addresses would be readable on the way."""
    with pytest.raises(SettingsError, match="this computer only"):
        mailer(25, "none", host=host)


@pytest.mark.parametrize(
    "settings",
    [Mail(), Mail("mail.example"), Mail("mail.example", user=USER, sender=SENDER), Mail("m.example", sender="ä@b.c")],
)
def test_what_is_missing_in_the_settings_is_said_before_a_letter_waits(settings: Mail) -> None:
    """Found out only at the first safety notice, it would be found out too late."""
    with pytest.raises(SettingsError, match=r"\[mail\]"):
        Mailer(settings, lambda: "")


# --- what servers say ------------------------------------------------------------------------------------------------

SAYS = [
    ("hello", "421 4.3.2 too busy", True, MailProblem),
    ("hello", "554 no service for you", False, MailProblem),
    ("MAIL", "451 4.7.1 come again", True, MailProblem),
    ("MAIL", "550 5.7.1 klara@home.example not yours", False, MailProblem),
    ("RCPT", "450 4.2.0 klara@home.example greylisted", True, MailProblem),
    ("RCPT", "452 4.2.2 mailbox full", True, MailProblem),
    ("RCPT", "550 5.1.1 klara@home.example unknown", False, AddressRefused),
    ("RCPT", "553 klara is no mailbox here", False, AddressRefused),
    ("RCPT", "554 5.7.1 relaying denied", False, MailProblem),
    ("RCPT", "530 5.7.0 sign in first", False, MailProblem),
    ("DATA", "451 later", True, MailProblem),
    (".", "451 4.3.0 disk full", True, MailProblem),
    (".", "554 5.7.1 looks like spam: Zürich Formular", False, MailProblem),
]


@pytest.mark.parametrize(("step", "reply", "passing", "kind"), SAYS, ids=[f"{s[0]}-{s[1][:9]}" for s in SAYS])
def test_what_a_server_says_decides_whether_it_is_tried_again(
    step: str, reply: str, passing: bool, kind: type[MailProblem]
) -> None:
    """4xx given up loses a letter; 5xx tried for ever hides that a person must mend something.

    A refused address is the fault of one letter: taken for the server's, it would stop the letters of all.
    """
    with Scripted({step: reply}) as server:
        found = problem(mailer(server.port))
    assert (type(found), found.passing) == (kind, passing)
    assert reply[:3] in (found.detail or "")


@pytest.mark.parametrize("step", ["hello", "EHLO", "MAIL", "RCPT", "DATA", "."])
@pytest.mark.parametrize("how", [DROP, HANG])
def test_a_line_that_breaks_or_hangs_passes(step: str, how: str) -> None:
    """A server that restarts must cost a repetition, never a letter and never an endless wait."""
    with Scripted({step: how}) as server:
        sending = Mailer(Mail("127.0.0.1", server.port, "none", sender=SENDER), lambda: "", timeout=0.3)
        found = problem(sending)
    assert found.passing


def test_a_letter_of_unknown_fate_is_repeated_under_the_same_message_id() -> None:
    """The server took it and dropped the line: only the Message-ID lets the reader's side see that it is one letter."""
    with Scripted({".": DROP}) as server:
        sending = mailer(server.port)
        found = problem(sending)
        assert found.passing
        assert "whether it took the letter" in found.message
        server.script["."] = "250 taken"
        sending.send(LETTER)
        sending.send(Letter(LETTER.to, LETTER.subject, LETTER.text, "ask-2"))
    first, second, other = (letter["Message-ID"] for letter in server.letters)
    assert first == second != other


@pytest.mark.parametrize("reply", ["421 too late", "500 what", DROP, HANG])
def test_what_happens_at_the_goodbye_changes_nothing(reply: str) -> None:
    """The letter is taken; an error now would send it twice."""
    with Scripted({"QUIT": reply}) as server:
        Mailer(Mail("127.0.0.1", server.port, "none", sender=SENDER), lambda: "", timeout=0.3).send(LETTER)
        assert len(server.letters) == 1


def test_nothing_there_and_no_network_pass() -> None:
    """A laptop on the train must not mark anything as failed for good."""
    assert "Nothing answers" in problem(mailer(free_port())).message
    lost = problem(mailer(587, "starttls", host="no-such-host.invalid"))
    assert lost.passing
    assert "no network" in lost.message


# --- nothing leaks -------------------------------------------------------------------------------------------------


def test_no_log_and_no_output_holds_letter_address_or_password(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """A log outlives the letter and is read by other people (S24)."""
    caplog.set_level(logging.DEBUG)
    for script in ({}, {"RCPT": "550 5.1.1 klara@home.example unknown"}, {".": DROP}):
        with Scripted({"EHLO": "250-here\r\n250 AUTH PLAIN", "AUTH": "235 in", **script}) as server:
            sending = mailer(server.port, user=USER)
            if script:
                problem(sending)
            else:
                sending.send(LETTER)
    out, err = capfd.readouterr()
    assert [word for word in PERSONAL if word in caplog.text + out + err] == []


TEXTS = st.text(max_size=300) | st.text(alphabet="ab \r\n:\x0b\x85\u2028ü", max_size=60)


@given(subject=TEXTS, text=TEXTS, key=st.text(max_size=40))
def test_no_text_can_add_a_line_to_the_header_or_a_reader(subject: str, text: str, key: str) -> None:
    """A practice's name with a line break in it could otherwise send every letter to a stranger as well."""
    raw = mailer(25).composed(Letter("klara@home.example", subject, text, key), "klara@home.example")
    assert raw.isascii()
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    head, _, _ = raw.partition(b"\r\n\r\n")
    names = [line.partition(b":")[0] for line in head.split(b"\r\n") if not line.startswith((b" ", b"\t"))]
    assert sorted(names) == sorted(
        b"From To Subject Date Message-ID Auto-Submitted Content-Type Content-Transfer-Encoding MIME-Version".split()
    )


@pytest.mark.parametrize(
    "address",
    [
        "",
        "klara",
        "a@b@c",
        "a@b.c, d@e.f",
        "a@b.c\r\nBcc: d@e.f",
        "<a@b.c>",
        "Klara <a@b.c>",
        "ä@b.c",
        "a b@c.d",
        "a@" + "x" * 250,
        "a@b..c",
        "a@\x00b",
    ],
)
def test_an_address_that_is_none_or_two_is_refused_before_anything_is_sent(address: str) -> None:
    """One letter, one reader."""
    with pytest.raises(AddressRefused):
        mailer(free_port()).send(Letter(address, "s", "t", "k"))


def test_a_domain_in_other_letters_is_written_as_servers_know_it() -> None:
    """Practices with an umlaut in their domain exist."""
    assert ascii_address("praxis@bücher.example") == "praxis@xn--bcher-kva.example"


def test_this_computer_checks_certificates_at_all() -> None:
    """The tests above would be worth little if Python's default were changed beneath us."""
    assert ssl.create_default_context().verify_mode is ssl.CERT_REQUIRED


def test_doctor_sends_a_harmless_letter_and_says_what_is_wrong(tmp_path: Path) -> None:
    """The first letter must not be a safety notice that nobody gets."""
    file = tmp_path / "handrail.toml"
    with Scripted({}) as server:
        save(file, {"key": "file:key", "name": "North Road", "mail.host": "127.0.0.1", "mail.port": server.port})
        save(file, {"mail.security": "none", "mail.sender": SENDER})
        good = CliRunner().invoke(
            cli, ["--settings", str(file), "doctor", "--offline", "--mail", "me@practice.example"]
        )
        server.script["RCPT"] = "550 5.1.1 who is that"
        bad = CliRunner().invoke(cli, ["--settings", str(file), "doctor", "--offline", "--mail", "me@practice.example"])
    assert "ok  test letter: the mail server took it" in good.output
    assert server.letters[0]["Subject"] == "North Road: a test of the mail server"
    assert "wrong  test letter: The mail server 127.0.0.1 says that the recipient's address" in bad.output
    assert "me@practice.example" not in bad.output
