"""A file as rows of cells, whatever it is written in. CSV is read here, Excel in `xlsx.py`; both stream.

A cell is a text (stripped; empty: nothing there), a local date and time (Excel's own dates), or a `Bad` one, which
matters only where the cell is read.
"""

from __future__ import annotations

import csv
import io
from codecs import getincrementaldecoder
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from .faults import (
    CUT,
    EMPTY,
    HTML,
    LONG_LINE,
    NO_DELIMITER,
    NOT_CSV,
    NOT_TEXT,
    OLD_EXCEL,
    OTHER_ENCODING,
    TOO_WIDE,
    UNDECIDED_ENCODING,
    Changing,
    FileFault,
)

CHUNK = 1 << 20
LONGEST_LINE = 1_000_000
MOST_COLUMNS = 1000
SAMPLE_ROWS = 50
DELIMITERS = (",", ";", "\t", "|")
UTF8, UTF8_BOM, UTF16, WESTERN, ASCII = "utf-8", "utf-8-sig", "utf-16", "windows-1252", "ascii"
CSV_ENDINGS, EXCEL_ENDINGS = (".csv", ".txt", ".tsv"), (".xlsx", ".xlsm", ".xls", ".xltx", ".xltm")
# Letters and signs of western European texts in Windows-1252; another byte means another encoding, or a mix of two.
_WESTERN = frozenset(
    "ÄÖÜäöüßÀÁÂÃÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕØŒÙÚÛÝàáâãåæçèéêëìíîïñòóôõøœùúûýÿ€‘’“”„‚…–—«»§°·´¡¿\xa0".encode("cp1252")
)


