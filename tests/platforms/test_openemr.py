"""OpenEMR: the conformance kit, OpenEMR's own contract, and the platform's own traps."""

from __future__ import annotations

from handrail.adapters.openemr.spec import SPEC
from handrail.plugin_core.testing import AdapterConformance
from handrail.schemas.vocab import RemoteState

from .doubles.openemr import OpenEmrDouble

ONE = "1f" * 16


class TestOpenEmr(AdapterConformance):
    """What every adapter promises."""

    spec = SPEC
    double: OpenEmrDouble

    def platform(self) -> OpenEmrDouble:
        return OpenEmrDouble()

    def test_a_lost_reply_makes_no_second_prompt(self) -> None:
        """Messages cannot be read back, so that "once" and "surely" cannot both be had: it stands once at most, and
        where nobody knows a person is told to look (kit's test, as far as OpenEMR allows it)."""
        carrier = self.open().carrier("message")
        self.double.lose_replies()
        lost = carrier.deliver(self.notice(ONE), None, None)
        assert "cannot be read back" in (lost.refused or "")
        again = self.open().carrier("message").deliver(self.notice(ONE), None, None)
        assert "cannot be read back" in (again.refused or "")
        assert len(self.double.messages) == 1
        back = self.open().carrier("message").deliver(self.notice(ONE, RemoteState.RETRACTED), None, None)
        assert back.refused, "what may stand there is not said to be taken back"
