"""Scores follow from answers by the form's own rule and nothing else. A wrong score is a wrong prompt in a chart."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from handrail.plugin_core.contracts import ScorerSpec
from handrail.plugin_core.errors import InstrumentProblem
from handrail.plugin_core.instruments import builtin, builtin_one
from handrail.plugin_core.scoring import Scorer, differences
from handrail.schemas.records import Answers, Instrument, Item, Option, Response, Score, ScoreDefinition
from handrail.schemas.vocab import Blank
from hypothesis import given
from hypothesis import strategies as st

SCORERS = {form.id: Scorer(form) for form in builtin()}
GR18 = SCORERS["gr18"]
IDS = [f"G{n}" for n in range(1, 11)] + [f"W{n}" for n in range(1, 6)] + ["N1"]
REVERSED = {"G2", "G6", "G10", "W3", "W4"}

# The vectors of clinical.md 10: answers in the order of IDS, then growth, warning, reliance.
VECTORS = {
    "A steady": ("3132303321 11330 1", 2.9, 0.833, 0.667),
    "B reliant": ("1311031124 34124 4", 0.9, 3.333, 4.0),
    "C all twos": ("2222222222 22222 2", 2.0, 2.0, 2.0),
    "D two growth, one warning missing": ("31-2303-21 1-330 1", 2.875, 0.8, None),
    "E three and two missing": ("31-2303--1 1--30 1", None, None, None),
    "F straight line": ("4444444444 44444 4", 2.8, 2.667, 4.0),
}


def answers_of(digits: str) -> dict[str, int]:
    cells = digits.replace(" ", "")
    return {name: int(cell) for name, cell in zip(IDS, cells, strict=True) if cell != "-"}


@pytest.mark.parametrize("case", VECTORS)
def test_clinical_vectors(case: str) -> None:
    """The published cases of the form; any slip in a key, a reversal or a least number shows here."""
    digits, growth, warning, reliance = VECTORS[case]
    scores = GR18.scores(answers_of(digits))
    for name, expected in (("growth", growth), ("warning", warning), ("reliance", reliance)):
        value = scores[name].value
        assert value == (None if expected is None else pytest.approx(expected, abs=0.0005)), name


def test_partial_scores_say_from_how_many_lines() -> None:
    """A score of 8 lines that looks like one of 10 would be read as more than it is."""
    scores = GR18.scores(answers_of(VECTORS["D two growth, one warning missing"][0]))
    assert (scores["growth"].answered, scores["growth"].of, scores["growth"].partial) == (8, 10, True)
    assert (scores["warning"].answered, scores["warning"].of) == (5, 6)
    assert scores["reliance"].reason == "2 of 3 lines answered, 3 needed"


def test_too_few_answers_are_told_in_a_sentence() -> None:
    """Without the reason a practice manager sees an empty cell and takes it for a fault."""
    scores = GR18.scores(answers_of(VECTORS["E three and two missing"][0]))
    assert scores["growth"].reason == "7 of 10 lines answered, 8 needed"
    assert scores["warning"].reason == "4 of 6 lines answered, 5 needed"
    assert scores["relief"].reason == "the line was not answered"


@pytest.mark.parametrize("form", SCORERS)
def test_blank_form_has_no_score(form: str) -> None:
    """A well-known system gives a blank CORE-10 a 0, which reads as healthy."""
    for blank in ({}, dict.fromkeys((item.id for item in builtin_one(form).items), Blank.DECLINED)):
        for score in SCORERS[form].scores(blank).values():
            assert score.value is None
            assert score.reason


def test_relief_and_change_stand_for_themselves() -> None:
    """F1 and F2 are a pair that is read side by side; averaging them would hide what the pair shows."""
    scores = GR18.scores({"F1": 4, "F2": 0})
    assert (scores["relief"].value, scores["change"].value) == (4.0, 0.0)


def test_n2_is_never_scored() -> None:
    """The horizon line is shown to the client and the therapist only."""
    low, high = ({**answers_of(VECTORS["C all twos"][0]), "N2": n} for n in (0, 4))
    assert GR18.scores(low) == GR18.scores(high)


def test_stance_of_the_therapist_form() -> None:
    """T5, T6 and T8 are reversed: an untroubled therapist scores low, not in the middle."""
    untroubled = dict.fromkeys(("T1", "T2", "T3", "T4", "T7"), 0) | dict.fromkeys(("T5", "T6", "T8"), 4)
    assert SCORERS["ts8"].scores(untroubled)["stance"].value == 0.0
    assert SCORERS["ts8"].scores({"T1": 1})["stance"].reason == "1 of 8 lines answered, 7 needed"


def test_phq9_published_example_adds_up_to_ten() -> None:
    """A standard's own example stores 13; whoever trusts stored totals repeats the error in a chart."""
    answers = {f"Q{n}": value for n, value in enumerate((0, 0, 0, 1, 2, 1, 3, 2, 1), start=1)}
    scores = SCORERS["phq9"].scores(answers)
    assert scores["total"].value == 10.0
    assert differences({"total": 13.0}, scores) == {"total": (13.0, 10.0)}
    assert differences({"total": 10.0}, scores) == {}


