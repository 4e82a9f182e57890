"""Shows prompts as a task for the provider, or as a tag on the client; each write looks first.

A task carries our key in its metadata, which clients do not see. A tag carries none: one tag stands for all prompts of
a client and goes with the last (`Notice.beside`). Never `createNote`: the client would read it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ...plugin_core.contracts import Delivered, Notice
from ...plugin_core.errors import Denied, PlatformError
from ...plugin_core.words import mark, tr
from ...schemas.records import Json
from ...schemas.vocab import RemoteState
from ..rounds import LOST_PROMPT, in_rounds
from . import documents
from .graph import Changed, Graph, wrong_key
from .reading import id_in, text_of

TASKS = mark("give providers tasks (tasks)")
TAGS = mark("put tags on clients (tags)")
CLOSED = "closed"
"""`remote_version` of what we closed or took off ourselves."""
OURS = "handrail"
PAGE = 50


class _Knowing:
    """What both ways share: who a client is, and what is said where nothing can be shown."""

    purpose: str

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    def _client(self, ref: str) -> Json | None:
        """The client's record; None where it is not there (any more)."""
        data, _ = self._graph.ask(documents.CLIENT, {"id": ref}, purpose=self.purpose)
        found = data.get("user")
        if isinstance(found, dict) and found.get("id") == ref:
            return found
        self._absent()
        return None

    def _absent(self) -> None:
        """Nothing was found: that is believed only while the key is known, since a guest sees nothing of anything.

        :raises Denied: nobody is signed in.
        """
        data, _ = self._graph.ask(documents.ACCOUNT, {}, purpose=self.purpose)
        user = data.get("currentUser")
        if not isinstance(user, dict) or not text_of(user.get("id")):
            raise Denied(wrong_key(self._graph.site))

    def _closed(self) -> str:
        return tr("{site} no longer has this client's file, or it is archived.", site=self._graph.site)

    def _refused(self) -> str:
        return tr(
            "{site} does not accept this prompt for the client. Use the list to enter prompts by hand.",
            site=self._graph.site,
        )

    def _must(self, done: Changed) -> None:
        if done.failed:
            raise PlatformError(tr("{site} refused to {purpose}.", site=self._graph.site, purpose=tr(self.purpose)))


class TaskCarrier(_Knowing):
    """A task for the client's provider, else for the member in the setting."""

    purpose = TASKS

    def __init__(self, graph: Graph, assignee: str | None) -> None:
        super().__init__(graph)
        self._assignee = assignee

    def deliver(self, notice: Notice, remote_id: str | None, remote_version: str | None) -> Delivered:
        """See `Carrier.deliver`."""

        def work() -> Delivered:
            return self._round(notice, remote_id, remote_version)

        return in_rounds(self._graph.rest.http.patience, self._graph.site, LOST_PROMPT, work)

    def find(self, key: str) -> Sequence[str]:
        """Ids of the tasks with this key, oldest first."""
        return [str(task["id"]) for task in self._tasks(None, key)]

    def _round(self, notice: Notice, remote_id: str | None, version: str | None) -> Delivered:
        if remote_id is None:
            return self._settled(notice, self._tasks(notice.client, notice.key))
        stored = self._task(remote_id)
        if stored is not None:
            return self._turn(notice, stored, version)
        active = notice.state is RemoteState.ACTIVE
        if active and version != CLOSED and RemoteState.RETRACTED not in notice.attempted:
            return Delivered(remote_id, version, human_edit=True)
        # What a write of ours, its answer lost, may have made instead of it is looked for first (F81).
        done = self._settled(notice, self._tasks(notice.client, notice.key))
        return done if active or done.remote_id is not None else Delivered(remote_id, CLOSED)

    def _settled(self, notice: Notice, found: list[Json]) -> Delivered:
        """Keeps the oldest of those that are there, or makes one where one is wanted."""
        created = False
        if not found:
            if notice.state is not RemoteState.ACTIVE:
                return Delivered(None)
            made = self._make(notice)
            if isinstance(made, Delivered):
                return made
            created = True
            found = self._tasks(notice.client, notice.key) or [{"id": made, "client_id": notice.client}]
        for double in found[1:]:
            self._must(self._change(documents.DROP_TASK, {"id": double["id"]}))
        done = self._turn(notice, found[0], CLOSED if notice.state is RemoteState.ACTIVE else None)
        return Delivered(done.remote_id, done.remote_version, created=created, doubles=len(found) - 1)

    def _turn(self, notice: Notice, stored: Json, version: str | None) -> Delivered:
        """The task as wanted. One that a person has ticked off stays so (F86)."""
        remote_id = str(stored["id"])
        complete = stored.get("complete") is True
        if notice.state is RemoteState.RETRACTED:
            self._must(self._change(documents.DROP_TASK, {"id": remote_id}))
            return Delivered(remote_id, CLOSED)
        if notice.state is not RemoteState.ACTIVE:
            if not complete:
                self._must(self._change(documents.CHANGE_TASK, {"input": {"id": remote_id, "complete": True}}))
            return Delivered(remote_id, CLOSED)
        changes: dict[str, Any] = {}
        if complete:
            if version != CLOSED and RemoteState.INACTIVE not in notice.attempted:
                return Delivered(remote_id, version, human_edit=True)
            changes["complete"] = False
        if str(stored.get("client_id")) != notice.client:  # the client's records were merged (F67)
            changes["client_id"] = notice.client
        if changes:
            self._must(self._change(documents.CHANGE_TASK, {"input": {"id": remote_id, **changes}}))
        return Delivered(remote_id, None)

    def _make(self, notice: Notice) -> str | Delivered:
        """The new task's id, or why there is none."""
        client = self._client(notice.client)
        if client is None or client.get("active") is False:
            return Delivered(None, refused=self._closed())
        assignee = notice.clinician or text_of(client.get("dietitian_id")) or self._assignee
        if not assignee:
            return Delivered(
                None,
                refused=tr(
                    "The client has no provider in Healthie, and the setting assignee is empty, so nobody would get "
                    "the task. Set it, or use the list to enter prompts by hand."
                ),
            )
        content = f"{notice.title}. {notice.reason}" if notice.reason else notice.title
        body = {
            "client_id": notice.client,
            "assignee_ids": [assignee],
            "content": content,
            "priority": 0,
            "metadata": json.dumps({OURS: notice.key}),
        }
        done = self._change(documents.MAKE_TASK, {"input": body})
        made = id_in(done.payload, "task")
        return Delivered(None, refused=self._refused()) if done.failed or made is None else made

    def _tasks(self, client: str | None, key: str) -> list[Json]:
        """Tasks with this key, oldest first; the filter is checked again."""
        given = {"client": client, "first": PAGE}
        tasks = self._graph.rows(documents.TASKS, given, "tasks", purpose=self.purpose)
        return [one for one in tasks if _key(one) == key and client in (None, one.get("client_id"))]

    def _task(self, remote_id: str) -> Json | None:
        data, _ = self._graph.ask(documents.TASK, {"id": remote_id}, purpose=self.purpose)
        found = data.get("task")
        if isinstance(found, dict) and found.get("id") == remote_id:
            return found
        self._absent()
        return None

    def _change(self, document: str, variables: Json) -> Changed:
        return self._graph.change(document, variables, purpose=self.purpose)


