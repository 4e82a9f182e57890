"""Reads attended sessions: finished Encounters with the client there, and Appointments that were kept.

Every filter is checked again here, since a server may ignore one and answer with everybody's. Two on one day are one
for every rule, so that a visit which stands in both places counts once. https://hl7.org/fhir/R4/encounter.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from ...plugin_core.errors import Denied, Unsupported
from ...plugin_core.words import mark, tr
from ...schemas.records import Json, Session
from ..http import Refused
from .flatten import BadShape, client_of
from .server import Server, query

PURPOSE = {
    "Encounter": mark("read attended sessions (Encounter)"),
    "Appointment": mark("read attended sessions (Appointment)"),
}
KINDS = {"auto": ("Encounter", "Appointment"), "encounter": ("Encounter",), "appointment": ("Appointment",), "none": ()}
BATCH = 25  # references in one address: servers and proxies cut long ones
PAGE = 200
# R4's `finished`, and R5's word for it, which some servers give already.
ATTENDED = ("finished", "completed")
# Visits of a practice: ambulatory, virtual, at the client's home, in the field. Of the other codes of this system
# (inpatient, emergency, observation ...) none is a session of therapy in a practice; a platform's own codes are taken.
ACT_CODES = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
VISITS = ("AMB", "VR", "HH", "FLD")
WITHOUT = mark(
    "Rules that need attended sessions are not evaluated. To stop asking, set sessions to none in the platform's "
    "settings."
)
_DAY = re.compile(r"(\d{4}-\d\d-\d\d)(?:T.*)?")
_CLINICIAN = re.compile(r"(Practitioner|PractitionerRole)/[A-Za-z0-9\-.]{1,64}")


class SessionReader:
    """Sessions from one server. `choice` is the setting `sessions`: auto, encounter, appointment or none."""

    def __init__(self, server: Server, choice: str) -> None:
        self._server = server
        self._choice = choice

    def gives(self) -> bool | None:
        """Whether the server says that it has sessions; None where it says nothing of itself."""
        kinds = KINDS[self._choice]
        listed = [self._server.statement().can(kind).listed for kind in kinds]
        return None if None in listed else any(listed)

    def of(self, refs: Sequence[str]) -> Iterator[Session]:
        """The attended sessions of these clients. Raises Unsupported where the server has neither kind."""
        kinds = [kind for kind in KINDS[self._choice] if self._searchable(kind)]
        if self._choice != "none" and not kinds:
            raise Unsupported(
                tr(
                    "{site} gives no attended sessions (Encounter, Appointment). {without}",
                    site=self._server.base.site,
                    without=tr(WITHOUT),
                )
            )
        wanted = list(dict.fromkeys(refs))
        refused: list[Refused | Denied] = []
        for kind in kinds:
            try:
                for start in range(0, len(wanted), BATCH):
                    yield from self._some(kind, wanted[start : start + BATCH])
            except (Refused, Denied) as error:
                refused.append(error)
        if kinds and len(refused) == len(kinds):
            raise Unsupported(f"{refused[0].message} {tr(WITHOUT)}")

    def _searchable(self, kind: str) -> bool:
        can = self._server.statement().can(kind)
        if self._choice != "auto" or can.listed is not True:
            return self._choice != "auto" or can.listed is None
        return not can.interactions or "search-type" in can.interactions

    def _some(self, kind: str, refs: Sequence[str]) -> Iterator[Session]:
        parameters = query(patient=",".join(refs), _count=PAGE)
        for resource in self._server.search(kind, parameters, PURPOSE[kind]):
            for found in READERS[kind](resource, self._server.base.text):
                if found.client in refs:
                    yield found


def encounter_sessions(resource: Json, local: str) -> Iterator[Session]:
    """The session that an Encounter stands for, none where it was not one."""
    coding = _dict(resource.get("class"))
    counts = coding.get("code") in VISITS or coding.get("system") not in (None, ACT_CODES)
    day = _day(_dict(resource.get("period")).get("start"))
    client = _client(resource.get("subject"), local)
    if resource.get("status") in ATTENDED and counts and day and client:
        people = [_dict(one).get("individual") for one in _list(resource.get("participant"))]
        yield Session(client, day, _clinician(people, local))


def appointment_sessions(resource: Json, local: str) -> Iterator[Session]:
    """The session of each client who was at a kept Appointment; one who had declined was not there."""
    day = _day(resource.get("start"))
    if resource.get("status") != "fulfilled" or day is None:
        return
    people = [_dict(one) for one in _list(resource.get("participant"))]
    actors = [one.get("actor") for one in people if one.get("status") != "declined"]
    therapist = _clinician(actors, local)
    for actor in actors:
        client = _client(actor, local)
        if client:
            yield Session(client, day, therapist)


READERS: Mapping[str, Callable[[Json, str], Iterator[Session]]] = {
    "Encounter": encounter_sessions,
    "Appointment": appointment_sessions,
}


def _day(text: Any) -> date | None:
    """The day as the platform wrote it, in its own offset; a month or a year is no day."""
    found = _DAY.fullmatch(text) if isinstance(text, str) else None
    try:
        return date.fromisoformat(found.group(1)) if found else None
    except ValueError:
        return None


def _client(reference: Any, local: str) -> str | None:
    text = _dict(reference).get("reference")
    try:
        return client_of(text if isinstance(text, str) else None, local)
    except BadShape:
        return None


def _clinician(people: Sequence[Any], local: str) -> str | None:
    for one in people:
        text = str(_dict(one).get("reference", "")).removeprefix(local + "/")
        if _CLINICIAN.fullmatch(text):
            return text
    return None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _dict(value: Any) -> Json:
    return value if isinstance(value, dict) else {}