def test_differences_of_what_we_cannot_score() -> None:
    """A total for a form that we cannot score, or of no score of ours, is told and not dropped."""
    scores = SCORERS["phq9"].scores({"Q1": 1})
    assert differences({"total": 1.0, "other": 2.0}, scores) == {"total": (1.0, None), "other": (2.0, None)}
    assert differences({"m": 2.9}, {"m": Score("m", 2.875, 8, 10, "mean")}, tolerance=0.05) == {}


def test_phq9_and_gad7_need_every_line() -> None:
    """Their default rule: one missing line, no total; the unscored tenth line does not fill the gap."""
    phq = {f"Q{n}": 3 for n in range(1, 9)} | {"Q10": 3}
    assert SCORERS["phq9"].scores(phq)["total"].reason == "8 of 9 lines answered, 9 needed"
    assert SCORERS["phq9"].scores(phq | {"Q9": 0})["total"].value == 24.0
    assert SCORERS["gad7"].scores({f"Q{n}": 3 for n in range(1, 7)})["total"].value is None


def test_core10_prorates_one_missing_line_and_no_more() -> None:
    """Ten times the mean with nine lines; with eight there is no score, whatever other systems do."""
    answers = {f"Q{n}": 2 for n in range(1, 11)}
    full = SCORERS["core10"].scores(answers)["total"]
    assert (full.value, full.method) == (20.0, "sum")
    nine = SCORERS["core10"].scores({**answers, "Q1": Blank.EMPTY})["total"]
    assert (nine.value, nine.method, nine.answered) == (20.0, "prorated sum", 9)
    uneven = {**answers, "Q5": 4}
    del uneven["Q1"]
    assert SCORERS["core10"].scores(uneven)["total"].value == pytest.approx(10 * 20 / 9)
    del uneven["Q2"]
    assert SCORERS["core10"].scores(uneven)["total"].reason == "8 of 10 lines answered, 9 needed"


def test_core10_reverses_lines_two_and_three() -> None:
    """Forgotten, a client with support and coping would score as distressed."""
    best = {f"Q{n}": 0 for n in range(1, 11)} | {"Q2": 4, "Q3": 4}
    assert SCORERS["core10"].scores(best)["total"].value == 0.0


def test_straight_line_is_noted() -> None:
    """F: the same answer everywhere agrees with lines worded both ways only by chance."""
    assert GR18.straight_line(answers_of(VECTORS["F straight line"][0]))
    assert GR18.straight_line(answers_of(VECTORS["C all twos"][0]))
    assert GR18.straight_line({**answers_of(VECTORS["F straight line"][0]), "N1": 0})
    assert not GR18.straight_line(answers_of(VECTORS["A steady"][0]))


@given(value=st.integers(0, 4), line=st.sampled_from(GR18.instrument.straight_line), blank=st.sampled_from(Blank))
def test_straight_line_needs_all_fifteen(value: int, line: str, blank: Blank) -> None:
    """A form with a blank has no pattern to speak of; a note on it would be wrong."""
    answers: dict[str, int | Blank] = dict.fromkeys(GR18.instrument.straight_line, value)
    assert GR18.straight_line(answers)
    assert not GR18.straight_line({**answers, line: blank})
    assert not GR18.straight_line({**answers, line: (value + 1) % 5})
    del answers[line]
    assert not GR18.straight_line(answers)


def test_forms_without_a_list_have_no_straight_line() -> None:
    """All nines of a PHQ-9 at 0 is a fine form; a note on it would be an insult."""
    assert not SCORERS["phq9"].straight_line({f"Q{n}": 0 for n in range(1, 10)})


