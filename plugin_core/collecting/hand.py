"""What people hand over: sheets and a list of links, written for their owner only.

A sheet's file is named by its request, so that a run that was stopped writes the same file again. The list is made
anew from the store in each run and holds all that is open; it names clients, since somebody has to know whom to give
what.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from .. import private
from ..errors import UsageError
from ..words import mark, tr
from ..words.kept import why_of
from .facts import HandOver

NO_FOLDER = mark("The folder for what is handed over cannot be written ({problem}). Choose another: --by-hand FOLDER")
_COLUMNS = ("client", "form", "due", "asked", "link", "sheet")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
NAME_DIGITS = 12


def name_of(key: str, page: bytes | None = None) -> str:
    """The file name of a request's sheet."""
    return f"form-{key[:NAME_DIGITS]}.{'pdf' if page is not None and page.startswith(b'%PDF') else 'html'}"


def find_sheet(folder: Path, key: str) -> str | None:
    """The sheet's file in the folder, if it is there."""
    return next((name for name in (name_of(key), name_of(key, b"%PDF")) if (folder / name).exists()), None)


def prepare(folder: Path) -> None:
    """Makes the folder, for its owner only.

    :raises UsageError: it cannot be written.
    """
    try:
        private.folder(folder)
        probe = folder / ".handrail-probe"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise UsageError(tr(NO_FOLDER, problem=why_of(error))) from None


def write_sheet(folder: Path, key: str, page: bytes) -> None:
    """Writes a sheet beside and moves it into place.

    :raises UsageError: the folder cannot be written.
    """
    path = folder / name_of(key, page)
    temporary = path.with_name(path.name + ".new")
    try:
        private.folder(folder)
        temporary.unlink(missing_ok=True)
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, private.FILE), "wb") as out:
            out.write(page)
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(path)
    except OSError as error:
        raise UsageError(tr(NO_FOLDER, problem=why_of(error))) from None


def write_list(folder: Path, rows: Sequence[HandOver], now: datetime) -> str:
    """Writes the list as CSV, one file a run; gives its path.

    :raises UsageError: the folder cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(_COLUMNS)
    for row in rows:
        cells = (row.client, row.instrument, row.due.isoformat(), row.asked.isoformat(), row.link, row.sheet)
        writer.writerow([_cell(cell or "") for cell in cells])
    path = folder / f"hand-over-{now.strftime('%Y-%m-%d-%H%M%S')}.csv"
    try:
        private.write(path, text.getvalue())
    except OSError as error:
        raise UsageError(tr(NO_FOLDER, problem=why_of(error))) from None
    return str(path)


def _cell(text: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text
