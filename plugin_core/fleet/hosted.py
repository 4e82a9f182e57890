"""What the engine of a practice gets from the worker that runs it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine

if TYPE_CHECKING:
    from ..contracts import Tally


@dataclass(frozen=True, slots=True)
class Hosted:
    """`pool`: connections as the worker's role. `guard`: begins each write transaction. `tally`: requests counted."""

    pool: Engine
    guard: Callable[[Connection], None]
    tally: Tally