some_answers = st.dictionaries(
    st.sampled_from(IDS), st.one_of(st.integers(0, 4), st.sampled_from(Blank)), max_size=len(IDS)
)


def by_hand(answers: Answers, lines: list[str], least: int) -> float | None:
    """The rule of clinical.md 3, written down once more without the instrument file."""
    values = []
    for line in lines:
        raw = answers.get(line)
        if type(raw) is int:
            values.append(4 - raw if line in REVERSED else raw)
    return sum(values) / len(values) if len(values) >= least else None


@given(some_answers)
def test_scores_equal_the_rule_done_by_hand(answers: dict[str, int | Blank]) -> None:
    """The compiled scorer and the shared results must not differ from the plain rule on any form."""
    scores = GR18.scores(answers)
    assert scores["growth"].value == by_hand(answers, IDS[:10], 8)
    assert scores["warning"].value == by_hand(answers, IDS[10:], 5)
    assert scores["reliance"].value == by_hand(answers, ["W2", "W5", "N1"], 3)
    assert scores["outlook"].value == by_hand(answers, ["W1", "W3", "W4"], 3)


@given(some_answers)
def test_a_score_has_a_value_or_a_reason_and_stays_in_bounds(answers: dict[str, int | Blank]) -> None:
    """A score without value and without reason would be shown as nothing at all."""
    for name, score in GR18.scores(answers).items():
        definition = GR18.instrument.score(name)
        assert (score.value is None) == (score.reason is not None)
        assert score.value is None or definition.low <= score.value <= definition.high
        assert score.answered <= score.of == len(definition.items)


@given(some_answers)
def test_mirrored_answers_give_mirrored_scores(answers: dict[str, int | Blank]) -> None:
    """Reversing happens once: turning every raw answer round turns every mean round."""
    mirrored = {line: raw if isinstance(raw, Blank) else 4 - raw for line, raw in answers.items()}
    for name, score in GR18.scores(answers).items():
        other = GR18.scores(mirrored)[name].value
        assert other == (None if score.value is None else pytest.approx(4 - score.value))


@given(some_answers, st.sampled_from(IDS))
def test_empty_declined_and_left_out_score_alike(answers: dict[str, int | Blank], line: str) -> None:
    """They differ for a reader, never for a score."""
    left_out = {name: raw for name, raw in answers.items() if name != line}
    expected = GR18.scores(left_out)
    for blank in Blank:
        assert GR18.scores({**left_out, line: blank}) == expected


@given(
    st.sampled_from(IDS),
    st.one_of(st.booleans(), st.floats(), st.text(), st.integers().filter(lambda n: not 0 <= n <= 4)),
)
def test_f56_what_is_no_option_is_never_taken_as_a_number(line: str, odd: object) -> None:
    """An answer that the form does not offer must not become 0, nor `True` a 1, if it ever comes this far."""
    answers = answers_of(VECTORS["C all twos"][0])
    without = {name: raw for name, raw in answers.items() if name != line}
    assert GR18.scores({**answers, line: odd}) == GR18.scores(without)  # type: ignore[dict-item]


def response(**changes: object) -> Response:
    plain = {
        "id": "r1",
        "client": "c1",
        "instrument": "gr18",
        "instrument_version": "1",
        "authored": datetime(2026, 3, 2, 10, tzinfo=UTC),
        "answers": answers_of(VECTORS["F straight line"][0]),
        "tags": frozenset({"proxy"}),
    }
    return Response(**{**plain, **changes})  # type: ignore[arg-type]


def test_scored_form_has_no_client_in_it() -> None:
    """Rules and vendors' rules see scored forms: no reference of a client may reach them this way."""
    form = GR18.form(response())
    assert form.straight_line
    assert form.tags == {"proxy"}
    assert form.value("growth") == pytest.approx(2.8)
    assert "c1" not in repr(form)


@pytest.mark.parametrize("changes", [{"instrument": "phq9"}, {"instrument_version": "2"}])
def test_a_form_of_another_version_is_not_scored(changes: dict[str, str]) -> None:
    """Scores of different versions joined in one series would show a change that is only a rewording."""
    with pytest.raises(ValueError, match="another instrument or version"):
        GR18.form(response(**changes))


# --- special scorers -------------------------------------------------------------------------------------------------

