"""Puts prompts into the chart, once each, and takes them back; a person's edit is never overwritten.

How an object is found by its key and made once is in `keyed`. Afterwards the objects with our key are counted: of
several the oldest stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ...plugin_core.contracts import Delivered, Notice
from ...plugin_core.words import mark, tr
from ...schemas.records import Json
from ...schemas.vocab import RemoteState
from ..transport import Reply
from .carriers import KEY_SYSTEM, RETRACTED, Form
from .keyed import NOT_FOUND, Again, Keyed, Manner, Terms
from .origin import Origin
from .server import Server
from .writing import made, version_of

LOST = mark("did not confirm that a prompt was written. Nothing is lost: the next sync looks first and goes on.")
INSTEAD = mark("Use the list to enter prompts by hand.")


class ResourceCarrier:
    """One kind of resource as a carrier."""

    def __init__(self, server: Server, form: Form, manner: Manner, origin: Origin) -> None:
        self._form = form
        self._origin = origin
        terms = Terms(
            KEY_SYSTEM, "hr", tr("write prompts into the chart ({kind})", kind=form.kind), tr(LOST), tr(INSTEAD)
        )
        self._keyed = Keyed(server, form.kind, manner, terms)

    def deliver(self, notice: Notice, remote_id: str | None, remote_version: str | None) -> Delivered:
        """See `Carrier.deliver`. Raises Unreachable when the outcome stays open; the same call later is safe."""
        return self._keyed.in_rounds(lambda lost: self._round(notice, remote_id, remote_version, lost))

    def find(self, key: str) -> Sequence[str]:
        """Ids of the objects with this key, oldest first, those taken back included."""
        return [str(one["id"]) for one in self._keyed.all(key)]

    # --- one round: look, then at most one write that matters ------------------------------------------------------

    def _round(self, notice: Notice, remote_id: str | None, remote_version: str | None, lost: bool) -> Delivered:
        if remote_id is not None:
            stored = self._keyed.read(remote_id)
            if stored is None:  # a person removed it: it is not put back, and there is nothing to take back
                return Delivered(remote_id, remote_version, human_edit=True)
            if self._keyed.has(stored, notice.key):
                return self._turn(stored, notice, remote_version, lost)
        found = self._keyed.all(notice.key)
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
        given back unchanged when a person wrote since, so that their edit is known as theirs next time too. What stands
        moves to the chart of the client of the notice, whose records may have been merged (F67). A state that an
        earlier write of ours was to bring, and whose answer was lost, is ours as well (F81).
        """
        remote_id, version = str(stored["id"]), version_of(stored)
        have, want = stored.get("status"), self._form.status(notice.state)
        moved = self._form.moved(stored, notice) if notice.state is RemoteState.ACTIVE else None
        attempted = have in [self._form.status(state) for state in notice.attempted]
        if have == want and moved is None:
            return Delivered(remote_id, version if lost or attempted or our_version is None else our_version)
        turned_by_us = attempted or (our_version is not None and our_version == version)
        if have != self._form.status(RemoteState.ACTIVE) and not turned_by_us:
            return Delivered(remote_id, our_version, human_edit=True)
        reply = self._keyed.change(stored, self._form.turned(moved or stored, notice, notice.state))
        if reply.status in NOT_FOUND:
            return Delivered(remote_id, our_version, human_edit=True)
        if (refused := self._keyed.refusal(reply)) is not None:
            return Delivered(remote_id, version, refused=refused)
        return Delivered(remote_id, made(reply, self._form.kind)[1])

    def _retract_double(self, stored: Json, notice: Notice) -> int:
        reply = self._keyed.change(stored, self._form.turned(stored, notice, RemoteState.RETRACTED))
        return 1 if reply.status in (200, 201) else 0

    # --- creating ---------------------------------------------------------------------------------------------------

    def _create(self, notice: Notice) -> Delivered:
        resource = self._form.render(notice, self._origin.author(), **self._keyed.manner.extra)
        reply = self._keyed.create(notice.key, resource)
        if reply is None:  # it was there and a person deleted it
            return Delivered(self._keyed.derived(notice.key), human_edit=True)
        return self._created(reply, notice)

    def _created(self, reply: Reply, notice: Notice) -> Delivered:
        if (refused := self._keyed.refusal_of_new(reply, notice.client)) is not None:
            return Delivered(None, refused=refused)
        remote_id, version = made(reply, self._form.kind)
        found = self._keyed.all(notice.key)
        if remote_id is None and not found:
            raise Again
        if not found:  # the server's index is behind: the next delivery counts again
            self._origin.trace(f"{self._form.kind}/{remote_id}", notice)
            return Delivered(remote_id, version, created=True)
        # A server may answer 200 to a PUT that creates; to a conditional POST it means that one was there already.
        created = reply.status == 201 or self._keyed.manner.way == "put"
        return self._settled(found, notice, created=created)
