"""The practice's tablet: staff make a browser into it, a client types a short code and fills in their form.

The browser that becomes a tablet is signed out first, so that nobody gets from the form to the desk. A code is good
once and for a few minutes, and only on such a tablet; after the page that thanks nothing remains on the screen.
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import TYPE_CHECKING

from flask import Blueprint, g, make_response, redirect, render_template, request, url_for

from ..collecting.codes import typed
from ..store import Tx, accounts, book, visits
from ..words import mark, tr, trn
from . import filling, guard, here
from .access import Role, lets, lets_kind
from .filling import Place, told
from .here import Who
from .staff import Staff
from .tries import BY_ADDRESS, Guard, Limit

if TYPE_CHECKING:
    from flask import Response
    from flask.typing import ResponseReturnValue

    from ...schemas.records import Instrument
    from ..store.visits import Visit

pages = Blueprint("kiosk", __name__)
KIND = "kiosk"
TABLET_COOKIE, FORM_COOKIE = "handrail-tablet", "handrail-at"
HOURS = 12
FILL_MS = 2 * 3600 * 1000
"""How long a client may take; what is not sent by then is deleted."""
BY_TABLET = Limit(free=5)
NO_CODE = mark("This code is not right, or is too old. Ask at the front desk for a new one.")
NO_FORM = mark("There is no form open here. Type the code that you were given.")


def tablet() -> Who | None:
    """The tablet that asks; None: this browser is none, or the account that made it one was closed since."""
    found = guard.came_by(request.cookies.get(TABLET_COOKIE, ""), KIND)
    if found is None:
        return None
    with here.engine().store.reading(here.source()) as tx:
        by = accounts.read(tx, found.subject)
    open_still = by is not None and by.state == accounts.OPEN
    return Who(KIND, found.subject, "tablet", session=found.key) if open_still else None


# --- beginning and ending --------------------------------------------------------------------------------------------


@pages.post("/kiosk/begin")
@lets(*Role)
def begin_tablet() -> ResponseReturnValue:
    """Makes this browser the practice's tablet; whoever was signed in with it is signed out."""
    me = here.user()
    token = Staff(here.engine()).begin_as(KIND, me.key, HOURS * 60)
    session = me.session

    def write(tx: Tx) -> None:
        if session:
            accounts.end(tx, session)
        book.record(tx, me.login, "tablet-begun")

    here.engine().store.write(write, here.source())
    g.pop("seen", None)
    answer = make_response(redirect(url_for("kiosk.start"), 303))
    guard.drop_cookie(answer, guard.cookie_name())
    guard.set_cookie(answer, TABLET_COOKIE, token)
    answer.headers["Clear-Site-Data"] = '"cache"'
    return answer


@pages.post("/kiosk/end")
@lets_kind(KIND, by=tablet)
def end_tablet() -> ResponseReturnValue:
    """This browser is a tablet no more."""
    session = here.user().session or ""
    here.engine().store.write(lambda tx: accounts.end(tx, session))
    answer = make_response(redirect(url_for("signing.sign_in"), 303))
    for name in (TABLET_COOKIE, FORM_COOKIE):
        guard.drop_cookie(answer, name)
    return answer


# --- the client ------------------------------------------------------------------------------------------------------


@pages.get("/kiosk")
@lets_kind(KIND, by=tablet)
def start() -> ResponseReturnValue:
    """Asks for the code. Whatever was open before is out of reach from here."""
    answer = make_response(_ask_for_code())
    guard.drop_cookie(answer, FORM_COOKIE)
    return answer


def _ask_for_code(problem: str = "") -> str:
    return render_template("kiosk.html", problem=problem)


@pages.post("/kiosk")
@lets_kind(KIND, by=tablet)
def code() -> ResponseReturnValue:
    """Opens the form that a code is for; too many wrong ones shut the tablet for a while."""
    tries = Guard({("tablet", here.user().session or ""): BY_TABLET, ("codes", request.remote_addr or ""): BY_ADDRESS})
    if left := tries.take():
        said = trn("Too many tries. Try again in {count} minute.", "Too many tries. Try again in {count} minutes.",
                   -(-left // 60))  # fmt: skip
        return _ask_for_code(said), 429
    given = typed(request.form.get("code", "")[:40])
    token = secrets.token_urlsafe(24)
    if given is None or not _opened(key_of_code(given), here.keyed("tablet-form", token)):
        return _ask_for_code(tr(NO_CODE)), 400
    tries.passed(taken=True)
    answer = make_response(redirect(url_for("kiosk.form"), 303))
    guard.set_cookie(answer, FORM_COOKIE, token)
    return answer


def key_of_code(given: str) -> str:
    """Under which key a code is kept; the code itself is not."""
    return here.keyed("tablet-code", given)


def _opened(key: str, new: str) -> bool:
    """Uses a code up: its form is open under a new key. False: there is no such code, or not any more."""
    now = here.now_ms()

    def write(tx: Tx) -> bool:
        kind, found = visits.read(tx, key)
        if kind != visits.CODE or found is None or found.until_ms <= now or not visits.drop(tx, key):
            return False
        return visits.keep(tx, replace(found, key=new, begun_ms=now, until_ms=now + FILL_MS), now)

    return here.engine().store.write(write, here.source())


@pages.get("/kiosk/form")
@lets_kind(KIND, by=tablet)
def form() -> Response:
    """The form that is open on this tablet."""
    return _answer()


@pages.post("/kiosk/form")
@lets_kind(KIND, by=tablet)
def step() -> Response:
    """One step of the client."""
    return _answer()


def _answer() -> Response:
    home = url_for("kiosk.start")
    token = request.cookies.get(FORM_COOKIE, "")[:200]
    with here.engine().store.reading(here.source()) as tx:
        kind, visit = visits.read(tx, here.keyed("tablet-form", token))
    if kind in (visits.SENT, visits.DONE):
        return told(410, tr(filling.SENT_ALREADY), home=home)
    if kind != visits.OPEN or visit is None or visit.until_ms <= here.now_ms():
        return told(410, tr(NO_FORM), home=home)
    answer = _filled(visit, here.engine().registry.instrument(visit.instrument), Place(url_for("kiosk.form"), home))
    answer.headers.setdefault("Refresh", f"900; url={home}")
    return answer


def _filled(visit: Visit, instrument: Instrument, place: Place) -> Response:
    if request.method == "POST":
        return filling.take(visit, instrument, place)
    if filling.changed(visit, instrument):
        here.engine().collecting.online.drop(visit)
        return told(409, tr(NO_FORM), home=place.home)
    return filling.show(visit, instrument, place)