OPTIONS = tuple(Option(f"o-{n}", f"Label {n}", n) for n in range(3))


def special_form(least: int = 1) -> Instrument:
    base = builtin_one("ts8")
    items = (Item("A", "One", OPTIONS), Item("B", "Two", OPTIONS))
    score = ScoreDefinition("odd", "Odd", "special", ("A", "B"), least, 0, 2, scorer="larger")
    plain = ScoreDefinition("total", "Total", "sum", ("A", "B"), 2, 0, 4)
    fields = {name: getattr(base, name) for name in ("title", "audience", "status", "language", "lead_in", "window")}
    return Instrument("x", "1", licence=base.licence, items=items, scores=(score, plain), **fields)


def larger(instrument: Instrument, definition: ScoreDefinition, answers: Answers) -> Score:
    numbers = [raw for line in definition.items if type(raw := answers.get(line)) is int]
    return Score(definition.id, float(max(numbers)), len(numbers), len(definition.items), "larger")


def special(score: object) -> Scorer:
    return Scorer(special_form(), {"larger": ScorerSpec("larger", score)})  # type: ignore[arg-type]


def test_special_scorer_is_used() -> None:
    """A vendor's form whose rule is neither mean nor sum is scored by the vendor's own function."""
    assert special(larger).scores({"A": 1, "B": 2})["odd"].value == 2.0
    assert special(larger).scores({})["odd"].reason == "0 of 2 lines answered, 1 needed"


def test_missing_special_scorer_is_named() -> None:
    """Silently leaving the score out would look like a form that nobody filled in."""
    with pytest.raises(InstrumentProblem, match="scored by larger"):
        Scorer(special_form())


def boom(*_: object) -> Score:
    raise RuntimeError("Anna Smith answered 3")


@pytest.mark.parametrize(
    ("faulty", "reason"),
    [
        (boom, "the scorer larger failed (RuntimeError)"),
        (lambda *_: 2.0, "the scorer larger gave no score between 0 and 2"),
        (lambda *_: Score("odd", math.nan, 2, 2, "larger"), "the scorer larger gave no score between 0 and 2"),
        (lambda *_: Score("odd", 9.0, 2, 2, "larger"), "the scorer larger gave no score between 0 and 2"),
        (lambda *_: Score("odd", None, 2, 2, "larger"), "the scorer larger gave no score between 0 and 2"),
        (lambda *_: Score("total", 1.0, 2, 2, "larger"), "the scorer larger gave no score between 0 and 2"),
    ],
)
def test_faulty_special_scorer_costs_its_own_score_only(faulty: object, reason: str) -> None:
    """One vendor's fault must neither lose the form's other scores nor put a client's words into a message (S24)."""
    scores = special(faulty).scores({"A": 1, "B": 2})
    assert (scores["odd"].value, scores["odd"].reason) == (None, reason)
    assert scores["total"].value == 3.0


WEIGHTS = st.lists(st.integers(-7, 300), min_size=1, max_size=4, unique=True)


@given(st.lists(WEIGHTS, min_size=1, max_size=9), st.data())
def test_sums_of_any_weights_are_exact(lines: list[list[int]], data: st.DataObject) -> None:
    """All scores share one addition: no line may run over into the bits of another score, nor below 0."""
    items = tuple(
        Item(f"L{n}", "a line", tuple(Option(f"o{w}", f"{w}", w) for w in weights), reverse=n % 3 == 1)
        for n, weights in enumerate(lines)
    )
    names = tuple(item.id for item in items)
    parts = (names, names[::2], names[:1], names)
    scores = tuple(ScoreDefinition(f"s{n}", "t", "sum", part, 1, -9999, 9999) for n, part in enumerate(parts))
    form = replace(special_form(), items=items, scores=scores)

    def choice(item: Item) -> st.SearchStrategy[int | Blank]:
        return st.sampled_from([*item.values, Blank.EMPTY, 1000])

    answers = {item.id: data.draw(choice(item)) for item in items}
    for definition in scores:
        counted = [
            item.values[0] + item.values[-1] - raw if item.reverse else raw
            for item in items
            if item.id in definition.items and isinstance(raw := answers[item.id], int) and raw in item.values
        ]
        found = Scorer(form).scores(answers)[definition.id]
        assert found.answered == len(counted)
        expected = sum(counted) * len(definition.items) / len(counted) if counted else None
        assert found.value == expected