_OTHERS = (
    ((b"\xd0\xcf\x11\xe0",), OLD_EXCEL),
    ((b"<html", b"<!doctype", b"<table", b"<?xml"), HTML),
    ((b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff", b"%pdf"), NOT_TEXT),
)


@dataclass(frozen=True, slots=True)
class Bad:
    """A cell that cannot be taken for its word: a formula, an error, a number that lost its digits."""

    why: str


Cell = str | datetime | Bad


@dataclass(frozen=True, slots=True)
class How:
    """How a file is opened. `sure` is False where the encoding is a guess that a person must look at."""

    kind: str
    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None
    sure: bool = True


class Table(Protocol):
    """An open file: the row of headings, then rows with their line numbers."""

    headings: tuple[str, ...]

    def rows(self) -> Iterator[tuple[int, Sequence[Cell]]]:
        """Every row with content, from the first below the headings. Raises FileFault."""
        ...


@dataclass(frozen=True, slots=True)
class Scan:
    """All bytes of a file, looked at once: their hash, and for text the encoding."""

    sha256: str
    kind: str
    encoding: str | None
    sure: bool


def scan(path: Path) -> Scan:
    """Looks at a whole file without holding it.

    :raises FileFault: it is empty, or neither text nor a zip.
    :raises Changing: it cannot be opened just now.
    """
    looked = _Bytes()
    digest = sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
                looked.take(chunk)
    except OSError:  # Windows: open in Excel; anywhere: gone, or no right to read it
        raise Changing from None
    encoding, sure = looked.encoding(path.suffix.lower())
    return Scan(digest.hexdigest(), "xlsx" if encoding is None else "csv", encoding, sure)


class _Bytes:
    """What the bytes of a file say of their encoding."""

    def __init__(self) -> None:
        self.head = b""
        self.size = self.nulls = 0
        self.beyond: set[int] = set()
        self._utf8 = getincrementaldecoder("utf-8")()
        self.utf8 = self.blank = True

    def take(self, chunk: bytes) -> None:
        if len(self.head) < 4096:
            self.head += chunk[:4096]
        self.size += len(chunk)
        self.nulls += chunk.count(0)
        self.blank = self.blank and not chunk.lstrip(b"\xef\xbb\xbf\xfe\xff \t\r\n,;\x00")
        self.beyond.update(byte for byte in set(chunk) if byte > 127)
        if self.utf8:
            try:
                self._utf8.decode(chunk)
            except UnicodeDecodeError:
                self.utf8 = False

    def encoding(self, ending: str) -> tuple[str | None, bool]:
        """The encoding and whether it is sure; None for an Excel file."""
        if self.blank:
            raise FileFault(EMPTY)
        if self.head.startswith(b"PK\x03\x04"):
            if ending in CSV_ENDINGS:
                raise FileFault(NOT_CSV)
            return None, True
        begins = self.head.lstrip(b"\xef\xbb\xbf \t\r\n")[:16].lower()
        for signs, why in _OTHERS:
            if begins.startswith(signs):
                raise FileFault(why)
        if self.head.startswith((b"\xff\xfe", b"\xfe\xff")):
            return UTF16, True
        if self.nulls:
            raise FileFault(NOT_TEXT)
        if not self.beyond:
            return ASCII, True
        if self.utf8 and not self._utf8.getstate()[0]:
            return (UTF8_BOM if self.head.startswith(b"\xef\xbb\xbf") else UTF8), True
        return WESTERN, self.beyond <= _WESTERN


def opening(found: Scan, confirmed: How) -> How:
    """How to open a file of a confirmed layout: a mark at its beginning says more than the layout.

    :raises FileFault: it is in another encoding.
    """
    if found.kind == "xlsx" or found.encoding in (ASCII, confirmed.encoding):
        return confirmed
    if found.encoding in (UTF8_BOM, UTF16) or {found.encoding, confirmed.encoding} <= {UTF8, UTF8_BOM, ASCII, UTF16}:
        return replace(confirmed, encoding=found.encoding)
    if found.encoding == WESTERN and confirmed.encoding not in (ASCII, UTF8, UTF8_BOM, UTF16):
        return confirmed  # another encoding of single bytes, which a person named
    raise FileFault(OTHER_ENCODING)


def detect(path: Path, found: Scan, encoding: str | None = None) -> How:
    """How a text file is parted into columns.

    :raises FileFault: it cannot be told.
    """
    encoding = encoding or found.encoding or UTF8
    scores = []
    for delimiter in DELIMITERS:
        widths = []
        try:
            with _reader(path, How("csv", encoding, delimiter)) as rows:
                for number, row in enumerate(rows):
                    widths.append(len(row))
                    if number >= SAMPLE_ROWS:
                        break
        except FileFault:
            continue
        if widths and widths[0] > 1:
            scores.append((sum(width == widths[0] for width in widths) / len(widths), widths[0], delimiter))
    best = sorted(scores, reverse=True)
    if not best or (len(best) > 1 and best[0][:2] == best[1][:2]):
        raise FileFault(NO_DELIMITER if found.sure else UNDECIDED_ENCODING)
    return How("csv", encoding, best[0][2], sure=found.sure)


@contextmanager
def table(path: Path, how: How) -> Iterator[Table]:
    """The open file.

    :raises FileFault: it cannot be read so.
    :raises Changing: it cannot be opened just now.
    """
    if how.kind == "xlsx":
        from .xlsx import sheet

        with sheet(path, how.sheet) as found:
            yield found
        return
    with _reader(path, how) as rows:
        first = next(rows, None)
        if first is None:
            raise FileFault(EMPTY)
        if len(first) > MOST_COLUMNS:
            raise FileFault(TOO_WIDE)
        yield _Csv(_heads(first), rows)


class _Csv:
    """A CSV file from its second row on."""

    def __init__(self, headings: tuple[str, ...], rows: _Rows) -> None:
        self.headings = headings
        self._rows = rows

    def rows(self) -> Iterator[tuple[int, Sequence[Cell]]]:
        """See `Table`; a row of several lines has the number of its first."""
        before = self._rows.line
        for row in self._rows:
            line, before = before + 1, self._rows.line
            cells = [cell.strip() for cell in row]
            if any(cells):
                yield line, cells


class _Rows:
    """Rows of a CSV file; every way in which they can fail is a FileFault."""

    def __init__(self, file: io.TextIOWrapper, delimiter: str) -> None:
        self._file = file
        self._skipped = 0
        first = file.readline(LONGEST_LINE)
        if first.strip().strip('"').lower() == f"sep={delimiter}":  # Excel's own first line
            self._skipped, first = 1, ""
        self._reader = csv.reader(self._lines(first), delimiter=delimiter, strict=True)

    @property
    def line(self) -> int:
        """The number of the last line that was read."""
        return self._reader.line_num + self._skipped

    def _lines(self, line: str) -> Iterator[str]:
        line = line or self._file.readline(LONGEST_LINE)
        while line:
            if len(line) >= LONGEST_LINE:
                raise FileFault(LONG_LINE)
            if "\x00" in line:
                raise FileFault(NOT_TEXT)
            yield line
            line = self._file.readline(LONGEST_LINE)

    def __iter__(self) -> _Rows:
        return self

    def __next__(self) -> list[str]:
        try:
            return next(self._reader)
        except csv.Error:
            raise FileFault(CUT) from None
        except UnicodeError:
            raise FileFault(OTHER_ENCODING) from None


@contextmanager
def _reader(path: Path, how: How) -> Iterator[_Rows]:
    try:
        file = path.open(encoding=how.encoding, newline="")
    except OSError:
        raise Changing from None
    except LookupError:
        raise FileFault(UNDECIDED_ENCODING) from None
    with file:
        try:
            rows = _Rows(file, how.delimiter or ",")
        except UnicodeError:
            raise FileFault(OTHER_ENCODING) from None
        yield rows


def _heads(row: Sequence[str]) -> tuple[str, ...]:
    return tuple(" ".join(cell.replace("\ufeff", "").split()) for cell in row)
