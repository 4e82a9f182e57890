"""The letters of the safety channel: initials, a neutral line, the way to Handrail, who else was told.

They hold no health information (clinical.md 5, rule 8; 6), not even which form it is: the words of the answer are shown
in Handrail only.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from ...schemas.vocab import NoticeState
from ..contracts import Letter
from ..settings import SafetyChannel
from ..store.notices import BACKUP, CLINICIAN, NoticeRow
from ..store.sql import from_ms
from ..views import SHORT
from ..words import Texts, mark, spelling, tr, trn
from .channel import initials

if TYPE_CHECKING:
    from .queue import Case, Parcel

MOST_LISTED = 50

_TOLD = Texts(
    {
        CLINICIAN: mark("The responsible clinician was told, too: {when}."),
        BACKUP: mark("The named backup was told, too: {when}."),
    }
)
_TO_TELL = Texts(
    {
        CLINICIAN: mark("The responsible clinician is told, too."),
        BACKUP: mark("The named backup is told, too."),
    }
)
_REFUSED = Texts(
    {
        CLINICIAN: mark("The responsible clinician could not be reached: the address takes no mail. Please act on it."),
        BACKUP: mark("The named backup could not be reached: the address takes no mail."),
    }
)
_FAILED = Texts(
    {
        CLINICIAN: mark("The responsible clinician could not be reached yet; it is tried again."),
        BACKUP: mark("The named backup could not be reached yet; it is tried again."),
    }
)
_NOBODY = Texts(
    {
        CLINICIAN: mark("Nobody else was told: the settings name no clinician for this client."),
        BACKUP: mark("Nobody else was told: the settings name no backup who is somebody else."),
    }
)


def compose(parcel: Parcel, now: datetime, channel: SafetyChannel) -> Letter:
    """The letter of a parcel, in the language that is spoken."""
    (case, row), *_ = parcel.entries
    if row.older:
        return Letter(parcel.to, tr("Handrail: older answers to look at"), _older(parcel), parcel.key)
    again = row.number > 1
    subject = (
        tr("Handrail: something to look at today (not seen by anybody yet)")
        if again
        else tr("Handrail: something to look at today")
    )
    return Letter(parcel.to, subject, _news(case, row, now, channel), parcel.key)


def _news(case: Case, row: NoticeRow, now: datetime, channel: SafetyChannel) -> str:
    flag = case.flag.flag[:SHORT]
    arrived = spelling.moment(from_ms(case.news_ms).astimezone(now.tzinfo))
    lines = [
        _about(case),
        tr("It came in: {when}.", when=arrived),
        "",
        tr("Open Handrail: handrail explain {flag}", flag=flag),
        tr("When you have seen it: handrail ack {flag}", flag=flag),
        "",
        _other(case, row.recipient, now),
    ]
    if row.recipient == BACKUP:
        lines.append(tr("You get this letter as the named backup."))
    lines += [
        trn(
            "Until somebody says that they have seen it, this comes again every {count} minute.",
            "Until somebody says that they have seen it, this comes again every {count} minutes.",
            channel.repeat_minutes,
        ),
        *_ending(),
    ]
    return "\n".join(lines)


def _about(case: Case) -> str:
    if (short := initials(case.client.name)) is None:
        return tr("An answer of a client needs to be looked at today.")
    return tr("An answer of {initials} needs to be looked at today.", initials=short)


def _other(case: Case, recipient: str, now: datetime) -> str:
    """Whether anybody else has it in hand."""
    other = case.people.other(recipient)
    if case.people.address(other) is None:
        return _NOBODY[other]
    sent = [row for row in case.rows if row.recipient == other and row.state is NoticeState.SENT]
    last = case.latest(other)
    if last is not None and last.state is NoticeState.REFUSED:
        return _REFUSED[other]
    if sent and sent[-1].sent_ms is not None:
        when = spelling.moment(from_ms(sent[-1].sent_ms).astimezone(now.tzinfo))
        return tr(_TOLD.source[other], when=when)
    return _FAILED[other] if last is not None and last.attempts else _TO_TELL[other]


def _older(parcel: Parcel) -> str:
    """One letter for all: the answers are not new, and must not read as if they were."""
    lines = [
        trn(
            "{count} older answer has come in that nobody has seen in Handrail. It is not new; look at it:",
            "{count} older answers have come in that nobody has seen in Handrail. They are not new; look at them:",
            len(parcel.entries),
        ),
        "",
    ]
    for case, _ in parcel.entries[:MOST_LISTED]:
        day = spelling.day(from_ms(case.flag.opened_ms, case.flag.offset_min))
        who = initials(case.client.name) or tr("a client")
        lines.append(tr("- {initials}, {day}: handrail explain {flag}", initials=who, day=day, flag=case.flag.flag[:8]))
    if (more := len(parcel.entries) - MOST_LISTED) > 0:
        lines.append(trn("- and {count} more: handrail flags", "- and {count} more: handrail flags", more))
    lines += [
        "",
        tr("Open Handrail: handrail flags"),
        tr("When you have seen one: handrail ack, with the name that stands at the end of its line."),
        "",
        tr("This letter comes once a day until each of them has been seen."),
        *_ending(),
    ]
    return "\n".join(lines)


def _ending() -> tuple[str, ...]:
    return (
        tr("This form is not watched around the clock."),
        tr("Please do not answer this letter; an answer may be read late, or by nobody."),
    )
