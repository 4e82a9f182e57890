"""An adapter that was written by ADDING_A_PLATFORM.md alone passes the kit: the page says what one must know."""

from __future__ import annotations

from handrail.plugin_core.testing import AdapterConformance, Platform

from .birch import SPEC
from .birch_double import BirchDouble


class TestBirch(AdapterConformance):
    """A feed with tokens, and one tag for all flags of a client."""

    spec = SPEC

    def platform(self) -> Platform:
        return BirchDouble()
