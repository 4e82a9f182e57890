"""How Acme introduces itself. The modules that do the work are imported when they are used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from handrail.plugin_core.contracts import (
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

if TYPE_CHECKING:
    from marshmallow import Schema


def _settings() -> type[Schema]:
    from .settings import AcmeSettings

    return AcmeSettings


def _open(context: AdapterContext) -> Adapter:
    from .adapter import AcmeAdapter

    return AcmeAdapter(context)


def _hear(context: AdapterContext, request: WebhookRequest) -> Hint | Refusal:
    from .webhook import hear

    return hear(context, request)


SPEC = AdapterSpec(
    name="acme",
    title="Acme Practice",
    settings=_settings,
    capabilities=Capabilities(lists_forms=True, publishes=True, gives_clinicians=True, sends=True, hears=True),
    carriers=(
        CarrierSpec(
            "alert",
            "Alert on the client's chart",
            "Everybody in the practice who opens the chart, the front desk included. Clients do not see it.",
            clinicians_only=False,
        ),
    ),
    open=_open,
    webhook=_hear,
    support=Support(
        tested="hand-made",
        against="a server of this package's own tests; Acme is invented",
        pulls="Filled-in forms by the time of their last change.",
        asks="Yes, by Acme's own requests; Acme e-mails them.",
        limits="Acme says how long to wait in X-Acme-Wait-Ms.",
    ),
)
