"""The published JSON Schemas say what the loaders accept: a vendor writes files against them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from handrail.plugin_core import instruments
from handrail.schemas import jsonschema
from handrail.schemas.jsonschema import documents
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from .strategies import of_schema

DOCS = Path(__file__).parents[2] / "docs" / "schemas"
FORMS = sorted(Path(instruments.__file__).parent.glob("*.json"))


def test_the_published_files_are_those_of_the_code() -> None:
    """A stale schema sends a vendor in the wrong direction. Renew with `handrail schemas --out docs/schemas`."""
    published = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in DOCS.glob("*.json")}
    assert published == documents()


@pytest.mark.parametrize("name", documents())
def test_each_is_a_json_schema(name: str) -> None:
    """A schema with a slip in it accepts everything."""
    Draft202012Validator.check_schema(documents()[name])


@pytest.mark.parametrize("path", FORMS, ids=[path.stem for path in FORMS])
def test_built_in_forms_are_valid(path: Path) -> None:
    """Our own files are the example that vendors copy."""
    Draft202012Validator(documents()["instrument"]).validate(json.loads(path.read_bytes()))


@pytest.mark.parametrize("name", documents())
@given(data=st.data())
@settings(max_examples=30, suppress_health_check=list(HealthCheck), deadline=None)
def test_what_loads_is_valid(name: str, data: st.DataObject) -> None:
    """A file that Handrail reads must not fail in a vendor's editor."""
    schema = jsonschema._DOCUMENTS[name]()
    value = data.draw(of_schema(schema))
    schema.load(value)
    Draft202012Validator(documents()[name]).validate(value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("screen-input", {"client": "c"}),
        ("screen-input", {"client": "c", "instrument": "gr18", "version": 1, "authored": "x", "answers": {}}),
        ("screen-input", {"client": "c", "instrument": "g", "version": "1", "authored": "x", "answers": {"G1": "3"}}),
        ("screen-input", {"client": "c", "instrument": "g", "version": "1", "authored": "x", "answers": {}, "x": 1}),
        ("screen-rejects", {"line": 0, "reason": "x"}),
        ("screen-trace", {"client": "c", "on": "2026-03-02", "rule": "P1", "score": None, "standing": "yes"}),
    ],
)
def test_what_is_wrong_is_not_valid(name: str, value: Any) -> None:
    """Types, missing keys and misspelled keys show in the editor already."""
    assert not Draft202012Validator(documents()[name]).is_valid(value)
