"""Whose clients somebody sees: clinicians their own unless the practice says otherwise, supervisors all.

A client who is not theirs is answered like one who is not there, so that nobody learns who comes here; the audit trail
says who wanted to look.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import abort, request

from . import here
from .access import Role
from .here import ACCOUNT, Who

if TYPE_CHECKING:
    from .caseload import Person


def sees(found: Who, clinician: str | None) -> bool:
    """Whether that one may see the answers of a client whose therapist that is."""
    if found.kind != ACCOUNT:
        return False
    if Role.SUPERVISOR in found.roles:
        return True
    if Role.CLINICIAN not in found.roles:
        return False
    own = found.clinician is not None and found.clinician == clinician
    return own or here.desk().settings.web.all_clients


def person(key: str) -> Person:
    """The client of that key, as far as whoever asks may see them; else the page is not found."""
    found = here.desk().caseload.person(here.engine(), here.source(), key)
    if found is None:
        abort(404)
    asks = here.user()
    if not (sees(asks, found.clinician) if asks.kind == ACCOUNT else asks.client == key):
        here.refused("client-refused", key, request.endpoint)
        abort(404)
    return found
