"""Forms that arrive `in-progress`, or without the time at which they were filled in: read only by the practice's word.

As FHIR has it, an in-progress form is not finished, and one without `authored` belongs to no day: the first is counted
and left, the second is set aside. Some renderers never send more, so both can be switched on; what was taken so carries
a tag that stays with the form and is seen wherever the form is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import msgspec

from ...plugin_core.contracts import Page, RemoteResponse

TAKEN = "taken-in-progress"
DATED = "dated-by-server"


@dataclass(frozen=True, slots=True)
class Leniency:
    """`in_progress`: forms not marked as finished are read as they stand. `server_date`: a form without its own time
    gets the time at which the platform last stored it, which is later than when it was filled in, never earlier."""

    in_progress: bool = False
    server_date: bool = False

    def pages(self, pages: Iterable[Page]) -> Iterator[Page]:
        """The pages with their forms as the practice wants them read."""
        return iter(pages) if not (self.in_progress or self.server_date) else map(self.page, pages)

    def page(self, page: Page) -> Page:
        """One page; the same object where nothing in it is concerned."""
        if not (self.in_progress or self.server_date):
            return page
        read = [self._read(one) for one in page.responses]
        changed = any(new is not old for new, old in zip(read, page.responses, strict=True))
        return replace(page, responses=read) if changed else page

    def _read(self, one: RemoteResponse) -> RemoteResponse:
        if self.in_progress and one.status == "in-progress" and any(line.answers for line in one.lines):
            one = msgspec.structs.replace(one, status="completed", tags=(*one.tags, TAKEN))
        if self.server_date and one.authored is None and one.updated is not None and one.status != "in-progress":
            one = msgspec.structs.replace(one, authored=one.updated, tags=(*one.tags, DATED))
        return one
