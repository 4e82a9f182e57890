"""The list of flags in the terminal, and what every view there is made of.

Every text from outside is cleared of what could steer a terminal (S28). `handrail flags` imports nothing that draws
courses: this is the command that is run most. Import it only where something is printed: it loads rich.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.segment import Segment
from rich.text import Text

from ..words import tr
from ..words.spelling import short_day
from . import phrases
from .plain import plain

if TYPE_CHECKING:
    from ..views import FlagRow

HEAD, KIND, QUIET = "bold", "bold", "dim"
INDENT = 2
NO_TITLES: Mapping[str, str] = {}


def as_is(value: object, style: str = "") -> Text:
    """Text that is shown as it is: no markup in it is read, nothing in it steers the terminal."""
    return Text(plain(value), style=style)


@dataclass(frozen=True, slots=True)
class Hanging:
    """A label with a text hanging to the right of it, without blanks at the ends of lines."""

    label: str
    room: int
    inside: RenderableType

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        width = max(options.max_width - self.room, 1)
        lines = console.render_lines(self.inside, options.update(width=width), pad=False)
        for number, line in enumerate(lines):
            if number == 0 or any(segment.text.strip() for segment in line):
                yield Segment(f"{plain(self.label) if number == 0 else '':<{self.room}}")
            yield from line
            yield Segment.line()


def indented(*parts: RenderableType) -> Hanging:
    """Parts under a head."""
    return Hanging("", INDENT, Group(*parts))


def flags_table(rows: Sequence[FlagRow], titles: Mapping[str, str] = NO_TITLES) -> RenderableType:
    """The flags as a list: safety notices on top, then the others in the given order.

    :param titles: rule titles by id where the rules are not the built-in ones.
    """
    safety = [row for row in rows if row.kind == "safety"]
    others = [row for row in rows if row.kind != "safety"]
    parts: list[RenderableType] = []
    for name, group in ((tr("Safety notices"), safety), (tr("Prompts and good news"), others)):
        if group:
            parts += [as_is(name, HEAD), *(_flag(row, titles) for row in group)]
    return Group(*parts) if parts else as_is(tr(phrases.NO_FLAG))


def _flag(row: FlagRow, titles: Mapping[str, str]) -> RenderableType:
    """One flag in the list: a line to find it by, its state, and the first sentence of its reason."""
    head = Text.assemble(as_is(row.client, HEAD), "  ", as_is(phrases.heading(row, titles), KIND))
    state = "; ".join(filter(None, (short_day(row.flag.opened), phrases.state_of(row), phrases.sent_of(row))))
    more = "" if row.flag.shown else " " + tr("(waits behind “more”)")
    reason = row.flag.evidence.reason
    said = reason if row.kind == "safety" else phrases.first_sentence(reason)
    lines = [head, as_is(state + more, QUIET), as_is(said)]
    if row.hold is not None:
        lines.append(as_is(tr("On hold until {day}.", day=short_day(row.hold.until)), QUIET))
    return Hanging(row.id, len(row.id) + 2, Group(*lines, Text("")))
