"""Handrail's own instruments and rules, through the same hooks as a vendor's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from . import hookimpl

if TYPE_CHECKING:
    from ..schemas.records import Instrument
    from .contracts import CollectorSpec, RuleSpec


@hookimpl
def register_instruments() -> Sequence[Instrument]:
    """The instruments in this package's data files."""
    from .instruments import builtin

    return builtin()


@hookimpl
def register_rules() -> Sequence[RuleSpec]:
    """R1, P1 to P7, N, S and the pattern note."""
    from .rules import builtin_rules

    return builtin_rules()


@hookimpl
def register_collectors() -> Sequence[CollectorSpec]:
    """Ways to ask clients: through the platform, on paper, by a neutral letter, by a link to a page of our own."""
    from .collecting import channels

    return channels.collectors()
