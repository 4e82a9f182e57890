"""The form behind a client's link: no account, no cookie; the link names the request, and the request how it stands."""

from __future__ import annotations

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

pages = Blueprint("form", __name__)
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
    visit = online.begun(found.row, found.instrument)
    place = Place(url_for("form.form", token=token))
    if request.method == "POST":
        return filling.take(visit, found.instrument, place)
    if filling.changed(visit, found.instrument):
        online.drop(visit)
        return told(409, tr(filling.CHANGED), again=place.action)
    return filling.show(visit, found.instrument, place)


def _closed(door: Door) -> Response:
    """Says why; links that nobody made are counted by where they come from."""
    if door is Door.UNKNOWN:
        tries = Guard({("link", request.remote_addr or ""): BY_ADDRESS})
        if tries.shut_for():
            return told(429, tr(filling.TOO_QUICK))
        tries.failed()
    return told(STATUS[door], SAID[door])
