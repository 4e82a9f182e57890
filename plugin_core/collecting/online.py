"""A form on a page of our own: the link that leads to it, how a request stands, and how the answers arrive.

A link holds the start of the request's key and a keyed hash of it, made with the practice's key: nobody can make one
up, nothing can be read from it, and the same request always gives the same link. Whether it still counts is said by the
request itself. What a client sends is committed sealed at once, so that they wait for nothing, and arrives by the same
path as a form from paper: mapping, scores, rules, safety notice, settled request.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from ...schemas.records import Answers, Instrument, Item
from ...schemas.vocab import AskState, Blank, Mode
from ..errors import Busy, HandrailError, Unsupported
from ..instruments.translations import in_language
from ..safety import readiness
from ..store import Tx, asks, entries, merging, visits
from ..store.asks import AskRow
from ..store.visits import Visit
from ..sync.points import reach
from ..words import mark, tr
from .cadence import day_of
from .entry import Entry, Sheet, as_pulled
from .planning import CLOSING, Planner

if TYPE_CHECKING:
    from ..contracts import RemoteResponse
    from ..engine import Engine
    from ..store.seal import Sealer

POINTS = ("form-sent", "form-arrived", "form-cleared")
START, MAC = 10, 16  # bytes of the request's key in a link, and of the keyed hash behind them
KEPT_AFTER = timedelta(days=60)
"""For how long a used link is known as used; by then its request is long closed."""
PATH = "/f/"
NO_ADDRESS = mark(
    "Clients cannot be sent a link, since it is not said by which address they reach the desk. Fill in "
    '[web] address = "https://..." in the settings, and see docs/web-form.md.'
)


class Door(StrEnum):
    """What a link leads to."""

    OPEN = "open"
    UNKNOWN = "unknown"
    SENT = "sent"
    OVER = "over"
    CLOSED = "closed"
    NOT_READY = "not-ready"


@dataclass(frozen=True, slots=True)
class Found:
    """What a link leads to: how it stands and, where there is one, the request with its form."""

    door: Door
    row: AskRow | None = None
    instrument: Instrument | None = None


def token_of(sealer: Sealer, key: str) -> str:
    """What stands in a request's link, from the request's key: 35 signs that go into an address."""
    start = bytes.fromhex(key)[:START]
    return base64.urlsafe_b64encode(start + _mac(sealer, key)).rstrip(b"=").decode()


def _mac(sealer: Sealer, key: str) -> bytes:
    return bytes.fromhex(sealer.hash("form-link", key))[:MAC]


def ask_of(tx: Tx, token: str) -> AskRow | None:
    """The request that a link is for; None: nobody here made that link."""
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(raw) != START + MAC:
        return None
    for row in asks.read(tx, keys=entries.asks_that_begin(tx, raw[:START].hex())):
        if hmac.compare_digest(token_of(tx.sealer, row.key).encode(), token.encode()):
            return row
    return None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A form that a client sent and that is not among the forms yet. `refused`: why a plugin does not take it."""

    instrument: str
    sent: datetime
    refused: str | None


