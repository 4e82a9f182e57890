"""The descriptor of the DrChrono adapter: settings, abilities, carriers, and where its modules are found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...plugin_core.contracts import (
    Adapter,
    AdapterContext,
    AdapterSpec,
    Browser,
    Capabilities,
    CarrierSpec,
    Hint,
    Refusal,
    Support,
    WebhookRequest,
)
from ...plugin_core.words import mark

if TYPE_CHECKING:
    from marshmallow import Schema

CARRIERS = (
    CarrierSpec(
        "task",
        mark("Task for the clinician"),
        mark(
            "The person it is assigned to, and whoever else may open the practice's task list, usually office staff "
            "too. Clients do not see tasks."
        ),
        clinicians_only=False,
    ),
    CarrierSpec(
        "patient-flag",
        mark("Flag on the patient's chart"),
        mark(
            "Everybody who opens the patient, front desk included. DrChrono documents no safe way to add and remove "
            "one flag among others; it works only where the setting patient_flag_type names a flag type."
        ),
        clinicians_only=False,
    ),
)


def _settings() -> type[Schema]:
    from .settings import DrChronoSettings

    return DrChronoSettings


def _open(context: AdapterContext) -> Adapter:
    from .adapter import DrChronoAdapter

    return DrChronoAdapter(context)


def _login(context: AdapterContext, browser: Browser) -> None:
    from .settings import login

    login(context, browser)


def _webhook(context: AdapterContext, request: WebhookRequest) -> Hint | Refusal:
    from .webhook import hint

    return hint(context, request)


SPEC = AdapterSpec(
    name="drchrono",
    title="DrChrono",
    settings=_settings,
    capabilities=Capabilities(lists_forms=True, gives_clinicians=True, hears=True),
    carriers=CARRIERS,
    open=_open,
    login=_login,
    webhook=_webhook,
    support=Support(
        tested="contract",
        against="DrChrono's OpenAPI document (v4, Hunt Valley)",
        pulls="Fields of clinical notes that changed, with a day of overlap; one form is all fields of one template in "
        "one appointment.",
        limits="500 requests an hour for the whole application, shared by all practices of one client id; a part is "
        "kept for prompts.",
        quirks=(
            "There is no questionnaire API: the form is a clinical-note template.",
            "Times come without a zone and are read in the practice's; the setting times_in changes that.",
            "A box that is not ticked reads like one that nobody looked at: it counts as not answered.",
        ),
    ),
)
