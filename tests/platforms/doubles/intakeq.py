"""A small IntakeQ over real HTTP: intakes, questionnaires, clients with tags; lists by page and by day, limits, no JSON
in its refusals."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from handrail.plugin_core.contracts import WebhookRequest

from .base import FORM_TITLE, QUESTIONS, Clock, Double, Filled, Mark, Reply, Request

KEY, TOKEN = "kestrel-key-0815", "kestrel-token-0815-long-enough"
NAMES = {"42": "Ada Kestrelmeier", "43": "Ben Wolkenstein-Oak"}
FORM, WHO = "5e00aa", "5d00bb"
TAG = "Handrail: look before session"
Row = dict[str, Any]


class IntakeqDouble(Double):
    """One account."""

    cannot: ClassVar[Mapping[str, str]] = {
        "withdraw": "IntakeQ knows intakes that were deleted, none that were entered in error",
        "expire": "an API key has no time at which it ends",
        "own-wait": "IntakeQ sends no header with a 429",
        "next-links": "IntakeQ numbers its pages and gives no links",
    }
    page_size: ClassVar[int] = 5

    def __init__(self) -> None:
        super().__init__()
        self._next = 0
        self._twice = False
        self.intakes: dict[str, Row] = {}
        self.changed: dict[str, datetime] = {}
        self.deleted: dict[str, Row] = {}
        self.people: dict[str, Row] = {ref: self._person(ref, name) for ref, name in NAMES.items()}
        self.forms: list[Row] = [{"Id": FORM, "Name": FORM_TITLE, "Archived": False, "Anonymous": False}]
        self.sent: list[Row] = []

    def _person(self, ref: str, name: str) -> Row:
        first, _, last = name.partition(" ")
        names = {"Name": name, "FirstName": first, "LastName": last, "Email": "kestrel@client.example"}
        return {"ClientId": int(ref), **names, "PractitionerId": WHO, "Tags": [], "Archived": False}

    # --- the account --------------------------------------------------------------------------------------------

    def settings(self) -> dict[str, Any]:
        return {"base_url": f"{self.origin}/api/v1", "minute_limit": 10_000, "daily_limit": 100_000}

    def secrets(self) -> dict[str, str]:
        return {"api_key": KEY, "webhook_token": TOKEN}

    def wrong_secrets(self) -> dict[str, str]:
        return {"api_key": "kestrel-wrong-key"}

    def clients(self) -> Mapping[str, str]:
        return NAMES

    def set_clock(self, clock: Clock) -> None:
        """Goes on by another clock."""
        self.clock = clock

    # --- what people do -----------------------------------------------------------------------------------------

    def stamp(self) -> int:
        """Now, as IntakeQ writes it."""
        return int(self.clock.at.timestamp() * 1000)

    def put(self, client: str, questions: list[Row], status: str = "Completed", form: str = FORM) -> str:
        """An intake made now; gives its id."""
        self._next += 1
        remote_id = f"65f0aa00bb11cc22dd33{self._next:04x}"
        row: Row = {
            "Id": remote_id,
            "ClientId": int(client),
            "ClientName": NAMES[client],
            "ClientEmail": "kestrel@client.example",
            "Status": status,
            "DateCreated": self.stamp(),
            "QuestionnaireId": form,
            "QuestionnaireName": FORM_TITLE,
            "PractitionerId": WHO,
            "PractitionerName": "T. Kestrel",
            "Questions": questions,
            "ConsentForms": [],
        }
        if status == "Completed":
            row["DateSubmitted"] = self.stamp()
        self.intakes[remote_id] = row
        self.changed[remote_id] = self.clock.at
        return remote_id

    def add(self, filled: Filled) -> str:
        return self.put(filled.client, _questions(filled))

    def amend(self, remote_id: str, filled: Filled) -> None:
        self.intakes[remote_id]["Questions"] = _questions(filled)
        self.changed[remote_id] = self.clock.at

    def delete(self, remote_id: str) -> None:
        self.deleted[remote_id] = self.intakes.pop(remote_id)
        self.changed[remote_id] = self.clock.at

    def repeat_rows(self) -> None:
        self._twice = True

    # --- what stands there --------------------------------------------------------------------------------------

    def marks(self, carrier: str) -> Sequence[Mark]:
        assert carrier == "tag"
        return [Mark(ref, ref, True, "", tag) for ref, row in self.people.items() for tag in row["Tags"] if tag == TAG]

    def remove(self, mark: Mark) -> None:
        self.people[mark.client]["Tags"].remove(TAG)

    def close_client(self, ref: str) -> None:
        self.people[ref]["Archived"] = True

    def asks(self) -> Sequence[str]:
        return [str(row["ClientId"]) for row in self.intakes.values() if row["Status"] == "Sent"]

    def webhook(self, *, genuine: bool = True) -> WebhookRequest:
        told = {"IntakeId": "65f0aa00bb11cc22dd330001", "Type": "Intake Submitted", "ClientId": 42}
        body = json.dumps({**told, "ExternalClientId": None, "ExternalPracticeId": None}).encode()
        return WebhookRequest("POST", f"/hook/{TOKEN if genuine else 'kestrel-forged'}", "", {}, body)

    # --- the server ---------------------------------------------------------------------------------------------

    def handle(self, request: Request) -> Reply:
        if request.headers.get("x-auth-key") != KEY:
            return Reply(401, body=b"Invalid API key", headers={"Content-Type": "text/plain"})
        own = request.path.removeprefix("/api/v1/")
        kinds = {
            "GET questionnaires": lambda: Reply(200, self.forms),
            "GET practitioners": lambda: Reply(200, [{"Id": WHO, "CompleteName": "Thea Rapist-Kestrel"}]),
            "GET intakes/summary": lambda: self._summary(request),
            "GET clients": lambda: self._page([*self.people.values()], request),
            "POST clientTags": lambda: self._tag(request),
            "DELETE clientTags": lambda: self._untag(request),
            "POST intakes/send": lambda: self._send(request.json()),
            "POST intakes/resend": lambda: self._resend(request.json()),
        }
        kind = kinds.get(f"{request.method} {own}")
        if kind is not None:
            return kind()
        place, _, remote_id = own.rpartition("/")
        found = {"intakes": self.intakes, "clients/profile": self.people}.get(place, {}).get(remote_id)
        return Reply(200, found) if found and request.method == "GET" else _no("Not found")

    def _summary(self, request: Request) -> Reply:
        rows = self.deleted if request.one("deletedOnly") == "true" else self.intakes
        found = []
        for remote_id, row in rows.items():
            day = self.changed[remote_id].strftime("%Y-%m-%d")
            made = datetime.fromtimestamp(row["DateCreated"] / 1000, self.clock.at.tzinfo).strftime("%Y-%m-%d")
            done = row["Status"] == "Completed" or request.one("all") == "true"
            mine = request.one("clientId", str(row["ClientId"])) == str(row["ClientId"])
            if done and mine and day >= request.one("updatedSince") and made >= request.one("startDate"):
                found.append({name: value for name, value in row.items() if name not in ("Questions", "ConsentForms")})
        return self._page(found, request)

    def _page(self, found: list[Row], request: Request) -> Reply:
        start = (int(request.one("page", "1")) - 1) * self.page_size
        rows = found[start : start + self.page_size]
        if self._twice and start:
            rows = [found[start - 1], *rows]
        return Reply(200, rows)

    def _tag(self, request: Request) -> Reply:
        body = request.json()
        person = self.people.get(str(body["ClientId"]))
        if person is None or person["Archived"]:
            return _no("Client not found")
        if body["Tag"] not in person["Tags"]:
            person["Tags"].append(body["Tag"])
        return Reply(200, body=b"")

    def _untag(self, request: Request) -> Reply:
        person = self.people.get(request.one("clientId"))
        if person is None:
            return _no("Client not found")
        if request.one("tag") in person["Tags"]:
            person["Tags"].remove(request.one("tag"))
        return Reply(200, body=b"")

    def _send(self, body: Row) -> Reply:
        person = self.people.get(str(body["ClientId"]))
        if person is None or person["Archived"] or body["QuestionnaireId"] != FORM:
            return _no("Client not found")
        return Reply(200, self.intakes[self.put(str(body["ClientId"]), [], "Sent")])

    def _resend(self, body: Row) -> Reply:
        if body["IntakeId"] not in self.intakes:
            return _no("Intake not found")
        self.sent.append(body)
        return Reply(200, self.intakes[body["IntakeId"]])


def _questions(filled: Filled) -> list[Row]:
    labels = filled.labels()
    return [
        {
            "Id": question.id,
            "Text": question.text,
            "QuestionType": "MultipleChoice",
            "Answer": labels[question.text] or "",
            "OfficeUse": False,
        }
        for question in QUESTIONS
    ]


def _no(why: str) -> Reply:
    return Reply(404 if "ntake" in why or why == "Not found" else 400, body=why.encode())
