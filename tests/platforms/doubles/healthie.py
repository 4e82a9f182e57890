"""A small Healthie over real HTTP: one GraphQL endpoint that gives the fields asked for, errors with status 200."""

from __future__ import annotations

import hmac
import json
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, ClassVar

from graphql import FieldNode, OperationDefinitionNode, Undefined, parse
from graphql.utilities import value_from_ast_untyped
from handrail.plugin_core.contracts import WebhookRequest

from .base import FORM_TITLE, QUESTIONS, Double, Filled, Mark, Reply, Request

KEY = "gh_live_kestrel_5544"
SECRET = "whsec_kestrel_9911"
NAMES = {"501": "Ada Kestrelmeier", "502": "Ben Wolkenstein-Oak"}
TEMPLATE = "77"
Row = dict[str, Any]


class HealthieDouble(Double):
    """One organisation; its rows are in `tables`.

    `held_back`: forms that are listed and not given by their ids. `blanks`: whether lines that were left empty are
    given, which no source says. `delay`: how long a request is made in the background before it is listed.
    """

    cannot: ClassVar[Mapping[str, str]] = {
        "expire": "an API key has no time at which it ends",
        "own-wait": "Healthie documents no header that says how long to wait",
        "next-links": "pages are asked for by a cursor in the query, never by an address",
    }
    page_size: ClassVar[int] = 5

    def __init__(self) -> None:
        super().__init__()
        self._next = 90_000
        self.warnings: list[Row] = []
        self.most_rows = 10_000
        self.held_back: set[str] = set()
        self.blanks = True
        self.delay = timedelta(0)
        self.tables: dict[str, dict[str, Row]] = {
            name: {} for name in ("users", "forms", "modules", "groups", "requests", "tags", "tasks")
        }
        for ref, name in NAMES.items():
            first, _, last = name.partition(" ")
            row = {"first_name": first, "last_name": last, "full_name": name, "email": f"{ref}@kestrel.example"}
            self.put("users", {**row, "active": True, "dietitian_id": "31", "tags": []}, ref)
        self.put("users", {"first_name": "Robin", "last_name": "Ashgrove", "full_name": "Robin Ashgrove"}, "31")
        self.put("forms", {"name": FORM_TITLE, "external_id": None, "external_id_type": None}, TEMPLATE)
        for place, question in enumerate(QUESTIONS):
            self.module(TEMPLATE, question.text, list(question.options), position=float(place))

    # --- the account --------------------------------------------------------------------------------------------

    def settings(self) -> dict[str, Any]:
        return {"base_url": f"{self.origin}/graphql"}

    def secrets(self) -> dict[str, str]:
        return {"api_key": KEY, "webhook_secret": SECRET}

    def wrong_secrets(self) -> dict[str, str]:
        return {"api_key": "gh_live_wrongkestrel"}

    def clients(self) -> Mapping[str, str]:
        return NAMES

    def put(self, table: str, row: Row, remote_id: str = "") -> str:
        """A row made now; gives its id."""
        self._next += 1
        remote_id = remote_id or str(self._next)
        now = text(self.clock.at)
        stamps = {"created_at": now, "updated_at": now, "deleted_at": None}
        self.tables[table][remote_id] = {"id": remote_id, **stamps, **row}
        return remote_id

    def module(self, form: str, label: str, options: list[str] | None, kind: str = "radio", **more: Any) -> str:
        """A line of a template."""
        row = {"form": form, "label": label, "mod_type": kind, "options_array": options, "external_id": None}
        return self.put("modules", {**row, "position": 0.0, **more})

    # --- what people do -----------------------------------------------------------------------------------------

    def add(self, filled: Filled) -> str:
        return self.group(filled.client, self._answers(filled))

    def group(self, client: str, answers: Sequence[tuple[str, str | None]], form: str = TEMPLATE, **more: Any) -> str:
        """A filled-in form: answers by the id of the line."""
        row = {"finished": True, "user": client, "form": form, "answers": answers, "appointment": None}
        now = text(self.clock.at)
        return self.put("groups", {**row, "record_created_at": now, **more})

    def _answers(self, filled: Filled) -> list[tuple[str, str | None]]:
        lines = [one for one in self.tables["modules"].values() if one["form"] == TEMPLATE]
        return [(line["id"], filled.labels()[line["label"]]) for line in lines]

    def amend(self, remote_id: str, filled: Filled) -> None:
        self.change("groups", remote_id, answers=self._answers(filled))

    def change(self, table: str, remote_id: str, **values: Any) -> None:
        """Changes a row now."""
        self.tables[table][remote_id].update(values, updated_at=text(self.clock.at))

    def withdraw(self, remote_id: str) -> None:
        self.change("groups", remote_id, deleted_at=text(self.clock.at))

    def delete(self, remote_id: str) -> None:
        del self.tables["groups"][remote_id]

    def marks(self, carrier: str) -> Sequence[Mark]:
        if carrier == "tag":
            tags = self.tables["tags"]
            return [
                Mark(f"{user['id']}/{tag}", user["id"], True, "", tags[tag]["name"])
                for user in self.tables["users"].values()
                for tag in user.get("tags", ())
            ]
        return [
            Mark(row["id"], row["client_id"], not row["complete"], self._key(row), row["content"])
            for row in self.tables["tasks"].values()
        ]

    def _key(self, row: Row) -> str:
        return str(json.loads(row["metadata"])["handrail"])

    def remove(self, mark: Mark) -> None:
        client, _, tag = mark.id.partition("/")
        if tag:
            self.tables["users"][client]["tags"].remove(tag)
        else:
            del self.tables["tasks"][mark.id]

    def close_client(self, ref: str) -> None:
        self.change("users", ref, active=False)

    def asks(self) -> Sequence[str]:
        return [row["recipient"] for row in self.tables["requests"].values() if not row["answer"]]

    def repeat_rows(self) -> None:
        """Nothing to do: pages are asked for from a time, so that each begins with the last row of the one before."""

    def too_many(self, headers: Mapping[str, str]) -> Reply:
        error = {"message": "Too many requests. Please try again later.", "extensions": {"code": "TOO_MANY_REQUESTS"}}
        return Reply(200, {"errors": [error]}, headers)

    def webhook(self, *, genuine: bool = True, query: str = "", base64: bool = False, **event: Any) -> WebhookRequest:
        told = {"resource_id": 90001, "resource_id_type": "FormAnswerGroup", "event_type": "form_answer_group.created"}
        body = json.dumps({**told, "changed_fields": [], **event}).encode()
        hashed = sha256(body)
        digest = b64encode(hashed.digest()).decode() if base64 else hashed.hexdigest()
        signed = f"post /hooks/healthie {query} {digest.partition('=')[0]} application/json {len(body)}"
        secret = SECRET if genuine else "whsec_of_somebody_else"
        signature = hmac.new(secret.encode(), signed.encode(), sha256).hexdigest()
        headers = {"content-digest": f"SHA-256={digest}", "signature": f"sig1={signature}"}
        return WebhookRequest("POST", "/hooks/healthie", query, headers, body)

    # --- the API ------------------------------------------------------------------------------------------------

    def writes(self, request: Request) -> bool:
        try:
            return str(request.json()["query"]).lstrip().startswith("mutation")
        except (ValueError, KeyError, TypeError):
            return True

    def handle(self, request: Request) -> Reply:
        head = request.headers
        if head.get("authorizationsource") != "API" or head.get("healthie-graphql-api-version") != "2026-01-01":
            return _error("MISSING_API_VERSION_HEADER")
        signed_in = head.get("authorization") == f"Basic {KEY}"
        asked = request.json()
        operation = next(one for one in parse(asked["query"]).definitions if isinstance(one, OperationDefinitionNode))
        (root,) = (one for one in operation.selection_set.selections if isinstance(one, FieldNode))
        given = asked.get("variables") or {}
        told = {one.name.value: value_from_ast_untyped(one.value, given) for one in root.arguments or ()}
        arguments = {key: value for key, value in told.items() if value is not None and value is not Undefined}
        name = root.name.value
        if not signed_in:  # as a guest: nobody, and nothing
            return Reply(200, {"data": {name: None}})
        if arguments.get("first", 0) > self.most_rows:
            said = "Query has complexity of 2274, which exceeds max complexity of 2000"
            return Reply(200, {"errors": [{"message": said}]})
        found = getattr(self, f"_{name}")(arguments)
        data: Row = {"data": {name: _pruned(found, root)}}
        if self.warnings:
            data["extensions"] = {"warnings": self.warnings}
        return Reply(200, data)

    def _page(self, rows: list[Row], given: Row, show: Callable[[Row], Row]) -> Row:
        start = int(given.get("after") or 0)
        end = start + min(given.get("first", 100), self.page_size)
        info = {"has_next_page": end < len(rows), "end_cursor": str(min(end, len(rows)))}
        return {"nodes": [show(row) for row in rows[start:end]], "page_info": info, "total_count": len(rows)}

    # queries

    def _currentUser(self, _: Row) -> Row:  # noqa: N802 - the platform's name
        return {"id": "31", "organization": {"id": "9", "name": "Harbour Practice"}}

    def _formAnswerGroups(self, given: Row) -> Row:  # noqa: N802
        rows = list(self.tables["groups"].values())
        if "ids" in given:
            rows = [row for row in rows if row["id"] in given["ids"] and row["id"] not in self.held_back]
            shown = self._page(rows, {"first": len(rows)}, self._group)
            return {**shown, "nodes": [self._group(row) for row in rows]}
        if "updated_after" in given:
            rows = [row for row in rows if row["updated_at"] > given["updated_after"]]
        rows.sort(key=lambda row: (row["updated_at"], row["id"]))
        return self._page(rows, given, self._group)

    def _group(self, row: Row) -> Row:
        answers = [
            {
                "custom_module_id": line,
                "label": self.tables["modules"][line]["label"],
                "answer": answer,
                "custom_module": self.tables["modules"][line],
            }
            for line, answer in row["answers"]
            if answer is not None or self.blanks
        ]
        inner = {"user": {"id": row["user"]} if row["user"] else None, "custom_module_form": {"id": row["form"]}}
        return {**row, **inner, "form_answers": answers}

    def _customModuleForms(self, given: Row) -> Row:  # noqa: N802
        return self._page(list(self.tables["forms"].values()), given, dict)

    def _customModuleForm(self, given: Row) -> Row | None:  # noqa: N802
        form = self.tables["forms"].get(given["id"])
        lines = [one for one in self.tables["modules"].values() if one["form"] == given["id"]]
        return None if form is None else {**form, "custom_modules": lines}

    def _users(self, given: Row) -> Row:
        active = given.get("active_status", "active") == "active"
        rows = [row for row in self.tables["users"].values() if row.get("active", True) is active]
        if "ids" in given:
            rows = [row for row in rows if row["id"] in given["ids"]]
        if "tag_ids" in given:
            rows = [row for row in rows if {*given["tag_ids"]} & {*row.get("tags", ())}]
        return self._page(rows, given, self._person)

    def _person(self, row: Row) -> Row:
        provider = self.tables["users"].get(row.get("dietitian_id", ""))
        return {**row, "dietitian": provider, "active_tags": [{"id": tag} for tag in row.get("tags", ())]}

    def _user(self, given: Row) -> Row | None:
        row = self.tables["users"].get(given["id"])
        return None if row is None else self._person(row)

    def _requestedFormCompletions(self, given: Row) -> Row:  # noqa: N802
        rows = [row for row in self.tables["requests"].values() if row["recipient"] == given["user_id"]]
        rows = [row for row in rows if row["listed"] <= self.clock.at]
        return self._page(
            rows, given, lambda row: {**row, "form_answer_group_id": row["answer"], "recipient_id": row["recipient"]}
        )

    def _tags(self, _: Row) -> list[Row]:
        return list(self.tables["tags"].values())

    def _tasks(self, given: Row) -> Row:
        rows = [
            row for row in self.tables["tasks"].values() if row["client_id"] == given.get("client_id", row["client_id"])
        ]
        return self._page(rows, given, dict)

    def _task(self, given: Row) -> Row | None:
        return self.tables["tasks"].get(given["id"])

    # mutations

    def _refused(self, name: str, field: str) -> Row:
        return {name: None, "messages": [{"field": field, "message": f"{NAMES['501']} cannot be changed"}]}

    def _createRequestedFormCompletion(self, given: Row) -> Row:  # noqa: N802
        told = given["input"]
        (client,) = told["recipient_ids"]
        if not self.tables["users"].get(client, {}).get("active"):
            return self._refused("requestedFormCompletion", "recipient_ids")
        self.put("requests", {"recipient": client, "answer": None, "listed": self.clock.at + self.delay, **told})
        return {"requestedFormCompletion": None, "messages": []}  # the work is done in the background

    def _deleteRequestedFormCompletion(self, given: Row) -> Row:  # noqa: N802
        row = self.tables["requests"].pop(given["input"]["id"], None)
        return {"requestedFormCompletion": row, "messages": []}

    def _updateClient(self, given: Row) -> Row:  # noqa: N802
        request = self.tables["requests"][given["input"]["requested_form_completion_id"]]
        request["reminders"] = request.get("reminders", 0) + 1
        return {"user": {"id": given["input"]["id"]}, "messages": []}

    def _createTag(self, given: Row) -> Row:  # noqa: N802
        return {"tag": {"id": self.put("tags", {"name": given["input"]["name"]})}, "messages": []}

    def _bulkApply(self, given: Row) -> Row:  # noqa: N802
        told = given["input"]
        user = self.tables["users"][told["taggable_user_id"]]
        user["tags"] = [*dict.fromkeys([*user["tags"], *told["ids"]])]
        return {"tags": [{"id": tag} for tag in user["tags"]], "messages": []}

    def _removeAppliedTag(self, given: Row) -> Row:  # noqa: N802
        told = given["input"]
        tags = self.tables["users"][told["taggable_user_id"]]["tags"]
        if told["id"] in tags:
            tags.remove(told["id"])
        return {"tag": {"id": told["id"]}, "messages": []}

    def _createTask(self, given: Row) -> Row:  # noqa: N802
        return {"task": {"id": self.put("tasks", {"complete": False, **given["input"]})}, "messages": []}

    def _updateTask(self, given: Row) -> Row:  # noqa: N802
        told = given["input"]
        self.change("tasks", told["id"], **{name: value for name, value in told.items() if name != "id"})
        return {"task": {"id": told["id"]}, "messages": []}

    def _deleteTask(self, given: Row) -> Row:  # noqa: N802
        self.tables["tasks"].pop(given["input"]["id"], None)
        return {"task": {"id": given["input"]["id"]}, "messages": []}

    def _createCustomModuleForm(self, given: Row) -> Row:  # noqa: N802
        return {"customModuleForm": {"id": self.put("forms", given["input"])}, "messages": []}

    def _createCustomModule(self, given: Row) -> Row:  # noqa: N802
        told = given["input"]
        options = told["options"].split("\n") if "options" in told else None
        form, position = told["custom_module_form_id"], float(told["index"])
        known = {"external_id": told["external_id"], "position": position}
        return {
            "customModule": {"id": self.module(form, told["label"], options, told["mod_type"], **known)},
            "messages": [],
        }

    def _updateCustomModule(self, given: Row) -> Row:  # noqa: N802
        told = given["input"]
        self.change("modules", told["id"], **{name: value for name, value in told.items() if name != "id"})
        return {"customModule": {"id": told["id"]}, "messages": []}


def text(moment: datetime) -> str:
    """A moment as Healthie writes it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _error(code: str) -> Reply:
    return Reply(200, {"errors": [{"message": "no", "extensions": {"code": code}}]})


def _pruned(value: Any, node: FieldNode) -> Any:
    """Of a value the fields that the query asks for."""
    if isinstance(value, list):
        return [_pruned(one, node) for one in value]
    if value is None or node.selection_set is None:
        return value
    fields = [one for one in node.selection_set.selections if isinstance(one, FieldNode)]
    return {one.name.value: _pruned(value.get(one.name.value), one) for one in fields}
