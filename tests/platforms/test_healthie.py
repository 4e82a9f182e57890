"""Healthie: the conformance kit, the vendor's schema, and the platform's own traps."""

from __future__ import annotations

from handrail.adapters.healthie.spec import SPEC
from handrail.plugin_core.testing import AdapterConformance

from .doubles.healthie import TEMPLATE, HealthieDouble


class TestHealthie(AdapterConformance):
    """What every adapter promises."""

    spec = SPEC
    double: HealthieDouble

    def platform(self) -> HealthieDouble:
        return HealthieDouble()

    def setup_method(self, method: object = None) -> None:
        """A fresh platform, whose form a person has mapped: only of such forms are answers read."""
        super().setup_method(method)
        self.confirmed[TEMPLATE] = ("kestrel", "1")
