"""The records that flow through Handrail: frozen, typed, without behaviour beyond small derived values.

Each has its marshmallow schema in this package; what a record means for the practice is told in docs/records.md.
Times are aware datetimes. Answers are the raw numbers of the form, before any reversal, or a `Blank`.
"""

from __future__ import annotations

from collections.abc import Mapping as MappingABC
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from typing import Any

from .packed import Packed
from .vocab import (
    Blank,
    DeliveryState,
    Direction,
    FlagState,
    Mode,
    QuarantineReason,
    RemoteState,
    ResponseStatus,
    RunOutcome,
)

Answer = int | Blank
Answers = MappingABC[str, Answer]
Json = dict[str, Any]


# --- instruments -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Coding:
    """A code of a published code system (LOINC, say)."""

    system: str
    code: str
    display: str | None = None


@dataclass(frozen=True, slots=True)
class Option:
    """One answer that can be ticked. `value` is None for "I would rather not say" (`declined`)."""

    code: str
    label: str
    value: int | None
    codings: tuple[Coding, ...] = ()


@dataclass(frozen=True, slots=True)
class Item:
    """One line of a form. `reverse` turns the raw value round at scoring: min + max - raw (clinical.md 3.2)."""

    id: str
    text: str
    options: tuple[Option, ...]
    reverse: bool = False
    optional: bool = False
    hint: str | None = None
    topic: str | None = None
    codings: tuple[Coding, ...] = ()

    @property
    def values(self) -> tuple[int, ...]:
        """The numbers that this line can have, ascending."""
        return tuple(sorted(o.value for o in self.options if o.value is not None))


@dataclass(frozen=True, slots=True)
class Change:
    """Constants of measurement error, with where they come from: `assumed`, `local` or `published`.

    `sd` and `retest` in units of the score; `reliable` is a published reliable-change index in the same units,
    compared as `reliable_compare` says (">" for an RCI, ">=" for minimal-difference rules; clinical.md 10).
    """

    origin: str
    source: str
    sd: float | None = None
    retest: float | None = None
    reliable: float | None = None
    reliable_compare: str = ">="
    caseness: float | None = None


@dataclass(frozen=True, slots=True)
class ScoreDefinition:
    """How one score follows from the lines.

    `method` is `mean`, `sum` or `special` (the registered scorer named by `scorer`). `least` lines must be answered,
    else there is no score; a sum of fewer than all lines is prorated. `low` and `high` bound the value.
    """

    id: str
    title: str
    method: str
    items: tuple[str, ...]
    least: int
    low: float
    high: float
    direction: Direction = Direction.NONE
    beside: str | None = None
    change: Change | None = None
    codings: tuple[Coding, ...] = ()
    scorer: str | None = None


@dataclass(frozen=True, slots=True)
class SafetyLine:
    """A line whose answer of `at_least` or more is relayed at once by rule S (clinical.md 6)."""

    item: str
    at_least: int


@dataclass(frozen=True, slots=True)
class Licence:
    """Whose wording this is, under what terms, and where it was read."""

    name: str
    source: str
    notice: str


@dataclass(frozen=True)  # without slots: its lines and scores by their ids are kept once they were asked for
class Instrument:
    """A form: its lines, its scores and everything that may be said of it. Comes from a data file.

    `sha256` is the hash of the file's canonical JSON: scores carry it, so that an edited file is seen (S37).
    """

    id: str
    version: str
    title: str
    audience: str
    status: str
    language: str
    lead_in: str
    window: str
    licence: Licence
    items: tuple[Item, ...]
    scores: tuple[ScoreDefinition, ...]
    straight_line: tuple[str, ...] = ()
    safety: tuple[SafetyLine, ...] = ()
    codings: tuple[Coding, ...] = ()
    note: str | None = None
    sha256: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """(id, version): scores of different versions are never joined."""
        return (self.id, self.version)

    def item(self, item_id: str) -> Item:
        """The line of that id. Raises KeyError."""
        return self._by_id[0][item_id]

    def score(self, score_id: str) -> ScoreDefinition:
        """The score definition of that id. Raises KeyError."""
        return self._by_id[1][score_id]

    @cached_property
    def _by_id(self) -> tuple[dict[str, Item], dict[str, ScoreDefinition]]:
        return {item.id: item for item in reversed(self.items)}, {score.id: score for score in self.scores}


