"""Conformance: what an adapter says of itself is true."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from marshmallow import ValidationError

from ..contracts import Support
from ..errors import HandrailError, SettingsError, Unsupported
from ..instruments import builtin_one
from .bench import Bench
from .judging import ensure
from .platform import ABILITIES, FORM_TITLE, QUESTIONS

TESTED = ("live", "contract", "third-party contract", "hand-made")
SPEC_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


class DeclaringTests(Bench):
    """Settings, capabilities, carriers, support: truthful."""

    def test_settings_are_explained_and_secrets_are_marked(self) -> None:
        """A person fills them in by the help alone, and what is not marked as secret would be stored readable."""
        fields = self.spec.settings()().fields
        for name, field in fields.items():
            ensure(str(field.metadata.get("help", "")).strip(), f"The setting {name} has no help.")
        marked = {name for name, field in fields.items() if field.metadata.get("secret")}
        unmarked = set(self.double.secrets()) - marked
        ensure(not unmarked, f"Not marked with secret=True: {', '.join(sorted(unmarked))}")
        self.loaded()

    def test_a_setting_that_is_missing_or_unknown_is_refused_by_name(self) -> None:
        """A slip of the finger must not leave a setting at its default unnoticed."""
        schema = self.spec.settings()()
        try:
            schema.load({**self.loaded_raw(), "kestrel_unknown": 1})
        except ValidationError as error:
            ensure("kestrel_unknown" in str(error.messages), "The refusal does not name the unknown setting.")
        else:
            ensure(False, "A setting that does not exist was taken without a word.")
        required = [name for name, field in schema.fields.items() if field.required]
        for name in required:
            raw = {key: value for key, value in self.loaded_raw().items() if key != name}
            ensure(name in str(schema.validate(raw)), f"Without {name}, which is required, nothing is said of it.")

    def loaded_raw(self) -> dict[str, object]:
        """The double's settings as a person wrote them."""
        return {**self.double.settings(), **{name: f"file:{name}" for name in self.double.secrets()}}

    def test_the_support_matrix_can_be_written_from_it(self) -> None:
        """A practice chooses by that page; a platform that says nothing of itself is missing there."""
        ensure(SPEC_NAME.fullmatch(self.spec.name), "The name is not of lower-case words joined by hyphens.")
        support = self.spec.support
        if not isinstance(support, Support):
            ensure(False, "AdapterSpec.support is not given.")
            return
        ensure(support.tested in TESTED, f"Support.tested is none of: {', '.join(TESTED)}")
        for name in ("against", "pulls", "asks", "limits"):
            ensure(getattr(support, name).strip(), f"Support.{name} is empty.")

    def test_every_carrier_says_who_sees_it_and_can_be_opened(self) -> None:
        """The practice says yes to a carrier by name, having read who will see it."""
        names = [carrier.name for carrier in self.spec.carriers]
        ensure(len(names) == len(set(names)), "Two carriers have the same name.")
        for carrier in self.spec.carriers:
            ensure(carrier.title.strip() and len(carrier.seen_by) > 10, f"{carrier.name} does not say who sees it.")
        adapter = self.open()
        if names:
            for _ in self.carriers(adapter):
                pass

    def test_a_carrier_that_is_not_declared_is_unsupported(self) -> None:
        """A misspelled carrier in the settings must not become another one."""
        ensure(self._refuses(lambda: self.open().carrier("kestrel-none")), "A carrier of no such name was given.")

    def test_forms_are_listed_as_declared(self) -> None:
        """`connect` proposes how to read the platform's forms from this list."""
        adapter = self.open()
        if not self.spec.capabilities.lists_forms:
            ensure(self._refuses(lambda: list(adapter.forms())), "Not declared (lists_forms), yet not unsupported.")
            return
        if self.double.can("add") is None:
            self.fill(1)
        forms = list(adapter.forms())
        if self.live:
            return
        ours = [form for form in forms if form.title == FORM_TITLE]
        ensure(ours, f"The form “{FORM_TITLE}” is not in the list.")
        texts = [question.text for question in ours[0].questions]
        for question in QUESTIONS:
            ensure(question.text in texts, "A question of the form is not in the list, or its text is another.")
        adapter.close()

    def test_what_is_not_declared_is_unsupported_and_what_is_declared_is_there(self) -> None:
        """The core offers people what is declared; the rest is said to be unsupported, never skipped."""
        adapter, can = self.open(), self.spec.capabilities
        if not can.publishes:
            ensure(
                self._refuses(lambda: adapter.publish(builtin_one("gr18"))),
                "publish is not declared, yet not unsupported.",
            )
        ensure(can.sends == hasattr(adapter, "sender"), "Capabilities.sends and the method sender differ.")
        ensure(can.sends or not can.delivers, "delivers is declared, yet there is no sender to deliver by.")
        ensure(can.gives_sessions == hasattr(adapter, "sessions"), "gives_sessions and the method sessions differ.")
        ensure(can.hears == (self.spec.webhook is not None), "Capabilities.hears and AdapterSpec.webhook differ.")

    def test_what_is_not_applicable_has_a_reason(self) -> None:
        """A test that is left out without a reason looks like one that passed."""
        for ability, reason in self.double.cannot.items():
            ensure(ability in ABILITIES, f"There is no ability named {ability}.")
            ensure(len(reason.split()) >= 4, f"The reason for {ability} is no sentence.")

    def test_the_platform_says_who_it_is_and_stays_the_same(self) -> None:
        """By the fingerprint a sync notices that another server, or an emptied one, answers at the address (F14)."""
        first, second = self.open().test(), self.open().test()
        ensure(first.title.strip() and first.fingerprint, "test() gives no title or no fingerprint.")
        ensure(first.fingerprint == second.fingerprint, "The fingerprint is another at the second look.")
        if self.double.can("add") is None:
            self.fill(2)
            ensure(self.open().test().fingerprint == first.fingerprint, "The fingerprint changes with the forms.")

    def test_an_unprotected_address_is_refused(self) -> None:
        """Answers would be readable for anyone on the way (S4)."""
        self.needs("address")
        try:
            unprotected: dict[str, Any] = {self.double.address_setting(): "http://platform.example.org/api"}
            self.open(**unprotected)
        except (SettingsError, ValidationError):
            return
        ensure(False, "An address that begins with http:// was taken.")

    def _refuses(self, work: Callable[[], object]) -> bool:
        try:
            work()
        except Unsupported as error:
            ensure(len(error.message.split()) >= 4, "What is unsupported is not said in a sentence.")
            return True
        except HandrailError:
            return False
        return False
