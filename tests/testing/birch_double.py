"""A double of Birch."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from handrail.plugin_core.testing import QUESTIONS, Double, Filled, Mark, Reply, Request

from .birch import TAG

KEY = "birch-key-canary-11"
PEOPLE = {"p-1": "Ada Kestrelmeier", "p-2": "Bo Kestrelsen"}


class BirchDouble(Double):
    """Everything that happens is appended to a feed; an entry that changes moves to its end."""

    cannot = {
        "expire": "Birch's key does not end by itself",
        "next-links": "Birch gives tokens and no addresses of pages",
        "own-wait": "Birch has no header of its own for waiting",
        "asks": "Birch lets no program ask clients",
        "webhooks": "Birch calls nobody when something changes",
        "publish": "Birch lets no program make forms",
    }

    def __init__(self) -> None:
        super().__init__()
        self.feed: dict[str, dict[str, Any]] = {}
        self.tags: set[str] = set()
        self.closed: set[str] = set()
        self._numbers = itertools.count(1)
        self._repeats = False
        self._last: list[dict[str, Any]] = []

    def settings(self) -> dict[str, Any]:
        return {"base_url": f"{self.origin}/api"}

    def secrets(self) -> dict[str, str]:
        return {"key": KEY}

    def wrong_secrets(self) -> dict[str, str]:
        return {"key": "birch-wrong-canary-12"}

    def clients(self) -> Mapping[str, str]:
        return PEOPLE

    def add(self, filled: Filled) -> str:
        remote_id = f"e-{next(self._numbers)}"
        self._append(
            {"id": remote_id, "kind": "form", "form": "kestrel", "person": filled.client, **self._body(filled)}
        )
        return remote_id

    def _body(self, filled: Filled) -> dict[str, Any]:
        answers = [
            {
                "question": f"<p>{escape(question.text)}</p>",
                "answer": "" if n is None else f"<b>{question.options[n]}</b>",
            }
            for question, n in zip(QUESTIONS, filled.answers, strict=True)
        ]
        return {"at": self.clock.at.isoformat(), "answers": answers, "edit": 1}

    def _append(self, row: dict[str, Any]) -> None:
        self.feed.pop(row["id"], None)
        self.feed[row["id"]] = {**row, "place": next(self._numbers)}

    def amend(self, remote_id: str, filled: Filled) -> None:
        old = self.feed[remote_id]
        self._append({**old, **self._body(filled), "at": old["at"], "edit": old["edit"] + 1})

    def withdraw(self, remote_id: str) -> None:
        self._append({**self.feed[remote_id], "void": True, "edit": self.feed[remote_id]["edit"] + 1})

    def delete(self, remote_id: str) -> None:
        self._append({"id": remote_id, "kind": "removed"})

    def marks(self, carrier: str) -> Sequence[Mark]:
        return [Mark(f"{ref}:{TAG}", ref, active=True, text=TAG) for ref in sorted(self.tags)]

    def remove(self, mark: Mark) -> None:
        self.tags.discard(mark.client)

    def close_client(self, ref: str) -> None:
        self.closed.add(ref)

    def repeat_rows(self) -> None:
        self._repeats = True

    def handle(self, request: Request) -> Reply:
        if request.headers.get("x-birch-key") != KEY:
            return Reply(401, {"error": "key"})
        parts = request.path.removeprefix("/api/").split("/")
        forms = {key: row for key, row in self.feed.items() if row["kind"] == "form"}
        if parts == ["account"]:
            return Reply(200, {"id": "birch-9"})
        if parts == ["feed"]:
            return self._feed(int(request.one("after", "0")))
        if parts == ["entries"]:
            return Reply(200, {"entries": [{"id": key, "edit": row["edit"]} for key, row in forms.items()]})
        if parts[0] == "entries":
            return Reply(200, forms[parts[1]]) if parts[1] in forms else Reply(404, {})
        if parts == ["people"]:
            return Reply(200, {"people": [{"id": ref} for ref in sorted(self.tags)]})
        if parts[0] == "people" and parts[1] in PEOPLE:
            return self._person(request, parts)
        return Reply(404, {"error": "nothing here"})

    def _feed(self, after: int) -> Reply:
        rows = [row for row in self.feed.values() if row["place"] > after]
        page = rows[: self.page_size]
        token = page[-1]["place"] if page else after
        if self._repeats:
            page, self._last = [*self._last, *page], page[-1:]
        return Reply(200, {"entries": page, "after": str(token), "more": len(rows) > self.page_size})

    def _person(self, request: Request, parts: list[str]) -> Reply:
        if request.method == "GET":
            tags = [TAG] if parts[1] in self.tags else []
            return Reply(200, {"id": parts[1], "name": PEOPLE[parts[1]], "tags": tags})
        if parts[1] in self.closed:
            return Reply(409, {"error": "closed"})
        if request.method == "PUT":
            self.tags.add(parts[1])
        else:
            self.tags.discard(parts[1])
        return Reply(204)
