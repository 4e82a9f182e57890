"""A real mail server in the test's own process, with the manners that a test gives it: down, dropping, refusing."""

from __future__ import annotations

import email
import errno
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller

from .core.post_office import free_port

PORTS = 5  # that are tried


@dataclass(frozen=True)
class Received:
    """One letter that the server took."""

    to: str
    message: EmailMessage

    @property
    def text(self) -> str:
        """What is written in it."""
        return str(self.message.get_content())

    @property
    def id(self) -> str:
        """By which a doubled letter is recognised."""
        return str(self.message["Message-ID"])

    @property
    def subject(self) -> str:
        """The line that a lock screen shows."""
        return str(self.message["Subject"])


class Mailbox:
    """The server's side: what it took, and how it behaves."""

    def __init__(self) -> None:
        self.letters: list[Received] = []
        self.refused: set[str] = set()  # addresses that take no mail, for good
        self.drops = False  # takes the letter and drops the line before it says so
        self.busy = False  # "not now"
        self.port = free_port()
        self._known = False  # the port, to others
        self.asked = 0
        self._controller: Controller | None = None
        self._lock = threading.Lock()

    # aiosmtpd's names
    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, to: str, _options: Any) -> str:  # noqa: N802
        self.asked += 1
        if self.busy:
            return "451 4.3.2 not now"
        if to in self.refused:
            return "550 5.1.1 no such person"
        envelope.rcpt_tos.append(to)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        message = email.message_from_bytes(envelope.content, policy=policy.default)
        with self._lock:
            self.letters += [Received(to, message) for to in envelope.rcpt_tos]
        if self.drops:
            server.transport.abort()
        return "250 2.0.0 OK"

    def up(self) -> None:
        """Opens the server."""
        if self._controller is None:
            for attempt in range(PORTS):
                try:
                    self._controller = self._opened()
                    break
                except OSError as error:
                    # Between the choice of a port and its opening another process of the tests may have taken it. Once
                    # it was open, settings name it.
                    if error.errno != errno.EADDRINUSE or self._known or attempt == PORTS - 1:
                        raise
                    self.port = free_port()
            self._known = True

    def _opened(self) -> Controller:
        made = Controller(self, hostname="127.0.0.1", port=self.port)
        try:
            made.start()
        except OSError:
            made.loop.close()
            raise
        return made

    def down(self) -> None:
        """Takes it off the network."""
        if self._controller is not None:
            self._controller.stop()
            self._controller = None

    def to(self, address: str) -> list[Received]:
        """The letters to one address."""
        return [one for one in self.letters if one.to == address]

    def taken(self) -> list[Received]:
        """The letters since the last call."""
        found, self.letters = self.letters, []
        return found


@contextmanager
def mailbox() -> Iterator[Mailbox]:
    """A mail server that is up."""
    box = Mailbox()
    box.up()
    try:
        yield box
    finally:
        box.down()
