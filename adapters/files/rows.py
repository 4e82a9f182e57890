"""Rows to forms: one row a form (wide), or one row an answer (long). What cannot be read costs its own row.

A form's identity is the number that the export gives it, else client, day and form; hashed with the practice's key, so
that the same form is known again in every export that holds it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo

from ...plugin_core.contracts import RemoteAnswer, RemoteLine, RemoteResponse
from ...plugin_core.mapping.texts import plain
from ...schemas.base import storable
from ...schemas.vocab import QuarantineReason as R
from . import dates
from .dates import placed, read_clock, read_day
from .faults import (
    BAD_DATE,
    CONFLICT,
    ERROR_CELL,
    FORMULA,
    LONG_IDS,
    LONG_TEXT,
    MIXED_DATES,
    MOSTLY_BROKEN,
    NO_CLIENT,
    NO_DATE,
    NO_FORM,
    NO_HEADING,
    NO_ID,
    NO_QUESTION,
    NO_ROWS,
    OTHER_DATES,
    SAME_ID,
    UNSTORABLE,
    WIDTH,
    ZEROS,
    FileFault,
    RowFault,
)
from .layout import WIDE, Layout, zone_of
from .tables import Bad, Cell, Table

LONGEST = 255
LONGEST_ANSWER = 4000
MOST_LINES_KEPT = 4096
BROKEN_LEAST, BROKEN_SHARE = 20, 0.5
EXCEL_BEGINS_TO_ROUND = 15
ROUNDED = re.compile(r"\d(?:[.,]\d+)?E\+?\d{2,}", re.IGNORECASE)
_NUMBER = re.compile(r"-?\d{1,9}(?:([.,])(\d{1,6}))?")


@dataclass(frozen=True, slots=True)
class Broken:
    """A row that is not read. `key` stands for the form where that much could be read."""

    line: int
    why: str
    reason: R
    key: str | None = None
    form: str | None = None


@dataclass(slots=True)
class Survey:
    """What one look over a file found: how often each form's key came, which keys contradict themselves, and which lack
    a row that cannot be read (long)."""

    rows: int = 0
    forms: dict[str, int] = field(default_factory=dict)
    conflicts: set[str] = field(default_factory=set)
    torn: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Row:
    """One row's facts, or one answer's."""

    line: int
    key: str
    client: str
    form: str
    authored: str
    name: str | None
    clinician: str | None
    lines: tuple[RemoteLine, ...]


@dataclass(frozen=True, slots=True)
class Person:
    """What a row says of its client."""

    client: str
    name: str | None
    clinician: str | None


class Reader:
    """Reads the rows of one file by its layout.

    :param hashed: a keyed hash of the practice.
    :param zone: the practice's, for times without one.
    """

    def __init__(self, layout: Layout, headings: Sequence[str], hashed: Callable[[str], str], zone: tzinfo) -> None:
        self.layout = layout
        self._hashed = hashed
        self._zone = zone_of(layout.zone) or zone
        self._at = {role: headings.index(heading) for role, heading in layout.columns.items() if heading in headings}
        taken = {*self._at.values(), *(index for index, one in enumerate(headings) if one in layout.ignored)}
        self._questions = [
            (index, plain(heading)[:LONGEST], heading)
            for index, heading in enumerate(headings)
            if layout.layout == WIDE and heading and index not in taken
        ]
        self._width = len(headings)
        self._nameless = [index for index, heading in enumerate(headings) if not heading]
        self._kept: dict[tuple[str, str], RemoteLine] = {}

    # --- the first look ------------------------------------------------------------------------------------------

    def survey(self, table: Table, now: datetime) -> Survey:
        """Looks over a whole file before any of it is read.

        :raises FileFault: it deviates from its layout as a whole.
        """
        found, signs = Survey(), _Signs(self.layout, now)
        contents: dict[str, int] = {}
        broken = 0
        for line, cells in table.rows():
            found.rows += 1
            if any(index < len(cells) and cells[index] != "" for index in self._nameless):
                raise FileFault(NO_HEADING, R.SHAPE)
            signs.look(self._cell(cells, "date"), *(self._cell(cells, role) for role in ("id", "client")))
            try:
                row = self._row(line, cells)
            except RowFault as fault:
                broken += 1
                if self.layout.layout != WIDE and (torn := self._broken(line, cells, fault).key) is not None:
                    found.torn.add(torn)
                continue
            found.forms[row.key] = found.forms.get(row.key, 0) + 1
            if self.layout.layout == WIDE:
                content = hash((row.client, row.authored, row.lines))
                if contents.setdefault(row.key, content) != content:
                    found.conflicts.add(row.key)
        if found.rows == 0:
            raise FileFault(NO_ROWS)
        signs.judge()
        if broken >= BROKEN_LEAST and broken > found.rows * BROKEN_SHARE:
            raise FileFault(MOSTLY_BROKEN, R.CHANGED_DEFINITION)
        return found

    # --- reading -------------------------------------------------------------------------------------------------

    def forms(self, table: Table, survey: Survey, updated: str | None) -> Iterator[RemoteResponse | Broken]:
        """The forms of a file, each once, and the rows that are not read."""
        left = Counter(survey.forms)
        open_forms: dict[str, list[_Row]] = {}
        done: set[str] = set()
        for line, cells in table.rows():
            try:
                row = self._row(line, cells)
            except RowFault as fault:
                yield self._broken(line, cells, fault)
                continue
            left[row.key] -= 1
            if self.layout.layout == WIDE:
                if row.key in survey.conflicts:
                    yield Broken(line, SAME_ID if "id" in self._at else CONFLICT, R.SHAPE, row.key, row.form)
                elif row.key not in done:
                    if survey.forms[row.key] > 1:
                        done.add(row.key)
                    yield _response(row, row.lines, updated)
                continue
            if row.key in survey.torn:  # scored without the answer that cannot be read, it would look like a blank
                continue
            rows = open_forms.setdefault(row.key, [])
            rows.append(row)
            if left[row.key] <= 0:
                del open_forms[row.key]
                yield self._joined(rows, updated)

    def _joined(self, rows: list[_Row], updated: str | None) -> RemoteResponse | Broken:
        """The rows of one form in the long layout; the same line twice counts once."""
        first = rows[0]
        if len({(row.client, row.authored, row.form) for row in rows}) > 1:
            return Broken(first.line, SAME_ID, R.SHAPE, first.key, first.form)
        by_question: dict[str, tuple[RemoteAnswer, ...]] = {}
        for (line,) in (row.lines for row in rows):
            before = by_question.get(line.question, ())
            by_question[line.question] = (*before, *(answer for answer in line.answers if answer not in before))
        texts = {line.question: line.text for row in rows for line in row.lines}
        lines = tuple(RemoteLine(name, texts[name], answers) for name, answers in by_question.items())
        return _response(first, lines, updated)

    def people(self, table: Table) -> Iterator[Person]:
        """What the rows say of their clients; rows that cannot be read are passed over."""
        for _, cells in table.rows():
            try:
                client = self._text(cells, "client")
                if client:
                    yield Person(client, self._text(cells, "name") or None, self._text(cells, "clinician") or None)
            except RowFault:
                continue

    def _broken(self, line: int, cells: Sequence[Cell], fault: RowFault) -> Broken:
        """A row that is set aside, under its form's own number where that can be read, so that a later export with the
        row mended takes it out of quarantine."""
        form = key = None
        with suppress(RowFault):
            form = self._form(cells)
            own, client = self._text(cells, "id"), self._text(cells, "client")
            key = self._key(cells, client, form, "" if own else self._authored(cells).isoformat())
        return Broken(line, fault.why, fault.reason, key, form)

    def _row(self, line: int, cells: Sequence[Cell]) -> _Row:
        if len(cells) != self._width:
            raise RowFault(WIDTH)
        client = self._text(cells, "client")
        if not client:
            raise RowFault(NO_CLIENT, R.NO_CLIENT)
        form = self._form(cells)
        authored = self._authored(cells).isoformat()
        lines = self._wide(cells) if self.layout.layout == WIDE else self._long(cells)
        key = self._key(cells, client, form, authored)
        name, clinician = self._text(cells, "name") or None, self._text(cells, "clinician") or None
        return _Row(line, key, client, form, authored, name, clinician, lines)

    def _key(self, cells: Sequence[Cell], client: str, form: str, authored: str) -> str:
        if "id" in self._at:
            own = self._text(cells, "id")
            if not own:
                raise RowFault(NO_ID)
            return self._hashed(repr((form, own)))
        return self._hashed(repr((form, client, authored)))

    def _form(self, cells: Sequence[Cell]) -> str:
        if "form" not in self._at:
            return self.layout.form
        form = self._text(cells, "form")
        if not form:
            raise RowFault(NO_FORM)
        return form

    def _wide(self, cells: Sequence[Cell]) -> tuple[RemoteLine, ...]:
        return tuple(self._line(name, text, cells[index]) for index, name, text in self._questions)

    def _long(self, cells: Sequence[Cell]) -> tuple[RemoteLine, ...]:
        question = self._text(cells, "question", LONGEST_ANSWER)
        if not question:
            raise RowFault(NO_QUESTION)
        return (self._line(plain(question)[:LONGEST], question, cells[self._at["answer"]]),)

    def _line(self, name: str, text: str, cell: Cell) -> RemoteLine:
        """A line, as one object where an equal one came before (the contract asks for that)."""
        if isinstance(cell, Bad):
            raise RowFault(cell.why, R.UNREADABLE)
        if isinstance(cell, datetime):
            cell = cell.isoformat()
        if len(cell) > LONGEST_ANSWER:
            cell = cell[:LONGEST_ANSWER]
        if not storable(cell):
            raise RowFault(UNSTORABLE)
        if (known := self._kept.get((name, cell))) is not None:
            return known
        line = RemoteLine(name, text, (self._answer(cell),) if cell else ())
        if len(self._kept) < MOST_LINES_KEPT:
            self._kept[name, cell] = line
        return line

    def _answer(self, cell: str) -> RemoteAnswer:
        """A cell as an answer: a number is the same answer as 3, 3.0 or 3,0 where the layout's sign allows it."""
        found = _NUMBER.fullmatch(cell)
        if found is None or found[1] not in (None, self.layout.decimal):
            return RemoteAnswer(label=cell)
        number = float(cell.replace(",", "."))
        return RemoteAnswer(label=str(int(number)) if number == int(number) else cell, number=number)

    def _authored(self, cells: Sequence[Cell]) -> datetime:
        cell = self._cell(cells, "date")
        if isinstance(cell, Bad):
            raise RowFault(cell.why, R.NO_TIME)
        if cell == "":
            raise RowFault(NO_DATE, R.NO_TIME)
        moment = cell if isinstance(cell, datetime) else read_day(cell, self.layout.dates)
        if moment is None:
            raise RowFault(BAD_DATE, R.NO_TIME)
        if isinstance(cell, datetime) and cell.time() == datetime.min.time():
            moment = cell.replace(hour=12)
        clock = self._text(cells, "time")
        if clock:
            hour = read_clock(clock)
            if hour is None:
                raise RowFault(BAD_DATE, R.NO_TIME)
            moment = datetime.combine(moment.date(), hour)
        return placed(moment.replace(microsecond=0), self._zone)

    def _cell(self, cells: Sequence[Cell], role: str) -> Cell:
        index = self._at.get(role)
        return cells[index] if index is not None and index < len(cells) else ""

    def _text(self, cells: Sequence[Cell], role: str, longest: int = LONGEST) -> str:
        cell = self._cell(cells, role)
        if isinstance(cell, Bad):
            raise RowFault(cell.why, R.UNREADABLE)
        text = cell.isoformat() if isinstance(cell, datetime) else " ".join(cell.split())
        if len(text) > longest:
            raise RowFault(LONG_TEXT)
        if not storable(text):
            raise RowFault(UNSTORABLE)
        return text


