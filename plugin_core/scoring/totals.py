"""Compares totals that came with a form with our own: both are kept, a difference is told (clinical.md 10)."""

from __future__ import annotations

from collections.abc import Mapping

from ...schemas.records import Score

_TOLERANCE = 1e-6


def differences(
    imported: Mapping[str, float], scores: Mapping[str, Score], *, tolerance: float = _TOLERANCE
) -> dict[str, tuple[float, float | None]]:
    """The totals that differ: `{score id: (imported, ours)}`, empty where all agree.

    A published example of the PHQ-9 stores 13 for answers that add up to 10. Where we have no score, because too few
    lines were answered or because the form has no such score, `ours` is None.

    :param imported: totals as the platform had them, by score id.
    :param scores: ours, by score id.
    :param tolerance: how far apart two totals may be and still agree; widen it for a platform that rounds means.
    """
    found: dict[str, tuple[float, float | None]] = {}
    for name, theirs in imported.items():
        score = scores.get(name)
        ours = None if score is None else score.value
        if ours is None or abs(theirs - ours) > tolerance:
            found[name] = (theirs, ours)
    return found
