"""The class that a vendor subclasses: everything that Handrail relies on in an adapter, one test each."""

from __future__ import annotations

from .declaring import DeclaringTests
from .failing import FailingTests
from .pushing import PushingTests
from .reaching import ReachingTests
from .reading import ReadingTests
from .talking import TalkingTests


class AdapterConformance(DeclaringTests, ReadingTests, FailingTests, ReachingTests, PushingTests, TalkingTests):
    """Subclass it in a test file, with a name that begins with `Test`; give `spec` and `platform()`.

        class TestAcme(AdapterConformance):
            spec = SPEC

            def platform(self) -> Platform:
                return AcmeDouble()

    A test about something that the platform cannot do (`Platform.cannot`) is skipped with the reason that the double
    gives; every other must pass.
    """