class Tagging(_Knowing):
    """The tag of the setting's name; what puts it on and takes it off clients (see `tags.Marking`)."""

    purpose = TAGS

    def __init__(self, graph: Graph, name: str) -> None:
        super().__init__(graph)
        self._name = name
        self._tag: str | None = None

    def stands(self, client: str) -> bool | None:
        """Whether the client bears the tag; None for one who is not there, or is archived."""
        found = self._client(client)
        tag = self._tag_id(make=False)
        return None if found is None else tag is not None and _tagged(found, tag)

    def put(self, client: str) -> str | None:
        """Puts it on; gives the reason where Healthie does not take it."""
        found = self._client(client)
        if found is None or found.get("active") is False:
            return self._closed()
        tag = self._tag_id(make=True)
        done = self._graph.change(documents.TAG, {"tag": tag, "client": client}, purpose=self.purpose)
        return self._refused() if done.failed or tag is None else None

    def drop(self, client: str) -> str | None:
        """Takes it off, and looks whether it is gone: the reference leaves open which id is wanted."""
        tag = self._tag_id(make=False)
        if tag is not None and self.stands(client):
            self._graph.change(documents.UNTAG, {"tag": tag, "client": client}, purpose=self.purpose)
            if self.stands(client):
                raise PlatformError(tr("{site} did not take the tag off the client.", site=self._graph.site))
        return None

    def bearers(self) -> Sequence[str]:
        """Clients who bear it."""
        tag = self._tag_id(make=False)
        if tag is None:
            return []
        given = {"tags": [tag], "first": PAGE}
        return [str(row["id"]) for row in self._graph.rows(documents.BEARERS, given, "users", purpose=self.purpose)]

    def _tag_id(self, *, make: bool) -> str | None:
        """The tag of the setting's name, made where it is not there."""
        if self._tag is None:
            data, _ = self._graph.ask(documents.TAGS, {}, purpose=self.purpose)
            rows = data.get("tags")
            if not isinstance(rows, list):
                raise PlatformError(tr("{site} does not list its tags.", site=self._graph.site))
            named = [one for one in rows if isinstance(one, dict) and one.get("name") == self._name]
            self._tag = next((text_of(one.get("id")) for one in named), None)
        if self._tag is None and make:
            done = self._graph.change(documents.MAKE_TAG, {"name": self._name}, purpose=self.purpose)
            self._tag = id_in(done.payload, "tag")
        return self._tag


def _tagged(client: Json, tag: str) -> bool:
    rows = client.get("active_tags")
    return isinstance(rows, list) and any(isinstance(one, dict) and one.get("id") == tag for one in rows)


def _key(task: Json) -> str | None:
    """Our key in a task's metadata, which comes as an object or as its text."""
    return key_in(task.get("metadata"))


def key_in(metadata: Any) -> str | None:
    """Our key in metadata; None for anybody else's."""
    try:
        read = json.loads(metadata) if isinstance(metadata, str) else metadata
    except (ValueError, RecursionError):
        return None
    found = read.get(OURS) if isinstance(read, dict) else None
    return found if isinstance(found, str) else None
