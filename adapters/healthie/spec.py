"""The descriptor of the Healthie adapter: its settings, what it can do, and where its modules are found."""

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

# Never `createNote`: what Healthie calls a note is a chat message, and in a conversation with the client they read it.
CARRIERS = (
    CarrierSpec(
        "task",
        mark("Task for the client's provider"),
        mark(
            "The provider to whom it is assigned, and staff who may see others' tasks. Clients do not see it by "
            "themselves."
        ),
        clinicians_only=False,
    ),
    CarrierSpec(
        "tag",
        mark("Tag on the client"),
        mark(
            "Everybody in the organisation who sees the client's entry or the list of clients, the front desk "
            "included. Clients do not see it by themselves."
        ),
        clinicians_only=False,
    ),
)


def _settings() -> type[Schema]:
    from .settings import HealthieSettings

    return HealthieSettings


def _open(context: AdapterContext) -> Adapter:
    from .adapter import HealthieAdapter

    return HealthieAdapter(context)


def _webhook(context: AdapterContext, request: WebhookRequest) -> Hint | Refusal:
    from .hearing import heard

    return heard(context, request)


SPEC = AdapterSpec(
    name="healthie",
    title="Healthie",
    settings=_settings,
    capabilities=Capabilities(lists_forms=True, publishes=True, gives_clinicians=True, sends=True, hears=True),
    carriers=CARRIERS,
    open=_open,
    webhook=_webhook,
    support=Support(
        tested="contract",
        against="the vendor's published schema (API version 2026-01-01), put together from its reference pages, on a "
        "server of the tests' own",
        pulls="Finished forms, by the time of their last change; answers are read of mapped forms alone.",
        asks="Requests the form; Healthie e-mails the client, and reminds where asked to.",
        limits="Set by the platform from hour to hour; it says when there are too many requests.",
        quirks=(
            "Healthie does not say which client record replaced a merged one; after a merge: handrail sync --full",
            "Several answers to one question come as one text; they are told apart by the question's options.",
            "Matrix questions are not read.",
            "A tag cannot say which prompt it stands for: it goes with the last one of a client.",
        ),
    ),
)
