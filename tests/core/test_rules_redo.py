"""Evidence is enough to redo a flag by hand, and a second, plain reading of the rules comes to the same result.

A prompt that cannot be redone from what is on the page must be believed, and nobody should have to."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from math import sqrt

import pytest
from handrail.schemas.flags import EvidenceSchema
from handrail.schemas.records import Course, Evidence, FormUsed, ScoredForm
from hypothesis import given, settings

from .courses import (
    GR18,
    GROWTH,
    PHQ9,
    REVERSED,
    RULES,
    START,
    TS8,
    WARNING,
    answers,
    any_course,
    course,
    phq9,
    readings,
    scored,
)
from .test_rules import RELIEVED, RISEN, STILL, coming, reliance, same

pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")


def evidence_of(rule: str, of: Course) -> Evidence:
    make = readings(rule, of)[-1].evidence
    assert make is not None
    return make()


# --- a second reading of P1, P2 and N, written as plainly as it goes ------------------------------------------------

CONSTANTS = {"growth": (0.85, 0.78), "warning": (0.85, 0.72)}


def usable(form: ScoredForm, score: str) -> bool:
    return not form.straight_line and "proxy" not in form.tags and form.value(score) is not None


def expected_shift(of: Course, score: str, sign: int) -> list[bool | None]:
    sd, retest = CONSTANTS[score]
    sem = sd * sqrt(1 - retest)
    found: list[bool | None] = []
    for index, form in enumerate(of.forms):
        since = max((t for t in of.therapists if t <= form.authored), default=None)
        row = [f for f in of.forms[: index + 1] if usable(f, score) and (since is None or f.authored >= since)]
        if not usable(form, score):
            found.append(None)
            continue
        values = [f.value(score) or 0.0 for f in row]
        pair = len(row) > 1 and (row[1].authored.date() - row[0].authored.date()).days <= 42
        base = (values[0] + values[1]) / 2 if pair else values[0]
        band = 1.645 * sem * sqrt(1.5) if pair else 1.96 * sem * sqrt(2)
        after = values[2:] if pair else values[1:]
        found.append(all(sign * (v - base) > band + 1e-9 for v in after[-2:]) if len(after) >= 2 else None)
    return found


@settings(max_examples=300, deadline=None)
@given(any_course())
def test_p1_and_p2_agree_with_a_second_plain_reading(of: Course) -> None:
    """Two writings of one rule seldom make the same mistake."""
    assert [r.met for r in readings("P1", of)] == expected_shift(of, "warning", 1)
    assert [r.met for r in readings("P2", of)] == expected_shift(of, "growth", -1)


@settings(max_examples=200, deadline=None)
@given(any_course())
def test_good_news_can_be_checked_from_its_evidence_alone(of: Course) -> None:
    """Each step that made it good news is on the page with its numbers: the means by anybody, the rest by the model."""
    for reading in readings("N", of):
        if reading.met:
            assert reading.evidence is not None
            evidence = reading.evidence()
            for step in evidence.steps:
                if "lie further apart" in step.what:
                    difference, error = step.working.split(" > ")
                    high, low = difference.split(" − ")
                    assert float(high) - float(low) > float(error)
            sure = any("twice the error" in step.what for step in evidence.steps)
            assert sure or "N2" in {constant.name[-2:] for constant in evidence.constants}


# --- redoing a flag from its evidence alone ------------------------------------------------------------------------


def mean_of(form: FormUsed, lines: tuple[str, ...]) -> float:
    raw = {line: form.values[line] for line in lines if form.values[line] is not None}
    return sum(4 - v if line in REVERSED else v for line, v in raw.items()) / len(raw)  # type: ignore[operator,misc]


@settings(max_examples=200, deadline=None)
@given(any_course())
def test_a_shift_can_be_redone_from_its_evidence_alone(of: Course) -> None:
    """From raw answers and constants on the page to the same answer, without looking anything up."""
    for rule, score, lines, sign in (("P1", "warning", WARNING, 1), ("P2", "growth", GROWTH, -1)):
        for reading in readings(rule, of):
            if not reading.met:
                continue
            assert reading.evidence is not None
            evidence = reading.evidence()
            for form in evidence.forms:
                assert form.values[score] == pytest.approx(mean_of(form, lines))
            base = [mean_of(f, lines) for f in evidence.forms if f.role.startswith("baseline")]
            pair = [mean_of(f, lines) for f in evidence.forms if f.role in ("first", "second")]
            sd, retest, factor = (constant.value for constant in evidence.constants)
            width = factor * sd * sqrt(1 - retest) * sqrt(1 + 1 / len(base))
            over = min(sign * (value - sum(base) / len(base)) / width for value in pair) - 1
            assert over > 0
            assert over == pytest.approx(reading.score)
            assert {constant.origin for constant in evidence.constants} == {"assumed", "rule"}


@settings(max_examples=60, deadline=None)
@given(any_course())
def test_all_evidence_fits_the_schema_and_comes_back_the_same(of: Course) -> None:
    """It is stored and read again: what does not survive that cannot be shown."""
    schema = EvidenceSchema()
    for rule in RULES:
        for reading in readings(rule, of):
            if reading.evidence is not None:
                assert reading.met is True
                evidence = reading.evidence()
                assert schema.load(schema.dump(evidence)) == evidence
                assert evidence.reason
                assert evidence.clears_when
                assert evidence.forms


def test_the_lines_that_moved_most_are_three_and_in_the_direction_that_carried_it() -> None:
    """By raw answer, reverse lines turned; a line that moved the other way is no reason."""
    before = answers(W1=0, W2=0, W3=4, W4=2, W5=1, N1=2)
    after = answers(W1=1, W2=4, W3=0, W4=4, W5=4, N1=4)
    moves = evidence_of("P1", course(before, before, after, after)).moves
    assert [(m.item, m.before, m.after) for m in moves] == [("W2", 0, 4), ("W3", 4, 0), ("W5", 1, 4)]
    reason = evidence_of("P1", course(before, before, after, after)).reason
    assert "“I have cared about how other people are doing” (4 to 0)" in reason


def test_a_line_blank_at_the_baseline_is_not_said_to_have_moved() -> None:
    """From nothing to 4 is no rise of 4."""
    before, after = answers(W1=None, W2=0, W5=0), answers(W1=4, W2=4, W5=4, N1=4)
    assert "W1" not in [m.item for m in evidence_of("P1", course(before, before, after, after)).moves]


# --- the sentences, once each in full ------------------------------------------------------------------------------


def test_p1_reads_as_the_pattern() -> None:
    """The pattern of the clinical model, word by word: it was weighed."""
    assert evidence_of("P1", course(*same(2), RISEN, answers(warning=21))).reason == (
        "On the last two forms (2 March, 30 March 2026) the six reliance and outlook lines averaged 3.3 and 3.5; the "
        "first two (5 January, 2 February 2026) averaged 1.3. The rise is larger than the 0.9 we assume for ordinary "
        "ups and downs (an assumption, not yet measured). Lines that moved most: “I have cared about how other people "
        "are doing” (3 to 0), “When I think about who I am, I mostly think about what is wrong with me” (2 to 4), "
        "“When I feel bad, I need to talk with my therapist before I can feel okay” (2 to 4). Most rises of this kind "
        "do not mean that something is wrong: a hard stretch or an early phase can do this. You might ask how the "
        "client sees it."
    )


def test_years_are_told_where_they_differ() -> None:
    """28 December and 25 January are not of one year."""
    forms = [scored(GR18, form, 40 + 4 * n) for n, form in enumerate([*same(2), RISEN, RISEN])]
    assert "(7 December 2026, 4 January 2027)" in evidence_of("P1", course(*forms)).reason


def test_dates_are_those_of_the_form_s_own_offset() -> None:
    """A form of 23:30 in Auckland is of that day, not of the day in London."""
    forms = [*same(2), RISEN, RISEN]
    placed = [scored(GR18, form, 4 * n) for n, form in enumerate(forms)]
    placed[-1] = replace(placed[-1], authored=datetime.fromisoformat("2026-04-01T00:30:00+13:00"))
    assert "1 April 2026)" in evidence_of("P1", course(*placed)).reason


def examples() -> dict[str, Course]:
    symptoms = Course("c-1", PHQ9, (phq9(12, 0), phq9(10, 11)))
    check = Course("c-1", TS8, (scored(TS8, {"T3": 4}, 3, frozenset({"shared"})),))
    return {
        "R1": course(*[answers(growth=18, warning=6)] * 2, *[answers(growth=18, warning=20)] * 6),
        "P1": course(*same(2), RISEN, RISEN),
        "P2": course(*same(2), *[answers(growth=10)] * 2),
        "P3": course(*[RELIEVED] * 3),
        "P4": coming(*[STILL] * 4, others={"phq9": symptoms}),
        "P5": course(*[reliance(10)] * 4),
        "P6": course(scored(GR18, answers(W5=0), 4), others={"ts8": check}),
        "P7": course(answers(W2=4, W5=4)),
        "N": course(*[answers(N2=0)] * 2, *[answers(growth=38, warning=0, N2=4)] * 4),
        "pattern": course(dict.fromkeys((*GROWTH, *WARNING), 2)),
        "S": Course("c-1", PHQ9, (phq9(3, 0, Q9=2),)),
    }


@pytest.mark.parametrize("rule", sorted(RULES.keys() - {"pattern", "S"}))
def test_every_rule_names_its_basis_in_the_first_two_sentences(rule: str) -> None:
    """Which lines, which forms: clinical.md 5, rule 4. The assumed error, or that none is known, is there too."""
    evidence = evidence_of(rule, examples()[rule])
    first_two = ". ".join(evidence.reason.split(". ")[:2])
    assert "2026" in first_two
    assert "lines" in first_two or "“" in first_two
    assert "we assume for ordinary ups and downs" in first_two or "is not known" in first_two
    assert "You might ask" in evidence.reason


def test_evidence_of_p4_lists_what_was_read_of_the_symptom_measures() -> None:
    """A reader must see that a measure in use was looked at, and by which published figure."""
    evidence = evidence_of("P4", examples()["P4"])
    assert any("|10 − 12| ≥ 6" in step.working or "|10 − 12| >= 6" in step.working for step in evidence.steps)
    assert "published" in {constant.origin for constant in evidence.constants}
    alone = evidence_of("P4", coming(*[STILL] * 4))
    assert "no measure of symptoms is in use" in alone.reason


def test_evidence_says_which_forms_were_passed_over() -> None:
    """ "Two in a row" with a blank form between them must be seen to be so."""
    blank = {name: value for name, value in answers().items() if name not in WARNING}
    evidence = evidence_of("P1", course(*same(2), RISEN, blank, RISEN))
    step = next(step for step in evidence.steps if "passed over" in step.what)
    assert step.result == 1
    assert "30 March 2026" in step.working


def test_evidence_after_a_change_of_therapist_says_so() -> None:
    """Or the reader looks for the baseline at the beginning of the course."""
    change = START.replace(month=2, day=10)
    reason = evidence_of("P1", course(*same(4), RISEN, RISEN, therapists=(change,))).reason
    assert "the first two since the change of therapist (2 March, 30 March 2026) averaged 1.3" in reason
