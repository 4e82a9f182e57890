"""What a picture of R1 shows: both courses as the model saw them when the flag rose, and the weeks that raised it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from ...schemas.records import Course
from ..rules import KEPT_APART
from .constants import constants
from .model import GRID, levels
from .pages import Place
from .rule import follow_course

HELD = 0.5
"""A week belongs to the shaded stretch where the condition held at least so far."""


@dataclass(frozen=True, slots=True)
class Known:
    """Where a score probably was in one week, and how unsure that is, in points of the form."""

    when: datetime
    mean: float
    error: float


@dataclass(frozen=True, slots=True)
class Picture:
    """`courses` by score; `stretch` from the first to the last week that raised the flag, None where none stand out."""

    courses: Mapping[str, tuple[Known, ...]]
    stretch: tuple[datetime, datetime] | None


def picture(course: Course, form: str, apart: frozenset[str] = KEPT_APART) -> Picture | None:
    """The picture as of one form, None where the model does not read that form."""
    found = follow_course(course, apart)
    index = next((n for n, one in enumerate(course.forms) if one.id == form), None)
    place = None if index is None else found.places[index]
    if found.scale is None or not isinstance(place, Place):
        return None
    known, days = constants(), found.view.days
    first = place.forms[0]
    weeks = np.array([max((days[i] - days[first]) / 7 - place.offset, 0.0) for i in place.forms])[: place.column + 1]
    start = course.forms[first].authored + timedelta(weeks=place.offset)
    last = min(int(weeks[-1] + 0.5), GRID - 1)
    courses = {}
    for nth, (name, path) in enumerate((("growth", known.growth), ("warning", known.warning))):
        seen = (place.seen.growth, place.seen.warning)[nth][place.row, : len(weeks)]
        noise = (place.seen.growth_noise, place.seen.warning_noise)[nth][place.row, : len(weeks)]
        mean, error = levels(weeks, seen, noise, path)
        unit, centre = found.scale.unit[nth], known.centre[name]
        courses[name] = tuple(
            Known(start + timedelta(weeks=week), centre + unit * float(mean[week]), unit * float(error[week]))
            for week in range(last + 1)
        )
    held = place.followed.held[place.row, place.column] >= HELD
    back = [int(n) for n in np.flatnonzero(held)]
    stretch = (start + timedelta(weeks=last - back[-1]), start + timedelta(weeks=last - back[0])) if back else None
    return Picture(courses, stretch)
