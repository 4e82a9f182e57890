"""How a request to fill in a form looks on the wire: a Task, or a ServiceRequest, as SDC 4 describes them.

http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-task (its rule sdc-t1: code `complete-questionnaire`, no `focus`, the
form in an input) and sdc-servicerequest (the form in an extension). Neutral on purpose: clients, and whoever sees their
portal, read it. Nothing says what the form is about but its address.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from ...plugin_core.contracts import Ask
from ...plugin_core.uris import BASE
from ...plugin_core.words import mark, tr
from ...schemas.records import Json
from .carriers import device, instant_text
from .questionnaire import canonical

ASK_SYSTEM = f"{BASE}/id/ask"
REMINDER = f"{BASE}/StructureDefinition/reminder"
SDC_CODES = "http://hl7.org/fhir/uv/sdc/CodeSystem/temp"
SDC_FORM = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-servicerequest-questionnaire"
ASKED = mark("Your practice asks you to fill in a short form.")
REMINDED = mark("Reminder {number}: the form is still open.")
MISTAKEN = "entered-in-error"


@dataclass(frozen=True, slots=True)
class Request:
    """One kind of request: its resource type, how it is made, and its words for what becomes of it.

    `open`: the states in which an answer is still awaited. `stamped`: it says itself when it was last changed.
    """

    kind: str
    make: Callable[[Ask, str, str], Json]
    open: tuple[str, ...]
    withdrawn: str
    answered: str = "completed"
    stamped: bool = False

    def render(self, ask: Ask, author: str, now: datetime) -> Json:
        """The request as it is first made; `author` refers to our Device."""
        resource = {
            "resourceType": self.kind,
            "identifier": [{"system": ASK_SYSTEM, "value": ask.key}],
            "authoredOn": instant_text(now),
            "requester": {"reference": author},
            **self.make(ask, ask.client.ref, form_of(ask)),
        }
        if author.startswith("#"):
            resource["contained"] = [device(author[1:])]
        return resource

    def turned(self, stored: Json, status: str, now: datetime) -> Json:
        """What is stored in another state; all else, a person's additions too, stays as it is."""
        return self._stamp({**stored, "status": status}, now)

    def reminded(self, stored: Json, number: int, now: datetime) -> Json:
        """What is stored with a note that it is still open. `businessStatus` is left to the platform, whose own
        working states it holds (FHIR R4, Task.businessStatus); a note takes no one's words away."""
        note = {
            "extension": [{"url": REMINDER, "valuePositiveInt": number}],
            "time": instant_text(now),
            "text": tr(REMINDED, number=number),
        }
        return self._stamp({**stored, "note": [*_rows(stored, "note"), note]}, now)

    def answered_by(self, stored: Json, response: str, now: datetime) -> Json:
        """What is stored as done, with the form that came in where the resource has a place for it."""
        done = self.turned(stored, self.answered, now)
        if self.stamped:
            output = {"type": _code("questionnaire-response"), "valueReference": {"reference": response}}
            done["output"] = [*_rows(stored, "output"), output]
        return done

    def _stamp(self, changed: Json, now: datetime) -> Json:
        if not self.stamped:
            return changed
        # R4's rule inv-1: never before authoredOn, which another clock may have written.
        return {**changed, "lastModified": max(instant_text(now), str(changed.get("authoredOn", "")))}


def form_of(ask: Ask) -> str:
    """The form's address with its version: a client must not get a later wording than the one that is scored."""
    return f"{canonical(ask.instrument)}|{ask.instrument.version}"


def reminders_in(stored: Json) -> int:
    """The number of the last reminder that the request carries."""
    rows = [row for note in _rows(stored, "note") for row in _rows(note, "extension") if row.get("url") == REMINDER]
    numbers = [row.get("valuePositiveInt") for row in rows]
    return max((number for number in numbers if isinstance(number, int)), default=0)


def _period(ask: Ask) -> Json:
    """Whole days of the practice; an end without a time includes that day."""
    period = {"start": ask.due.date().isoformat()}
    return {**period, "end": ask.expires.date().isoformat()} if ask.expires else period


def _task(ask: Ask, client: str, form: str) -> Json:
    # In R4 `restriction.period` is when fulfilment is wanted; `executionPeriod` is when it took place.
    return {
        "status": "requested",
        "intent": "order",
        "code": {**_code("complete-questionnaire"), "text": tr(ASKED)},
        "description": tr(ASKED),
        "for": {"reference": client},
        "owner": {"reference": client},
        "restriction": {"period": _period(ask)},
        "input": [{"type": _code("questionnaire"), "valueCanonical": form}],
    }


def _service_request(ask: Ask, client: str, form: str) -> Json:
    return {
        "extension": [{"url": SDC_FORM, "valueCanonical": form}],
        "status": "active",
        "intent": "order",
        "code": {**_code("complete-questionnaire"), "text": tr(ASKED)},
        "subject": {"reference": client},
        "performer": [{"reference": client}],
        "occurrencePeriod": _period(ask),
    }


def _code(code: str) -> Json:
    return {"coding": [{"system": SDC_CODES, "code": code}]}


def _rows(resource: Json, name: str) -> list[Json]:
    rows = resource.get(name)
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


REQUESTS = {
    "task": Request(
        "Task",
        _task,
        ("draft", "requested", "received", "accepted", "ready", "in-progress", "on-hold"),
        "cancelled",
        stamped=True,
    ),
    "service-request": Request(
        "ServiceRequest", _service_request, ("draft", "active", "on-hold", "unknown"), "revoked"
    ),
}
