"""Serves sekmet-fhir with the R4 search parameters that it lacks; run by the interpreter of sekmet's own environment.

Usage: `SEKMET_CONFIG=settings.json python sekmet_app.py PORT`. The stock server knows only the common parameters for
QuestionnaireResponse, Questionnaire and DetectedIssue; most servers that a practice has know these too.
"""

from __future__ import annotations

import sys

import uvicorn
from sekmet.fhir import search_params

# name, kind, element, the type that a bare id means: https://hl7.org/fhir/R4/ "Search Parameters" of each resource
R4_PARAMETERS: dict[str, list[tuple[str, str, str, str | None]]] = {
    "QuestionnaireResponse": [
        ("identifier", "token", "identifier", None),
        ("status", "token", "status", None),
        ("subject", "reference", "subject", None),
        ("patient", "reference", "subject", "Patient"),
        ("authored", "date", "authored", None),
        ("questionnaire", "uri", "questionnaire", None),
        ("encounter", "reference", "encounter", None),
        ("author", "reference", "author", None),
        ("source", "reference", "source", None),
    ],
    "Questionnaire": [
        ("identifier", "token", "identifier", None),
        ("url", "uri", "url", None),
        ("version", "token", "version", None),
        ("status", "token", "status", None),
        ("name", "string", "name", None),
        ("title", "string", "title", None),
    ],
    "DetectedIssue": [
        ("identifier", "token", "identifier", None),
        ("patient", "reference", "patient", "Patient"),
        ("code", "token", "code", None),
        ("author", "reference", "author", None),
        ("implicated", "reference", "implicated", None),
        ("identified", "date", "identifiedDateTime", None),
    ],
}


def add_parameters() -> None:
    """Enter the table above beside what the server has; what it has already stays as it is."""
    for resource, rows in R4_PARAMETERS.items():
        known = search_params.PARAMS.setdefault(resource, {})
        for name, kind, element, target in rows:
            known.setdefault(name, search_params.SearchParam(name, kind, (element,), target))


if __name__ == "__main__":
    add_parameters()
    uvicorn.run("sekmet.main:app_factory", factory=True, host="127.0.0.1", port=int(sys.argv[1]), log_level="info")
