"""The administrator's page of programs that may ask the JSON API: their tokens, with scopes and an end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, abort, render_template, request

from ..store import Tx, accounts, book
from ..store.sql import from_ms
from ..words import mark, tr
from ..words.spelling import moment
from . import here
from .access import Role, lets
from .api import KIND, SCOPES
from .staff import Staff

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

pages = Blueprint("programs", __name__)
DAYS = (30, 90, 365)
NAME_MOST = 40
NO_NAME = mark("Give the program a name, so that the audit trail can say who asked.")
NO_SCOPE = mark("Choose at least one thing that the program may do.")
HAND_OVER = mark(
    "Hand this token to those who run the program. It is shown only now. Whoever has it may do what you chose."
)


@pages.get("/programs")
@lets(Role.ADMINISTRATOR)
def everything() -> ResponseReturnValue:
    """The tokens that count, and a form for another one."""
    return _page()


def _page(problem: str = "", said: str = "", token: str = "", status: int = 200) -> ResponseReturnValue:
    now, zone = here.now_ms(), here.desk().settings.zone
    with here.engine().store.reading(here.source()) as tx:
        found = [one for one in accounts.of_kind(tx, KIND) if one.until_ms > now]
    rows = [
        {
            "key": one.key,
            "name": (one.more or {}).get("login", ""),
            "scopes": [SCOPES[scope] for scope in (one.more or {}).get("scopes", ()) if scope in SCOPES],
            "until": moment(from_ms(one.until_ms).astimezone(zone)),
        }
        for one in found
    ]
    told = render_template(
        "programs.html", rows=rows, scopes=[(name, SCOPES[name]) for name in SCOPES], days=DAYS, problem=problem,
        said=said, token=token, typed=request.form if problem else {},
    )  # fmt: skip
    return told, status


@pages.post("/programs")
@lets(Role.ADMINISTRATOR)
def make() -> ResponseReturnValue:
    """Makes a token; it is shown once."""
    name = " ".join(request.form.get("name", "").split())[:NAME_MOST]
    scopes = [scope for scope in request.form.getlist("scopes") if scope in SCOPES]
    days = request.form.get("days", "")
    if not name or not scopes or days not in map(str, DAYS):
        return _page(tr(NO_SCOPE) if name else tr(NO_NAME), status=400)
    engine = here.engine()
    subject = here.keyed("program", name)
    more = {"login": f"program {name}", "scopes": scopes}
    token = Staff(engine).begin_as(KIND, subject, int(days) * 24 * 60, more=more)
    here.note("token-made", subject, ",".join(scopes))
    return _page(said=tr(HAND_OVER), token=token)


@pages.post("/programs/<key>/end")
@lets(Role.ADMINISTRATOR)
def end(key: str) -> ResponseReturnValue:
    """A token counts no more, from now on."""
    by = here.user().login

    def write(tx: Tx) -> bool:
        found = accounts.login(tx, key)
        if found is None or found.kind != KIND:
            return False
        accounts.end(tx, key)
        book.record(tx, by, "token-ended", found.subject)
        return True

    if not here.engine().store.write(write, here.source()):
        abort(404)
    return _page(said=tr("That token counts no more."))
