"""Who is due for what: enrolments, past requests and answers, read together and laid beside the cadence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

from ...schemas.records import Enrolment
from ...schemas.vocab import AskState, EnrolmentState
from ..registry import Registry
from ..safety import readiness
from ..settings import Settings
from ..store import Tx, asks, enrolments, mend, sessions
from ..store.asks import AskRow
from ..store.sql import chunks
from .cadence import Due, Past, Request, Rhythm, day_of, due_then, missed_in_a_row, next_due
from .enrolling import state_on
from .facts import Standing

CLIENTS_A_PAGE = 200
_BLOCKED = {
    EnrolmentState.ENDED: Standing.ENDED,
    EnrolmentState.OPTED_OUT: Standing.OPTED_OUT,
    EnrolmentState.PAUSED: Standing.PAUSED,
}
CLOSING = frozenset(
    {Standing.ENDED, Standing.OPTED_OUT, Standing.PAUSED, Standing.MERGED, Standing.NO_CONSENT, Standing.NO_FORM}
)
"""Why an open request is closed; where only settings are missing it waits."""


@dataclass(frozen=True, slots=True)
class Case:
    """One form of one client. `live`: the request that is not closed yet. `shown`: the one that lists show, which is
    that, or the newest if it was refused; `then`: why it was due on its day.

    `blocked`: why this client is not asked for this form today; None: nothing stands against it.
    """

    client: str
    instrument: str
    enrolment: Enrolment
    due: Due
    channel: str
    missed: int
    blocked: Standing | None
    live: AskRow | None
    shown: AskRow | None
    then: Due | None

    def to_ask(self, today: date) -> bool:
        """Whether a request is to be made today."""
        due = self.due.day
        return self.live is None and self.blocked is None and due is not None and due <= today


class _Beside(NamedTuple):
    """What is read once for all clients."""

    merged: Mapping[str, str]
    sessions: bool
    missing: bool


class Planner:
    """Lays past and cadence beside each other.

    :param today: the practice's local day.
    """

    def __init__(self, settings: Settings, registry: Registry, today: date) -> None:
        self.settings = settings
        self.registry = registry
        self.today = today

    def cases(self, tx: Tx, clients: Sequence[str] | None = None) -> Iterator[Case]:
        """All forms of all enrolled clients, or of those named, a page of clients at a time."""
        known = enrolments.read(tx, clients)
        beside = _Beside(enrolments.replaced(tx), sessions.known(tx), bool(readiness.missing(self.settings)))
        for part in chunks(sorted(known), CLIENTS_A_PAGE):
            yield from self._page(tx, {key: known[key] for key in part}, beside)

    def _page(self, tx: Tx, items: Mapping[str, Enrolment], beside: _Beside) -> Iterator[Case]:
        keys = list(items)
        rows: dict[tuple[str, str], list[AskRow]] = {}
        for row in asks.read(tx, clients=keys):
            rows.setdefault((row.client, row.instrument), []).append(row)
        answered = asks.answers(tx, keys)
        held = sessions.read(tx, keys) if beside.sessions else {}
        ends = mend.ends_of(tx, keys)
        for key, item in items.items():
            over = key in ends and ends[key] < self.today
            for name in item.instruments:
                days = tuple(day_of(when, self.settings.zone) for when, _ in answered.get((key, name), ()))
                attended = tuple(held[key]) if beside.sessions else None
                yield self._case(item, name, days, attended, rows.get((key, name), []), beside, over)

    def _case(
        self,
        item: Enrolment,
        name: str,
        days: tuple[date, ...],
        attended: tuple[date, ...] | None,
        rows: Sequence[AskRow],
        beside: _Beside,
        over: bool,
    ) -> Case:
        zone = self.settings.zone
        ran_out = [
            Request(row.due, row.due if row.asked is None else day_of(row.asked, zone))
            for row in rows
            if row.state in (AskState.EXPIRED, AskState.REFUSED)
        ]
        missed = [
            Request(row.due, day_of(row.asked, zone))
            for row in rows
            if row.state is AskState.EXPIRED and row.asked is not None
        ]
        past = Past(days, tuple(ran_out), frozenset(row.due for row in rows), attended)
        again = None if item.paused_until is None else item.paused_until + timedelta(days=1)
        rhythm = Rhythm(item.start, item.every_weeks, item.every_sessions, again)
        live = next((row for row in rows if row.live), None)
        shown = live or next((row for row in rows[-1:] if row.state is AskState.REFUSED), None)
        return Case(
            client=item.client,
            instrument=name,
            enrolment=item,
            due=next_due(rhythm, past, self.today),
            channel=item.channel or self.settings.collect.channel,
            missed=missed_in_a_row(days, missed),
            blocked=self._blocked(item, name, beside, over),
            live=live,
            shown=shown,
            then=None if shown is None else due_then(rhythm, past, shown.due),
        )

    def _blocked(self, item: Enrolment, name: str, beside: _Beside, over: bool) -> Standing | None:
        if item.client in beside.merged:
            return Standing.MERGED
        if over:
            return Standing.ENDED
        if (found := _BLOCKED.get(state_on(item, self.today))) is not None:
            return found
        if item.consent is None:
            return Standing.NO_CONSENT
        form = next((one.descriptor for (known, _), one in self.registry.instruments.items() if known == name), None)
        if form is None:
            return Standing.NO_FORM
        return Standing.NOT_READY if form.safety and beside.missing else None
