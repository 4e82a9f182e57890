"""A practice that exports its answers into a folder: one table with all rows, written anew when something changes."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, Self

from handrail.adapters.files.layout import WIDE, Layout
from handrail.plugin_core.testing import FORM_TITLE, QUESTIONS, Clock, Filled, Platform

HEADINGS = ("Intake Id", "Client Id", "Client Name", "Date Submitted", *(question.text for question in QUESTIONS))
LAYOUT = Layout(
    name="kestrel",
    kind="csv",
    layout=WIDE,
    form=FORM_TITLE,
    headings=(HEADINGS,),
    columns={"id": "Intake Id", "client": "Client Id", "name": "Client Name", "date": "Date Submitted"},
    dates="ymd",
    encoding="utf-8",
    delimiter=";",
)
NO_SERVER = "There is a folder and no server, so nothing of this can happen to it."


class FilesDouble(Platform):
    """The folder."""

    cannot: ClassVar[Mapping[str, str]] = {
        "withdraw": "An export has no mark for a form entered in error; the row is simply not there.",
        "delete": "A row that is not in the export may lie outside its dates, or its file was moved away.",
        "duplicates": "A table that names one form twice is judged as a whole; tests of its own hold that.",
        "next-links": NO_SERVER,
        "expire": "Nobody signs in to a folder, so that no token can end.",
        "wrong": "Nobody signs in to a folder, so that no credential can be wrong.",
        "throttle": NO_SERVER,
        "own-wait": NO_SERVER,
        "faults": "Broken, cut and half-written files have tests of their own in tests/platforms/test_files.py.",
        "address": "The folder is a path of this computer and no address.",
        "carriers": "Files take no flags; they go to the list to enter by hand.",
        "look": "Nothing of ours ever stands in a folder of exports.",
        "tidy": "Nothing of ours ever stands in a folder of exports.",
        "close": "Nothing of ours ever stands in a folder of exports.",
        "asks": "Files ask nobody; forms are given out elsewhere.",
        "webhooks": "A folder tells nobody that a file has come.",
    }

    def __init__(self) -> None:
        self.clock = Clock()
        self._rows: dict[str, tuple[str, Filled]] = {}
        self._made = self._written = 0

    def start(self) -> Self:
        """Makes the folder."""
        self._folder = TemporaryDirectory(prefix="handrail-exports-")
        self.folder = Path(self._folder.name)
        return self

    def stop(self) -> None:
        """Removes it."""
        self._folder.cleanup()

    def settings(self) -> dict[str, Any]:
        """See `Platform`."""
        return {"folder": str(self.folder), "settle_seconds": 0}

    def secrets(self) -> dict[str, str]:
        """See `Platform`: none."""
        return {}

    def clients(self) -> Mapping[str, str]:
        """See `Platform`."""
        return {"0071": "Ada Kestrelmeier", "0072": "Bo Falkenhayn-Osprey"}

    def add(self, filled: Filled) -> str:
        """See `Platform`."""
        self._made += 1
        own = f"F{self._made:04d}"
        self._rows[own] = (self.clock.at.isoformat(timespec="seconds"), filled)
        self._export()
        return sha256(f"kestrel|{(FORM_TITLE, own)!r}".encode()).hexdigest()[:32]

    def amend(self, remote_id: str, filled: Filled) -> None:
        """See `Platform`."""
        own = self._own(remote_id)
        self._rows[own] = (self._rows[own][0], filled)
        self._export()

    def delete(self, remote_id: str) -> None:
        """See `Platform`."""
        del self._rows[self._own(remote_id)]
        self._export()

    def _own(self, remote_id: str) -> str:
        names = {sha256(f"kestrel|{(FORM_TITLE, own)!r}".encode()).hexdigest()[:32]: own for own in self._rows}
        return names[remote_id]

    def _export(self) -> None:
        path = self.folder / "export.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file, delimiter=";")
            table.writerow(HEADINGS)
            for own, (at, filled) in self._rows.items():
                labels = [label or "" for label in filled.labels().values()]
                table.writerow([own, filled.client, self.clients().get(filled.client, ""), at, *labels])
        self._written += 1
        when = int(self.clock.at.timestamp() * 1e9) + self._written
        os.utime(path, ns=(when, when))
