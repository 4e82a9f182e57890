"""What people are shown of flags and clients: records put together from several tables, for commands and pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from ..schemas.records import Acknowledgement, Course, Delivery, Flag, Hold
from .safety.told import NoticeView
from .store.notes import Note
from .store.remarks import Remark

SHORT = 8
"""Hex digits of a key by which people name a flag or a client."""


@dataclass(frozen=True, slots=True)
class FlagRow:
    """A flag as people see it: with its client, its deliveries, what was said of it; for safety also who was told.

    `remarks` are the client's own, on the forms that it rests on.
    """

    flag: Flag
    kind: str
    client: str
    clinician: str | None
    deliveries: tuple[Delivery, ...]
    acknowledgements: tuple[Acknowledgement, ...]
    hold: Hold | None
    notices: tuple[NoticeView, ...] = ()
    remarks: tuple[Remark, ...] = ()

    @property
    def id(self) -> str:
        """The short id by which commands name it."""
        return self.flag.key[:SHORT]


@dataclass(frozen=True, slots=True)
class ClientView:
    """One client: who, their courses, flags, holds, remarks of theirs, notes of the practice. `key` is our hash of the
    platform's reference; `ended` the last day of the course."""

    key: str
    ref: str
    name: str | None
    clinician: str | None
    courses: tuple[Course, ...]
    flags: tuple[FlagRow, ...]
    holds: tuple[Hold, ...]
    remarks: tuple[Remark, ...] = ()
    ended: date | None = None
    notes: tuple[Note, ...] = ()

    @property
    def shown(self) -> str:
        """The name where the platform gave one, else its reference."""
        return self.name or self.ref


@dataclass(frozen=True, slots=True)
class Rescored:
    """What rescoring would change, or has changed. `problems`: sentences on plugins that failed meanwhile."""

    forms: int
    changed: int
    report: Mapping[str, int]
    problems: tuple[str, ...] = ()
