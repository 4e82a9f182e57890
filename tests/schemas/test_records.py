"""Every record of the field has a schema that lets it out and back in unchanged, and that repeats no client's words."""

from __future__ import annotations

import dataclasses
import json
import pickle
from typing import Any

import pytest
from handrail.schemas import flags, instruments, mappings, records, responses, runs, screen
from handrail.schemas.base import BaseSchema, RecordSchema, Text
from handrail.schemas.problems import MOST, by_index, problems
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from marshmallow import Schema, ValidationError, fields

from .strategies import of_schema

MODULES = (flags, instruments, mappings, responses, runs, screen)
FILE_ONLY = {"InstrumentFileSchema", "FileItemSchema", "ScreenLineSchema"}


def schemas_of(base: type[BaseSchema]) -> dict[str, type[Any]]:
    found = {name: thing for module in MODULES for name, thing in vars(module).items() if isinstance(thing, type)}
    return {name: thing for name, thing in sorted(found.items()) if issubclass(thing, base) and thing._declared_fields}


ALL = {name: kind for name, kind in schemas_of(BaseSchema).items() if not name.startswith("_")}
RECORDS = {name: kind for name, kind in ALL.items() if issubclass(kind, RecordSchema) and name not in FILE_ONLY}


def test_each_record_has_its_schema() -> None:
    """A record without a schema crosses a boundary unjudged."""
    wanted = {kind for kind in vars(records).values() if isinstance(kind, type) and dataclasses.is_dataclass(kind)}
    assert {schema.record for schema in RECORDS.values()} == wanted


@pytest.mark.parametrize("name", RECORDS)
def test_schema_and_record_have_the_same_fields(name: str) -> None:
    """A field that only the record has is lost in every round trip; one that only the schema has fails every load."""
    schema = RECORDS[name]()
    have = {field.name for field in dataclasses.fields(RECORDS[name].record)}
    assert set(schema.fields) == have
    must = {
        field.name
        for field in dataclasses.fields(RECORDS[name].record)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }
    assert {field for field, kind in schema.fields.items() if kind.required} == must


@pytest.mark.parametrize("name", RECORDS)
@given(data=st.data())
@settings(max_examples=30, suppress_health_check=list(HealthCheck), deadline=None)
def test_records_come_back_as_they_went_out(name: str, data: st.DataObject) -> None:
    """Evidence is kept to be checked: what comes back from disk must be what the rule wrote, to the last digit."""
    schema = RECORDS[name]()
    record = schema.load(data.draw(of_schema(schema)))
    assert isinstance(record, RECORDS[name].record)
    written = json.dumps(schema.dump(record), allow_nan=False)
    assert written == json.dumps(Schema.dump(schema, record)), "not what marshmallow itself writes"
    again = RECORDS[name]().load(json.loads(written))
    assert again == record
    assert json.dumps(schema.dump(again)) == written


@given(data=st.data())
@settings(max_examples=100, suppress_health_check=list(HealthCheck), deadline=None)
def test_evidence_is_the_same_in_another_process(data: st.DataObject) -> None:
    """A flag that a second process found must say the same as one that was found here, to the last digit and offset."""
    schema = RECORDS["EvidenceSchema"]()
    record = schema.load(data.draw(of_schema(schema)))
    again = pickle.loads(pickle.dumps(record))
    assert again == record
    assert schema.dump(again) == schema.dump(record)


@pytest.mark.parametrize("name", ALL)
def test_unknown_keys_are_refused(name: str) -> None:
    """A misspelled key that is ignored is data that silently went missing."""
    with pytest.raises(ValidationError) as caught:
        ALL[name]().load({"surprise": 1})
    assert "surprise: is not a key of this format" in problems(caught.value)


@pytest.mark.parametrize("name", ALL)
def test_s24_no_message_repeats_a_value(name: str) -> None:
    """Messages go to logs and rejects; a client's words in them would be a leak."""
    canary = "Anna Smith 1970"
    schema = ALL[name]()
    for field, kind in schema.load_fields.items():
        for value in (canary, [canary], [[canary]], {canary: [canary]}, {"x": {canary: canary}}, 2.5, True, None):
            try:
                schema.load({field: value, canary: canary})
            except ValidationError as error:
                lines = problems(error)
                assert lines
                assert "Anna" not in " ".join(lines), (field, kind)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("junk", [None, 1, "text", [], [1], True, 2.5])
def test_what_is_no_object_is_refused(name: str, junk: object) -> None:
    """A list or a text where an object belongs ends in a message, not in a traceback."""
    with pytest.raises(ValidationError) as caught:
        ALL[name]().load(junk)
    assert problems(caught.value)


def test_problem_paths_read_like_paths() -> None:
    """The path is how a person finds the slip in a file."""
    error = ValidationError({"items": {3: {"scale": ["is missing"]}}, "_schema": ["no"], "a b": {0: ["x", "y"]}})
    assert problems(error) == ("items[3].scale: is missing", "no", "?[0]: x", "?[0]: y")


def test_many_problems_are_cut_short() -> None:
    """A file of the wrong kind would otherwise fill the screen."""
    lines = problems(ValidationError({f"k{n}": ["is missing"] for n in range(100)}))
    assert len(lines) == MOST + 1
    assert lines[-1] == "and 80 more"


def test_problems_by_position() -> None:
    """A page is told apart record by record."""
    error = ValidationError({0: {"id": ["is missing"]}, 7: {"_schema": ["no"]}})
    assert by_index(error) == {0: ("id: is missing",), 7: ("no",)}


def test_validators_on_strict_fields_are_refused() -> None:
    """They would be skipped silently, and somebody would believe that they judge."""
    with pytest.raises(TypeError, match="no validators"):
        Text(validate=lambda _: None)


@pytest.mark.parametrize("more", [{"data_key": "other"}, {"attribute": "other"}, {"dump_default": "other"}])
def test_a_record_s_field_of_another_name_is_refused(more: dict[str, Any]) -> None:
    """It would be written under the wrong name, or not at all, and evidence would be lost on the way out."""
    made = RecordSchema.from_dict({"reason": fields.Raw(**more)})
    with pytest.raises(TypeError, match="name of an attribute"):
        made()
