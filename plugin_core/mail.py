"""Letters by the practice's own mail server: one recipient each, in plain text, over a verified line.

A letter holds no health information, ever (clinical.md 5, rule 8), and neither it, nor an address, nor the password
reaches a log or an error. A letter whose outcome is unknown is sent again with the same Message-ID, by which the
receiving side can tell that it is the same.
"""

from __future__ import annotations

import hashlib
import re
import smtplib
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, localtime

from .contracts import Letter
from .errors import AddressRefused, HandrailError, MailProblem, SettingsError
from .settings import Mail, Settings
from .words import mark, tr

TIMEOUT = 30.0
GOODBYE = 5.0
# A computer need not tell its name to the mail server; an address literal is what mail programs say instead.
_GREETING = "[127.0.0.1]"
_HERE = frozenset({"localhost", "127.0.0.1", "::1"})
_ADDRESS = re.compile(r"[^@\s<>\"',;:()\[\]\\\x00-\x1f\x7f]+@[^@\s<>\"',;:()\[\]\\\x00-\x1f\x7f]+")
_LONGEST = 254
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
_ENHANCED = re.compile(rb"[245]\.\d{1,3}\.\d{1,3}")

# By stage: what a "not now" (4xx) means there, and what a "no" (5xx) means.
_SAID = {
    "connect": (
        mark("The mail server {host} has no time for us now. It will be tried again."),
        mark(
            "The mail server {host} does not talk to this computer. Ask the mail provider whether this network may "
            "send."
        ),
    ),
    "sign-in": (
        mark("The mail server {host} could not check the password now. It will be tried again."),
        mark(
            "The mail server {host} did not accept the user or the password of [mail]. Many providers want an app "
            "password for this; see docs/mail.md."
        ),
    ),
    "sender": (
        mark("The mail server {host} takes no letters from us now. It will be tried again."),
        mark(
            "The mail server {host} does not let us send from the address in mail.sender. Check [mail] sender and user."
        ),
    ),
    "recipient": (
        mark(
            "The mail server {host} put the letter off, as servers do with senders that they do not know yet. It will "
            "be tried again."
        ),
        mark(
            "The mail server {host} passes on no letters of ours. Check [mail] user and password, or ask the provider."
        ),
    ),
    "letter": (
        mark("The mail server {host} did not take the letter now. It will be tried again."),
        mark("The mail server {host} refused the letter itself, by a rule of its own. Ask the mail provider why."),
    ),
}
_DROPPED = {
    "letter": mark(
        "The mail server {host} broke off before it said whether it took the letter. It will be sent again, "
        "marked as the same one."
    ),
}
_BAD_ADDRESS = mark(
    "The mail server {host} says that the recipient's address does not exist or takes no mail. Correct it."
)


