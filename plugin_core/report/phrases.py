"""The words that the page and the terminal share, beside those of the rules: states, kinds, where a flag was sent.

The wording rules are those of docs/rules.md ("What a text may say"); a test reads all of this.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING

from ...schemas.records import Acknowledgement, Constant, Course, Delivery, Hold
from ...schemas.vocab import DeliveryState, Direction, FlagState, QuarantineReason, RemoteState
from ..rules import words
from ..safety import told
from ..store.flags import CLOSED
from ..words import Texts, mark, tr, trn, trp
from ..words.spelling import exact

if TYPE_CHECKING:
    from ..store.remarks import Remark
    from ..views import ClientView, FlagRow

ABOUT = (
    mark(
        "Handrail shows what clients answered and how it moved, as a prompt for a conversation. It gives no diagnosis, "
        "no forecast and no measure of anyone's work."
    ),
    mark(
        "The forms “Growth and reliance” and “Therapist self-check” are unvalidated drafts: there are no norms and no "
        "cut-off for them. Every figure for ordinary ups and downs is an assumption unless it says otherwise."
    ),
    words.ACCURACY,
)

NO_FLAG = mark("No flag stands. That says nothing about clients who have not answered, or only once or twice.")
NO_SAFETY = mark(
    "No safety notice is open. That says nothing about safety: an answer of “not at all”, or no answer, is no "
    "assurance."
)
NEXT = mark("What you might do next: equal options, in no order")

STATES = Texts(
    {
        FlagState.RAISED: mark("stands"),
        FlagState.ACKNOWLEDGED: mark("stands, seen"),
        FlagState.HELD: mark("stands, client on hold"),
        FlagState.CLEARED: mark("cleared"),
        FlagState.WITHDRAWN: mark("withdrawn: what it rests on is gone or was corrected"),
    }
)
SAFETY_STATES = Texts(
    {
        FlagState.RAISED: mark("open, not seen by anybody"),
        FlagState.ACKNOWLEDGED: mark("seen, not closed"),
        FlagState.CLEARED: mark("closed by a person"),
    }
)
KINDS = Texts(
    {"safety": mark("Safety notice"), "prompt": mark("Prompt"), "good-news": mark("Good news"), "note": mark("Note")}
)
USEFUL = Texts(
    {
        "yes": mark("useful"),
        "no": mark("not useful"),
        "unsure": mark("not sure whether useful"),
        None: mark("usefulness not said"),
    }
)
RECORD_SYSTEM = "record system "
"""Before its name where a record system, and no person, stands as the author of something."""

SHAPES = {"safety": "!", "prompt": "?", "good-news": "+", "note": "·"}

_ON_PLATFORM = Texts(
    {
        (DeliveryState.DELIVERED, RemoteState.ACTIVE): mark("shown on the platform"),
        (DeliveryState.DELIVERED, RemoteState.INACTIVE): mark("closed on the platform"),
        (DeliveryState.DELIVERED, RemoteState.RETRACTED): mark("retracted on the platform"),
        (DeliveryState.DELIVERED, RemoteState.ABSENT): mark("not on the platform"),
    }
)
HOPED = Texts({Direction.UP: mark("hoped for: up"), Direction.DOWN: mark("hoped for: down"), Direction.NONE: ""})

RUN_COUNTS = (
    ("pulled", mark("forms read")),
    ("new", mark("new")),
    ("replaced", mark("amended")),
    ("set_aside", mark("set aside")),
    ("raised", mark("flags raised")),
    ("cleared", mark("flags cleared")),
    ("pushed", mark("flags sent")),
)
SET_ASIDE = Texts(
    {
        QuarantineReason.UNREADABLE: mark("could not be read"),
        QuarantineReason.SHAPE: mark("not built as a form should be"),
        QuarantineReason.NO_TIME: mark("no time of answering"),
        QuarantineReason.FUTURE_TIME: mark("a time in the future"),
        QuarantineReason.NO_CLIENT: mark("no client"),
        QuarantineReason.UNKNOWN_QUESTION: mark("a question that is not known"),
        QuarantineReason.UNKNOWN_ANSWER: mark("an answer that is not known"),
        QuarantineReason.TWO_ANSWERS: mark("two answers to one line"),
        QuarantineReason.CHANGED_DEFINITION: mark("the form was reworded"),
        QuarantineReason.UNKNOWN_VERSION: mark("another version of the form"),
        QuarantineReason.WEIGHT_DIFFERS: mark("an answer with another number than the form's"),
        QuarantineReason.REFUSED_BY_PLUGIN: mark("refused by a plugin"),
    }
)


def title(row: FlagRow, titles: Mapping[str, str]) -> str:
    """A rule's title: as registered, else as built in, else its id."""
    named = titles.get(row.flag.rule) or words.TITLES.source.get(row.flag.rule)
    return tr(named) if named else tr("Rule {rule}", rule=row.flag.rule)


def heading(row: FlagRow, titles: Mapping[str, str]) -> str:
    """The kind and the title of a flag: "Prompt: Growth answers have gone down"; one word where they are the same."""
    kind, name = KINDS.get(row.kind) or tr("Flag"), title(row, titles)
    return name if name == kind else tr("{kind}: {title}", kind=kind, title=name)


def sentence(text: str) -> str:
    """The text with a capital and a full stop."""
    return f"{text[:1].upper()}{text[1:]}."


