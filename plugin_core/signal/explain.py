"""The evidence of R1: what was read on each form, how far the condition held week by week, and how that adds up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from functools import cache, lru_cache
from operator import itemgetter
from string import Formatter

from ...schemas.records import Constant, Course, Evidence, Instrument, LineMove, Step
from ..rules import words
from ..rules.bands import constants as band_constants
from ..rules.bands import limits
from ..rules.evidence import line_moves, lines_of, moves_words, turned, used
from ..rules.once import once
from ..rules.view import answer
from ..words import spoken, tr
from . import texts
from .constants import Constants, constants
from .pages import FIRST_FORMS, Followable, Place
from .pages import lines_of as model_lines

SHOWN_FORMS = 3
BASE_DAYS = 6 * 7
_LITTLE = 0.1
"""Weeks that add less than this stand in one line together."""
_NUMBERS = ("level", "level_error", "rise", "rise_error", "change", "change_error")
_WORKING = (*_NUMBERS, "held", "fade", "earlier")
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
        reason=_reason(found, base, last, place, limit, moves),
        forms=tuple(
            used(course.forms[i], roles[i], ("growth", "warning"), model_lines(course.instrument))
            for i in sorted(roles)
        ),
        steps=(
            *seen_steps(found, place, sorted(roles)),
            *_week_steps(found, stretch, place),
            *_limit_steps(place.number, limit, spacing, budget, known),
        ),
        constants=_constants(course.instrument, budget),
        moves=tuple(moves),
        clears_when=tr(texts.CLEARS, limit=words.exact(limit)),
    )


def base_of(found: Followable, stretch: Sequence[int]) -> list[int]:
    """The forms that the start is judged by: the first, and the second if it came within six weeks."""
    days = found.view.days
    return [i for i in stretch[:FIRST_FORMS] if days[i] - days[stretch[0]] <= BASE_DAYS]


def mean_of(course: Course, index: int, score: str) -> float:
    """The mean of the lines that were answered, turned round where they are worded the other way."""
    form = course.forms[index]
    kept = form.value(score)
    if kept is not None:
        return kept
    values = []
    for name in course.instrument.score(score).items:
        if (value := answer(form, name)) is not None:
            ends = turned(course.instrument, name)
            values.append(value if ends is None else ends - value)
    return sum(values) / len(values)


def baseline_text(found: Followable, base: Sequence[int], score: str) -> str:
    """The half-sentence that names the first forms and their mean."""
    course = found.view.course
    template = words.BASELINES[len(base), found.view.stretch[base[0]] > 0]
    mean = sum(mean_of(course, i, score) for i in base) / len(base)
    return template.format(dates=words.days([course.forms[i].authored.date() for i in base]), mean=words.one(mean))


def _reason(
    found: Followable, base: Sequence[int], last: Sequence[int], place: Place, limit: float, moves: Sequence[LineMove]
) -> str:
    course = found.view.course
    held = float(place.followed.held[place.row, place.column].sum())
    return tr(
        texts.REASON,
        **_scores(course.instrument),
        **{name: words.listed([words.one(mean_of(course, i, name)) for i in last]) for name in ("growth", "warning")},
        baseline=baseline_text(found, base, "warning"),
        growth_first=words.one(sum(mean_of(course, i, "growth") for i in base) / len(base)),
        forms=words.count(len(last)),
        dates=words.days([course.forms[i].authored.date() for i in last]),
        confidence=texts.CONFIDENCE[_confidence(place.number, limit)],
        weeks=words.count(max(1, round(held))),
        window=int((place.followed.weeks[place.row, place.column] >= 0).sum()),
        moves=moves_words(moves),
    )


@once
def _scores(instrument: Instrument) -> dict[str, str]:
    """What the reason says of the two scores: how many lines they have, their errors, and where these come from."""
    both = {name: instrument.score(name) for name in ("growth", "warning")}
    filling = {f"{name}_{key}": text for name, score in both.items() for key, text in lines_of(score).items()}
    bands = [limits(both[name].change) for name in ("warning", "growth")]
    errors = dict.fromkeys(words.one(one.pair.sem) for one in bands if one)
    change = both["warning"].change
    origin = words.origin(change.origin if change else "assumed")
    return {**filling, "error": words.listed(list(errors)), "origin": origin}


def _confidence(number: float, limit: float) -> str:
    return "clear" if number > 2 * limit else "fair" if number > 1.4 * limit else "some"


def seen_steps(found: Followable, place: Place, forms: Sequence[int]) -> list[Step]:
    """What the model read from each form that is shown."""
    course, seen, steps = found.view.course, place.seen, []
    what, working, result = tr(texts.SEEN), tr(texts.SEEN_WORKING), tr(texts.SEEN_RESULT)
    numbers = [part[place.row].tolist() for part in (seen.growth, seen.warning, seen.style, seen.drawn)]
    for index in forms:
        if index not in place.forms:
            continue
        growth, warning, style, drawn = (two(part[place.forms.index(index)]) for part in numbers)
        steps.append(
            Step(
                what.format(day=words.day(course.forms[index].authored.date())),
                working.format(
                    growth_mean=words.exact(mean_of(course, index, "growth")),
                    growth=growth,
                    warning_mean=words.exact(mean_of(course, index, "warning")),
                    warning=warning,
                ),
                result.format(style=style, drawn=drawn),
            )
        )
    return steps


def _week_steps(found: Followable, stretch: tuple[int, ...], place: Place) -> list[Step]:
    """How far the condition held in each week that adds something, newest first, and their sum."""
    followed, at, language = place.followed, (place.row, place.column), spoken()
    first = found.view.course.forms[stretch[0]].authored.toordinal()
    working, ordered = _in_order(tr(texts.WEEK_WORKING))
    earlier = tr(texts.EARLIER)
    columns = [followed.held, followed.weeks]
    columns += [part for pair in (followed.level, followed.rise, followed.change) for part in pair]
    steps, left = [], 0.0
    fades = _fades(language, followed.held.shape[-1])
    for (fade, faded), held, week, *numbers in zip(fades, *(part[at].tolist() for part in columns), strict=True):
        share = held * fade
        if share < _LITTLE:
            left += share
            continue
        written = (_TWO % tuple(numbers)).replace("-", "−").split()
        what = _week_of(language, first + round(7 * (week + place.offset)))
        steps.append(Step(what, working % ordered((*written, words.exact(held), faded, earlier)), round(share, 4)))
    if left > 0:
        steps.append(Step(tr(texts.OTHER_WEEKS), "", round(left, 4)))
    steps.append(Step(tr(texts.SUM), "", place.number))
    return steps


@lru_cache(4000)
def _week_of(_language: str, day: int) -> str:
    return tr(texts.WEEK, day=words.day(date.fromordinal(day)))


@cache
def _fades(_language: str, weeks: int) -> list[tuple[float, str]]:
    """How much each week counts, newest first, and that as it is written."""
    return [(fade, words.exact(fade)) for fade in (constants().fade ** back for back in range(weeks))]


@cache
def _in_order(template: str) -> tuple[str, Callable[[tuple[str, ...]], tuple[str, ...]]]:
    """The working of a week as `%` takes it, in half the time of `format`, and its fields in their order there."""
    parts = list(Formatter().parse(template))
    order = [_WORKING.index(name) for _, name, _, _ in parts if name]
    return "".join(text.replace("%", "%%") + ("%s" if name else "") for text, name, _, _ in parts), itemgetter(*order)


def _limit_steps(number: float, limit: float, spacing: float, budget: int, known: Constants) -> list[Step]:
    """How the limit follows from how often forms came, and that the running number lies beyond it."""
    weekly, power = known.limits[str(budget)].weekly, known.limits[str(budget)].power
    inside = min(max(spacing, known.least_spacing), known.most_spacing)
    working = f"{words.exact(weekly)} × {words.exact(inside)}^{words.exact(power)}"
    return [
        Step(tr(texts.SPACED, spacing=words.exact(spacing)), working, limit),
        Step(tr(texts.LIMIT), f"{words.exact(number)} > {words.exact(limit)}", True),
    ]


def two(value: float) -> str:
    """A number of the model with two decimals and a true minus."""
    return f"{value:.2f}".replace("-", "−")


@once
def _constants(instrument: Instrument, budget: int) -> tuple[Constant, ...]:
    known = constants()
    asked, limit = known.condition, known.limits[str(budget)]
    numbers = {
        "limit": limit.weekly,
        "power": limit.power,
        "level": asked.level,
        "rise": asked.rise,
        "floor": asked.floor,
        "growth": asked.growth,
        "fade": known.fade,
    }
    own = (
        Constant(texts.CONSTANTS[name].format(budget=budget), value, "rule", "docs/signal.md")
        for name, value in numbers.items()
    )
    return *error_constants(instrument, "warning"), *error_constants(instrument, "growth"), *own


@once
def error_constants(instrument: Instrument, score: str) -> tuple[Constant, ...]:
    """What the error of a score follows from; nothing where it is not known."""
    definition = instrument.score(score)
    bands = limits(definition.change)
    if definition.change is None or bands is None:
        return ()
    return band_constants(definition.title, definition.change, bands.pair)[:2]
