"""A practice's own constants: standard deviation and retest correlation from its clients' first forms, with intervals.

Pairs are the first two scored forms of a client that lie 14 to 28 days apart: near enough that most have changed
little, far enough that the first is not remembered line by line. What clients did change in between lowers the
correlation, so an estimate errs on the side of fewer prompts. Kept in one file beside the settings, with the number
of clients and the day; used in place of what is assumed, never in place of what is published. Standard library alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from math import atanh, sqrt, tanh
from pathlib import Path
from statistics import correlation, stdev
from typing import Any

import msgspec

from ...schemas.records import Change, Course, Instrument, ScoreDefinition
from ..errors import SettingsError
from ..private import write_bytes
from ..words import tr

FILE = "local-constants.json"
LEAST_CLIENTS = 100
NEAREST_DAYS, FARTHEST_DAYS = 14, 28
NORMAL = 1.96
LOCAL, PUBLISHED = "local", "published"

Key = tuple[str, str]
Known = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""Form ("gr18/1") -> score -> sd, retest, n, on."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a practice's own forms say of one score, each with a 95 % interval, beside what is used now.

    `sd` by the normal approximation of its standard error, `retest` by Fisher's transformation.
    """

    form: str
    score: str
    title: str
    clients: int
    sd: tuple[float, float, float]
    retest: tuple[float, float, float]
    now: Change

    @property
    def enough(self) -> bool:
        """Whether there are clients enough to use it, and it can be used at all."""
        return self.clients >= LEAST_CLIENTS and 0 < self.retest[0] < 1 and self.sd[0] > 0


def estimates(courses: Iterable[Course]) -> list[Estimate]:
    """What can be estimated from these courses, each score whose error is not published, from 4 pairs on."""
    pairs: dict[tuple[str, str], list[tuple[float, float]]] = {}
    known: dict[tuple[str, str], ScoreDefinition] = {}
    for course in courses:
        form = "/".join(course.instrument.key)
        for score in course.instrument.scores:
            if score.change is None or score.change.sd is None or score.change.origin == PUBLISHED:
                continue
            pair = _pair(course, score.id)
            if pair is not None:
                pairs.setdefault((form, score.id), []).append(pair)
                known[form, score.id] = score
    return [_estimate(form, known[form, name], found) for (form, name), found in pairs.items() if len(found) > 3]


def _pair(course: Course, score: str) -> tuple[float, float] | None:
    """The first value of a client after which another came two to four weeks later, and that; forms in between, as of
    those who are asked every week, do not count."""
    scored = [
        (form.authored.toordinal(), value)
        for form in course.forms
        if (value := form.value(score)) is not None and not form.straight_line and not form.tags
    ]
    for nth, (day, value) in enumerate(scored):
        for later, again in scored[nth + 1 :]:
            if later - day > FARTHEST_DAYS:
                break
            if later - day >= NEAREST_DAYS:
                return value, again
    return None


def _estimate(form: str, score: ScoreDefinition, pairs: Sequence[tuple[float, float]]) -> Estimate:
    first, second = zip(*pairs, strict=True)
    n, sd = len(pairs), stdev(first)
    retest = correlation(first, second) if sd > 0 and stdev(second) > 0 else 0.0
    off = NORMAL * sd / sqrt(2 * (n - 1))
    turned = atanh(min(max(retest, -0.9999), 0.9999))
    low, high = (tanh(turned + side * NORMAL / sqrt(n - 3)) for side in (-1, 1))
    now = score.change or Change("assumed", "")
    return Estimate(form, score.id, score.title, n, (sd, sd - off, sd + off), (retest, low, high), now)


def used_with(instrument: Instrument, known: Known) -> Instrument:
    """The form with the practice's own constants in place of what is assumed."""
    own = known.get("/".join(instrument.key))
    if not own:
        return instrument
    return replace(instrument, scores=tuple(_scored_with(score, own.get(score.id)) for score in instrument.scores))


def _scored_with(score: ScoreDefinition, own: Mapping[str, Any] | None) -> ScoreDefinition:
    if own is None or score.change is None or score.change.origin == PUBLISHED:
        return score
    source = tr("{n} clients of this practice, {day}", n=own["n"], day=own["on"])
    return replace(score, change=replace(score.change, origin=LOCAL, source=source, sd=own["sd"], retest=own["retest"]))


def as_known(found: Iterable[Estimate], day: date) -> dict[str, dict[str, dict[str, Any]]]:
    """Estimates as they are kept; those from too few clients are left out."""
    kept: dict[str, dict[str, dict[str, Any]]] = {}
    for one in found:
        if one.enough:
            numbers = {"sd": round(one.sd[0], 4), "retest": round(one.retest[0], 4)}
            kept.setdefault(one.form, {})[one.score] = {**numbers, "n": one.clients, "on": day.isoformat()}
    return kept


class _Kept(msgspec.Struct, forbid_unknown_fields=True):
    sd: float
    retest: float
    n: int
    on: str


def load(folder: Path) -> Known:
    """The practice's own constants; none where there is no file.

    :raises SettingsError: the file is not as this program wrote it.
    """
    try:
        raw = (folder / FILE).read_bytes()
    except FileNotFoundError:
        return {}
    try:
        found = msgspec.json.decode(raw, type=dict[str, dict[str, _Kept]])
    except ValueError:
        found = {"": {"": _Kept(0, 0, 0, "")}}
    if not all(one.sd > 0 and 0 < one.retest < 1 for form in found.values() for one in form.values()):
        raise SettingsError(
            tr("The file {file} is damaged. Make it anew with handrail calibrate --store, or remove it.", file=FILE)
        )
    return {form: {name: msgspec.structs.asdict(one) for name, one in own.items()} for form, own in found.items()}


def merged(kept: Known, known: Known) -> Known:
    """Constants with newer ones beside them, score by score."""
    return {form: {**kept.get(form, {}), **known.get(form, {})} for form in {**kept, **known}}


def store(folder: Path, known: Known) -> None:
    """Keeps constants beside those of other forms and scores that are kept already."""
    write_bytes(folder / FILE, msgspec.json.format(msgspec.json.encode(merged(load(folder), known))))
