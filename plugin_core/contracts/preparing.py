"""What the `prepare_*` hooks are told, and how they refuse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ...schemas.records import Response


@dataclass(frozen=True, slots=True)
class HookContext:
    """What a `prepare_*` hook is told besides its records: no token, no store, no way to either (S44)."""

    practice: str
    platform: str
    as_of: datetime


@dataclass(frozen=True, slots=True)
class Refusal:
    """What `prepare_responses` or `prepare_flags` puts in a record's place to refuse it, with the plain reason."""

    reason: str


PreparedResponses = Sequence[Response | Refusal]
