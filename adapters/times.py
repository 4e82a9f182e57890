"""Reads the platforms' time stamps as instants; never as text, never with the local clock or zone (F9, F10)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from ..plugin_core.words import mark

NO_DATE = mark("The platform's answers carry no date, so every sync reads the whole list.")
"""Without the platform's own clock a time in the year 2999 cannot be told from a good one: no cursor is given (F7)."""
FIRST, LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
"""No stamp of a platform's lies outside; at the calendar's ends no offset and no overlap could be reckoned with."""
_LEAP = re.compile(r"(T\d\d:\d\d):60(?:[.,]\d+)?")


def instant(text: object) -> datetime | None:
    """The UTC instant of an ISO 8601 text with offset; None where it has none, cannot be read or is no stamp's.

    A leap second counts as the next second (F10), digits past the microsecond are cut off.
    """
    if not isinstance(text, str) or not text:
        return None
    leap = _LEAP.search(text)
    try:
        if leap:
            return _aware(text[: leap.start()] + leap.group(1) + ":59" + text[leap.end() :], timedelta(seconds=1))
        return _aware(text, timedelta(0))
    except (ValueError, OverflowError):
        return None


def _aware(text: str, plus: timedelta) -> datetime | None:
    read = datetime.fromisoformat(text)
    return None if read.tzinfo is None else stamp(read.astimezone(UTC) + plus)


def stamp(moment: datetime) -> datetime | None:
    """The moment, where it can be that of a stamp."""
    return moment if FIRST <= moment <= LAST else None


def http_date(text: str | None) -> datetime | None:
    """The UTC instant of an HTTP date (RFC 9110, 5.6.7); None where it cannot be read or is no stamp's."""
    if not text or len(text) > 64:
        return None
    try:
        read = parsedate_to_datetime(text)
        return stamp((read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC))
    except (ValueError, OverflowError, TypeError, IndexError):
        return None


def whole_second(moment: datetime) -> str:
    """The moment in UTC, floored to the second, as FHIR and most REST filters read it (F2)."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
