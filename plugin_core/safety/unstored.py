"""Safety answers in forms that are not stored: not finished, set aside for another line, refused by a plugin.

Such a form is never scored (F56, F59, F68). But an answer on a safety line that reads exactly as its mapping has it is
relayed all the same, whether or not the form is complete (clinical.md 6). Where not even that line can be read, the
report names the form as one that may hold such an answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from ...schemas.base import parse_time
from ...schemas.records import Instrument
from ...schemas.responses import ResponseSchema, judge
from ...schemas.vocab import SCORED_STATUSES, ResponseStatus
from ..contracts import RemoteResponse
from ..mapping import FormReader
from ..registry import Registry
from ..rules.safety import URGENT
from ..words import mark, tr
from .arrival import Found, Watch

NOT_FINISHED = mark("The form was not finished when this was read.")
NOT_STORED = mark("The form itself could not be taken over; look at it on the platform.")
_SCORED = {status.value for status in SCORED_STATUSES}
_NO_CLIENTS: dict[str, str] = {}
Owner = Callable[[RemoteResponse, str], tuple[str, str, str]]


class Unstored:
    """Reads the safety lines of forms that are not stored.

    :param owner: gives our keys of the form and of its client, and the platform's reference of the client.
    :param as_of: the day that stands for one that cannot be read.
    """

    def __init__(
        self,
        registry: Registry,
        reader: FormReader,
        schema: ResponseSchema,
        watch: Watch,
        owner: Owner,
        as_of: datetime,
    ) -> None:
        self.registry = registry
        self.reader = reader
        self.schema = schema
        self.watch = watch
        self.owner = owner
        self.as_of = as_of

    def may_hold(self, form: str | None) -> bool:
        """Whether a form of that name is read as an instrument with safety lines; one without a name may be any."""
        return form is None or any(self._instrument(key).safety for key in self.reader.instruments(form))

    def _instrument(self, key: tuple[str, str]) -> Instrument:
        return self.registry.instruments[key].descriptor

    def look(self, remote: RemoteResponse, found: Found) -> dict[str, str]:
        """Adds the safety flags of one form to `found`; gives the client (key -> reference) if there are any."""
        if remote.status == ResponseStatus.WITHDRAWN or not (self.may_hold(remote.form) or URGENT in remote.tags):
            return _NO_CLIENTS
        flat = self._flat(remote)
        if flat is None:
            return _NO_CLIENTS
        loaded, _ = judge(self.schema, [flat])
        if not loaded:
            return _NO_CLIENTS
        response = loaded[0]
        scorer = self.registry.scorer((response.instrument, response.instrument_version))
        key, client, ref = self.owner(remote, response.client)
        before = len(found.flags)
        self.watch.look(client, key, scorer.instrument, scorer.form(response), found)
        said = tr(NOT_STORED if remote.status in _SCORED else NOT_FINISHED)
        found.flags[before:] = [
            replace(flag, evidence=replace(flag.evidence, reason=f"{flag.evidence.reason} {said}"))
            for flag in found.flags[before:]
        ]
        return {client: ref} if len(found.flags) > before else _NO_CLIENTS

    def _flat(self, remote: RemoteResponse) -> dict[str, Any] | None:
        """The form with its safety lines alone, on a day that the schema takes; None: they cannot be read."""
        for key in self.reader.instruments(remote.form):
            flat = self.reader.read_only(remote, {line.item for line in self._instrument(key).safety})
            if flat is not None:
                flat.pop("totals", None)
                return flat | {"authored": self._day(remote.authored)}
        return None

    def _day(self, authored: str | None) -> str:
        try:
            when = parse_time(authored or "")
        except ValueError:
            return self.as_of.isoformat()
        return self.as_of.isoformat() if when > self.as_of else authored or ""
