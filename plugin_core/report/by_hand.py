"""The list to enter by hand: what a person copies into the platform where Handrail does not, or may not, write there.

Neutral as everything that leaves (design, section 6): a fixed text, never a score, a level or an answer. Reasons stand
on it only when asked for, and it then says for whom. What ended since is on it too, so that it can be taken out again.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from importlib import resources
from typing import TYPE_CHECKING

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from ...schemas.vocab import STANDING_STATES, DeliveryState, RemoteState
from ..rights.tables import as_csv
from ..store import flags, forms
from ..sync.evaluate import PUSHED_KINDS
from ..sync.push import TITLE
from ..words import Texts, mark, spoken, tr
from ..words.spelling import day, short_day
from .plain import plain

if TYPE_CHECKING:
    from ..engine import Engine
    from ..views import FlagRow

ENTER, TAKE_OUT = "enter", "take out"
ENDED_DAYS = 30
BYTE_ORDER_MARK = "\ufeff"  # else Excel reads the letters beyond English ones wrongly
GROUPS = Texts({ENTER: mark("To enter"), TAKE_OUT: mark("To take out, if it was entered")})
DO = Texts({ENTER: mark("enter"), TAKE_OUT: mark("take out, if it was entered")})
COLUMNS = ("do", "client", "name", "therapist", "since", "ended", "text", "flag")
HEADS = Texts(
    {
        "do": mark("What to do"),
        "client": mark("Client's number"),
        "name": mark("Client"),
        "therapist": mark("Therapist"),
        "since": mark("Since"),
        "ended": mark("Ended"),
        "text": mark("Text"),
        "flag": mark("Flag"),
        "reason": mark("Reason"),
        "done": mark("Done"),
    }
)
HEAD = mark("Flags to enter by hand")
INTRO = (
    mark("Enter each text where only clinicians see it. It says nothing about the client on purpose."),
    mark("What ended in the last {days} days is listed as well, so that it can be taken out again."),
    mark("Answers about safety are not on this list: they have a way of their own (handrail flags)."),
)
REASONS = mark("This list holds reasons. It is for clinicians alone.")
NOTHING = mark("There is nothing to enter and nothing to take out.")


@dataclass(frozen=True, slots=True)
class Line:
    """One thing to do on the platform. `reason` is None unless reasons were asked for."""

    do: str
    client: str
    name: str
    therapist: str
    since: date
    ended: date | None
    text: str
    flag: str
    reason: str | None = None


def lines(engine: Engine, *, reasons: bool = False) -> list[Line]:
    """What is to be entered, then what is to be taken out, each in the order of clients.

    A flag that a carrier has delivered is not on the list: it stands on the platform, or was taken back there.
    """
    zone = engine.settings.zone
    since = engine.now() - timedelta(days=ENDED_DAYS)
    with engine.store.reading(engine.source) as tx:
        taken_back = flags.withdrawn(tx)
    every = engine.flags(everything=True)
    ends = {row.flag.key: row.flag.closed or taken_back.get(row.flag.key) for row in every}
    rows = [row for row in every if _is_for_hand(row, ends[row.flag.key], since)]
    with engine.store.reading(engine.source) as tx:
        people = forms.read_clients(tx, sorted({row.flag.client for row in rows}))
    found = []
    for row in rows:
        person, ended = people[row.flag.client], ends[row.flag.key]
        stands = row.flag.state in STANDING_STATES
        found.append(
            Line(
                do=ENTER if stands else TAKE_OUT,
                client=person.ref,
                name=person.name or "",
                therapist=row.clinician or "",
                since=row.flag.opened.astimezone(zone).date(),
                ended=None if stands or ended is None else ended.astimezone(zone).date(),
                text=tr(TITLE),
                flag=row.id,
                reason=row.flag.evidence.reason if reasons else None,
            )
        )
    return sorted(found, key=lambda one: (one.do != ENTER, one.name or one.client, one.since, one.flag))


def _is_for_hand(row: FlagRow, ended: datetime | None, since: datetime) -> bool:
    if row.kind not in PUSHED_KINDS or not row.flag.shown or any(map(_is_there, row.deliveries)):
        return False
    return row.flag.state in STANDING_STATES or (ended is not None and ended >= since)


def _is_there(delivery: object) -> bool:
    state, shown = getattr(delivery, "state", None), getattr(delivery, "on_platform", None)
    return state is DeliveryState.DELIVERED and shown is not RemoteState.ABSENT


def as_table(found: Sequence[Line]) -> str:
    """The list as CSV for a spreadsheet program, without a cell that one takes for a formula (S29)."""
    columns = (*COLUMNS, "reason") if any(one.reason is not None for one in found) else COLUMNS
    rows = [
        {
            "do": DO[one.do],
            "client": one.client,
            "name": one.name,
            "therapist": one.therapist,
            "since": one.since.isoformat(),
            "ended": one.ended.isoformat() if one.ended else "",
            "text": one.text,
            "flag": one.flag,
            "reason": one.reason,
        }
        for one in found
    ]
    heads = {name: HEADS[name] for name in columns}
    return BYTE_ORDER_MARK + as_csv([{heads[name]: row[name] for name in columns} for row in rows], heads.values())


def as_page(engine: Engine, found: Sequence[Line]) -> str:
    """The list as one page to print; it needs no network and holds no script."""
    style = resources.files(__package__).joinpath("by_hand.css").read_text(encoding="utf-8")
    source = resources.files(__package__).joinpath("by_hand.html").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    reasons = any(one.reason is not None for one in found)
    return environment.from_string(source).render(
        language=spoken(),
        policy=f"default-src 'none'; style-src 'sha256-{digest}'",
        style=Markup(style),  # noqa: S704 - our own file
        head=tr(HEAD),
        practice=plain(engine.settings.name),
        made=day(engine.now().date()),
        intro=[tr(text, days=ENDED_DAYS) for text in INTRO],
        reasons=tr(REASONS) if reasons else "",
        nothing=tr(NOTHING),
        heads=dict(HEADS),
        groups=_groups(found),
    )


def _groups(found: Sequence[Line]) -> list[tuple[str, list[Mapping[str, str]]]]:
    groups: list[tuple[str, list[Mapping[str, str]]]] = []
    for do in (ENTER, TAKE_OUT):
        rows: list[Mapping[str, str]] = [
            {
                "client": plain(one.client),
                "name": plain(one.name),
                "therapist": plain(one.therapist),
                "since": short_day(one.since),
                "ended": short_day(one.ended) if one.ended else "",
                "text": one.text,
                "flag": one.flag,
                "reason": plain(one.reason or ""),
            }
            for one in found
            if one.do == do
        ]
        if rows:
            groups.append((GROUPS[do], rows))
    return groups
