"""One line of the input as a `Response`, or the reason why not. JSON Lines and CSV differ here and nowhere else.

`schemas/screen.py` is the judge of a line. Most lines are plainly right, though, and are read by a short way that
accepts nothing the schema would refuse and gives the same record (a test holds the two together); all else goes to
the schema, whose messages never hold a value.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

import msgspec
from marshmallow import ValidationError

from ...schemas.base import parse_time
from ...schemas.problems import problems
from ...schemas.records import Instrument, Response
from ...schemas.responses import Checker, answer_checker
from ...schemas.screen import COLUMNS, ScreenLineSchema, line_from_row
from ...schemas.screen import _id as made_id
from ..errors import UsageError

_PLAIN_KEYS = frozenset({"client", "instrument", "version", "authored", "answers", "id"})

Decode = Callable[[bytes], "dict[str, Any] | str"]


class _ClientOnly(msgspec.Struct):
    client: str


class Reader:
    """Reads lines of one file.

    :param instruments: the forms that answers are judged by.
    :param first: the first line of the file: a CSV header, or anything else for JSON Lines.
    :raises UsageError: the header of a CSV file lacks a column or has one twice.
    """

    def __init__(self, instruments: Iterable[Instrument], first: bytes) -> None:
        self._forms = tuple(instruments)
        self._client_only = msgspec.json.Decoder(_ClientOnly)
        header = _header(first)
        self.skip = 0 if header is None else 1
        self._decode: Decode = _from_json if header is None else _Rows(*header)
        self._csv = header is not None

    # Made when first needed: one reader of two only finds out the clients, and most files need no schema.

    @cached_property
    def _schema(self) -> ScreenLineSchema:
        return ScreenLineSchema(self._forms)

    @cached_property
    def _checkers(self) -> dict[tuple[str, str], Checker]:
        return {form.key: answer_checker(form) for form in self._forms}

    def read(self, raw: bytes) -> Response | str:
        """The form of this line, or why it cannot be read, without any value of it."""
        found = self._decode(raw)
        if isinstance(found, str):
            return found
        return self._quick(found) or self._judge(found)

    def client(self, raw: bytes) -> str | None:
        """The client of this line, None where not even that can be read. Cheap: everything else is skipped."""
        try:
            if not self._csv:
                return self._client_only.decode(raw).client
        except (ValueError, RecursionError):
            return None
        found = self._decode(raw)
        return None if isinstance(found, str) else found.get("client")

    def _quick(self, line: dict[str, Any]) -> Response | None:
        """The record of a line that is plainly right, else None: then the schema judges."""
        if not _PLAIN_KEYS.issuperset(line):
            return None
        try:
            client, instrument, version = line["client"], line["instrument"], line["version"]
            authored = parse_time(line["authored"])
            answers = self._checkers[instrument, version](line["answers"])
        except (KeyError, TypeError, AttributeError, ValueError, ValidationError):
            return None
        if not _plain(client) or not _plain(line.get("id", "-")):
            return None
        parts = {"client": client, "instrument": instrument, "authored": authored}
        return Response(
            id=line["id"] if "id" in line else made_id(parts),
            client=client,
            instrument=instrument,
            instrument_version=version,
            authored=authored,
            answers=answers,
        )

    def _judge(self, line: dict[str, Any]) -> Response | str:
        try:
            found: Response = self._schema.load(line)
        except ValidationError as error:
            return "; ".join(problems(error))
        return found


def _plain(text: object) -> bool:
    return isinstance(text, str) and 0 < len(text) <= 255 and text.isascii() and text.isprintable()


def _from_json(raw: bytes) -> dict[str, Any] | str:
    try:
        found = msgspec.json.decode(raw)
    except (ValueError, RecursionError):
        return "is not a JSON object in UTF-8"
    return found if isinstance(found, dict) else "is not a JSON object in UTF-8"


def _header(first: bytes) -> tuple[list[str], str] | None:
    """The columns and the separator if this is the header of a CSV file, None if it is a line of JSON."""
    if first.lstrip().startswith(b"{"):
        return None
    text = first.decode("utf-8", errors="replace").strip()
    separator = ";" if text.count(";") > text.count(",") else ","
    try:
        columns = [cell.strip() for cell in next(csv.reader([text], delimiter=separator), [])]
    except csv.Error:  # a cell of more than 128 KiB
        return None
    if "client" not in columns:
        return None
    missing = [name for name in COLUMNS if name not in columns]
    if missing:
        raise UsageError(f"The CSV file lacks the column {missing[0]}. Needed are: {', '.join(COLUMNS)}.")
    if len(set(columns)) < len(columns):
        raise UsageError("The CSV file has two columns of one name. Remove one of them.")
    return columns, separator


class _Rows:
    """Reads a row of CSV. A row is one line: a quoted line break inside a cell is refused."""

    def __init__(self, columns: list[str], separator: str) -> None:
        self.columns = columns
        self.separator = separator

    def __call__(self, raw: bytes) -> dict[str, Any] | str:
        try:
            rows = list(csv.reader([raw.decode("utf-8").rstrip("\r\n")], delimiter=self.separator, strict=True))
        except (UnicodeDecodeError, csv.Error):
            return "is not a row of CSV in UTF-8"
        cells = rows[0] if rows else []
        if len(cells) != len(self.columns):
            return f"has {len(cells)} cells where the header has {len(self.columns)}"
        line = line_from_row(dict(zip(self.columns, (cell.strip() for cell in cells), strict=True)))
        # Empty cells belong to the columns of other forms as well, so they are left out: left out is empty.
        line["answers"] = {name: value for name, value in line["answers"].items() if value is not None}
        return line
