"""What the demo server asks of a resource before it takes it: a light check by table, not a FHIR validator.

It catches what would make the demo lie: a wrong type, a missing required element, a status that R4 does not have, a
null or an empty element. Cardinalities and codes are those of FHIR R4 (4.0.1).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

LARGEST_BODY = 1 << 20
DEEPEST = 32

EVENT = ("registered", "preliminary", "final", "amended", "corrected", "cancelled", "entered-in-error", "unknown")
ENCOUNTER = "planned arrived triaged in-progress onleave finished cancelled entered-in-error unknown"
APPOINTMENT = "proposed pending booked arrived fulfilled cancelled noshow entered-in-error checked-in waitlist"
TASK = (
    "draft requested received accepted rejected ready cancelled in-progress on-hold failed completed entered-in-error"
)


@dataclass(frozen=True, slots=True)
class Shape:
    """What one resource type must have: `required` elements, the words of `status`, elements that are references."""

    required: tuple[str, ...] = ()
    status: tuple[str, ...] = ()
    references: tuple[str, ...] = ()


SHAPES: dict[str, Shape] = {
    "Patient": Shape(),
    "Practitioner": Shape(),
    "Device": Shape(status=("active", "inactive", "entered-in-error", "unknown"), references=("patient",)),
    "Questionnaire": Shape(("status",), ("draft", "active", "retired", "unknown")),
    "QuestionnaireResponse": Shape(
        ("status",),
        ("in-progress", "completed", "amended", "entered-in-error", "stopped"),
        ("subject", "author", "source", "encounter"),
    ),
    "Flag": Shape(
        ("status", "code", "subject"), ("active", "inactive", "entered-in-error"), ("subject", "author", "encounter")
    ),
    "DetectedIssue": Shape(("status",), EVENT, ("patient", "author")),
    "Task": Shape(("status", "intent"), tuple(TASK.split()), ("for", "focus", "owner", "requester")),
    "ServiceRequest": Shape(
        ("status", "intent", "subject"),
        ("draft", "active", "on-hold", "revoked", "completed", "entered-in-error", "unknown"),
        ("subject", "requester", "encounter"),
    ),
    "Encounter": Shape(("status", "class"), tuple(ENCOUNTER.split()), ("subject",)),
    "Appointment": Shape(("status", "participant"), tuple(APPOINTMENT.split())),
    "Provenance": Shape(("target", "recorded", "agent")),
    "Observation": Shape(("status", "code"), EVENT, ("subject", "encounter")),
}


class Refused(Exception):
    """The server does not do what was asked: HTTP status, FHIR issue code and a sentence for the OperationOutcome."""

    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.code = code
        self.text = text


def outcome(code: str, text: str, severity: str = "error") -> Json:
    """An OperationOutcome with one issue."""
    return {"resourceType": "OperationOutcome", "issue": [{"severity": severity, "code": code, "diagnostics": text}]}


def read_body(raw: bytes) -> Json:
    """The JSON object in a request's body.

    :raises Refused: 400 when it is not one JSON object, or nests deeper than any resource here does.
    """
    try:
        body = json.loads(raw, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Refused(400, "structure", "The body is not JSON.") from None
    if not isinstance(body, dict):
        raise Refused(400, "structure", "The body is not a JSON object.")
    _no_blanks(body, "", DEEPEST)
    return body


def check(kind: str, body: Json) -> None:
    """Takes a resource or refuses it.

    :param kind: the resource type of the address that it was sent to.
    :raises Refused: 400 for another type, 422 for content that R4 does not allow.
    """
    if body.get("resourceType") != kind:
        raise Refused(400, "invalid", f"The body is not a {kind}.")
    shape = SHAPES[kind]
    for name in shape.required:
        if name not in body:
            raise Refused(422, "required", f"{kind}.{name} is required.")
    if shape.status and "status" in body and body["status"] not in shape.status:
        raise Refused(422, "code-invalid", f"{kind}.status must be one of: {', '.join(shape.status)}.")
    for name in shape.references:
        if name in body and not _is_reference(body[name]):
            raise Refused(422, "structure", f"{kind}.{name} must be a reference.")
    _check_identifier(kind, body)


def _check_identifier(kind: str, body: Json) -> None:
    """In R4 `identifier` is a list everywhere here but on QuestionnaireResponse, where it is one object."""
    if "identifier" not in body:
        return
    found = body["identifier"]
    listed = [found] if kind == "QuestionnaireResponse" else found
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise Refused(422, "structure", f"{kind}.identifier has the wrong shape.")


def _is_reference(value: object) -> bool:
    return isinstance(value, dict) and any(
        isinstance(value.get(key), str | dict) for key in ("reference", "identifier")
    )


def _no_constant(_word: str) -> object:
    raise ValueError("NaN and Infinity are not JSON")


def _no_blanks(value: object, path: str, deeper: int) -> None:
    """FHIR knows no null, no empty string, list or object (ele-1); the path is said, the value never."""
    if deeper == 0:
        raise Refused(400, "structure", "The body nests too deep.")
    if value is None or value in ("", [], {}):
        raise Refused(422, "structure", f"{path or 'The body'} is empty; leave it out.")
    if isinstance(value, dict):
        for key, inner in value.items():
            _no_blanks(inner, f"{path}.{key}" if path else key, deeper - 1)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            _no_blanks(inner, f"{path}[{index}]", deeper - 1)
