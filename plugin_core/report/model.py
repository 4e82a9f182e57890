"""A course as rule R1 saw it, behind the forms: where the score probably was, and the weeks that raised the flag."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from markupsafe import Markup

from ..words import tr

if TYPE_CHECKING:
    from ..signal.picture import Picture

PATH, STRETCH = "≈", "▓"


class Frame(Protocol):
    """Where a date and a value lie in a picture."""

    @property
    def last(self) -> datetime:
        """Where the picture ends."""
        ...

    def x(self, when: datetime) -> float:
        """Across."""
        ...

    def y(self, value: float) -> float:
        """Down."""
        ...

    @property
    def floor(self) -> float:
        """The lower end of the scale."""
        ...


def seen_by_model(frame: Frame, model: Picture, score: str) -> list[Markup]:
    """The ribbon of one score, one error to either side, its middle, and the stretch; nothing for another score."""
    from .charts import TOP, tag

    parts = []
    if model.stretch is not None:
        left, right = (frame.x(min(when, frame.last)) for when in model.stretch)
        parts.append(
            tag("rect", class_="stretch", x=left, y=TOP, width=max(right - left, 1), height=frame.floor - TOP,
                fill="#000", fill_opacity="0.08")
        )  # fmt: skip
    known = [one for one in model.courses.get(score, ()) if one.when <= frame.last]
    if len(known) > 1:
        upper = [f"{frame.x(one.when):.1f},{frame.y(one.mean + one.error):.1f}" for one in known]
        lower = [f"{frame.x(one.when):.1f},{frame.y(one.mean - one.error):.1f}" for one in reversed(known)]
        middle = " ".join(f"{frame.x(one.when):.1f},{frame.y(one.mean):.1f}" for one in known)
        parts.append(tag("polygon", class_="ribbon", points=" ".join(upper + lower), fill="#000", fill_opacity="0.1"))
        parts.append(tag("polyline", class_="path", points=middle, fill="none", stroke="#000", stroke_dasharray="2 3"))
    return parts


def model_legend(model: Picture) -> list[tuple[str, str]]:
    """(shape, words) of what the model adds."""
    found = [(PATH, tr("the answers with ordinary ups and downs taken off, and how unsure that is"))]
    if model.stretch is not None:
        found.append((STRETCH, tr("the weeks that raised this flag")))
    return found
