"""The paper form: one HTML page that prints on A4 and US Letter, and reads well as a copy of a copy.

It names no client: a short code stands for client, form and due day. What comes back is typed in by staff
(`handrail enter`). The page needs no network and holds no script.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import groupby, repeat
from math import ceil
from typing import TYPE_CHECKING

from ...schemas.records import Instrument, Item, Option
from ..contracts import Ask, Asked, CollectorContext, CollectorSpec
from ..errors import UsageError
from ..instruments.translations import in_language
from ..words import Texts, mark, speaking, spoken, tr
from .codes import code_of
from .enrolling import CONSENT_TEXT

if TYPE_CHECKING:
    from jinja2 import Template
    from markupsafe import Markup

DECLINED_KEY = "x"
LONGEST_SIDE_BY_SIDE = 28  # characters of an answer

LETTERS_A_LINE, LETTERS_A_STATEMENT = 100, 40
FRAMES = 4  # lines that the two frames of a crisis text cost
FITS = ((31, ""), (39, "dense"), (51, "tight"), (64, ""), (72, "dense"))  # up to 51 lines on one page, else on two
PAGE_OF = mark("Page {page} of {pages}")

NOT_FOR_CLIENTS = mark("{form} is not a form for clients, so there is no sheet of it.")
NO_CRISIS_TEXT = mark(
    "{form} has a line about safety, so it is printed only when the practice has said what a client reads in a crisis. "
    "Fill in crisis_text in the settings."
)
WORDS = Texts(
    {
        "code": mark("Code"),
        "date": mark("Date on which you fill this in"),
        "whose": mark("For the practice to fill in"),
        "how": mark("Tick one box for each line. To change an answer, fill that box in and tick another."),
        "line": mark("No."),
        "answers": mark("Statement"),
        "optional": mark("You may leave this one out even if you answer all others."),
        "not_watched": mark(
            "This form is not watched around the clock. It is read when somebody at the practice opens it."
        ),
        "crisis": mark("If you need help now"),
        "purpose": mark("What this is for"),
        "thanks": mark("Please hand this back. You can bring it to your session if you like."),
        "draft": mark(
            "This form is a draft that has not been tested yet. It is there for a conversation and nothing else."
        ),
        "copyright": mark("About this form"),
    }
)


@dataclass(frozen=True, slots=True)
class Block:
    """Lines next to each other that are answered with the same words; `first` is the number of the first."""

    first: int
    items: tuple[Item, ...]
    options: tuple[Option, ...]

    @property
    def wide(self) -> bool:
        """Whether the answers are too long to stand side by side; they are listed below each line then."""
        return any(len(option.label) > LONGEST_SIDE_BY_SIDE for option in self.options)


def sheet(instrument: Instrument, practice: str, crisis_text: str = "", consent_text: str = "", key: str = "") -> bytes:
    """The page of a form, in UTF-8, in the language that is spoken; lines without translation stay in their own.

    :param practice: the practice's name as its clients know it.
    :param consent_text: the practice's own words on what it is for; ours where it is empty.
    :param key: of the request, for the code; empty for a blank sheet.
    :raises UsageError: the form is not for clients, or has a line about safety and there is no crisis text.
    """
    if instrument.audience != "client":
        raise UsageError(tr(NOT_FOR_CLIENTS, form=instrument.title))
    if instrument.safety and not crisis_text.strip():
        raise UsageError(tr(NO_CRISIS_TEXT, form=instrument.title))
    instrument = in_language(instrument)
    crisis, purpose = crisis_text.strip() if instrument.safety else "", consent_text.strip() or tr(CONSENT_TEXT)
    page = _template().render(
        form=instrument,
        blocks=blocks(instrument),
        key_of=key_of,
        practice=practice,
        crisis=crisis,
        purpose=purpose,
        code=code_of(key) if key else "",
        language=spoken(),
        words=WORDS,
        density=density(instrument, crisis, purpose),
        head=_in_css(" · ".join(filter(None, (instrument.title, code_of(key) if key else "")))),
        page_of=_in_css(tr(PAGE_OF), page="counter(page)", pages="counter(pages)"),
    )
    return page.encode()


def blocks(instrument: Instrument) -> list[Block]:
    """The lines in the form's order, those with the same answers together."""
    found: list[Block] = []
    first = 1
    for options, lines in groupby(instrument.items, key=lambda item: item.options):
        items = tuple(lines)
        found.append(Block(first, items, options))
        first += len(items)
    return found


def density(instrument: Instrument, crisis: str, purpose: str) -> str:
    """How closely a form is set, as a class of the page's style: "", "dense" or "tight", the loosest that fits.

    Estimated in lines of print, measured with Chromium on US Letter, the shorter of the two papers. A form that does
    not fit on one page in the smallest print is set larger again on two.
    """
    lines: float = sum(map(_lines, blocks(instrument), repeat(instrument.status == "draft")))
    around = len(purpose) + 2 * len(crisis) + len(instrument.licence.notice) + len(instrument.lead_in)
    lines += around / LETTERS_A_LINE + (FRAMES if crisis else 0)
    return next((name for most, name in FITS if lines <= most), "tight")


def _lines(block: Block, draft: bool) -> int:
    if block.wide:
        return sum(ceil(len(item.text) / LETTERS_A_LINE) + len(item.options) for item in block.items)
    hints = sum((item.hint is not None) + (item.optional and draft) for item in block.items)
    return 2 + hints + sum(ceil(len(item.text) / LETTERS_A_STATEMENT) for item in block.items)


def _in_css(text: str, **counters: str) -> Markup:
    """A text as a string of the page's style, in which it can end neither the string nor the style.

    :param counters: what the browser is to count, by the field of the text that it stands for.
    """
    from markupsafe import Markup

    odd = {ord(sign): f"\\{ord(sign):x} " for sign in '"\\<>&\n\r\f'}
    safe = text.translate(odd)
    if counters:
        safe = safe.format_map({name: f'" {counter} "' for name, counter in counters.items()})
    return Markup(f'"{safe}"')  # noqa: S704 - escaped for where it stands


def key_of(option: Option) -> str:
    """What staff type for an answer: its number, or x for "I would rather not say"."""
    return DECLINED_KEY if option.value is None else str(option.value)


@cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    text = files(__package__).joinpath("paper.html").read_text(encoding="utf-8")
    return Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True).from_string(
        text
    )


def _ask(ask: Ask, context: CollectorContext) -> Asked:
    with speaking(context.language):
        if ask.instrument.safety and not context.crisis_text.strip():
            return Asked(sent=False, refused=tr(NO_CRISIS_TEXT, form=ask.instrument.title))
        page = sheet(ask.instrument, context.practice, context.crisis_text, context.consent_text, ask.key)
    return Asked(sent=False, sheet=page)


PAPER = CollectorSpec("paper", mark("Printed sheet, typed in by staff"), _ask, by_hand=True)
