"""The JSON API for vendors: clients, forms with scores, flags, holds, acknowledgements (OpenAPI 3.1 by flask-smorest).

Whoever asks carries a token that the administrator made, with the scopes that it may use. Every look and every change
is in the audit trail. Lists come in pages, answers carry an ETag, faults are problem+json. See /api/openapi.json
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

from flask import Blueprint as FlaskBlueprint
from flask import Flask, Response, current_app, g, jsonify, request
from flask_smorest import Api, Blueprint
from werkzeug.exceptions import HTTPException

from ..errors import HandrailError, UsageError
from ..store import forms as stored
from ..words import Texts, mark, tr
from . import api_schemas as form
from . import here
from .access import lets_all
from .guard import came_by
from .here import Who
from .wrong import PROBLEM, problem, status_of

if TYPE_CHECKING:
    from ..views import ClientView, FlagRow
    from .caseload import Person

F = TypeVar("F", bound=Callable[..., Any])
KIND = "api"
SCOPES = Texts(
    {
        "clients": mark("read who the clients are (references, no names)"),
        "answers": mark("read forms with answers and scores"),
        "flags": mark("read flags with their reasons"),
        "acknowledge": mark("say that a flag was seen"),
        "hold": mark("read holds and put clients on hold"),
    }
)
pages = FlaskBlueprint("api_document", __name__)
api = Blueprint("api", "api", url_prefix="/api/v1", description="One practice's clients, forms, flags and holds.")
CLIENT = "/clients/<string(length=32):client>"
FLAG = "/flags/<string(length=32):flag>"
PAGING = "JSON with total, total_pages, page, first_page, last_page, previous_page and next_page"


# --- who may ask ----------------------------------------------------------------------------------------------------


def needs(scope: str) -> Callable[[F], F]:
    """Lets a view be used by tokens with that scope."""

    def decorate(view: F) -> F:
        @wraps(view)
        def checked(*args: Any, **named: Any) -> Any:
            found = _bearer()
            if found is None:
                answer = problem(401, tr("A token is needed: Authorization: Bearer TOKEN"))
                answer.headers["WWW-Authenticate"] = "Bearer"
                return answer
            g.who = found
            if scope not in found.more.get("scopes", ()):
                here.refused("call-refused", detail=scope)
                return problem(403, tr("This token may not do that. It needs the scope {scope}.", scope=scope))
            return view(*args, **named)

        documented = api.doc(
            security=[{"token": []}],
            responses={"401": {"description": "No token"}, "403": {"description": "Another scope"}},
        )
        return documented(lets_all(token=False)(checked))  # type: ignore[no-any-return]

    return decorate


def _bearer() -> Who | None:
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    found = came_by(token.strip(), KIND) if kind.lower() == "bearer" else None
    if found is None:
        return None
    more = found.more or {}
    return Who(KIND, found.subject, str(more.get("login", KIND)), session=None, more=more)


# --- reading --------------------------------------------------------------------------------------------------------


@api.get("/clients")
@needs("clients")
@api.etag
@api.response(200, form.Client(many=True))
@api.paginate()
def clients(pagination_parameters: Any) -> Any:
    """All clients, by key."""
    people = here.desk().caseload.people(here.engine(), here.source())
    rows = sorted(people.items())
    pagination_parameters.item_count = len(rows)
    here.note("api-clients-read")
    chosen = rows[pagination_parameters.first_item : pagination_parameters.last_item + 1]
    with here.engine().store.reading(here.source()) as tx:
        known = stored.read_clients(tx, [key for key, _ in chosen])
    return [_client(key, known[key].ref, person) for key, person in chosen if key in known]


def _client(key: str, reference: str, person: Person) -> dict[str, Any]:
    return {
        "key": key,
        "reference": reference,
        "clinician": person.clinician,
        "forms": person.forms,
        "newest": None if person.newest is None else person.newest.date(),
        "ended": person.ended,
    }


@api.get(f"{CLIENT}/forms")
@needs("answers")
@api.etag
@api.response(200, form.Form(many=True))
@api.alt_response(404, schema=form.Problem)
@api.paginate()
def forms(client: str, pagination_parameters: Any) -> Any:
    """The forms of a client with answers and scores, oldest first."""
    view = _view(client)
    rows = sorted(
        ((one.authored, one.id, course, one) for course in view.courses for one in course.forms),
        key=lambda row: row[:2],
    )
    pagination_parameters.item_count = len(rows)
    here.note("api-answers-read", client)
    return [_form(course, one) for _, _, course, one in
            rows[pagination_parameters.first_item : pagination_parameters.last_item + 1]]  # fmt: skip


def _form(course: Any, one: Any) -> dict[str, Any]:
    return {
        "key": one.id,
        "instrument": course.instrument.id,
        "version": course.instrument.version,
        "authored": one.authored,
        "answers": {line: getattr(answer, "value", answer) for line, answer in one.answers.items()},
        "scores": [
            {"name": s.name, "value": s.value, "answered": s.answered, "of": s.of, "reason": s.reason}
            for s in one.scores.values()
        ],
        "straight_line": one.straight_line,
    }


@api.get("/flags")
@needs("flags")
@api.etag
@api.arguments(form.FlagQuery, location="query")
@api.response(200, form.Flag(many=True))
@api.paginate()
def flags(query: dict[str, Any], pagination_parameters: Any) -> Any:
    """Standing flags, safety first; with `everything` the cleared and withdrawn ones as well."""
    rows = here.engine().flags(everything=query["everything"])
    pagination_parameters.item_count = len(rows)
    here.note("api-flags-read")
    return [_flag(row) for row in rows[pagination_parameters.first_item : pagination_parameters.last_item + 1]]


@api.get(FLAG)
@needs("flags")
@api.etag
@api.response(200, form.Flag)
@api.alt_response(404, schema=form.Problem)
def flag(flag: str) -> Any:
    """One flag."""
    row = _row(flag)
    here.note("api-flags-read", flag)
    return _flag(row)


def _flag(row: FlagRow) -> dict[str, Any]:
    found = row.flag
    return {
        "key": found.key,
        "client": found.client,
        "rule": found.rule,
        "rule_version": found.rule_version,
        "kind": row.kind,
        "state": found.state.value,
        "shown": found.shown,
        "opened": found.opened,
        "closed": found.closed,
        "reason": found.evidence.reason,
        "clears": found.evidence.clears_when,
        "forms": [one.id for one in found.evidence.forms],
        "acknowledgements": [_seen(one) for one in row.acknowledgements],
    }


def _seen(one: Any) -> dict[str, Any]:
    return {"at": one.at, "author": one.author, "note": one.note, "useful": one.useful}


@api.get(f"{CLIENT}/holds")
@needs("hold")
@api.etag
@api.response(200, form.Hold(many=True))
@api.alt_response(404, schema=form.Problem)
def holds(client: str) -> Any:
    """A client's holds."""
    view = _view(client)
    here.note("api-holds-read", client)
    return [_hold(one) for one in view.holds]


