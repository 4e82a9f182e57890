"""Dates as exports write them. The order of day and month is never guessed: a text is read by a confirmed one.

`orders_of` says by which orders a text could be read; where several are left over a whole file, a person says which.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo

from ...plugin_core.words import mark
from ...schemas.vocab import QuarantineReason as R
from .faults import BAD_DATE, GAP, RowFault

YMD, DMY, MDY, SERIAL_1900, SERIAL_1904, NATIVE = "ymd", "dmy", "mdy", "serial-1900", "serial-1904", "excel"
WRITTEN = (YMD, DMY, MDY)
TITLES = {
    YMD: mark("year, month, day (2026-02-01)"),
    DMY: mark("day, month, year (01.02.2026 is the first of February)"),
    MDY: mark("month, day, year (02/01/2026 is the first of February)"),
    SERIAL_1900: mark("Excel's day numbers, counted from 1900 (Windows)"),
    SERIAL_1904: mark("Excel's day numbers, counted from 1904 (old Macs)"),
    NATIVE: mark("real dates of Excel"),
}
NOON = time(12)
FIRST, LAST = 1990, 2199
_EPOCHS = {SERIAL_1900: datetime(1899, 12, 30), SERIAL_1904: datetime(1904, 1, 1)}  # noqa: DTZ001 - local days
_TIME = (
    r"(?P<hour>\d{1,2})[:.h](?P<minute>\d{2})(?:[:.](?P<second>\d{2})(?:[.,]\d{1,9})?)?"
    r"(?:\s*(?P<half>[ap])\.?m\.?)?(?:\s*Uhr)?\s*(?P<offset>Z|UTC|GMT|[+-]\d{2}:?\d{2})?"
)
_REST = rf"(?:(?:[T\s,]|\s+(?:at|um)\s+)\s*{_TIME})?"
_NUMERIC = re.compile(rf"(\d{{1,4}})([./-])\s?(\d{{1,2}})\2\s?(\d{{1,4}}){_REST}", re.IGNORECASE)
_DAY_FIRST = re.compile(
    rf"(?:[A-Za-z]{{2,9}}\.?,?\s+)?(\d{{1,2}})[.\s-]\s*([^\W\d_]{{3,9}})\.?[,\s-]\s*(\d{{4}}){_REST}", re.IGNORECASE
)
_MONTH_FIRST = re.compile(
    rf"(?:[A-Za-z]{{2,9}}\.?,\s+)?([^\W\d_]{{3,9}})\.?\s+(\d{{1,2}})(?:st|nd|rd|th)?,?\s+(\d{{4}}){_REST}",
    re.IGNORECASE,
)
_SERIAL = re.compile(r"(\d{5})(?:[.,](\d{1,12}))?")
_CLOCK = re.compile(_TIME, re.IGNORECASE)
_MONTHS = (
    ("january", "jan", "januar", "jänner"), ("february", "feb", "februar"), ("march", "mar", "märz", "mär", "mrz"),
    ("april", "apr"), ("may", "mai"), ("june", "jun", "juni"), ("july", "jul", "juli"), ("august", "aug"),
    ("september", "sep", "sept"), ("october", "oct", "oktober", "okt"), ("november", "nov"),
    ("december", "dec", "dezember", "dez"),
)  # fmt: skip
_MONTH_OF = {name: number for number, names in enumerate(_MONTHS, 1) for name in names}


def orders_of(text: str) -> frozenset[str]:
    """The orders by which a text is a date; none where it is no date."""
    if _SERIAL.fullmatch(text):
        return frozenset(order for order in _EPOCHS if _serial(text, order) is not None)
    return frozenset(order for order in WRITTEN if _written(text, order) is not None)


def read_day(text: str, order: str) -> datetime | None:
    """The date and time of a text by an order, with an offset only where the text has one; None: not by this order.

    A day without time of day is that day's noon, so that it stays the same day in every zone around.
    """
    if order in _EPOCHS:
        return _serial(text, order)
    return _written(text, order) if order in WRITTEN else None


def read_clock(text: str) -> time | None:
    """The time of day of a cell beside the date."""
    found = _CLOCK.fullmatch(text.strip())
    return None if found is None else _clock(found)


def placed(moment: datetime, zone: tzinfo) -> datetime:
    """The moment with its offset: local to `zone` where it has none. Of an hour that came twice the first is taken.

    :raises RowFault: the time did not exist on that day, or lies outside the years that are read.
    """
    if not FIRST <= moment.year <= LAST:
        raise RowFault(BAD_DATE, R.NO_TIME)
    if moment.tzinfo is not None:
        return moment
    local = moment.replace(tzinfo=zone)
    if local.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != moment:
        raise RowFault(GAP, R.NO_TIME)
    return local


def _serial(text: str, order: str) -> datetime | None:
    found = _SERIAL.fullmatch(text)
    if found is None or order not in _EPOCHS:
        return None
    day = _EPOCHS[order] + timedelta(days=int(found[1]))
    if not FIRST <= day.year <= LAST:
        return None
    if found[2] is None:
        return day.replace(hour=12)
    return day + timedelta(seconds=round(float(f"0.{found[2]}") * 86400))


def _written(text: str, order: str) -> datetime | None:
    if len(text) > 60:
        return None
    if found := _NUMERIC.fullmatch(text):
        parts = _numeric(found, order)
    elif found := _DAY_FIRST.fullmatch(text):
        parts = (int(found[3]), _month(found[2]), int(found[1]))
    elif found := _MONTH_FIRST.fullmatch(text):
        parts = (int(found[3]), _month(found[1]), int(found[2]))
    else:
        return None
    return None if parts is None else _made(parts, found)


def _numeric(found: re.Match[str], order: str) -> tuple[int, int, int] | None:
    one, two, three = found[1], found[3], found[4]
    if len(one) == 4:
        return (int(one), int(two), int(three)) if order == YMD and len(three) <= 2 else None
    year = one if order == YMD else three
    if len(one) > 2 or len(year) not in (2, 4) or (order == YMD and len(three) > 2):
        return None
    full = int(year) + (2000 if len(year) == 2 else 0)
    return {YMD: (full, int(two), int(three)), DMY: (full, int(two), int(one)), MDY: (full, int(one), int(two))}[order]


def _month(name: str) -> int:
    return _MONTH_OF.get(name.casefold(), 0)


def _made(parts: tuple[int, int, int], found: re.Match[str]) -> datetime | None:
    try:
        day = date(*parts)
    except ValueError:
        return None
    if not FIRST <= day.year <= LAST:
        return None
    if found["hour"] is None:
        return datetime.combine(day, NOON)
    clock = _clock(found)
    return None if clock is None else datetime.combine(day, clock)


def _clock(found: re.Match[str]) -> time | None:
    hour, half = int(found["hour"]), (found["half"] or "").lower()
    if half and not 1 <= hour <= 12:
        return None
    if half:
        hour = hour % 12 + (12 if half == "p" else 0)
    try:
        return time(hour, int(found["minute"]), int(found["second"] or 0), tzinfo=_offset(found["offset"]))
    except ValueError:
        return None


def _offset(text: str | None) -> tzinfo | None:
    if not text:
        return None
    if text.upper() in ("Z", "UTC", "GMT"):
        return UTC
    minutes = int(text[1:3]) * 60 + int(text[-2:])
    return timezone(timedelta(minutes=-minutes if text[0] == "-" else minutes))
