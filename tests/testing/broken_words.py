"""Acme broken in what it says of itself, and in where things go."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import marshmallow
from handrail.adapters.addresses import Base
from handrail.adapters.transport import Reply
from handrail.plugin_core.contracts import (
    AdapterContext,
    Carrier,
    Identity,
    RemoteForm,
)
from handrail.schemas.records import Client

from handrail_acme.adapter import AcmeAdapter  # isort: skip
from handrail_acme.settings import AcmeSettings  # isort: skip
from handrail_acme.spec import SPEC  # isort: skip
from handrail_acme_double import AcmeDouble as Double  # isort: skip


from .faults import Made, Rewired, broken, with_adapter


@broken("settings_are_explained_and_secrets_are_marked", "the key is not marked as a secret")
def _() -> Made:
    class Settings(AcmeSettings):
        api_key = marshmallow.fields.String(required=True, metadata={"help": "The key."})

    return {"spec": replace(SPEC, settings=lambda: Settings)}


@broken("a_setting_that_is_missing_or_unknown_is_refused_by_name", "unknown settings are dropped")
def _() -> Made:
    class Settings(AcmeSettings):
        class Meta:
            unknown = marshmallow.EXCLUDE

    return {"spec": replace(SPEC, settings=lambda: Settings)}


@broken("the_support_matrix_can_be_written_from_it", "it says nothing of its support")
def _() -> Made:
    return {"spec": replace(SPEC, support=None)}


@broken("every_carrier_says_who_sees_it_and_can_be_opened", "who sees the alert is left empty")
def _() -> Made:
    return {"spec": replace(SPEC, carriers=(replace(SPEC.carriers[0], seen_by=""),))}


@broken("a_carrier_that_is_not_declared_is_unsupported", "any name gives the one carrier")
def _() -> Made:
    class Adapter(AcmeAdapter):
        def carrier(self, name: str) -> Carrier:
            return super().carrier("alert")

    return with_adapter(Adapter)


@broken("forms_are_listed_as_declared", "the questions are left out of the list")
def _() -> Made:
    class Adapter(AcmeAdapter):
        def forms(self) -> Iterator[RemoteForm]:
            return (replace(form, questions=()) for form in super().forms())

    return with_adapter(Adapter)


@broken("what_is_not_declared_is_unsupported_and_what_is_declared_is_there", "it sends, and does not say so")
def _() -> Made:
    return {"spec": replace(SPEC, capabilities=replace(SPEC.capabilities, sends=False))}


@broken("what_is_not_applicable_has_a_reason", "a test is left out without a sentence why")
def _() -> Made:
    class Platform(Double):
        cannot = {"close": "no"}

    return {"platform": lambda _: Platform()}


@broken("the_platform_says_who_it_is_and_stays_the_same", "the fingerprint is another each time")
def _() -> Made:
    class Adapter(AcmeAdapter):
        def test(self) -> Identity:
            return replace(super().test(), fingerprint=f"{random.random()}")

    return with_adapter(Adapter)


@broken("an_unprotected_address_is_refused", "http is always allowed")
def _() -> Made:
    def opened(context: AdapterContext) -> AcmeAdapter:
        return AcmeAdapter(replace(context, settings={**context.settings, "allow_http": True}))

    return {"spec": replace(SPEC, open=opened)}


@broken("a_link_to_another_host_is_not_followed", "a next link is followed wherever it leads")
def _() -> Made:
    class Trusting(Base):
        def link(self, text: str, page: str | None = None) -> str:
            return text

    class Adapter(AcmeAdapter):
        def __init__(self, context: AdapterContext) -> None:
            super().__init__(context)
            own = self._rest.http.base
            self._rest.http.base = Trusting(own.origin, own.path)

    return with_adapter(Adapter)


@broken("a_redirect_to_another_host_is_not_followed", "redirects are followed")
def _() -> Made:
    class Adapter(Rewired):
        def arrived(self, get: Callable[[], Reply], method: str, more: Mapping[str, Any]) -> Reply:
            reply = get()
            if reply.status == 302:
                transport: Any = self._rest.http.transport
                reply = type(transport).exchange(transport, method, reply.headers["Location"], **more)
            return reply

    return with_adapter(Adapter)


@broken("no_name_answer_or_token_in_any_log_or_error", "names are logged when they are read")
def _() -> Made:
    class Adapter(AcmeAdapter):
        def clients(self, refs: Sequence[str]) -> Iterator[Client]:
            for client in super().clients(refs):
                logging.getLogger("acme").debug("read %s", client.name)
                yield client

    return with_adapter(Adapter)


@broken("whatever_comes_it_raises_platform_errors_alone", "the answer is taken to be as the documentation says")
def _() -> Made:
    class Adapter(AcmeAdapter):
        def test(self) -> Identity:
            account = self._rest.get("me", purpose="read whose account this is").data["account"]
            return Identity("Acme", "v1", f"{account}")

    return with_adapter(Adapter)