def _hold(one: Any) -> dict[str, Any]:
    return {"start": one.start, "until": one.until, "reason": one.reason, "author": one.author}


def _view(client: str) -> ClientView:
    if client not in here.desk().caseload.people(here.engine(), here.source()):
        raise _Missing
    return here.engine().client(client)


def _row(flag: str) -> FlagRow:
    try:
        return here.engine().flag(flag)
    except UsageError:
        raise _Missing from None


# --- changing -------------------------------------------------------------------------------------------------------


@api.post(f"{FLAG}/acknowledgements")
@needs("acknowledge")
@api.arguments(form.Seen)
@api.response(201, form.Acknowledgement)
@api.alt_response(404, schema=form.Problem)
def acknowledge(given: dict[str, Any], flag: str) -> Any:
    """Somebody has seen a flag. A safety notice is not closed by it: a person does that in Handrail.

    The answer is what was noted; why the flag stands is told to tokens with the scope flags.
    """
    _row(flag)
    made = here.engine().acknowledge(flag, _author(given), given.get("note"), given.get("useful"))
    return _seen(made.acknowledgements[-1])


@api.post(f"{CLIENT}/holds")
@needs("hold")
@api.arguments(form.Held)
@api.response(201, form.Hold)
@api.alt_response(404, schema=form.Problem)
def hold(given: dict[str, Any], client: str) -> Any:
    """Pauses new flags of a client; safety notices still come."""
    view, today = _view(client), here.engine().now().date()
    _not_too_long(given["until"], today)
    return _hold(here.engine().hold(view.key, given["until"], given["reason"], _author(given)))


def _not_too_long(until: date, today: date) -> None:
    if (until - today).days > 366:
        raise UsageError(tr("A hold lasts a year at most. Give an earlier day."))


def _author(given: dict[str, Any]) -> str:
    return f"{given['author']} ({here.user().login})"


# --- faults and the document ----------------------------------------------------------------------------------------


class _Missing(Exception):
    """There is nothing of that key."""


@api.errorhandler(_Missing)
def _missing(_error: Exception) -> Response:
    return problem(404, tr("There is nothing of that key here."))


@api.errorhandler(HandrailError)
def _told(error: HandrailError) -> Response:
    g.pop("notes", None)
    return problem(status_of(error), error.message)


@api.errorhandler(HTTPException)
def _http(error: HTTPException) -> Response:
    g.pop("notes", None)
    data = getattr(error, "data", None) or {}
    status = error.code or 500
    if status == 304:
        return error.get_response()  # type: ignore[return-value]
    return problem(status, tr("The request cannot be used as it is."), data.get("messages"))


class _Api(Api):
    """flask-smorest's, without its handlers of faults: those are for the whole application, and the desk has pages."""

    def _register_error_handlers(self) -> None:
        """None; the blueprint has its own."""


def begin(app: Flask) -> None:
    """Registers the API, and makes the document of it."""
    app.config.update(API_TITLE="Handrail", API_VERSION="1", OPENAPI_VERSION="3.1.0")
    made = _Api(app)
    made.spec.components.security_scheme("token", {"type": "http", "scheme": "bearer"})
    made.register_blueprint(api)
    app.extensions["handrail-api"] = _as_sent(made.spec.to_dict())


def _as_sent(document: dict[str, Any]) -> dict[str, Any]:
    """Faults and the header of pages are described as what they are sent as; the library writes both otherwise."""
    for path in document["paths"].values():
        for operation in path.values():
            for status, answer in (operation.get("responses", {}) if isinstance(operation, dict) else {}).items():
                if "X-Pagination" in answer.get("headers", {}):
                    answer["headers"]["X-Pagination"] = {"description": PAGING, "schema": {"type": "string"}}
                if not status.startswith("2") and status != "304":
                    answer.pop("$ref", None)
                    answer.setdefault("description", "What is wrong")
                    answer["content"] = {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return document


@pages.get("/api/openapi.json")
@lets_all(token=False)
def document() -> Response:
    """The OpenAPI document. It is the same for every practice, and names nobody."""
    return jsonify(current_app.extensions["handrail-api"])
