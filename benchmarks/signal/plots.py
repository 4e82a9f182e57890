"""One plot: sensitivity against false alarms, as a small SVG without any tool."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .figures import figures, threshold_at
from .tables import Run

WIDE, HIGH, LEFT, FOOT = 560, 340, 56, 40
MOST = 0.2
STROKES = {"R1": ("3", ""), "EWMA": ("2", "7 3"), "level": ("1.5", "2 3"), "Jacobson-Truax": ("1.5", "1 4")}


def curve(found: Sequence[Run], name: str) -> list[tuple[float, float]]:
    """Points (false alarms, sensitivity), averaged over seeds."""
    points = []
    for share in np.linspace(0.01, MOST, 20):
        got = [figures(r.world, r.numbers[name], threshold_at(r.world, r.numbers[name], float(share))) for r in found]
        points.append((float(share), float(np.mean([one.sensitivity for one in got]))))
    return points


def plot(found: Sequence[Run], title: str) -> str:
    """The curves of some detectors as SVG; lines differ by their dashes, not by colour."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDE} {HIGH}" font-family="sans-serif" font-size="12">',
        f"<title>{title}</title>",
        f'<rect width="{WIDE}" height="{HIGH}" fill="white"/>',
    ]
    for tick in range(0, 101, 20):
        y = _y(tick / 100)
        parts.append(f'<path d="M{LEFT} {y:.0f}H{WIDE - 110}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.0f}" text-anchor="end">{tick} %</text>')
    parts += [
        f'<text x="{_x(tick / 100):.0f}" y="{HIGH - FOOT + 18}" text-anchor="middle">{tick} %</text>'
        for tick in range(0, 21, 5)
    ]
    for name, (width, dash) in STROKES.items():
        points = curve(found, name)
        path = " ".join(f"{_x(a):.1f},{_y(b):.1f}" for a, b in points)
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="black" stroke-width="{width}" stroke-dasharray="{dash}"/>'
        )
        parts.append(f'<text x="{WIDE - 104}" y="{_y(points[-1][1]) + 4:.0f}">{name}</text>')
    parts.append(f'<text x="{LEFT}" y="{HIGH - 6}">false alarms among benign clients in a year (simulated)</text>')
    parts.append(f'<text x="{LEFT}" y="14">{title}</text></svg>')
    return "\n".join(parts) + "\n"


def _x(share: float) -> float:
    return LEFT + (WIDE - 110 - LEFT) * share / MOST


def _y(share: float) -> float:
    return 24 + (HIGH - FOOT - 24) * (1 - share)
