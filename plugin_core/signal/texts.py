"""Every sentence that R1 says, as templates with named gaps; the wording rules are those of docs/rules.md."""

from __future__ import annotations

from ..words import Texts, mark

REASON = mark(
    "On the last {forms} forms ({dates}) the {warning_count} {warning_lines} averaged {warning}; {baseline}. The "
    "{growth_count} {growth_lines} averaged {growth}, and {growth_first} at the start; the error that we assume for "
    "ordinary ups and downs of one form is about {error} ({origin}). With that taken into account, the forms "
    "{confidence} that reliance has been high, or well above where it began, for about {weeks} of the last {window} "
    "weeks, while growth stood still or fell. {moves}Most prompts of this kind do not mean that something is wrong: a "
    "hard stretch, a loss, an early phase, or therapy that is working on something painful can do this. You might ask "
    "how the client sees it."
)
NEWS = Texts(
    {
        "growth": mark(
            "On the last {forms} forms ({dates}) the {count} {lines} averaged {values}; {baseline}; the error that we "
            "assume for ordinary ups and downs of one form is about {error} ({origin}). With that taken into account, "
            "the forms show clearly that growth has gone up. {moves}"
        ),
        "warning": mark(
            "On the last {forms} forms ({dates}) the {count} {lines} averaged {values}; {baseline}; the error that we "
            "assume for ordinary ups and downs of one form is about {error} ({origin}). With that taken into account, "
            "the forms show clearly that reliance has come down. {moves}"
        ),
    }
)
NEWS_SINCE = Texts(
    {
        "growth": mark("Change of growth since the first form, in steps of its ordinary spread"),
        "warning": mark("Change of reliance and outlook since the first form, in steps of their ordinary spread"),
    }
)
NEWS_SURE = Texts(
    {
        "growth": mark("Growth is up by more than twice the error"),
        "warning": mark("Reliance and outlook are down by more than twice the error"),
    }
)
NEWS_AGAINST = Texts(
    {
        "growth": mark("Growth is not down by more than the error"),
        "warning": mark("Reliance and outlook are not up by more than the error"),
    }
)
NEWS_MEANS = mark("The means of the last two forms and of the first lie further apart than the error of one form")
NEWS_CONSTANTS = Texts(
    {
        "sure": mark("a change counts from so many of its errors on"),
        "least": mark("and from so many steps of the ordinary spread on"),
        "against": mark("the other score may have moved the other way by so many of its errors"),
    }
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
SEEN = mark("Form on {day}, counted from what is usual at a first form, in steps of its ordinary spread")
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