# --- answers and scores ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Client:
    """A client as the platform knows them. `replaced_by` is the record that the platform merged this one into (F67);
    `email` is kept only where the practice asks clients by e-mail."""

    ref: str
    name: str | None = None
    clinician: str | None = None
    clinician_name: str | None = None
    clinician_since: date | None = None
    email: str | None = None
    replaced_by: str | None = None


@dataclass(frozen=True, slots=True)
class Response:
    """One filled-in form, in the instrument's own words.

    `id` is the platform's id (or one made by `screen`), `version` the platform's version of it, `updated` the
    platform's own timestamp. `totals` are totals that came with the form: kept beside ours, never used instead.
    """

    id: str
    client: str
    instrument: str
    instrument_version: str
    authored: datetime
    answers: Answers
    status: ResponseStatus = ResponseStatus.COMPLETED
    version: str | None = None
    updated: datetime | None = None
    mode: Mode = Mode.UNKNOWN
    language: str | None = None
    source: str | None = None
    tags: frozenset[str] = frozenset()
    totals: MappingABC[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Score:
    """One score of one form. `value` is None exactly when `reason` says why there is no score."""

    name: str
    value: float | None
    answered: int
    of: int
    method: str
    reason: str | None = None

    @property
    def partial(self) -> bool:
        """Whether fewer than all lines were answered."""
        return self.value is not None and self.answered < self.of


@dataclass(frozen=True, slots=True)
class ScoredForm:
    """A form as rules see it: raw answers, scores and the notes on it; no name, no platform reference."""

    id: str
    authored: datetime
    answers: Answers
    scores: MappingABC[str, Score]
    straight_line: bool = False
    tags: frozenset[str] = frozenset()
    mode: Mode = Mode.UNKNOWN
    language: str | None = None

    def value(self, score: str) -> float | None:
        """The score's value, None where it could not be scored or is not of this form."""
        found = self.scores.get(score)
        return None if found is None else found.value


@dataclass(frozen=True, slots=True)
class Course:
    """What one client answered over time, as rules read it.

    `forms` are those of one instrument version, oldest first. `others` holds the series of the other instruments in
    use, by instrument id. `therapists` are the dates from which a new therapist is responsible (not the first).
    `sessions` are attended sessions, or None where the platform gives none.
    """

    client: str
    instrument: Instrument
    forms: tuple[ScoredForm, ...]
    others: MappingABC[str, Course] = field(default_factory=dict)
    therapists: tuple[datetime, ...] = ()
    sessions: tuple[datetime, ...] | None = None


# --- flags and what becomes of them ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Constant:
    """A number that a rule used and did not compute: with its origin (assumed, local, published, rule)."""

    name: str
    value: float
    origin: str
    source: str


@dataclass(frozen=True, slots=True)
class LineMove:
    """How one line moved between the baseline and the form that is looked at."""

    item: str
    text: str
    before: float | None
    after: Answer


@dataclass(frozen=True, slots=True)
class FormUsed:
    """A form that a flag rests on, with the numbers that were read from it."""

    id: str
    authored: datetime
    role: str
    values: MappingABC[str, float | None]


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the sum: what is computed, in words, the working, and the result."""

    what: str
    working: str
    result: float | bool | str | None


@dataclass(frozen=True, slots=True)
class Evidence(Packed):
    """Everything with which a reader can redo a flag by hand."""

    reason: str
    forms: tuple[FormUsed, ...]
    steps: tuple[Step, ...]
    constants: tuple[Constant, ...]
    moves: tuple[LineMove, ...]
    clears_when: str


@dataclass(frozen=True, slots=True)
class Flag:
    """A prompt for a conversation. `key` is the keyed hash of practice, client, rule and opening form."""

    key: str
    client: str
    rule: str
    rule_version: str
    state: FlagState
    opened: datetime
    opening_form: str
    evidence: Evidence
    score: float | None = None
    closed: datetime | None = None
    shown: bool = True


@dataclass(frozen=True, slots=True)
class Delivery:
    """One object on the platform that shows a flag: how it should look, how it looks, and what came between."""

    flag: str
    carrier: str
    wanted: RemoteState
    on_platform: RemoteState
    state: DeliveryState
    remote_id: str | None = None
    remote_version: str | None = None
    attempts: int = 0
    not_before: datetime | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """A clinician's pause for a client: no new flag of rules P and R while it lasts. `until` is the last day."""

    client: str
    start: date
    until: date
    reason: str
    author: str


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """A person has seen a flag; `useful` is yes, no, unsure or not said.

    `kind` is None for that, and "closed" where a person has closed a safety flag: `note` is then what was done.
    """

    flag: str
    at: datetime
    author: str
    note: str | None = None
    useful: str | None = None
    kind: str | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """An attended session, where the platform gives them."""

    client: str
    on: date
    therapist: str | None = None


@dataclass(frozen=True, slots=True)
class Enrolment:
    """Who is asked what and how often, on which consent.

    `every_sessions` counts attended sessions instead of weeks, where the platform gives them. `channel` names the way
    of asking (None: the practice's usual one). `tags` are those of clinical.md 3.7 (under-age, proxy, interpreter,
    couple): answers that carry one are kept apart from the change rules unless the practice says otherwise.
    `consent_text` is the start of the hash of the text that was shown, so that a later text is not taken for it.
    """

    client: str
    instruments: tuple[str, ...]
    every_weeks: int
    start: date
    every_sessions: int | None = None
    consent: date | None = None
    consent_by: str | None = None
    consent_text: str | None = None
    channel: str | None = None
    tags: frozenset[str] = frozenset()
    paused_until: date | None = None
    opted_out: date | None = None
    end: date | None = None


# --- mapping, quarantine, runs -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MappedQuestion:
    """Which item a platform question is, and which of its options is which number. `text` shows a later change;
    `options` maps an option's code, or its label where it has none, to a number or to `declined`."""

    question: str
    item: str
    text: str
    options: MappingABC[str, Answer]


@dataclass(frozen=True, slots=True)
class Mapping:
    """How one form of a platform is read, as a person confirmed it; `language` for answers that come without one."""

    platform: str
    form: str
    form_version: str | None
    instrument: str
    instrument_version: str
    questions: tuple[MappedQuestion, ...]
    ignored: tuple[str, ...] = ()
    totals: MappingABC[str, str] = field(default_factory=dict)
    confirmed: datetime | None = None
    confirmed_by: str | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A form that was set aside. `where` is a path into the form, never its content."""

    remote_id: str
    reason: QuarantineReason
    where: str
    message: str
    form: str | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who did what when, without the data itself."""

    at: datetime
    actor: str
    action: str
    subject: str | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Cursor:
    """Up to where a stream was read. `since` comes from the server's own timestamps only (F5)."""

    stream: str
    since: datetime | None = None
    server: str | None = None
    page_size: int | None = None
    token: str | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that did not go as it should, in one plain sentence, with who or what it concerns. `fatal`: it ended a
    part of the run. `person`: trying again does not help until somebody mends it."""

    what: str
    source: str
    fatal: bool = False
    person: bool = False


@dataclass(frozen=True, slots=True)
class RunReport:
    """What a sync did, and what it left undone."""

    started: datetime
    finished: datetime
    outcome: RunOutcome
    counts: MappingABC[str, int]
    seconds: MappingABC[str, float]
    problems: tuple[Problem, ...] = ()
    undone: tuple[str, ...] = ()
