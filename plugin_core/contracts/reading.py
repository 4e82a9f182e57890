"""What `register_rules()` and `register_scorers()` return: a course in, readings out; answers in, a score out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from ...schemas.records import Answers, Course, Evidence, Instrument, Score, ScoreDefinition


@dataclass(frozen=True, slots=True)
class Reading:
    """What a rule finds at one form of a course.

    `met`: the condition holds, does not hold, or (None) could not be judged, and then `why` says so.
    `score`: the rule's running number, higher for stronger; None where the rule has none.
    `evidence` is called only for forms at which a flag opens, so that reading a course stays cheap.
    """

    met: bool | None
    score: float | None = None
    why: str | None = None
    evidence: Callable[[], Evidence] | None = None


class Judge(Protocol):
    """A rule: a course in, one `Reading` for each form out, in order.

    Pure and causal: no clock, no randomness, and the reading at a form depends on nothing after it. Holds, quiet
    periods and the life of flags are the core's business.
    """

    def __call__(self, course: Course) -> Sequence[Reading]: ...


@dataclass(frozen=True, slots=True)
class RuleSpec:
    """A rule with its name. `instrument` is the id of the form whose course it reads; None reads every instrument.

    `kind`: `prompt` (has a life, guarded), `good-news` (has a life, not guarded), `note` (pre-session page only, no
    life), `safety` (own channel, closed by a person only, nothing silences it).
    `order`: among prompts of one client and form the lowest is shown and pushed, the rest stay behind "more".
    `at_budget`: for model rules, the same rule at another sparingness (2, 5 or 10 benign clients in a hundred prompted
        about in a year, in simulation); None for rules without such a choice.
    `possible`: a quick look, False only where `judge` would find the rule met on no form; None reads every course.
    `prepare`: told a page of courses before they are judged, to compute many at once; it changes no answer.
    `prompts`: False where the practice chose other rules to prompt: its flags then wait behind "more".
    """

    id: str
    version: str
    title: str
    instrument: str | None
    judge: Judge
    kind: str = "prompt"
    order: int = 100
    at_budget: Callable[[int], RuleSpec] | None = None
    possible: Callable[[Course], bool] | None = None
    prepare: Callable[[Sequence[Course]], None] | None = None
    prompts: bool = True


@dataclass(frozen=True, slots=True)
class ScorerSpec:
    """Special scoring for instruments whose rule is neither a mean nor a sum.

    `name` is what a score definition's `scorer` says. Returns a `Score`; "could not score" is a value with a reason.
    """

    name: str
    score: Callable[[Instrument, ScoreDefinition, Answers], Score]
