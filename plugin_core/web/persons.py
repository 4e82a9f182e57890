"""Who of a record system's staff it was, for the audit trail (S52): a number for each person, not their name.

The number is a keyed hash of the record system's reference (`Practitioner/17`): the same person has the same one on
every launch and card, and it tells nothing outside this practice. The page of the trail names those whom the platform
lists as therapists or who have an account with that reference.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..report.phrases import RECORD_SYSTEM
from . import here

ANYBODY = re.compile(r"(?:.*/)?([A-Z][A-Za-z]{1,63}/[A-Za-z0-9\-.]{1,64})")
DIGITS = 10


def number_of(system: str, reference: str) -> str | None:
    """32 hex digits for a person of a record system; None where that is no FHIR reference.

    :param system: the name that the settings give the record system.
    :param reference: `Practitioner/17`, with or without the server's address before it.
    """
    found = ANYBODY.fullmatch(reference)
    return None if found is None else here.keyed("person", system, found[1])


def actor(system: str, reference: str = "") -> str:
    """What the audit trail calls a record system, and the person in it where it says who that is."""
    number = number_of(system, reference)
    return f"{RECORD_SYSTEM}{system}" + ("" if number is None else f", person {number[:DIGITS]}")


def names(people: Iterable[tuple[str, str]]) -> dict[str, str]:
    """What the trail calls the people of these references in each record system: their name by that.

    :param people: (the platform's reference, name).
    """
    known = list(people)
    systems = here.desk().settings.web.record_systems
    return {actor(system.name, reference): name for system in systems for reference, name in known}
