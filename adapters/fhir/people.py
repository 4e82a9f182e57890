"""Reads a Patient as a client: the name in use, who is responsible, where to write, and which record replaced it."""

from __future__ import annotations

from typing import Any

from ...schemas.records import Client, Json
from .flatten import BadShape, client_of

_NAMES = {"usual": 0, "official": 1, "": 2}


def client_from(patient: Json, local: str = "", *, email: bool = False) -> Client:
    """The client that a Patient is.

    :param local: our base URL, which absolute references may begin with.
    :param email: whether to read the address; only where the practice asks clients by e-mail.
    """
    names = _rows(patient, "name")
    names.sort(key=lambda name: _NAMES.get(str(name.get("use", "")), 3))
    carers = [one for one in _rows(patient, "generalPractitioner") if one.get("reference")]
    carer = next((one for one in carers if "Practitioner" in str(one["reference"])), None)
    return Client(
        ref=f"Patient/{patient['id']}",
        name=_full_name(names[0]) if names else None,
        clinician=str(carer["reference"]) if carer else None,
        clinician_name=str(carer["display"]) if carer and carer.get("display") else None,
        email=_email(patient) if email else None,
        replaced_by=_replaced_by(patient, local),
    )


def _full_name(name: Json) -> str | None:
    if isinstance(name.get("text"), str) and name["text"].strip():
        return str(name["text"]).strip()
    given = name.get("given") if isinstance(name.get("given"), list) else []
    parts = [part for part in (*(given or ()), name.get("family")) if isinstance(part, str) and part.strip()]
    return " ".join(parts) or None


def _email(patient: Json) -> str | None:
    """The address of the lowest `rank`; one marked as old or ended is nobody's any more."""
    usable = [
        (one["rank"] if isinstance(one.get("rank"), int) else 99, place, str(one["value"]).strip())
        for place, one in enumerate(_rows(patient, "telecom"))
        if one.get("system") == "email"
        and isinstance(one.get("value"), str)
        and one.get("use") != "old"
        and not (isinstance(one.get("period"), dict) and one["period"].get("end"))
        and "@" in one["value"]
    ]
    return min(usable)[2] if usable else None


def _replaced_by(patient: Json, local: str) -> str | None:
    """The record that this one was merged into (FHIR R4, Patient.link); one that points to itself is no merge."""
    for link in _rows(patient, "link"):
        other = link.get("other")
        if link.get("type") == "replaced-by" and isinstance(other, dict):
            try:
                found = client_of(other.get("reference") if isinstance(other.get("reference"), str) else None, local)
            except BadShape:
                continue
            if found != f"Patient/{patient['id']}":
                return found
    return None


def _rows(resource: Json, name: str) -> list[dict[str, Any]]:
    rows = resource.get(name)
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
