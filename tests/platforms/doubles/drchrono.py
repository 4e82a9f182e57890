"""A small DrChrono over real HTTP: clinical-note values, templates, appointments, patients, tasks, flags, sign-in."""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, tzinfo
from hashlib import sha256
from typing import Any, ClassVar

from handrail.plugin_core.contracts import WebhookRequest

from .base import FORM_TITLE, QUESTIONS, Clock, Double, Filled, Mark, Reply, Request
from .oauth import OAuth

CLIENT_ID, CLIENT_SECRET = "kestrel-client", "kestrel-client-secret"
HOOK = "kestrel-hook-secret"
NAMES = {"70001": "Ada Kestrelmeier", "70002": "Ben Wolkenstein-Oak"}
ADA = "70001"
TEMPLATE, DOCTOR, USER, FLAG_TYPE = 40, 100, "9001", 55
OPEN, DONE = 12, 13
OURS = re.compile(r"\[[0-9a-f]{12}\]")
Row = dict[str, Any]


class DrChronoDouble(Double):
    """One practice. Times are local, without offset, as DrChrono writes them."""

    cannot: ClassVar[Mapping[str, str]] = {
        "own-wait": "DrChrono sends no header with a 429",
        "asks": "DrChrono cannot be told to ask a client",
    }
    page_size: ClassVar[int] = 5
    list_name = "data"
    replaces = True
    nulls = True

    def __init__(self, zone: tzinfo = UTC) -> None:
        super().__init__()
        self.zone = zone
        self.oauth = OAuth(self.clock, CLIENT_ID, CLIENT_SECRET, life=172_800)
        self._held = self.oauth.first()
        self._next = 1000
        self._twice, self._elsewhere = False, ""
        self.closed: set[str] = set()
        self.tables: dict[str, dict[str, Row]] = {
            name: {}
            for name in (
                "clinical_note_field_values",
                "clinical_note_field_types",
                "clinical_note_templates",
                "appointments",
                "patients",
                "doctors",
                "users",
                "tasks",
                "task_statuses",
            )
        }
        self._stock()

    def _stock(self) -> None:
        for ref, name in NAMES.items():
            first, _, last = name.partition(" ")
            row = {"first_name": first, "last_name": last, "doctor": DOCTOR, "gender": "", "patient_flags_attached": []}
            self.put("patients", row, int(ref))
        self.put("doctors", {"first_name": "Thea", "last_name": "Rapist-Kestrel"}, DOCTOR)
        self.put("users", {"username": "thea", "doctor": str(DOCTOR), "is_doctor": "true"}, USER)
        self.put("task_statuses", {"name": "Open", "practice_group": 1, "status_category": "O"}, OPEN)
        self.put("task_statuses", {"name": "Done", "practice_group": 1, "status_category": "C"}, DONE)
        self.put("clinical_note_templates", {"name": FORM_TITLE, "archived": False}, TEMPLATE)
        self.fields = {question.text: self.field(question.text, question.options) for question in QUESTIONS}

    def field(self, name: str, allowed: Sequence[str], kind: str = "String", template: int = TEMPLATE) -> int:
        """A field of a template; gives its id."""
        row = {"name": name, "data_type": kind, "allowed_values": list(allowed), "archived": False}
        return int(self.put("clinical_note_field_types", {**row, "clinical_note_template": str(template)})["id"])

    def put(self, table: str, row: Row, remote_id: int | str | None = None) -> Row:
        """A row made now."""
        self._next += 1
        known = self._next if remote_id is None else remote_id
        made = {"id": known, **row}
        if table in ("clinical_note_field_values", "tasks", "appointments"):
            made = {**made, "created_at": self.now(), "updated_at": self.now()}
        self.tables[table][str(known)] = made
        return made

    def now(self) -> str:
        """The time as DrChrono writes it."""
        return self.clock.at.astimezone(self.zone).strftime("%Y-%m-%dT%H:%M:%S")

    # --- the account --------------------------------------------------------------------------------------------

    def settings(self) -> dict[str, Any]:
        return {
            "base_url": self.origin,
            "client_id": CLIENT_ID,
            "assignee_user": USER,
            "patient_flag_type": FLAG_TYPE,
        }

    def secrets(self) -> dict[str, str]:
        access, refresh = self._held
        kept = json.dumps({"refresh": refresh, "access": access, "until": self.clock.at.timestamp() + 170_000})
        return {"client_secret": CLIENT_SECRET, "tokens": kept, "webhook_secret": HOOK}

    def wrong_secrets(self) -> dict[str, str]:
        until = self.clock.at.timestamp() + 170_000
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

    def add(self, filled: Filled) -> str:
        when = {"scheduled_time": self.now(), "exam_room": 1, "office": 1}
        who = {"patient": int(filled.client), "doctor": DOCTOR, "deleted_flag": False}
        visit = self.put("appointments", {**who, **when})
        visit["id"] = str(visit["id"])
        for text, label in filled.labels().items():
            self.value(visit["id"], self.fields[text], label)
        return f"{visit['id']}/{TEMPLATE}"

    def value(self, appointment: str, field: int, value: str | None) -> Row | None:
        """A field of a note is filled in."""
        if value is None:
            return None
        row = {"appointment": int(appointment), "clinical_note_field": field, "value": value}
        return self.put("clinical_note_field_values", row)

    def rows_of(self, remote_id: str) -> list[Row]:
        """The value rows of a form."""
        appointment = int(remote_id.partition("/")[0])
        return [row for row in self.tables["clinical_note_field_values"].values() if row["appointment"] == appointment]

    def amend(self, remote_id: str, filled: Filled) -> None:
        labels = {self.fields[text]: label for text, label in filled.labels().items()}
        for row in self.rows_of(remote_id):
            label = labels.pop(row["clinical_note_field"], None)
            if label != row["value"]:
                row.update(value=label or "", updated_at=self.now())
        for field, label in labels.items():
            self.value(remote_id.partition("/")[0], field, label)

    def withdraw(self, remote_id: str) -> None:
        self.tables["appointments"][remote_id.partition("/")[0]]["deleted_flag"] = True
        for row in self.rows_of(remote_id):
            row["updated_at"] = self.now()

    def delete(self, remote_id: str) -> None:
        for row in self.rows_of(remote_id):
            del self.tables["clinical_note_field_values"][str(row["id"])]

    def repeat_rows(self) -> None:
        self._twice = True

    def lead_to(self, origin: str) -> None:
        self._elsewhere = origin

    # --- what stands there --------------------------------------------------------------------------------------

    def marks(self, carrier: str) -> Sequence[Mark]:
        if carrier == "task":
            return [_task_mark(row, str(row["status"]) != str(DONE)) for row in self.tables["tasks"].values()]
        found: list[Mark] = []
        for ref, row in self.tables["patients"].items():
            ours = [flag for flag in row["patient_flags_attached"] if flag["flag_type"] == FLAG_TYPE]
            found += [Mark(ref, ref, True, "", flag["flag_text"]) for flag in ours]
        return found

    def remove(self, mark: Mark) -> None:
        if mark.id in self.tables["tasks"]:
            self.tables["tasks"][mark.id]["archived"] = True
        else:
            self.tables["patients"][mark.client]["patient_flags_attached"] = []

    def close_client(self, ref: str) -> None:
        self.closed.add(ref)

    def webhook(self, *, genuine: bool = True) -> WebhookRequest:
        body = json.dumps({"receiver": {"id": 1}, "object": {"id": 881}}).encode()
        headers = {
            "x-drchrono-event": "CLINICAL_NOTE_LOCK",
            "x-drchrono-signature": HOOK if genuine else "kestrel-forged",
            "x-drchrono-delivery": "d-1",
        }
        return WebhookRequest("POST", "/hook", "", headers, body)

    def hmac(self, body: bytes) -> str:
        """The signature as some libraries read it."""
        return hmac.new(HOOK.encode(), body, sha256).hexdigest()

    # --- the server ---------------------------------------------------------------------------------------------

    def signs_in(self, request: Request) -> bool:
        return request.path.startswith("/o/")

    def handle(self, request: Request) -> Reply:
        if self.signs_in(request):
            return self.oauth.page(request) if request.path == "/o/authorize/" else self.oauth.token(request)
        if not self.oauth.allows(request.headers.get("authorization", "")):
            return Reply(401, {"detail": "Invalid token."})
        parts = request.path.removeprefix("/api/").split("/")
        if parts == ["users", "current"]:
            return Reply(200, {"practice_group": "77", **self.tables["users"][USER]})
        if parts[0] not in self.tables or len(parts) > 2:
            return Reply(404, {"detail": "Not found."})
        if len(parts) == 1:
            return self._list(parts[0], request) if request.method == "GET" else self._post(parts[0], request.json())
        row = self.tables[parts[0]].get(parts[1])
        if row is None:
            return Reply(404, {"detail": "Not found."})
        return (
            Reply(200, self._shown(parts[0], row, request))
            if request.method == "GET"
            else self._patch(parts[0], row, request.json())
        )

    def _list(self, table: str, request: Request) -> Reply:
        found = [row for row in self.tables[table].values() if self._passes(row, request)]
        start = int(request.one("cursor", "0"))
        rows = [self._shown(table, row, request) for row in found[start : start + self.page_size]]
        if self._twice and start:
            rows.insert(0, self._shown(table, found[start - 1], request))
        following = None
        if start + self.page_size < len(found):
            query = "&".join(f"{k}={v}" for k, v in request.query if k != "cursor")
            query += f"&cursor={start + self.page_size}"
            following = f"{self._elsewhere or self.origin}{request.path}?{query}"
        links = {"previous": None, "next": following}
        if not self.nulls:
            links = {name: link for name, link in links.items() if link}
        return Reply(200, {**links, self.list_name: rows})

    def _passes(self, row: Row, request: Request) -> bool:
        since = request.one("since")
        if since and "updated_at" in row and row["updated_at"] < since:
            return False
        first, _, last = request.one("date_range").partition("/")
        if first and not first <= str(row.get("scheduled_time", ""))[:10] <= last:
            return False
        field = self.tables["clinical_note_field_types"].get(str(row.get("clinical_note_field")), {})
        template = row.get("clinical_note_template") or field.get("clinical_note_template")
        wanted = request.one("clinical_note_template")
        if wanted and wanted != str(template):
            return False
        return not request.one("appointment") or request.one("appointment") == str(row.get("appointment"))

    def _shown(self, table: str, row: Row, request: Request) -> Row:
        if table == "patients" and request.one("verbose") != "true":
            return {name: value for name, value in row.items() if name != "patient_flags_attached"}
        return row

    def _post(self, table: str, body: Row) -> Reply:
        patient = str(body["associated_items"][0]["value"])
        if patient in self.closed or patient not in NAMES:
            return Reply(400, {"associated_items": ["kestrel: no such patient"]})
        return Reply(201, self.put(table, {"archived": False, **body}))

    def _patch(self, table: str, row: Row, body: Row) -> Reply:
        if table == "patients" and str(row["id"]) in self.closed:
            return Reply(400, {"detail": "kestrel: inactive"})
        if table == "patients" and not self.replaces:
            body = {"patient_flags_attached": [*row["patient_flags_attached"], *body["patient_flags_attached"]]}
        row.update(body)
        if "updated_at" in row:
            row["updated_at"] = self.now()
        return Reply(204, body=b"")


def _task_mark(row: Row, stands: bool) -> Mark:
    """The mark in a note is a hash of the key: the double cannot tell which key it is."""
    client = str(row["associated_items"][0]["value"])
    text = OURS.sub("", f"{row['title']} {row['notes'][0]['text']}")
    return Mark(str(row["id"]), client, stands and not row["archived"], "", text)
