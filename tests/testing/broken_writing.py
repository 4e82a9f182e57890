"""Acme broken in pushing, publishing, asking and hearing."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from handrail.adapters.http import OutcomeUnknown
from handrail.adapters.rest import Rest
from handrail.plugin_core.contracts import (
    AdapterContext,
    Ask,
    Asked,
    Carrier,
    Delivered,
    Hint,
    Notice,
    Published,
    Sender,
)
from handrail.plugin_core.errors import PlatformError
from handrail.plugin_core.testing import Reply
from handrail.schemas.records import Instrument
from handrail.schemas.vocab import RemoteState

from handrail_acme.adapter import AcmeAdapter  # isort: skip
from handrail_acme.alerts import PURPOSE, AlertCarrier  # isort: skip
from handrail_acme.connection import rows  # isort: skip
from handrail_acme.requests import Requests  # isort: skip
from handrail_acme.spec import SPEC  # isort: skip
from handrail_acme_double import AcmeDouble as Double  # isort: skip


from .faults import Made, broken, with_adapter


class Wrong(AlertCarrier):
    """An alert carrier to be broken."""

    @classmethod
    def made(cls) -> Made:
        class Adapter(AcmeAdapter):
            def carrier(self, name: str) -> Carrier:
                super().carrier(name)
                return cls(self._rest)

        return with_adapter(Adapter)


@broken("a_prompt_stands_once_at_the_right_client", "it does not say what it created")
def _() -> Made:
    class Alerts(Wrong):
        def deliver(self, notice: Notice, remote_id: str | None, remote_version: str | None) -> Delivered:
            return replace(super().deliver(notice, remote_id, remote_version), created=False)

    return Alerts.made()


@broken("a_prompt_sent_again_still_stands_once", "sent again with its id, it is put up anew and the old one taken away")
def _() -> Made:
    class Alerts(Wrong):
        def _once(self, notice: Notice, remote_id: str | None, version: str | None) -> Delivered:
            found = self._all(notice.key)
            if found and remote_id is not None and notice.state is RemoteState.ACTIVE and found[0]["open"]:
                self._rest.send("PATCH", f"alerts/{remote_id}", {"reference": "old", "open": False}, purpose=PURPOSE)
                return self._make(notice)
            return super()._once(notice, remote_id, version)

    return Alerts.made()


@broken("a_lost_reply_makes_no_second_prompt", "after a lost answer it is sent again at once")
def _() -> Made:
    class Alerts(Wrong):
        def _make(self, notice: Notice) -> Delivered:
            try:
                return super()._make(notice)
            except OutcomeUnknown:
                return super()._make(notice)

    return Alerts.made()


@broken("a_write_that_fails_is_done_later_and_once", "a platform that is down is taken for a refusal")
def _() -> Made:
    class Alerts(Wrong):
        def _make(self, notice: Notice) -> Delivered:
            try:
                return super()._make(notice)
            except OutcomeUnknown as error:
                if "not available" in error.message:
                    return Delivered("none", refused="Acme does not take it.")
                raise

    return Alerts.made()


@broken("a_prompt_that_is_cleared_no_longer_stands", "cleared prompts are left as they are")
def _() -> Made:
    class Alerts(Wrong):
        def deliver(self, notice: Notice, remote_id: str | None, remote_version: str | None) -> Delivered:
            if notice.state is RemoteState.INACTIVE:
                return Delivered(remote_id, remote_version)
            return super().deliver(notice, remote_id, remote_version)

    return Alerts.made()


@broken("a_prompt_is_taken_back", "taking back turns the switch, instead of setting it")
def _() -> Made:
    class Alerts(Wrong):
        def _once(self, notice: Notice, remote_id: str | None, version: str | None) -> Delivered:
            found = self._all(notice.key)
            if found and notice.state is RemoteState.RETRACTED and not found[0]["open"]:
                self._turn(str(found[0]["id"]), {"open": True})
                return Delivered(remote_id, version)
            return super()._once(notice, remote_id, version)

    return Alerts.made()


@broken("it_stands_again_after_it_was_cleared", "what was closed in this run is not put up again in it")
def _() -> Made:
    class Alerts(Wrong):
        def __init__(self, rest: Rest) -> None:
            super().__init__(rest)
            self.closed: set[str] = set()

        def deliver(self, notice: Notice, remote_id: str | None, remote_version: str | None) -> Delivered:
            if notice.state is RemoteState.ACTIVE and notice.key in self.closed:
                return Delivered(remote_id, remote_version)
            if notice.state is RemoteState.INACTIVE:
                self.closed.add(notice.key)
            return super().deliver(notice, remote_id, remote_version)

    return Alerts.made()


@broken("a_prompt_taken_back_unheard_stands_again_when_it_is_wanted", "nobody looks at Notice.attempted")
def _() -> Made:
    class Alerts(Wrong):
        def deliver(self, notice: Notice, remote_id: str | None, remote_version: str | None) -> Delivered:
            return super().deliver(replace(notice, attempted=()), remote_id, remote_version)

    return Alerts.made()


@broken(
    "a_prompt_put_up_again_unheard_stands_once_and_is_taken_back", "in place of a closed one another is made, unseen"
)
def _() -> Made:
    class Alerts(Wrong):
        def _once(self, notice: Notice, remote_id: str | None, version: str | None) -> Delivered:
            if version == "closed" and notice.state is RemoteState.ACTIVE and not self._all(notice.key)[0]["open"]:
                return self._make(notice)
            return super()._once(notice, remote_id, version)

    return Alerts.made()


@broken("what_was_never_sent_is_not_made_to_be_taken_back", "it is made, to be closed at once")
def _() -> Made:
    class Alerts(Wrong):
        def _once(self, notice: Notice, remote_id: str | None, version: str | None) -> Delivered:
            if remote_id is None and notice.state is not RemoteState.ACTIVE and not self._all(notice.key):
                made = self._make(notice)
                self._turn(str(made.remote_id), {"open": False})
                return made
            return super()._once(notice, remote_id, version)

    return Alerts.made()


@broken("one_prompt_taken_back_leaves_the_other", "all of a client's alerts are closed together")
def _() -> Made:
    class Alerts(Wrong):
        def _once(self, notice: Notice, remote_id: str | None, version: str | None) -> Delivered:
            done = super()._once(notice, remote_id, version)
            if notice.state is RemoteState.RETRACTED:
                every = rows(self._rest.get("alerts/all", purpose=PURPOSE), "alerts")
                for row in every:
                    if row["client"] == notice.client and row["open"]:
                        self._turn(str(row["id"]), {"open": False})
            return done

    class Platform(Double):
        def _alerts(self, request: Any, parts: list[str]) -> Any:
            if parts[1:] == ["all"]:
                return Reply(200, {"alerts": list(self.alerts.values())})
            return super()._alerts(request, parts)

    return {**Alerts.made(), "platform": lambda _: Platform()}


@broken("a_prompt_is_found_by_its_key", "find finds nothing")
def _() -> Made:
    class Alerts(Wrong):
        def find(self, key: str) -> Sequence[str]:
            return []

    return Alerts.made()


@broken("a_prompt_that_a_person_removed_stays_removed", "what is missing is made again")
def _() -> Made:
    class Alerts(Wrong):
        def _once(self, notice: Notice, remote_id: str | None, version: str | None) -> Delivered:
            if remote_id is not None and not self._all(notice.key):
                return super()._once(notice, None, None)
            return super()._once(notice, remote_id, version)

    return Alerts.made()


@broken("a_prompt_has_the_neutral_title_and_a_reason_only_if_given_one", "a reason that is not there is written out")
def _() -> Made:
    class Alerts(Wrong):
        def _make(self, notice: Notice) -> Delivered:
            return super()._make(replace(notice, title=f"{notice.title}. {notice.reason}"))

    return Alerts.made()


@broken("a_chart_that_was_closed_is_refused_with_a_reason", "a refusal of one ends the push of all")
def _() -> Made:
    class Alerts(Wrong):
        def deliver(self, notice: Notice, remote_id: str | None, remote_version: str | None) -> Delivered:
            done = super().deliver(notice, remote_id, remote_version)
            if done.refused:
                raise PlatformError(done.refused)
            return done

    return Alerts.made()


@broken("publishing_twice_makes_one_form", "the form is written anew each time")
def _() -> Made:
    class Adapter(AcmeAdapter):
        def publish(self, instrument: Instrument) -> Published:
            return replace(super().publish(instrument), changed=True)

    return with_adapter(Adapter)


def _sending(sender: type[Requests]) -> Made:
    class Adapter(AcmeAdapter):
        def sender(self) -> Sender:
            return sender(self._rest)

    return with_adapter(Adapter)


@broken("a_client_is_asked_once", "each call asks")
def _() -> Made:
    class Asks(Requests):
        looks = False

        def ask(self, ask: Ask) -> Asked:
            self.looks = False
            return super().ask(ask)

        def _once(self, ask: Ask) -> Asked:
            done = super()._once(ask)
            self.looks = True
            return done

        def _all(self, key: str) -> list[dict[str, Any]]:
            found = super()._all(key) if self.looks else []
            self.looks = True
            return found

    return _sending(Asks)


@broken("a_lost_reply_asks_no_second_time", "after a lost answer the client is asked again at once")
def _() -> Made:
    class Asks(Requests):
        def _once(self, ask: Ask) -> Asked:
            try:
                return super()._once(ask)
            except OutcomeUnknown:
                body = {"client": ask.client.ref, "form": "x", "reference": ask.key}
                self._rest.send("POST", "requests", body, purpose="ask")
                return super()._once(ask)

    return _sending(Asks)


@broken("a_request_is_taken_back", "nothing is taken back")
def _() -> Made:
    class Asks(Requests):
        def withdraw(self, ask: Ask) -> None:
            return

    return _sending(Asks)


@broken("a_webhook_is_a_hint_and_the_same_one_again_is_known", "each delivery has a key of its own")
def _() -> Made:
    def hear(context: AdapterContext, request: Any) -> Any:
        assert SPEC.webhook is not None
        heard = SPEC.webhook(context, request)
        return replace(heard, key=f"{random.random()}") if isinstance(heard, Hint) else heard

    return {"spec": replace(SPEC, webhook=hear)}


@broken("a_forged_webhook_is_refused", "the signature is not looked at")
def _() -> Made:
    return {"spec": replace(SPEC, webhook=lambda context, request: Hint("evt-1", ("a-101",)))}
