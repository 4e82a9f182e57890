"""The adapter keeps everything that Handrail relies on: the kit's tests, on a double of Acme."""

from __future__ import annotations

from handrail.plugin_core.testing import AdapterConformance, Platform
from handrail_acme.spec import SPEC

from .double import AcmeDouble


class TestAcme(AdapterConformance):
    """Inherits one test for each promise; a test of the adapter's own traps would stand beside them, here."""

    spec = SPEC

    def platform(self) -> Platform:
        return AcmeDouble()
