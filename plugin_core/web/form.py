"""The form behind a client's link: no account; the link names the request, and the request how it stands.

Whoever hands a link over has it, too. So what was ticked so far is shown in the browser alone in which it was begun: a
cookie of random letters tells it, and is of use for nothing else. Elsewhere, or without cookies, the form is blank.
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import TYPE_CHECKING

from flask import Blueprint, request, url_for

from ..collecting.online import Door
from ..words import Texts, mark, tr
from . import filling, here
from .access import lets_all
from .filling import NOT_READY, SENT_ALREADY, Place, told
from .tries import BY_ADDRESS, Guard

if TYPE_CHECKING:
    from flask import Flask, Response

    from ...schemas.records import Instrument
    from ..store.visits import Visit

pages = Blueprint("form", __name__)
COOKIE, DAYS = "handrail-form", 30
STATUS = {Door.UNKNOWN: 404, Door.SENT: 410, Door.OVER: 410, Door.CLOSED: 410, Door.NOT_READY: 503}
SAID = Texts(
    {
        Door.UNKNOWN: mark("There is no form at this address. Perhaps a part of the link is missing: open it anew."),
        Door.SENT: SENT_ALREADY,
        Door.OVER: mark("The time for this form is over. You need not do anything. Your practice may send a new one."),
        Door.CLOSED: mark("This form is not asked of you any more. You need not do anything."),
        Door.NOT_READY: NOT_READY,
    }
)


def begin(app: Flask) -> None:
    """What earlier processes left is looked for when the first page is asked."""
    filling.begin(app)
    app.before_request(lambda: filling.arrivals().begin())


@pages.get("/f/<token>")
@lets_all()
def form(token: str) -> Response:
    """The form; looking changes nothing, since mail programs look at links too."""
    return _answer(token)


@pages.post("/f/<token>")
@lets_all(token=False)
def step(token: str) -> Response:
    """One step. The link itself is the secret that a forged page does not have, so there is no second one."""
    return _answer(token)


def _answer(token: str) -> Response:
    online = here.engine().collecting.online
    found = online.at(token)
    if found.door is not Door.OPEN or found.row is None or found.instrument is None:
        return _closed(found.door)
    mine = request.cookies.get(COOKIE, "") or secrets.token_urlsafe(24)
    browser = here.keyed("form-browser", mine[:64], token)
    visit = online.begun(found.row, found.instrument)
    if visit.browser != browser:
        visit = replace(online.blank(found.row, found.instrument), browser=browser)
    answer = _shown(visit, found.instrument, Place(url_for("form.form", token=token)))
    answer.set_cookie(
        COOKIE, mine[:64], max_age=DAYS * 86_400, path="/f", secure=here.desk().secure, httponly=True, samesite="Lax"
    )
    return answer


def _shown(visit: Visit, instrument: Instrument, place: Place) -> Response:
    if request.method == "POST":
        return filling.take(visit, instrument, place)
    if filling.changed(visit, instrument):
        here.engine().collecting.online.drop(visit)
        return told(409, tr(filling.CHANGED), again=place.action)
    return filling.show(visit, instrument, place)


def _closed(door: Door) -> Response:
    """Says why; links that nobody made are counted by where they come from."""
    if door is Door.UNKNOWN:
        tries = Guard({("link", request.remote_addr or ""): BY_ADDRESS})
        if tries.take():
            return told(429, tr(filling.TOO_QUICK))
    return told(STATUS[door], SAID[door])
