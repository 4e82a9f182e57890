"""The descriptor of the IntakeQ adapter: settings, abilities, carriers, and where its modules are found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...plugin_core.contracts import (
    Adapter,
    AdapterContext,
    AdapterSpec,
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
        "tag",
        mark("Tag on the client"),
        mark(
            "Everybody in the practice who sees the client's entry or the list of clients, the front desk included. "
            "Clients do not see it by themselves."
        ),
        clinicians_only=False,
    ),
)


def _settings() -> type[Schema]:
    from .settings import IntakeqSettings

    return IntakeqSettings


def _open(context: AdapterContext) -> Adapter:
    from .adapter import IntakeqAdapter

    return IntakeqAdapter(context)


def _webhook(context: AdapterContext, request: WebhookRequest) -> Hint | Refusal:
    from .webhook import hint

    return hint(context, request)


SPEC = AdapterSpec(
    name="intakeq",
    title="IntakeQ / PracticeQ",
    settings=_settings,
    capabilities=Capabilities(
        lists_forms=True, reports_deletions=True, gives_clinicians=True, sends=True, hears=True, tells_accounts=False
    ),
    carriers=CARRIERS,
    open=_open,
    webhook=_webhook,
    support=Support(
        tested="third-party contract",
        against="an OpenAPI document that a third party wrote from the vendor's help articles",
        pulls="Submitted intakes by the day of their last change, with two days of overlap; the answers only of mapped "
        "questionnaires, as each costs a request.",
        asks="Yes, sent by IntakeQ by e-mail; it can remind, but not take a request back.",
        limits="10 requests a minute and 500 a day; a part is kept for prompts. A backlog is read over several days.",
        quirks=(
            "A questionnaire's questions show only in an answered intake: fill it in once before connecting.",
            "A tag bears no key: one tag serves all prompts of a client and goes with the last.",
            "Nothing says whose account a key opens: another shows only if no mapped questionnaire is there.",
            "The webhook is not signed; a token in its address is all that protects it.",
        ),
    ),
)
