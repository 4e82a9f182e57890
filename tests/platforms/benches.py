"""Benches of one platform that more than one file of tests stands on."""

from __future__ import annotations

from handrail.adapters.drchrono.spec import SPEC as DRCHRONO
from handrail.plugin_core.testing.bench import Bench

from .doubles.drchrono import TEMPLATE, DrChronoDouble


class OnDrChrono(Bench):
    """DrChrono's double, whose form a person has mapped: only of such forms are answers read."""

    spec = DRCHRONO
    double: DrChronoDouble

    def platform(self) -> DrChronoDouble:
        return DrChronoDouble()

    def setup_method(self, method: object = None) -> None:
        super().setup_method(method)
        self.confirmed[str(TEMPLATE)] = ("gr18", "1")
