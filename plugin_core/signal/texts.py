"""Every sentence that R1 says, as templates with named gaps; the wording rules are those of docs/rules.md."""

from __future__ import annotations

from ..words import Texts, mark

REASON = mark(
    "On the last {forms} forms ({dates}) the {warning_count} {warning_lines} averaged {warning}; {baseline}. The "
    "{growth_count} {growth_lines} on these forms averaged {growth}; {growth_baseline}; the error that we assume for "
    "ordinary ups and downs of one form is about {warning_error} and {growth_error} ({origin}). With that taken into "
    "account, the forms {confidence} that reliance has been high, or well above where it began, for about {weeks} of "
    "the last {window} weeks, while growth stood still or fell. {moves}Most prompts of this kind do not mean that "
    "something is wrong: a hard stretch, a loss, an early phase, or therapy that is working on something painful can "
    "do this. You might ask how the client sees it."
)
CONFIDENCE = Texts(
    {
        "clear": mark("show clearly"),
        "fair": mark("show fairly clearly"),
        "some": mark("suggest"),
    }
)
CLEARS = mark(
    "The condition does not hold on two scored forms in a row. It does not hold on a form when the running number is "
    "{limit} or less. Lower answers on the reliance and outlook lines, higher answers on the growth lines, or both, "
    "bring it down; weeks that lie further back count less by themselves."
)
SEEN = mark("Form on {day}, in steps of its ordinary spread from the middle of what is assumed at a first form")
SEEN_WORKING = mark("growth {growth_mean} gives {growth}; reliance and outlook {warning_mean} gives {warning}")
SEEN_RESULT = mark("after the answering style: {style} points taken off, then × {drawn}")
WEEK = mark("Week of {day}")
WEEK_WORKING = mark(
    "reliance and outlook {level} ± {level_error}, against the first form {rise} ± {rise_error}, growth against "
    "{earlier} {change} ± {change_error}: held {held}; × {fade}"
)
EARLIER = mark("13 weeks before")
OTHER_WEEKS = mark("The other weeks together")
SUM = mark("Running number: the sum of these weeks")
SPACED = mark("Limit of the running number, with {spacing} weeks between the forms of these weeks on average")
LIMIT = mark("Running number beyond the limit of the budget")
CONSTANTS = Texts(
    {
        "limit": mark("limit of the running number at a budget of {budget}, forms coming every week"),
        "power": mark("power of the weeks between forms by which this limit rises"),
        "level": mark("reliance and outlook count as high from"),
        "rise": mark("or risen since the first form by"),
        "floor": mark("if they are then at least"),
        "growth": mark("growth stands still if in 13 weeks it rose by less than"),
        "fade": mark("weight of a week against the week after it"),
    }
)
