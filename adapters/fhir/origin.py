"""Says on the platform where a prompt comes from: our Device as its author, and a Provenance back to the forms.

A server that does not take one of them still gets the prompt; what is left out is said once in the run report.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ...plugin_core.contracts import Notice
from ...plugin_core.errors import Denied, NotTheApi, Unsupported
from ...plugin_core.words import tr
from ...schemas.records import Json
from ...schemas.vocab import RemoteState
from ..http import Refused
from ..transport import Reply
from ..waiting import retry_after
from .carriers import DEVICE_SYSTEM, device, provenance
from .keyed import NOT_FOUND, Again
from .server import Server, query
from .writing import derived_id, made, put

CONTAINED = "#handrail"
DEVICE_ID = "handrail"
PAGE_TRIES = 3
T = TypeVar("T")


class Origin:
    """Device and Provenance of one server. `wanted` is False where the practice switched Provenance off."""

    def __init__(self, server: Server, warn: Callable[[str], None], wanted: bool = True) -> None:
        self._server = server
        self._warn = warn
        self._author: str | None = None
        self._traces = wanted

    def author(self) -> str:
        """The reference of our Device, made if it is not there; `#handrail` to be contained where it is not taken."""
        if self._author is None:
            self._author = self._taken(lambda: self._find_device() or self._make_device()) or CONTAINED
            if self._author == CONTAINED:
                self._warn(tr("The platform keeps no Device for Handrail; each prompt names its origin inside itself."))
        return self._author

    def _find_device(self) -> str | None:
        if self._server.statement().can("Device").listed is False:
            return None
        parameters = query(identifier=f"{DEVICE_SYSTEM}|handrail")
        for one in self._server.search("Device", parameters, tr("look up its entry for Handrail (Device)")):
            rows = one.get("identifier")
            ours = isinstance(rows, list) and {"system": DEVICE_SYSTEM, "value": "handrail"} in rows
            if ours and isinstance(one.get("id"), str):
                return f"Device/{one['id']}"
        return None

    def _make_device(self) -> str | None:
        can = self._server.statement().can("Device")
        if can.listed is False:
            return None
        purpose = tr("write its entry for Handrail (Device)")
        if can.update_create:
            reply = self._put("PUT", f"Device/{DEVICE_ID}", device(DEVICE_ID), purpose)
        else:
            condition = query(identifier=f"{DEVICE_SYSTEM}|handrail")
            reply = self._put("POST", "Device", device(), purpose, condition)
        if reply.status not in (200, 201):
            return None
        remote_id = made(reply, "Device")[0] or (DEVICE_ID if can.update_create else None)
        return f"Device/{remote_id}" if remote_id else None

    def trace(self, target: str, notice: Notice) -> None:
        """Writes from which forms the target was made, unless that is there. Raises Unreachable to try again later."""
        if not self._traces or not notice.based_on or notice.state is not RemoteState.ACTIVE:
            return
        listed = self._server.statement().can("Provenance").listed is not False
        if not (listed and self._taken(lambda: self._write(target, notice))):
            self._traces = False
            self._warn(tr("The platform keeps no Provenance, so it does not show from which forms a prompt was made."))

    def _write(self, target: str, notice: Notice) -> bool:
        purpose = tr("write where a prompt comes from (Provenance)")
        resource = provenance(target, notice, self.author())
        if self._server.statement().can("Provenance").update_create:
            path = f"Provenance/{derived_id('hp', notice.key)}"
            if self._server.read(path, purpose, also=NOT_FOUND)[0] == 200:
                return True
            return self._put("PUT", path, {**resource, "id": path.partition("/")[2]}, purpose).status < 300
        if any(_is_about(one, target) for one in self._server.search("Provenance", query(target=target), purpose)):
            return True
        return self._put("POST", "Provenance", resource, purpose).status < 300

    def _put(self, method: str, path: str, resource: Json, purpose: str, unless: str = "") -> Reply:
        """One write, unless what is searched for is there. Raises Again where the server is only busy (F30, F32)."""
        headers = {"If-None-Exist": unless} if unless else {}
        reply = put(self._server, method, path, resource, headers, purpose)
        if reply.status in (409, 412, 425, 429, 503):
            raise Again(retry_after(reply.headers))
        return reply

    def _taken(self, work: Callable[[], T]) -> T | None:
        """What `work` gives; None where the platform will not have it. A web page instead of data may be a proxy's of
        this moment, so it is asked again before that is believed (F39)."""
        for attempt in range(PAGE_TRIES):
            try:
                return work()
            except NotTheApi:
                self._server.http.patience.pause(attempt)
            except (Denied, Refused, Unsupported):
                return None
        return None


def _is_about(resource: Json, target: str) -> bool:
    """Whether a Provenance is ours about this target: a server may ignore the filter."""
    rows = resource.get("target")
    hit = isinstance(rows, list) and any(
        isinstance(row, dict) and str(row.get("reference", "")).partition("/_history/")[0].endswith(target)
        for row in rows
    )
    entities = resource.get("entity")
    return (
        hit
        and isinstance(entities, list)
        and any(isinstance(one, dict) and one.get("role") == "derivation" for one in entities)
    )
