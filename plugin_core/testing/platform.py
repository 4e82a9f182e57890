"""What a conformance test needs of a platform: a double of it, or a real sandbox, behind one small class.

What a platform cannot do is declared in `cannot` with the reason, and the tests about it are shown as not applicable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from ..contracts import WebhookRequest
from .clock import Clock
from .loopback import Loopback, Reply, Request, Work, date_text

# What people, and faults, can do to a platform. `cannot` may name these and no others.
ABILITIES: Mapping[str, str] = {
    "add": "a form can be filled in from here",
    "amend": "a filled-in form can be changed",
    "withdraw": "a form can be marked as entered in error or archived, and is then still told of",
    "delete": "a form can vanish",
    "pages": "a list comes in several pages",
    "incremental": "the platform can be asked for what changed since a moment",
    "duplicates": "a row can come twice over two pages",
    "next-links": "the platform names the address of the next page",
    "expire": "a token can end in the middle",
    "wrong": "a credential can be wrong",
    "throttle": "the platform can ask to be left alone for a while",
    "own-wait": "the platform has a header of its own for how long to wait",
    "faults": "requests can be made to fail, or to bring nonsense",
    "address": "the platform's address is a setting",
    "look": "what stands in the charts can be seen from here",
    "carriers": "the platform shows flags at all",
    "tidy": "a person can remove what was pushed",
    "close": "a client's chart can be closed for writing",
    "publish": "forms may be made",
    "asks": "requests to clients can be seen from here",
    "webhooks": "the platform's webhooks can be made here",
}


@dataclass(frozen=True, slots=True)
class Question:
    """A question of the form that the tests fill in, with its options."""

    id: str
    text: str
    options: tuple[str, ...]


# Odd words on purpose: an answer that turns up in a log or in an error is recognised.
OPTIONS = ("Never-kestrel", "Rarely-kestrel", "Often-kestrel")
QUESTIONS = (
    Question("k1", "I decided something by myself.", OPTIONS),
    Question("k2", "I waited for the session before I acted.", OPTIONS),
    Question("k3", "I asked somebody else than my therapist.", OPTIONS),
)
FORM_TITLE = "Kestrel check-in"


@dataclass(frozen=True, slots=True)
class Filled:
    """What a client answered: the number of the option for each of QUESTIONS, None for a line left empty."""

    client: str
    answers: tuple[int | None, ...]

    def labels(self) -> dict[str, str | None]:
        """By question text, the label that was chosen."""
        return {
            question.text: None if number is None else question.options[number]
            for question, number in zip(QUESTIONS, self.answers, strict=True)
        }


@dataclass(frozen=True, slots=True)
class Mark:
    """Something of ours that stands on the platform for a client. `active`: people see it as standing.

    `key` is ours where the object carries it, "" where one mark (a tag) serves several flags. `text` is all that people
    can read in it.
    """

    id: str
    client: str
    active: bool
    key: str = ""
    text: str = ""


class Platform:
    """One practice's account on a platform. A test class makes a new one for each test.

    Everything here is what happens on the platform's side; ids and references are as the adapter names them
    (`RemoteResponse.id`, `Client.ref`).
    """

    cannot: ClassVar[Mapping[str, str]] = {}
    page_size: ClassVar[int] = 5

    clock: Clock

    def start(self) -> Self:
        """Begins."""
        return self

    def stop(self) -> None:
        """Ends, and gives everything back."""

    # --- how the adapter gets in ----------------------------------------------------------------------------------

    def settings(self) -> dict[str, Any]:
        """The adapter's settings for this account, secrets as references (`file:x`)."""
        raise NotImplementedError

    def secrets(self) -> dict[str, str]:
        """The secrets by the names of the settings."""
        raise NotImplementedError

    def wrong_secrets(self) -> dict[str, str]:
        """Such as the platform refuses."""
        raise NotImplementedError

    def address_setting(self) -> str:
        """The name of the setting with the address."""
        return "base_url"

    # --- clients and forms ----------------------------------------------------------------------------------------

    def clients(self) -> Mapping[str, str]:
        """At least two clients: name by reference. Names are odd words, so that they are recognised anywhere."""
        raise NotImplementedError

    def add(self, filled: Filled) -> str:
        """A client has filled in the form of QUESTIONS now (`clock.at`); gives its id."""
        raise NotImplementedError

    def amend(self, remote_id: str, filled: Filled) -> None:
        """The form was changed now."""
        raise NotImplementedError

    def withdraw(self, remote_id: str) -> None:
        """The form was marked as entered in error now."""
        raise NotImplementedError

    def delete(self, remote_id: str) -> None:
        """The form vanished."""
        raise NotImplementedError

    # --- what of ours stands there --------------------------------------------------------------------------------

    def marks(self, carrier: str) -> Sequence[Mark]:
        """What of ours stands on this carrier, closed and retracted ones included where the platform keeps them."""
        raise NotImplementedError

    def remove(self, mark: Mark) -> None:
        """A person removed it."""
        raise NotImplementedError

    def close_client(self, ref: str) -> None:
        """The client's chart was archived: nothing more is written into it."""
        raise NotImplementedError

    def asks(self) -> Sequence[str]:
        """Clients whom the platform was told to ask, one entry for each request that is open."""
        raise NotImplementedError

    def webhook(self, *, genuine: bool = True) -> WebhookRequest:
        """A request as the platform sends it when a form was filled in; else one that somebody forged."""
        raise NotImplementedError

    # --- faults ---------------------------------------------------------------------------------------------------

    def expire(self) -> None:
        """All tokens given out so far have ended; new ones can be had."""
        raise NotImplementedError

    def repeat_rows(self) -> None:
        """From now on the last row of each page comes again as the first of the next."""
        raise NotImplementedError

    def lead_to(self, origin: str) -> None:
        """From now on links to next pages lead to the same path at another origin."""
        raise NotImplementedError

    # --- words ----------------------------------------------------------------------------------------------------

    def can(self, ability: str) -> str | None:
        """None where the platform can do it, else the reason why not."""
        if ability not in ABILITIES:
            raise KeyError(ability)
        return self.cannot.get(ability)


