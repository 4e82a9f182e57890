"""Change in the published sense, for any score with a known reliability: Jacobson-Truax and what others proposed.

Formulas, with x1 and x2 the scores before and after, M1, M2, s1, s2 their means and standard deviations (n - 1) over
all who have both, r the reliability, SEM = s1 * sqrt(1 - r) and s_diff = SEM * sqrt(2):

* JT, Jacobson and Truax (1991): (x2 - x1) / s_diff
* GLN, Gulliksen-Lord-Novick (Hsu 1989): (x2 - M1 - r * (x1 - M1)) / (s1 * sqrt(1 - r**2))
* HLL, Hsu-Linn-Lord (Hsu 1989): (x2 - M2 - r * (x1 - M1)) / (s1 * sqrt(1 - r**2))
* EN, Edwards-Nunnally (Speer 1992): (x2 - M1 - r * (x1 - M1)) / SEM
* NK, Nunnally-Kotsch (1983): (x2 - M1 - r * (x1 - M1)) / sqrt(r**2 * s1**2 * (1 - r) + s1**2 * (1 - r))
* HA, Hageman-Arrindell (1999): ((x2 - x1) * d + (M2 - M1) * (1 - d)) / (sqrt(d) * s_diff), d the reliability of the
  difference scores; beyond 1.65, all others beyond 1.96.

A percentage or a minimal difference counts from "at least", an index from "more than". Pure, standard library alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import correlation, fmean, stdev

from ..errors import UsageError
from ..words import tr

IMPROVED, UNCHANGED, DETERIORATED = "improved", "unchanged", "deteriorated"
RECOVERED, HARMED = "recovered", "harmed"
TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class Pairs:
    """Scores before and after of all who have both."""

    pre: Sequence[float]
    post: Sequence[float]

    @property
    def sd(self) -> float:
        """Standard deviation before, n - 1."""
        return stdev(self.pre)


@dataclass(frozen=True, slots=True)
class Functional:
    """Mean and standard deviation of people without the problem."""

    mean: float
    sd: float


@dataclass(frozen=True, slots=True)
class Result:
    """`index` one number a client; `kinds` what it comes to; `cutoff` None where none was asked for."""

    index: Sequence[float]
    kinds: Sequence[str]
    cutoff: float | None
    sd: float
    s_diff: float

    def counts(self) -> dict[str, int | None]:
        """How many of each kind; each client counts once. Without a cut-off recovered and harmed are not known."""
        found = Counter(self.kinds)
        known: dict[str, int | None] = {kind: found[kind] for kind in (IMPROVED, UNCHANGED, DETERIORATED)}
        crossing = {kind: None if self.cutoff is None else found[kind] for kind in (RECOVERED, HARMED)}
        return known | crossing


def _predicted(pairs: Pairs, reliability: float, centre: float) -> list[float]:
    """What is left of the second score when what the first foretells is taken off."""
    mean = fmean(pairs.pre)
    return [post - centre - reliability * (pre - mean) for pre, post in zip(pairs.pre, pairs.post, strict=True)]


def jacobson_truax(pairs: Pairs, reliability: float) -> list[float]:
    """The reliable change index of Jacobson and Truax."""
    error = s_diff(pairs, reliability)
    return [(post - pre) / error for pre, post in zip(pairs.pre, pairs.post, strict=True)]


def gulliksen_lord_novick(pairs: Pairs, reliability: float) -> list[float]:
    """GLN: against what the first score foretells, in standard errors of prediction."""
    error = pairs.sd * sqrt(1 - reliability**2)
    return [left / error for left in _predicted(pairs, reliability, fmean(pairs.pre))]


def hsu_linn_lord(pairs: Pairs, reliability: float) -> list[float]:
    """HLL: as GLN, around the mean after."""
    error = pairs.sd * sqrt(1 - reliability**2)
    return [left / error for left in _predicted(pairs, reliability, fmean(pairs.post))]


def edwards_nunnally(pairs: Pairs, reliability: float) -> list[float]:
    """EN: against the estimated true first score, in standard errors of measurement."""
    error = pairs.sd * sqrt(1 - reliability)
    return [left / error for left in _predicted(pairs, reliability, fmean(pairs.pre))]


def nunnally_kotsch(pairs: Pairs, reliability: float) -> list[float]:
    """NK: as EN, with the errors of both occasions; one reliability serves for both."""
    variance = pairs.sd**2 * (1 - reliability)
    error = sqrt(reliability**2 * variance + variance)
    return [left / error for left in _predicted(pairs, reliability, fmean(pairs.pre))]


def hageman_arrindell(pairs: Pairs, reliability: float) -> list[float]:
    """HA: the change drawn towards the mean change, as far as difference scores are reliable."""
    s1, s2, shared = pairs.sd, stdev(pairs.post), correlation(pairs.pre, pairs.post)
    sem = s1 * sqrt(1 - reliability)
    spread = s1**2 + s2**2 - 2 * s1 * s2 * shared
    trusted = ((s1**2 - sem**2) + (s2**2 - sem**2) - 2 * s1 * s2 * shared) / spread if spread > TOLERANCE else 0.0
    if trusted <= 0:
        raise UsageError(tr("These changes are no larger than measurement error alone; method HA cannot be used."))
    mean = fmean(pairs.post) - fmean(pairs.pre)
    error = sqrt(trusted) * sem * sqrt(2)
    return [
        ((post - pre) * trusted + mean * (1 - trusted)) / error for pre, post in zip(pairs.pre, pairs.post, strict=True)
    ]


METHODS: Mapping[str, tuple[Callable[[Pairs, float], list[float]], float]] = {
    "JT": (jacobson_truax, 1.96),
    "GLN": (gulliksen_lord_novick, 1.96),
    "HLL": (hsu_linn_lord, 1.96),
    "EN": (edwards_nunnally, 1.96),
    "NK": (nunnally_kotsch, 1.96),
    "HA": (hageman_arrindell, 1.65),
}


def s_diff(pairs: Pairs, reliability: float) -> float:
    """The standard error of the difference of two scores."""
    return pairs.sd * sqrt(1 - reliability) * sqrt(2)


def cutoff(kind: str, pairs: Pairs, lower_is_better: bool, functional: Functional | None) -> float:
    """Where the functional range begins, by Jacobson and Truax's a, b or c.

    a: two SDs better than the mean before; b: two SDs worse than the functional mean; c: between both means, nearer to
    the one with the smaller SD.

    :raises UsageError: b and c need the functional mean and SD.
    """
    sign = -1 if lower_is_better else 1
    mean, sd = fmean(pairs.pre), pairs.sd
    if kind == "a":
        return mean + sign * 2 * sd
    if functional is None:
        raise UsageError(tr("Cut-offs b and c need --functional-mean and --functional-sd."))
    if kind == "b":
        return functional.mean - sign * 2 * functional.sd
    return (sd * functional.mean + functional.sd * mean) / (sd + functional.sd)


def change(
    pairs: Pairs, reliability: float, *, lower_is_better: bool, method: str = "JT", limit: float | None = None
) -> Result:
    """Sorts everybody by reliable change and, where `limit` names the cut-off, by whether it was crossed.

    :raises UsageError: fewer than two pairs, scores that are all the same, a reliability outside 0 to 1.
    """
    check(pairs, reliability)
    compute, beyond = METHODS[method]
    index = compute(pairs, reliability)
    sign = -1 if lower_is_better else 1
    kinds = [
        _kind(sign * number - beyond > TOLERANCE, -sign * number - beyond > TOLERANCE, sign * pre, sign * post,
              None if limit is None else sign * limit)
        for number, pre, post in zip(index, pairs.pre, pairs.post, strict=True)
    ]  # fmt: skip
    return Result(index, kinds, limit, pairs.sd, s_diff(pairs, reliability))


def by_difference(
    pairs: Pairs,
    *,
    lower_is_better: bool,
    least: float,
    percent: bool = False,
    beyond: bool = False,
    limit: float | None = None,
) -> list[str]:
    """Sorts everybody by a difference of at least `least` points, or of at least so many percent of the first score.

    :param beyond: the difference must be more than `least`, as with a reliable change index in points.
    """
    sign = -1 if lower_is_better else 1
    kinds = []
    for pre, post in zip(pairs.pre, pairs.post, strict=True):
        needed = least * abs(pre) / 100 if percent else least
        moved = sign * (post - pre)
        over = TOLERANCE if beyond else -TOLERANCE
        up, down = (needed > 0 and way - needed >= over for way in (moved, -moved))
        kinds.append(_kind(up, down, sign * pre, sign * post, None if limit is None else sign * limit))
    return kinds


def _kind(up: bool, down: bool, pre: float, post: float, limit: float | None) -> str:
    """Scores turned so that more is better. Recovered needs a start on the clinical side; harmed the other way."""
    if up:
        return RECOVERED if limit is not None and pre < limit <= post else IMPROVED
    if down:
        return HARMED if limit is not None and post < limit <= pre else DETERIORATED
    return UNCHANGED


def check(pairs: Pairs, reliability: float) -> None:
    """Raises UsageError where nothing can be computed."""
    if not 0 < reliability < 1:
        raise UsageError(tr("The reliability lies between 0 and 1, without either."))
    if len(pairs.pre) < 2:
        raise UsageError(tr("At least two clients with both scores are needed."))
    if pairs.sd <= TOLERANCE:
        raise UsageError(tr("All scores before are the same, so no standard deviation follows from them."))
