"""Who was told of a safety answer, and whether that reached them: as people read it, and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING

from ...schemas.records import Json
from ...schemas.vocab import FlagState, NoticeState
from ..store.notices import CLINICIAN, RECIPIENTS, NoticeRow
from ..store.sql import from_ms
from ..words import spelling, tr, trn

if TYPE_CHECKING:
    from ..views import FlagRow


@dataclass(frozen=True, slots=True)
class NoticeView:
    """One notice as people see it, its times in the practice's zone. `recipient` is "clinician" or "backup"."""

    recipient: str
    number: int
    older: bool
    state: NoticeState
    wanted: datetime
    sent: datetime | None
    to: str | None
    problem: str | None


def views(rows: Iterable[NoticeRow], zone: tzinfo) -> tuple[NoticeView, ...]:
    """Stored notices as people see them."""
    return tuple(
        NoticeView(
            row.recipient,
            row.number,
            row.older,
            row.state,
            from_ms(row.wanted_ms).astimezone(zone),
            None if row.sent_ms is None else from_ms(row.sent_ms).astimezone(zone),
            row.to,
            row.problem,
        )
        for row in rows
    )


def as_json(notice: NoticeView) -> Json:
    """One notice as JSON."""
    return {
        "recipient": notice.recipient,
        "number": notice.number,
        "older": notice.older,
        "state": notice.state.value,
        "wanted": notice.wanted.isoformat(),
        "sent": notice.sent.isoformat() if notice.sent else None,
        "to": notice.to,
        "problem": notice.problem,
    }


def sentences(row: FlagRow) -> list[str]:
    """Who was told when, whether that was delivered, and what is left for a person to do."""
    said = letters(row)
    if row.flag.state is FlagState.RAISED:
        said.append(tr("Nobody has seen it yet: handrail ack {flag}", flag=row.id))
    elif row.flag.state is FlagState.ACKNOWLEDGED:
        said.append(tr('Seen, not closed: handrail ack {flag} --done "what was done"', flag=row.id))
    return said


def letters(row: FlagRow) -> list[str]:
    """Who was told when, and whether that was delivered."""
    said = [told for role in RECIPIENTS for told in _of(role, [one for one in row.notices if one.recipient == role])]
    return said or [tr("Nobody was told by e-mail.")]


def _of(role: str, notices: Sequence[NoticeView]) -> list[str]:
    sent = [one for one in notices if one.state is NoticeState.SENT]
    open_ = [one for one in notices if one.state not in (NoticeState.SENT, NoticeState.NOT_NEEDED)]
    return [*([_sent(role, sent)] if sent else []), *([_open(role, open_[-1])] if open_ else [])]


def _sent(role: str, sent: Sequence[NoticeView]) -> str:
    when = spelling.moment(sent[-1].sent or sent[-1].wanted)
    if role == CLINICIAN:
        return trn(
            "The clinician was told: {when}.",
            "The clinician was told {count} times, last: {when}.",
            len(sent),
            when=when,
        )
    return trn("The backup was told: {when}.", "The backup was told {count} times, last: {when}.", len(sent), when=when)


def _open(role: str, notice: NoticeView) -> str:
    problem = notice.problem or tr("It is not known whether the letter was taken.")
    if notice.state is NoticeState.PENDING and not notice.problem:
        return tr("The clinician is still to be told.") if role == CLINICIAN else tr("The backup is still to be told.")
    if role == CLINICIAN:
        return tr("The clinician could NOT be told: {problem}", problem=problem)
    return tr("The backup could NOT be told: {problem}", problem=problem)
