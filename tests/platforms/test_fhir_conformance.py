"""The FHIR adapter, on the demo's server behind SMART Backend Services, keeps what the kit asks of every adapter."""

from __future__ import annotations

from handrail.adapters.fhir.spec import SPEC
from handrail.plugin_core.testing import AdapterConformance, Platform

from .doubles.fhir import FhirDouble


class TestFhir(AdapterConformance):
    """What FHIR alone can do wrong is tested in tests/adapters and, on real servers, in tests/peers."""

    spec = SPEC

    def platform(self) -> Platform:
        return FhirDouble()
