"""The formats of `handrail screen`: stable, one JSON object a line. docs/schemas has them as JSON Schema.

A key is added, never renamed or given another meaning.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping as MappingABC
from datetime import UTC
from typing import Any

from marshmallow import post_load

from .base import BaseSchema, Day, Id, Many, Number, One, Ref, Text, Time, Whole, Word, YesNo
from .flags import RULE_ID, EvidenceSchema
from .instruments import INSTRUMENT_ID, ITEM_ID, VERSION
from .records import Response
from .responses import Answers, JudgedSchema
from .vocab import Event, Mode

COLUMNS = ("client", "instrument", "version", "authored")
OPTIONAL_COLUMNS = ("id", "mode", "tags")

_WHOLE = re.compile(r"-?[0-9]{1,9}")


class ScreenLineSchema(JudgedSchema):
    """One form of the input. Loads to a `Response`; the as-of of each form is its own time.

    A line without `id` gets one made from client, instrument and time, since of two lines that agree in these the
    later wins.
    """

    record = Response
    client = Ref(required=True)
    instrument = Id(required=True, pattern=INSTRUMENT_ID)
    version = Id(required=True, pattern=VERSION)
    authored = Time(required=True)
    answers = Answers(required=True, version_key="version")
    id = Ref()
    mode = Word(Mode)
    tags = Many(Text(most=100), gives=frozenset, most=50)

    @post_load
    def _to_record(self, data: dict[str, Any], **_: Any) -> Any:
        data["instrument_version"] = data.pop("version")
        if "id" not in data:
            data["id"] = _id(data)
        return self.record(**data)


def _id(data: MappingABC[str, Any]) -> str:
    when = data["authored"]
    when = when if when.tzinfo is UTC else when.astimezone(UTC)
    parts = "\x00".join((data["client"], data["instrument"], str(when)))
    return f"line-{hashlib.sha256(parts.encode()).hexdigest()[:16]}"


def line_from_row(row: MappingABC[str | None, Any]) -> dict[str, Any]:
    """A CSV row as an input line, to be judged like one.

    :param row: the cells by column as `csv.DictReader` gives them: those of `COLUMNS`, of `OPTIONAL_COLUMNS` if they
        are there, and one for each item. An empty cell of an item is an empty answer; digits are its number; tags are
        parted by semicolons. Anything else is passed on as it is, for the schema to refuse.
    """
    line: dict[str, Any] = {"answers": {}}
    for name, cell in row.items():
        if name is None:
            line["cells-without-a-column"] = True
        elif cell is None:
            continue
        elif name == "tags":
            line["tags"] = [tag.strip() for tag in cell.split(";") if tag.strip()]
        elif name in COLUMNS or (name in OPTIONAL_COLUMNS and cell):
            line[name] = cell
        elif name not in OPTIONAL_COLUMNS:
            line["answers"][name] = _cell(cell)
    return line


def _cell(cell: str) -> int | str | None:
    if not cell:
        return None
    return int(cell) if _WHOLE.fullmatch(cell) else cell


class ScreenEventSchema(BaseSchema):
    """One line of the output: a flag changed its state at the form of `on`, in that form's own offset."""

    client = Ref(required=True)
    on = Day(required=True)
    rule = Id(required=True, pattern=RULE_ID)
    rule_version = Id(required=True)
    event = Word(Event, required=True)
    score = Number(required=True, allow_none=True)
    reason = Text(required=True)
    evidence = One(EvidenceSchema, required=True)


class ScreenTraceSchema(BaseSchema):
    """One line of `--trace`: a rule's running number at one form, and whether its flag stands after it."""

    client = Ref(required=True)
    on = Day(required=True)
    rule = Id(required=True, pattern=RULE_ID)
    score = Number(required=True, allow_none=True)
    standing = YesNo(required=True)


class ScreenScoreSchema(BaseSchema):
    """One line of `--scores`: one score of one form; `value` is null exactly where `reason` says why."""

    client = Ref(required=True)
    authored = Time(required=True)
    instrument = Id(required=True, pattern=INSTRUMENT_ID)
    score = Id(required=True, pattern=ITEM_ID)
    value = Number(required=True, allow_none=True)
    answered = Whole(required=True)
    of = Whole(required=True)
    reason = Text(required=True, allow_none=True)


class ScreenRejectSchema(BaseSchema):
    """One line of `--rejects`: which line of the input was left out, and why, without what stood in it."""

    line = Whole(required=True, least=1)
    reason = Text(required=True)
