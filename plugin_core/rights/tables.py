"""Answers and scores as CSV, safe to open with a spreadsheet program.

A cell that such a program could take for a formula gets an apostrophe in front (OWASP, CSV injection; S29): one that
begins with = + - @ or their wide forms, a tab or a line end, also behind blanks and quotation marks. Numbers of ours
are written as numbers. NUL, which no such program reads, is left out.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence

TRIGGERS = frozenset("=+-@\t\r\n＝＋－＠")
_BEFORE = " \u00a0\u3000\ufeff\u200b'\"`“”‘’„"
Cell = str | int | float | bool | None


def cell(value: Cell) -> str | int | float:
    """The value as it may stand in a cell: numbers as they are, texts made harmless, nothing as an empty text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return value
    text = value.replace("\x00", "")
    bare = text.lstrip(_BEFORE)
    return f"'{text}" if bare[:1] in TRIGGERS and bare else text


def as_csv(rows: Sequence[Mapping[str, Cell]], columns: Iterable[str]) -> str:
    """Rows as CSV with a head, in the order of the columns, lines ended as RFC 4180 says."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n", quoting=csv.QUOTE_NONNUMERIC)
    names = list(columns)
    writer.writerow([cell(name) for name in names])
    for row in rows:
        writer.writerow([cell(row[name]) for name in names])
    return out.getvalue()
