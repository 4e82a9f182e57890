"""Rules that compare with a baseline: P1 (warning up), P2 (growth down), and the rise of N2 that is part of N."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from ...schemas.records import Course, Evidence, LineMove, Step
from ..contracts import Reading
from ..words import mark, tr
from . import words
from .bands import reaches
from .evidence import dates_of, rule_constants, shift, shift_words, used
from .view import NO_CONSTANTS, Track, View, answer, view_of

UP, DOWN = 1, -1
HORIZON = "N2"
HORIZON_RISE = 2.0


def judge_shift(
    course: Course, *, rule: str, score: str, sign: int, inside: Sequence[str], apart: frozenset[str]
) -> Sequence[Reading]:
    """Met where the score lies beyond its band from the baseline, in one direction, on two scored forms in a row.

    `sign` is 1 for a rise, -1 for a fall; `inside` names the scores shown beside. Running number: the distance
    beyond the band in bands, the smaller of the two forms; greater than 0 exactly where the rule is met.
    """
    view = view_of(course, apart)
    track = view.track(score)
    if track is None:
        return [NO_CONSTANTS] * len(course.forms)
    readings = []
    for index in range(len(course.forms)):
        over = track.over(index, sign)
        if isinstance(over, Reading):
            readings.append(over)
        elif over > 0:
            explain = partial(_explain_shift, rule, view, track, index, sign, inside)
            readings.append(Reading(True, over, None, explain))
        else:
            readings.append(Reading(False, over))
    return readings


def may_shift(course: Course, *, score: str, sign: int, apart: frozenset[str]) -> bool:
    """The quick look of P1 and P2: False only where `judge_shift` is met at no form."""
    return view_of(course, apart).may_shift(score, sign)


def _explain_shift(rule: str, view: View, track: Track, index: int, sign: int, inside: Sequence[str]) -> Evidence:
    found = shift(view, track, index, sign, inside)
    baseline = track.pair(index)[0][1].baseline
    width = baseline.band.width
    return replace(
        found,
        reason=words.REASONS[rule].format(**shift_words(view, track, index, found.moves)),
        clears_when=words.CLEARS[rule].format(
            edge=words.exact(baseline.mean + sign * width), mean=words.exact(baseline.mean), band=words.exact(width)
        ),
    )


def horizon(view: View) -> list[tuple[int, ...] | None]:
    """For each form the forms that N2 is compared with where it has risen by 2 or more from them, else None.

    The baseline is made as for a score: the first two answers of the stretch if at most 6 weeks apart (then looked at
    from the fourth answer on), else the first (from the third on).
    """
    found: list[tuple[int, ...] | None] = [None] * len(view.course.forms)
    for answered in view.answered(HORIZON).values():
        base = tuple(answered[: view.pairs(answered)])
        mean = _mean(view, base)
        for index in answered[len(base) + 1 :]:
            now = answer(view.course.forms[index], HORIZON)
            if now is not None and reaches(now - mean, HORIZON_RISE):
                found[index] = base
    return found


def _mean(view: View, indices: Sequence[int]) -> float:
    values = [answer(view.course.forms[i], HORIZON) or 0 for i in indices]
    return sum(values) / len(values) if values else 0.0


def explain_horizon(view: View, base: tuple[int, ...], index: int) -> Evidence:
    """Evidence that N2 has risen from the forms of `base` to this one; the end of the reason is the caller's."""
    forms, mean = view.course.forms, _mean(view, base)
    text, now = view.course.instrument.item(HORIZON).text, answer(forms[index], HORIZON) or 0
    template = words.BASELINES[len(base), view.stretch[base[0]] > 0]
    baseline = template.format(dates=dates_of(view.course, base), mean=words.raw(mean))
    values = " + ".join(str(answer(forms[i], HORIZON)) for i in base)
    return Evidence(
        reason=words.REASONS["N.horizon"].format(
            date=dates_of(view.course, (index,)), line=words.quoted(text), now=now, baseline=baseline
        ),
        forms=(
            *(used(forms[i], tr("baseline"), (), (HORIZON,)) for i in base),
            used(forms[index], tr("last"), (), (HORIZON,)),
        ),
        steps=(
            Step(tr("Baseline of {score}", score=HORIZON), f"({values}) / {len(base)}", mean),
            Step(tr("Rise of {line}", line=HORIZON), f"{now} − {words.exact(mean)}", now - mean),
            Step(tr("Rise of {line} is 2 or more", line=HORIZON), f"{words.exact(now - mean)} ≥ 2", True),
        ),
        constants=rule_constants(((mark("least rise of N2"), HORIZON_RISE),)),
        moves=(LineMove(HORIZON, text, mean, now),),
        clears_when="",
    )
