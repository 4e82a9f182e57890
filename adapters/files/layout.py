"""A layout: how files of one kind are read, as a person confirmed it; kept as a readable file beside the mappings.

A file belongs to the layout whose headings it has, all of them and no others. What deviates is set aside as a whole.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from hashlib import sha256
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from marshmallow import ValidationError

from ...plugin_core import private
from ...plugin_core.errors import SettingsError
from ...plugin_core.words import mark, tr
from ...plugin_core.words.kept import told
from ...schemas.base import Id, Many, OneOf, RecordSchema, Ref, Table, Text, Time, Whole
from ...schemas.problems import problems
from .dates import DMY, MDY, NATIVE, SERIAL_1900, SERIAL_1904, YMD
from .tables import How

WIDE, LONG = "wide", "long"
ROLES = {
    "id": mark("the number of the filled-in form"),
    "client": mark("the client's number"),
    "name": mark("the client's name"),
    "clinician": mark("the therapist"),
    "date": mark("the day on which it was filled in"),
    "time": mark("the time of day"),
    "form": mark("the name of the form"),
    "question": mark("the question"),
    "answer": mark("the answer"),
}
NEEDED = {WIDE: ("client", "date"), LONG: ("client", "date", "question", "answer")}


@dataclass(frozen=True, slots=True)
class Layout:
    """How files of one kind are read.

    `layout` is wide (one row a form) or long (one row an answer). `headings` are the rows of headings that were
    confirmed. `columns` maps roles to headings; `ignored` are headings that are not read; in the wide layout every
    other column is a question. `form` names the form where no column does, and is part of each form's identity.
    `files` are the file names that it is for. `dates` is the order of day and month, `decimal` the sign before
    decimals. `client_digits`: client numbers are that long, with zeros before them (0: not so). `zone`: that of the
    times, if not the practice's.
    """

    name: str
    kind: str
    layout: str
    form: str
    headings: tuple[tuple[str, ...], ...]
    columns: Mapping[str, str]
    dates: str
    files: str = "*"
    ignored: tuple[str, ...] = ()
    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None
    decimal: str = "."
    client_digits: int = 0
    zone: str | None = None
    confirmed: datetime | None = None
    confirmed_by: str | None = field(default=None)

    @property
    def how(self) -> How:
        """How its files are opened."""
        return How(self.kind, self.encoding, self.delimiter, self.sheet)

    @property
    def only_form(self) -> str | None:
        """The form that all its files hold; None where a column says which."""
        return None if "form" in self.columns else self.form

    def takes(self, name: str, headings: Sequence[str]) -> bool:
        """Whether a file of that name with these headings is one of this layout; their order does not matter."""
        return fnmatchcase(name.casefold(), self.files.casefold()) and any(
            set(headings) - {""} == set(known) - {""} for known in self.headings
        )

    def difference(self, headings: Sequence[str]) -> tuple[list[str], list[str]]:
        """(missing, new) against the confirmed headings that are nearest."""
        near = min(self.headings, key=lambda known: len(set(known) ^ set(headings)))
        return [one for one in near if one and one not in headings], [one for one in headings if one not in near]

    def near(self, headings: Sequence[str]) -> float:
        """How much of the headings a file shares with this layout, 0 to 1."""
        return max(len(set(known) & set(headings)) / len(set(known) | set(headings) | {""}) for known in self.headings)

    @property
    def fingerprint(self) -> str:
        """Another one when anything about the layout changes: its files are then read again."""
        return sha256(json.dumps(LayoutSchema().dump(self), sort_keys=True).encode()).hexdigest()[:12]


class LayoutSchema(RecordSchema):
    """The file of a layout."""

    record = Layout
    name = Id(required=True, pattern=r"[a-z0-9][a-z0-9-]{0,40}")
    kind = OneOf("csv", "xlsx", required=True)
    layout = OneOf(WIDE, LONG, required=True)
    form = Text(required=True, most=200)
    headings = Many(Many(Text(most=1000, blank=True), least=1, most=1000), required=True, least=1, most=50)
    columns = Table(Text(most=1000), key=Text(pattern="|".join(ROLES)), required=True, most=len(ROLES))
    dates = OneOf(YMD, DMY, MDY, SERIAL_1900, SERIAL_1904, NATIVE, required=True)
    files = Text(most=200)
    ignored = Many(Text(most=1000), most=1000)
    encoding = Ref(allow_none=True)
    delimiter = Text(allow_none=True, most=1)
    sheet = Text(allow_none=True, most=100)
    decimal = OneOf(".", ",")
    client_digits = Whole(most=40)
    zone = Ref(allow_none=True)
    confirmed = Time(allow_none=True)
    confirmed_by = Text(allow_none=True, most=200)


class Layouts:
    """The confirmed layouts of a practice, in the folder `layouts` of its own place."""

    def __init__(self, own: Path) -> None:
        self.folder = own / "layouts"

    def all(self) -> list[Layout]:
        """Every layout.

        :raises SettingsError: one cannot be read; the message names the file and the place in it.
        """
        return [_load(path) for path in sorted(self.folder.glob("*.json"))]

    def save(self, layout: Layout) -> Path:
        """Writes a layout, in place of an older one of its name."""
        path = self.folder / f"{re.sub(r'[^a-z0-9-]', '-', layout.name)}.json"
        text = json.dumps(LayoutSchema().dump(layout), ensure_ascii=False, indent=2)
        private.write(path, text + "\n")
        return path


def _load(path: Path) -> Layout:
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        layout: Layout = LayoutSchema().load(raw)
    except ValidationError as error:
        lines = "; ".join(problems(error, told))
    except (OSError, ValueError, RecursionError):
        lines = tr("it is no readable file")
    else:
        lines = _wrong(layout)
        if not lines:
            return layout
    raise SettingsError(
        tr("The layout {path} cannot be used: {lines}. Run: handrail connect files", path=path, lines=lines)
    ) from None


def _wrong(layout: Layout) -> str:
    """What contradicts itself in a layout that a person edited."""
    for role in NEEDED[layout.layout]:
        if role not in layout.columns:
            return tr("it does not say which column is {role}", role=tr(ROLES[role]))
    for heading in layout.columns.values():
        if any(heading not in known for known in layout.headings):
            return tr("columns names a heading that is not among headings")
    if len(set(layout.columns.values())) < len(layout.columns):
        return tr("columns names one heading twice")
    if zone_of(layout.zone) is None and layout.zone is not None:
        return tr("there is no time zone of that name")
    return ""


def zone_of(name: str | None) -> ZoneInfo | None:
    """The time zone of that name, if there is one."""
    try:
        return None if name is None else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
