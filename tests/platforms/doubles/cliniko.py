"""A small Cliniko over real HTTP: patient forms, templates, patients, medical alerts, with its filters and pages."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from .base import FORM_TITLE, QUESTIONS, Double, Filled, Mark, Reply, Request

KEY = "MS0xMjM0-kestrelkey-au2"
FIRST = 1_250_000_000_000_000_001  # beyond what a floating-point number can hold
NAMES = {"1250000000000000901": "Ada Kestrelmeier", "1250000000000000902": "Ben Wolkenstein-Oak"}
OURS = re.compile(r"\[[0-9a-f]{12}\]")
Row = dict[str, Any]


class ClinikoDouble(Double):
    """One account. A form that is archived vanishes from lists, as in Cliniko."""

    cannot: ClassVar[Mapping[str, str]] = {
        "withdraw": "Cliniko only archives forms, and archived ones are left out of its lists",
        "expire": "an API key has no time at which it ends",
        "webhooks": "Cliniko's API has no webhooks",
    }
    page_size: ClassVar[int] = 5

    def __init__(self) -> None:
        super().__init__()
        self._next = FIRST
        self._elsewhere = ""
        self.hidden: set[str] = set()
        self.account = "77"
        self.tables: dict[str, dict[str, Row]] = {
            name: {}
            for name in (
                "patient_forms",
                "patient_form_templates",
                "patients",
                "medical_alerts",
                "individual_appointments",
                "practitioners",
            )
        }
        for ref, name in NAMES.items():
            first, _, last = name.partition(" ")
            self.put("patients", {"first_name": first, "last_name": last, "archived_at": None}, ref)
        content = {"sections": [{"name": "This week", "description": None, "questions": [*map(_asked, QUESTIONS)]}]}
        self.put("patient_form_templates", {"name": FORM_TITLE, "content": content, "archived_at": None})

    # --- the account --------------------------------------------------------------------------------------------

    def settings(self) -> dict[str, Any]:
        return {"base_url": f"{self.origin}/v1", "contact_email": "practice@kestrel.example"}

    def secrets(self) -> dict[str, str]:
        return {"api_key": KEY}

    def wrong_secrets(self) -> dict[str, str]:
        return {"api_key": "MS0xMjM0-wrongkestrel-au2"}

    def clients(self) -> Mapping[str, str]:
        return NAMES

    def put(self, table: str, row: Row, remote_id: str = "") -> str:
        """A row made now; gives its id."""
        self._next += 1
        remote_id = remote_id or str(self._next)
        now = text(self.clock.at)
        self.tables[table][remote_id] = {"id": remote_id, "created_at": now, "updated_at": now, **row}
        return remote_id

    def link(self, table: str, remote_id: str) -> Row:
        """A relation, as Cliniko writes it."""
        return {"links": {"self": f"{self.origin}/v1/{table}/{remote_id}"}}

    # --- what people do -----------------------------------------------------------------------------------------

    def add(self, filled: Filled) -> str:
        return self.put("patient_forms", self.form(FORM_TITLE, filled.client, _content(filled)))

    def form(self, name: str, client: str, content: Row, *, done: bool = True) -> Row:
        """A patient form without its id and times."""
        return {
            "name": name,
            "completed_at": text(self.clock.at) if done else None,
            "patient": self.link("patients", client),
            "content": content,
            "restricted_to_practitioner": False,
            "email_to_patient_on_completion": False,
            "url": f"https://kestrel.au2.cliniko.com/patient_forms/{self._next + 1}/edit",
        }

    def amend(self, remote_id: str, filled: Filled) -> None:
        self.change("patient_forms", remote_id, content=_content(filled))

    def change(self, table: str, remote_id: str, **values: Any) -> None:
        """Changes a row now."""
        self.tables[table][remote_id].update(values, updated_at=text(self.clock.at))

    def delete(self, remote_id: str) -> None:
        self.change("patient_forms", remote_id, archived_at=text(self.clock.at))

    def marks(self, carrier: str) -> Sequence[Mark]:
        assert carrier == "medical-alert"
        return [
            Mark(row["id"], _id(row["patient"]), not row["archived_at"], "", OURS.sub("", row["name"]))
            for row in self.tables["medical_alerts"].values()
        ]

    def standing(self, carrier: str, key_mark: str) -> list[Row]:
        """Alerts with that mark that are not archived."""
        rows = self.tables["medical_alerts"].values()
        return [row for row in rows if key_mark in row["name"] and not row["archived_at"]]

    def remove(self, mark: Mark) -> None:
        self.change("medical_alerts", mark.id, archived_at=text(self.clock.at))

    def close_client(self, ref: str) -> None:
        self.change("patients", ref, archived_at=text(self.clock.at))

    def asks(self) -> Sequence[str]:
        rows = self.tables["patient_forms"].values()
        return [_id(row["patient"]) for row in rows if not row["completed_at"] and not row.get("archived_at")]

    def lead_to(self, origin: str) -> None:
        self._elsewhere = origin

    def repeat_rows(self) -> None:
        """Nothing to do: pages are asked for from a time, so that each begins with the last row of the one before."""

    def own_wait(self, seconds: int) -> Mapping[str, str]:
        return {"X-RateLimit-Reset": str(int(self.clock.at.timestamp()) + seconds)}

    # --- the API ------------------------------------------------------------------------------------------------

    def handle(self, request: Request) -> Reply:
        if not self._allowed(request):
            return Reply(401, {"message": "Unauthorized"})
        if not re.search(r"\(\S+@\S+\)$", request.headers.get("user-agent", "")):
            return Reply(400, {"message": "A contact is needed in the User-Agent"})
        parts = request.path.removeprefix("/v1/").split("/")
        if parts[0] in self.hidden:
            return Reply(403, {"message": "Forbidden"})
        if parts == ["user"]:
            return Reply(200, {"id": "1250000000000000801", "first_name": "Kim", "time_zone": "Sydney", "active": True})
        if parts == ["settings", "public"]:
            return Reply(200, {"account": {"id": self.account, "name": "Harbour Practice", "country_code": "AU"}})
        if parts[0] not in self.tables:
            return Reply(404, {"message": "Not found"})
        return self._table(request, *parts)

    def _allowed(self, request: Request) -> bool:
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        return scheme == "Basic" and b64decode(value).decode() == f"{KEY}:"

    def _table(self, request: Request, table: str, remote_id: str = "", verb: str = "") -> Reply:
        if not remote_id:
            return self._list(request, table) if request.method == "GET" else self._create(request, table)
        row = self.tables[table].get(remote_id)
        anyway = "archived_at:*" in request.all("q[]") or table in ("patient_forms", "practitioners", "patients")
        if row is None or (request.method == "GET" and row.get("archived_at") and not anyway):
            return Reply(404, {"message": "Not found"})
        if verb == "archive":
            self.change(table, remote_id, archived_at=text(self.clock.at))
            return Reply(204)
        if request.method == "PATCH":
            self.change(table, remote_id, **request.json())
        return Reply(200, _shown(row))

    def _create(self, request: Request, table: str) -> Reply:
        body = request.json()
        client = self.tables["patients"].get(body.get("patient_id", ""))
        if table == "patient_form_templates":
            remote_id = self.put(table, {**body, "archived_at": None})
            return Reply(201, self.tables[table][remote_id])
        if client is None or client["archived_at"]:
            return Reply(422, {"message": "Validation Failed", "errors": {"patient": f"{client} must be active"}})
        if table == "medical_alerts":
            row = {"name": body["name"], "patient": self.link("patients", client["id"]), "archived_at": None}
            return Reply(201, self.tables[table][self.put(table, row)])
        template = self.tables["patient_form_templates"][body["patient_form_template_id"]]
        row = self.form(template["name"], client["id"], template["content"], done=False)
        return Reply(201, _shown(self.tables[table][self.put(table, row)]))

    def _list(self, request: Request, table: str) -> Reply:
        found = list(self.tables[table].values())
        filters = request.all("q[]")
        if "archived_at:*" not in filters:
            found = [row for row in found if not row.get("archived_at")]
        for one in filters:
            found = [row for row in found if _fits(row, one)]
        field, _, way = request.one("sort", "created_at:asc").partition(":")
        found.sort(key=lambda row: (row.get(field) or "", row["id"]), reverse=way == "desc")
        size = min(int(request.one("per_page", "50")), self.page_size)
        page = int(request.one("page", "1"))
        shown = [_shown(row) for row in found[(page - 1) * size : page * size]]
        links = {"self": self._page_link(request, page)}
        if page * size < len(found):
            links["next"] = self._page_link(request, page + 1)
        return Reply(200, {table: shown, "total_entries": len(found), "links": links})

    def _page_link(self, request: Request, page: int) -> str:
        from urllib.parse import urlencode

        rest = [(name, value) for name, value in request.query if name != "page"]
        return f"{self._elsewhere or self.origin}{request.path}?{urlencode([*rest, ('page', page)])}"


def text(moment: datetime) -> str:
    """A moment as Cliniko writes it: whole seconds of UTC."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _id(relation: Row) -> str:
    return str(relation["links"]["self"]).rpartition("/")[2]


