"""What `register_collectors()` returns: ways to ask a client to fill in a form, and what they are handed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

from ...schemas.records import Client, Instrument


@dataclass(frozen=True, slots=True)
class Ask:
    """One request to one client to fill in one form. `due` and `expires` are days of the practice.

    `key` is the same for the same client, form and day, whatever stopped in between: it never asks twice. `reminder` is
    0 for the request itself, then 1, 2 ... `remote_id` is what the channel gave back when it was first asked.
    """

    client: Client
    instrument: Instrument
    due: datetime
    key: str
    expires: datetime | None = None
    reminder: int = 0
    remote_id: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """What became of a request: `sent` by the channel itself, or a `link` / `sheet` (bytes of a page) to hand over.

    `refused` holds the plain reason when this channel will never take this request (no address, client closed).
    """

    sent: bool
    link: str | None = None
    sheet: bytes | None = None
    remote_id: str | None = None
    refused: str | None = None


class Sender(Protocol):
    """A platform's own way to ask a client; each write is safe to repeat with the same `Ask.key`."""

    def ask(self, ask: Ask) -> Asked:
        """Asks, looking before it creates. Raises PlatformError when the outcome is unknown or may pass."""
        ...

    def remind(self, ask: Ask) -> Asked:
        """Asks again for the same request (`ask.reminder` counts), or says in `refused` that the platform cannot."""
        ...

    def withdraw(self, ask: Ask) -> None:
        """Takes back a request that is not answered: opted out, expired, discharged. Nothing there: nothing to do."""
        ...


@runtime_checkable
class Settling(Protocol):
    """What a `Sender` may have besides: tells the platform that a request was answered. Ask by `isinstance`."""

    def settle(self, ask: Ask, response: str) -> None:
        """Marks the request as done by the form with that platform id, unless it is closed already; safe to repeat."""
        ...


@runtime_checkable
class Delivering(Protocol):
    """What a `Sender` may have besides: hands a link of ours to the client in the platform's own messages."""

    def deliver(self, ask: Ask, link: str) -> Asked:
        """Sends the link, once for the same `Ask.key` and `reminder`; `refused` where this client cannot be reached.

        The message has the link and a neutral line: no form's name, no health information.
        """
        ...


@dataclass(frozen=True, slots=True)
class Letter:
    """A message by the practice's mail server. It holds no health information, ever (clinical.md 5, rule 8).

    `key` makes the Message-ID, so that a repeated one can be recognised by the receiving side.
    """

    to: str
    subject: str
    text: str
    key: str


@dataclass(frozen=True, slots=True)
class CollectorContext:
    """What a collector is handed beside the request: the practice's words, and ways out that were switched on.

    `sender` gives the platform's own way of asking (raises Unsupported where there is none); `post` sends a letter
    (raises MailProblem); `mails` says whether a mail server is set, `delivers` whether the platform's
    sender is `Delivering`. `language` is that of the practice's texts. `link`
    gives the address of a request's form on the practice's own pages (raises Unsupported
    where they have no address; None: it has none).
    """

    practice: str
    language: str
    crisis_text: str
    consent_text: str
    sender: Callable[[], Sender]
    post: Callable[[Letter], None]
    link: Callable[[Ask], str] | None = None
    mails: bool = True
    delivers: bool = False


@dataclass(frozen=True, slots=True)
class CollectorSpec:
    """A way to ask a client. The same `Ask.key` never asks twice.

    `remind` asks again (None: this way cannot remind; staff are told who is late). `withdraw` takes a request back.
    `by_hand`: what comes back is handed over by a person (a printed sheet, a link), so nothing leaves by itself.
    `settled` is told that the request was answered, with the platform's id of the form.
    """

    name: str
    title: str
    ask: Callable[[Ask, CollectorContext], Asked]
    remind: Callable[[Ask, CollectorContext], Asked] | None = None
    withdraw: Callable[[Ask, CollectorContext], None] | None = None
    by_hand: bool = False
    settled: Callable[[Ask, str, CollectorContext], None] | None = None
