"""How each carrier looks on the wire: payloads, the words for each state, and who is likely to see it.

Neutral on purpose: a title that says nothing, no score, no level, no answer. Reasons only if the notice brings one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape

from ...plugin_core.contracts import CarrierSpec, Notice
from ...plugin_core.uris import BASE
from ...plugin_core.words import mark
from ...schemas.records import Json
from ...schemas.vocab import RemoteState

KEY_SYSTEM = f"{BASE}/id/flag"
RULE_SYSTEM = f"{BASE}/CodeSystem/rule"
DEVICE_SYSTEM = f"{BASE}/id/device"
FLAG_DETAIL = "http://hl7.org/fhir/StructureDefinition/flag-detail"
FLAG_CATEGORY = "http://terminology.hl7.org/CodeSystem/flag-category"
PARTICIPANT = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
DEVICE_NAME = "Handrail"
RETRACTED = "entered-in-error"

SEEN_BY = mark(
    "Whoever may read the chart on this platform. Some platforms also show such entries to clients, in a portal or in "
    "a record that they ask for: ask the vendor before switching this on."
)
CARRIERS = (
    CarrierSpec("flag", mark("Flag on the client's chart"), SEEN_BY, clinicians_only=False),
    CarrierSpec("detected-issue", mark("Detected issue in the client's chart"), SEEN_BY, clinicians_only=False),
    CarrierSpec(
        "task",
        mark("Task for the clinician"),
        mark(
            "Whoever may read tasks on this platform, usually clinicians and office staff; it stands beside other "
            "tasks."
        ),
        clinicians_only=False,
    ),
)


@dataclass(frozen=True, slots=True)
class Form:
    """A carrier's resource: its type, its status word for each state, how it is made, what closing it adds, and which
    element names the client."""

    kind: str
    statuses: dict[RemoteState, str]
    make: Callable[[Notice, str], Json]
    closing: Callable[[Notice], Json]
    subject: str = "subject"

    def render(self, notice: Notice, author: str, **more: str) -> Json:
        """The resource as it should look for the notice's state; `author` refers to our Device, `more` goes on top."""
        resource = {**self.make(notice, author), **more}
        return self.turned(resource, notice, notice.state)

    def turned(self, stored: Json, notice: Notice, state: RemoteState) -> Json:
        """What is stored, with nothing changed but the status and what belongs to it: a person's additions stay."""
        changed = {**stored, "status": self.status(state)}
        if state is RemoteState.ACTIVE:
            if "end" in changed.get("period", {}):  # it stands again after an amendment
                changed["period"] = {name: value for name, value in changed["period"].items() if name != "end"}
            return changed
        for name, value in self.closing(notice).items():
            changed[name] = {**stored.get(name, {}), **value}
        return changed

    def moved(self, stored: Json, notice: Notice) -> Json | None:
        """What is stored, in the chart of the client of the notice; None where it is there already (F67)."""
        told = stored.get(self.subject)
        have = str(told.get("reference", "")) if isinstance(told, dict) else ""
        if have.partition("/_history/")[0].endswith(notice.client):
            return None
        return {**stored, self.subject: {"reference": notice.client}}

    def status(self, state: RemoteState) -> str:
        """The status word; what should be absent is taken back as entered in error, since deleting hides history."""
        return self.statuses.get(state, RETRACTED)


