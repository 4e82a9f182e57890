"""What plugins hand over is looked at as it comes (F101).

A record of other types than it declares would be stored like any other, and whoever reads the store next would fall
over it: nobody's flags could be shown any more, those of safety answers among them.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import fields, replace
from datetime import datetime
from functools import cache, partial
from math import isfinite
from typing import Any, TypeVar, cast

import msgspec

from ..schemas.records import Course, Evidence
from .contracts import Reading, RuleSpec
from .errors import Unsupported
from .words import tr

R = TypeVar("R")  # a dataclass
_encode = msgspec.json.Encoder().encode


class Misshapen(TypeError):
    """A plugin gave something else than it declares."""


def as_declared(given: object, kind: type[R]) -> R:
    """The record as it would be read from the store: every value of the type that its field declares.

    :raises Misshapen: it is of another kind, a value in it is of another type, or a time of it has no offset.
    """
    if not isinstance(given, kind):
        raise Misshapen
    try:
        record: Any = _decoder(cast(Hashable, kind)).decode(_encode(given))
    except (msgspec.MsgspecError, TypeError, ValueError, OverflowError, RecursionError):
        raise Misshapen from None
    times = [value for one in fields(record) if isinstance(value := getattr(record, one.name), datetime)]
    if any(time.utcoffset() is None for time in times):
        raise Misshapen
    return cast("R", record)


@cache
def _decoder(kind: Hashable) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


def of_platform(given: object, kind: type[R]) -> R:
    """The same of what an adapter gives. Raises Unsupported."""
    try:
        return as_declared(given, kind)
    except Misshapen:
        raise Unsupported(
            tr("What the platform's plugin gives is not what it declares ({kind}). Update it.", kind=kind.__name__)
        ) from None


def checked(rule: RuleSpec) -> RuleSpec:
    """A plugin's rule, which raises where it gives something else than one reading for each form, or than evidence."""
    at_budget = rule.at_budget
    return replace(
        rule,
        judge=partial(_readings, rule),
        at_budget=None if at_budget is None else lambda budget: checked(at_budget(budget)),
    )


def _readings(rule: RuleSpec, course: Course) -> Sequence[Reading]:
    found = list(rule.judge(course))
    if len(found) != len(course.forms):
        raise Misshapen
    return [_reading(one) for one in found]


def _reading(given: object) -> Reading:
    if not isinstance(given, Reading) or given.met not in (True, False, None):
        raise Misshapen
    if given.score is not None and not (isinstance(given.score, int | float) and isfinite(given.score)):
        raise Misshapen
    return given if given.evidence is None else replace(given, evidence=partial(_evidence, given.evidence))


def _evidence(make: Callable[[], Any]) -> Evidence:
    return as_declared(make(), Evidence)
