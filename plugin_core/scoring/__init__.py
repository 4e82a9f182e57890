"""From the answers of one form to its scores. Plain arithmetic: no clock, no store, no platform.

The rules stand in docs/instruments.md and clinical.md 3 and 7.4: reversed lines are turned round here and nowhere
else, too few answers give no score with a reason, a blank form never scores 0.
"""

from __future__ import annotations

from .scorer import Scorer
from .totals import differences

__all__ = ["Scorer", "differences"]
