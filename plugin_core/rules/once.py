"""What hangs on an instrument, the language and little else is made once: every flag's evidence asks for it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, TypeVarTuple

from ...schemas.records import Instrument
from ..words import spoken

More = TypeVarTuple("More")
R = TypeVar("R")
MOST = 64  # kept of each function


def once(make: Callable[[Instrument, *More], R]) -> Callable[[Instrument, *More], R]:
    """For a function of an instrument, and of a few values that can be keys: kept for each and for each language.

    Instruments are told apart by identity, since to hash one costs more than most of what is made of it; the one that
    is kept beside keeps its identity its own.
    """
    kept: dict[tuple[Any, ...], tuple[Instrument, R]] = {}

    @wraps(make)
    def found(instrument: Instrument, *more: *More) -> R:
        key = id(instrument), spoken(), *more
        have = kept.get(key)
        if have is None:
            if len(kept) >= MOST:
                kept.clear()
            have = kept[key] = instrument, make(instrument, *more)
        return have[1]

    return found