class Mailer:
    """Sends letters by the practice's mail server.

    :param settings: the practice's mail server; its host must be set.
    :param secret: gives the password, each time anew (it may rotate); called only where a user is set.
    :param timeout: how long to wait for each answer of the server, in seconds.
    :param now: the time that a letter is dated with; the computer's clock where there is none.
    :raises SettingsError: no server is set, or the line to it would not be encrypted.
    """

    def __init__(
        self,
        settings: Mail,
        secret: Callable[[], str],
        timeout: float = TIMEOUT,
        now: Callable[[], datetime] = localtime,
    ) -> None:
        if not settings.host or not settings.sender:
            raise SettingsError(tr("No mail server is set. Fill in [mail] host, port and sender; see docs/mail.md."))
        if settings.security == "none" and settings.host.lower() not in _HERE:
            raise SettingsError(
                tr("[mail] security = none is for a mail server on this computer only. Use starttls or tls.")
            )
        if settings.user and not settings.password:
            raise SettingsError(tr("[mail] has a user but no password. Add password, as keyring:NAME or file:PATH."))
        self.settings = settings
        self.secret = secret
        self.timeout = timeout
        self.now = now
        sender = ascii_address(settings.sender)
        if sender is None:
            raise SettingsError(
                tr("[mail] sender must be one e-mail address in plain letters, as anna@practice.example.")
            )
        self.sender = sender

    def send(self, letter: Letter) -> None:
        """Hands one letter to the mail server; when it returns, the server has taken it.

        :raises AddressRefused: the recipient's address is none, or the server says that it takes no mail.
        :raises MailProblem: the server did not take it, or it is not known whether it did (`passing` is True then).
        """
        recipient = ascii_address(letter.to)
        if recipient is None:
            raise AddressRefused(tr("The recipient's e-mail address cannot be written to. Correct it."), passing=False)
        raw = self.composed(letter, recipient)
        password = self._password()
        with self._line() as smtp:
            if self.settings.user:
                with self._plainly("sign-in"):
                    smtp.login(self.settings.user, password)
            with self._plainly("sender"):
                _accept(*smtp.mail(self.sender))
            with self._plainly("recipient"):
                _accept(*smtp.rcpt(recipient))
            with self._plainly("letter"):
                _accept(*smtp.data(raw))

    def test(self) -> None:
        """Reaches the mail server and signs in, as for a letter, and sends none.

        :raises MailProblem: it does not answer, or does not let Handrail in.
        """
        password = self._password()
        with self._line() as smtp:
            if self.settings.user:
                with self._plainly("sign-in"):
                    smtp.login(self.settings.user, password)

    def composed(self, letter: Letter, recipient: str) -> bytes:
        """The letter as RFC 5322 wants it, all of it in ASCII, lines of the header free of anything but their text."""
        message = EmailMessage(policy=SMTP.clone(cte_type="7bit"))
        message["From"] = self.sender
        message["To"] = recipient
        message["Subject"] = " ".join(_clean(letter.subject).split())
        message["Date"] = format_datetime(self.now())
        message["Message-ID"] = message_id(letter.key, self.sender)
        message["Auto-Submitted"] = "auto-generated"
        text = _clean(letter.text.replace("\r\n", "\n").replace("\r", "\n")).rstrip("\n") + "\n"
        message.set_content(text, charset="utf-8", cte="quoted-printable")
        return message.as_bytes()

    def _password(self) -> str:
        if not self.settings.user:
            return ""
        try:
            return self.secret()
        except HandrailError as error:
            raise MailProblem(
                tr("The password of [mail] cannot be read. {why}", why=error.message), passing=False
            ) from None

    # --- the line --------------------------------------------------------------------------------------------------

    @contextmanager
    def _line(self) -> Iterator[smtplib.SMTP]:
        """A connection that has said hello, encrypted and verified. What happens at the goodbye changes nothing."""
        with self._plainly("connect"):
            smtp = self._connected()
        try:
            with self._plainly("connect"):
                if self.settings.security == "starttls":
                    smtp.starttls(context=ssl.create_default_context())
                smtp.ehlo_or_helo_if_needed()
            yield smtp
            if smtp.sock is not None:
                smtp.sock.settimeout(min(GOODBYE, self.timeout))
            with suppress(smtplib.SMTPException, OSError):
                smtp.quit()
        finally:
            smtp.close()

    def _connected(self) -> smtplib.SMTP:
        place = self.settings.host, self.settings.port
        if self.settings.security == "tls":
            context = ssl.create_default_context()
            return smtplib.SMTP_SSL(*place, local_hostname=_GREETING, timeout=self.timeout, context=context)
        return smtplib.SMTP(*place, local_hostname=_GREETING, timeout=self.timeout)

    # --- what went wrong, as one plain sentence ----------------------------------------------------------------------

    @contextmanager
    def _plainly(self, stage: str) -> Iterator[None]:
        """Turns what the libraries raise, which may name addresses, into a sentence that does not."""
        try:
            yield
        except smtplib.SMTPResponseException as error:
            raise self._answered(stage, error) from None
        except (smtplib.SMTPException, OSError, ValueError) as error:
            text, passing = _broken(stage, error)
            detail = f"{stage}: {type(error).__name__}"
            raise MailProblem(tr(text, host=self.settings.host), passing=passing, detail=detail) from None

    def _answered(self, stage: str, error: smtplib.SMTPResponseException) -> MailProblem:
        """The server's own no. Its code goes into the detail, never its words, which often repeat the address."""
        code = error.smtp_code
        said = error.smtp_error if isinstance(error.smtp_error, bytes) else str(error.smtp_error).encode()
        found = _ENHANCED.match(said)
        enhanced = found[0].decode() if found else ""
        passing = 400 <= code < 500
        detail = f"{stage}: {code} {enhanced}".rstrip()
        host = self.settings.host
        if stage == "recipient" and not passing and _is_about_the_address(code, enhanced):
            return AddressRefused(tr(_BAD_ADDRESS, host=host), passing=False, detail=detail)
        text = tr(_SAID[stage][0 if passing else 1], host=host)
        return MailProblem(text, passing=passing, detail=detail)


