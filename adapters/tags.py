"""One mark on a client for all prompts together: a tag, a label, a chart flag. It goes with the last prompt.

Such a mark bears no key of ours: it is found by its fixed text, its id is the client's reference.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ..plugin_core.contracts import Delivered, Notice
from ..plugin_core.words import tr
from ..schemas.vocab import RemoteState
from .rounds import LOST_PROMPT, in_rounds
from .waiting import Patience

STANDS, DROPPED = "stands", "dropped"
"""What `remote_version` says: how we left the mark, so that a person's hand on it is known from ours."""


class Marking(Protocol):
    """How one platform does it."""

    def stands(self, client: str) -> bool | None:
        """Whether the client bears the mark; None: there is no such client (any more), or nobody looks at it."""
        ...

    def put(self, client: str) -> str | None:
        """Puts it on; gives the plain reason where the platform will not take it."""
        ...

    def drop(self, client: str) -> str | None:
        """Takes it off, also where `stands` gives None; gives the plain reason where the platform will not do so."""
        ...

    def bearers(self) -> Sequence[str]:
        """All clients who bear it."""
        ...


class TagCarrier:
    """A mark that serves all prompts of a client, as a carrier."""

    def __init__(self, marking: Marking, patience: Patience, site: str) -> None:
        self._marking = marking
        self._patience = patience
        self._site = site

    def deliver(self, notice: Notice, remote_id: str | None, remote_version: str | None) -> Delivered:
        """See `Carrier.deliver`."""

        def work() -> Delivered:
            return self._round(notice, remote_id, remote_version)

        return in_rounds(self._patience, self._site, LOST_PROMPT, work)

    def find(self, key: str) -> Sequence[str]:  # noqa: ARG002 - one mark serves all prompts of a client
        """The clients who bear the mark."""
        return self._marking.bearers()

    def _round(self, notice: Notice, remote_id: str | None, version: str | None) -> Delivered:
        if notice.state is not RemoteState.ACTIVE:
            return self._off(notice, remote_id)
        client = notice.client
        stands = self._marking.stands(client)
        if stands is None:
            return Delivered(None, refused=tr("{site} no longer has this client's chart.", site=self._site))
        by_us = version == DROPPED or notice.perhaps_over
        if not stands and remote_id == client and not by_us:  # a person took it off (F86)
            return Delivered(client, version, human_edit=True)
        if not stands and (refused := self._marking.put(client)) is not None:
            return Delivered(None, refused=refused)
        if remote_id not in (None, client):  # the client's records were merged (F67)
            self._marking.drop(str(remote_id))
        return Delivered(client, STANDS, created=remote_id is None)

    def _off(self, notice: Notice, remote_id: str | None) -> Delivered:
        """Takes the mark off with the last prompt; what was perhaps put on, its answer lost, too (F87)."""
        if notice.beside:
            return Delivered(remote_id, DROPPED if remote_id else None)
        client = remote_id or notice.client
        # With the client's records it may have been moved, and nobody heard of it (F67, F81).
        moved = client != notice.client and RemoteState.ACTIVE in notice.attempted
        if moved and (refused := self._marking.drop(notice.client)) is not None:
            return Delivered(remote_id, STANDS, refused=refused)
        stands = self._marking.stands(client)
        if stands is False or (stands is None and remote_id is None):
            return Delivered(remote_id, DROPPED if remote_id else None)
        # From a chart in the archive it goes, too: who comes back would bear it without any prompt.
        return Delivered(client, DROPPED, refused=self._marking.drop(client))
