"""Mail servers for tests: a real one (aiosmtpd) over each kind of line, and one that misbehaves by script."""

from __future__ import annotations

import email
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

USER, PASSWORD = "practice", "correct horse battery"


def certificate(folder: Path, *names: str, days: int = 2) -> Path:
    """A self-signed certificate with its key in one file, for the names or addresses given."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Invented post office")])
    made = datetime.now(UTC)
    known = [_general_name(one) for one in names]
    built = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(made - timedelta(days=3))
        .not_valid_after(made + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName(known), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / f"{'-'.join(names)}{days}.pem".replace("*", "star")
    plain = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(plain + built.public_bytes(serialization.Encoding.PEM))
    return file


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


@dataclass
class Box:
    """What arrived: envelopes and messages."""

    envelopes: list[Any] = field(default_factory=list)

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        self.envelopes.append(envelope)
        return "250 OK"

    @property
    def letters(self) -> list[EmailMessage]:
        return [email.message_from_bytes(one.content, policy=policy.default) for one in self.envelopes]


@contextmanager
def post_office(security: str, cert: Path, *, sign_in: bool = False) -> Iterator[tuple[int, Box]]:
    """A real mail server on loopback; gives its port and its box."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert)
    more: dict[str, Any] = {"ssl_context": context} if security == "tls" else {}
    if security == "starttls":
        more = {"tls_context": context, "require_starttls": True}
    if sign_in:
        # aiosmtpd does not know that its socket is encrypted from the start: it must not ask for STARTTLS then.
        over = security == "starttls"
        more |= {"authenticator": _right_password, "auth_required": over, "auth_require_tls": over}
    box = Box()
    controller = Controller(box, hostname="127.0.0.1", port=free_port(), **more)
    controller.start()
    try:
        yield controller.port, box
    finally:
        controller.stop()


def _right_password(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: LoginPassword) -> AuthResult:
    right = data.login == USER.encode() and data.password == PASSWORD.encode()
    return AuthResult(success=right, handled=False)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        port: int = one.getsockname()[1]
    return port


DROP, HANG = "drop", "hang"
WELL = {
    "hello": "220 here",
    "EHLO": "250 here",
    "MAIL": "250 2.1.0 ok",
    "RCPT": "250 2.1.5 ok",
    "DATA": "354 go on",
    ".": "250 2.0.0 taken",
    "QUIT": "221 bye",
}


class Scripted:
    """A server that answers each step as told: a reply, DROP (closes the line) or HANG (says nothing)."""

    def __init__(self, script: Mapping[str, str]) -> None:
        self.script = {**WELL, **script}
        self.said: list[str] = []
        self.letters: list[EmailMessage] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Scripted:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        with suppress(OSError):  # wakes the accept
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        self._thread.join(5)
        self._listening.close()

    def _serve(self) -> None:
        while not self._over.is_set():
            line, _ = self._listening.accept()
            with line, suppress(OSError), line.makefile("rb") as lines:
                self._talk(line, lines)

    def _talk(self, line: socket.socket, lines: Any) -> None:
        if not self._answer(line, "hello"):
            return
        for raw in lines:
            text = raw.decode(errors="replace").rstrip()
            self.said.append(text)
            verb = text.upper()[:4]
            if not self._answer(line, verb):
                return
            if verb == "DATA" and self.script["DATA"].startswith("354"):
                body = b"".join(iter(lines.readline, b".\r\n"))
                self.letters.append(email.message_from_bytes(body, policy=policy.default))
                if not self._answer(line, "."):
                    return

    def _answer(self, line: socket.socket, step: str) -> bool:
        reply = self.script.get(step, "502 what?")
        if reply == HANG:
            self._over.wait(10)
        if reply in (DROP, HANG):
            return False
        line.sendall(reply.encode() + b"\r\n")
        return True