def _shown(row: Row) -> Row:
    """A patient form does not tell that it is archived."""
    return {name: value for name, value in row.items() if not (name == "archived_at" and "completed_at" in row)}


def _asked(question: Any) -> Row:
    answers = [{"value": option} for option in question.options]
    return {"name": question.text, "type": "radiobuttons", "required": False, "answers": answers}


def _content(filled: Filled) -> Row:
    asked = []
    for question, number in zip(QUESTIONS, filled.answers, strict=True):
        one = _asked(question)
        if number is not None:
            one["answers"][number]["selected"] = True
        asked.append(one)
    return {"sections": [{"name": "This week", "description": None, "questions": asked}]}


OPERATORS: Mapping[str, Callable[[str, str], bool]] = {
    ">=": lambda have, wanted: have >= wanted,
    "<=": lambda have, wanted: have <= wanted,
    "!?": lambda have, _: not have,
    "?": lambda have, _: bool(have),
    "*": lambda _, __: True,
    "=": lambda have, wanted: have in wanted.split(","),
}


def _fits(row: Row, condition: str) -> bool:
    field, _, rest = condition.partition(":")
    sign = next(one for one in OPERATORS if rest.startswith(one))
    have = row.get(field) or (_id(row["patient"]) if field == "patient_id" and "patient" in row else "")
    return OPERATORS[sign](str(have), rest[len(sign) :])
