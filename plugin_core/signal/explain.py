"""The evidence of R1: what was read on each form, how far the condition held week by week, and how that adds up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

from ...schemas.records import Constant, Course, Evidence, LineMove, Step
from ..rules import words
from ..rules.bands import constants as band_constants
from ..rules.bands import limits
from ..rules.evidence import lines_of, moves_words, used
from ..rules.view import answer
from ..words import tr
from . import texts
from .constants import Constants, constants
from .pages import FIRST_FORMS, Followable, Place
from .pages import lines_of as model_lines

SHOWN_FORMS = 3
MOST_MOVED = 3
BASE_DAYS = 6 * 7
_LITTLE = 0.1
"""Weeks that add less than this stand in one line together."""
_NUMBERS = ("level", "level_error", "rise", "rise_error", "change", "change_error")
_TWO = "%.2f " * len(_NUMBERS)


def explain(found: Followable, stretch: tuple[int, ...], place: Place, spacing: float, budget: int) -> Evidence:
    """Evidence for the last form of `stretch`, the forms of one therapist that were read up to then."""
    known, course = constants(), found.view.course
    limit = known.limit(budget, spacing)
    base = base_of(found, stretch)
    window = [i for i in stretch if found.view.days[stretch[-1]] - found.view.days[i] <= 7 * known.look_back]
    last = window[-SHOWN_FORMS:]
    roles = dict.fromkeys(window, tr("looked at")) | dict.fromkeys(base, tr("baseline"))
    moves = line_moves(course, base, stretch[-1], {"warning": 1, "growth": -1})
    return Evidence(
        reason=_reason(found, base, last, place, limit, moves, known),
        forms=tuple(
            used(course.forms[i], roles[i], ("growth", "warning"), model_lines(course.instrument))
            for i in sorted(roles)
        ),
        steps=(
            *seen_steps(found, place, sorted(roles)),
            *_week_steps(found, stretch, place, known),
            *_limit_steps(place.number, limit, spacing, budget, known),
        ),
        constants=_constants(course, known, budget),
        moves=tuple(moves),
        clears_when=tr(texts.CLEARS, limit=words.exact(limit)),
    )


def base_of(found: Followable, stretch: Sequence[int]) -> list[int]:
    """The forms that the start is judged by: the first, and the second if it came within six weeks."""
    days = found.view.days
    return [i for i in stretch[:FIRST_FORMS] if days[i] - days[stretch[0]] <= BASE_DAYS]


def mean_of(course: Course, index: int, score: str) -> float:
    """The mean of the lines that were answered, turned round where they are worded the other way."""
    kept = course.forms[index].value(score)
    if kept is not None:
        return kept
    values = []
    for name in course.instrument.score(score).items:
        if (value := answer(course.forms[index], name)) is not None:
            item = course.instrument.item(name)
            values.append(item.values[0] + item.values[-1] - value if item.reverse else value)
    return sum(values) / len(values)


def baseline_text(found: Followable, base: Sequence[int], score: str) -> str:
    """The half-sentence that names the first forms and their mean."""
    course = found.view.course
    template = words.BASELINES[len(base), found.view.stretch[base[0]] > 0]
    mean = sum(mean_of(course, i, score) for i in base) / len(base)
    return template.format(dates=words.days([course.forms[i].authored.date() for i in base]), mean=words.one(mean))


def _reason(
    found: Followable,
    base: Sequence[int],
    last: Sequence[int],
    place: Place,
    limit: float,
    moves: Sequence[LineMove],
    known: Constants,
) -> str:
    course, instrument = found.view.course, found.view.course.instrument
    both = {name: instrument.score(name) for name in ("growth", "warning")}
    filling: dict[str, str | int] = {}
    for name, definition in both.items():
        filling |= {f"{name}_{key}": text for key, text in lines_of(definition).items()}
        filling[name] = words.listed([words.one(mean_of(course, i, name)) for i in last])
    bands = [limits(both[name].change) for name in ("warning", "growth")]
    errors = dict.fromkeys(words.one(one.pair.sem) for one in bands if one)
    change = both["warning"].change
    held = float(place.followed.held[place.row, place.column].sum())
    return tr(
        texts.REASON,
        **filling,
        baseline=baseline_text(found, base, "warning"),
        growth_first=words.one(sum(mean_of(course, i, "growth") for i in base) / len(base)),
        error=words.listed(list(errors)),
        forms=words.count(len(last)),
        dates=words.days([course.forms[i].authored.date() for i in last]),
        origin=words.origin(change.origin if change else "assumed"),
        confidence=texts.CONFIDENCE[_confidence(place.number, limit)],
        weeks=words.count(max(1, round(held))),
        window=known.look_back + 1,
        moves=moves_words(moves),
    )


def _confidence(number: float, limit: float) -> str:
    return "clear" if number > 2 * limit else "fair" if number > 1.4 * limit else "some"


def line_moves(course: Course, base: Sequence[int], index: int, signs: Mapping[str, int]) -> list[LineMove]:
    """The lines that moved most from the first forms to this one, at most three, in the direction of their score."""
    found = []
    for score, sign in signs.items():
        for name in course.instrument.score(score).items:
            item, now = course.instrument.item(name), answer(course.forms[index], name)
            earlier = [value for i in base if (value := answer(course.forms[i], name)) is not None]
            if now is None or not earlier:
                continue
            before = sum(earlier) / len(earlier)
            carried = (now - before) * sign * (-1 if item.reverse else 1)
            if carried > 0:
                found.append((carried, LineMove(name, item.text, before, now)))
    found.sort(key=lambda pair: -pair[0])
    return [move for _, move in found[:MOST_MOVED]]


def seen_steps(found: Followable, place: Place, forms: Sequence[int]) -> list[Step]:
    """What the model read from each form that is shown."""
    course, steps = found.view.course, []
    for index in forms:
        column = place.forms.index(index) if index in place.forms else None
        if column is None:
            continue
        at = place.row, column
        steps.append(
            Step(
                tr(texts.SEEN, day=words.day(course.forms[index].authored.date())),
                tr(
                    texts.SEEN_WORKING,
                    growth_mean=words.exact(mean_of(course, index, "growth")),
                    growth=two(place.seen.growth[at]),
                    warning_mean=words.exact(mean_of(course, index, "warning")),
                    warning=two(place.seen.warning[at]),
                ),
                tr(texts.SEEN_RESULT, style=two(place.seen.style[at]), drawn=two(place.seen.drawn[at])),
            )
        )
    return steps


def _week_steps(found: Followable, stretch: tuple[int, ...], place: Place, known: Constants) -> list[Step]:
    """How far the condition held in each week that adds something, newest first, and their sum."""
    followed, at = place.followed, (place.row, place.column)
    first = found.view.course.forms[stretch[0]].authored.date()
    what, working, earlier = tr(texts.WEEK), tr(texts.WEEK_WORKING), tr(texts.EARLIER)
    columns = [followed.held, followed.weeks]
    columns += [part for pair in (followed.level, followed.rise, followed.change) for part in pair]
    steps, left = [], 0.0
    filling = {"earlier": earlier}
    for back, (held, week, *numbers) in enumerate(zip(*(part[at].tolist() for part in columns), strict=True)):
        fade = known.fade**back
        share = held * fade
        if share < _LITTLE:
            left += share
            continue
        filling.update(zip(_NUMBERS, (_TWO % tuple(numbers)).replace("-", "−").split(), strict=True))
        filling["held"], filling["fade"] = words.exact(held), words.exact(fade)
        day = words.day(_day(first, week + place.offset))
        steps.append(Step(what.format(day=day), working.format_map(filling), round(share, 4)))
    if left > 0:
        steps.append(Step(tr(texts.OTHER_WEEKS), "", round(left, 4)))
    steps.append(Step(tr(texts.SUM), "", place.number))
    return steps


def _limit_steps(number: float, limit: float, spacing: float, budget: int, known: Constants) -> list[Step]:
    """How the limit follows from how often forms came, and that the running number lies beyond it."""
    weekly, power = known.limits[str(budget)].weekly, known.limits[str(budget)].power
    inside = min(max(spacing, known.least_spacing), known.most_spacing)
    working = f"{words.exact(weekly)} × {words.exact(inside)}^{words.exact(power)}"
    return [
        Step(tr(texts.SPACED, spacing=words.exact(spacing)), working, limit),
        Step(tr(texts.LIMIT), f"{words.exact(number)} > {words.exact(limit)}", True),
    ]


def _day(first: date, week: float) -> date:
    return first + timedelta(days=round(7 * week))


def two(value: float) -> str:
    """A number of the model with two decimals and a true minus."""
    return f"{value:.2f}".replace("-", "−")


def _constants(course: Course, known: Constants, budget: int) -> tuple[Constant, ...]:
    asked, limit = known.condition, known.limits[str(budget)]
    numbers = {
        "limit": limit.weekly,
        "power": limit.power,
        "level": asked.level,
        "rise": asked.rise,
        "floor": asked.floor,
    }
    numbers |= {"growth": asked.growth, "fade": known.fade}
    own = tuple(
        Constant(texts.CONSTANTS[name].format(budget=budget), value, "rule", "docs/signal.md")
        for name, value in numbers.items()
    )
    errors: tuple[Constant, ...] = ()
    for name in ("warning", "growth"):
        definition = course.instrument.score(name)
        bands = limits(definition.change)
        if definition.change is not None and bands is not None:
            errors += band_constants(definition.title, definition.change, bands.pair)[:2]
    return (*errors, *own)
