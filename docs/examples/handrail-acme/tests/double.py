"""A double of Acme: what its programming interface does, in memory. Acme and everybody here is invented."""

from __future__ import annotations

import hmac
import itertools
import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

from handrail.plugin_core.contracts import WebhookRequest
from handrail.plugin_core.testing import FORM_TITLE, QUESTIONS, Clock, Double, Filled, Mark, Reply, Request

KEY = "acme-key-canary-77"
SIGNING = "acme-signing-canary-78"
CLIENTS = {"c-11": "Ada Kestrelmeier", "c-12": "Bo Kestrelsen"}
Row = dict[str, Any]


class AcmeDouble(Double):
    """The server. Rows are kept as Acme shows them."""

    page_size = 5

    def __init__(self, clock: Clock | None = None) -> None:
        super().__init__(clock)
        self.answers: dict[str, Row] = {}
        self.alerts: dict[str, Row] = {}
        self.requests: dict[str, Row] = {}
        self.forms: dict[str, Row] = {"check-in": _form()}
        self.closed: set[str] = set()
        self.tokens: set[str] = set()
        self._ids = itertools.count(101)
        self._elsewhere: str | None = None
        self._repeats = False
        self._last: list[Row] = []

    # --- how the adapter gets in ---

    def settings(self) -> dict[str, Any]:
        return {"base_url": f"{self.origin}/v1"}

    def secrets(self) -> dict[str, str]:
        return {"api_key": KEY, "webhook_secret": SIGNING}

    def wrong_secrets(self) -> dict[str, str]:
        return {"api_key": "acme-wrong-canary-79"}

    # --- what people do ---

    def clients(self) -> Mapping[str, str]:
        return CLIENTS

    def add(self, filled: Filled) -> str:
        chosen = {question.id: number for question, number in zip(QUESTIONS, filled.answers, strict=True)}
        return self.fill_in(
            "check-in", filled.client, {key: None if n is None else str(n) for key, n in chosen.items()}
        )

    def fill_in(self, form: str, client: str, chosen: Mapping[str, str | None]) -> str:
        """A client has filled in a form of the account: by question id the id of the option, or None."""
        remote_id, made = f"a-{next(self._ids)}", self.forms[form]
        self.answers[remote_id] = {
            "id": remote_id,
            "version": 1,
            "form": {name: made[name] for name in ("id", "version", "title")},
            "client": {"id": client},
            "state": "done",
            "finished": self._now(),
            "changed": self._now(),
            "answers": _answers(made, chosen),
        }
        return remote_id

    def amend(self, remote_id: str, filled: Filled) -> None:
        chosen = {q.id: None if n is None else str(n) for q, n in zip(QUESTIONS, filled.answers, strict=True)}
        self._change(remote_id, answers=_answers(self.forms["check-in"], chosen))

    def withdraw(self, remote_id: str) -> None:
        self._change(remote_id, state="withdrawn")

    def delete(self, remote_id: str) -> None:
        del self.answers[remote_id]

    def _change(self, remote_id: str, **changed: Any) -> None:
        row = self.answers[remote_id]
        row.update(changed, version=row["version"] + 1, changed=self._now())

    def _now(self) -> str:
        return self.clock.at.strftime("%Y-%m-%dT%H:%M:%SZ")

    # --- what of ours stands ---

    def marks(self, carrier: str) -> Sequence[Mark]:  # noqa: ARG002 - there is one alone
        rows = self.alerts.values()
        return [Mark(row["id"], row["client"], row["open"], row["reference"], row["text"]) for row in rows]

    def remove(self, mark: Mark) -> None:
        del self.alerts[mark.id]

    def close_client(self, ref: str) -> None:
        self.closed.add(ref)

    def asks(self) -> Sequence[str]:
        return [row["client"] for row in self.requests.values()]

    def webhook(self, *, genuine: bool = True) -> WebhookRequest:
        body = json.dumps({"id": "evt-1", "answers": ["a-101"]}).encode()
        signed = hmac.new(SIGNING.encode(), body, sha256).hexdigest()
        return WebhookRequest("POST", "/", "", {"x-acme-signature": signed if genuine else "0" * 64}, body)

    # --- faults ---

    def expire(self) -> None:
        self.tokens.clear()

    def own_wait(self, seconds: int) -> Mapping[str, str]:
        return {"X-Acme-Wait-Ms": str(seconds * 1000)}

    def repeat_rows(self) -> None:
        self._repeats = True

    def lead_to(self, origin: str) -> None:
        self._elsewhere = origin

    # --- the server ---

    def signs_in(self, request: Request) -> bool:
        return request.path == "/v1/token"

    def handle(self, request: Request) -> Reply:
        if self.signs_in(request):
            return self._token(request)
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
            return Reply(401, {"error": "the token has ended"})
        parts = request.path.removeprefix("/v1/").split("/")
        routes = {
            "me": lambda: Reply(200, {"account": 4711, "rights": ["alerts", "requests"]}),
            "forms": lambda: self._forms(request),
            "answers": lambda: self._answers(request, parts),
            "clients": lambda: self._client(parts[1]),
            "alerts": lambda: self._alerts(request, parts),
            "requests": lambda: self._requests(request, parts),
        }
        return routes[parts[0]]() if parts[0] in routes else Reply(404, {"error": "no such place"})

    def _token(self, request: Request) -> Reply:
        if request.json() != {"key": KEY}:
            return Reply(401, {"error": "no such key"})
        token = f"tok-canary-{next(self._ids)}"
        self.tokens.add(token)
        return Reply(200, {"token": token, "expires_in": 600})

    def _forms(self, request: Request) -> Reply:
        if request.method == "PUT":
            row = request.json()
            self.forms[row["id"]] = row
            return Reply(200, row)
        return Reply(200, {"forms": list(self.forms.values())})

    def _answers(self, request: Request, parts: list[str]) -> Reply:
        if parts[1:] == ["ids"]:
            return Reply(200, {"ids": [{"id": row["id"], "version": row["version"]} for row in self.answers.values()]})
        if len(parts) == 2:
            found = self.answers.get(parts[1])
            return Reply(200, found) if found else Reply(404, {"error": "no such form"})
        since, page = request.one("changed_from"), int(request.one("page", "1"))
        rows = [row for row in self.answers.values() if row["changed"] >= since]
        rows.sort(key=lambda row: (row["changed"], row["id"]))
        end = page * self.page_size
        shown = rows[end - self.page_size : end]
        if self._repeats:
            shown, self._last = [*self._last, *shown], shown[-1:]
        query = urlencode({**({"changed_from": since} if since else {}), "page": page + 1})
        following = f"{self._elsewhere or self.origin}/v1/answers?{query}" if len(rows) > end else None
        return Reply(200, {"answers": shown, "next": following})

    def _client(self, ref: str) -> Reply:
        if ref not in CLIENTS:
            return Reply(404, {"error": "no such client"})
        return Reply(200, {"id": ref, "name": CLIENTS[ref], "therapist": {"id": "t-1", "name": "Cy Kestrelova"}})

    def _alerts(self, request: Request, parts: list[str]) -> Reply:
        if request.method == "GET":
            found = [row for row in self.alerts.values() if row["reference"] == request.one("reference")]
            return Reply(200, {"alerts": found})
        if request.method == "POST":
            row = request.json()
            if row["client"] in self.closed or row["client"] not in CLIENTS:
                return Reply(422, {"error": "the chart is closed"})
            row |= {"id": f"al-{next(self._ids)}", "open": True, "made": self._now()}
            self.alerts[row["id"]] = row
            return Reply(201, row)
        if parts[1] not in self.alerts:
            return Reply(404, {"error": "no such alert"})
        self.alerts[parts[1]].update(request.json())
        return Reply(200, self.alerts[parts[1]])

    def _requests(self, request: Request, parts: list[str]) -> Reply:
        if request.method == "GET":
            found = [row for row in self.requests.values() if row["reference"] == request.one("reference")]
            return Reply(200, {"requests": found})
        if request.method == "DELETE":
            return Reply(204) if self.requests.pop(parts[1], None) else Reply(404, {"error": "no such request"})
        row = request.json()
        row |= {"id": f"r-{next(self._ids)}", "link": f"https://acme.example/f/{next(self._ids)}"}
        self.requests[row["id"]] = row
        return Reply(201, row)


def _form() -> Row:
    return {
        "id": "check-in",
        "version": "1",
        "title": FORM_TITLE,
        "questions": [
            {
                "id": q.id,
                "text": q.text,
                "options": [{"id": str(n), "label": label} for n, label in enumerate(q.options)],
            }
            for q in QUESTIONS
        ],
    }


def _answers(form: Row, chosen: Mapping[str, str | None]) -> list[Row]:
    return [
        {
            "question": {"id": question["id"], "text": question["text"]},
            "choice": next((one for one in question["options"] if one["id"] == chosen[question["id"]]), None),
        }
        for question in form["questions"]
    ]
