"""Who is told of a client's safety answer: by the settings as they are at the moment when a letter is written."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from ..settings import SafetyChannel
from ..store.notices import BACKUP, CLINICIAN

OLDER = timedelta(days=14)
"""Answers that are older than this when they are first seen are told of together, in one letter."""


@dataclass(frozen=True, slots=True)
class People:
    """The addresses for one client; None where the settings name nobody. `own`: it is this client's own clinician."""

    clinician: str | None
    backup: str | None
    own: bool

    def address(self, recipient: str) -> str | None:
        """The address of "clinician" or "backup"."""
        return self.clinician if recipient == CLINICIAN else self.backup

    def other(self, recipient: str) -> str:
        """The other one of the two."""
        return BACKUP if recipient == CLINICIAN else CLINICIAN


def people(channel: SafetyChannel, clinician: str | None) -> People:
    """The clinician and the backup for a client.

    A clinician who is nobody's entry in the table (or none at all) leads to the practice's general address: a wrong
    reference must not mean that nobody is told. Where the client's own clinician is the backup, the general address
    is the backup, so that two people know.

    :param clinician: the platform's reference of the client's clinician, as Practitioner/7 or 7.
    """
    own = _named(channel, clinician)
    first = own or channel.clinician or None
    backup = channel.backup or None
    if backup is not None and _same(first, backup):
        backup = channel.clinician if channel.clinician and not _same(channel.clinician, first) else None
    return People(first, backup, own is not None)


def _named(channel: SafetyChannel, clinician: str | None) -> str | None:
    if clinician is None:
        return None
    return channel.clinicians.get(clinician) or channel.clinicians.get(clinician.rpartition("/")[2])


def _same(one: str | None, other: str | None) -> bool:
    return one is not None and other is not None and one.casefold() == other.casefold()


def initials(name: str | None) -> str | None:
    """The initials of a name, "A. K."; None where there is no name to take them from."""
    letters = [word[0].upper() for word in (name or "").replace(",", " ").split() if word[0].isalpha()]
    return " ".join(f"{letter}." for letter in letters[:3]) or None
