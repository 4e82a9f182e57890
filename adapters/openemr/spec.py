"""The descriptor of the OpenEMR adapter: settings, abilities, carriers, and where its modules are found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...plugin_core.contracts import (
    Adapter,
    AdapterContext,
    AdapterSpec,
    Browser,
    Capabilities,
    CarrierSpec,
    Support,
)
from ...plugin_core.words import mark

if TYPE_CHECKING:
    from marshmallow import Schema

CARRIERS = (
    CarrierSpec(
        "message",
        mark("Message about the client, to the clinician"),
        mark(
            "The user it is addressed to, and everybody who may read the client's messages in OpenEMR, office staff "
            "included. It stays part of the chart, which a client may ask to see."
        ),
        clinicians_only=False,
    ),
)


def _settings() -> type[Schema]:
    from .settings import OpenEmrSettings

    return OpenEmrSettings


def _open(context: AdapterContext) -> Adapter:
    from .adapter import OpenEmrAdapter

    return OpenEmrAdapter(context)


def _login(context: AdapterContext, browser: Browser) -> None:
    from .settings import login

    login(context, browser)


SPEC = AdapterSpec(
    name="openemr",
    title="OpenEMR",
    settings=_settings,
    capabilities=Capabilities(lists_forms=True, gives_clinicians=True),
    carriers=CARRIERS,
    open=_open,
    login=_login,
    support=Support(
        tested="contract",
        against="OpenEMR's own OpenAPI document (8.1.1-dev) and its source, on a server of the tests' own",
        pulls="Filled-in questionnaires (FHIR) begun since the last pull, and those of the last 90 days anew, as "
        "OpenEMR tells no time of change.",
        limits="None in OpenEMR itself. It sends all that is asked for in one answer, without pages.",
        quirks=(
            "Filled-in questionnaires can be read from late 2025 on; earlier versions do not have them.",
            "Messages cannot be read back: if the answer to one is lost, it is not sent again, and said so.",
            "A person has to sign in for messages; a key alone (auth = system) can only read.",
        ),
    ),
)
