"""Who is due for which form: for the front desk, which sees no answer, no score and no prompt here or anywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, render_template

from ..words import tr
from ..words.spelling import short_day
from . import here, scope
from .access import Role, lets
from .clients import asked

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

pages = Blueprint("due", __name__)
EVERYBODY = frozenset({Role.FRONT_DESK, Role.SUPERVISOR, Role.ADMINISTRATOR})


@pages.get("/due")
@lets(*Role)
@here.in_turn
def due() -> ResponseReturnValue:
    """Forms that are due, asked for or missed, by client; a clinician sees their own clients'."""
    me = here.user()
    engine, source = here.engine(), here.source()
    load = here.desk().caseload
    waiting, people = load.due(engine, source), load.people(engine, source)
    all_of_them = bool(EVERYBODY & me.roles)
    rows = []
    for key, forms in waiting.items():
        person = people.get(key)
        if person is None or person.ended is not None or not (all_of_them or scope.sees(me, person.clinician)):
            continue
        days = [one.due for one in forms if one.due is not None]
        rows.append(
            {
                "name": person.name,
                "clinician": person.clinician_name or person.clinician or "",
                "due": short_day(min(days)) if days else tr("after the next sessions"),
                "standing": asked(forms),
                "why": [text for one in forms for text in (one.reason, one.problem) if text],
            }
        )
    rows.sort(key=lambda row: str(row["name"]).casefold())
    here.note("due-viewed")
    return render_template("due.html", rows=rows)
