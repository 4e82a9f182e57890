"""One run of `send`: settle, close, plan, take back, ask, remind - each request once, whatever stops in between.

A request is marked `sending` and committed before its channel is called, and settled after. A stop in between leaves
the mark; the next run calls the channel again with the same key, and channels look before they create. Whether the
client may still be asked is judged anew in the transaction that marks the request: an opt-out just before sending wins.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...schemas.vocab import AskState, RunOutcome
from ..contracts import Asked, CollectorSpec
from ..errors import AddressRefused, Denied, HandrailError, MailProblem, Unreachable, Unsupported
from ..store import Tx, asks, book
from ..store.asks import LIVE, AskRow, Remote
from ..store.entries import is_entry
from ..sync.points import reach
from ..words import mark, tr, trn
from . import hand
from .cadence import day_of
from .facts import SendReport, Standing
from .planning import CLOSING, Planner
from .request import Requests
from .settle import settle

if TYPE_CHECKING:
    from ..engine import Engine

RETRY_MINUTES = (15, 60, 240, 1440)
MOST_FAULTS = 3
"""After so many faults in a row a channel is left alone until the next run: each may have cost a time-out."""
SLACK = timedelta(minutes=5)
FAR_AHEAD = timedelta(days=2)
POINTS = ("send-planned", "send-marked", "send-asked", "send-settled", "send-closing", "send-told", "send-closed")
"""Steps at which a test stops the process; `sync.points` lists those of a sync."""

NOT_HERE = mark(
    "The way of asking called {channel} is not here any more (a plugin was taken off?). Nobody is asked in this way. "
    "Put the plugin back, or choose another way: handrail enrol CLIENT --channel NAME"
)
BEHIND = mark(
    "This computer's clock is behind the time of the last change to a request, {when}. Nobody is asked twice because "
    "of it; check the clock."
)
NO_REMINDER = mark("This way of asking cannot remind.")
FAILED = mark("The way of asking called {channel} failed ({kind}). The request is tried again later.")


_COUNTED = {Standing.NO_CONSENT: "no_consent", Standing.NOT_READY: "not_ready"}


@dataclass(frozen=True, slots=True)
class SendOptions:
    """How to send. `by_hand`: the folder for what people hand over; None leaves that for another call."""

    dry_run: bool = False
    by_hand: Path | None = None
    retry_refused: bool = False


class Sending:
    """One run; the caller holds the practice's lock.

    :param engine: the practice.
    """

    def __init__(self, engine: Engine, options: SendOptions) -> None:
        self.engine = engine
        self.options = options
        self.now: datetime = engine.now()
        self.today: date = day_of(self.now, engine.settings.zone)
        self.collect = engine.settings.collect
        self.planner = Planner(engine.settings, engine.registry, self.today)
        self.requests = Requests(engine)
        self.report = SendReport()
        self._faults: Counter[str] = Counter()

    def run(self) -> SendReport:
        """Does it all; gives the report. A channel that cannot be reached leaves its requests for the next run.

        :raises UsageError: the folder for what is handed over cannot be written; nothing was done.
        """
        if self.options.by_hand is not None and not self.options.dry_run:
            hand.prepare(self.options.by_hand)
        self._clock()
        zone = self.engine.settings.zone
        self.report.counts.update(settle(self.engine.store, self.engine.source, self.now, zone))
        self._write(self._close)
        self._write(self._plan)
        reach("send-planned")
        if self.options.dry_run:
            self._would()
            return self.report
        self._count_waiting()
        self._each(lambda tx: asks.read(tx, recall=True), self._tell)
        self._each(lambda tx: [row for row in asks.read(tx, states=LIVE) if self._may_try(row)], self._send)
        self._each(lambda tx: [row for row in asks.read(tx, states=LIVE) if self._may_remind(row)], self._send)
        self._hand_over()
        return self.report

    def recall(self) -> SendReport:
        """Only tells channels of what is closed."""
        self._each(lambda tx: asks.read(tx, recall=True), self._tell)
        return self.report

    def _write(self, work: Callable[[Tx], Counter[str] | None]) -> None:
        """Commits, and adds what was counted: `work` may be run more than once."""
        self.report.counts.update(self.engine.store.write(work, self.engine.source) or ())

    def _each(self, rows: Callable[[Tx], list[AskRow]], work: Callable[[AskRow], None]) -> None:
        with self.engine.store.reading(self.engine.source) as tx:
            found = rows(tx)
        for row in found:
            if self._faults[row.channel] < MOST_FAULTS:
                work(row)
            self.engine.progress("asking", 1, len(found))

    # --- before anything leaves ----------------------------------------------------------------------------------

    def _clock(self) -> None:
        """Requests noted by a clock that was ahead are dated anew, so that they run out and do not stand for years."""
        with self.engine.store.reading(self.engine.source) as tx:
            last = asks.last_change(tx)
        if last is None or last <= self.now + SLACK:
            return
        when = last.astimezone(self.engine.settings.zone).strftime("%Y-%m-%d %H:%M")
        self.report.say(tr(BEHIND, when=when))

        def redate(tx: Tx) -> Counter[str]:
            number = 0
            for row in asks.read(tx, states=LIVE):
                times = {"asked": row.asked, "reminded": row.reminded, "not_before": row.not_before}
                ahead = [name for name, when in times.items() if when is not None and when > self.now + FAR_AHEAD]
                if ahead:
                    values = {name: None if name == "not_before" else self.now for name in ahead}
                    asks.change(tx, row.key, self.now, expires=self._last_day(), **values)
                    number += 1
            return Counter(redated=number)

        self._write(redate)

    def _last_day(self) -> date:
        return self.today + timedelta(days=self.collect.expire_days)

    def _close(self, tx: Tx) -> Counter[str]:
        """Requests that ran out, and those of clients who are not asked any more."""
        done = Counter(closed=asks.close(tx, unwanted(tx, self.planner), self.now))
        for row in asks.read(tx, states=(AskState.OPEN, AskState.SENDING)):
            if row.asked is not None and row.expires < self.today:
                asks.change(tx, row.key, self.now, state=AskState.EXPIRED, recall=True, not_before=None)
                done["expired"] += 1
        if self.options.retry_refused:
            for key in asks.newest_refused(tx):
                asks.change(tx, key, self.now, state=AskState.PLANNED, problem=None, not_before=None)
        return done

    def _plan(self, tx: Tx) -> Counter[str]:
        done: Counter[str] = Counter()
        for case in self.planner.cases(tx):
            due, live = case.due.day, case.live
            if case.to_ask(self.today) and due is not None:
                asks.plan(tx, case.client, case.instrument, due, case.channel, self._last_day(), self.now)
            elif live is not None and live.state is AskState.PLANNED and live.channel != case.channel:
                asks.change(tx, live.key, self.now, channel=case.channel, not_before=None)
            elif due is not None and due <= self.today and case.blocked in _COUNTED:
                done[_COUNTED[case.blocked]] += 1
        return done

    def _count_waiting(self) -> None:
        """Requests that this run passes over, so that it does not end with a bare "Done."."""
        with self.engine.store.reading(self.engine.source) as tx:
            rows = asks.read(tx, states=(AskState.PLANNED, AskState.SENDING))
        if waiting := sum(map(self._waits, rows)):
            self.report.counts["waiting"] = waiting

    def _would(self) -> None:
        """What a run would do, for --dry-run."""
        with self.engine.store.reading(self.engine.source) as tx:
            rows = asks.read(tx, states=LIVE)
            closed = [row for row in asks.read(tx, recall=True) if not self._waits(row)]
        self.report.counts["would_take_back"] += sum(self._takes_back(row, self._form(row)) for row in closed)
        self.report.counts["would_ask"] += sum(self._may_try(row) and row.asked is None for row in rows)
        self.report.counts["would_remind"] += sum(
            self._may_remind(row) or (self._may_try(row) and row.asked is not None) for row in rows
        )

    # --- asking and reminding --------------------------------------------------------------------------------------

    def _may_try(self, row: AskRow) -> bool:
        """Planned, or of unknown outcome, and not waiting for another try."""
        return row.state in (AskState.PLANNED, AskState.SENDING) and not self._waits(row) and self._carried(row)

    def _waits(self, row: AskRow) -> bool:
        return row.not_before is not None and row.not_before > self.now

    def _may_remind(self, row: AskRow) -> bool:
        if row.state is not AskState.OPEN or row.asked is None or row.reminders >= self.collect.reminders:
            return False
        contact = day_of(row.reminded or row.asked, self.engine.settings.zone)
        spec = self.requests.collector(row.channel)
        due = contact + timedelta(days=self.collect.remind_days)
        return spec is not None and spec.remind is not None and due <= self.today < row.expires and self._carried(row)

    def _carried(self, row: AskRow) -> bool:
        """What people hand over is made only when somebody is there to do so."""
        spec = self.requests.collector(row.channel)
        return spec is None or not spec.by_hand or self.options.by_hand is not None

    def _send(self, row: AskRow) -> None:
        """One request or reminder."""
        marked = self.engine.store.write(lambda tx: self._mark(tx, row.key), self.engine.source)
        if marked is None:
            return
        reach("send-marked")
        spec = self.requests.collector(marked.channel)
        if spec is None:
            return
        try:
            made = self._call(marked, spec)
        except Exception as error:  # noqa: BLE001 - a vendor's channel may raise anything
            self._not_made(marked, row, error)
            return
        reach("send-asked")
        self._faults[marked.channel] = 0
        self._keep(marked, made)
        reach("send-settled")

    def _mark(self, tx: Tx, key: str) -> AskRow | None:
        """Marks the request as being sent, if the client may still be asked; gives it as marked."""
        row = asks.read(tx, keys=[key])[0]
        case = next((one for one in self.planner.cases(tx, [row.client]) if one.instrument == row.instrument), None)
        if not row.live or case is None or case.blocked is not None:
            return None  # the next closing step says why
        channel = case.channel if row.state is AskState.PLANNED else row.channel
        if self.requests.collector(channel) is None:
            self.report.say(tr(NOT_HERE, channel=channel))
            self.report.worse(RunOutcome.FAILED)
            return None
        expires = row.expires if row.asked is not None else self._last_day()
        asks.change(
            tx, key, self.now, state=AskState.SENDING, channel=channel, attempts=row.attempts + 1, expires=expires
        )
        return asks.read(tx, keys=[key])[0]

    def _call(self, row: AskRow, spec: CollectorSpec) -> Asked:
        ask = self.requests.ask(row)
        if row.asked is None:
            made = spec.ask(ask, self.requests.context)
        elif spec.remind is not None:
            made = spec.remind(ask, self.requests.context)
        else:
            made = Asked(sent=False, refused=tr(NO_REMINDER))
        if made.sheet is not None and self.options.by_hand is not None:
            hand.write_sheet(self.options.by_hand, row.key, made.sheet)
        return made

    def _keep(self, row: AskRow, made: Asked) -> None:
        """Settles a request by what its channel made of it."""
        if made.refused is not None and row.asked is None:
            self.report.say(made.refused)

        def write(tx: Tx) -> Counter[str]:
            if made.remote_id is not None or made.link is not None:
                asks.keep_remote(tx, row.key, Remote(made.remote_id, made.link))
            values = self._reminded(row, made) if row.asked is not None else self._asked(made)
            asks.change(tx, row.key, self.now, not_before=None, problem=made.refused, **values)
            if made.refused is not None:
                return Counter(not_remindable=1) if row.asked is not None else Counter(refused=1)
            action = "client-asked" if row.asked is None else "client-reminded"
            book.record(tx, "handrail", action, row.key, row.channel)
            return Counter(asked=1) if row.asked is None else Counter(reminded=1)

        self._write(write)

    def _asked(self, made: Asked) -> dict[str, Any]:
        if made.refused is not None:
            return {"state": AskState.REFUSED}
        return {"state": AskState.OPEN, "asked": self.now, "attempts": 0}

    def _reminded(self, row: AskRow, made: Asked) -> dict[str, Any]:
        """A way that cannot remind is not tried each day; people see who is late."""
        if made.refused is not None:
            return {"state": AskState.OPEN, "reminders": self.collect.reminders, "attempts": 0}
        return {"state": AskState.OPEN, "reminders": row.reminders + 1, "reminded": self.now, "attempts": 0}

    # --- what went wrong -------------------------------------------------------------------------------------------

    def _not_made(self, marked: AskRow, before: AskRow, error: Exception) -> None:
        """A fault of this one request: refused for good, or tried again."""
        cannot = AddressRefused if marked.asked is None else (AddressRefused, Unsupported)
        if isinstance(error, cannot):
            self._keep(marked, Asked(sent=False, refused=error.message))
            return
        self._later(marked, error)
        if isinstance(error, Unsupported) and before.state is AskState.PLANNED:
            # Known not to have been sent, so that another way of asking may be chosen for it.
            self._write(lambda tx: asks.change(tx, marked.key, self.now, state=AskState.PLANNED))

    def _later(self, row: AskRow, error: Exception) -> None:
        """Tried again after a wait that grows. What cannot be reached at all is no fault of the request: tried by the
        next run, and left alone in this one. What a person must switch on first does not wait either: who has just
        mended it sends again, and it goes."""
        message = self._sentence(row, error)
        minutes = RETRY_MINUTES[min(max(row.attempts, 1), len(RETRY_MINUTES)) - 1]
        down = isinstance(error, (Unreachable, Denied))
        until = None if down or isinstance(error, Unsupported) else self.now + timedelta(minutes=minutes)
        self._write(lambda tx: asks.change(tx, row.key, self.now, problem=message, not_before=until))
        self._faults[row.channel] += MOST_FAULTS if down else 1
        self.report.counts["to_try_again"] += 1
        self.report.say(message)
        passing = error.passing if isinstance(error, MailProblem) else isinstance(error, Unreachable)
        self.report.worse(RunOutcome.INCOMPLETE if passing else RunOutcome.FAILED)

    def _sentence(self, row: AskRow, error: Exception) -> str:
        """A plain sentence; of an unforeseen fault only its kind, since its text may hold anything (S24)."""
        if isinstance(error, HandrailError):
            return error.message
        return tr(FAILED, channel=row.channel, kind=type(error).__name__)

    # --- telling channels of what is closed --------------------------------------------------------------------------

    def _tell(self, row: AskRow) -> None:
        """Tells the channel that a request is answered, or takes back one that is closed; until it was told."""
        if self._waits(row):
            return
        spec = self.requests.collector(row.channel)
        if spec is None:
            self.report.say(tr(NOT_HERE, channel=row.channel))
            return
        reach("send-closing")
        try:
            done = self._told(row, spec)
        except Unsupported as error:
            self.report.say(error.message)
            done = None  # it will never take it back: said once, and left
        except Exception as error:  # noqa: BLE001 - a vendor's channel may raise anything
            self._later(row, error)
            return
        reach("send-told")
        self._write(lambda tx: asks.change(tx, row.key, self.now, recall=False, not_before=None))
        if done is not None:
            self.report.counts[done] += 1
        reach("send-closed")

    def _told(self, row: AskRow, spec: CollectorSpec) -> str | None:
        ask = self.requests.ask(row)
        form = self._form(row)
        if row.state is AskState.ANSWERED and spec.settled is not None and form is not None and not is_entry(form):
            spec.settled(ask, form, self.requests.context)
            return "told"
        if spec.withdraw is None or not self._takes_back(row, form):
            return None
        spec.withdraw(ask, self.requests.context)
        return "taken_back"

    def _form(self, row: AskRow) -> str | None:
        """The platform's id of the form that answers a request."""
        return None if row.answered_by is None else self.requests.remote_form(row.answered_by)

    def _takes_back(self, row: AskRow, form: str | None) -> bool:
        """Whether a closed request is taken back at its channel: also one that a form answers which the channel does
        not know, since it was typed in here."""
        spec = self.requests.collector(row.channel)
        typed_in = form is not None and is_entry(form)
        needless = row.state is not AskState.ANSWERED or row.asked is None or typed_in
        return spec is not None and spec.withdraw is not None and needless

    # --- by hand -----------------------------------------------------------------------------------------------------

    def _hand_over(self) -> None:
        """The list of what people carry: all open requests with a link or a sheet, so that no stop loses a line."""
        with self.engine.store.reading(self.engine.source) as tx:
            rows = asks.read(tx, states=LIVE)
            waiting = sum(not self._carried(row) and row.state is not AskState.OPEN for row in rows)
            self.report.hand_over = self.requests.to_hand_over(tx, rows, self.options.by_hand)
        if waiting:
            self.report.counts["to_hand_over"] += waiting
            self.report.say(
                trn(
                    "{count} form is to be handed over by a person. Run: handrail send --by-hand FOLDER",
                    "{count} forms are to be handed over by a person. Run: handrail send --by-hand FOLDER",
                    waiting,
                )
            )
        if self.options.by_hand is not None and self.report.hand_over:
            self.report.listing = hand.write_list(self.options.by_hand, self.report.hand_over, self.now)


def unwanted(tx: Tx, planner: Planner, clients: list[str] | None = None) -> list[AskRow]:
    """Open requests that are not wanted any more: of clients who are not asked (for this form), and of two for one
    form, which a merge of two records may bring together, the later one."""
    live = asks.read(tx, states=LIVE, clients=clients)
    cases = {(case.client, case.instrument): case for case in planner.cases(tx, sorted({row.client for row in live}))}
    found: list[AskRow] = []
    seen: set[tuple[str, str]] = set()
    for row in sorted(live, key=lambda row: (row.asked is None, row.due, row.key)):
        place = row.client, row.instrument
        if place not in cases or cases[place].blocked in CLOSING or place in seen:
            found.append(row)
        seen.add(place)
    return found
