"""The descriptor of the Cliniko adapter: its settings, what it can do, and where its modules are found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...plugin_core.contracts import Adapter, AdapterContext, AdapterSpec, Capabilities, CarrierSpec, Support
from ...plugin_core.words import mark

if TYPE_CHECKING:
    from marshmallow import Schema

MEDICAL_ALERT = "medical-alert"
CARRIERS = (
    CarrierSpec(
        MEDICAL_ALERT,
        mark("Medical alert on the client's file"),
        mark(
            "Everybody in the practice who opens the client's file, the front desk included. Clients do not see it "
            "by themselves; it belongs to the file that they may ask for."
        ),
        clinicians_only=False,
    ),
)


def _settings() -> type[Schema]:
    from .settings import ClinikoSettings

    return ClinikoSettings


def _open(context: AdapterContext) -> Adapter:
    from .adapter import ClinikoAdapter

    return ClinikoAdapter(context)


SPEC = AdapterSpec(
    name="cliniko",
    title="Cliniko",
    settings=_settings,
    capabilities=Capabilities(lists_forms=True, publishes=True, gives_clinicians=True, sends=True),
    carriers=CARRIERS,
    open=_open,
    support=Support(
        tested="contract",
        against="the vendor's OpenAPI description (API v1), on a server of the tests' own",
        pulls="Completed patient forms, by the time of their last change.",
        asks="Makes the form in the client's file and gives its link; Cliniko e-mails nothing, so people pass it on.",
        limits="200 requests a minute for each user's key.",
        quirks=(
            "A completed form does not say from which template it was made: it is known by its name.",
            "Questions have no ids: they are known by section and text, and a renamed one is set aside.",
            "A file has no therapist: where wanted, the practitioner of the latest appointment is taken.",
        ),
    ),
)
