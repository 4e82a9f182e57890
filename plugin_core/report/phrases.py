"""The words that the page and the terminal share, beside those of the rules: states, kinds, where a flag was sent.

The wording rules are those of docs/rules.md ("What a text may say"); a test reads all of this.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from ...schemas.records import Acknowledgement, Constant, Delivery, Hold
from ...schemas.vocab import DeliveryState, Direction, FlagState, QuarantineReason, RemoteState, RunOutcome
from ..rules import words

if TYPE_CHECKING:
    from ..views import FlagRow

ABOUT = (
    "Handrail shows what clients answered and how it moved, as a prompt for a conversation. It gives no diagnosis, "
    "no forecast and no measure of anyone's work.",
    "The forms “Growth and reliance” and “Therapist self-check” are unvalidated drafts: there are no norms and no "
    "cut-off for them. Every figure for ordinary ups and downs is an assumption unless it says otherwise.",
    words.ACCURACY,
)

NO_FLAG = "No flag stands. That says nothing about clients who have not answered, or only once or twice."
NO_SAFETY = (
    "No safety notice is open. That says nothing about safety: an answer of “not at all”, or no answer, is no "
    "assurance."
)
NEXT = "What you might do next: equal options, in no order"

STATES = {
    FlagState.RAISED: "stands",
    FlagState.ACKNOWLEDGED: "stands, seen",
    FlagState.HELD: "stands, client on hold",
    FlagState.CLEARED: "cleared",
    FlagState.WITHDRAWN: "withdrawn: what it rests on is gone or was corrected",
}
KINDS = {"safety": "Safety notice", "prompt": "Prompt", "good-news": "Good news", "note": "Note"}
USEFUL = {"yes": "useful", "no": "not useful", "unsure": "not sure whether useful", None: "usefulness not said"}
SHAPES = {"safety": "!", "prompt": "?", "good-news": "+", "note": "·"}

_ON_PLATFORM = {
    (DeliveryState.DELIVERED, RemoteState.ACTIVE): "shown on the platform",
    (DeliveryState.DELIVERED, RemoteState.INACTIVE): "closed on the platform",
    (DeliveryState.DELIVERED, RemoteState.RETRACTED): "retracted on the platform",
    (DeliveryState.DELIVERED, RemoteState.ABSENT): "not on the platform",
}
HOPED = {Direction.UP: "hoped for: up", Direction.DOWN: "hoped for: down", Direction.NONE: ""}

RUN_COUNTS = (
    ("pulled", "forms read"),
    ("new", "new"),
    ("replaced", "amended"),
    ("set_aside", "set aside"),
    ("raised", "flags raised"),
    ("cleared", "flags cleared"),
    ("pushed", "flags sent"),
)
OUTCOMES = {
    RunOutcome.COMPLETE: "complete",
    RunOutcome.INCOMPLETE: "incomplete: goes on with the next sync",
    RunOutcome.FAILED: "did not work",
}
SET_ASIDE = {
    QuarantineReason.UNREADABLE: "could not be read",
    QuarantineReason.SHAPE: "not built as a form should be",
    QuarantineReason.NO_TIME: "no time of answering",
    QuarantineReason.FUTURE_TIME: "a time in the future",
    QuarantineReason.NO_CLIENT: "no client",
    QuarantineReason.UNKNOWN_QUESTION: "a question that is not known",
    QuarantineReason.UNKNOWN_ANSWER: "an answer that is not known",
    QuarantineReason.TWO_ANSWERS: "two answers to one line",
    QuarantineReason.CHANGED_DEFINITION: "the form was reworded",
    QuarantineReason.UNKNOWN_VERSION: "another version of the form",
    QuarantineReason.WEIGHT_DIFFERS: "an answer with another number than the form's",
    QuarantineReason.REFUSED_BY_PLUGIN: "refused by a plugin",
}


def title(row: FlagRow, titles: Mapping[str, str]) -> str:
    """A rule's title: as registered, else as built in, else its id."""
    return titles.get(row.flag.rule) or words.TITLES.get(row.flag.rule) or f"Rule {row.flag.rule}"


def heading(row: FlagRow, titles: Mapping[str, str]) -> str:
    """The kind and the title of a flag: "Prompt: Growth answers have gone down"; one word where they are the same."""
    kind, name = KINDS.get(row.kind, "Flag"), title(row, titles)
    return name if name == kind else f"{kind}: {name}"


def sentence(text: str) -> str:
    """The text with a capital and a full stop."""
    return f"{text[:1].upper()}{text[1:]}."


def many(number: int, one: str, more: str) -> str:
    """A number with its noun."""
    return f"{number:,} {one if number == 1 else more}"


def moment(when: datetime) -> str:
    """A day and time in words, in the time's own offset."""
    return f"{words.day(when)}, {when:%H:%M}"


def sent(delivery: Delivery) -> str:
    """One delivery in words. A refusal carries the platform's reason."""
    if delivery.state is DeliveryState.REFUSED:
        where = f"refused by the platform{f' ({delivery.problem})' if delivery.problem else ''}"
    elif delivery.state is DeliveryState.PENDING:
        where = "waiting to be sent" if not delivery.attempts else f"waiting, tried {delivery.attempts} times"
    else:
        where = _ON_PLATFORM[delivery.state, delivery.on_platform]
    return f"{where}, as {delivery.carrier}"


def sent_of(row: FlagRow) -> str:
    """Where a flag was sent, in words."""
    if row.deliveries:
        return "; ".join(sent(delivery) for delivery in row.deliveries)
    return "not sent to the platform"


def seen(item: Acknowledgement) -> str:
    """An acknowledgement in words."""
    note = f": {item.note}" if item.note else ""
    return f"Seen by {item.author} on {words.day(item.at)} ({USEFUL.get(item.useful, item.useful)}){note}"


def seen_of(row: FlagRow) -> list[str]:
    """Who has seen a flag; of a safety notice it is said where nobody has."""
    if not row.acknowledgements and row.kind == "safety":
        return ["Nobody has noted yet that they have seen this."]
    return [seen(item) for item in row.acknowledgements]


def held(hold: Hold) -> str:
    """A hold in words."""
    return (
        f"On hold from {words.day(hold.start)} to {words.day(hold.until)}, by {hold.author}: {hold.reason}. "
        "No new prompt is raised meanwhile; safety notices are."
    )


def constant(item: Constant) -> str:
    """A constant with its origin in words."""
    origin = "a decision of the rule" if item.origin == "rule" else words.origin(item.origin)
    return f"{item.name}: {words.exact(item.value)} ({origin}; {item.source.removesuffix('.')})"


def result(value: float | bool | str | None) -> str:
    """The result of a step as it is shown."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "–"
    return value if isinstance(value, str) else words.exact(value)


def values(numbers: Mapping[str, float | None]) -> str:
    """The numbers read from a form, in a row."""
    return ", ".join(f"{name} {'–' if value is None else words.exact(value)}" for name, value in numbers.items())


def first_sentence(text: str) -> str:
    """The first sentence of a text."""
    found = re.match(r".+?[.!?…](?=\s|$)", text, re.DOTALL)
    return found[0] if found else text
