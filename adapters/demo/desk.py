"""`handrail demo --serve`: the desk on the invented practice, with what a practice has besides answers.

Who is asked what, who has not answered, a hold, and when the person at the desk last looked: without these the lists
would be those of a first day. All of it is made through the interfaces that a practice uses.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from ...plugin_core.collecting import Wish
from ...plugin_core.collecting.cadence import noon
from ...plugin_core.store import Tx, accounts, asks, forms, overview
from ...plugin_core.store.sql import from_ms
from ...plugin_core.words import mark, tr
from ...schemas.vocab import AskState

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...plugin_core.engine import Engine
    from ...plugin_core.settings import Settings

LOGIN = "demo"
LOOKED_DAYS = 12
EVERY_WEEKS = 4
OPEN_FOR = timedelta(days=8)
"""From the day of a request to the first on which it has run out."""
REASON = mark("a bereavement")
NOTE = mark("Wants to speak of the funeral first. The form can wait.")


def furnish(engine: Engine) -> None:
    """Enrols the clients, lets some requests run out, asks one client by a link, holds one, with a note."""
    today = engine.now().date()
    zone = engine.settings.zone
    with engine.store.reading(engine.source) as tx:
        rows = [row.key for row in overview.client_rows(tx)]
        newest = {key: found.newest_ms for key, found in overview.forms_of(tx, rows, ()).items()}
    keys = sorted(newest, key=lambda key: newest[key])
    # Every third client is asked more often, so that some are due on any day.
    weeks = {key: 2 if at % 3 == 0 else EVERY_WEEKS for at, key in enumerate(keys)}
    due = {key: from_ms(newest[key]).astimezone(zone).date() + timedelta(weeks=weeks[key]) for key in keys}
    begun = today - timedelta(days=360)
    by_link = max((key for key in keys if due[key] < today), key=lambda key: due[key], default=keys[-1])
    wishes = [Wish(key, every_weeks=weeks[key], start=begun, consent=begun) for key in keys]
    engine.collecting.enrol(wishes, LOGIN)
    engine.collecting.enrol([Wish(by_link, channel="web")], LOGIN)

    def write(tx: Tx) -> None:
        _asked(tx, by_link, due[by_link], engine.now())
        for key in keys:
            _missed(tx, key, [noon(day, zone) for day in _ran_out(due[key], weeks[key], today)], engine.now())

    engine.store.write(write, engine.source)
    asked = [row for row in engine.flags() if row.kind == "prompt" and row.flag.shown]
    held = min(((row.client, row.flag.client) for row in asked), default=("", keys[-1]))[1]
    engine.notes.add(held, tr(NOTE), LOGIN)
    engine.hold(held, today + timedelta(days=16), tr(REASON), LOGIN)


def _ran_out(due: date, weeks: int, today: date) -> list[date]:
    """The newest two days on which a client who has not answered since was asked, and whose time is over."""
    number = max(0, (today - OPEN_FOR - due).days // (7 * weeks) + 1)
    return [due + timedelta(weeks=weeks * at) for at in range(number)][-2:]


def _asked(tx: Tx, client: str, due: date, now: datetime) -> None:
    """A request that waits, by a link."""
    yesterday = now - timedelta(days=1)
    waits = asks.plan(tx, client, "gr18", due, "web", now.date() + timedelta(days=13), yesterday)
    asks.change(tx, waits, now, state=AskState.OPEN, asked=yesterday, attempts=1)


def _missed(tx: Tx, client: str, times: list[datetime], now: datetime) -> None:
    """Requests that ran out."""
    for asked in times:
        last_day = (asked + OPEN_FOR).date() - timedelta(days=1)
        made = asks.plan(tx, client, "gr18", asked.date(), "platform", last_day, asked)
        asks.change(tx, made, now, state=AskState.EXPIRED, asked=asked, attempts=1)


def looked_before(engine: Engine, account: str) -> None:
    """Notes that the person at the desk last looked some days ago, at two clients of three."""
    when = engine.now() - timedelta(days=LOOKED_DAYS)
    at_ms = round(when.timestamp() * 1000)

    def write(tx: Tx) -> None:
        people = forms.read_clients(tx)
        rows = sorted(people, key=lambda key: people[key].ref)
        standing = overview.standing(tx)
        counted = overview.forms_of(tx, rows, ("ts8",), until_ms=at_ms)
        for key in rows[::3] + rows[1::3]:
            number = counted[key].number if key in counted else 0
            stood = standing[key].number if key in standing else 0
            accounts.looked(tx, account, key, accounts.Look(at_ms, number, stood))

    engine.store.write(write, engine.source)


def open_desk(settings: Settings, now: Callable[[], datetime], prepare: Callable[[Engine], None], port: int) -> None:
    """Opens the desk until Ctrl-C, and prints a link with which one is in at once."""
    from ...plugin_core.cli.serve import run
    from ...plugin_core.web.desk import Desk
    from ...plugin_core.web.serving import address_of
    from ...plugin_core.web.staff import Staff, Wanted

    web = replace(settings.web, port=port, address=f"http://127.0.0.1:{port}")
    desk = Desk(replace(settings, web=web), now=now, prepare=prepare)
    with desk.engine() as engine:
        furnish(engine)
        clinicians = desk.caseload.clinicians(engine, engine.source)
        ref, name = clinicians[0] if clinicians else (None, "Demo")
        everything = frozenset({"clinician", "supervisor", "administrator", "front-desk"})
        token = Staff(engine).demo_link(Wanted(name, LOGIN, everything, ref))
        with engine.store.reading() as tx:
            account = accounts.key_of(tx, LOGIN)
        looked_before(engine, account)
    run(desk, f"{address_of(desk)}/link/{token}")
