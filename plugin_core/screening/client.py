"""One client's forms in, the lines about that client out. Pure: no file, no clock, nothing shared between clients."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any

from ...schemas.records import Course, Evidence, Instrument, Response, ScoredForm
from ...schemas.vocab import Blank, Event
from ..contracts import Reading, RuleSpec, ScorerSpec
from ..rules.life import GOOD_NEWS, NOTE, SAFETY, Episode, fold, fold_notes
from ..scoring import Scorer

Key = tuple[str, str]
Line = dict[str, Any]
_NONE: Mapping[str, ScorerSpec] = MappingProxyType({})


class Kit:
    """What every client is judged with: a scorer for each form, the rules by the form that they read."""

    def __init__(
        self, instruments: Iterable[Instrument], rules: Sequence[RuleSpec], specials: Mapping[str, ScorerSpec] = _NONE
    ) -> None:
        forms = tuple(instruments)
        ordered = sorted(rules, key=lambda rule: (rule.order, rule.id))
        self.scorers = {form.key: Scorer(form, specials) for form in forms}
        self.rules = {
            form.key: [(n, rule) for n, rule in enumerate(ordered) if rule.instrument in (None, form.id)]
            for form in forms
        }
        self._prepared = {form.key: [rule for _, rule in self.rules[form.key] if rule.prepare] for form in forms}

    def prepare(self, page: Iterable[Scored]) -> None:
        """Shows a page of clients to the rules that compute many courses at once. One that raises will raise again when
        it judges, and is named then."""
        courses: dict[str, tuple[RuleSpec, list[Course]]] = {}
        for scored in page:
            for key, course in scored.courses.items():
                for rule in self._prepared[key]:
                    courses.setdefault(rule.id, (rule, []))[1].append(course)
        for rule, found in courses.values():
            if rule.prepare is not None:
                with suppress(Exception):  # a vendor's rule; judging it says so
                    rule.prepare(found)


@dataclass(slots=True)
class Judged:
    """The lines about one client, each kind in the order of time, and what could not be done."""

    events: list[Line] = field(default_factory=list)
    trace: list[Line] = field(default_factory=list)
    scores: list[Line] = field(default_factory=list)
    forms: int = 0
    failed: list[str] = field(default_factory=list)


def latest(responses: Iterable[Response]) -> list[Response]:
    """Of forms of the same instrument and time the later in the row, all in the order of time."""
    found: dict[tuple[str, datetime], Response] = {}
    for response in responses:
        found[response.instrument, response.authored] = response
    return sorted(found.values(), key=lambda response: (response.authored, response.instrument))


@dataclass(slots=True)
class Scored:
    """One client's courses, scored and not yet judged, with the lines about scores."""

    client: str
    courses: Mapping[Key, Course]
    forms: int
    scores: list[Line]


def score_client(client: str, responses: Iterable[Response], kit: Kit, *, scores: bool = False) -> Scored:
    """Scores one client's forms. `responses` in the order of the input, all of this client."""
    series: dict[Key, list[ScoredForm]] = {}
    lines: list[Line] = []
    forms = 0
    for response in latest(responses):
        key = (response.instrument, response.instrument_version)
        form = kit.scorers[key].form(response)
        series.setdefault(key, []).append(form)
        forms += 1
        if scores:
            lines += _score_lines(client, response.instrument, form)
    return Scored(client, _courses(client, series, kit), forms, lines)


def judge_client(
    client: str, responses: Iterable[Response], kit: Kit, *, trace: bool = False, scores: bool = False
) -> Judged:
    """Scores one client's forms and follows every rule over them: `score_client`, then `judge_scored`."""
    return judge_scored(score_client(client, responses, kit, scores=scores), kit, trace=trace)


def judge_scored(scored: Scored, kit: Kit, *, trace: bool = False) -> Judged:
    """Follows every rule over one client's courses."""
    result = Judged(forms=scored.forms, scores=scored.scores)
    client = scored.client
    events: list[tuple[tuple[datetime, str, int], Line]] = []
    traced: list[tuple[tuple[datetime, str, int], Line]] = []
    for key, course in scored.courses.items():
        for number, rule in kit.rules[key]:
            readings = _readings(rule, course, quick=not trace)
            if readings is None:
                result.failed.append(rule.id)
                continue
            found = fold_notes(rule, course, readings) if rule.kind == NOTE else fold(rule, course, readings)
            try:
                lines = _event_lines(client, found)
            except Exception:  # noqa: BLE001 - a vendor's rule that cannot give its evidence, named as one that raises
                result.failed.append(rule.id)
                continue
            events += [((when, key[0], number), line) for when, line in lines]
            if trace:
                traced += _trace_lines(client, rule, course, readings, found, (key[0], number))
    result.events = [line for _, line in sorted(events, key=lambda pair: pair[0])]
    result.trace = [line for _, line in sorted(traced, key=lambda pair: pair[0])]
    return result


