"""What `register_adapters()` returns: a platform, what it reads, how it shows a flag, what it can do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import msgspec

from ...schemas.records import Client, Cursor, Instrument, Quarantined, Session
from ...schemas.vocab import RemoteState
from .asking import Sender


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
    `ResponseStatus` by value. `whole`: each question of the platform's form has a line, answered or not, so that one
    without a line is no longer asked; False where lines that were left empty may be missing.
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
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """What one request brought.

    `cursor` may be stored once everything else here is committed; it is None where the order of the source does not
    allow a resume in the middle (F12, F13) - then only the last page carries one.
    `set_aside` are entries that could not even be read; `gone` the ids that the platform says are deleted.
    `sorted` is False when the server did not keep the order that was asked for. `next_is_here` says whether the next
    page need not be waited for any more; then it is begun before this one is stored. None: nobody knows.
    """

    responses: Sequence[RemoteResponse]
    cursor: Cursor | None = None
    set_aside: Sequence[Quarantined] = ()
    gone: Sequence[str] = ()
    warnings: Sequence[str] = ()
    sorted: bool = True
    next_is_here: Callable[[], bool] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class RemoteForm:
    """A form that the platform has, as `connect` lists it and as a mapping is proposed from it.

    `observed`: the platform tells no form, so that questions and options are those met in answers: there may be more.
    """

    form: str
    version: str | None
    title: str
    questions: Sequence[RemoteQuestion]
    observed: bool = False


@dataclass(frozen=True, slots=True)
class RemoteQuestion:
    """One question of a platform's form with its options, weights where the platform has them.

    `several`: more than one of them can be ticked, which no line of an instrument allows.
    """

    question: str
    text: str
    options: Sequence[RemoteAnswer] = ()
    codings: Sequence[tuple[str, str]] = ()
    several: bool = False


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
    """A form that was made or updated on the platform. `changed` is False when it was there already, unchanged.

    `questions` are the platform's own names of the lines (item id -> `RemoteLine.question`), where it lets us choose
    none; `form` is then to name the version, too, as such platforms know no versions.
    """

    form: str
    version: str
    remote_id: str
    changed: bool
    questions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Notice:
    """A flag as a platform may show it: never a score, a level, an item text or a name (design, section 6).

    `key` makes the write safe to repeat. `reason` is None unless the practice allowed reasons on this carrier.
    `based_on` are the platform's ids of the forms that the flag rests on. `beside` is how many other flags of this
    client are to stand on this carrier: where one mark serves them all (a tag), it goes with the last of them.
    `attempted` are states to which earlier writes were to bring it whose answers were lost: what is found in one of
    them was brought there by us, not by a person (F81, F86).
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
    beside: int = 0
    attempted: Sequence[RemoteState] = ()

    @property
    def perhaps_over(self) -> bool:
        """Whether an earlier write of ours may have closed it or taken it back, its answer lost."""
        return any(state is not RemoteState.ACTIVE for state in self.attempted)


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
