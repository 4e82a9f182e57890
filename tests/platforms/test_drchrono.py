"""DrChrono: the conformance kit, the vendor's contract, and the platform's own traps."""

from __future__ import annotations

from handrail.adapters.drchrono.spec import SPEC
from handrail.plugin_core.testing import AdapterConformance

from .doubles.drchrono import TEMPLATE, DrChronoDouble


class TestDrChrono(AdapterConformance):
    """What every adapter promises."""

    spec = SPEC
    double: DrChronoDouble

    def platform(self) -> DrChronoDouble:
        return DrChronoDouble()

    def setup_method(self, method: object = None) -> None:
        super().setup_method(method)
        self.confirmed[str(TEMPLATE)] = ("gr18", "1")
