"""The rows of `handrail due`: how each form of each client stands, with the reason and what went wrong, in words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from ..store import Tx, asks, forms
from ..store.asks import AskRow, Remote
from ..store.forms import StoredClient
from ..words import mark, tr
from .cadence import day_of
from .enrolling import NOTE_OLD_TEXT, text_hash
from .facts import DueRow, Standing
from .planning import Case

if TYPE_CHECKING:
    from ..engine import Engine

NO_WAY = mark(
    "The way of asking is not here (a plugin was taken off?). Choose another: handrail enrol CLIENT --channel"
)
_FAR = date.max


class Listing:
    """Makes the rows.

    :param today: the practice's local day.
    """

    def __init__(self, engine: Engine, today: date) -> None:
        self.engine = engine
        self.settings = engine.settings
        self.today = today
        self._text = text_hash(engine.settings)

    def rows(self, tx: Tx, cases: Sequence[Case]) -> list[DueRow]:
        """One row a case, soonest first."""
        people = forms.read_clients(tx, sorted({case.client for case in cases}))
        remote = asks.remote_of(tx, [case.shown.key for case in cases if case.shown is not None])
        found = [self._row(case, people[case.client], remote) for case in cases if case.client in people]
        return sorted(found, key=lambda row: (row.due or _FAR, row.client, row.instrument))

    def _row(self, case: Case, person: StoredClient, remote: dict[str, Remote]) -> DueRow:
        row = case.shown
        standing = self._standing(case)
        link = remote.get(row.key, Remote()).link if row is not None else None
        return DueRow(
            key=case.client,
            client=person.name or person.ref,
            clinician=person.clinician_name or person.clinician,
            instrument=case.instrument,
            standing=standing,
            due=case.due.day if row is None else row.due,
            reason=(case.then or case.due).reason,
            channel=case.channel if row is None else row.channel,
            missed=case.missed,
            asked=None if row is None else self._day(row.asked),
            reminded=None if row is None else self._day(row.reminded),
            expires=None if row is None or row.asked is None else row.expires,
            paused_until=case.enrolment.paused_until if standing is Standing.PAUSED else None,
            opted_out=case.enrolment.opted_out,
            link=link,
            ask=None if row is None else row.key,
            problem=None if row is None else row.problem,
            notes=tuple(self._notes(case, row)),
        )

    def _day(self, when: datetime | None) -> date | None:
        return None if when is None else day_of(when, self.settings.zone)

    def _notes(self, case: Case, row: AskRow | None) -> list[str]:
        item, channel = case.enrolment, case.channel if row is None else row.channel
        notes = []
        if item.consent_text not in (None, self._text):
            notes.append(tr(NOTE_OLD_TEXT))
        if channel not in self.engine.registry.collectors:
            notes.append(tr(NO_WAY))
        return notes

    def _standing(self, case: Case) -> Standing:
        if case.blocked is not None:
            return case.blocked
        if case.live is not None:
            return self._live(case.live)
        if case.due.day is not None and case.due.day <= self.today:
            return Standing.DUE
        if case.shown is not None:
            return Standing.REFUSED
        return Standing.MISSED if case.missed else Standing.LATER

    def _live(self, row: AskRow) -> Standing:
        """Late: so many days since the last request or reminder, and no reminder is to come."""
        asked = self._day(row.asked)
        if asked is None:
            return Standing.TRYING if row.attempts else Standing.DUE
        contact = self._day(row.reminded) or asked
        wait = timedelta(days=self.settings.collect.remind_days)
        spec = self.engine.registry.collectors.get(row.channel)
        reminds = spec is not None and spec.descriptor.remind is not None
        more = reminds and row.reminders < self.settings.collect.reminders
        if self.today >= contact + wait and not (more and self.today == contact + wait):
            return Standing.LATE
        return Standing.REMINDED if row.reminded is not None else Standing.ASKED
