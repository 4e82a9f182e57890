"""Everything in the hooks that is going away, in one table: it warns implementers and sets ourselves a deadline.

A hook or an argument is removed only after its implementers were warned for two minor releases. To retire one, add a
line here; the spec in `hookspecs.py` stays as it is until the version named `due`, when the tests demand its removal.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from . import hookspec as marker

F = TypeVar("F", bound=Callable[..., Any])
WARNED_RELEASES = 2


class HandrailDeprecation(DeprecationWarning):
    """A plugin implements something that will be removed. Raised at the implementation's own file and line."""


@dataclass(frozen=True, slots=True)
class Deprecation:
    """A hook, or with `argument` one argument of it, that warns since `since` and is removed in `due` ("1.2").

    `instead` says what to write in its place.
    """

    hook: str
    since: str
    due: str
    instead: str
    argument: str | None = None

    @property
    def warning(self) -> HandrailDeprecation:
        """What the implementer reads."""
        what = f"the hook {self.hook}" if self.argument is None else f"the argument {self.argument} of {self.hook}"
        return HandrailDeprecation(f"Handrail {self.due} will be without {what}. Instead: {self.instead}")


DEPRECATIONS: tuple[Deprecation, ...] = ()


def hookspec(function: F, table: Sequence[Deprecation] = DEPRECATIONS) -> F:
    """Marks a hook's spec, with the warnings that the table has for it."""
    mine = [entry for entry in table if entry.hook == function.__name__]
    whole = next((entry.warning for entry in mine if entry.argument is None), None)
    arguments = {entry.argument: entry.warning for entry in mine if entry.argument is not None}
    return marker(function, warn_on_impl=whole, warn_on_impl_args=arguments or None)


def overdue(version: str, table: Sequence[Deprecation] = DEPRECATIONS) -> list[Deprecation]:
    """What should be gone in this version of Handrail."""
    return [entry for entry in table if _numbers(entry.due) <= _numbers(version)]


def too_soon(table: Sequence[Deprecation] = DEPRECATIONS) -> list[Deprecation]:
    """What would go before its implementers were warned for two minor releases."""
    return [entry for entry in table if not _far_enough(_numbers(entry.since), _numbers(entry.due))]


def _far_enough(since: tuple[int, ...], due: tuple[int, ...]) -> bool:
    return due[0] > since[0] or (due[0] == since[0] and due[1] - since[1] >= WARNED_RELEASES)


def _numbers(version: str) -> tuple[int, ...]:
    """Major and minor: "1.2.3" and "1.2rc1" are (1, 2)."""
    found = re.match(r"(\d+)(?:\.(\d+))?", version)
    if found is None:
        raise ValueError("a version begins with its number, as 1.2")
    return (int(found[1]), int(found[2] or 0))