class Online:
    """Forms on our own pages, of one practice.

    :param engine: the practice at work.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    # --- links -------------------------------------------------------------------------------------------------------

    def link(self, key: str) -> str:
        """The address of a request's form.

        :raises Unsupported: the settings do not say by which address the desk is reached.
        """
        address = self.engine.settings.web.address
        if not address:
            raise Unsupported(tr(NO_ADDRESS))
        return f"{address}{PATH}{token_of(self.engine.store.sealer, key)}"

    def at(self, token: str) -> Found:
        """What a link leads to today."""
        with self.engine.store.reading(self.engine.source) as tx:
            row = ask_of(tx, token)
            if row is None:
                return Found(Door.UNKNOWN)
            state, _ = visits.read(tx, self.key_of(row))
            door = Door.SENT if state in (visits.SENT, visits.DONE) else self._door(tx, row)
        if door in (Door.CLOSED, Door.NOT_READY):
            return Found(door, row)
        return Found(door, row, self.engine.registry.instrument(row.instrument))

    def _door(self, tx: Tx, row: AskRow) -> Door:
        today = day_of(self.engine.now(), self.engine.settings.zone)
        if row.state is AskState.ANSWERED:
            return Door.SENT
        if row.state is AskState.EXPIRED or (row.live and row.expires < today):
            return Door.OVER
        if not row.live:
            return Door.CLOSED
        planner = Planner(self.engine.settings, self.engine.registry, today)
        case = next((one for one in planner.cases(tx, [row.client]) if one.instrument == row.instrument), None)
        if case is None or case.blocked in CLOSING:
            return Door.CLOSED
        return Door.OPEN if case.blocked is None else Door.NOT_READY

    # --- what is ticked ----------------------------------------------------------------------------------------------

    def key_of(self, row: AskRow) -> str:
        """Under which key a request's form is kept while it is filled in."""
        return self.engine.store.sealer.hash("form", row.key)

    def begun(self, row: AskRow, instrument: Instrument) -> Visit:
        """The form of a request as it was left, or a blank one."""
        with self.engine.store.reading(self.engine.source) as tx:
            _, have = visits.read(tx, self.key_of(row))
        return have or self.blank(row, instrument)

    def blank(self, row: AskRow, instrument: Instrument) -> Visit:
        """The form of a request with nothing ticked; nothing is stored."""
        zone = self.engine.settings.zone
        last = datetime.combine(row.expires + timedelta(days=1), time(0), zone)
        return Visit(
            key=self.key_of(row),
            client=row.client,
            instrument=instrument.id,
            version=instrument.version,
            mode=Mode.LINK.value,
            until_ms=round(last.timestamp() * 1000),
            begun_ms=self.now_ms(),
            ask=row.key,
        )

    def now_ms(self) -> int:
        """The practice's clock in milliseconds."""
        return round(self.engine.now().timestamp() * 1000)

    def keep(self, visit: Visit) -> bool:
        """Keeps what is ticked so far; False: it was sent already."""
        now = self.now_ms()
        return self.engine.store.write(lambda tx: visits.keep(tx, visit, now), self.engine.source)

    def drop(self, visit: Visit) -> None:
        """Forgets what is ticked so far."""
        self.engine.store.write(lambda tx: visits.drop(tx, visit.key), self.engine.source)

    def send(self, visit: Visit) -> bool:
        """Takes a form as sent: committed, and among the forms by the next `take_in`. False: it was sent already."""
        now = self.now_ms()
        done = self.engine.store.write(lambda tx: visits.send(tx, visit, now), self.engine.source)
        reach("form-sent")
        return done

    # --- arriving ----------------------------------------------------------------------------------------------------

    def take_in(self) -> tuple[int, list[str]]:
        """Brings what was sent among the forms; gives how many are still waiting, and why, in plain sentences.

        One that a plugin refuses, or for which another process is at work, stays and is tried at the next call.
        """
        source, now = self.engine.source, self.now_ms()
        with self.engine.store.reading(source) as tx:
            found = visits.waiting(tx)
            untidy = visits.untidy(tx, now)
        left = 0
        problems: list[str] = []
        for visit in found:
            try:
                problems += self._arrive(visit)
            except Busy:
                return left + len(found) - found.index(visit), problems
            except HandrailError as error:
                left += 1
                problems.append(error.message)
        if untidy or found:
            self.engine.store.write(lambda tx: visits.tidy(tx, now), source)
        return left, list(dict.fromkeys(problems))

    def waiting(self) -> list[Waiting]:
        """What was sent and is not among the forms yet, oldest first, with the reason where a plugin refuses it."""
        with self.engine.store.reading(self.engine.source) as tx:
            found = visits.waiting(tx)
        entry, zone = Entry(self.engine), self.engine.settings.zone
        return [
            Waiting(visit.instrument, datetime.fromtimestamp(visit.sent_ms / 1000, zone), entry.refusal(remote))
            for visit in found
            for _, remote in [self._as_pulled(visit)]
        ]

    def _as_pulled(self, visit: Visit) -> tuple[Instrument, RemoteResponse]:
        """Its form, and what was sent as if a platform had given it."""
        engine = self.engine
        form = in_language(engine.registry.instrument(visit.instrument, visit.version), visit.language)
        with engine.store.reading(engine.source) as tx:
            ref = merging.ref_of(tx, visit.client)  # a merge between the first tick and the last loses nothing (F67)
            name = entries.PREFIX + tx.sealer.hash("online", visit.key)
        authored = datetime.fromtimestamp(visit.sent_ms / 1000, engine.settings.zone)
        return form, as_pulled(form, name, ref, authored, answers_of(form, visit), authored, Mode(visit.mode))

    def _arrive(self, visit: Visit) -> tuple[str, ...]:
        engine = self.engine
        form, remote = self._as_pulled(visit)
        done = Entry(engine).arrive(Sheet(form, visit.client), remote, visit.entered_by)
        reach("form-arrived")
        until = self.now_ms() + round(KEPT_AFTER.total_seconds() * 1000)
        engine.store.write(lambda tx: visits.arrived(tx, visit.key, until), engine.source)
        reach("form-cleared")
        return done.problems


def ready(instrument: Instrument, engine: Engine) -> bool:
    """Whether a form may be shown: one with safety lines only when all that it needs is filled in."""
    return not instrument.safety or not readiness.missing(engine.settings)


def answers_of(instrument: Instrument, visit: Visit) -> Answers:
    """What was ticked, as answers; a line that was left out is empty."""
    return {item.id: _answer(item, visit.ticked.get(item.id)) for item in instrument.items}


def _answer(item: Item, place: int | None) -> int | Blank:
    if place is None or not 0 <= place < len(item.options):
        return Blank.EMPTY
    value = item.options[place].value
    return Blank.DECLINED if value is None else value


def alarming(instrument: Instrument, visit: Visit) -> bool:
    """Whether a safety line was answered so that a person is told."""
    answers = answers_of(instrument, visit)
    return any(
        isinstance(value := answers.get(line.item), int) and value >= line.at_least for line in instrument.safety
    )
