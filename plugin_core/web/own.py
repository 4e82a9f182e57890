"""The client's own page: their answers over time and as files, by a link that their therapist hands them.

The link is good once and for a week, and opens the page in that one browser for an hour. It shows what the client
answered and nothing that anybody made of it: no prompt, no band, no word of the therapist's form (clinical.md 5).
"""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for

from ..rights import MARK, answers_csv
from ..rights.page import own_forms, own_page
from ..store import Tx, accounts
from ..store.accounts import Login
from ..words import mark, tr
from . import guard, here, scope
from .access import SEES_ANSWERS, lets, lets_all, lets_kind
from .filling import TOO_QUICK, told
from .handing import qr
from .here import Who
from .staff import Staff
from .tries import BY_ADDRESS, Guard

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

    from ..views import ClientView

pages = Blueprint("own", __name__)
LINK, SITTING = "own-link", "own"
COOKIE = "handrail-own"
DAYS, MINUTES = 7, 60
USED = mark("This link was used already, or is too old. Ask your therapist for another one.")
CLOSED = mark("Your page is closed. Ask your therapist for a new link when you wish to see it again.")


def sitting() -> Who | None:
    """The client whose page is open in this browser; None: no page is."""
    found = guard.came_by(request.cookies.get(COOKIE, ""), SITTING)
    return None if found is None else Who(SITTING, found.subject, "client", client=found.client, session=found.key)


# --- the therapist hands it over -------------------------------------------------------------------------------------


@pages.get("/client/<client>/own")
@lets(*SEES_ANSWERS)
def offer(client: str) -> ResponseReturnValue:
    """Says what the page shows, before a link to it is made."""
    return _offered(scope.person(client).name, client)


def _offered(name: str, client: str, **more: Any) -> str:
    facts: dict[str, Any] = {"link": "", "code": "", "problem": ""}
    return render_template("own-offer.html", name=name, client=client, days=DAYS, minutes=MINUTES, **(facts | more))


@pages.post("/client/<client>/own")
@lets(*SEES_ANSWERS)
def make(client: str) -> ResponseReturnValue:
    """Makes the link; an earlier one for this client is void."""
    person = scope.person(client)
    address = here.desk().settings.web.address
    if not address:
        said = tr("Links need the address by which clients reach this desk: [web] address in the settings.")
        return _offered(person.name, client, problem=said), 400
    token, now = secrets.token_urlsafe(24), here.now_ms()
    item = Login(here.keyed(LINK, token), LINK, person.key, now, now, now + DAYS * 86_400_000, person.key)

    def write(tx: Tx) -> None:
        accounts.end_all(tx, LINK, person.key)
        accounts.begin(tx, item)

    here.engine().store.write(write, here.source())
    here.note("own-link-made", person.key)
    link = f"{address}{url_for('own.arrive', token=token)}"
    return _offered(person.name, client, link=link, code=qr(link))


# --- the client opens it ---------------------------------------------------------------------------------------------


@pages.get("/own/<token>")
@lets_all()
def arrive(token: str) -> ResponseReturnValue:
    """Asks for one tap more: mail programs look at links too, and looking must not use it up."""
    return _void() if _found(token) is None else make_response(render_template("own-open.html", minutes=MINUTES))


@pages.post("/own/<token>")
@lets_all()
def open_page(token: str) -> ResponseReturnValue:
    """Uses the link up, and opens the page in this browser."""
    found = _found(token)
    if found is None or found.client is None:
        return _void()
    used = here.engine().store.write(lambda tx: accounts.end_all(tx, LINK, found.subject), here.source())
    if not used:
        return _void()
    new = Staff(here.engine()).begin_as(SITTING, found.subject, MINUTES, client=found.client)
    here.note("own-page-opened", found.client, actor="client")
    answer = make_response(redirect(url_for("own.page"), 303))
    guard.set_cookie(answer, COOKIE, new)
    return answer


def _found(token: str) -> Login | None:
    with here.engine().store.reading(here.source()) as tx:
        found = accounts.login(tx, here.keyed(LINK, token[:200]))
    good = found is not None and found.kind == LINK and found.until_ms > here.now_ms()
    return found if good else None


def _void() -> Response:
    tries = Guard({("link", request.remote_addr or ""): BY_ADDRESS})
    if tries.take():
        return told(429, tr(TOO_QUICK))
    return told(410, tr(USED))


@pages.get("/own")
@lets_kind(SITTING, by=sitting)
def page() -> ResponseReturnValue:
    """The page."""
    facts, view = _mine()
    here.note("own-page-viewed", view.key)
    answer = make_response(render_template("own.html", **own_page(facts, view)))
    answer.headers["Refresh"] = f"{MINUTES * 60}; url={url_for('own.closed')}"
    return answer


def _mine() -> tuple[dict[str, Any], ClientView]:
    engine, client = here.engine(), here.user().client or ""
    return engine.rights.facts(client), engine.client(client)


@pages.get("/own/answers.csv")
@lets_kind(SITTING, by=sitting)
def as_table() -> Response:
    """All answers as a table, a line each, for a spreadsheet."""
    facts, view = _mine()
    return _file(MARK + answers_csv({"forms": own_forms(facts, view)}), "text/csv; charset=utf-8", "answers.csv")


@pages.get("/own/answers.json")
@lets_kind(SITTING, by=sitting)
def as_json() -> Response:
    """All answers for another program."""
    facts, view = _mine()
    text = json.dumps({"forms": own_forms(facts, view)}, ensure_ascii=False, indent=2) + "\n"
    return _file(text, "application/json", "answers.json")


def _file(text: str, kind: str, name: str) -> Response:
    here.note("own-answers-exported", here.user().client)
    answer = Response(text, content_type=kind)
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


@pages.post("/own/close")
@lets_kind(SITTING, by=sitting)
def close() -> ResponseReturnValue:
    """Ends it in this browser."""
    session = here.user().session or ""
    here.engine().store.write(lambda tx: accounts.end(tx, session))
    answer = make_response(redirect(url_for("own.closed"), 303))
    guard.drop_cookie(answer, COOKIE)
    answer.headers["Clear-Site-Data"] = '"cache"'
    return answer


@pages.get("/own-closed")
@lets_all()
def closed() -> Response:
    """After the hour, or after closing."""
    return told(200, tr(CLOSED))
