"""How far a pull is safe: keeps the cursor, the server's order and clock, and signs that the list moved while read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from ...plugin_core.contracts import Page
from ...plugin_core.words import tr
from ...schemas.records import Cursor
from ..times import NO_DATE, instant, whole_second
from .decode import ReadPage
from .server import parameters_of

STREAM = "QuestionnaireResponse"
CLOCK_TOLERANCE = timedelta(minutes=10)
# Links of servers that count rows: a row that changes while they are followed shifts all others by one (F16). HAPI's
# `_getpagesoffset` counts in a stored result and does not shift.
OFFSET_NAMES = frozenset({"_offset", "offset", "_page", "page", "_skip", "skip"})
AGAIN, ALONG = "again", "along"


class Position:
    """Where a pull stands. `lower` bounds the query; `trusted` is False once the server's order cannot be relied on."""

    def __init__(self, cursor: Cursor | None, overlap: timedelta) -> None:
        self._server = cursor.server if cursor else None
        self.page_size = cursor.page_size if cursor else None
        self.newest = cursor.since if cursor else None
        self._began = self.newest
        self._overlap = overlap
        self._notes: list[str] = []
        self._said: set[str] = set()
        self.trusted = True
        self._complete = True
        self._repeated = False
        self._moved = False
        self._walk_started: datetime | None = None
        self._first_total: int | None = None
        self._pages = 0
        self._last: datetime | None = None
        self._read_token(cursor.token if cursor else None)
        self.lower = self._reach_back(self._origin if self._repeated else self.newest)

    def _read_token(self, token: str | None) -> None:
        """A walk over counted rows that was broken off says where it began, so that its repeat is not forgotten."""
        word, _, rest = (token or "").partition("|")
        since, _, started = rest.partition("|")
        self._origin = instant(since) if word in (AGAIN, ALONG) else self._began
        self._walk_started = instant(started) if word == ALONG else None
        self._repeated = word == AGAIN
        self._kept_start = self._walk_started
        self._resumed = self._offsets = word == ALONG

    def _reach_back(self, moment: datetime | None) -> datetime | None:
        try:
            return None if moment is None else moment - self._overlap
        except OverflowError:
            return None

    def begin(self) -> None:
        """A walk over the list begins."""
        self._last = None
        self._pages = 0
        self._moved = False
        self._first_total = None
        self._walk_started = self._kept_start

    def resume(self, note: str | None = None) -> None:
        """The walk must begin again: from the newest safe moment where the order held, else from where it began."""
        if note:
            self._note(note)
        if self.trusted and self._complete and not self._repeated and self.newest is not None:
            self.lower = self._reach_back(self.newest)

    def look(self, self_link: str | None, next_link: str | None) -> None:
        """What the links tell: a filter that the server dropped from its own link was ignored (F12)."""
        used = parameters_of(self_link) if self_link and not self._pages else None
        if used is not None:
            asked = {"_sort"} if self.lower is None else {"_sort", "_lastUpdated"}
            if not asked <= used:
                self.trusted = False
                self._note(tr("The platform does not sort or filter by change, so every sync reads the whole list."))
        if next_link and (parameters_of(next_link) or frozenset()) & OFFSET_NAMES:
            self._offsets = True

    def must_repeat(self) -> bool:
        """Whether rows moved while the list was read, so that one may have been missed (F16, F17); asks for it once."""
        if not (self._moved and self._offsets):
            return False
        if self._repeated:
            self._note(
                tr("Forms changed again while the list was read; the next full check will find what was missed.")
            )
            return False
        self._repeated = True
        self.lower = self._reach_back(self._origin)
        self._note(tr("Forms changed while the list was read, so it was read a second time."))
        return True

    def page(
        self, read: ReadPage, date: datetime | None, *, last: bool, stamps: Sequence[datetime | None] | None = None
    ) -> Page:
        """The page with the cursor that may be stored after it."""
        self._clock(date)
        moments = [instant(one.updated) for one in read.responses] if stamps is None else stamps
        self._take(moments, date)
        if stamps is None and (self._pages or self._resumed):
            self._watch(read, moments)
        if self._pages == 0:
            self._first_total = read.total
        elif last and read.total is not None and self._first_total not in (None, read.total):
            self._moved = True
        self._pages += 1
        for remark in dict.fromkeys(read.remarks):
            self._note(tr("The platform remarked on the search: {remark}.", remark=remark))
        notes, self._notes = tuple(self._notes), []
        return Page(
            read.responses,
            cursor=self._cursor(last) if last or self._resumable else None,
            set_aside=read.set_aside,
            warnings=notes,
            sorted=self.trusted,
        )

    @property
    def _resumable(self) -> bool:
        return self.trusted and self._complete

    def _cursor(self, last: bool) -> Cursor:
        since = self.newest if self._complete else self._began
        return Cursor(STREAM, since, self._server, self.page_size, self._token(last))

    def _token(self, last: bool) -> str | None:
        if not self._offsets or (last and (self._repeated or not self._moved)):
            return None
        origin = "" if self._origin is None else self._origin.isoformat()
        if self._repeated or last:
            return f"{AGAIN}|{origin}"
        return f"{ALONG}|{origin}|{'' if self._walk_started is None else self._walk_started.isoformat()}"

    def _clock(self, date: datetime | None) -> None:
        if date is None:
            self._complete = False
            self._note(tr(NO_DATE))
            return
        if self._walk_started is None:
            self._walk_started = date
            self._kept_start = date
        if self._began is not None and date < self._began - CLOCK_TOLERANCE:
            self._note(
                tr(
                    "The platform's clock went back: it says {date}, but an earlier sync saw {began}. Run handrail "
                    "sync --full once it is right again.",
                    date=whole_second(date),
                    began=whole_second(self._began),
                )
            )

    def _take(self, moments: Sequence[datetime | None], date: datetime | None) -> None:
        limit = None if date is None else date + CLOCK_TOLERANCE
        for moment in moments:
            if moment is None:
                self._complete = False
                self._note(tr("Some forms carry no time of change, so every sync reads the whole list."))
            elif limit is not None and moment > limit:
                self._note(tr("Some forms are dated later than the platform's own clock; they do not move the cursor."))
            else:
                if self._last is not None and moment < self._last and self.trusted:
                    self.trusted = False
                    self._note(tr("The platform does not keep the order asked for, so every sync is read to its end."))
                self._last = moment
                if limit is not None and (self.newest is None or moment > self.newest):
                    self.newest = moment

    def _watch(self, read: ReadPage, moments: Sequence[datetime | None]) -> None:
        """A form changed after the walk began has left its row, and the rows behind it moved up."""
        began = (self._walk_started or datetime.max.replace(tzinfo=UTC)).replace(microsecond=0)
        for one, moment in zip(read.responses, moments, strict=True):
            if moment is not None and moment >= began and one.version != "1":
                self._moved = True
                return

    def _note(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._notes.append(text)
