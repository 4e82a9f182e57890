"""What staff hand over: a client's link on paper as a QR code, a code for the tablet, the client's own page.

The front desk may hand over forms, since it sees no answer by it; the own page shows answers, so clinicians alone do.
"""

from __future__ import annotations

import io
import secrets
from typing import TYPE_CHECKING, Any

from flask import Blueprint, abort, render_template, request
from markupsafe import Markup

from ...schemas.vocab import Mode
from ..collecting.codes import tablet_code
from ..collecting.facts import DueRow, Standing
from ..errors import HandrailError, Unsupported
from ..safety.readiness import demand
from ..store import Tx, visits
from ..store.visits import Visit
from . import here, kiosk, scope
from .access import Role, lets
from .clients import stands, title_of
from .due import EVERYBODY

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

    from .caseload import Person

pages = Blueprint("handing", __name__)
CODE_MINUTES = 15
OPEN = frozenset({Standing.ASKED, Standing.REMINDED, Standing.LATE, Standing.DUE, Standing.TRYING})
"""Standings in which a request, where there is one, has a link that counts."""
TABLET = OPEN | {Standing.REFUSED, Standing.MISSED}


@pages.get("/hand-over")
@lets(*Role)
def hand_over() -> ResponseReturnValue:
    """Clients who are due, with what can be handed over to each."""
    rows: list[dict[str, Any]] = [
        {"person": person, "form": title_of(one.instrument), "instrument": one.instrument,
         "link": one.standing in OPEN and one.ask, "standing": stands(one)}
        for person, forms in _people() for one in forms if one.standing in TABLET
    ]  # fmt: skip
    rows.sort(key=lambda row: (row["person"].name.casefold(), row["form"]))
    here.note("due-viewed")
    address = bool(here.desk().settings.web.address)
    return render_template("handing.html", rows=rows, address=address, minutes=CODE_MINUTES)


def _people() -> list[tuple[Person, tuple[DueRow, ...]]]:
    """Who may be handed a form by whoever asks, and what each is due for."""
    me, engine, source = here.user(), here.engine(), here.source()
    load = here.desk().caseload
    people = load.people(engine, source)
    everybody = bool(EVERYBODY & me.roles)
    return [
        (people[key], forms)
        for key, forms in load.due(engine, source).items()
        if key in people and people[key].ended is None and (everybody or scope.sees(me, people[key].clinician))
    ]


def _one() -> tuple[Person, DueRow]:
    """The client and form that are named; else the page is not found."""
    client, instrument = request.form.get("client", ""), request.form.get("form", "")
    for person, forms in _people():
        for one in forms:
            if (person.key, one.instrument) == (client, instrument) and one.standing in TABLET:
                return person, one
    return abort(404)


@pages.post("/hand-over/link")
@lets(*Role)
def link() -> ResponseReturnValue:
    """The link of a request, to be printed or copied; it says neither who it is for nor what it asks."""
    person, one = _one()
    if one.ask is None or one.standing not in OPEN:
        abort(404)
    try:
        address = here.engine().collecting.online.link(one.ask)
    except Unsupported as error:
        return _handed(person, problem=error.message), 400
    here.note("link-shown", one.ask)
    return _handed(person, link=address, code=qr(address), until=one.expires)


@pages.post("/hand-over/code")
@lets(*Role)
def code() -> ResponseReturnValue:
    """A code with which the client opens their form on the practice's tablet."""
    person, one = _one()
    instrument = here.engine().registry.instrument(one.instrument)
    try:
        demand(instrument, here.desk().settings)
    except HandrailError as error:
        return _handed(person, problem=error.message), 400
    made = tablet_code(secrets.choice)
    now = here.now_ms()
    item = Visit(
        key=kiosk.key_of_code(made),
        client=person.key,
        instrument=instrument.id,
        version=instrument.version,
        mode=Mode.KIOSK.value,
        until_ms=now + CODE_MINUTES * 60_000,
        begun_ms=now,
        ask=one.ask if one.standing in OPEN and one.ask else "",
    )

    def write(tx: Tx) -> None:
        visits.tidy(tx, now)
        visits.add_code(tx, item)

    here.engine().store.write(write, here.source())
    here.note("code-made", person.key)
    return _handed(person, tablet=f"{made[:3]}-{made[3:]}", minutes=CODE_MINUTES)


def _handed(person: Person, **more: Any) -> str:
    facts: dict[str, Any] = {"link": "", "code": "", "tablet": "", "problem": "", "until": None, "minutes": 0}
    return render_template("handed.html", name=person.name, **(facts | more))


def qr(address: str) -> Markup:
    """An address as a QR code: an SVG picture without style or script, dark on light whatever the page's colours."""
    import segno

    out = io.BytesIO()
    segno.make(address, error="m").save(out, kind="svg", scale=6, border=4, light="#fff", xmldecl=False, svgns=True,
                                        svgclass="qr", lineclass=None, omitsize=True)  # fmt: skip
    return Markup(out.getvalue().decode())  # noqa: S704 - made by us of paths alone, the address is not in it as text
