"""SMART App Launch (https://hl7.org/fhir/smart-app-launch): the page before the session opens inside a record system.

The record system leads a browser here with its FHIR address (`iss`) and a launch; only addresses of the settings count.
Its sign-in tells who is in context: that one client's page is shown, for an hour, and nothing else of the desk. What it
gives a token for is not read: answers come from the store. Only staff is let in, by the id token's `fhirUser`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from flask import Blueprint, make_response, redirect, request, url_for

from ..errors import UsageError
from ..words import mark, tr
from . import guard, here, oidc, persons
from .access import lets_all
from .oidc import Party
from .staff import Staff
from .wrong import page

if TYPE_CHECKING:
    from flask import Response
    from flask.typing import ResponseReturnValue

    from ..settings_web import RecordSystem

pages = Blueprint("smart", __name__)
COOKIE = "handrail-launch"
SCOPE = "launch openid fhirUser patient/Patient.read"
MINUTES = 60
STAFF = re.compile(r"(?:.*/)?(?:Practitioner|PractitionerRole)/[A-Za-z0-9\-.]{1,64}")

NOT_NAMED = mark("This record system is not named in the settings ([[web.record_systems]] with fhir and client).")
NOT_REACHED = mark("The record system could not be reached, or did not answer as SMART App Launch has it. Try again.")
WENT_WRONG = mark("The launch could not be completed. Open Handrail again from the record system.")
NOT_STAFF = mark("This page is for those who treat the client.")
NOBODY = mark("No client is in context. Open a client's chart first, then Handrail.")
NOT_HERE = mark("This client is not measured with Handrail.")


@pages.get("/smart/launch")
@lets_all(framed=True)
def launch() -> ResponseReturnValue:
    """The record system begins; it is asked to sign its user in."""
    issuer, opening = request.args.get("iss", "").rstrip("/"), request.args.get("launch", "")
    system = _system(issuer)
    if system is None or not 1 <= len(opening) <= 2000:
        return page(403, tr(NOT_NAMED))
    party = _party(system, issuer)
    try:
        found = _configuration(party, issuer)
    except oidc.Failed:
        return page(503, tr(NOT_REACHED))
    kept = oidc.begin(iss=issuer)
    address, _ = oidc.session(party).create_authorization_url(
        found["authorization_endpoint"], state=kept["state"], nonce=kept["nonce"], code_verifier=kept["verifier"],
        aud=issuer, launch=opening,
    )  # fmt: skip
    answer = make_response(redirect(address))
    _cookie(answer, COOKIE, oidc.signed("smart", kept))
    return answer


@pages.get("/smart/back")
@lets_all(framed=True)
def back() -> ResponseReturnValue:
    """The record system's user is signed in there; what it says of context decides what is shown."""
    kept = oidc.opened("smart", request.cookies.get(COOKIE, ""), request.args.get("state", ""))
    system = None if kept is None else _system(kept["iss"])
    if kept is None or system is None:
        return _over(page(400, tr(WENT_WRONG)))
    try:
        token, claims = _signed_in(system, kept, request.args.get("code", ""))
    except oidc.Failed:
        here.note("launch-failed", actor=persons.actor(system.name))
        return _over(page(403, tr(WENT_WRONG)))
    person = str(claims.get("fhirUser", ""))
    if not STAFF.fullmatch(person):
        here.note("launch-refused", actor=persons.actor(system.name, person))
        return _over(page(403, tr(NOT_STAFF)))
    patient = token.get("patient")
    if not isinstance(patient, str) or not patient:
        return _over(page(400, tr(NOBODY)))
    return _let_in(system, person, patient)


def _let_in(system: RecordSystem, person: str, patient: str) -> ResponseReturnValue:
    engine = here.engine()
    try:
        key = engine.client_key(f"Patient/{patient}")
    except UsageError:
        return _over(page(404, tr(NOT_HERE)))
    if here.desk().caseload.person(engine, here.source(), key) is None:
        return _over(page(404, tr(NOT_HERE)))
    by = persons.actor(system.name, person)
    number = persons.number_of(system.name, person) or key  # whose looks at the page are remembered
    token = Staff(engine).begin_as("ehr", number, MINUTES, more={"login": by}, client=key)
    here.note("launched", key, actor=by)
    answer = _over(redirect(url_for("client.page", client=key)))
    _cookie(answer, guard.cookie_name(), token)
    return answer


def _system(issuer: str) -> RecordSystem | None:
    """The record system of the settings with that FHIR address. Compared as a whole, never by its beginning (S1)."""
    for system in here.desk().settings.web.record_systems:
        if system.client and issuer in {one.rstrip("/") for one in system.fhir}:
            return system
    return None


def _party(system: RecordSystem, issuer: str) -> Party:
    hosts = {oidc.host_of(issuer), oidc.host_of(system.issuer), *system.hosts} - {""}
    return Party(system.client, system.secret, SCOPE, f"{here.address()}{url_for('smart.back')}", hosts)


def _configuration(party: Party, issuer: str) -> dict[str, Any]:
    """Where its endpoints are. A token endpoint at a host that the settings do not name is not used."""
    found = oidc.fetch(party, f"{issuer}/.well-known/smart-configuration")
    for name in ("authorization_endpoint", "token_endpoint"):
        if not isinstance(found.get(name), str) or not oidc.may_ask(party, found[name]):
            raise oidc.Failed
    return found


def _signed_in(system: RecordSystem, kept: dict[str, Any], code: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The token's context and the checked claims of who signed in."""
    party = _party(system, kept["iss"])
    found = _configuration(party, kept["iss"])
    token = oidc.exchange(party, found["token_endpoint"], code, kept["verifier"])
    issuer = found.get("issuer")
    keys = found.get("jwks_uri")
    if not isinstance(keys, str):
        raise oidc.Failed
    known = issuer if isinstance(issuer, str) and oidc.may_ask(party, issuer) else kept["iss"]
    return token, oidc.claims(token, oidc.fetch(party, keys), party, known, kept["nonce"])


def _over(answer: ResponseReturnValue) -> Response:
    made = make_response(answer)
    made.delete_cookie(COOKIE, path="/")
    return made


def _cookie(answer: Response, name: str, value: str) -> None:
    """Inside another site's page a cookie is sent only if it says so, and is kept apart for that site (CHIPS)."""
    if here.desk().secure:
        answer.set_cookie(name, value, path="/", secure=True, httponly=True, samesite="None", partitioned=True)
    else:
        guard.set_cookie(answer, name, value)
