"""The lines of `handrail screen`: a stable format, read the same from JSON Lines and from CSV."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from handrail.plugin_core.instruments import builtin
from handrail.schemas.problems import problems
from handrail.schemas.screen import (
    ScreenEventSchema,
    ScreenLineSchema,
    ScreenScoreSchema,
    ScreenTraceSchema,
    line_from_row,
)
from handrail.schemas.vocab import Blank
from marshmallow import ValidationError

SCHEMA = ScreenLineSchema(builtin())
LINE = {
    "client": "c-17",
    "instrument": "gr18",
    "version": "1",
    "authored": "2026-03-02T10:00:00+00:00",
    "answers": {"G1": 3, "G2": 1, "G3": None, "W1": "declined", "N1": 2, "F1": 4, "F2": 0},
}


def test_the_documented_line_loads() -> None:
    """The example of the documentation is what people copy first."""
    found = SCHEMA.load(LINE)
    assert (found.client, found.instrument, found.instrument_version) == ("c-17", "gr18", "1")
    assert found.answers["G3"] is Blank.EMPTY
    assert found.answers["W1"] is Blank.DECLINED


def test_lines_of_one_client_form_and_time_share_their_id() -> None:
    """Of two such lines the later wins; the offset in which the time is written makes no second form."""
    first = SCHEMA.load(LINE).id
    assert SCHEMA.load({**LINE, "answers": {}}).id == first
    assert SCHEMA.load({**LINE, "authored": "2026-03-02T11:00:00+01:00"}).id == first
    assert SCHEMA.load({**LINE, "client": "c-18"}).id != first
    assert SCHEMA.load({**LINE, "id": "mine"}).id == "mine"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"version": 1}, "version: must be text"),
        ({"version": "2"}, "answers: no form of that name and version is known here"),
        ({"authored": "2026-03-02T10:00:00"}, "authored: has no time-zone offset"),
        ({"answers": {"X": 1}}, "answers.X: the form has no such line"),
        ({"clinet": "c"}, "clinet: is not a key of this format"),
        ({"mode": "fax"}, "mode: must be one of"),
    ],
)
def test_a_bad_line_says_where(changes: dict[str, Any], says: str) -> None:
    """The rejects file is all that a person has to find the slip."""
    with pytest.raises(ValidationError) as caught:
        SCHEMA.load({**LINE, **changes})
    assert any(line.startswith(says) for line in problems(caught.value))


def rows(text: str) -> list[dict[str, Any]]:
    return [line_from_row(row) for row in csv.DictReader(io.StringIO(text))]


def test_csv_reads_like_json() -> None:
    """The same answers give the same form, whichever way they came."""
    head = "client,instrument,version,authored,G1,G2,G3,W1,N1,F1,F2,tags,mode,id\n"
    text = f"{head}c-17,gr18,1,2026-03-02T10:00:00+00:00,3,1,,declined,2,4,0,proxy; late,,\n"
    found = SCHEMA.load(rows(text)[0])
    assert found.answers == SCHEMA.load(LINE).answers
    assert found.tags == {"proxy", "late"}
    assert found.id == SCHEMA.load(LINE).id


@pytest.mark.parametrize("cell", ["2.7", "3.0", " 3", "three", "TRUE", "٣", "1e0"])
def test_csv_cells_that_are_no_number_stay_no_number(cell: str) -> None:
    """A spreadsheet's 3.0 or a word is refused, not rounded or guessed."""
    (line,) = rows(f"client,instrument,version,authored,G1\nc,gr18,1,2026-03-02T10:00:00Z,{cell}\n")
    with pytest.raises(ValidationError) as caught:
        SCHEMA.load(line)
    assert problems(caught.value)[0].startswith("answers.G1: must be a whole number")


def test_csv_rows_of_another_length() -> None:
    """A short row has empty answers; a long one is shifted, so that no cell of it can be trusted."""
    head = "client,instrument,version,authored,G1,G2\n"
    short, long = rows(f"{head}c,gr18,1,2026-03-02T10:00:00Z,3\nc,gr18,1,2026-03-02T10:00:00Z,3,1,4\n")
    assert SCHEMA.load(short).answers == {"G1": 3}
    with pytest.raises(ValidationError, match="not a key"):
        SCHEMA.load(long)
    with pytest.raises(ValidationError) as caught:
        SCHEMA.load(rows("client,instrument\nc\n")[0])
    assert "instrument: is missing" in problems(caught.value)


def test_output_lines_keep_their_keys() -> None:
    """The format is stable: whoever reads it by key must go on working."""
    assert list(ScreenEventSchema().fields) == [
        "client", "on", "rule", "rule_version", "event", "score", "reason", "evidence",
    ]  # fmt: skip
    assert list(ScreenTraceSchema().fields) == ["client", "on", "rule", "score", "standing"]
    assert list(ScreenScoreSchema().fields) == [
        "client", "authored", "instrument", "score", "value", "answered", "of", "reason",
    ]  # fmt: skip
