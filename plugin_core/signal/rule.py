"""Rule R1: reliance has been high while growth stood still, by the joint model of both courses (docs/signal.md).

Met where the model's running number, about the number of recent weeks in which the condition held, lies beyond the
limit of the practice's budget; the limit follows how often this client's forms have come of late. Nothing here needs
numpy until a course is judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial
from typing import TYPE_CHECKING

from ...schemas.records import Course
from ..contracts import Reading, RuleSpec
from ..rules import KEPT_APART, words
from ..rules.view import NO_CONSTANTS, keep
from ..words import mark
from .constants import BUDGETS, Constants, constants

if TYPE_CHECKING:
    from .pages import Followable

ID, VERSION, ORDER = "R1", "1", 10
DEFAULT_BUDGET = 5

FEW_FORMS = Reading(None, why=mark("not yet: three forms that can be used are needed"))
FEW_WEEKS = Reading(None, why=mark("not yet: fewer than 12 weeks since the first form"))
ALONE = Reading(None, why=mark("not judged: no other form that can be used in the 20 weeks before"))
AFTER_GAP = Reading(
    None,
    why=mark(
        "not yet: after more than 20 weeks without a form that can be used it takes three forms and 12 weeks again"
    ),
)


def rule_r1(apart: frozenset[str] = KEPT_APART, budget: int = DEFAULT_BUDGET) -> RuleSpec:
    """The rule at a budget: so many of a hundred benign clients prompted about in a year, in simulation.

    :param apart: forms with one of these tags are passed over.
    :raises ValueError: a budget for which nothing was calibrated.
    """
    if budget not in BUDGETS:
        raise ValueError(f"there is no budget of {budget}; there are {', '.join(map(str, BUDGETS))}")
    return RuleSpec(
        id=ID,
        version=VERSION if budget == DEFAULT_BUDGET else f"{VERSION}-budget{budget}",
        title=words.TITLES.source[ID],
        instrument="gr18",
        judge=partial(judge, apart=apart, budget=budget),
        order=ORDER,
        at_budget=partial(rule_r1, apart),
        possible=partial(may_be_met, apart=apart, budget=budget),
        prepare=partial(prepare, apart=apart),
    )


def possible(course: Course) -> bool:
    """False only where there are too few forms or weeks for the model to say anything of any form."""
    known, forms = constants(), course.forms
    if len(forms) < known.least_forms:
        return False
    return forms[-1].authored.toordinal() - forms[0].authored.toordinal() >= 7 * known.least_weeks


def may_be_met(course: Course, *, apart: frozenset[str], budget: int) -> bool:
    """The quick look of R1: False only where it is met at no form. In a page that was prepared the running numbers are
    there already, and only a course of which one lies beyond the lowest limit is looked at further."""
    kept = kept_of(course, apart)
    return possible(course) if kept is None else kept.most > _lowest(budget)


@cache
def _lowest(budget: int) -> float:
    """The lowest limit at a budget: it moves one way with the weeks between forms."""
    known = constants()
    return min(known.limit(budget, spacing) for spacing in (known.least_spacing, known.most_spacing))


_page: dict[int, tuple[Course, frozenset[str], Followable]] = {}


def prepare(courses: Sequence[Course], *, apart: frozenset[str]) -> None:
    """Follows a page of courses at once; `judge` looks here first. Only the last page is kept.

    A page that is kept already is left as it is: two rules read what the model says.
    """
    global _page
    if courses and all(kept_of(course, apart) is not None for course in courses):
        return
    from .pages import followed

    found = followed(courses, apart)
    keep([one.view for one in found])
    _page = {id(one.view.course): (one.view.course, apart, one) for one in found}


def kept_of(course: Course, apart: frozenset[str]) -> Followable | None:
    """What the model says of a course of the page that was prepared last; None of any other."""
    kept = _page.get(id(course))
    return kept[2] if kept is not None and kept[0] is course and kept[1] == apart else None


def follow_course(course: Course, apart: frozenset[str] = KEPT_APART) -> Followable:
    """What the model says of a course, from the page that was prepared or by itself: the same numbers."""
    if (kept := kept_of(course, apart)) is not None:
        return kept
    from .pages import followed

    return followed([course], apart)[0]


def judge(course: Course, *, apart: frozenset[str], budget: int) -> Sequence[Reading]:
    """One reading a form. Running number: see the module; None where the rule could not be judged."""
    found = follow_course(course, apart)
    if found.scale is None:
        return [NO_CONSTANTS] * len(course.forms)
    known = constants()
    readings = [place if isinstance(place, Reading) else FEW_FORMS for place in found.places]
    for stretch in found.read:
        days = [found.view.days[index] for index in stretch]
        spacings, begun = spacing_of(days, known), 0
        for nth, index in enumerate(stretch):
            reason = guard(found, stretch, nth, known)
            begun = nth if nth and days[nth] - days[nth - 1] > 7 * known.look_back else begun
            if begun and reason is None and guard(found, stretch[begun:], nth - begun, known):
                reason = AFTER_GAP  # the weeks without a form would be filled in by what came after them
            readings[index] = reason or _reading(found, stretch, nth, spacings[nth], budget)
    return readings


def spacing_of(days: Sequence[int], known: Constants) -> list[float]:
    """How many weeks lie between the forms of the weeks looked back on, on average, as of each form; to one decimal.

    Where no other form lies in these weeks, the most that the limit knows.
    """
    found, first = [], 0
    for nth, day in enumerate(days):
        while day - days[first] > 7 * known.look_back:
            first += 1
        between = nth - first
        found.append(round((day - days[first]) / 7 / between, 1) if between else known.most_spacing)
    return found


def guard(found: Followable, stretch: Sequence[int], nth: int, known: Constants) -> Reading | None:
    """Why the rule is not judged at the nth form of a stretch, None where it is."""
    days = found.view.days
    if nth + 1 < known.least_forms:
        return FEW_FORMS
    if days[stretch[nth]] - days[stretch[0]] < 7 * known.least_weeks:
        return FEW_WEEKS
    if days[stretch[nth]] - days[stretch[nth - 1]] > 7 * known.look_back:
        return ALONE
    return None


@cache
def _limit(budget: int, spacing: float) -> float:
    return constants().limit(budget, spacing)


def _reading(found: Followable, stretch: Sequence[int], nth: int, spacing: float, budget: int) -> Reading:
    place = found.places[stretch[nth]]
    if place is None or isinstance(place, Reading):
        raise AssertionError("a form that is read has a place")
    number = place.number
    if number <= _limit(budget, spacing):
        return Reading(False, number)
    from .explain import explain

    return Reading(True, number, None, partial(explain, found, tuple(stretch[: nth + 1]), place, spacing, budget))