def sent(delivery: Delivery) -> str:
    """One delivery in words. A refusal carries the platform's reason."""
    if delivery.state is DeliveryState.REFUSED:
        template = mark("refused by the platform ({problem})") if delivery.problem else mark("refused by the platform")
        where = tr(template, problem=delivery.problem)
    elif delivery.state is DeliveryState.PENDING:
        tried = trn("waiting, tried {count} time", "waiting, tried {count} times", delivery.attempts)
        where = tried if delivery.attempts else tr("waiting to be sent")
    else:
        where = _ON_PLATFORM[delivery.state, delivery.on_platform]
    return tr("{where}, as {carrier}", where=where, carrier=delivery.carrier)


def state_of(row: FlagRow) -> str:
    """The state of a flag in words; one about safety is closed by people only."""
    closed_by_people = SAFETY_STATES.get(row.flag.state) if row.kind == "safety" else None
    return closed_by_people or STATES[row.flag.state]


def sent_of(row: FlagRow) -> str:
    """Where a flag was sent, in words; of one about safety who was told."""
    if row.kind == "safety":
        return " ".join(told.sentences(row))
    if row.deliveries:
        return "; ".join(sent(delivery) for delivery in row.deliveries)
    return tr("not sent to the platform")


def who(author: str) -> str:
    """An author in words: what is answered on a card in the chart bears no person's name (CDS Hooks sends none)."""
    system = author.removeprefix(RECORD_SYSTEM)
    if system == author:
        return author
    return tr("somebody in the record system {system} (it does not say who)", system=system)


def seen(item: Acknowledgement) -> str:
    """An acknowledgement in words."""
    if item.kind == CLOSED:
        return tr("Closed by {author} on {day}: {done}", author=item.author, day=words.day(item.at), done=item.note)
    useful = USEFUL.get(item.useful) or str(item.useful)
    told = tr("Seen by {author} on {day} ({useful})", author=who(item.author), day=words.day(item.at), useful=useful)
    return f"{told}: {item.note}" if item.note else told


def seen_of(row: FlagRow) -> list[str]:
    """Who has seen a flag; of a safety notice it is said where nobody has."""
    if not row.acknowledgements and row.kind == "safety":
        return [tr("Nobody has noted yet that they have seen this.")]
    return [seen(item) for item in row.acknowledgements]


def remarked(row: FlagRow) -> list[str]:
    """The client's own remarks on the forms that a flag rests on."""
    days = {form.id: form.authored for form in row.flag.evidence.forms}
    return [remark(one, days.get(one.form)) for one in row.remarks]


def remark(one: Remark, form: date | None) -> str:
    """A client's remark in words; `form` is the day of the form, None where it is not among the client's any more."""
    if form is None:
        return tr("The client's remark on a form that is not theirs: {text}", text=one.text)
    return tr("The client's remark on the form of {day}: {text}", day=words.day(form), text=one.text)


def remarks_of(view: ClientView) -> list[str]:
    """All remarks of a client in words."""
    days = {form.id: form.authored for course in view.courses for form in course.forms}
    return [remark(one, days.get(one.form)) for one in view.remarks]


def notes_of(view: ClientView) -> list[str]:
    """What people of the practice noted on a client, oldest first."""
    return [
        tr("Note by {author} on {day}: {text}", author=one.author, day=words.day(one.at), text=one.text)
        for one in view.notes
    ]


def ended(view: ClientView) -> list[str]:
    """That the course has ended, and which forms came after it."""
    if view.ended is None:
        return []
    said = [tr("The course ended on {day}; forms of later days raise no prompt.", day=words.day(view.ended))]
    later = sorted({f.authored.date() for c in view.courses for f in c.forms if f.authored.date() > view.ended})
    return [*said, tr("Filled in after the end of the course: {days}.", days=words.days(later))] if later else said


def held(hold: Hold) -> str:
    """A hold in words."""
    return tr(
        "On hold from {start} to {until}, by {author}: {reason}. No new prompt is raised meanwhile; safety notices "
        "are.",
        start=words.day(hold.start),
        until=words.day(hold.until),
        author=hold.author,
        reason=hold.reason,
    )


def constant(item: Constant) -> str:
    """A constant with its origin in words."""
    origin = tr("a decision of the rule") if item.origin == "rule" else words.origin(item.origin)
    return f"{item.name}: {exact(item.value)} ({origin}; {item.source.removesuffix('.')})"


def result(value: float | bool | str | None) -> str:
    """The result of a step as it is shown."""
    if isinstance(value, bool):
        return tr("yes") if value else tr("no")
    if value is None:
        return "–"
    return value if isinstance(value, str) else exact(value)


def values(numbers: Mapping[str, float | None]) -> str:
    """The numbers read from a form, in a row."""
    told = (f"{name} {'–' if value is None else exact(value)}" for name, value in numbers.items())
    return trp("between numbers", ", ").join(told)


def first_sentence(text: str) -> str:
    """The first sentence of a text."""
    found = re.match(r".+?[.!?…](?=[ \n]|$)", text, re.DOTALL)  # a no-break space (22. Juli) ends no sentence
    return found[0] if found else text


def opening(text: str, sentences: int) -> tuple[str, str]:
    """A text's first sentences, and what follows them."""
    end = 0
    for _ in range(sentences):
        end += len(first_sentence(text[end:]))
    return text[:end].strip(), text[end:].strip()


def course_title(course: Course) -> str:
    """The form of a course, whether it is a draft, and how many forms there are."""
    form = course.instrument
    told = {"form": form.title, "version": form.version}
    number = len(course.forms)
    if form.status != "draft":
        return trn(
            "{form}, version {version}: {count} form", "{form}, version {version}: {count} forms", number, **told
        )
    return trn(
        "{form}, version {version} (unvalidated draft): {count} form",
        "{form}, version {version} (unvalidated draft): {count} forms",
        number,
        **told,
    )
