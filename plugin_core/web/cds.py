"""CDS Hooks 2.0: a record system asks when somebody opens a chart, and shows a card (https://cds-hooks.org).

A card is neutral: that there is something to look at, and where. What is asked for is answered from the store, never by
asking the platform; a patient id counts only for the record system that this practice's answers come from. Nothing is
shown to patients and relatives.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
from flask import Blueprint, Response, current_app, jsonify, request, url_for

from ...schemas.vocab import STANDING_STATES, FlagState
from ..errors import HandrailError, UsageError
from ..uris import BASE
from ..words import mark, tr
from . import here, persons
from .access import lets_all
from .tokens import Refused, Tokens
from .wrong import problem, status_of

if TYPE_CHECKING:
    from flask import Flask
    from flask.typing import ResponseReturnValue

    from ..settings_web import RecordSystem
    from ..views import FlagRow

pages = Blueprint("cds", __name__)
SERVICE = "handrail"
SUMMARY_MOST = 139  # "under 140 characters"
CARDS_MOST = 3
STAFF = re.compile(r"(Practitioner|PractitionerRole)/[A-Za-z0-9\-.]{1,64}")
PATIENT = re.compile(r"[A-Za-z0-9\-.]{1,64}")

TITLE = mark("Handrail: something to look at before the next session")
SAFETY = mark("Handrail: a notice waits that a person has to see. Please open Handrail.")
GOOD_NEWS = mark("Handrail: something to be glad about with your client")
DETAIL = mark("A prompt for a conversation. Open Handrail for the answers that it rests on.")
NAMELESS = mark(
    "What you choose on this card is noted without your name, as seen in this record system. To note it under your "
    "name, open Handrail."
)
OPEN = mark("Open Handrail")
SEEN = mark("I have seen this")
DESCRIPTION = mark("Says when there is something to look at in a client's answers before the session.")
REASONS = {
    "discussed": mark("Already talked about with the client"),
    "expected": mark("Expected at this stage"),
    "not-now": mark("Not for this session"),
}
SYSTEM = f"{BASE}/CodeSystem/override"


def begin(app: Flask) -> None:
    """Tokens are checked in one place for all threads."""
    settings = app.extensions["handrail"].settings
    app.extensions["handrail-tokens"] = Tokens(settings.web.record_systems, settings.folder)


@pages.after_request
def _cors(answer: Response) -> Response:
    """Record systems that run in a browser ask first whether they may (https://fetch.spec.whatwg.org, CORS)."""
    origin = request.headers.get("Origin")
    allowed = {one for system in here.desk().settings.web.record_systems for one in system.origins}
    if origin in allowed:
        answer.headers["Access-Control-Allow-Origin"] = str(origin)
        answer.headers["Access-Control-Allow-Methods"] = "GET, POST, OPTIONS"
        answer.headers["Access-Control-Allow-Headers"] = "authorization, content-type"
        answer.headers["Access-Control-Max-Age"] = "600"
    answer.headers.add("Vary", "Origin")
    return answer


@pages.get("/cds-services")
@lets_all(token=False)
def discovery() -> ResponseReturnValue:
    """What is offered; none where the settings name no record system."""
    if not here.desk().settings.web.record_systems:
        return jsonify({"services": []})
    service = {
        "hook": "patient-view",
        "id": SERVICE,
        "title": "Handrail",
        "description": tr(DESCRIPTION),
        "prefetch": {"patient": "Patient/{{context.patientId}}"},
    }
    return jsonify({"services": [service]})


@pages.post(f"/cds-services/{SERVICE}")
@lets_all(token=False)
def cards() -> ResponseReturnValue:
    """The cards of one chart that was opened."""
    system, body = _asked(url_for("cds.cards"))
    context = body["context"]
    if body.get("hook") != "patient-view" or not isinstance(context.get("patientId"), str):
        return problem(400, tr("This service answers the hook patient-view, with a patientId in its context."))
    if not STAFF.fullmatch(str(context.get("userId", ""))):
        return jsonify({"cards": []})  # a patient or a relative has the chart open
    if not _same_server(system, body.get("fhirServer")):
        return problem(412, tr("That FHIR server is not the one that this practice's answers come from."))
    rows = _rows(context["patientId"])
    for row in rows:
        here.note("card-shown", row.flag.key, actor=persons.actor(system.name, context["userId"]))
    return jsonify({"cards": [_card(row, system) for row in rows]})


@pages.post(f"/cds-services/{SERVICE}/feedback")
@lets_all(token=False)
def feedback() -> ResponseReturnValue:
    """What became of cards: seen, or put aside with a reason."""
    system, body = _asked(url_for("cds.feedback"))
    told = body.get("feedback")
    if not isinstance(told, list) or not all(isinstance(one, dict) for one in told):
        return problem(400, tr("The feedback is not a list of what became of cards."))
    for one in told[:50]:
        _heard(one, system)
    return "", 200


def _asked(path: str) -> tuple[RecordSystem, dict[str, Any]]:
    tokens: Tokens = current_app.extensions["handrail-tokens"]
    system = tokens.check(request.headers.get("Authorization"), here.address() + path)
    try:
        body = msgspec.json.decode(request.get_data())
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise UsageError(tr("The request holds no JSON object."))
    if not isinstance(body.setdefault("context", {}), dict):
        raise UsageError(tr("The request's context is no JSON object."))
    return system, body


def _same_server(system: RecordSystem, said: Any) -> bool:
    """An id means a person only together with the server that gave it."""
    if said is None:  # the standard lets it be left out; then only where there is no other it could mean
        return len(here.desk().settings.web.record_systems) == 1
    platform = here.desk().settings.platform
    ours = [] if platform is None else [str(platform.settings.get("base_url", ""))]
    return isinstance(said, str) and said.rstrip("/") in {one.rstrip("/") for one in (*system.fhir, *ours) if one}


def _rows(patient: str) -> list[FlagRow]:
    """The open prompts of a patient, safety first; empty for somebody who is not known here."""
    if not PATIENT.fullmatch(patient):
        return []
    engine = here.engine()
    key = engine.store.sealer.hash("client", str(here.source()), f"Patient/{patient}")
    if here.desk().caseload.person(engine, here.source(), key) is None:
        try:
            key = engine.client_key(f"Patient/{patient}")  # one whose record was merged into another
        except UsageError:
            return []
    found = [row for row in engine.flags(client=key) if row.kind == "safety" or _open(row)]
    return sorted(found, key=lambda row: row.kind != "safety")[:CARDS_MOST]


def _open(row: FlagRow) -> bool:
    return row.flag.shown and row.flag.state is FlagState.RAISED


def _card(row: FlagRow, system: RecordSystem) -> dict[str, Any]:
    urgent = row.kind == "safety"
    title = SAFETY if urgent else GOOD_NEWS if row.kind == "good-news" else TITLE
    detail = tr(DETAIL) if urgent else f"{tr(DETAIL)}\n\n{tr(NAMELESS)}"
    if system.reasons and not urgent:  # the practice has said that clinicians alone see its cards
        detail = f"{row.flag.evidence.reason}\n\n{detail}"
    link: dict[str, Any] = {"label": tr(OPEN), "url": here.address() + url_for("client.page", client=row.flag.client)}
    link["type"] = "absolute"
    if system.launch:
        link |= {"url": here.address() + "/smart/launch", "type": "smart"}
    card: dict[str, Any] = {
        "uuid": str(UUID(row.flag.key)),
        "summary": tr(title)[:SUMMARY_MOST],
        "indicator": "warning" if urgent else "info",
        "source": {"label": "Handrail"},
        "detail": detail,
        "links": [link | {"autolaunchable": False, "autoLaunchable": False}],  # 3.0's spelling, and what clients want
    }
    if not urgent:  # a safety notice is closed by a person in Handrail only, with what was done
        card["suggestions"] = [{"label": tr(SEEN), "uuid": _suggestion(row.flag.key), "isRecommended": False}]
        card["selectionBehavior"] = "at-most-one"
        card["overrideReasons"] = [{"system": SYSTEM, "code": code, "display": tr(REASONS[code])} for code in REASONS]
    return card


def _suggestion(flag: str) -> str:
    return str(UUID(here.keyed("suggestion", flag)))


def _heard(told: dict[str, Any], system: RecordSystem) -> None:
    """Notes what became of one card. Accepting the suggestion, or giving a reason, says that somebody has seen it."""
    try:
        flag = UUID(str(told.get("card"))).hex
    except ValueError:
        return
    try:
        row = here.engine().flag(flag)
    except UsageError:
        return
    if row.kind == "safety" or row.flag.state not in STANDING_STATES:
        return
    outcome = told.get("outcome")
    given = told.get("acceptedSuggestions")
    accepted = [one.get("id") for one in (given if isinstance(given, list) else []) if isinstance(one, dict)]
    why = told.get("overrideReason")
    reason = why.get("reason") if isinstance(why, dict) else None
    code = str(reason.get("code")) if isinstance(reason, dict) else ""
    note = tr(REASONS[code]) if outcome == "overridden" and code in REASONS else None
    if row.flag.state is FlagState.RAISED and (note or (outcome == "accepted" and _suggestion(flag) in accepted)):
        here.engine().acknowledge(flag, persons.actor(system.name), note)
    else:
        here.note("card-answered", flag, str(outcome) if outcome in ("accepted", "overridden") else None,
                  actor=persons.actor(system.name))  # fmt: skip


@pages.errorhandler(Refused)
def _not_let_in(refused: Refused) -> Response:
    return problem(401, str(refused))


@pages.errorhandler(HandrailError)
def _not_possible(error: HandrailError) -> Response:
    return problem(status_of(error), error.message)
