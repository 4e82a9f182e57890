"""How a conformance test judges: a sentence for what is wrong, and not applicable with its reason."""

from __future__ import annotations

import unittest


class Wrong(AssertionError):
    """The adapter does not keep a promise; the sentence says which, in the vendor's words."""


class NotApplicable(unittest.SkipTest):
    """The platform cannot do what the test is about; the sentence says why. pytest shows it as skipped."""


def ensure(holds: object, sentence: str) -> None:
    """Raises `Wrong` with the sentence unless it holds."""
    if not holds:
        raise Wrong(sentence)
