"""Puts prompts into the chart, once each, and takes them back; a person's edit is never overwritten.

Before anything is written, what is there is read. A write is sent once; if its answer is lost, the next round looks
again before it sends again (F81 to F86). Afterwards the objects with our key are counted: of several the oldest stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from ...plugin_core.contracts import Delivered, Notice
from ...plugin_core.errors import PlatformError, Unreachable, Unsupported
from ...schemas.records import Json
from ...schemas.vocab import RemoteState
from ..http import OutcomeUnknown, Refused
from ..times import instant
from ..transport import Reply
from ..waiting import retry_after
from .carriers import KEY_SYSTEM, RETRACTED, Form
from .origin import Origin
from .server import Server, query
from .writing import derived_id, etag_of, made, put, version_of

ROUNDS = 4
NOT_FOUND = (404, 410)


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


class ResourceCarrier:
    """One kind of resource as a carrier. Needs one writer per practice, which the core's lock gives (F84a)."""

    def __init__(self, server: Server, form: Form, manner: Manner, origin: Origin) -> None:
        self._server = server
        self._form = form
        self._manner = manner
        self._origin = origin
        self._purpose = f"write prompts into the chart ({form.kind})"

    def deliver(self, notice: Notice, remote_id: str | None, remote_version: str | None) -> Delivered:
        """See `Carrier.deliver`. Raises Unreachable when the outcome stays open; the same call later is safe."""
        lost = False
        for round_ in range(ROUNDS):
            try:
                return self._round(notice, remote_id, remote_version, lost)
            except (Again, OutcomeUnknown) as error:
                if round_ == ROUNDS - 1:
                    raise Unreachable(
                        f"{self._server.base.site} did not confirm that a prompt was written. Nothing is lost: the "
                        "next sync looks first and goes on."
                    ) from None
                # After a lost answer the server may still be at work, hence a longer pause before looking (F84a).
                lost = lost or isinstance(error, OutcomeUnknown)
                wait = error.wait if isinstance(error, Again) else None
                self._server.http.patience.pause(round_ + 2 if isinstance(error, OutcomeUnknown) else round_, wait)
        raise AssertionError("the loop returns or raises")

    def find(self, key: str) -> Sequence[str]:
        """Ids of the objects with this key, oldest first, those taken back included."""
        return [str(one["id"]) for one in self._all(key)]

    # --- one round: look, then at most one write that matters ------------------------------------------------------

    def _round(self, notice: Notice, remote_id: str | None, remote_version: str | None, lost: bool) -> Delivered:
        if remote_id is not None:
            stored = self._read(remote_id)
            if stored is None:  # a person removed it: it is not put back, and there is nothing to take back
                return Delivered(remote_id, remote_version, human_edit=True)
            if _has_key(stored, notice.key):
                return self._turn(stored, notice, remote_version, lost)
        found = self._all(notice.key)
        if found:
            return self._settled(found, notice, created=False)
        if notice.state is not RemoteState.ACTIVE:
            return Delivered(None)  # a pair that cancels out is never sent (F87)
        return self._create(notice)

    def _settled(self, found: Sequence[Json], notice: Notice, *, created: bool) -> Delivered:
        """Keeps the oldest that stands, takes the others back, and turns the kept one as wanted."""
        standing = [one for one in found if one.get("status") != RETRACTED] or list(found[:1])
        kept, others = standing[0], standing[1:]
        taken_back = sum(self._retract_double(other, notice) for other in others)
        done = self._turn(kept, notice, version_of(kept) if created else None)
        self._origin.trace(f"{self._form.kind}/{kept['id']}", notice)
        return replace(done, created=created, doubles=taken_back)

    def _turn(self, stored: Json, notice: Notice, our_version: str | None, lost: bool = False) -> Delivered:
        """Changes the stored object to the state wanted, unless a person decided otherwise (F86).

        What is no longer active was turned by us only if it has the version that we wrote last; that version is
        given back unchanged when a person wrote since, so that their edit is known as theirs next time too.
        """
        remote_id, version = str(stored["id"]), version_of(stored)
        have, want = stored.get("status"), self._form.status(notice.state)
        if have == want:
            return Delivered(remote_id, version if lost or our_version is None else our_version)
        turned_by_us = our_version is not None and our_version == version
        if have != self._form.status(RemoteState.ACTIVE) and not turned_by_us:
            return Delivered(remote_id, our_version, human_edit=True)
        changed = self._form.turned(stored, notice, notice.state)
        reply = self._send("PUT", f"{self._form.kind}/{remote_id}", changed, {"If-Match": etag_of(stored)})
        if reply.status in NOT_FOUND:
            return Delivered(remote_id, our_version, human_edit=True)
        self._check(reply)
        if (refused := self._refusal(reply)) is not None:
            return Delivered(remote_id, version, refused=refused)
        return Delivered(remote_id, made(reply, self._form.kind)[1])

    def _retract_double(self, stored: Json, notice: Notice) -> int:
        changed = self._form.turned(stored, notice, RemoteState.RETRACTED)
        reply = self._send("PUT", f"{self._form.kind}/{stored['id']}", changed, {"If-Match": etag_of(stored)})
        return 1 if reply.status in (200, 201) else 0

    # --- creating ---------------------------------------------------------------------------------------------------

    def _create(self, notice: Notice) -> Delivered:
        kind, author = self._form.kind, self._origin.author()
        resource = self._form.render(notice, author, **self._manner.extra)
        if self._manner.way == "put":
            remote_id = derived_id("hr", notice.key)
            gone = self._server.read(f"{kind}/{remote_id}", self._purpose, also=NOT_FOUND)[0] == 410
            if gone:  # it was there and a person deleted it
                return Delivered(remote_id, human_edit=True)
            reply = self._send("PUT", f"{kind}/{remote_id}", {**resource, "id": remote_id}, {})
        elif self._manner.way == "conditional":
            condition = query(identifier=f"{KEY_SYSTEM}|{notice.key}")
            reply = self._send("POST", kind, resource, {"If-None-Exist": condition})
        else:
            reply = self._send("POST", kind, resource, {})
        return self._created(reply, notice)

    def _created(self, reply: Reply, notice: Notice) -> Delivered:
        if reply.status in NOT_FOUND:
            if self._client_is_gone(notice.client):
                return Delivered(None, refused=f"{self._server.base.site} no longer has this client's chart.")
            raise Unsupported(f"{self._server.base.site} does not take entries of the kind {self._form.kind}.")
        self._check(reply)
        if (refused := self._refusal(reply)) is not None:
            return Delivered(None, refused=refused)
        remote_id, version = made(reply, self._form.kind)
        found = self._all(notice.key)
        if remote_id is None and not found:
            raise Again
        if not found:  # the server's index is behind: the next delivery counts again
            self._origin.trace(f"{self._form.kind}/{remote_id}", notice)
            return Delivered(remote_id, version, created=True)
        # A server may answer 200 to a PUT that creates; to a conditional POST it means that one was there already.
        created = reply.status == 201 or self._manner.way == "put"
        return self._settled(found, notice, created=created)

    def _client_is_gone(self, client: str) -> bool:
        return self._server.read(client, "look up a client (Patient)", also=NOT_FOUND)[0] in NOT_FOUND

    # --- reading and sending ----------------------------------------------------------------------------------------

    def _read(self, remote_id: str) -> Json | None:
        status, stored, _ = self._server.read(f"{self._form.kind}/{remote_id}", self._purpose, also=NOT_FOUND)
        return None if status in NOT_FOUND or stored.get("resourceType") != self._form.kind else stored

    def _all(self, key: str) -> list[Json]:
        """Every object with our key, oldest first. The server's filter is checked again: some answer everybody's."""
        found: dict[str, Json] = {}
        if self._manner.searchable:
            parameters = query(identifier=f"{KEY_SYSTEM}|{key}")
            try:
                for one in self._server.search(self._form.kind, parameters, self._purpose):
                    if _has_key(one, key) and isinstance(one.get("id"), str):
                        found[one["id"]] = one
            except Refused:
                if self._manner.way != "put":
                    raise Unsupported(
                        f"{self._server.base.site} cannot look up entries of the kind {self._form.kind} by their key, "
                        "so they could not be written safely. Use the list to enter by hand."
                    ) from None
        if self._manner.way == "put" and (derived := derived_id("hr", key)) not in found:
            stored = self._read(derived)
            if stored is not None and _has_key(stored, key):
                found[derived] = stored
        return sorted(found.values(), key=_age)

    def _send(self, method: str, path: str, resource: Json, headers: Mapping[str, str]) -> Reply:
        given = {name: value for name, value in headers.items() if value}
        return put(self._server, method, path, resource, given, self._purpose)

    def _check(self, reply: Reply) -> None:
        """Raises what makes another round worth while, or ends the delivery of everything of this kind."""
        site = self._server.base.site
        if reply.status == 412:
            raise Again(0.0)
        if reply.status in (409, 425, 429, 503):
            raise Again(retry_after(reply.headers))
        if reply.status == 405:
            raise Unsupported(f"{site} does not take entries of the kind {self._form.kind}.")
        if reply.status not in (200, 201, 204, 400, 413, 422, 451):
            raise PlatformError(f"{site} refused to {self._purpose} (status {reply.status}).")

    def _refusal(self, reply: Reply) -> str | None:
        if reply.status in (200, 201, 204):
            return None
        return (
            f"{self._server.base.site} does not accept this entry (status {reply.status}): its rules for the client or "
            "for this kind of entry forbid it. Enter the prompt by hand."
        )


def _has_key(resource: Json, key: str) -> bool:
    rows = resource.get("identifier")
    return isinstance(rows, list) and any(
        isinstance(row, dict) and row.get("system") == KEY_SYSTEM and row.get("value") == key for row in rows
    )


def _age(resource: Json) -> tuple[datetime, str]:
    meta = resource.get("meta")
    stamp = instant(meta.get("lastUpdated")) if isinstance(meta, dict) else None
    return (stamp or datetime.max.replace(tzinfo=UTC), str(resource.get("id")))
