"""What every adapter over HTTP shares: settings of the way there, and a connection made from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from marshmallow import Schema, fields

from ..plugin_core.contracts import AdapterContext
from ..plugin_core.words import mark
from .addresses import Base
from .auth import Auth
from .http import Http, Manners
from .rest import Rest
from .transport import Limits, Transport
from .waiting import Patience


class NetworkSettings(Schema):
    """Settings of the way to a platform; each adapter's schema builds on it."""

    ca_file = fields.String(
        metadata={"help": mark("A file with the practice's own certificate authority (PEM). Usually left empty.")}
    )
    proxy = fields.String(
        metadata={"help": mark("The proxy to use, as http://host:port; the environment's is not read.")}
    )
    allow_http = fields.Boolean(
        load_default=False,
        truthy={True},
        falsy={False},
        metadata={"help": mark("Allow an unprotected connection to another machine; only inside a protected network.")},
    )


def transport_of(context: AdapterContext, limits: Limits | None = None) -> Transport:
    """The transport that the settings ask for."""
    settings = context.settings
    return Transport(context.user_agent, limits=limits, proxy=settings.get("proxy"), ca_file=settings.get("ca_file"))


def base_at(address: str, settings: Mapping[str, Any], setting: str = "base_url") -> Base:
    """The checked base of a platform. Raises SettingsError."""
    return Base.parse(address, allow_http=bool(settings.get("allow_http")), setting=setting)


def rest_of(
    context: AdapterContext,
    base: Base,
    auth: Auth,
    manners: Manners,
    *,
    transport: Transport | None = None,
    explain: Callable[[Any], str] | None = None,
) -> Rest:
    """A JSON connection to `base`. `explain` turns a refusal's JSON into words, see `Rest`."""
    patience = Patience(context.now, context.sleep)
    http = Http(base, transport or transport_of(context), auth, patience, "application/json", manners)
    return Rest(http, explain)