def instant_text(moment: datetime) -> str:
    """A moment as FHIR writes it, in UTC."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _common(kind: str, notice: Notice, author: str) -> Json:
    resource: Json = {
        "resourceType": kind,
        "identifier": [{"system": KEY_SYSTEM, "value": notice.key}],
        "code": {"coding": [{"system": RULE_SYSTEM, "code": notice.rule}], "text": notice.title},
    }
    if author.startswith("#"):
        resource["contained"] = [device(author[1:])]
    if notice.reason:
        div = f'<div xmlns="http://www.w3.org/1999/xhtml"><p>{escape(notice.title)}</p><p>{escape(notice.reason)}</p></div>'
        resource["text"] = {"status": "additional", "div": div}
    return resource


def answers(notice: Notice) -> list[Json]:
    """References to the forms that the notice rests on."""
    return [{"reference": f"QuestionnaireResponse/{remote_id}"} for remote_id in notice.based_on]


def _flag(notice: Notice, author: str) -> Json:
    resource = _common("Flag", notice, author)
    resource["category"] = [{"coding": [{"system": FLAG_CATEGORY, "code": "behavioral"}]}]
    resource["subject"] = {"reference": notice.client}
    resource["period"] = {"start": instant_text(notice.opened)}
    resource["author"] = {"reference": author}
    if notice.based_on:
        resource["extension"] = [{"url": FLAG_DETAIL, "valueReference": one} for one in answers(notice)]
    return resource


def _flag_closing(notice: Notice) -> Json:
    return {"period": {"end": instant_text(notice.closed)}} if notice.closed else {}


def _issue(notice: Notice, author: str) -> Json:
    resource = _common("DetectedIssue", notice, author)
    resource["patient"] = {"reference": notice.client}
    resource["identifiedDateTime"] = instant_text(notice.opened)
    resource["author"] = {"reference": author}
    resource["detail"] = f"{notice.title}. {notice.reason}" if notice.reason else notice.title
    if notice.based_on:
        resource["evidence"] = [{"detail": answers(notice)}]
    return resource


def _task(notice: Notice, author: str) -> Json:
    resource = _common("Task", notice, author)
    resource["intent"] = "proposal"
    resource["description"] = notice.title
    resource["for"] = {"reference": notice.client}
    resource["authoredOn"] = instant_text(notice.opened)
    resource["requester"] = {"reference": author}
    if notice.clinician and notice.clinician.startswith(("Practitioner/", "PractitionerRole/")):
        resource["owner"] = {"reference": notice.clinician}
    if notice.reason:
        resource["note"] = [{"text": notice.reason}]
    if notice.based_on:
        resource["focus"] = answers(notice)[-1]
    return resource


def _nothing(_: Notice) -> Json:
    return {}


# DetectedIssue: by FHIR's definitions `preliminary` still waits for a person, `final` needs no further action.
FORMS = {
    "flag": Form(
        "Flag",
        {RemoteState.ACTIVE: "active", RemoteState.INACTIVE: "inactive", RemoteState.RETRACTED: RETRACTED},
        _flag,
        _flag_closing,
    ),
    "detected-issue": Form(
        "DetectedIssue",
        {RemoteState.ACTIVE: "preliminary", RemoteState.INACTIVE: "final", RemoteState.RETRACTED: RETRACTED},
        _issue,
        _nothing,
        "patient",
    ),
    "task": Form(
        "Task",
        {RemoteState.ACTIVE: "requested", RemoteState.INACTIVE: "cancelled", RemoteState.RETRACTED: RETRACTED},
        _task,
        _nothing,
        "for",
    ),
}


def device(remote_id: str | None = None) -> Json:
    """Ourselves, as the author of what we write."""
    resource: Json = {
        "resourceType": "Device",
        "identifier": [{"system": DEVICE_SYSTEM, "value": "handrail"}],
        "status": "active",
        "deviceName": [{"name": DEVICE_NAME, "type": "user-friendly-name"}],
    }
    return {"id": remote_id, **resource} if remote_id else resource


def provenance(target: str, notice: Notice, author: str) -> Json:
    """From which forms the target was made, and that a program made it.

    `recorded` is the day of the form that opened the flag, so that a repeat writes the same again.
    """
    assembler = {"coding": [{"system": PARTICIPANT, "code": "assembler"}]}
    who: Json = {"display": DEVICE_NAME} if author.startswith("#") else {"reference": author}
    return {
        "resourceType": "Provenance",
        "target": [{"reference": target}],
        "recorded": instant_text(notice.opened),
        "agent": [{"type": assembler, "who": who}],
        "entity": [{"role": "derivation", "what": one} for one in answers(notice)],
    }
