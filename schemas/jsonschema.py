"""JSON Schema (draft 2020-12) of Handrail's files and lines, made from the marshmallow schemas that judge them.

`marshmallow-jsonschema` and `apispec` know marshmallow's stock fields and older drafts; ours are our own fields, so a
table over them is shorter than teaching either. What JSON Schema cannot say (that a line exists in the form, that 3.0
is not 3, that a time has an offset) only the loader judges: whatever loads is valid here, but not the reverse.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from marshmallow import Schema, fields

from . import responses
from .base import AnswerValue, Day, Many, Number, One, OneOf, Plain, Table, Text, Time, Whole, Word, YesNo
from .instruments import ITEM_ID, InstrumentFileSchema
from .mappings import MappingSchema
from .screen import ScreenEventSchema, ScreenLineSchema, ScreenRejectSchema, ScreenScoreSchema, ScreenTraceSchema
from .vocab import Blank

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_DOCUMENTS: dict[str, type[Schema]] = {
    "instrument": InstrumentFileSchema,
    "mapping": MappingSchema,
    "screen-input": ScreenLineSchema,
    "screen-output": ScreenEventSchema,
    "screen-trace": ScreenTraceSchema,
    "screen-scores": ScreenScoreSchema,
    "screen-rejects": ScreenRejectSchema,
}

_ANSWER = {"anyOf": [{"type": "integer"}, {"type": "null"}, {"enum": [word.value for word in Blank]}]}

Json = dict[str, Any]
_Shape = Callable[[Any, dict[str, Json]], Json]


def documents() -> dict[str, Json]:
    """Every published schema by its name, which is its file name in docs/schemas without `.json`."""
    return {name: _document(schema()) for name, schema in _DOCUMENTS.items()}


def _document(schema: Schema) -> Json:
    defs: dict[str, Json] = {}
    found = {"$schema": DIALECT, "title": _title(schema), **_object(schema, defs)}
    return {**found, "$defs": dict(sorted(defs.items()))} if defs else found


def _title(schema: Schema) -> str:
    return (type(schema).__doc__ or "").splitlines()[0].rstrip(".")


def _object(schema: Schema, defs: dict[str, Json]) -> Json:
    properties = {(field.data_key or name): _field(field, defs) for name, field in schema.load_fields.items()}
    required = [field.data_key or name for name, field in schema.load_fields.items() if field.required]
    found: Json = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**found, "required": required} if required else found


def _field(field: fields.Field[Any], defs: dict[str, Json]) -> Json:
    shape = next((shape for kind, shape in _SHAPES.items() if isinstance(field, kind)), None)
    if shape is None:
        raise TypeError(f"{type(field).__name__} has no JSON Schema yet; add it to the table")
    found = shape(field, defs)
    if field.allow_none and not isinstance(field, (Plain, AnswerValue)):
        return {"anyOf": [found, {"type": "null"}]}
    return found


def _text(field: Text, _: dict[str, Json]) -> Json:
    found: Json = {"type": "string", "maxLength": field.most}
    if not field.blank:
        found["minLength"] = 1
    if field.pattern is not None:
        found["pattern"] = f"^(?:{field.pattern})$"
    return found


def _whole(field: Whole, _: dict[str, Json]) -> Json:
    return {"type": "integer", "minimum": field.least, "maximum": field.most}


def _many(field: Many, defs: dict[str, Json]) -> Json:
    found: Json = {"type": "array", "items": _field(field.inner, defs), "maxItems": field.most}
    if field.least:
        found["minItems"] = field.least
    if field.gives is frozenset:
        found["uniqueItems"] = True
    return found


def _table(field: Table, defs: dict[str, Json]) -> Json:
    return {
        "type": "object",
        "propertyNames": _text(field.key, defs),
        "additionalProperties": _field(field.inner, defs),
        "maxProperties": field.most,
    }


def _one(field: One, defs: dict[str, Json]) -> Json:
    schema = field.schema
    name = type(schema).__name__.removesuffix("Schema")
    if name not in defs:
        defs[name] = {}
        defs[name] = {"description": _title(schema), **_object(schema, defs)}
    return {"$ref": f"#/$defs/{name}"}


def _answers(_: responses.Answers, __: dict[str, Json]) -> Json:
    return {"type": "object", "propertyNames": {"pattern": f"^(?:{ITEM_ID})$"}, "additionalProperties": _ANSWER}


# In this order, so that a field is met before the one that it is derived from.
_SHAPES: Mapping[type[fields.Field[Any]], _Shape] = {
    responses.Answers: _answers,
    AnswerValue: lambda _, __: _ANSWER,
    Plain: lambda _, __: {"type": ["number", "string", "boolean", "null"]},
    Text: _text,
    Word: lambda field, _: {"enum": [word.value for word in field.words]},
    OneOf: lambda field, _: {"enum": list(field.words)},
    Whole: _whole,
    Number: lambda _, __: {"type": "number"},
    YesNo: lambda _, __: {"type": "boolean"},
    Time: lambda _, __: {"type": "string", "format": "date-time"},
    Day: lambda _, __: {"type": "string", "format": "date"},
    Many: _many,
    Table: _table,
    One: _one,
}
