"""What a practice fills in to connect Healthie, and the connection made from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from ...plugin_core.contracts import AdapterContext
from ...plugin_core.errors import SettingsError
from ...plugin_core.words import mark
from ..auth import Fixed
from ..http import Manners
from ..keyset import PullSettings
from ..network import base_at, rest_of
from .graph import Graph

VENDOR = "https://api.gethealthie.com/graphql"
VERSION = "2026-01-01"
_ID = validate.Regexp(r"[A-Za-z0-9_-]{1,64}\Z", error=mark("is no id of Healthie"))


def _switch(default: bool, text: str) -> fields.Boolean:
    return fields.Boolean(load_default=default, truthy={True}, falsy={False}, metadata={"help": text})


class HealthieSettings(PullSettings):
    """Settings of the Healthie adapter. Secrets hold a reference to where the secret lies, never the secret."""

    api_key = fields.String(
        required=True,
        metadata={
            "help": mark(
                "An API key. In Healthie: Settings > Developer > API Keys > Add API Key. It acts with the rights of "
                "its user, who has to see all clients and their forms."
            ),
            "secret": True,
        },
    )
    shard = fields.String(
        validate=_ID,
        metadata={"help": mark("The shard id, only where Healthie has given the account one (AuthorizationShard).")},
    )
    base_url = fields.String(
        load_default=VENDOR,
        validate=validate.Length(1, 2000),
        metadata={
            "help": mark(
                "The address of the API; for a sandbox account https://staging-api.gethealthie.com/graphql. Usually "
                "left as it is."
            )
        },
    )
    api_version = fields.String(
        load_default=VERSION,
        validate=validate.Regexp(r"20\d\d-\d\d-\d\d\Z", error=mark("is no version of the API, such as 2026-01-01")),
        metadata={"help": mark("The dated version of the API that is asked for. Usually left as it is.")},
    )
    assignee = fields.String(
        validate=_ID,
        metadata={
            "help": mark(
                "The id of the member to whom tasks go where a client has no provider. It stands at the end of the "
                "address of their page in Healthie."
            )
        },
    )
    tag = fields.String(
        load_default="Handrail: look before session",
        validate=validate.Length(1, 60),
        metadata={"help": mark("The name of the tag for the carrier tag. The front desk reads it: keep it neutral.")},
    )
    notify = _switch(True, mark("Let Healthie e-mail clients who are asked for a form."))
    client_email = _switch(
        False, mark("Read clients' e-mail addresses; only where the practice asks clients by e-mail.")
    )
    webhook_secret = fields.String(
        metadata={
            "help": mark(
                "The signing secret of the webhook (whsec_...). In Healthie: Settings > Developer > Webhooks. Leave it "
                "empty where there is none."
            ),
            "secret": True,
        }
    )
    webhook_blank_query = fields.String(
        load_default="kept",
        validate=validate.OneOf(("kept", "dropped")),
        metadata={
            "help": mark(
                "How a webhook to an address without a question mark is signed: kept (an empty place between two "
                "blanks, as Healthie's example shows) or dropped. Change it only where genuine webhooks are refused."
            )
        },
    )

    @validates_schema
    def _whole(self, data: Mapping[str, Any], **_: Any) -> None:
        try:
            base_at(data.get("base_url", VENDOR), data)
        except SettingsError as error:
            raise ValidationError(error.message, "base_url") from None


def connection(context: AdapterContext) -> Graph:
    """The connection that the settings ask for. The key goes as it is, not as a user name and password."""
    settings = context.settings
    headers = {"AuthorizationSource": "API", "Healthie-GraphQL-API-Version": settings.get("api_version", VERSION)}
    if settings.get("shard"):
        headers["AuthorizationShard"] = settings["shard"]
    auth = Fixed(lambda: f"Basic {context.secret('api_key').strip()}")
    base = base_at(settings.get("base_url", VENDOR), settings)
    return Graph(rest_of(context, base, auth, Manners(headers=headers)), context.warn)
