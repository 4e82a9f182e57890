"""An Excel file as rows of cells: read-only and streaming, without formulas, macros or links.

A formula's stored result is whatever some program once put there, so a cell with a formula is never read (`Bad`).
Definitions inside the XML (XXE, "billion laughs") are refused by defusedxml; what unpacks to too much is refused first.
"""

from __future__ import annotations

import math
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .dates import NOON
from .faults import (
    BOMB,
    DAMAGED,
    EMPTY,
    ENTITIES,
    ERROR_CELL,
    FORMULA,
    LONG_IDS,
    MACROS,
    MANY_SHEETS,
    NO_SHEET,
    NOT_XLSX,
    TOO_WIDE,
    Changing,
    FileFault,
)
from .tables import MOST_COLUMNS, Bad, Cell

if TYPE_CHECKING:
    from openpyxl import Workbook

MOST_UNPACKED = 1_000_000_000
MOST_STRINGS = 100_000_000
MOST_OTHER = 20_000_000
MOST_PARTS = 2_000
STEEPEST = 200
SMALL = 1_000_000
MOST_ROWS = 1_048_576  # of Excel itself; a file may name any row, and all before it are read as empty
MOST_DIGITS = 10**15  # Excel keeps fifteen digits of a number; a 64-bit id in a number cell is another id


def sheets(path: Path) -> tuple[list[str], list[str]]:
    """Names of the visible sheets and of the hidden ones."""
    with _workbook(path) as book:
        visible = [one.title for one in book.worksheets if one.sheet_state == "visible"]
        return visible, [one.title for one in book.worksheets if one.sheet_state != "visible"]


@contextmanager
def sheet(path: Path, name: str | None) -> Iterator[_Sheet]:
    """One sheet; without a name the only visible one. A hidden one is read only by its name.

    :raises FileFault: there is none such, or the file is not fit to be read.
    """
    with _workbook(path) as book:
        if name is not None:
            found = [one for one in book.worksheets if one.title == name]
            if not found:
                raise FileFault(NO_SHEET)
        else:
            found = [one for one in book.worksheets if one.sheet_state == "visible"]
            if len(found) > 1:
                raise FileFault(MANY_SHEETS)
        if not found:
            raise FileFault(EMPTY)
        rows = _Rows(found[0])
        first = next(rows, None)
        if first is None:
            raise FileFault(EMPTY)
        yield _Sheet(rows, first[1])


class _Sheet:
    """A sheet from the row below its headings on."""

    def __init__(self, rows: _Rows, first: Sequence[Cell]) -> None:
        if any(isinstance(cell, Bad) for cell in first):
            raise FileFault(FORMULA)
        texts = [cell.isoformat() if isinstance(cell, datetime) else str(cell) for cell in first]
        while texts and not texts[-1]:
            texts.pop()
        self.headings = tuple(" ".join(text.split()) for text in texts)
        self._rows = rows

    def rows(self) -> Iterator[tuple[int, Sequence[Cell]]]:
        """See `Table`. Cells that Excel leaves out at the end of a row are empty."""
        width = len(self.headings)
        for number, row in self._rows:
            cells = [*row, *[""] * (width - len(row))]
            while len(cells) > width and cells[-1] == "":
                cells.pop()
            yield number, cells


class _Rows:
    """Rows with content; every way in which a file can fail is a FileFault."""

    def __init__(self, sheet: Any) -> None:
        sheet.reset_dimensions()  # what the file says of its own size is not believed
        self._rows = enumerate(sheet.iter_rows(max_col=None), 1)

    def __iter__(self) -> _Rows:
        return self

    def __next__(self) -> tuple[int, list[Cell]]:
        found = self._fetch()
        if found is None:
            raise StopIteration
        return found

    def _fetch(self) -> tuple[int, list[Cell]] | None:
        with _read():
            for number, row in self._rows:
                if number > MOST_ROWS:
                    raise FileFault(DAMAGED)
                if len(row) > MOST_COLUMNS:
                    raise FileFault(TOO_WIDE)
                cells = [_cell(one) for one in row]  # a cell looks its format up here
                if any(cell != "" for cell in cells):
                    return number, cells
            return None


def _cell(one: Any) -> Cell:
    value = one.value
    if value is None:
        return ""
    if one.data_type == "f":
        return Bad(FORMULA)
    if one.data_type == "e":
        return Bad(ERROR_CELL)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return _number(value, one.number_format or "")
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime.combine(value, NOON)
    if isinstance(value, time):
        return value.isoformat()
    return value.strip() if isinstance(value, str) else Bad(ERROR_CELL)


def _number(value: float, shown_as: str) -> Cell:
    """A number as text: whole ones without a point, and with the zeros before them that Excel shows."""
    if not math.isfinite(value):
        return Bad(ERROR_CELL)
    if abs(value) >= MOST_DIGITS:
        return Bad(LONG_IDS)
    if value != int(value):
        return repr(float(value))
    text = str(int(value))
    return text.zfill(len(shown_as)) if shown_as and set(shown_as) == {"0"} and value >= 0 else text


@contextmanager
def _workbook(path: Path) -> Iterator[Workbook]:
    from openpyxl import DEFUSEDXML, load_workbook
    from openpyxl.styles import cell_style

    cell_style.print = _unsaid  # type: ignore[attr-defined]  # it would print remarks on styles among what a command gives to a program
    if not DEFUSEDXML:  # switched off by the environment: an Excel file could then read files of this computer
        raise FileFault(ENTITIES)
    _fit_to_open(path)
    try:
        file = path.open("rb")
    except OSError:
        raise Changing from None
    with file:  # ours to close: the library leaves it open when it fails in the middle
        with _read():
            book = load_workbook(file, read_only=True, data_only=False, keep_links=False)
        try:
            yield book
        finally:
            book.close()


def _unsaid(*_: object) -> None:
    """Instead of `print`."""


def _fit_to_open(path: Path) -> None:
    """Refuses by the list of parts, before anything is unpacked. Sizes in it bind: zipfile reads no byte more."""
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
    except OSError:
        raise Changing from None
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        raise FileFault(DAMAGED) from None
    names = {part.filename.lower() for part in parts}
    if any("vbaproject" in name for name in names):
        raise FileFault(MACROS)
    if "xl/workbook.xml" not in names:
        raise FileFault(NOT_XLSX)
    if len(parts) > MOST_PARTS or sum(part.file_size for part in parts) > MOST_UNPACKED:
        raise FileFault(BOMB)
    for part in parts:
        name = part.filename.lower()
        most = MOST_UNPACKED if "/worksheets/" in name else MOST_STRINGS if "sharedstrings" in name else MOST_OTHER
        steep = part.file_size > SMALL and part.file_size > STEEPEST * max(part.compress_size, 1)
        if steep or (part.file_size > most and name.endswith((".xml", ".rels"))):
            raise FileFault(BOMB)
        if part.flag_bits & 1:
            raise FileFault(DAMAGED)


@contextmanager
def _read() -> Iterator[None]:
    """openpyxl and what it rests on fail in many ways on bytes that are no sheet; each means the same to the reader."""
    from defusedxml import DefusedXmlException

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # remarks on styles and on dates out of range; such cells read as errors
        try:
            yield
        except FileFault:
            raise
        except PermissionError:
            raise Changing from None
        except (MemoryError, KeyboardInterrupt, SystemExit):
            raise
        except Exception as error:  # noqa: BLE001 - the library's own list of failures is open
            forbidden = isinstance(error, DefusedXmlException) or isinstance(error.__cause__, DefusedXmlException)
            raise FileFault(ENTITIES if forbidden else DAMAGED) from None
