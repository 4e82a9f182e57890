"""Goes through the list of values so that it can stop at any request and go on there in a later hour.

The list is one of rows, without a promise about its order, and the application has 500 requests an hour. So each page
is a place to stop at: given out are forms that have a value for each field, and those of which this page has no row any
more. The others stay open, and going on begins at the page that has rows of them. What is incomplete and may have
rows on pages that were read in another run is read whole. Where rows keep no order at all, nothing is given out before
the end, and there is no place to stop at.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from ...schemas.records import Cursor, Json
from ..rest import text_of

STREAM = "clinical_note_field_values"
ORDERS = ("id", "created_at", "updated_at")

Key = tuple[str, str]
Rows = dict[str, Json]


class Place(msgspec.Struct, omit_defaults=True):
    """Where a pull stands, as the cursor's token keeps it: no form's and no client's id is in it.

    `template` is being read, from the page `at` on (the platform's own link, below the configured address); `done` are
    read. `newest` is the latest time of change so far, `begun` the platform's clock when the pull began, `since` the
    cursor that it began from.
    """

    since: datetime | None = None
    template: str | None = None
    at: str | None = None
    done: tuple[str, ...] = ()
    newest: datetime | None = None
    begun: datetime | None = None

    @classmethod
    def of(cls, cursor: Cursor | None) -> Place:
        """Where the cursor says; from its beginning where it says nothing, or stands at another time than its token."""
        since = cursor.since if cursor else None
        try:
            found = msgspec.json.decode(cursor.token or "{}" if cursor else "{}", type=cls)
        except (msgspec.DecodeError, UnicodeError):
            return cls(since)
        return found if found.since == since and not _naive(found) else cls(since)

    def left(self, templates: Iterable[str]) -> list[str]:
        """The templates still to be read, the one that is half read first."""
        return sorted({*templates} - {*self.done}, key=lambda one: (one != self.template, one))

    def saw(self, stamps: Iterable[datetime | None], clock: datetime | None) -> None:
        """A page came: its times count up to the platform's own clock (F7)."""
        self.begun = self.begun or clock
        for stamp in stamps:
            if stamp is not None and clock is not None:
                reached = min(stamp, clock)
                self.newest = max(self.newest or reached, reached)

    def kept(self, template: str, at: str | None) -> Cursor:
        """The cursor for going on with this template at that page; without a page, for going on behind it."""
        if at is not None:
            self.template, self.at = template, at
        else:
            self.template = self.at = None
            self.done = (*self.done, template)
        return Cursor(STREAM, self.since, token=msgspec.json.encode(self).decode())

    def end(self) -> Cursor:
        """The cursor when all is read. What changed while the pull went on, perhaps for days, comes with the next."""
        reached = min(filter(None, (self.newest, self.begun)), default=None) if self.newest else None
        return Cursor(STREAM, max(filter(None, (self.since, reached)), default=None))


def _naive(place: Place) -> bool:
    times = (place.since, place.newest, place.begun)
    return any(time is not None and time.tzinfo is None for time in times)


@dataclass(frozen=True, slots=True)
class Found:
    """A form's rows that came; `part`: there may be more of them."""

    rows: Sequence[Json]
    part: bool


class Gathering:
    """Puts the rows of one template's list together to forms.

    :param fields: ids of the fields that a form of the template can have values of.
    :param part: the list does not have all rows of each form: what lies before its beginning is not read now.
    """

    def __init__(self, fields: Collection[str], *, part: bool) -> None:
        self._fields = frozenset(fields)
        self._part = part
        self._open: dict[Key, Rows] = {}
        self._touched: set[Key] = set()
        self._given: set[Key] = set()
        self._seen: set[tuple[str | None, str | None]] = set()
        self._orders = {(name, down) for name in ORDERS for down in (False, True)}
        self._last: Json = {}

    @property
    def open(self) -> bool:
        """Whether forms wait for rows of later pages."""
        return bool(self._open)

    def take(self, rows: Iterable[tuple[Key, Json]]) -> None:
        """The rows of one page, each with the form that it belongs to; one that came before is passed over (F16)."""
        self._touched = set()
        for key, row in rows:
            remote_id = text_of(row.get("id"))
            if remote_id is None or (known := (remote_id, text_of(row.get("updated_at")))) in self._seen:
                continue
            self._seen.add(known)
            self._orders = {one for one in self._orders if _keeps(*one, self._last, row)}
            self._last = row
            self._open.setdefault(key, {})[remote_id] = row
            self._touched.add(key)

    def ready(self, *, end: bool) -> Mapping[Key, Found]:
        """The forms to give out now; at the end of the list all that are left."""
        if not (end or self._orders):
            return {}
        found = {}
        for key in [*self._open]:
            whole = self._complete(key)
            if end or whole or key not in self._touched:
                rows = [*self._open.pop(key).values()]
                found[key] = Found(rows, not whole and (self._part or key in self._given))
                self._given.add(key)
        return found

    def _complete(self, key: Key) -> bool:
        return bool(self._fields) and self._fields <= {
            text_of(row.get("clinical_note_field")) for row in self._open[key].values()
        }


def _keeps(name: str, down: bool, before: Json, row: Json) -> bool:
    """Whether two rows that follow each other keep this order."""
    one, other = before.get(name), row.get(name)
    if not before:
        return True
    if isinstance(one, int) and isinstance(other, int):
        return one >= other if down else one <= other
    if isinstance(one, str) and isinstance(other, str):
        return one >= other if down else one <= other
    return False