def _courses(client: str, series: Mapping[Key, list[ScoredForm]], kit: Kit) -> dict[Key, Course]:
    """A course for each form and version; each sees the others. Two versions of one form stand beside each other."""
    alone = {key: Course(client, kit.scorers[key].instrument, tuple(forms)) for key, forms in series.items()}
    if len(alone) == 1:
        return alone
    names = {key: f"{key[0]}/{key[1]}" for key in alone}
    return {
        key: Course(
            client,
            course.instrument,
            course.forms,
            others={names[other]: alone[other] for other in alone if other != key},
        )
        for key, course in alone.items()
    }


def _readings(rule: RuleSpec, course: Course, *, quick: bool) -> Sequence[Reading] | None:
    """What the rule finds; None where a plugin's rule raises or does not give one reading a form.

    `quick`: none at all where the rule's own quick look says that it is met on no form.
    """
    try:
        if quick and rule.possible is not None and not rule.possible(course):
            return ()
        readings = rule.judge(course)
    except Exception:  # noqa: BLE001 - a vendor's rule; it is named in the report and the others still run
        return None
    return readings if len(readings) == len(course.forms) else None


def _event_lines(client: str, found: Iterable[Episode]) -> list[tuple[datetime, Line]]:
    lines = []
    for episode in found:
        kind = episode.rule.kind
        opening = Event.NOTE if kind in (NOTE, GOOD_NEWS) else Event.RAISED
        lines.append((episode.form.authored, _event(client, episode, episode.form, opening, episode.score)))
        closing = episode.closing_form
        if closing is not None and kind not in (NOTE, GOOD_NEWS, SAFETY):
            lines.append((closing.authored, _event(client, episode, closing, Event.CLEARED, episode.closing_score)))
    return lines


def _event(client: str, episode: Episode, form: ScoredForm, event: Event, score: float | None) -> Line:
    evidence = episode.closing_evidence() if event is Event.CLEARED else episode.evidence()
    return {
        "client": client,
        "on": form.authored.date().isoformat(),
        "rule": episode.rule.id,
        "rule_version": episode.rule.version,
        "event": event.value,
        "score": score,
        "reason": evidence.reason,
        "evidence": evidence_line(evidence),
    }


def evidence_line(evidence: Evidence) -> Line:
    """Evidence as the schema of flags dumps it, by hand: a hundred thousand flags are dumped in one run."""
    return {
        "reason": evidence.reason,
        "forms": [
            {"id": f.id, "authored": f.authored.isoformat(), "role": f.role, "values": dict(f.values)}
            for f in evidence.forms
        ],
        "steps": [{"what": s.what, "working": s.working, "result": s.result} for s in evidence.steps],
        "constants": [
            {"name": c.name, "value": c.value, "origin": c.origin, "source": c.source} for c in evidence.constants
        ],
        "moves": [
            {
                "item": m.item,
                "text": m.text,
                "before": m.before,
                "after": m.after.value if isinstance(m.after, Blank) else m.after,
            }
            for m in evidence.moves
        ],
        "clears_when": evidence.clears_when,
    }


def _trace_lines(
    client: str,
    rule: RuleSpec,
    course: Course,
    readings: Sequence[Reading],
    found: Sequence[Episode],
    place: tuple[str, int],
) -> list[tuple[tuple[datetime, str, int], Line]]:
    standing = [False] * len(readings)
    for episode in found:
        if rule.kind == NOTE:
            standing[episode.opened] = True
        else:
            end = len(standing) if episode.closed is None else episode.closed
            standing[episode.opened : end] = [True] * (end - episode.opened)
    return [
        (
            (form.authored, *place),
            {
                "client": client,
                "on": form.authored.date().isoformat(),
                "rule": rule.id,
                "score": reading.score,
                "standing": stands,
            },
        )
        for form, reading, stands in zip(course.forms, readings, standing, strict=True)
    ]


def _score_lines(client: str, instrument: str, form: ScoredForm) -> list[Line]:
    authored = form.authored.isoformat()
    return [
        {
            "client": client,
            "authored": authored,
            "instrument": instrument,
            "score": score.name,
            "value": score.value,
            "answered": score.answered,
            "of": score.of,
            "reason": score.reason,
        }
        for score in form.scores.values()
    ]
