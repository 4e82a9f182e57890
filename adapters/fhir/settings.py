"""What a practice fills in to connect a FHIR server; each field says in `help` what it is for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from ...plugin_core.contracts import AdapterContext
from ...plugin_core.errors import SettingsError
from ...plugin_core.words import mark
from ..addresses import Base
from ..auth import Auth, NoAuth, basic, bearer
from ..smart import Registration, SmartBackend
from ..transport import Transport
from ..waiting import Patience

AUTH_KINDS = ("none", "basic", "bearer", "smart")
CREATE_WAYS = ("auto", "put", "conditional", "search")
ASK_WAYS = ("none", "auto", "task", "service-request")
SESSION_WAYS = ("auto", "encounter", "appointment", "none")
CARRIER_NAMES = ("flag", "detected-issue", "task")
# Read for forms and clients, write for what a prompt needs; publishing needs Questionnaire.cruds beside them (S6).
SCOPES = (
    "system/QuestionnaireResponse.rs system/Questionnaire.rs system/Patient.rs system/Practitioner.rs "
    "system/Flag.crus system/Provenance.crs system/Device.crus"
)
NEEDS = {"basic": ("username", "password"), "bearer": ("token",), "smart": ("client_id", "private_key")}


def _asked(text: str, **more: Any) -> dict[str, Any]:
    return {"help": text, **more}


def _switch(text: str) -> fields.Boolean:
    return fields.Boolean(load_default=False, truthy={True}, falsy={False}, metadata=_asked(text))


class FhirSettings(Schema):
    """Settings of the FHIR adapter. Secrets hold a reference to where the secret lies, never the secret."""

    base_url = fields.String(
        required=True,
        validate=validate.Length(1, 2000),
        metadata=_asked(
            mark(
                "The address of the FHIR R4 API, for example https://ehr.example/fhir. The platform's vendor gives it."
            )
        ),
    )
    auth = fields.String(
        load_default="none",
        validate=validate.OneOf(AUTH_KINDS),
        metadata=_asked(
            mark(
                "How Handrail signs in, as the vendor says: none, basic (a user name and a password), bearer (a fixed "
                "token) or smart (SMART Backend Services)."
            ),
            choices=AUTH_KINDS,
        ),
    )
    username = fields.String(
        metadata=_asked(mark("The user name, or the client id, for auth = basic."), needed_for=("basic",))
    )
    password = fields.String(
        metadata=_asked(mark("The password for auth = basic."), secret=True, needed_for=("basic",))
    )
    token = fields.String(metadata=_asked(mark("The token for auth = bearer."), secret=True, needed_for=("bearer",)))
    client_id = fields.String(
        metadata=_asked(
            mark("The client id under which the platform registered Handrail (smart)."), needed_for=("smart",)
        )
    )
    private_key = fields.String(
        metadata=_asked(mark("The private key for smart, as PEM or JWK."), secret=True, needed_for=("smart",))
    )
    key_id = fields.String(metadata=_asked(mark("The kid of the key as registered; by default the key's thumbprint.")))
    algorithm = fields.String(
        validate=validate.OneOf(("RS384", "ES384")),
        metadata=_asked(mark("The signing algorithm, if not the one that follows from the key.")),
    )
    scopes = fields.String(
        load_default=SCOPES, metadata=_asked(mark("The rights to ask for when signing in with smart."))
    )
    token_url = fields.String(metadata=_asked(mark("The sign-in address, where the server does not announce it.")))
    token_host_allowed = fields.List(
        fields.String(),
        load_default=list,
        metadata=_asked(mark("Other hosts to which the signed sign-in request may go, as host or host:port.")),
    )
    also_known_as = fields.List(
        fields.String(),
        load_default=list,
        metadata=_asked(mark("Addresses that the server writes into its links though it is reached by base_url.")),
    )
    allow_http = fields.Boolean(
        load_default=False,
        truthy={True},
        falsy={False},
        metadata=_asked(mark("Allow an unprotected connection to another machine; only inside a protected network.")),
    )
    ca_file = fields.String(metadata=_asked(mark("A file with the practice's own certificate authority (PEM).")))
    proxy = fields.String(
        metadata=_asked(mark("The proxy to use, as http://host:port; the environment's is not read."))
    )
    page_size = fields.Integer(
        load_default=500,
        strict=True,
        validate=validate.Range(1, 1000),
        metadata=_asked(mark("How many forms to ask for at once; it shrinks by itself where that is too much.")),
    )
    overlap_minutes = fields.Integer(
        load_default=5,
        strict=True,
        validate=validate.Range(0, 1440),
        metadata=_asked(
            mark("How far each pull reaches back before the last one, for forms that become visible late.")
        ),
    )
    carriers = fields.List(
        fields.String(validate=validate.OneOf(CARRIER_NAMES)),
        load_default=list,
        metadata=_asked(mark("Carriers that the server takes although its description of itself does not say so.")),
    )
    create_by = fields.String(
        load_default="auto",
        validate=validate.OneOf(CREATE_WAYS),
        metadata=_asked(
            mark("How objects are made safely: auto reads it from the server; put, conditional and search force one.")
        ),
    )
    task_intent = fields.String(
        load_default="proposal",
        validate=validate.OneOf(("proposal", "plan", "order", "unknown")),
        metadata=_asked(mark("The intent of a Task; some platforms take only one word.")),
    )
    provenance = fields.Boolean(
        load_default=True,
        truthy={True},
        falsy={False},
        metadata=_asked(
            mark("Write down with each prompt from which forms it was made (Provenance), where the server takes it.")
        ),
    )

    ask_by = fields.String(
        load_default="none",
        validate=validate.OneOf(ASK_WAYS),
        metadata=_asked(
            mark(
                "How clients are asked through the platform: none, auto, task or service-request. A client portal, or "
                "whoever may read tasks there, can see that a form was asked for: find out before switching it on."
            )
        ),
    )
    sessions = fields.String(
        load_default="auto",
        validate=validate.OneOf(SESSION_WAYS),
        metadata=_asked(mark("Where attended sessions are read: auto, encounter, appointment, or none.")),
    )
    client_email = _switch(mark("Read clients' e-mail addresses; only where the practice asks clients by e-mail."))
    take_in_progress = _switch(
        mark(
            "Read forms that the platform does not mark as finished, as they stand. Only for platforms that never do: "
            "an unfinished form would be scored, and scored anew when it goes on."
        )
    )
    date_by_server = _switch(
        mark(
            "Date forms that carry no time of their own by when the platform last stored them. Not where the platform "
            "stamps the time of each request instead."
        )
    )

    @validates_schema
    def _whole(self, data: Mapping[str, Any], **_: Any) -> None:
        for name in NEEDS.get(data.get("auth", "none"), ()):
            if not data.get(name):
                raise ValidationError(mark("is needed for this kind of sign-in"), name)
        try:
            base_of(data)
        except SettingsError as error:
            raise ValidationError(error.message, "base_url") from None


def base_of(settings: Mapping[str, Any]) -> Base:
    """The checked base address. Raises SettingsError."""
    return Base.parse(
        settings["base_url"],
        allow_http=bool(settings.get("allow_http")),
        aliases=tuple(settings.get("also_known_as", ())),
    )


def auth_of(context: AdapterContext, base: Base, transport: Transport, patience: Patience) -> Auth:
    """The sign-in that the settings ask for; secrets are read when they are used, not here."""
    settings = context.settings

    def secret(name: str) -> Callable[[], str]:
        return lambda: context.secret(name)

    def smart() -> Auth:
        registration = Registration(
            client_id=settings["client_id"],
            private_key=secret("private_key"),
            scopes=settings.get("scopes", SCOPES),
            algorithm=settings.get("algorithm"),
            key_id=settings.get("key_id"),
            token_url=settings.get("token_url"),
            allowed_hosts=tuple(settings.get("token_host_allowed", ())),
            allow_http=bool(settings.get("allow_http")),
        )
        return SmartBackend(base, transport, patience, registration)

    makers: dict[str, Callable[[], Auth]] = {
        "none": NoAuth,
        "basic": lambda: basic(settings["username"], secret("password")),
        "bearer": lambda: bearer(secret("token")),
        "smart": smart,
    }
    return makers[settings.get("auth", "none")]()
