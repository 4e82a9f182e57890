"""Pages through what changed since a cursor, on platforms that sort by time of change and number their pages.

Page numbers lose rows: one that changes while the list is read leaves its place, and all behind it move up (F16). So
each page is asked for anew, from the time of the last row of the page before, and the platform's own next page is
followed only where a whole page bears one time. The cursor is the newest time that the platform itself gave (F5), never
later than its own clock (F7), never earlier than before (F6). Where the platform does not keep the order or the filter
asked for, its own pages are read to their end before the cursor moves (F12, F13).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from marshmallow import fields, validate

from ..plugin_core.contracts import Page, RemoteResponse
from ..plugin_core.errors import PlatformError
from ..plugin_core.words import mark, tr
from ..schemas.records import Cursor, Quarantined
from .network import NetworkSettings
from .times import NO_DATE

CLOCK_TOLERANCE = timedelta(minutes=10)
FILTER_TOLERANCE = timedelta(seconds=2)


class PullSettings(NetworkSettings):
    """Settings of platforms that are pulled by time of change."""

    overlap_minutes = fields.Integer(
        load_default=10,
        strict=True,
        validate=validate.Range(0, 1440),
        metadata={
            "help": mark(
                "How far each pull reaches back before the last one, for forms that become visible late. Usually left "
                "as it is."
            )
        },
    )


@dataclass(frozen=True, slots=True)
class Batch:
    """One page as the platform gave it: `stamps` are its rows' times of change in the order given, `more` leads to the
    platform's own next page (None at the end), `clock` is the platform's time of its answer, `total` how many rows it
    says that there are in all."""

    responses: Sequence[RemoteResponse]
    stamps: Sequence[datetime | None]
    more: str | None
    clock: datetime | None = None
    set_aside: Sequence[Quarantined] = ()
    gone: Sequence[str] = ()
    total: int | None = None

    @property
    def ids(self) -> set[str]:
        """The rows' ids."""
        return {one.id for one in self.responses} | {one.remote_id for one in self.set_aside} | {*self.gone}


Load = Callable[[datetime | None, str | None], Batch]


class Walk:
    """One pull.

    :param load: gives the page of rows changed at or after a moment (None: all), or the one that `more` leads to.
    :param site: how messages name the platform.
    """

    def __init__(self, stream: str, cursor: Cursor | None, overlap: timedelta, load: Load, site: str) -> None:
        self._stream = stream
        self._load = load
        self._site = site
        self._newest = cursor.since if cursor else None
        self._origin = None if self._newest is None else self._newest - overlap
        self._sorted = True
        self._total: int | None = None
        self._came: set[str] = set()

    def pages(self) -> Iterator[Page]:
        """All pages. Raises PlatformErrors; what was yielded before one stands."""
        lower, more = self._origin, None
        seen: set[str] = set()
        notes: list[str] = []
        while True:
            batch = self._load(lower, more)
            if (doubt := self._doubt(batch, lower)) is not None:
                self._sorted = False
                notes.append(doubt)
                if lower != self._origin or more is not None:  # what was skipped is read by the platform's own pages
                    lower, more = self._origin, None
                    seen.clear()
                    continue
            last = batch.more is None
            self._advance(batch)
            if batch.clock is None and last:
                notes.append(tr(NO_DATE))
            yield self._page(batch, last, tuple(notes))
            notes.clear()
            if batch.more is None:
                return
            after = self._after(batch, lower)
            if after is not None:
                lower, more = after, None
                continue
            more = batch.more
            if more in seen:
                raise PlatformError(
                    tr("{site} leads from page to page in a circle, so its list cannot be read.", site=self._site)
                )
            seen.add(more)

    def _doubt(self, batch: Batch, lower: datetime | None) -> str | None:
        """Why the way by time cannot be relied on; None where it can, or where it was left already."""
        if not self._sorted:
            return None
        if not _kept(batch.stamps, lower):
            return tr("The platform does not keep the order asked for, so every sync is read to its end.")
        self._came |= batch.ids
        self._total = batch.total if self._total is None else self._total
        if batch.more is None and self._total is not None and len(self._came) < self._total:
            return tr("Forms changed while the list was read, so it was read a second time.")
        return None

    def _after(self, batch: Batch, lower: datetime | None) -> datetime | None:
        """The time from which the next page is asked for anew; None where that would give the same page again."""
        stamps = [stamp for stamp in batch.stamps if stamp is not None]
        if not self._sorted or not stamps:
            return None
        last = stamps[-1].replace(microsecond=0)
        return last if lower is None or last > lower.replace(microsecond=0) else None

    def _advance(self, batch: Batch) -> None:
        if batch.clock is None:
            return
        limit = batch.clock + CLOCK_TOLERANCE
        for stamp in batch.stamps:
            if stamp is not None and stamp <= limit and (not self._newest or stamp > self._newest):
                self._newest = stamp

    def _page(self, batch: Batch, last: bool, notes: tuple[str, ...]) -> Page:
        cursor = Cursor(self._stream, self._newest) if self._sorted or last else None
        return Page(batch.responses, cursor, batch.set_aside, batch.gone, notes, self._sorted)


def _kept(stamps: Sequence[datetime | None], lower: datetime | None) -> bool:
    """Whether the rows have times that rise, from where they were asked for."""
    before = None if lower is None else lower - FILTER_TOLERANCE
    for stamp in stamps:
        if stamp is None or (before is not None and stamp < before):
            return False
        before = stamp
    return True
