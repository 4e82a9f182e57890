"""Patients, their doctors, and which user of DrChrono a doctor is: asked for thriftily, as each request counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...plugin_core.words import mark
from ...schemas.records import Client, Json
from ..rest import Rest, part, text_of
from .settings import rows

PATIENTS = mark("look up clients (patients)")
STAFF = mark("look up who a client's doctor is (doctors, users)")
FEW = 8


class People:
    """Looks people up; doctors, users and the list of patients once a run."""

    def __init__(self, rest: Rest, settings: Mapping[str, Any]) -> None:
        self._rest = rest
        self._settings = settings
        self._patients: dict[str, Json] = {}
        self._walk: Iterator[Json] | None = None
        self._doctors: dict[str, str | None] | None = None
        self._users: dict[str, str] | None = None

    def clients(self, refs: Sequence[str]) -> Iterator[Client]:
        """Those that DrChrono knows: a few one by one, many by walking the list of 250 a page."""
        wanted = [ref for ref in dict.fromkeys(refs) if ref.isascii() and ref.isdigit()]
        left = {*wanted} - {*self._patients}
        if len(left) > FEW:
            self._look_for(left)
        for ref in wanted:
            patient = self._patients.get(ref) or self.patient(ref)
            if patient is not None:
                yield self._client(ref, patient)

    def _look_for(self, left: set[str]) -> None:
        """Walks the list of patients on from where it was left, until these are found or it ends."""
        self._walk = self._walk or rows(self._rest, "patients", {}, PATIENTS)
        for row in self._walk:
            ref = text_of(row.get("id")) or ""
            self._patients[ref] = row
            left.discard(ref)
            if not left:
                return

    def patient(self, ref: str, *, verbose: bool = False) -> Json | None:
        """One patient's record; `verbose` brings the flags. None: DrChrono has no such patient."""
        query = {"verbose": "true"} if verbose else {}
        answer = self._rest.get(f"patients/{part(ref)}", query, purpose=PATIENTS, also=(404,))
        there = answer.status == 200 and isinstance(answer.data, dict) and text_of(answer.data.get("id")) == ref
        return answer.data if there else None

    def _client(self, ref: str, row: Json) -> Client:
        first = text_of(row.get("nick_name")) or text_of(row.get("first_name"))
        name = " ".join(one for one in (first, text_of(row.get("last_name"))) if one)
        doctor = text_of(row.get("doctor"))
        return Client(ref, name or None, doctor, self._doctor(doctor) if doctor else None)

    def _doctor(self, doctor: str) -> str | None:
        if self._doctors is None:
            self._doctors = {}
            for row in rows(self._rest, "doctors", {}, STAFF):
                names = (text_of(row.get("first_name")), text_of(row.get("last_name")))
                self._doctors[text_of(row.get("id")) or ""] = " ".join(one for one in names if one) or None
        return self._doctors.get(doctor)

    def user_of(self, doctor: str | None) -> str | None:
        """The user who gets a client's tasks: the doctor's own, else the one of the setting."""
        if doctor is not None and self._users is None:
            self._users = {}
            for row in rows(self._rest, "users", {}, STAFF):
                whose, user = text_of(row.get("doctor")), text_of(row.get("id"))
                if whose and user and _yes(row.get("is_doctor")):
                    self._users[whose] = user
        own = (self._users or {}).get(doctor or "")
        return own or text_of(self._settings.get("assignee_user"))


def _yes(value: object) -> bool:
    """The vendor's schema says text, its servers say a JSON boolean."""
    return value is True or (isinstance(value, str) and value.lower() == "true")
