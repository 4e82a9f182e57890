"""A small OpenEMR over real HTTP: FHIR for reading, as its source does it; messages nobody can read back; sign-in."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from .base import FORM_TITLE, QUESTIONS, Clock, Double, Filled, Mark, Reply, Request
from .oauth import OAuth

CLIENT_ID, CLIENT_SECRET = "kestrel-emr-client", "kestrel-emr-secret"
ADA, BEN = "946da617-1a4a-4b2c-ae66-93b84377cb1e", "946da617-1a4a-4b2c-ae66-93b84377cb2f"
NAMES = {f"Patient/{ADA}": "Ada Kestrelmeier", f"Patient/{BEN}": "Ben Wolkenstein-Oak"}
PIDS = {ADA: "17", BEN: "18"}
FORM = "96200001-0000-4000-8000-00000000f0f0"
WHO = "9473b0cf-e969-4eaa-8044-51037767fa4f"
Row = dict[str, Any]


class OpenEmrDouble(Double):
    """One site. Every answer stamps `meta.lastUpdated` with the time of the request, as OpenEMR does."""

    cannot: ClassVar[Mapping[str, str]] = {
        "pages": "OpenEMR sends all that is asked for in one answer",
        "next-links": "OpenEMR's bundles have no link but to themselves",
        "duplicates": "a list that has no pages has no row on two of them",
        "own-wait": "OpenEMR limits no requests and has no header for it",
        "asks": "OpenEMR's API cannot be told to ask a client",
        "tidy": "messages cannot be read back, so that a person's hand on one is never seen",
        "webhooks": "OpenEMR's API has no webhooks",
    }
    page_size: ClassVar[int] = 5

    def __init__(self) -> None:
        super().__init__()
        self.oauth = OAuth(self.clock, CLIENT_ID, CLIENT_SECRET)
        self._held = self.oauth.first()
        self._next = 0
        self.forms: dict[str, Row] = {}
        self.made: dict[str, datetime] = {}
        self.messages: dict[str, Row] = {}
        self.closed: set[str] = set()
        self.named_by = FORM
        self.questionnaire = _questionnaire()

    # --- the account --------------------------------------------------------------------------------------------

    def settings(self) -> dict[str, Any]:
        return {"base_url": self.origin, "client_id": CLIENT_ID, "reread_days": 7, "messages_to": "thea"}

    def secrets(self) -> dict[str, str]:
        access, refresh = self._held
        kept = json.dumps({"refresh": refresh, "access": access, "until": self.clock.at.timestamp() + 3000})
        return {"client_secret": CLIENT_SECRET, "tokens": kept}

    def wrong_secrets(self) -> dict[str, str]:
        until = self.clock.at.timestamp() + 3000
        return {"tokens": json.dumps({"refresh": "kestrel-no", "access": "kestrel-never", "until": until})}

    def clients(self) -> Mapping[str, str]:
        return NAMES

    def set_clock(self, clock: Clock) -> None:
        """Goes on by another clock."""
        self.clock = clock
        self.oauth.renew(clock)

    def expire(self) -> None:
        self.oauth.expire()

    # --- what people do -----------------------------------------------------------------------------------------

    def add(self, filled: Filled, status: str = "completed") -> str:
        return self.put(filled.client, _items(filled), status)

    def put(self, client: str, items: list[Row], status: str = "completed") -> str:
        """A filled-in questionnaire with these lines; gives its id."""
        self._next += 1
        remote_id = f"96200002-0000-4000-8000-{self._next:012d}"
        self.made[remote_id] = self.clock.at
        self.forms[remote_id] = {
            "resourceType": "QuestionnaireResponse",
            "id": remote_id,
            "meta": {"versionId": "1"},
            "questionnaire": f"{self.origin}/apis/default/fhir/Questionnaire/{self.named_by}",
            "status": status,
            "subject": {"reference": client},
            "authored": self.clock.at.isoformat(timespec="seconds"),
            "item": items,
        }
        return remote_id

    def amend(self, remote_id: str, filled: Filled) -> None:
        self._change(remote_id, item=_items(filled), status="amended")

    def withdraw(self, remote_id: str) -> None:
        self._change(remote_id, status="entered-in-error")

    def _change(self, remote_id: str, **fields: Any) -> None:
        row = self.forms[remote_id]
        row.update(fields, meta={"versionId": str(int(row["meta"]["versionId"]) + 1)})

    def delete(self, remote_id: str) -> None:
        del self.forms[remote_id]

    # --- what stands there --------------------------------------------------------------------------------------

    def marks(self, carrier: str) -> Sequence[Mark]:
        assert carrier == "message"
        whose = {pid: f"Patient/{uuid}" for uuid, pid in PIDS.items()}
        return [
            Mark(f"{row['pid']}/{mid}", whose[row["pid"]], row["message_status"] != "Done", "", _read(row["body"]))
            for mid, row in self.messages.items()
        ]

    def close_client(self, ref: str) -> None:
        self.closed.add(ref.rpartition("/")[2])

    # --- the server ---------------------------------------------------------------------------------------------

    def signs_in(self, request: Request) -> bool:
        return request.path.startswith("/oauth2/default/")

    def handle(self, request: Request) -> Reply:
        if self.signs_in(request):
            page = request.path == "/oauth2/default/authorize"
            return self.oauth.page(request) if page else self.oauth.token(request)
        if request.path == "/apis/default/fhir/metadata":
            return Reply(200, self._statement())
        if not self.oauth.allows(request.headers.get("authorization", "")):
            return Reply(401, {"error": "access_denied"})
        own = request.path.removeprefix("/apis/default/")
        if own.startswith("fhir/"):
            return self._fhir(own.removeprefix("fhir/").split("/"), request)
        return self._standard(own.removeprefix("api/").split("/"), request)

    def _statement(self) -> Row:
        return {
            "resourceType": "CapabilityStatement",
            "fhirVersion": "4.0.1",
            "software": {"name": "OpenEMR", "version": "8.1.1"},
            "rest": [{"mode": "server", "resource": [{"type": "QuestionnaireResponse"}, {"type": "Questionnaire"}]}],
        }

    def _fhir(self, parts: list[str], request: Request) -> Reply:
        assert "_count" not in dict(request.query), "OpenEMR's searches break with _count (its issue 12330)"
        if parts[0] == "Patient" and len(parts) == 2:
            name = NAMES.get("/".join(parts))
            return Reply(200, _patient(parts[1], name)) if name else Reply(404, {"error": "not found"})
        tables = {"QuestionnaireResponse": self.forms, "Questionnaire": {FORM: self.questionnaire}}
        table = tables[parts[0]]
        if len(parts) == 2:
            found = table.get(parts[1])
            return Reply(200, self._stamped(found)) if found else Reply(404, {"error": "not found"})
        since = request.one("authored").removeprefix("ge")
        rows = [
            self._stamped(row)
            for remote_id, row in reversed(table.items())
            if request.one("_id", remote_id) == remote_id
            and (not since or self.made[remote_id] >= datetime.fromisoformat(since))
        ]
        entries = [{"fullUrl": f"{self.origin}{request.path}/{row['id']}", "resource": row} for row in rows]
        link = [{"relation": "self", "url": f"{self.origin}{request.path}"}]
        bundle = {"resourceType": "Bundle", "type": "collection", "total": len(rows), "link": link}
        return Reply(200, {**bundle, "entry": entries} if entries else bundle)

    def _stamped(self, row: Row) -> Row:
        return {**row, "meta": {**row.get("meta", {}), "lastUpdated": self.clock.at.isoformat(timespec="seconds")}}

    def _standard(self, parts: list[str], request: Request) -> Reply:
        match (request.method, parts):
            case ("GET", ["patient", uuid]) if uuid in PIDS and uuid not in self.closed:
                return Reply(200, {"validationErrors": [], "internalErrors": [], "data": [{"pid": PIDS[uuid]}]})
            case ("GET", ["user", uuid]) if uuid == WHO:
                return Reply(200, {"validationErrors": [], "internalErrors": [], "data": [{"username": "drdoe"}]})
            case ("POST", ["patient", pid, "message"]) if pid in PIDS.values():
                self._next += 1
                self.messages[str(self._next)] = {**request.json(), "pid": pid}
                return Reply(201, {"mid": self._next})
            case ("PUT", ["patient", _, "message", mid]) if mid in self.messages:
                changed = request.json()
                body = f"{self.messages[mid]['body']}\n{changed['body']}"
                self.messages[mid].update({**changed, "body": body})
                return Reply(200, {"mid": int(mid)})
            case ("DELETE", ["patient", _, "message", mid]) if mid in self.messages:
                del self.messages[mid]
                return Reply(200, {"message": "record deleted"})
        return Reply(404, {"validationErrors": {"uuid": ["kestrel"]}, "internalErrors": [], "data": []})


def _items(filled: Filled) -> list[Row]:
    labels = filled.labels()
    items = []
    for question in QUESTIONS:
        label = labels[question.text]
        answer = [{"valueCoding": {"code": str(question.options.index(label)), "display": label}}] if label else []
        items.append({"linkId": question.id, "text": question.text, **({"answer": answer} if answer else {})})
    return items


def _questionnaire() -> Row:
    options = [
        [{"valueCoding": {"code": str(number), "display": label}} for number, label in enumerate(question.options)]
        for question in QUESTIONS
    ]
    items = [
        {"linkId": question.id, "text": question.text, "type": "choice", "answerOption": offered}
        for question, offered in zip(QUESTIONS, options, strict=True)
    ]
    identifier = [{"system": "urn:kestrel", "value": "kestrel-form"}]
    return {
        "resourceType": "Questionnaire",
        "id": FORM,
        "identifier": identifier,
        "title": FORM_TITLE,
        "status": "active",
        "item": items,
    }


def _patient(uuid: str, name: str) -> Row:
    given, _, family = name.partition(" ")
    return {
        "resourceType": "Patient",
        "id": uuid,
        "name": [{"use": "official", "family": family, "given": [given]}],
        "generalPractitioner": [{"reference": f"Practitioner/{WHO}"}],
    }


def _read(body: str) -> str:
    """What a person reads, without our mark."""
    return body.partition("[")[0]
