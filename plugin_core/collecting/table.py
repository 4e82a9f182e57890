"""Enrolments from a CSV file: client, instruments, every_weeks, start, consent and more, one client a line.

All of a file is read and checked before anything is done; what is wrong is named by its line, never by the client.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..words import mark, tr
from ..words.kept import why_of
from .enrolling import Wish

MOST_BYTES = 5_000_000
COLUMNS = (
    "client",
    "instruments",
    "every_weeks",
    "every_sessions",
    "start",
    "consent",
    "consent_by",
    "channel",
    "tags",
)

UNREADABLE = mark("The file cannot be read ({problem}).")
TOO_LARGE = mark("The file is larger than {most} MB. That is no list of clients; nothing was read.")
ENCODING = mark("The file is not in UTF-8. Save it again as CSV UTF-8.")
EMPTY = mark("The file has no lines.")
NO_CLIENT = mark("The first line must name the columns, client among them. Known columns: {known}.")
STRANGE = mark("There is no column {column}. Known columns: {known}.")
TOO_MANY = mark("Line {number} has more cells than the first line names. Is a comma inside a cell without quotes?")
BLANK = mark("Line {number} names no client.")
NOT_WHOLE = mark("Line {number}: {column} must be a whole number.")
NOT_DAY = mark("Line {number}: {column} must be a day written as 2026-05-31.")
TWICE = mark("Line {number} names a client who is named above it.")
BROKEN = mark("The file is cut off or broken near line {number}.")


def read(path: Path) -> list[Wish]:
    """The wishes in a file.

    :raises UsageError: it cannot be read, or a line is wrong; the sentence names the line.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise UsageError(tr(TOO_LARGE, most=MOST_BYTES // 1_000_000))
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(tr(UNREADABLE, problem=why_of(error))) from None
    except UnicodeDecodeError:
        raise UsageError(tr(ENCODING)) from None
    return parse(text)


def parse(text: str) -> list[Wish]:
    """The wishes in the text of a CSV file; cells are parted by commas, semicolons or tabs.

    :raises UsageError: as `read`.
    """
    head = text.lstrip().split("\n", 1)[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=head.count), strict=True)
    try:
        rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except csv.Error:
        raise UsageError(tr(BROKEN, number=reader.line_num)) from None
    if not rows:
        raise UsageError(tr(EMPTY))
    columns = [cell.strip().casefold() for cell in rows[0][1]]
    known = ", ".join(COLUMNS)
    if "client" not in columns:
        raise UsageError(tr(NO_CLIENT, known=known))
    for column in columns:
        if column not in COLUMNS:
            raise UsageError(tr(STRANGE, column=column[:40], known=known))
    return list(_wishes(columns, rows[1:]))


def _wishes(columns: list[str], rows: list[tuple[int, list[str]]]) -> Iterator[Wish]:
    seen: set[str] = set()
    for number, row in rows:
        if len(row) > len(columns):
            raise UsageError(tr(TOO_MANY, number=number))
        cells = {name: cell.strip() for name, cell in zip(columns, row, strict=False)}
        client = cells.pop("client", "")
        if not client:
            raise UsageError(tr(BLANK, number=number))
        if client in seen:
            raise UsageError(tr(TWICE, number=number))
        seen.add(client)
        given = {name: _READ.get(name, _as_is)(cell, number, name) for name, cell in cells.items() if cell}
        yield Wish(client, **given)


def _as_is(cell: str, _number: int, _column: str) -> str:
    return cell


def _names(cell: str, _number: int, _column: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(cell.replace(";", " ").replace(",", " ").split()))


def _whole(cell: str, number: int, column: str) -> int:
    if not (cell.isascii() and cell.isdigit()) or len(cell) > 6:
        raise UsageError(tr(NOT_WHOLE, number=number, column=column))
    return int(cell)


def _day(cell: str, number: int, column: str) -> date:
    try:
        if len(cell) != len("2026-05-31"):
            raise ValueError
        return date.fromisoformat(cell)
    except ValueError:
        raise UsageError(tr(NOT_DAY, number=number, column=column)) from None


_READ: Mapping[str, Callable[[str, int, str], Any]] = {
    "instruments": _names,
    "every_weeks": _whole,
    "every_sessions": _whole,
    "start": _day,
    "consent": _day,
    "tags": lambda cell, number, column: frozenset(_names(cell, number, column)),
}
