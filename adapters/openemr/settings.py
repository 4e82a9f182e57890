"""What a practice fills in to connect OpenEMR, the person's sign-in, and the connections to its two APIs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from ...plugin_core.contracts import AdapterContext, Browser
from ...plugin_core.words import mark
from ..addresses import Base
from ..auth import Auth
from ..fhir.server import ACCEPT, Server
from ..http import Http, Manners
from ..login import Application, LoginSettings, PersonToken, sign_in
from ..network import NetworkSettings, base_at, rest_of, transport_of
from ..rest import Rest, part
from ..smart import Registration, SmartBackend
from ..transport import Transport
from ..waiting import Patience

READS = ("QuestionnaireResponse", "Questionnaire", "Patient", "Practitioner")
PERSON_SCOPES = " ".join(
    (
        "openid offline_access api:oemr api:fhir",
        *(f"user/{kind}.rs" for kind in READS),
        "user/patient.read user/user.read user/message.write",
    )
)
SYSTEM_SCOPES = " ".join(f"system/{kind}.rs" for kind in READS)
AUTH_KINDS = ("person", "system")


def _help(text: str, **more: Any) -> dict[str, Any]:
    return {"help": text, **more}


class OpenEmrSettings(LoginSettings, NetworkSettings):
    """Settings of the OpenEMR adapter."""

    base_url = fields.String(
        required=True,
        validate=validate.Length(1, 2000),
        metadata=_help(
            mark(
                "OpenEMR's own address, as under Administration > Config > Connectors > Site Address. Switch on there: "
                "Standard REST API, Standard FHIR REST API and, for auth = system, the system scopes."
            )
        ),
    )
    site = fields.String(
        load_default="default",
        validate=validate.Regexp(r"[A-Za-z0-9_.-]{1,64}\Z"),
        metadata=_help(mark("The site of a multi-site OpenEMR; usually default.")),
    )
    auth = fields.String(
        load_default="person",
        validate=validate.OneOf(AUTH_KINDS),
        metadata=_help(
            mark(
                "Who signs in: person (a user made for Handrail signs in once in the browser; reads and writes) or "
                "system (a registered key; reads only, so that prompts are entered by hand)."
            ),
            choices=AUTH_KINDS,
        ),
    )
    client_id = fields.String(
        required=True,
        validate=validate.Length(1, 400),
        metadata=_help(
            mark(
                "The client id of the registered application: Administration > System > API Clients, where it must "
                "also be enabled. Register this redirect address: http://127.0.0.1:8765/handrail"
            )
        ),
    )
    client_secret = fields.String(
        metadata=_help(
            mark("The client secret that the registration gave, for auth = person."),
            secret=True,
            needed_for=("person",),
        )
    )
    private_key = fields.String(
        metadata=_help(
            mark("The private RSA key, as PEM or JWK, for auth = system."), secret=True, needed_for=("system",)
        )
    )
    tokens = fields.String(
        metadata=_help(
            mark("What the sign-in has brought; handrail connect --login puts it there."),
            secret=True,
            by_login=True,
            needed_for=("person",),
        )
    )
    scopes = fields.String(metadata=_help(mark("The rights to ask for, if not those that Handrail needs.")))
    reread_days = fields.Integer(
        load_default=90,
        strict=True,
        validate=validate.Range(1, 3650),
        metadata=_help(
            mark(
                "How far each pull reaches back. OpenEMR does not tell when a form last changed: one that was begun "
                "earlier and finished or changed since is found by the weekly check or by handrail sync --full."
            )
        ),
    )
    messages_to = fields.String(
        validate=validate.Length(1, 200),
        metadata=_help(
            mark("The OpenEMR user name that gets messages about clients whose clinician is not known as a user.")
        ),
    )
    messages_from = fields.String(
        load_default="Handrail",
        validate=validate.Length(1, 200),
        metadata=_help(mark("The user name that messages come from; usually that of the user made for Handrail.")),
    )
    note_type = fields.String(
        load_default="Other",
        validate=validate.Length(1, 60),
        metadata=_help(mark("The kind of message, from OpenEMR's list Patient Note Types.")),
    )
    also_known_as = fields.List(
        fields.String(),
        load_default=list,
        metadata=_help(mark("Addresses that OpenEMR writes into its links though it is reached by base_url.")),
    )

    @validates_schema
    def _whole(self, data: Mapping[str, Any], **_: Any) -> None:
        if data.get("auth") == "system" and not data.get("private_key"):
            raise ValidationError(mark("is needed for this kind of sign-in"), "private_key")


def _root(settings: Mapping[str, Any]) -> Base:
    return base_at(settings["base_url"], settings)


def application(context: AdapterContext) -> Application:
    """Handrail as it is registered in this OpenEMR."""
    settings = context.settings
    oauth = f"{_root(settings).text}/oauth2/{part(settings['site'])}"
    return Application(
        platform="openemr",
        client_id=settings["client_id"],
        authorize_url=f"{oauth}/authorize",
        token_url=f"{oauth}/token",
        scopes=settings.get("scopes") or PERSON_SCOPES,
        client_secret=(lambda: context.secret("client_secret")) if settings.get("client_secret") else None,
    )


def login(context: AdapterContext, browser: Browser) -> None:
    """Signs a person in and keeps the tokens; nothing to do where a key signs in."""
    if context.settings["auth"] != "person":
        return
    transport = transport_of(context)
    try:
        sign_in(context, browser, _root(context.settings), transport, application(context))
    finally:
        transport.close()


def connections(context: AdapterContext) -> tuple[Server, Rest, Transport]:
    """The FHIR API for reading and the standard API for writing, with one sign-in for both."""
    settings = context.settings
    root, site = _root(settings), part(settings["site"])
    transport = transport_of(context)
    patience = Patience(context.now, context.sleep)
    auth: Auth
    if settings["auth"] == "person":
        auth = PersonToken(root, transport, patience, application(context), context)
    else:
        registration = Registration(
            client_id=settings["client_id"],
            private_key=lambda: context.secret("private_key"),
            scopes=settings.get("scopes") or SYSTEM_SCOPES,
            token_url=f"{root.text}/oauth2/{site}/token",
            allow_http=bool(settings.get("allow_http")),
        )
        auth = SmartBackend(root, transport, patience, registration)
    aliases = tuple(f"{one.rstrip('/')}/apis/{site}/fhir" for one in settings.get("also_known_as", ()))
    fhir = Base.parse(f"{root.text}/apis/{site}/fhir", allow_http=bool(settings.get("allow_http")), aliases=aliases)
    server = Server(Http(fhir, transport, auth, patience, ACCEPT))
    api = base_at(f"{root.text}/apis/{site}/api", settings)
    return server, rest_of(context, api, auth, Manners(), transport=transport), transport
