"""A folder of exports for the tests of the files adapter: writes tables as programs do, and opens the adapter on it."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from hashlib import sha256
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from handrail.adapters.files.layout import WIDE, Layout, Layouts
from handrail.adapters.files.spec import SPEC
from handrail.plugin_core.cli.dialogue import Said
from handrail.plugin_core.contracts import Adapter, AdapterContext, Page, RemoteForm, RemoteResponse
from handrail.plugin_core.words import kept
from handrail.schemas.records import Cursor, Quarantined
from handrail.schemas.vocab import QuarantineReason

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
HEADINGS = ("Form ID", "Client ID", "Client Name", "Date", "I slept well", "I felt calm")
LAYOUT = Layout(
    name="sleep",
    kind="csv",
    layout=WIDE,
    form="sleep",
    headings=(HEADINGS,),
    columns={"id": "Form ID", "client": "Client ID", "name": "Client Name", "date": "Date"},
    dates="dmy",
    encoding="utf-8",
    delimiter=";",
)
ROWS = (
    ("F1", "0071", "Zoë Müller", "13.02.2026", "Often", "Never"),
    ("F2", "0072", "Bo Grün", "14.02.2026 09:30", "Rarely", ""),
)
NAMES = ("Zoë", "Müller", "Bo ", "Grün", "0071", "0072")


READ = [
    ("0071", "2026-02-13T12:00:00+01:00", {"i slept well": "Often", "i felt calm": "Never"}),
    ("0072", "2026-02-14T09:30:00+01:00", {"i slept well": "Rarely", "i felt calm": None}),
]

NATIVE = [
    ("F1", "0071", "Zoë Müller", datetime(2026, 2, 13), "Often", "Never"),  # noqa: DTZ001 - Excel has no zones
    ("F2", "0072", "Bo Grün", datetime(2026, 2, 14, 9, 30), "Rarely", None),  # noqa: DTZ001
]


class Exports:
    """The folder, the practice's own folder, and a clock that tests move."""

    def __init__(self, place: Path, zone: tzinfo | None = None) -> None:
        self.folder, self.own = place / "exports", place / "own"
        self.folder.mkdir(parents=True)
        self.own.mkdir()
        self.now = NOW
        self.zone = zone or ZoneInfo("Europe/Zurich")
        self.slept: list[float] = []
        self.while_sleeping: list[Any] = []
        self._stamp = 0

    # --- files -----------------------------------------------------------------------------------------------------

    def csv(
        self,
        name: str = "export.csv",
        rows: Sequence[Sequence[str]] = ROWS,
        headings: Sequence[str] = HEADINGS,
        *,
        encoding: str = "utf-8",
        delimiter: str = ";",
        end: str = "\r\n",
    ) -> Path:
        """A CSV file, an hour old."""
        text = io.StringIO(newline="")
        table = csv.writer(text, delimiter=delimiter, lineterminator=end)
        table.writerows([headings, *rows])
        return self.put(name, text.getvalue().encode(encoding))

    def xlsx(self, name: str, rows: Sequence[Sequence[Any]], headings: Sequence[str] = HEADINGS, **more: Any) -> Path:
        """An Excel file, an hour old; `more`: `work(book)` is let at it before it is saved."""
        from openpyxl import Workbook

        book = Workbook()
        sheet = book.active
        assert sheet is not None
        sheet.title = "Export"
        for row in (headings, *rows):
            sheet.append(list(row))
        if work := more.get("work"):
            work(book)
        data = io.BytesIO()
        book.save(data)
        return self.put(name, data.getvalue())

    def put(self, name: str, data: bytes, *, age: float = 3600) -> Path:
        """A file with these bytes, `age` seconds old; each one a little newer than the one before."""
        path = self.folder / name
        path.write_bytes(data)
        self.date(path, age)
        return path

    def date(self, path: Path, age: float) -> None:
        """Makes a file `age` seconds old."""
        self._stamp += 1
        when = int((self.now.timestamp() - age) * 1e9) + self._stamp
        os.utime(path, ns=(when, when))

    # --- the adapter -----------------------------------------------------------------------------------------------

    def context(self, **settings: Any) -> AdapterContext:
        """What the adapter is handed."""
        return AdapterContext(
            practice="p",
            settings=SPEC.settings()().load({"folder": str(self.folder), **settings}),
            secret=str,
            warn=lambda _: None,
            now=lambda: self.now.timestamp(),
            sleep=self._sleep,
            user_agent="test/1",
            zone=self.zone,
            own=self.own,
            hash=lambda text: sha256(f"key|{text}".encode()).hexdigest()[:32],
        )

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += timedelta(seconds=seconds)
        for work in self.while_sleeping:
            work()

    def open(self, **settings: Any) -> Adapter:
        """The adapter."""
        return SPEC.open(self.context(**settings))

    def confirm(self, layout: Layout = LAYOUT) -> None:
        """Somebody has confirmed a layout."""
        Layouts(self.own).save(layout)

    def layouts(self) -> list[Layout]:
        """What was confirmed."""
        return Layouts(self.own).all()

    def arrange(self, answers: Mapping[str, str] | None = None, *, confirm: bool = True) -> tuple[Said, list[str]]:
        """`connect` without a person: what was shown, and what is still open."""
        said = Said(answers or {}, confirm)
        assert SPEC.arrange is not None
        return said, list(SPEC.arrange(self.context(), said))

    def pull(self, cursor: Cursor | None = None) -> Pulled:
        """All pages."""
        return Pulled(list(self.open().pull(cursor)))

    def forms(self) -> list[RemoteForm]:
        """The forms that `connect` would list."""
        return list(self.open().forms())


class Pulled:
    """What a pull brought."""

    def __init__(self, pages: Sequence[Page]) -> None:
        self.pages = pages
        self.forms: list[RemoteResponse] = [one for page in pages for one in page.responses]
        self.aside: list[Quarantined] = [one for page in pages for one in page.set_aside]
        self.gone = [one for page in pages for one in page.gone]
        self.said = [sentence for page in pages for sentence in page.warnings]
        cursors = [page.cursor for page in pages if page.cursor is not None]
        self.cursor = cursors[-1] if cursors else None

    @property
    def answers(self) -> list[tuple[str, str | None, dict[str, str | None]]]:
        """(client, time, label by question) of each form."""
        return [
            (
                one.client,
                one.authored,
                {line.question: line.answers[0].label if line.answers else None for line in one.lines},
            )
            for one in self.forms
        ]

    @property
    def texts(self) -> str:
        """Everything that people would read of it."""
        return " ".join([*self.said, *(f"{one.where}: {one.message}" for one in self.aside)])


def refused(exports: Exports, why: str, *, reason: QuarantineReason | None = None) -> None:
    """The one file is set aside as a whole with this sentence, and nothing in any text is of a client."""
    got = exports.pull()
    assert got.forms == []
    assert [one.message for one in got.aside] == [why]
    assert reason in (None, got.aside[0].reason)
    assert got.aside[0].where.startswith("the whole file ")
    assert kept.told(why) in got.texts
    assert_private(got.texts)


def assert_private(texts: str) -> None:
    """No name and no number of a client in what people read."""
    assert not [name for name in NAMES if name.strip() in texts], texts


def confirmed_excel(exports: Exports) -> None:
    """Somebody has confirmed the same layout for Excel files."""
    exports.confirm(replace(LAYOUT, kind="xlsx", encoding=None, delimiter=None, dates="excel"))
