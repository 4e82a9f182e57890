"""What hooks return, and what an adapter is: the contract between the core, its plugins and the platforms.

Plain data and protocols; nothing here does anything. A vendor reads this file and `hookspecs.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import msgspec

from ..schemas.records import (
    Answers,
    Client,
    Course,
    Cursor,
    Evidence,
    Instrument,
    Json,
    Quarantined,
    Response,
    Score,
    ScoreDefinition,
    Session,
)
from ..schemas.vocab import RemoteState

if TYPE_CHECKING:
    from marshmallow import Schema

# --- rules and scorers -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reading:
    """What a rule finds at one form of a course.

    `met`: the condition holds, does not hold, or (None) could not be judged, and then `why` says so.
    `score`: the rule's running number, higher for stronger; None where the rule has none.
    `evidence` is called only for forms at which a flag opens, so that reading a course stays cheap.
    """

    met: bool | None
    score: float | None = None
    why: str | None = None
    evidence: Callable[[], Evidence] | None = None


class Judge(Protocol):
    """A rule: a course in, one `Reading` for each form out, in order.

    Pure and causal: no clock, no randomness, and the reading at a form depends on nothing after it. Holds, quiet
    periods and the life of flags are the core's business.
    """

    def __call__(self, course: Course) -> Sequence[Reading]: ...


@dataclass(frozen=True, slots=True)
class RuleSpec:
    """A rule with its name. `instrument` is the id of the form whose course it reads; None reads every instrument.

    `kind`: `prompt` (has a life, guarded), `good-news` (has a life, not guarded), `note` (pre-session page only, no
    life), `safety` (own channel, closed by a person only, nothing silences it).
    `order`: among prompts of one client and form the lowest is shown and pushed, the rest stay behind "more".
    `at_budget`: for model rules, the same rule at another sparingness (2, 5 or 10 benign clients in a hundred prompted
        about in a year, in simulation); None for rules without such a choice.
    `possible`: a quick look, False only where `judge` would find the rule met on no form; None reads every course.
    `prepare`: told a page of courses before they are judged, to compute many at once; it changes no answer.
    `prompts`: False where the practice chose other rules to prompt: its flags then wait behind "more".
    """

    id: str
    version: str
    title: str
    instrument: str | None
    judge: Judge
    kind: str = "prompt"
    order: int = 100
    at_budget: Callable[[int], RuleSpec] | None = None
    possible: Callable[[Course], bool] | None = None
    prepare: Callable[[Sequence[Course]], None] | None = None
    prompts: bool = True


@dataclass(frozen=True, slots=True)
class ScorerSpec:
    """Special scoring for instruments whose rule is neither a mean nor a sum.

    `name` is what a score definition's `scorer` says. Returns a `Score`; "could not score" is a value with a reason.
    """

    name: str
    score: Callable[[Instrument, ScoreDefinition, Answers], Score]


# --- collecting --------------------------------------------------------------------------------------------------


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
    (raises MailProblem). `language` is that of the practice's texts.
    """

    practice: str
    language: str
    crisis_text: str
    consent_text: str
    sender: Callable[[], Sender]
    post: Callable[[Letter], None]


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


# --- platforms ---------------------------------------------------------------------------------------------------


class RemoteAnswer(msgspec.Struct, frozen=True, gc=False):
    """One answer as the platform gives it: an option's code and label, a plain number, a weight that came along."""

    code: str | None = None
    label: str | None = None
    number: float | None = None
    weight: float | None = None


class RemoteLine(msgspec.Struct, frozen=True, gc=False, cache_hash=True):
    """One line of a platform's form with what was answered on it (none: left empty).

    An adapter does well to give equal lines as one object: those that came before are read by a look-up.
    """

    question: str
    text: str | None = None
    answers: tuple[RemoteAnswer, ...] = ()


