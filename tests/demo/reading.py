"""Reads a demo platform by Handrail's own parts (adapter, mapping, schema, scorer, rules), without store and engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from handrail.adapters.demo.practice import Practice
from handrail.adapters.fhir.decode import read_page
from handrail.plugin_core.contracts import RemoteResponse, RuleSpec
from handrail.plugin_core.mapping.reader import FormReader, own_mapping
from handrail.plugin_core.rules import builtin_rules
from handrail.plugin_core.rules.life import Episode, episodes, notes
from handrail.plugin_core.scoring import Scorer
from handrail.schemas.records import Course, Quarantined, Response
from handrail.schemas.responses import ResponseSchema, judge
from handrail.schemas.vocab import SCORED_STATUSES

from .conftest import Caller


@dataclass(frozen=True)
class Read:
    """What Handrail made of the platform: responses, forms set aside, all that came, and each client's flags."""

    remote: Sequence[RemoteResponse]
    responses: Sequence[Response]
    aside: Sequence[Quarantined]
    flags: dict[str, list[Episode]]
    notes: dict[str, list[Episode]]
    courses: dict[str, list[Course]]

    def raised(self, client: str) -> set[str]:
        return {one.rule.id for one in self.flags.get(client, [])}

    def standing(self, client: str) -> set[str]:
        return {one.rule.id for one in self.flags.get(client, []) if one.closed is None}


def read(caller: Caller, practice: Practice) -> Read:
    instruments = {instrument.id: instrument for instrument in practice.instruments()}
    reader = FormReader([own_mapping(instrument, "demo") for instrument in instruments.values()])
    remote = _pull(caller)
    flat: list[dict[str, Any]] = []
    aside: list[Quarantined] = []
    for one in remote:
        if one.status in SCORED_STATUSES:
            found = reader.read(one)
            if isinstance(found, Quarantined):
                aside.append(found)
            else:
                flat.append(found)
    responses, refused = judge(ResponseSchema(list(instruments.values())), flat)
    assert refused == []
    scorers = {name: Scorer(instrument) for name, instrument in instruments.items()}
    courses = _courses(responses, scorers)
    rules = builtin_rules()
    return Read(
        remote,
        responses,
        aside,
        {
            client: [e for c in found for r in _for(rules, c) for e in episodes(r, c)]
            for client, found in courses.items()
        },
        {client: [e for c in found for r in _for(rules, c) for e in notes(r, c)] for client, found in courses.items()},
        courses,
    )


def _pull(caller: Caller) -> list[RemoteResponse]:
    """All forms, by next links, through the adapter's own decoder."""
    found: list[RemoteResponse] = []
    path = "QuestionnaireResponse?_sort=_lastUpdated&_count=150"
    while path:
        page = read_page(caller.get(path).content, caller.base)
        assert page.set_aside == []
        found += page.responses
        path = page.links.get("next", "")
    return found


def _courses(responses: Sequence[Response], scorers: dict[str, Scorer]) -> dict[str, list[Course]]:
    def key(one: Response) -> tuple[str, str]:
        return one.client.removeprefix("Patient/"), one.instrument

    found: dict[str, list[Course]] = {}
    in_order = sorted(responses, key=lambda one: (*key(one), one.authored, one.id))
    for (client, name), series in groupby(in_order, key):
        forms = tuple(scorers[name].form(one) for one in series)
        found.setdefault(client, []).append(Course(client, scorers[name].instrument, forms))
    return {
        client: [
            replace(one, others={other.instrument.id: other for other in courses if other is not one})
            for one in courses
        ]
        for client, courses in found.items()
    }


def _for(rules: Sequence[RuleSpec], course: Course) -> list[RuleSpec]:
    return [rule for rule in rules if rule.instrument in (None, course.instrument.id)]
