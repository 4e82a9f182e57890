"""IntakeQ: the conformance kit, a third party's contract, and the platform's own traps."""

from __future__ import annotations

from dataclasses import replace

import pytest
from handrail.adapters.intakeq import settings
from handrail.adapters.intakeq.spec import SPEC
from handrail.plugin_core.errors import Unsupported
from handrail.plugin_core.testing import AdapterConformance
from handrail.schemas.records import Client

from .doubles.intakeq import FORM, IntakeqDouble


class TestIntakeq(AdapterConformance):
    """What every adapter promises."""

    spec = SPEC
    double: IntakeqDouble

    def platform(self) -> IntakeqDouble:
        return IntakeqDouble()

    def setup_method(self, method: object = None) -> None:
        super().setup_method(method)
        self.confirmed[FORM] = ("gr18", "1")

    def test_a_request_is_taken_back(self) -> None:
        """IntakeQ has no way to take one back: that must be said, or a person relies on it."""
        sender = self._sender()
        asked = sender.ask(self._ask())
        with pytest.raises(Unsupported, match="Delete it there"):
            sender.withdraw(replace(self._ask(), remote_id=asked.remote_id))
        sender.withdraw(replace(self._ask("5f" * 16), client=Client(self.client(1))))  # nothing there: nothing to do

    @pytest.fixture(autouse=True)
    def _small_pages(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The double's pages hold five rows instead of a hundred."""
        monkeypatch.setattr(settings, "PAGE_ROWS", IntakeqDouble.page_size)