class RemoteResponse(msgspec.Struct, frozen=True, gc=False):
    """A filled-in form in the platform's words. Times are ISO 8601 texts as they came; nothing is guessed here.

    `form` names the platform's form (a FHIR canonical without its version, a template id). `status` is one of
    `ResponseStatus` by value. `totals` are totals that the platform had stored, by question.
    """

    id: str
    form: str
    client: str
    status: str
    lines: tuple[RemoteLine, ...]
    authored: str | None = None
    version: str | None = None
    updated: str | None = None
    form_version: str | None = None
    client_name: str | None = None
    source: str | None = None
    language: str | None = None
    mode: str | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """What one request brought.

    `cursor` may be stored once everything else here is committed; it is None where the order of the source does not
    allow a resume in the middle (F12, F13) - then only the last page carries one.
    `set_aside` are entries that could not even be read; `gone` the ids that the platform says are deleted.
    `sorted` is False when the server did not keep the order that was asked for.
    """

    responses: Sequence[RemoteResponse]
    cursor: Cursor | None = None
    set_aside: Sequence[Quarantined] = ()
    gone: Sequence[str] = ()
    warnings: Sequence[str] = ()
    sorted: bool = True


@dataclass(frozen=True, slots=True)
class RemoteForm:
    """A form that the platform has, as `connect` lists it and as a mapping is proposed from it."""

    form: str
    version: str | None
    title: str
    questions: Sequence[RemoteQuestion]


@dataclass(frozen=True, slots=True)
class RemoteQuestion:
    """One question of a platform's form with its options, weights where the platform has them."""

    question: str
    text: str
    options: Sequence[RemoteAnswer] = ()
    codings: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True)
class Identity:
    """Who answers at the configured address. `fingerprint` differs when another or an emptied server answers (F14).

    `clock` is the server's own time of its answer, where it tells it.
    """

    title: str
    version: str
    fingerprint: str
    can: Mapping[str, bool | None] = field(default_factory=dict)
    notes: Sequence[str] = ()
    clock: datetime | None = None


@dataclass(frozen=True, slots=True)
class Published:
    """A form that was made or updated on the platform. `changed` is False when it was there already, unchanged."""

    form: str
    version: str
    remote_id: str
    changed: bool


@dataclass(frozen=True, slots=True)
class Notice:
    """A flag as a platform may show it: never a score, a level, an item text or a name (design, section 6).

    `key` makes the write safe to repeat. `reason` is None unless the practice allowed reasons on this carrier.
    `based_on` are the platform's ids of the forms that the flag rests on.
    """

    key: str
    client: str
    rule: str
    state: RemoteState
    title: str
    opened: datetime
    closed: datetime | None = None
    reason: str | None = None
    based_on: Sequence[str] = ()
    clinician: str | None = None


@dataclass(frozen=True, slots=True)
class Delivered:
    """What a carrier did. `refused` holds the plain reason when the platform will never take this one (F88).

    `doubles` counts further objects with our key that were found and retracted (F84a); `human_edit` is True when a
    person had changed the object and it was left as it is (F86).
    """

    remote_id: str | None
    remote_version: str | None = None
    created: bool = False
    doubles: int = 0
    human_edit: bool = False
    refused: str | None = None


class Carrier(Protocol):
    """One way in which a platform shows a flag."""

    def deliver(self, notice: Notice, remote_id: str | None, remote_version: str | None) -> Delivered:
        """Makes the object on the platform look as `notice.state` says, creating it when there is none.

        Safe to repeat with the same `notice.key` whatever happened before: looks before it creates where the
        platform has no safe conditional create. `notice.client` may be another than when the object was made, since
        client records are merged: what stands is then moved to that client's chart, or refused with the reason.
        Raises PlatformError when the outcome is unknown or may pass.
        """
        ...

    def find(self, key: str) -> Sequence[str]:
        """Remote ids of all objects on the platform that carry this key, oldest first."""
        ...


