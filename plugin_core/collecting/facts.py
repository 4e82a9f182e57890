"""What collecting tells: who is due for what and how it stands, what an enrolment became, what a run of `send` did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from ...schemas.records import Enrolment
from ...schemas.vocab import RunOutcome
from ..words import Texts, mark


class Standing(StrEnum):
    """How one form of one client stands today."""

    DUE = "due"
    TRYING = "trying"
    ASKED = "asked"
    REMINDED = "reminded"
    LATE = "late"
    REFUSED = "refused"
    MISSED = "missed"
    LATER = "later"
    NO_CONSENT = "waiting-for-consent"
    NOT_READY = "not-ready"
    NO_FORM = "no-such-form"
    PAUSED = "paused"
    OPTED_OUT = "opted-out"
    ENDED = "ended"
    MERGED = "merged"


WORDS: Texts[Standing] = Texts(
    {
        Standing.DUE: mark("due"),
        Standing.TRYING: mark("to be tried again"),
        Standing.ASKED: mark("asked on {asked}"),
        Standing.REMINDED: mark("reminded on {reminded}"),
        Standing.LATE: mark("late, asked on {asked}"),
        Standing.REFUSED: mark("not taken by the way of asking"),
        Standing.MISSED: mark("{missed} missed in a row"),
        Standing.LATER: mark("later"),
        Standing.NO_CONSENT: mark("not asked: no consent recorded"),
        Standing.NOT_READY: mark("not asked: settings for safety answers are missing"),
        Standing.NO_FORM: mark("not asked: there is no such form here"),
        Standing.PAUSED: mark("paused until {paused_until}"),
        Standing.OPTED_OUT: mark("opted out on {opted_out}"),
        Standing.ENDED: mark("ended"),
        Standing.MERGED: mark("another record of this client is the one in use"),
    }
)

TO_SEND = frozenset({Standing.DUE, Standing.TRYING})
QUIET = frozenset({Standing.LATER, Standing.OPTED_OUT, Standing.ENDED, Standing.MERGED})
"""Standings that nobody has to look at; `due` shows them with --all."""


@dataclass(frozen=True, slots=True)
class DueRow:
    """One form of one client. `due` is None while sessions are still to be attended; `link` is to be handed over.

    `client` is the name, or the platform's reference; `key` our own key of the client. `missed` counts requests that
    ran out since the last form.
    """

    key: str
    client: str
    clinician: str | None
    instrument: str
    standing: Standing
    due: date | None
    reason: str
    channel: str
    missed: int = 0
    asked: date | None = None
    reminded: date | None = None
    expires: date | None = None
    paused_until: date | None = None
    opted_out: date | None = None
    link: str | None = None
    ask: str | None = None
    problem: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What an enrolment was (None: new) and is now, with what a person should know of it."""

    client: str
    before: Enrolment | None
    after: Enrolment
    notes: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether anything is otherwise than before."""
        return self.before != self.after


@dataclass(frozen=True, slots=True)
class HandOver:
    """One request that a person hands over: a link, or the file of a sheet."""

    client: str
    instrument: str
    due: date
    asked: date
    link: str | None = None
    sheet: str | None = None


@dataclass(slots=True)
class SendReport:
    """What a run of `send` did, by count, with every fault in one sentence. `hand_over` is for people to carry."""

    counts: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    outcome: RunOutcome = RunOutcome.COMPLETE
    hand_over: list[HandOver] = field(default_factory=list)
    listing: str | None = None

    def say(self, sentence: str) -> None:
        """A fault, said once."""
        if sentence not in self.problems:
            self.problems.append(sentence)

    def worse(self, outcome: RunOutcome) -> None:
        """The run ended no better than this."""
        order = (RunOutcome.COMPLETE, RunOutcome.INCOMPLETE, RunOutcome.FAILED)
        self.outcome = max(self.outcome, outcome, key=order.index)


COUNT_WORDS: Mapping[str, str] = {
    "settled": mark("requests answered"),
    "reopened": mark("requests open again, since their form was withdrawn"),
    "asked": mark("clients asked"),
    "reminded": mark("clients reminded"),
    "not_remindable": mark("clients who cannot be reminded in this way; they are listed as late"),
    "expired": mark("requests that ran out without an answer"),
    "closed": mark("requests closed: opted out, paused, ended or no longer wanted"),
    "taken_back": mark("requests taken back where they were made"),
    "told": mark("requests marked as done where they were made"),
    "refused": mark("requests that the way of asking does not take"),
    "to_try_again": mark("requests to be tried again"),
    "waiting": mark("requests that failed before and wait for their next try; why: handrail due"),
    "to_hand_over": mark("forms to hand over by a person"),
    "redated": mark("requests dated anew, since the clock was wrong"),
    "would_ask": mark("clients would be asked"),
    "would_remind": mark("clients would be reminded"),
    "would_take_back": mark("requests would be taken back"),
    "no_consent": mark("forms not asked for: no consent recorded"),
    "not_ready": mark("forms not asked for: settings for safety answers are missing"),
}
