"""An invented practice of forty people on a real FHIR server, who answer what they are asked as people do: most of it.

This is the platform's side. It knows nothing of Handrail but what a client portal sees: open Tasks, and a form to fill
in. What it did is written down in `forms`, which the count at the end does not read: that reads the server.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import requests

from ..sync.stage import EVEN, GROWN, LEANING, SHRUNK, form, gr18

ZONE = ZoneInfo("Europe/Zurich")
PEOPLE = 40
THERAPISTS = 4
Json = dict[str, Any]

CHANGES = (EVEN, EVEN, LEANING, SHRUNK, GROWN)
"""What becomes of the first, second ... client after four months, and round again."""


@dataclass
class Person:
    """Someone in therapy: how likely they answer, and how their answers change."""

    id: str
    answers: float
    later: Mapping[str, float]
    therapist: str
    start: date


@dataclass
class World:
    """The platform's side of a year.

    :param base: the address of an empty FHIR server.
    :param seed: the same seed gives the same people and the same choices.
    """

    base: str
    seed: int
    begins: date
    people: dict[str, Person] = field(default_factory=dict)
    forms: list[Json] = field(default_factory=list)
    _decided: dict[str, date | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        for number in range(1, PEOPLE + 1):
            person = Person(
                id=f"p{number:02d}",
                answers=self.random.choice((0.95, 0.9, 0.85, 0.6, 0.3)),
                later=CHANGES[number % len(CHANGES)],
                therapist=f"therapist-{number % THERAPISTS + 1}",
                start=self.begins + timedelta(days=self.random.randrange(0, 28) if number <= 34 else 120),
            )
            self.people[person.id] = person
            self.put_person(person)

    # --- the server ------------------------------------------------------------------------------------------------

    def put(self, body: Json) -> Json:
        """Stores a resource under its own id."""
        reply = requests.put(f"{self.base}/{body['resourceType']}/{body['id']}", json=body, timeout=20)
        assert reply.status_code in (200, 201), reply.text
        found: Json = reply.json()
        return found

    def all(self, kind: str) -> list[Json]:
        """Every resource of a kind."""
        url: str | None = f"{self.base}/{kind}?_count=500"
        found: list[Json] = []
        while url:
            page = requests.get(url, timeout=20).json()
            found += [entry["resource"] for entry in page.get("entry", []) if entry["resource"]["resourceType"] == kind]
            url = next((link["url"] for link in page.get("link", []) if link["relation"] == "next"), None)
        return found

    def put_person(self, person: Person, **more: Any) -> None:
        """Stores the Patient record as it is now."""
        carer = [{"reference": f"Practitioner/{person.therapist}"}]
        name = [{"text": f"Invented {person.id}"}]
        self.put({"resourceType": "Patient", "id": person.id, "name": name, "generalPractitioner": carer, **more})

    # --- people ----------------------------------------------------------------------------------------------------

    def answer(self, today: date) -> None:
        """Everybody looks at the portal; who means to answer today does so at six in the evening."""
        for task in self.all("Task"):
            if task["status"] != "requested" or task["for"]["reference"].partition("/")[2] not in self.people:
                continue
            person = self.people[task["for"]["reference"].partition("/")[2]]
            if task["id"] not in self._decided:
                willing = self.random.random() < person.answers
                delay = self.random.choice((0, 0, 1, 1, 2, 3, 5))
                self._decided[task["id"]] = today + timedelta(days=delay) if willing else None
            when = self._decided[task["id"]]
            if when is not None and when <= today:
                self._decided[task["id"]] = None  # once, though the practice closes the request only when it runs
                self.fill_in(person.id, today)

    def fill_in(self, person: str, today: date, **more: Any) -> Json:
        """One form by this person, as the portal stores it."""
        months = (today - self.people[person].start).days / 30
        levels = self.people[person].later if months > 4 else EVEN
        number = len(self.forms) + 1
        when = datetime.combine(today, time(18, number % 60), ZONE)
        body = form(f"form-{number:04d}", person, when, gr18(levels), **more)
        self.forms.append(body)
        return self.put(body)
