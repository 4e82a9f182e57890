"""What a file seems to be: columns by their headings, orders of dates, the sign before decimals. All of it to be shown.

Rows are shown by their shape (letters as a, digits as 9), never by what stands in them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any

from . import dates
from .faults import FORMULA, LONG_IDS, NO_HEADINGS, SAME_HEADINGS, FileFault
from .layout import LONG, NEEDED, WIDE
from .rows import ROUNDED
from .tables import Bad, Cell, Table

SAMPLE = 3
MOST_SHAPE = 24
_LETTERS = re.compile(r"[^\W\d_]+")
_COMMA, _POINT = re.compile(r"-?\d+,\d{1,6}"), re.compile(r"-?\d+\.\d{1,6}")
_DATA = re.compile(r"\d{5,}|[^@\s]+@[^@\s]+\.[^@\s]+")
# Headings by which a column is proposed for a role, spelled as `_plain` leaves them; the first that is there wins.
WORDS: Mapping[str, tuple[str, ...]] = {
    "id": (
        "intake id", "intakeid", "response id", "responseid", "submission id", "form id", "id", "questionnaire id",
        "antwort id", "bogen id", "nummer des bogens",
    ),
    "client": (
        "client id", "clientid", "client number", "clientnumber", "patient id", "patientid", "patient number",
        "client", "patient", "mrn", "klient id", "klientennummer", "patientennummer", "klient", "client name",
        "patient name",
    ),
    "name": ("client name", "patient name", "full name", "name", "client", "patient", "klientenname", "patientenname"),
    "clinician": (
        "practitioner", "clinician", "therapist", "provider", "practitioner name", "therapeut", "therapeutin",
        "behandler", "behandlerin",
    ),
    "date": (
        "date submitted", "submitted", "date completed", "completed", "completed at", "completion date", "submitted at",
        "submitted on", "completed on", "date", "datum", "ausgefüllt am", "eingegangen am", "timestamp", "zeitstempel",
    ),
    "time": ("time", "time completed", "uhrzeit", "zeit"),
    "form": ("questionnaire", "form", "form name", "questionnaire name", "survey", "measure", "fragebogen", "bogen"),
    "question": ("question", "question text", "item", "frage"),
    "answer": ("answer", "response", "value", "antwort"),
}  # fmt: skip


@dataclass(slots=True)
class Look:
    """What was seen of a file."""

    headings: tuple[str, ...]
    rows: int = 0
    shapes: list[list[str]] = field(default_factory=list)
    orders: dict[int, set[str]] = field(default_factory=dict)
    filled: dict[int, int] = field(default_factory=dict)
    values: dict[int, set[str]] = field(default_factory=dict)
    commas: int = 0
    points: int = 0
    formulas: int = 0
    zeros: dict[int, set[int]] = field(default_factory=dict)

    @property
    def decimal(self) -> str | None:
        """The sign before decimals; None where both are there."""
        return None if self.commas and self.points else "," if self.commas else "."

    def digits(self, index: int) -> int:
        """How long the numbers of a column are where they have zeros before them and are all of one length."""
        lengths = self.zeros.get(index, set())
        return next(iter(lengths)) if len(lengths) == 1 and -1 not in lengths else 0

    def labels(self, index: int) -> int:
        """How many different texts a column holds; up to 41."""
        return len(self.values.get(index, ()))


def look(table: Table) -> Look:
    """Looks over a whole file.

    :raises FileFault: it has no headings, or two that are alike.
    """
    found = Look(table.headings)
    named = [heading.casefold() for heading in table.headings if heading]
    if len(set(named)) < len(named):
        raise FileFault(SAME_HEADINGS)
    if not named or any(dates.orders_of(one) or _DATA.fullmatch(one) for one in table.headings if one):
        raise FileFault(NO_HEADINGS)
    padded: set[int] = set()
    for _, cells in table.rows():
        found.rows += 1
        if len(found.shapes) < SAMPLE:
            found.shapes.append([shape(cell) for cell in cells])
        for index, cell in enumerate(cells):
            if cell != "":
                _take(found, index, cell, padded)
    found.zeros = {index: lengths for index, lengths in found.zeros.items() if index in padded}
    return found


def _take(found: Look, index: int, cell: Cell, padded: set[int]) -> None:
    found.filled[index] = found.filled.get(index, 0) + 1
    if isinstance(cell, Bad):
        found.formulas += cell.why == FORMULA
        if cell.why == LONG_IDS:
            raise FileFault(LONG_IDS)
        return
    orders = {dates.NATIVE} if isinstance(cell, datetime) else dates.orders_of(cell)
    found.orders[index] = found.orders[index] & set(orders) if index in found.orders else set(orders)
    if isinstance(cell, datetime):
        return
    found.commas += _COMMA.fullmatch(cell) is not None
    found.points += _POINT.fullmatch(cell) is not None
    values = found.values.setdefault(index, set())
    if len(values) <= 40 and len(cell) <= 80:
        values.add(cell)
    found.zeros.setdefault(index, set()).add(len(cell) if cell.isdigit() else -1)
    if cell.startswith("0") and cell.isdigit():
        padded.add(index)


def shape(cell: Cell) -> str:
    """What a cell looks like, without what it says: Ada Lovelace is Aaa Aaa…, 02.11.2026 is 99.99.9999."""
    if isinstance(cell, Bad):
        return "=…" if cell.why == FORMULA else "#"
    if isinstance(cell, datetime):
        return "yyyy-mm-dd" + ("" if cell.hour == cell.minute == 0 else " 99:99")
    text = _LETTERS.sub(_letters, cell)
    text = "".join("9" if letter.isdigit() else letter if letter.isprintable() else "?" for letter in text)
    return text if len(text) <= MOST_SHAPE else text[: MOST_SHAPE - 1] + "…"


def _letters(found: re.Match[str]) -> str:
    word = found[0]
    first = "A" if word[0].isupper() else "a"
    return first + ("a" * (len(word) - 1) if len(word) <= 3 else "aa…")


@cache
def presets() -> tuple[dict[str, Any], ...]:
    """Ready layouts by platform; none of them was seen by us, each says so."""
    return tuple(json.loads(files(__package__).joinpath("presets.json").read_text(encoding="utf-8")))


def preset_for(headings: Sequence[str]) -> dict[str, Any] | None:
    """The ready layout all of whose columns a file has; of several the one with the most."""
    have = {_plain(heading) for heading in headings}
    fit = [one for one in presets() if {_plain(heading) for heading in one["columns"].values()} <= have]
    return max(fit, key=lambda one: len(one["columns"]), default=None)


def roles_of(found: Look, wanted: Mapping[str, str] | None = None) -> dict[str, str]:
    """Proposed headings by role: from a ready layout, else by what columns are usually called."""
    by_name = {_plain(heading): heading for heading in reversed(found.headings) if heading}
    if wanted is not None:
        return {role: by_name[_plain(heading)] for role, heading in wanted.items() if _plain(heading) in by_name}
    roles: dict[str, str] = {}
    for role in ("client", "date", "id", "form", "question", "answer", "clinician", "time", "name"):
        for word in WORDS[role]:
            if (heading := by_name.get(word)) is not None and heading not in roles.values():
                roles[role] = heading
                break
    if laid_out(roles) == WIDE:
        roles = {role: heading for role, heading in roles.items() if role not in ("question", "answer")}
    return roles


def laid_out(roles: Mapping[str, str]) -> str:
    """Long where there is a column of questions and one of answers, else wide."""
    return LONG if "question" in roles and "answer" in roles else WIDE


def missing(layout: str, roles: Mapping[str, str]) -> list[str]:
    """Roles that a layout cannot do without and that no column has."""
    return [role for role in NEEDED[layout] if role not in roles]


def rounded(found: Look, index: int) -> bool:
    """Whether a column holds numbers that Excel has rounded."""
    return any(ROUNDED.fullmatch(value) for value in found.values.get(index, ()))


def _plain(heading: str) -> str:
    return " ".join(re.sub(r"[_\-#:./]+", " ", heading.casefold()).split())
