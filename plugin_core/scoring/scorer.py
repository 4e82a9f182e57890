"""The scorer: compiled once from an instrument, then a few microseconds a form."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from ...schemas.records import Answer, Answers, Instrument, Item, Response, Score, ScoreDefinition, ScoredForm
from ...schemas.shared import shared
from ...schemas.vocab import Blank
from ..contracts import ScorerSpec
from ..errors import InstrumentProblem
from ..handed import Misshapen, as_declared
from ..words import kept, tr

_NONE: Mapping[str, ScorerSpec] = MappingProxyType({})
_Weights = dict[int, int]
_PLAIN = frozenset({int, Blank})


class Scorer:
    """Scores forms of one instrument.

    :param instrument: what to score by.
    :param specials: registered scorers by name, for scores whose method is `special`.
    :raises InstrumentProblem: a score names a scorer that is not registered.
    """

    def __init__(self, instrument: Instrument, specials: Mapping[str, ScorerSpec] = _NONE) -> None:
        self.instrument = instrument
        self._plans: list[tuple[str, int, int, _Results]] = []
        self._shares = _Shares(((item.id, raw), 0) for item in instrument.items for raw in (*item.values, *Blank))
        at = 0
        for score in instrument.scores:
            if score.method != "special":
                results = _Results(score, [_weights(instrument.item(name)) for name in score.items])
                self._plans.append((score.id, at, results.mask, results))
                self._shares.add(at, score.items, results)
                at += results.mask.bit_length()
        self._specials = [
            (score.id, _special(instrument, score, specials))
            for score in instrument.scores
            if score.method == "special"
        ]

    def scores(self, answers: Answers) -> dict[str, Score]:
        """Every score of the instrument, by id.

        :param answers: raw numbers by line, before any reversal. A line that is left out, empty, declined, or not
            among the line's options counts as not answered.
        """
        if not _PLAIN.issuperset(map(type, answers.values())):
            # Only a true int: True == 1 and 3.0 == 3 would otherwise find a weight.
            answers = {line: raw for line, raw in answers.items() if raw.__class__ is int}
        sums = sum(map(self._shares.__getitem__, answers.items()))
        found = {name: results[sums >> at & mask] for name, at, mask, results in self._plans}
        for name, score in self._specials:
            found[name] = score(answers)
        return found

    def straight_line(self, answers: Answers) -> bool:
        """Whether every line of the instrument's straight-line list was answered with the same raw number.

        A note on the pattern, not a verdict on the client (clinical.md 3.6). Never true when one of them is blank, nor
        for an instrument without such a list.
        """
        lines = self.instrument.straight_line
        if not lines:
            return False
        first = answers.get(lines[0])
        if first.__class__ is not int:
            return False
        for line in lines:  # the second line, as a rule, ends it
            raw = answers.get(line)
            if raw != first or raw.__class__ is not int:
                return False
        return True

    def form(self, response: Response) -> ScoredForm:
        """The response as rules see it: its answers, scores and notes, without name or client.

        :raises ValueError: the response is of another instrument or version than this scorer.
        """
        if (response.instrument, response.instrument_version) != self.instrument.key:
            raise ValueError("a response of another instrument or version was given to this scorer")
        return ScoredForm(
            id=response.id,
            authored=response.authored,
            answers=response.answers,
            scores=self.scores(response.answers),
            straight_line=self.straight_line(response.answers),
            tags=response.tags,
            mode=response.mode,
            language=response.language,
        )


def _weights(item: Item) -> _Weights:
    """What each raw answer counts: itself, or min + max - raw on a reversed line."""
    values = item.values
    if not item.reverse:
        return {value: value for value in values}
    return {value: values[0] + values[-1] - value for value in values}


class _Shares(dict[tuple[str, Answer], int]):
    """What an answer adds to all scores at once: each score has some bits of one whole number to itself.

    A form is then one addition a line, whatever the number of scores.
    """

    def add(self, at: int, lines: Sequence[str], results: _Results) -> None:
        """Gives a score the bits from `at` on."""
        for line, weights in zip(lines, results.weights, strict=True):
            for raw, weight in weights.items():
                share = results.share(weight) << at
                self[line, raw] = self.get((line, raw), 0) + share

    def __missing__(self, key: tuple[str, Answer]) -> int:
        return 0  # a number that the line does not offer, or a line of another form


class _Results(dict[int, Score]):
    """The scores of one definition by its bits of the sum: few enough to keep, and immutable, so that they are shared.

    The low bits count the answered lines, those above hold the total, to which every line adds its weight less the
    lowest of all, so that they never run below 0.

    :param weights: what each raw answer counts, line by line.
    """

    def __init__(self, definition: ScoreDefinition, weights: Sequence[_Weights]) -> None:
        super().__init__()
        self._definition = definition
        self.weights = weights
        every = [weight for line in weights for weight in line.values()]
        self._lowest = min([0, *every])
        self._bits = len(weights).bit_length()
        highest = len(weights) * (max([0, *every]) - self._lowest)
        self.mask = (1 << (self._bits + highest.bit_length())) - 1

    def share(self, weight: int) -> int:
        """What an answer of this weight adds."""
        return 1 + ((weight - self._lowest) << self._bits)

    def __missing__(self, key: int) -> Score:
        answered = key & ((1 << self._bits) - 1)
        total = (key >> self._bits) + answered * self._lowest
        score = self[key] = shared(_result(self._definition, answered, total))
        return score


def _result(definition: ScoreDefinition, answered: int, total: int) -> Score:
    """The score from how many lines were answered and what they add up to.

    mean: total / answered. sum: the total; with lines missing the prorated sum total * lines / answered, which for
    CORE-10 is its published ten times the mean (clinical.md 7.2, 7.4).
    """
    lines = len(definition.items)
    if answered < definition.least:
        return Score(
            definition.id, None, answered, lines, definition.method, _too_few(answered, lines, definition.least)
        )
    if definition.method == "mean":
        return Score(definition.id, total / answered, answered, lines, "mean")
    if answered == lines:
        return Score(definition.id, float(total), answered, lines, "sum")
    return Score(definition.id, total * lines / answered, answered, lines, "prorated sum")


def _too_few(answered: int, lines: int, least: int) -> str:
    if lines == 1:
        return kept.NOT_ANSWERED
    return kept.TOO_FEW.format(answered=answered, of=lines, least=least)


def _special(
    instrument: Instrument, definition: ScoreDefinition, specials: Mapping[str, ScorerSpec]
) -> Callable[[Answers], Score]:
    """The registered scorer behind a guard: whatever it does, the other scores of the form stand."""
    spec = specials.get(definition.scorer or "")
    if spec is None:
        raise InstrumentProblem(
            tr(
                "The form {id} {version} is scored by {scorer}, and no plugin that is loaded has a scorer of that "
                "name. Install or allow the plugin that came with the form.",
                id=instrument.id,
                version=instrument.version,
                scorer=definition.scorer,
            )
        )
    method = spec.name
    lines = len(definition.items)

    def score(answers: Answers) -> Score:
        answered = sum(answers.get(line).__class__ is int for line in definition.items)

        def none(why: str) -> Score:
            return Score(definition.id, None, answered, lines, method, why)

        if answered < definition.least:
            return none(_too_few(answered, lines, definition.least))
        try:
            found = as_declared(spec.score(instrument, definition, answers), Score)
        except Misshapen:
            found = None
        except Exception as error:  # noqa: BLE001 - a vendor's code; the failure is the stored result, not lost
            return none(kept.SCORER_FAILED.format(scorer=method, fault=type(error).__name__))
        if found is None or not _sound(found, definition):
            low, high = f"{definition.low:g}", f"{definition.high:g}"
            return none(kept.SCORER_BEYOND.format(scorer=method, low=low, high=high))
        return found

    return score


def _sound(score: Score, definition: ScoreDefinition) -> bool:
    if score.name != definition.id or (score.value is None) == (score.reason is None):
        return False
    return score.value is None or (math.isfinite(score.value) and definition.low <= score.value <= definition.high)