class Double(Loopback, Platform):
    """A platform's double over real HTTP on loopback: write `handle`, the settings and what people do; faults are here.

    A platform that says "too many requests" otherwise than by status 429 overrides `too_many`; one with a header of
    its own for the wait overrides `own_wait`; GraphQL overrides `writes`.
    """

    # --- the ways to be told to wait ---

    def too_many(self, headers: Mapping[str, str]) -> Reply:
        """How this platform says that there were too many requests."""
        return Reply(429, {"error": "too many requests"}, headers)

    def own_wait(self, seconds: int) -> Mapping[str, str]:
        """The platform's own header that asks for so many seconds."""
        raise NotImplementedError

    def throttle(self, kind: str, seconds: int = 7, *, on: str = "read", times: int = 1) -> None:
        """The next requests are refused as too many, and the wait is told by `seconds`, `date`, `nonsense`, `absent`
        or the platform's `own` header."""
        until = self.clock.at.timestamp() + seconds

        def headers() -> Mapping[str, str]:
            if kind == "own":
                return self.own_wait(seconds)
            later = self.clock.at.fromtimestamp(until, self.clock.at.tzinfo)
            said = {"seconds": str(seconds), "date": date_text(later), "nonsense": "soon; -5, 1.5"}
            return {"Retry-After": said[kind]} if kind in said else {}

        def fault(_: Request, __: Work) -> Reply:
            return self.too_many(headers())

        self.plant(fault, on=on, times=times)

    # --- the ways to fail ---

    def fail(self, status: int = 503, *, on: str = "read", times: int = 1, skip: int = 0) -> None:
        """The next requests meet an error of the platform's own; nothing is done."""
        self.plant(lambda _, __: Reply(status, body=b"kestrel is out"), on=on, times=times, skip=skip)

    def lose_replies(self, times: int = 1) -> None:
        """The next writes are done, and their answers are lost."""

        def fault(_: Request, work: Work) -> Reply:
            work()
            return Reply(drop=True)

        self.plant(fault, on="write", times=times)

    def cut_replies(self, *, times: int = 1, skip: int = 0) -> None:
        """The next answers to reads break off in the middle."""

        def fault(_: Request, work: Work) -> Reply:
            whole = work()
            return Reply(whole.status, headers=whole.headers, body=whole.content(), cut=True)

        self.plant(fault, times=times, skip=skip)

    def talk_nonsense(self, body: bytes, content_type: str = "application/json", *, times: int = 1000) -> None:
        """Reads bring this instead of data."""
        self.plant(lambda _, __: Reply(200, headers={"Content-Type": content_type}, body=body), times=times)

    def redirect(self, origin: str, *, on: str = "any", times: int = 1) -> None:
        """The next requests are sent to the same path at another origin."""

        def fault(request: Request, _: Work) -> Reply:
            return Reply(302, headers={"Location": origin + request.path})

        self.plant(fault, on=on, times=times)