def _response(row: _Row, lines: tuple[RemoteLine, ...], updated: str | None) -> RemoteResponse:
    return RemoteResponse(
        id=row.key,
        form=row.form,
        client=row.client,
        status="completed",
        lines=lines,
        authored=row.authored,
        updated=updated,
        client_name=row.name,
    )


class _Signs:
    """Signs over a whole file that what it says is not what was meant."""

    def __init__(self, layout: Layout, now: datetime) -> None:
        self._layout = layout
        self._now = now.replace(tzinfo=None) + timedelta(days=2)
        self._native = self._text = self._wrong = self._future = self._swapped_future = self._swapped = 0
        self._long = self._rounded = self._short = self._digits = 0

    def look(self, day: Cell, own: Cell, client: Cell) -> None:
        """One row's date, number and client."""
        if isinstance(day, datetime):
            self._native += 1
        elif isinstance(day, str) and day:
            self._date(day)
        for cell in (own, client):
            if isinstance(cell, Bad) and cell.why not in (FORMULA, ERROR_CELL):
                raise FileFault(LONG_IDS, R.SHAPE)
            if not isinstance(cell, str):
                continue
            if ROUNDED.fullmatch(cell):
                raise FileFault(LONG_IDS, R.SHAPE)
            if cell.isdigit() and len(cell) > EXCEL_BEGINS_TO_ROUND:
                self._long += 1
                self._rounded += not cell[EXCEL_BEGINS_TO_ROUND:].strip("0") and len(cell) > EXCEL_BEGINS_TO_ROUND + 2
        if isinstance(client, str) and client.isdigit():
            self._digits += 1
            self._short += len(client) < self._layout.client_digits

    def _date(self, day: str) -> None:
        self._text += 1
        order = self._layout.dates
        here = read_day(day, order)
        if here is None:
            self._wrong += bool(dates.orders_of(day))
            return
        other = {dates.DMY: dates.MDY, dates.MDY: dates.DMY}.get(order)
        swapped = read_day(day, other) if other else None
        self._future += here.replace(tzinfo=None) > self._now
        self._swapped += swapped is not None
        self._swapped_future += swapped is not None and swapped.replace(tzinfo=None) > self._now

    def judge(self) -> None:
        """:raises FileFault: the file as a whole is not to be read."""
        if self._long and self._long == self._rounded:
            raise FileFault(LONG_IDS, R.SHAPE)
        if self._short:
            raise FileFault(ZEROS, R.SHAPE)
        if self._native and self._text and self._layout.dates != dates.NATIVE:
            raise FileFault(MIXED_DATES, R.CHANGED_DEFINITION)
        if self._native and self._text:
            raise FileFault(MIXED_DATES, R.CHANGED_DEFINITION)
        native = self._layout.dates == dates.NATIVE
        if (self._native and not native) or (self._text and native) or self._wrong:
            raise FileFault(OTHER_DATES, R.CHANGED_DEFINITION)
        if self._future and self._swapped == self._text and not self._swapped_future:
            raise FileFault(OTHER_DATES, R.CHANGED_DEFINITION)
