"""Objects on the platform that carry a key of ours: found by it, made once, changed only as they were last seen.

Prompts in the chart and requests to clients both live by this. Before anything is written, what is there is read. A
write is sent once; if its answer is lost, the next round looks again before it sends again (F81 to F86).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from ...plugin_core.errors import PlatformError, Unreachable, Unsupported
from ...plugin_core.words import tr
from ...schemas.records import Json
from ..http import OutcomeUnknown, Refused
from ..times import instant
from ..transport import Reply
from ..waiting import retry_after
from .server import Server, query
from .writing import derived_id, etag_of, put

ROUNDS = 4
NOT_FOUND = (404, 410)
DONE = (200, 201, 204)
T = TypeVar("T")


class Again(Exception):
    """Look and try once more, after `wait` seconds if the server said so; None waits a growing pause."""

    def __init__(self, wait: float | None = None) -> None:
        super().__init__()
        self.wait = wait


@dataclass(frozen=True, slots=True)
class Manner:
    """How this server is written to: `put`, `conditional` or `search`, and elements that it wants otherwise."""

    way: str
    extra: Mapping[str, str] = field(default_factory=dict)
    searchable: bool = True


def manner_of(server: Server, kind: str, settings: Mapping[str, Any], extra: Mapping[str, str] | None = None) -> Manner:
    """How objects of this kind are made safely here, by the setting `create_by` or what the server says of itself."""
    can = server.statement().can(kind)
    way = settings.get("create_by", "auto")
    if way == "auto":
        # A server that says nothing of itself may still heed the condition; we look first in any case.
        may = can.conditional_create or can.listed is None
        way = "put" if can.update_create else "conditional" if may else "search"
    searchable = way != "put" or not can.parameters or "identifier" in can.parameters
    return Manner(way, extra or {}, searchable)


@dataclass(frozen=True, slots=True)
class Terms:
    """What the objects are called: the key's system, the start of derived ids, and the words for people.

    `purpose` completes "... does not allow Handrail to ..."; `lost` is said when a write stays unconfirmed, `instead`
    when the platform will never take one.
    """

    system: str
    prefix: str
    purpose: str
    lost: str
    instead: str


class Keyed:
    """One kind of resource. Needs one writer per practice, which the core's lock gives (F84a)."""

    def __init__(self, server: Server, kind: str, manner: Manner, terms: Terms) -> None:
        self.server = server
        self.kind = kind
        self.manner = manner
        self.terms = terms

    def in_rounds(self, work: Callable[[bool], T]) -> T:
        """What `work` gives; called again after a lost answer or where it raises Again, and told whether one was lost.

        Raises Unreachable when the outcome stays open; the same work later is safe.
        """
        lost = False
        for round_ in range(ROUNDS):
            try:
                return work(lost)
            except (Again, OutcomeUnknown) as error:
                if round_ == ROUNDS - 1:
                    raise Unreachable(f"{self.server.base.site} {self.terms.lost}") from None
                # After a lost answer the server may still be at work, hence a longer pause before looking (F84a).
                lost = lost or isinstance(error, OutcomeUnknown)
                wait = error.wait if isinstance(error, Again) else None
                self.server.http.patience.pause(round_ + 2 if isinstance(error, OutcomeUnknown) else round_, wait)
        raise AssertionError("the loop returns or raises")

    # --- looking ----------------------------------------------------------------------------------------------------

    def read(self, remote_id: str) -> Json | None:
        """The object of that id; None when the server does not have it (any more)."""
        status, stored, _ = self.server.read(f"{self.kind}/{remote_id}", self.terms.purpose, also=NOT_FOUND)
        return None if status in NOT_FOUND or stored.get("resourceType") != self.kind else stored

    def has(self, resource: Json, key: str) -> bool:
        """Whether the object carries this key."""
        rows = resource.get("identifier")
        return isinstance(rows, list) and any(
            isinstance(row, dict) and row.get("system") == self.terms.system and row.get("value") == key for row in rows
        )

    def all(self, key: str) -> list[Json]:
        """Every object with this key, oldest first. The server's filter is checked again: some answer everybody's."""
        found: dict[str, Json] = {}
        if self.manner.searchable:
            try:
                for one in self.server.search(self.kind, self._condition(key), self.terms.purpose):
                    if self.has(one, key) and isinstance(one.get("id"), str):
                        found[one["id"]] = one
            except Refused:
                if self.manner.way != "put":
                    raise Unsupported(
                        tr(
                            "{site} cannot look up entries of the kind {kind} by their key, so they could not be "
                            "written safely. {instead}",
                            site=self.server.base.site,
                            kind=self.kind,
                            instead=self.terms.instead,
                        )
                    ) from None
        if self.manner.way == "put" and (derived := self.derived(key)) not in found:
            stored = self.read(derived)
            if stored is not None and self.has(stored, key):
                found[derived] = stored
        return sorted(found.values(), key=_age)

    def _condition(self, key: str) -> str:
        return query(identifier=f"{self.terms.system}|{key}")

    def derived(self, key: str) -> str:
        """The id that this key leads to where we may choose ids."""
        return derived_id(self.terms.prefix, key)

    # --- writing ----------------------------------------------------------------------------------------------------

    def create(self, key: str, resource: Json) -> Reply | None:
        """Sends the object in the way that is safe here; None when it was there and a person deleted it."""
        if self.manner.way == "put":
            remote_id = self.derived(key)
            if self.server.read(f"{self.kind}/{remote_id}", self.terms.purpose, also=NOT_FOUND)[0] == 410:
                return None
            return self._send("PUT", f"{self.kind}/{remote_id}", {**resource, "id": remote_id}, {})
        if self.manner.way == "conditional":
            return self._send("POST", self.kind, resource, {"If-None-Exist": self._condition(key)})
        return self._send("POST", self.kind, resource, {})

    def change(self, stored: Json, changed: Json) -> Reply:
        """Replaces the object if it is still as it was read; an edit in between makes the server answer 412."""
        return self._send("PUT", f"{self.kind}/{stored['id']}", changed, {"If-Match": etag_of(stored)})

    def _send(self, method: str, path: str, resource: Json, headers: Mapping[str, str]) -> Reply:
        given = {name: value for name, value in headers.items() if value}
        return put(self.server, method, path, resource, given, self.terms.purpose)

    # --- what an answer means ---------------------------------------------------------------------------------------

    def refusal_of_new(self, reply: Reply, client: str) -> str | None:
        """Why the platform will never take the new object; None when it took it.

        Raises Again for what may pass, Unsupported where it takes nothing of this kind.
        """
        site = self.server.base.site
        if reply.status in NOT_FOUND:
            if self.server.read(client, tr("look up a client (Patient)"), also=NOT_FOUND)[0] in NOT_FOUND:
                return tr("{site} no longer has this client's chart.", site=site)
            raise Unsupported(tr("{site} does not take entries of the kind {kind}.", site=site, kind=self.kind))
        return self.refusal(reply)

    def refusal(self, reply: Reply) -> str | None:
        """As `refusal_of_new`, of a change to an object that is there."""
        site, status = self.server.base.site, reply.status
        if status == 412:
            raise Again(0.0)
        if status in (409, 425, 429, 503):
            raise Again(retry_after(reply.headers))
        if status == 405:
            raise Unsupported(tr("{site} does not take entries of the kind {kind}.", site=site, kind=self.kind))
        if status in DONE:
            return None
        if status not in (400, 413, 422, 451):
            raise PlatformError(
                tr(
                    "{site} refused to {purpose} (status {status}).",
                    site=site,
                    purpose=self.terms.purpose,
                    status=status,
                )
            )
        return tr(
            "{site} does not accept this entry (status {status}): its rules for the client or for this kind of "
            "entry forbid it. {instead}",
            site=site,
            status=status,
            instead=self.terms.instead,
        )


def _age(resource: Json) -> tuple[datetime, str]:
    meta = resource.get("meta")
    stamp = instant(meta.get("lastUpdated")) if isinstance(meta, dict) else None
    return (stamp or datetime.max.replace(tzinfo=UTC), str(resource.get("id")))
