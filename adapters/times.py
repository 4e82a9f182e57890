"""Reads the platforms' time stamps as instants; never as text, never with the local clock or zone (F9, F10)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

_LEAP = re.compile(r"(T\d\d:\d\d):60(?:[.,]\d+)?")


def instant(text: str | None) -> datetime | None:
    """The UTC instant of an ISO 8601 text with offset; None where it has none or cannot be read.

    A leap second counts as the next second (F10), digits past the microsecond are cut off.
    """
    if not text:
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
    return None if read.tzinfo is None else read.astimezone(UTC) + plus


def http_date(text: str | None) -> datetime | None:
    """The UTC instant of an HTTP date (RFC 9110, 5.6.7); None where it cannot be read."""
    if not text or len(text) > 64:
        return None
    try:
        read = parsedate_to_datetime(text)
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError, TypeError, IndexError):
        return None


def whole_second(moment: datetime) -> str:
    """The moment in UTC, floored to the second, as FHIR and most REST filters read it (F2)."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
