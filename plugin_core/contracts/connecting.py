"""What the core hands to an adapter, and how an adapter introduces itself: settings, abilities, ways in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ...schemas.records import Instrument, Json
from ..errors import SettingsError
from .platforms import Adapter
from .preparing import Refusal

if TYPE_CHECKING:
    from marshmallow import Schema


@dataclass(frozen=True, slots=True)
class CarrierSpec:
    """A carrier's name, and who sees it. `clinicians_only` says whether reasons may be shown there at all."""

    name: str
    title: str
    seen_by: str
    clinicians_only: bool


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an adapter can do; what is not named here is refused as unsupported, never skipped silently.

    `sends`: asks clients by itself (`Asking`). `delivers`: its `Sender` hands links of ours over (`Delivering`).
    `hears`: takes the platform's webhooks (`AdapterSpec.webhook`).
    `lists_all`: what `Adapter.listing` leaves out was deleted there; False where it may only have been moved away, so
    that nothing is ever withdrawn for being absent.
    `tells_accounts`: `Identity.fingerprint` is another one where another account answers at the same address; False
    where the platform says nothing by which that shows.
    """

    lists_forms: bool = False
    publishes: bool = False
    reports_deletions: bool = False
    gives_clinicians: bool = False
    gives_sessions: bool = False
    sends: bool = False
    delivers: bool = False
    hears: bool = False
    lists_all: bool = True
    tells_accounts: bool = True


@dataclass(frozen=True, slots=True)
class Support:
    """What the support matrix says of an adapter beside its capabilities, in English sentences of the documentation.

    `tested` is how far: `live` (a real server or account), `contract` (the vendor's own machine-readable contract),
    `third-party contract`, or `hand-made` (a server of the tests' own); `against` names it. `pulls` says what is read
    and how it is found out what changed, `limits` what the platform allows, `quirks` what a practice ought to know.
    """

    tested: str
    against: str
    pulls: str
    asks: str = "No; forms are given out in the platform."
    limits: str = "None published."
    quirks: Sequence[str] = ()


def _unkeyed(text: str) -> str:
    """`AdapterContext.hash` outside a practice (a test): not keyed, so that a guess can be checked by it."""
    return sha256(text.encode()).hexdigest()[:32]


def _no_place(name: str, value: str) -> None:  # noqa: ARG001 - the protocol's
    """`AdapterContext.keep` where there is no place for secrets: a lost refresh token would lock the practice out."""
    raise SettingsError(f"There is no place where the secret {name} could be kept.")


@dataclass(slots=True)
class Counted:
    """The requests that count against one limit, by their moments, and until when the platform wants none at all; in
    seconds since 1970 by the caller's clock."""

    times: list[float]
    not_before: float = 0.0


Tally = Callable[[str], AbstractContextManager[Counted]]


@dataclass(frozen=True, slots=True)
class AdapterContext:
    """What an adapter is handed: its own settings (loaded through its schema), secrets by name, hashing for logs.

    `secret(name)` reads the secret that setting `name` refers to, each time anew (it may rotate). `warn` takes a
    plain sentence for the run report. `now` is the local clock, for token expiry and waiting only, never for cursors.
    `zone` is the practice's, for platforms whose times name none. `keep(name, value)` puts a new value where the secret
    `name` lies (a refresh token that was rotated). `folder` is a private folder that outlives the run and is shared by
    all practices of this installation, for counting against the platform's limits; None: count in memory alone.
    `mapped` gives the forms that a person has confirmed, with the (id, version) of the instrument that each is read as:
    for platforms where reading a form costs, and for asking by a form that the practice made; None: not known.
    `own` is this practice's own private folder, beside its mappings, for what a person confirmed about the platform.
    `hash` stands for a text by a key of the practice, for ever the same one: for ids made of what may name a person.
    `tally(name)` gives, where many practices share a server, the requests counted under that name by all workers, and
    keeps what is changed inside; None: count in `folder`.
    """

    practice: str
    settings: Mapping[str, Any]
    secret: Callable[[str], str]
    warn: Callable[[str], None]
    now: Callable[[], float]
    sleep: Callable[[float], None]
    user_agent: str
    zone: tzinfo = UTC
    keep: Callable[[str, str], None] = _no_place
    folder: Path | None = None
    mapped: Callable[[], Mapping[str, tuple[str, str]]] | None = None
    own: Path | None = None
    hash: Callable[[str], str] = _unkeyed
    tally: Tally | None = None


class Dialogue(Protocol):
    """The person who connects, for what nobody may guess; where there is none, what they said in the command."""

    @property
    def who(self) -> str:
        """Who decides, as the audit trail names them."""
        ...

    def show(self, title: str, rows: Sequence[tuple[str, str]], problems: Sequence[str] = ()) -> None:
        """Shows facts as (what, how it is), and what must be settled first."""
        ...

    def choose(self, name: str, question: str, choices: Mapping[str, str], proposed: str | None) -> str | None:
        """One of the choices (word -> what it means; where there are none, any text); None when nobody decides.

        Without a person: what the command gave as `--answer NAME=WORD`, else what is proposed.
        """
        ...

    def agree(self, question: str) -> bool:
        """Yes or no; without a person, whether the command was given `--confirm`."""
        ...


class Browser(Protocol):
    """A person's browser, for platforms that sign in a person (OAuth 2.0 authorization code, RFC 8252)."""

    @property
    def returns_to(self) -> str:
        """The address on this machine to which the platform sends the person back: the `redirect_uri`."""
        ...

    def visit(self, url: str) -> Mapping[str, str]:
        """Shows `url` and waits until the person comes back; gives the parameters that came with them.

        Raises PlatformError when nobody comes back in time.
        """
        ...


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """One request to the practice's webhook address. Header names are in lower case; nothing here prints."""

    method: str
    path: str
    query: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Hint:
    """What a verified webhook is worth: a reason to pull soon, never data.

    `key` is the same when the platform delivers the same event again, so that a replay is seen. `forms` are ids of
    the forms that it is about, where it says so. `reply` is the body that the platform wants back, if any; `pull` is
    False for a request that only proves the address.
    """

    key: str
    forms: Sequence[str] = ()
    reply: bytes = field(default=b"", repr=False)
    pull: bool = True


@dataclass(frozen=True, slots=True)
class AdapterSpec:
    """A platform. `settings` gives the marshmallow schema that `connect` asks by: each field's metadata has `help`,
    secrets are marked `metadata={"secret": True}` and are stored by reference only.

    `exports` turn an instrument into a format of the platform, by name, for `handrail instruments export`. `login`
    signs a person in and keeps the tokens by `AdapterContext.keep`, as secrets marked `metadata={"by_login": True}`:
    `connect` asks nobody for those, and calls `login` while one of them is missing. `arrange`
    settles with a person what must be known before forms can be listed (the columns of a file), keeps it under
    `AdapterContext.own`, and gives a sentence for each thing that is still open. `webhook` verifies one request and
    says what it hints at, or refuses it with the reason.
    """

    name: str
    title: str
    settings: Callable[[], type[Schema]]
    capabilities: Capabilities
    carriers: Sequence[CarrierSpec]
    open: Callable[[AdapterContext], Adapter]
    exports: Mapping[str, Callable[[Instrument], Json]] = field(default_factory=dict)
    support: Support | None = None
    login: Callable[[AdapterContext, Browser], None] | None = None
    arrange: Callable[[AdapterContext, Dialogue], Sequence[str]] | None = None
    webhook: Callable[[AdapterContext, WebhookRequest], Hint | Refusal] | None = None
