"""Conformance: forms are made once, clients are asked once, and a webhook is believed only if it is the platform's."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from ...schemas.records import Client
from ..contracts import Ask, Hint, Refusal
from ..errors import PlatformError
from ..instruments import builtin_one
from .bench import Bench
from .judging import NotApplicable, ensure


class TalkingTests(Bench):
    """Publishing, asking, hearing."""

    def test_publishing_twice_makes_one_form(self) -> None:
        """`publish` is run again after each update of Handrail."""
        if not self.spec.capabilities.publishes:
            raise NotApplicable(f"{self.spec.name} does not declare publishes.")
        self.needs("publish")
        instrument = builtin_one("gr18")
        first = self.open().publish(instrument)
        again = self.open().publish(instrument)
        ensure(first.changed or self.live, "A form that was made is not said to be changed.")
        ensure(not again.changed, "Published again, the form was made or changed a second time.")
        ensure(first.remote_id == again.remote_id, "Published again, the form has another id.")

    def _ask(self, key: str = "4f" * 16) -> Ask:
        due = self.clock.at
        return Ask(Client(self.client()), builtin_one("gr18"), due, key, expires=due + timedelta(days=14))

    def _sender(self) -> Any:
        if not self.spec.capabilities.sends:
            raise NotApplicable(f"{self.spec.name} does not declare sends: forms are given out in the platform.")
        self.needs("asks")
        adapter: Any = self.open()
        if self.spec.capabilities.publishes:
            made = adapter.publish(builtin_one("gr18"))
            self.confirmed[made.form] = ("gr18", "1")
        return adapter.sender()

    def test_a_client_is_asked_once(self) -> None:
        """Two requests for one form are a nuisance, and make people distrust both."""
        sender = self._sender()
        first = sender.ask(self._ask())
        ensure(first.refused is None, f"The request was refused: {first.refused}")
        ensure(first.sent or first.link, "A request was neither sent, nor is there a link to hand over.")
        sender.ask(self._ask())
        ensure(list(self.double.asks()) == [self.client()], "Asked again, it stands twice or nowhere.")

    def test_a_lost_reply_asks_no_second_time(self) -> None:
        """The request went out, and nobody said so (F84a)."""
        self.needs("faults")
        sender = self._sender()
        double = self.faulty
        double.lose_replies()
        for _ in range(4):
            try:
                sender.ask(self._ask())
                break
            except PlatformError:
                self.clock.later(minutes=10)
        ensure(list(self.double.asks()) == [self.client()], "After a lost reply the client was asked twice, or not.")

    def test_a_request_is_taken_back(self) -> None:
        """Somebody who has opted out must not find a request in the portal."""
        sender = self._sender()
        asked = sender.ask(self._ask())
        ask = self._ask()
        sender.withdraw(Ask(ask.client, ask.instrument, ask.due, ask.key, ask.expires, remote_id=asked.remote_id))
        ensure(not self.double.asks(), "A request that was taken back still stands.")
        sender.withdraw(self._ask("5f" * 16))

    def test_a_webhook_is_a_hint_and_the_same_one_again_is_known(self) -> None:
        """Platforms deliver an event again; by its key the second is seen to be the first."""
        first, again = self._hears(genuine=True), self._hears(genuine=True)
        ensure(isinstance(first, Hint), "A genuine webhook was refused.")
        ensure(isinstance(first, Hint) and first.key, "A hint has no key.")
        ensure(again == first, "The same webhook delivered again has another key.")

    def test_a_forged_webhook_is_refused(self) -> None:
        """The address is open to the world; whoever knows it must not make us work."""
        forged = self._hears(genuine=False)
        ensure(isinstance(forged, Refusal), "A forged webhook was believed.")
        ensure(isinstance(forged, Refusal) and forged.reason.strip(), "A webhook was refused without a reason.")

    def _hears(self, *, genuine: bool) -> Hint | Refusal:
        if self.spec.webhook is None:
            raise NotApplicable(f"{self.spec.name} does not declare hears: the platform has no webhooks, or none here.")
        self.needs("webhooks")
        return self.spec.webhook(self.context(), self.double.webhook(genuine=genuine))
