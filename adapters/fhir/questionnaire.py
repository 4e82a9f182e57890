"""Writes an instrument as a FHIR R4 Questionnaire, with both ways of stating weights, so that any renderer can ask it.

An option that has a LOINC code is offered under that code, as other programs know it; all others under our own code
system. Both are read back: option codes are unique in an instrument. https://hl7.org/fhir/R4/questionnaire.html
"""

from __future__ import annotations

from ...plugin_core.mapping import own_form
from ...plugin_core.uris import BASE
from ...schemas.records import Coding, Instrument, Item, Json, Option
from .weights import ITEM_WEIGHT, ORDINAL_VALUE

ITEM_CONTROL = "http://hl7.org/fhir/StructureDefinition/questionnaire-itemControl"
CONTROL_CODES = "http://hl7.org/fhir/questionnaire-item-control"
CONCEPT_WEIGHT = "http://hl7.org/fhir/concept-properties#itemWeight"
LEAD_IN = "lead-in"
HELP = "-help"


def canonical(instrument: Instrument) -> str:
    """The form's address without its version, the same on every platform; one for each language."""
    return own_form(instrument)


def code_system(instrument: Instrument) -> str:
    """The address of the instrument's own answer codes."""
    return f"{BASE}/CodeSystem/{instrument.id}"


def questionnaire_of(instrument: Instrument) -> Json:
    """The Questionnaire resource. `linkId` is the item's id; no line is required, as clients may skip any."""
    lead_in = {"linkId": LEAD_IN, "text": instrument.lead_in, "type": "display"}
    lines = [_line(instrument, number, item) for number, item in enumerate(instrument.items, 1)]
    resource: Json = {
        "resourceType": "Questionnaire",
        "id": own_form(instrument).rpartition("/")[2],
        "language": instrument.language,
        "url": canonical(instrument),
        "version": instrument.version,
        "name": _name(instrument.id),
        "title": instrument.title,
        "status": "active",
        "experimental": instrument.status == "draft",
        "subjectType": ["Patient"],
        "publisher": "Handrail",
        "copyright": instrument.licence.notice,
        "item": [lead_in, *lines] if instrument.lead_in else lines,
    }
    if instrument.codings:
        resource["code"] = [_coding(coding) for coding in instrument.codings]
    return resource


def code_system_of(instrument: Instrument) -> Json:
    """The CodeSystem of the instrument's own answer codes, each with its weight as a concept property."""
    options = {option.code: option for item in instrument.items for option in item.options}
    return {
        "resourceType": "CodeSystem",
        "id": instrument.id,
        "url": code_system(instrument),
        "version": instrument.version,
        "name": _name(instrument.id) + "Answers",
        "title": f"Answers of {instrument.title}",
        "status": "active",
        "experimental": instrument.status == "draft",
        "publisher": "Handrail",
        "copyright": instrument.licence.notice,
        "caseSensitive": True,
        "content": "complete",
        "property": [{"code": "itemWeight", "uri": CONCEPT_WEIGHT, "type": "decimal"}],
        "concept": [_concept(option) for option in options.values()],
    }


def _line(instrument: Instrument, number: int, item: Item) -> Json:
    line: Json = {
        # All options in sight: without it LHC-Forms, for one, hides them behind a box to search in.
        "extension": [_control("radio-button", "Radio Button")],
        "linkId": item.id,
        "prefix": f"{number}.",
        "text": item.text,
        "type": "choice",
        "required": False,
        "repeats": False,
        "answerOption": [_option(instrument, option) for option in item.options],
    }
    if item.codings:
        line["code"] = [_coding(coding) for coding in item.codings]
    if item.hint:
        line["item"] = [
            {
                "extension": [_control("help", "Help-Button")],
                "linkId": item.id + HELP,
                "text": item.hint,
                "type": "display",
            }
        ]
    return line


def _control(code: str, display: str) -> Json:
    coding = {"system": CONTROL_CODES, "code": code, "display": display}
    return {"url": ITEM_CONTROL, "valueCodeableConcept": {"coding": [coding]}}


def _option(instrument: Instrument, option: Option) -> Json:
    """One option. "I would rather not say" is an option without weight, so that nobody counts it as 0."""
    published = next(iter(option.codings), None)
    coding = (
        {"system": published.system, "code": published.code, "display": option.label}
        if published
        else {"system": code_system(instrument), "code": option.code, "display": option.label}
    )
    if option.value is None:
        return {"valueCoding": coding}
    # The old URL is what most renderers and servers read, the new one what SDC 4 asks for.
    weights = [{"url": url, "valueDecimal": option.value} for url in (ORDINAL_VALUE, ITEM_WEIGHT)]
    return {"extension": weights, "valueCoding": coding}


def _concept(option: Option) -> Json:
    concept: Json = {"code": option.code, "display": option.label}
    if option.value is not None:
        concept["property"] = [{"code": "itemWeight", "valueDecimal": option.value}]
    return concept


def _coding(coding: Coding) -> Json:
    found = {"system": coding.system, "code": coding.code}
    return found if coding.display is None else {**found, "display": coding.display}


def _name(text: str) -> str:
    """A name for programs: letters and digits, an upper-case letter first (invariant que-0)."""
    words = "".join(part[:1].upper() + part[1:] for part in "".join(c if c.isalnum() else " " for c in text).split())
    return words if words[:1].isalpha() else f"Form{words}"
