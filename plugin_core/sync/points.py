"""Named steps of a sync at which a test can stop the process: every stop must be a safe stop.

`reach` costs a call and a truth test when nobody listens.
"""

from __future__ import annotations

from collections.abc import Callable

POINTS = (
    "page-fetched",
    "page-read",
    "page-before-commit",
    "page-after-commit",
    "clients-before-commit",
    "clients-after-commit",
    "rules-before-commit",
    "rules-after-commit",
    "push-before-send",
    "push-after-send",
    "push-after-mark",
    "run-before-report",
)

listeners: list[Callable[[str], None]] = []


def reach(point: str) -> None:
    """Says that the process is at this step."""
    for listener in listeners:
        listener(point)