@dataclass(frozen=True, slots=True)
class CarrierSpec:
    """A carrier's name, and who sees it. `clinicians_only` says whether reasons may be shown there at all."""

    name: str
    title: str
    seen_by: str
    clinicians_only: bool


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an adapter can do; what is not named here is refused as unsupported, never skipped silently."""

    lists_forms: bool = False
    publishes: bool = False
    reports_deletions: bool = False
    gives_clinicians: bool = False
    gives_sessions: bool = False
    sends: bool = False


class Adapter(Protocol):
    """One connection to one practice's account on a platform. Methods raise `PlatformError`s only."""

    def test(self) -> Identity:
        """One cheap authenticated look: who is there, what may we do."""
        ...

    def forms(self) -> Iterator[RemoteForm]:
        """The forms that the platform has."""
        ...

    def pull(self, cursor: Cursor | None) -> Iterator[Page]:
        """Pages of all responses changed since the cursor, inclusive and with overlap; None pulls everything."""
        ...

    def fetch(self, remote_ids: Sequence[str]) -> Page:
        """The named responses as they are now, for what was set aside; those gone are in `gone`."""
        ...

    def listing(self) -> Iterator[Mapping[str, str | None]]:
        """Ids and versions of all responses, page by page, for the reconcile that finds deletions (F4, F62)."""
        ...

    def clients(self, refs: Sequence[str]) -> Iterator[Client]:
        """What the platform says of these clients; one that it does not know is left out."""
        ...

    def publish(self, instrument: Instrument) -> Published:
        """Makes or updates the form on the platform. Raises Unsupported where it cannot."""
        ...

    def carrier(self, name: str) -> Carrier:
        """The carrier of that name. Raises Unsupported, saying why this server does not take it."""
        ...

    def close(self) -> None:
        """Gives connections back."""
        ...


class Asking(Protocol):
    """What an adapter has besides when `Capabilities.sends`."""

    def sender(self) -> Sender:
        """The platform's way to ask a client. Raises Unsupported, saying why this server does not take it."""
        ...


class WithSessions(Protocol):
    """What an adapter has besides when `Capabilities.gives_sessions`."""

    def sessions(self, refs: Sequence[str]) -> Iterator[Session]:
        """The attended sessions of these clients, `Session.client` being the reference asked for."""
        ...


@dataclass(frozen=True, slots=True)
class AdapterContext:
    """What an adapter is handed: its own settings (loaded through its schema), secrets by name, hashing for logs.

    `secret(name)` reads the secret that setting `name` refers to, each time anew (it may rotate). `warn` takes a
    plain sentence for the run report. `now` is the local clock, for token expiry and waiting only, never for cursors.
    """

    practice: str
    settings: Mapping[str, Any]
    secret: Callable[[str], str]
    warn: Callable[[str], None]
    now: Callable[[], float]
    sleep: Callable[[float], None]
    user_agent: str


@dataclass(frozen=True, slots=True)
class AdapterSpec:
    """A platform. `settings` gives the marshmallow schema that `connect` asks by: each field's metadata has `help`,
    secrets are marked `metadata={"secret": True}` and are stored by reference only.

    `exports` turn an instrument into a format of the platform, by name, for `handrail instruments export`.
    """

    name: str
    title: str
    settings: Callable[[], type[Schema]]
    capabilities: Capabilities
    carriers: Sequence[CarrierSpec]
    open: Callable[[AdapterContext], Adapter]
    exports: Mapping[str, Callable[[Instrument], Json]] = field(default_factory=dict)


# --- what prepare_* hooks are told ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HookContext:
    """What a `prepare_*` hook is told besides its records: no token, no store, no way to either (S44)."""

    practice: str
    platform: str
    as_of: datetime


@dataclass(frozen=True, slots=True)
class Refusal:
    """What `prepare_responses` or `prepare_flags` puts in a record's place to refuse it, with the plain reason."""

    reason: str


PreparedResponses = Sequence[Response | Refusal]
