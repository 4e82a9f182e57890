"""What the server alone says of the year, without Handrail's store: requests, forms and prompts, counted by hand."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from handrail.adapters.fhir.carriers import KEY_SYSTEM
from handrail.adapters.fhir.requests import ASK_SYSTEM

from .world import World

Json = dict[str, Any]
COUNTED = ("completed", "amended")


@dataclass
class Count:
    """All by the id of the person on the server."""

    asked: dict[str, list[date]] = field(default_factory=dict)
    ends: Counter[str] = field(default_factory=Counter)
    still_open: dict[str, list[date]] = field(default_factory=dict)
    reminded: Counter[int] = field(default_factory=Counter)
    doubles: list[str] = field(default_factory=list)
    forms: Counter[str] = field(default_factory=Counter)
    days: dict[str, list[date]] = field(default_factory=dict)
    prompts: Counter[str] = field(default_factory=Counter)
    double_prompts: list[str] = field(default_factory=list)


def count(world: World) -> Count:
    """Reads everything that stands on the server."""
    found = Count()
    keys: Counter[str] = Counter()
    for task in world.all("Task"):
        for name in task.get("identifier", []):
            if name.get("system") == ASK_SYSTEM:
                keys[name["value"]] += 1
                _task(found, task)
    found.doubles = [key for key, number in keys.items() if number > 1]
    for response in world.all("QuestionnaireResponse"):
        if response["status"] in COUNTED:
            person = response["subject"]["reference"].partition("/")[2]
            found.forms[person] += 1
            found.days.setdefault(person, []).append(date.fromisoformat(response["authored"][:10]))
    flags: Counter[str] = Counter()
    for flag in world.all("Flag"):
        key = next(name["value"] for name in flag["identifier"] if name.get("system") == KEY_SYSTEM)
        if flag["status"] != "entered-in-error":
            flags[key] += 1
        if flag["status"] == "active":
            found.prompts[flag["subject"]["reference"].partition("/")[2]] += 1
    found.double_prompts = [key for key, number in flags.items() if number > 1]
    return found


def _task(found: Count, task: Json) -> None:
    person = task["for"]["reference"].partition("/")[2]
    due = date.fromisoformat(task["restriction"]["period"]["start"][:10])
    found.asked.setdefault(person, []).append(due)
    found.asked[person].sort()
    found.ends[task["status"]] += 1
    if task["status"] == "requested":
        found.still_open.setdefault(person, []).append(due)
    found.reminded[len(task.get("note", []))] += 1