def mailer(settings: Settings, now: Callable[[], datetime]) -> Mailer:
    """The mailer of a practice; its password is read by reference when a letter is sent.

    :raises SettingsError: as `Mailer`.
    """
    from .store import keys

    return Mailer(settings.mail, lambda: keys.read(settings.reference(settings.mail.password)).reveal(), now=now)


def message_id(key: str, sender: str) -> str:
    """The Message-ID of a letter: the same for the same key, and nothing can be read from it."""
    return f"<{hashlib.sha256(b'handrail letter ' + key.encode()).hexdigest()[:32]}@{sender.rpartition('@')[2]}>"


def ascii_address(address: str) -> str | None:
    """One e-mail address as every mail server takes it, a domain of other letters in its ASCII form; None if none."""
    if len(address) > _LONGEST or not _ADDRESS.fullmatch(address):
        return None
    name, _, domain = address.rpartition("@")
    try:
        plain = f"{name.encode('ascii').decode()}@{domain.encode('idna').decode()}"
    except UnicodeError:
        return None
    return plain if _ADDRESS.fullmatch(plain) else None


def _accept(code: int, reply: bytes) -> None:
    if not 200 <= code < 300:
        raise smtplib.SMTPResponseException(code, reply)


def _clean(text: str) -> str:
    """Without control characters and halves of characters, which have no place in a letter."""
    return _CONTROL.sub(" ", text.encode("utf-8", "replace").decode())


def _is_about_the_address(code: int, enhanced: str) -> bool:
    """Whether a refused recipient is the address' fault: X.1 and X.2 (RFC 3463); X.7, 530 and 554 are policy."""
    return enhanced[2:3] in ("1", "2") if enhanced else code not in (503, 530, 535, 538, 554)


def _broken(stage: str, error: Exception) -> tuple[str, bool]:
    """What a broken line means, and whether it may pass."""
    for kind, text, passing in _BREAKS:
        if isinstance(error, kind):
            return text, passing
    if isinstance(error, smtplib.SMTPServerDisconnected):
        if isinstance(error.__context__, TimeoutError) and stage not in _DROPPED:
            return _TOO_SLOW, True
        return _DROPPED.get(stage, _CLOSED), True
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return _NO_STARTTLS if stage == "connect" else _NO_SIGN_IN, False
    return _AWAY, True


_CLOSED = mark("The mail server {host} closed the line. It will be tried again.")
_AWAY = mark("The mail server {host} cannot be reached from here. It will be tried again.")
_TOO_SLOW = mark("The mail server {host} did not answer in time. It will be tried again.")
_NO_STARTTLS = mark(
    "The mail server {host} does not offer an encrypted line (STARTTLS); nothing was sent in clear. Ask the mail "
    "provider for the right port, or set [mail] security = tls."
)
_NO_SIGN_IN = mark(
    "The mail server {host} offers no way to sign in that Handrail knows. Check [mail] port; a server that wants no "
    "password needs no user either."
)
_BREAKS: tuple[tuple[type[Exception], str, bool], ...] = (
    (
        ssl.SSLCertVerificationError,
        mark(
            "The mail server {host} could not prove that it is the right one (its certificate is not valid for it). "
            "Nothing was sent. Check [mail] host, or ask the mail provider."
        ),
        False,
    ),
    (ssl.SSLEOFError, _CLOSED, True),
    (
        ssl.SSLError,
        mark(
            "The mail server {host} does not speak TLS at this port in a way that is safe. Check [mail] port and "
            "security (465 with tls, 587 with starttls)."
        ),
        False,
    ),
    (
        socket.gaierror,
        mark(
            "The name of the mail server {host} was not found: there is no network, or [mail] host is misspelled. It "
            "will be tried again."
        ),
        True,
    ),
    (TimeoutError, _TOO_SLOW, True),
    (
        ConnectionRefusedError,
        mark(
            "Nothing answers at the mail server {host} on this port. Check [mail] host and port. It will be tried "
            "again."
        ),
        True,
    ),
)
