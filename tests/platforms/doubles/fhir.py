"""The demo's FHIR server as a platform that the kit can work on: SMART in front of it, faults planted between."""

from __future__ import annotations

import http.client
import itertools
import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any
from urllib.parse import urlencode

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from handrail.adapters.demo.server import DemoServer
from handrail.adapters.demo.store import Clock as DemoClock
from handrail.adapters.fhir.carriers import FORMS, KEY_SYSTEM
from handrail.adapters.fhir.requests import ASK_SYSTEM
from joserfc import jwt
from joserfc.jwk import ECKey

from .base import FORM_TITLE, QUESTIONS, Clock, Double, Filled, Mark, Reply, Request

FORM = "https://practice.example/Questionnaire/kestrel"
SYSTEM = "https://practice.example/options"
CLIENTS = {"Patient/k1": "Ada Kestrelmeier", "Patient/k2": "Bo Kestrelsen"}
Row = dict[str, Any]


@cache
def _key(name: str) -> str:
    """A private key as PEM, the same for the whole run."""
    made = ec.generate_private_key(ec.SECP384R1())
    plain = serialization.NoEncryption()
    return made.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain).decode()


class FhirDouble(Double):
    """Forwards to a DemoServer, whose clock is the test's."""

    page_size = 5
    cannot = {
        "own-wait": "FHIR servers say Retry-After and have no header of their own",
        "close": "FHIR knows no closed chart; a server may refuse a write for reasons of its own",
        "webhooks": "Handrail takes no FHIR subscriptions; it pulls",
    }

    def __init__(self, clock: Clock | None = None) -> None:
        super().__init__(clock)
        self.demo = DemoServer(clock=DemoClock(self.clock.at))
        self.tokens: set[str] = set()
        self._numbers = itertools.count(1)
        self._elsewhere: str | None = None
        self._twice: Row | None = None
        self._repeats = False

    def start(self) -> FhirDouble:
        self.demo.start()
        super().start()
        for ref, name in CLIENTS.items():
            given, family = name.split()
            names = [{"given": [given], "family": family}]
            self._put({"resourceType": "Patient", "id": ref.removeprefix("Patient/"), "name": names})
        self._put(_questionnaire())
        self.seen.clear()
        return self

    def stop(self) -> None:
        super().stop()
        self.demo.stop()

    # --- how the adapter gets in ---

    def settings(self) -> dict[str, Any]:
        return {
            "base_url": f"{self.origin}/fhir",
            "auth": "smart",
            "client_id": "handrail",
            "page_size": self.page_size,
            "ask_by": "task",
        }

    def secrets(self) -> dict[str, str]:
        return {"private_key": _key("ours")}

    def wrong_secrets(self) -> dict[str, str]:
        return {"private_key": _key("another")}

    # --- what people do ---

    def clients(self) -> Mapping[str, str]:
        return CLIENTS

    def add(self, filled: Filled) -> str:
        remote_id = f"qr-{next(self._numbers)}"
        self._put(
            {"resourceType": "QuestionnaireResponse", "id": remote_id, "status": "completed", **self._body(filled)}
        )
        return remote_id

    def _body(self, filled: Filled) -> Row:
        items = []
        for question, number in zip(QUESTIONS, filled.answers, strict=True):
            item: Row = {"linkId": question.id, "text": question.text}
            if number is not None:
                coding = {"system": SYSTEM, "code": f"o{number}", "display": question.options[number]}
                item["answer"] = [{"valueCoding": coding}]
            items.append(item)
        when = self.clock.at.isoformat(timespec="seconds")
        return {"questionnaire": f"{FORM}|1", "subject": {"reference": filled.client}, "authored": when, "item": items}

    def amend(self, remote_id: str, filled: Filled) -> None:
        old = self._read("QuestionnaireResponse", remote_id)
        self._put({**old, **self._body(filled), "authored": old["authored"], "status": "amended"})

    def withdraw(self, remote_id: str) -> None:
        self._put({**self._read("QuestionnaireResponse", remote_id), "status": "entered-in-error"})

    def delete(self, remote_id: str) -> None:
        self._now()
        self.demo.store.delete("QuestionnaireResponse", remote_id, None)

    def _now(self) -> None:
        self.demo.clock.set(self.clock.at)

    def _put(self, body: Row) -> None:
        self._now()
        self.demo.load({k: v for k, v in body.items() if k != "meta"}, self.clock.at)

    def _read(self, kind: str, remote_id: str) -> Row:
        body = self.demo.store.read(kind, remote_id).body
        assert body is not None
        return body

    def _all(self, kind: str, system: str) -> list[tuple[Row, str]]:
        found = [one.body for one in self.demo.store.latest(kind) if one.body]
        keys = [
            (row, next((i["value"] for i in row.get("identifier", []) if i["system"] == system), "")) for row in found
        ]
        return [(row, key) for row, key in keys if key]

    # --- what of ours stands ---

    def marks(self, carrier: str) -> Sequence[Mark]:
        form = FORMS[carrier]
        open_ = {"active", "preliminary", "requested"}
        return [
            Mark(row["id"], row[form.subject]["reference"], row["status"] in open_, key, row["code"]["text"])
            for row, key in self._all(form.kind, KEY_SYSTEM)
        ]

    def remove(self, mark: Mark) -> None:
        self._now()
        kind = next(one.kind for one in self.demo.store.latest("Flag") + self._others() if one.id == mark.id)
        self.demo.store.delete(kind, mark.id, None)

    def _others(self) -> list[Any]:
        return [*self.demo.store.latest("DetectedIssue"), *self.demo.store.latest("Task")]

    def asks(self) -> Sequence[str]:
        open_ = {"requested", "ready", "in-progress"}
        return [row["for"]["reference"] for row, _ in self._all("Task", ASK_SYSTEM) if row["status"] in open_]

    # --- faults ---

    def expire(self) -> None:
        self.tokens.clear()

    def repeat_rows(self) -> None:
        self._repeats = True

    def lead_to(self, origin: str) -> None:
        self._elsewhere = origin

    # --- the server ---

    def signs_in(self, request: Request) -> bool:
        return request.path in ("/token", "/fhir/.well-known/smart-configuration")

    def handle(self, request: Request) -> Reply:
        if request.path.endswith("smart-configuration"):
            return Reply(
                200, {"token_endpoint": f"{self.origin}/token", "capabilities": ["client-confidential-asymmetric"]}
            )
        if request.path == "/token":
            return self._token(request)
        open_ = request.path == "/fhir/metadata"
        if not open_ and request.headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
            return Reply(401, {"resourceType": "OperationOutcome", "issue": []})
        self._now()
        return self._changed(self._forward(request))

    def _token(self, request: Request) -> Reply:
        try:
            jwt.decode(request.form()["client_assertion"], ECKey.import_key(_key("ours")), algorithms=["ES384"])
        except Exception:  # noqa: BLE001 - whatever is wrong with it, it is refused
            return Reply(400, {"error": "invalid_client"})
        token = f"tok-canary-{next(self._numbers)}"
        self.tokens.add(token)
        return Reply(200, {"access_token": token, "token_type": "bearer", "expires_in": 300})

    def _forward(self, request: Request) -> Reply:
        base = self.demo.base
        line = http.client.HTTPConnection(base.split("/")[2], timeout=10)
        try:
            kept = {k: v for k, v in request.headers.items() if k not in ("host", "accept-encoding", "connection")}
            kept["authorization"] = f"Bearer {self.demo.token}"
            query = f"?{urlencode(request.query)}" if request.query else ""
            line.request(request.method, request.path + query, request.body or None, kept)
            answer = line.getresponse()
            body = answer.read().decode().replace(base, f"{self.origin}/fhir")
            headers = {
                k: v for k, v in answer.headers.items() if k in ("ETag", "Location", "Last-Modified", "Content-Type")
            }
            headers = {k: v.replace(base, f"{self.origin}/fhir") for k, v in headers.items()}
            return Reply(answer.status, headers=headers, body=body.encode())
        finally:
            line.close()

    def _changed(self, reply: Reply) -> Reply:
        """The pages of a list as the test wants them."""
        if not (self._repeats or self._elsewhere) or not reply.body or b'"searchset"' not in reply.body:
            return reply
        page = json.loads(reply.body)
        if self._repeats and page.get("entry"):
            first = [] if self._twice is None else [self._twice]
            page["entry"], self._twice = [*first, *page["entry"]], page["entry"][-1]
        if self._elsewhere:
            for link in page.get("link", []):
                if link["relation"] == "next":
                    link["url"] = link["url"].replace(self.origin, self._elsewhere)
        return Reply(reply.status, headers=reply.headers, body=json.dumps(page).encode())


def _questionnaire() -> Row:
    items = [
        {
            "linkId": question.id,
            "text": question.text,
            "type": "choice",
            "answerOption": [
                {"valueCoding": {"system": SYSTEM, "code": f"o{number}", "display": label}}
                for number, label in enumerate(question.options)
            ],
        }
        for question in QUESTIONS
    ]
    head = {"resourceType": "Questionnaire", "id": "kestrel", "url": FORM, "version": "1", "status": "active"}
    return {**head, "title": FORM_TITLE, "item": items}
