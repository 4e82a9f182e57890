"""Numbers, days and rows of things as people write them in the language that is spoken.

A small table of our own, in the catalogue: month names, the order of a date, the decimal sign. A library that knows
every calendar would cost thirty megabytes for what these pages show.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from functools import cache, lru_cache

from . import markp, spoken, tr, trp

MONTHS = (
    markp("month", "January"), markp("month", "February"), markp("month", "March"), markp("month", "April"),
    markp("month", "May"), markp("month", "June"), markp("month", "July"), markp("month", "August"),
    markp("month", "September"), markp("month", "October"), markp("month", "November"), markp("month", "December"),
)  # fmt: skip
SHORT_MONTHS = (
    markp("short month", "Jan"), markp("short month", "Feb"), markp("short month", "Mar"), markp("short month", "Apr"),
    markp("short month", "May"), markp("short month", "Jun"), markp("short month", "Jul"), markp("short month", "Aug"),
    markp("short month", "Sep"), markp("short month", "Oct"), markp("short month", "Nov"), markp("short month", "Dec"),
)  # fmt: skip
NUMBERS = (
    markp("number", "no"), markp("number", "one"), markp("number", "two"), markp("number", "three"),
    markp("number", "four"), markp("number", "five"), markp("number", "six"), markp("number", "seven"),
    markp("number", "eight"), markp("number", "nine"), markp("number", "ten"), markp("number", "eleven"),
    markp("number", "twelve"),
)  # fmt: skip


def day(when: date) -> str:
    """One day in words: 3 May 2026."""
    return _day(spoken(), when.day, when.month, when.year)


@lru_cache(4000)
def _day(_language: str, day: int, month: int, year: int) -> str:
    """As `day`; a page of evidence names the same days over and over."""
    return trp("day", "{day} {month} {year}", day=day, month=trp("month", MONTHS[month - 1]), year=year)


def days(when: Sequence[date]) -> str:
    """Days in a row: the year once where it is the same (3 May, 31 May 2026), else with each."""
    if len({d.year for d in when}) == 1:
        return ", ".join([*(_day_of_month(d) for d in when[:-1]), day(when[-1])])
    return ", ".join(day(d) for d in when)


def _day_of_month(when: date) -> str:
    return trp("day", "{day} {month}", day=when.day, month=trp("month", MONTHS[when.month - 1]))


def short_day(when: date) -> str:
    """A day as a table or an axis has room for it: 3 May 2026, at most eleven characters."""
    return _short_day(spoken(), when.day, when.month, when.year)


@lru_cache(4000)
def _short_day(_language: str, day: int, month: int, year: int) -> str:
    """As `short_day`."""
    named = trp("short month", SHORT_MONTHS[month - 1])
    return trp("short day", "{day} {month} {year}", day=day, month=named, year=year)


def moment(when: datetime) -> str:
    """A day and time in words, in the time's own offset."""
    return tr("{day}, {time}", day=day(when), time=f"{when:%H:%M}")


def quoted(text: str) -> str:
    """A line of a form as it is quoted inside a sentence, without its full stop."""
    return tr("“{text}”", text=text.removesuffix("."))


def count(number: int) -> str:
    """A small number in words."""
    return trp("number", NUMBERS[number]) if 0 <= number < len(NUMBERS) else str(number)


def listed(parts: Sequence[str]) -> str:
    """Parts in a row with "and" before the last."""
    return parts[0] if len(parts) == 1 else tr("{first} and {last}", first=", ".join(parts[:-1]), last=parts[-1])


def one(value: float) -> str:
    """A score as it is shown: one decimal, halves rounded up (scores are means; 2.25 is 2.3)."""
    return _signed(f"{value + 1e-9:.1f}")


def exact(value: float) -> str:
    """A number in a sum: up to four decimals, without trailing noughts, so that the next line comes out as printed."""
    return _signed(f"{value:.4f}".rstrip("0").rstrip("."))


def raw(value: float) -> str:
    """An answer, or the mean of two answers: 3, or 2.5."""
    return _signed(f"{value:.1f}".removesuffix(".0"))


def tenths(value: float) -> str:
    """A measure with one decimal: seconds, a rate."""
    return _signed(f"{value:.1f}")


def short(value: float) -> str:
    """A number as a scale or a limit names it: 3, 0.5, 27."""
    return _signed(f"{value:g}")


def whole(number: int) -> str:
    """A whole number, in groups of three."""
    return f"{number:,}".replace(",", trp("sign between thousands", ","))


def _signed(number: str) -> str:
    """With the decimal sign of the language."""
    sign = _sign(spoken())
    return number if sign == "." else number.replace(".", sign)


@cache
def _sign(_language: str) -> str:
    return trp("decimal sign", ".")
