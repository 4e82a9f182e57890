"""The rules of docs/rules.md: R1, P1 to P7, N, S and the pattern note. Pure functions of a course; flags: `life`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ...schemas.records import Course
from ..contracts import Judge, RuleSpec
from . import words

VERSION = "1"
KEPT_APART = frozenset({"under-age", "proxy", "interpreter"})
"""Forms with one of these tags are scored and shown, but kept out of the change rules (clinical.md 3.7)."""

WAITING = frozenset({"P1", "P2", "P3", "P4", "P5", "P6"})
"""Rules that wait behind "more" unless the practice names them: the bench of the signal decides it (docs/signal.md)."""


def builtin_rules(apart: frozenset[str] = KEPT_APART) -> tuple[RuleSpec, ...]:
    """Handrail's rules.

    `apart`: forms with one of these tags are kept out of R1, P1 to P6 and N; an empty set lets them in, which is the
    practice's decision. P7, S and the pattern note read every form.
    """
    # Here, since many commands show what rules have said, and few let them judge.
    from ..signal.news import rule_n
    from ..signal.rule import rule_r1
    from .change import DOWN, UP, judge_shift, may_shift
    from .levels import judge_asked, judge_pattern, judge_relief, judge_steady, may_be_relief, may_be_steady
    from .others import judge_little_change, judge_two_views, may_be_little_change, may_be_two_views
    from .safety import judge_safety, may_be_safety

    up = partial(judge_shift, rule="P1", score="warning", sign=UP, inside=("reliance", "outlook"), apart=apart)
    down = partial(judge_shift, rule="P2", score="growth", sign=DOWN, inside=(), apart=apart)
    return (
        rule_r1(apart),
        _spec("P1", up, partial(may_shift, score="warning", sign=UP, apart=apart), order=20),
        _spec("P5", partial(judge_steady, apart=apart), partial(may_be_steady, apart=apart), order=30),
        _spec("P2", down, partial(may_shift, score="growth", sign=DOWN, apart=apart), order=40),
        _spec("P3", partial(judge_relief, apart=apart), may_be_relief, order=50),
        _spec("P4", partial(judge_little_change, apart=apart), may_be_little_change, order=60),
        _spec("P6", partial(judge_two_views, apart=apart), may_be_two_views, order=70),
        _spec("P7", judge_asked, order=80, kind="note"),
        rule_n(apart),
        _spec("pattern", judge_pattern, order=95, kind="note", instrument=None),
        _spec("S", judge_safety, may_be_safety, order=0, kind="safety", instrument=None),
    )


def _spec(
    rule: str,
    judge: Judge,
    possible: Callable[[Course], bool] | None = None,
    *,
    order: int,
    kind: str = "prompt",
    instrument: str | None = "gr18",
) -> RuleSpec:
    return RuleSpec(
        id=rule,
        version=VERSION,
        title=words.TITLES.source[rule],
        instrument=instrument,
        judge=judge,
        kind=kind,
        order=order,
        possible=possible,
    )
