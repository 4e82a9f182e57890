"""Where the number of an answer may hide: the first three of SDC's four places, in its order.

1. the answer itself, or its coding (extension `itemWeight` or `ordinalValue`); 2. the option of the Questionnaire;
3. the value set or code system behind it (concept property `itemWeight`). The fourth, the instrument's own table, is
the mapping's (plugin_core/mapping).
https://hl7.org/fhir/uv/sdc/expressions.html#weight
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...schemas.records import Json
from .shapes import Extension

ITEM_WEIGHT = "http://hl7.org/fhir/StructureDefinition/itemWeight"
ORDINAL_VALUE = "http://hl7.org/fhir/StructureDefinition/ordinalValue"
QUESTIONNAIRE_ORDINAL = "http://hl7.org/fhir/StructureDefinition/questionnaire-ordinalValue"
CODESYSTEM_ORDINAL = "http://hl7.org/fhir/StructureDefinition/codesystem-ordinalValue"
CONCEPT_WEIGHT = "http://hl7.org/fhir/concept-properties#itemWeight"
WEIGHTS = (ITEM_WEIGHT, ORDINAL_VALUE, QUESTIONNAIRE_ORDINAL, CODESYSTEM_ORDINAL)


def weight_in(extensions: Iterable[Extension]) -> float | None:
    """The weight among decoded extensions, the newer URL before the older ones; None where there is none."""
    best: tuple[int, float] | None = None
    for extension in extensions:
        if extension.url in WEIGHTS:
            value = extension.valueDecimal if extension.valueDecimal is not None else extension.valueInteger
            rank = WEIGHTS.index(extension.url)
            if value is not None and (best is None or rank < best[0]):
                best = (rank, float(value))
    return None if best is None else best[1]


def _number(value: object) -> float | None:
    return (
        float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 2**53 else None
    )


def weight_of_element(element: Json) -> float | None:
    """The weight in the extensions of a plain JSON element (an option, a coding, a concept)."""
    found = {}
    for extension in _objects(element.get("extension")):
        value = _number(extension.get("valueDecimal", extension.get("valueInteger")))
        if extension.get("url") in WEIGHTS and value is not None:
            found[extension["url"]] = value
    return next((found[url] for url in WEIGHTS if url in found), None)


def weight_of_option(option: Json) -> float | None:
    """Place 2: the weight of a Questionnaire's `answerOption`; some put it on the coding inside."""
    weight = weight_of_element(option)
    coding = option.get("valueCoding")
    return weight_of_element(coding) if weight is None and isinstance(coding, dict) else weight


def concepts(resource: Json) -> dict[str, tuple[str | None, float | None]]:
    """Place 3: code -> (label, weight) of a ValueSet (expansion first, else compose) or CodeSystem, nested ones too."""
    kind = resource.get("resourceType")
    if kind == "CodeSystem":
        rows = _objects(resource.get("concept"))
    else:
        expansion, compose = _object(resource.get("expansion")), _object(resource.get("compose"))
        rows = _objects(expansion.get("contains")) or [
            concept for part in _objects(compose.get("include")) for concept in _objects(part.get("concept"))
        ]
    names = _weight_properties(resource)
    found: dict[str, tuple[str | None, float | None]] = {}
    stack = list(reversed(rows))
    while stack:
        row = stack.pop()
        code, label = row.get("code"), row.get("display")
        if isinstance(code, str):
            found.setdefault(code, (label if isinstance(label, str) else None, _concept_weight(row, names)))
        stack.extend(reversed(_objects(row.get("concept")) or _objects(row.get("contains"))))
    return found


def systems(value_set: Json) -> tuple[str, ...]:
    """The code systems that a value set draws whole, without naming their concepts."""
    parts = _objects(_object(value_set.get("compose")).get("include"))
    return tuple(p["system"] for p in parts if isinstance(p.get("system"), str) and not p.get("concept"))


def _weight_properties(resource: Json) -> tuple[str, ...]:
    """The property codes that stand for the weight, by their declared URI; `itemWeight` is the usual one."""
    declared = _objects(resource.get("property")) + _objects(_object(resource.get("expansion")).get("property"))
    return ("itemWeight", *(str(p.get("code")) for p in declared if p.get("uri") == CONCEPT_WEIGHT))


def _concept_weight(row: Json, names: tuple[str, ...]) -> float | None:
    weight = weight_of_element(row)
    if weight is not None:
        return weight
    for held in _objects(row.get("property")):
        if held.get("code") in names:
            return _number(held.get("valueDecimal", held.get("valueInteger")))
    for held in _objects(row.get("extension")):  # R4 expansions carry R5's property as an extension with two parts
        parts = {str(p.get("url")): p for p in _objects(held.get("extension"))}
        if parts.get("code", {}).get("valueCode") in names:
            value: Json = parts.get("value", {})
            return _number(value.get("valueDecimal", value.get("valueInteger")))
    return None


def _object(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def _objects(value: Any) -> list[Json]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
