"""The administrator's pages: who may come in, one-time links for others, the audit trail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, render_template, request, url_for

from ..errors import UsageError
from ..keeping.actions import did
from ..store import accounts, book
from ..store.accounts import CLOSED, OPEN
from ..words import tr
from ..words.spelling import moment
from . import here, persons
from .access import ROLES, TOLD, Role, lets
from .signing import staff
from .staff import INVITED, RENEWED, Wanted

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

pages = Blueprint("people", __name__)
SHOWN = 200


@pages.get("/people")
@lets(Role.ADMINISTRATOR)
def everybody() -> ResponseReturnValue:
    """All accounts and the links that are open."""
    return _page()


def _page(problem: str = "", said: str = "", link: str = "", status: int = 200) -> ResponseReturnValue:
    people = staff()
    zone = here.desk().settings.zone
    from ..store.sql import from_ms

    told = render_template(
        "people.html",
        people=people.everybody(),
        waiting=[
            (one, moment(from_ms(one.until_ms).astimezone(zone)))
            for one in people.waiting()
            if one.kind in (INVITED, RENEWED)
        ],
        roles=[(role.value, ROLES[role], TOLD[role]) for role in Role],
        names={role.value: ROLES[role] for role in Role},
        clinicians=known_clinicians(),
        problem=problem,
        said=said,
        link=link,
        typed=request.form if problem else {},
    )
    return told, status


def known_clinicians() -> list[tuple[str, str]]:
    """The therapists that the platform names: (reference, name). The caseload knows them."""
    return here.desk().caseload.clinicians(here.engine(), here.source())


def link_to(token: str) -> str:
    """A one-time link as it is handed over."""
    return f"{here.address()}{url_for('signing.link', token=token)}"


@pages.post("/people")
@lets(Role.ADMINISTRATOR)
def invite() -> ResponseReturnValue:
    """Makes a one-time link for somebody new; it is shown once."""
    form = request.form
    roles = frozenset(form.getlist("roles"))
    wanted = Wanted(form.get("name", "")[:200], form.get("login", "")[:100], roles, form.get("clinician") or None)
    try:
        token = staff().invite(wanted, here.user().login)
    except UsageError as error:
        return _page(error.message, status=400)
    said = tr("Hand this link to {name}. It is shown only now, works once, and for seven days.", name=wanted.name)
    return _page(said=said, link=link_to(token))


@pages.post("/people/<key>")
@lets(Role.ADMINISTRATOR)
def change(key: str) -> ResponseReturnValue:
    """Changes an account's roles and therapist, closes or opens it, or makes a link for a new password."""
    people, by, form = staff(), here.user().login, request.form
    what = form.get("what", "")
    try:
        if what == "password":
            account = people.read(key)
            told = tr(
                "Hand this link to {name}. It is shown only now, works once, and for two days.", name=account.name
            )
            return _page(said=told, link=link_to(people.renew(key, by)))
        if what in ("close", "open"):
            people.change(key, by, state=CLOSED if what == "close" else OPEN)
        else:
            people.change(key, by, roles=frozenset(form.getlist("roles")), clinician=form.get("clinician") or None)
    except UsageError as error:
        return _page(error.message, status=400)
    return _page(said=tr("Changed. Whoever was signed in with that account signs in anew."))


@pages.post("/links/<key>")
@lets(Role.ADMINISTRATOR)
def withdraw(key: str) -> ResponseReturnValue:
    """Makes an open link void."""
    staff().withdraw(key, here.user().login)
    return _page(said=tr("The link is void."))


@pages.get("/trail")
@lets(Role.ADMINISTRATOR)
def trail() -> ResponseReturnValue:
    """The newest entries of the audit trail: who did what and when, without the data itself."""
    zone = here.desk().settings.zone
    with here.engine().store.reading(here.source()) as tx:
        entries = list(reversed(book.trail(tx, SHOWN)))
        everyone = accounts.everybody(tx)
    names = {one.key: one.name for one in everyone}
    staffs = known_clinicians() + [(one.clinician, one.name) for one in everyone if one.clinician]
    elsewhere = persons.names(staffs)
    here.note("trail-viewed")
    rows = [(moment(one.at.astimezone(zone)), one.actor, did(one.action), one.action,
             names.get(one.subject or "", one.subject or ""), one.detail or elsewhere.get(one.actor, ""))
            for one in entries]  # fmt: skip
    return render_template("trail.html", rows=rows, most=SHOWN)
