"""The rules say what docs/rules.md says, to the day and to the decimal. A rule that is off by one form or one step
either cries wolf or keeps silent, and nobody could tell from the page."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from math import sqrt
from typing import Any

import pytest
from handrail.plugin_core.rules import builtin_rules
from handrail.plugin_core.rules.bands import limits, reliable_change
from handrail.plugin_core.rules.safety import worse
from handrail.plugin_core.words import speaking
from handrail.schemas.records import Change, Course, Instrument, ScoredForm
from handrail.schemas.vocab import Blank
from hypothesis import given, settings

from .courses import (
    GR18,
    GROWTH,
    PHQ9,
    RULES,
    START,
    TS8,
    WARNING,
    answers,
    any_course,
    course,
    met,
    phq9,
    readings,
    scored,
    until,
)

pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")  # a course is a large thing to print

RISEN = answers(warning=20)
FALLEN = answers(growth=10)
STRAIGHT: dict[str, int | Blank] = dict.fromkeys((*GROWTH, *WARNING), 4)


def same(forms: int, **lines: int | Blank | None) -> list[dict[str, int | Blank]]:
    return [answers(**lines) for _ in range(forms)]  # type: ignore[arg-type]


# --- the constants -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("score", "sem", "step", "band"),
    [("growth", 0.40, 1.11, 0.80), ("warning", 0.45, 1.25, 0.91), ("reliance", 0.62, 1.71, 1.24)],
)
def test_bands_follow_from_the_constants_by_formula(score: str, sem: float, step: float, band: float) -> None:
    """The table of the clinical model; a typed-in band would not follow when a practice has constants of its own."""
    found = limits(GR18.score(score).change)
    assert found is not None
    assert round(found.pair.sem, 2) == sem
    assert round(found.single.width, 2) == step
    assert round(found.pair.width, 2) == band


def test_no_band_without_a_known_error() -> None:
    """A vendor's score without SD or retest correlation gets no band at all instead of a band of nought."""
    assert limits(None) is None
    assert limits(Change("published", "a manual", reliable=6)) is None
    assert reliable_change(Change("published", "a manual", reliable=6)) == (6, ">=")


def exact_band(width: float) -> Instrument:
    """`gr18` with constants that make the two-in-a-row band of warning as wide as asked."""
    change = Change("assumed", "made up for a test", sd=width / (1.645 * sqrt(1.5) * sqrt(1 - 0.75)), retest=0.75)
    scores = tuple(replace(s, change=change) if s.id == "warning" else s for s in GR18.scores)
    return replace(GR18, scores=scores)


@pytest.mark.parametrize("width", [0.5, 1.0, 1.5, 1 / 3, 5 / 6])
def test_exactly_on_the_band_is_not_beyond_it(width: float) -> None:
    """The rule says "more than"; binary floating point must not decide a prompt."""
    base, step = 6, round(width * 6)
    for total, expected in ((base + step, False), (base + step + 1, True), (base + step - 1, False)):
        instrument = exact_band(width)
        forms = [answers(warning=base)] * 2 + [answers(warning=total)] * 2
        found = readings("P1", course(*forms, instrument=instrument))[-1]
        assert found.met is expected
        assert found.score is not None
        assert (found.score > 0) is expected
        if total == base + step:
            assert found.score == 0.0


# --- P1 and P2: two in a row against the baseline --------------------------------------------------------------------


def test_p1_needs_two_forms_in_a_row_after_a_baseline_of_two() -> None:
    """Not before the fourth form, and one form alone never prompts: 15 to 20 % of stable clients would be."""
    assert met("P1", course(*same(2), RISEN, RISEN)) == [None, None, None, True]
    assert met("P1", course(*same(2), RISEN, *same(1), RISEN)) == [None, None, None, False, False]


def test_p1_with_a_baseline_of_one_form_uses_the_wider_band_and_the_third_form() -> None:
    """More than six weeks between the first two: the first alone is the baseline."""
    apart = [scored(GR18, answers(), 0), scored(GR18, RISEN, 7), scored(GR18, RISEN, 11)]
    assert met("P1", course(*apart)) == [None, None, True]
    between = answers(warning=8 + 7)  # up by 7/6 = 1.17: beyond 0.91, within 1.25
    assert met("P1", course(scored(GR18, answers(), 0), *[scored(GR18, between, w) for w in (7, 11)]))[-1] is False
    assert met("P1", course(*same(2), between, between))[-1] is True


@pytest.mark.parametrize(("days", "third"), [(42, None), (43, True)])
def test_six_weeks_apart_to_the_day(days: int, third: bool | None) -> None:
    """At most 6 weeks is a pair, whatever the hour of the day; a day more is not."""
    later = scored(GR18, RISEN, days / 7)
    later = replace(later, authored=later.authored + timedelta(hours=9))
    assert met("P1", course(scored(GR18, answers(), 0), later, scored(GR18, RISEN, 12)))[2] is third


def test_p2_is_p1_for_growth_turned_round() -> None:
    """A fall of growth prompts, a rise does not."""
    assert met("P2", course(*same(2), FALLEN, FALLEN))[-1] is True
    assert met("P2", course(*same(2), answers(growth=38), answers(growth=38)))[-1] is False
    assert met("P1", course(*same(2), answers(warning=0), answers(warning=0)))[-1] is False


def test_running_number_is_the_smaller_distance_in_bands() -> None:
    """Any threshold can be studied afterwards from it, so it must be the very quantity of the rule."""
    found = readings("P1", course(*same(2), answers(warning=20), answers(warning=16)))[-1]
    assert found.score == pytest.approx((8 / 6) / (1.645 * 0.85 * sqrt(0.28) * sqrt(1.5)) - 1)


@pytest.mark.parametrize(
    "between",
    [
        pytest.param(answers(warning=8, W1=None, W2=Blank.DECLINED), id="no score"),
        pytest.param(STRAIGHT, id="straight line"),
        pytest.param(scored(GR18, answers(warning=0), 10, frozenset({"proxy"})), id="proxy"),
        pytest.param(scored(GR18, answers(warning=0), 10, frozenset({"under-age"})), id="under age"),
        pytest.param(scored(GR18, answers(warning=0), 10, frozenset({"interpreter"})), id="interpreter"),
    ],
)
def test_forms_passed_over_do_not_break_a_row(between: dict[str, int | Blank] | ScoredForm) -> None:
    """A blank form between two risen ones is no sign that all is well again; nor does it count as one of the two."""
    forms = [*same(2), RISEN, between, RISEN]
    placed = [f if isinstance(f, ScoredForm) else scored(GR18, f, 4 * n) for n, f in enumerate(forms)]
    found = readings("P1", course(*placed))
    assert [reading.met for reading in found] == [None, None, None, None, True]
    assert found[3].why is not None


def test_forms_passed_over_do_not_make_the_baseline() -> None:
    """A straight line of fours as a baseline would hide every later rise."""
    assert met("P1", course(STRAIGHT, *same(2), RISEN, RISEN)) == [None, None, None, None, True]


def test_a_practice_may_let_tagged_forms_in() -> None:
    """Clinical.md 3.7: under-age, proxy and interpreter forms stay out unless the practice switches them on."""
    tagged = [scored(GR18, f, 4 * n, frozenset({"interpreter"})) for n, f in enumerate([*same(2), RISEN, RISEN])]
    assert met("P1", course(*tagged)) == [None] * 4
    switched = next(rule for rule in builtin_rules(frozenset()) if rule.id == "P1")
    same_course = course(*tagged)
    assert met("P1", same_course) == [None] * 4
    assert met(switched, same_course)[-1] is True, "the two ways must not share what they prepared"


def test_a_new_therapist_starts_the_baseline_again() -> None:
    """Reliance on another person is another series: what rose before is not held against the new work."""
    forms = [*same(2), *[RISEN] * 4]
    change = START + timedelta(weeks=7)
    assert met("P1", course(*forms))[3:] == [True, True, True]
    assert met("P1", course(*forms, therapists=(change,))) == [None, None, None, None, None, False]


@pytest.mark.parametrize(("width", "step"), [(0.5, 5), (1.0, 10), (1.5, 15), (0.3, 3), (0.7, 7)])
def test_growth_exactly_on_its_band_is_within_it(width: float, step: int) -> None:
    """One form against the band (P4, P5) goes by the same ">" as two in a row."""
    change = Change("assumed", "made up for a test", sd=width / (1.645 * sqrt(1.5) * sqrt(1 - 0.75)), retest=0.75)
    instrument = replace(GR18, scores=tuple(replace(s, change=change) if s.id == "growth" else s for s in GR18.scores))
    for total, expected in ((20 + step, True), (20 + step + 1, False), (20 - step, True), (20 - step - 1, False)):
        forms = [answers(growth=20, F2=1)] * 3 + [answers(growth=total, F2=1)]
        assert met("P4", coming(*forms, instrument=instrument))[-1] is expected, total
        steady = {**answers(growth=total), "W2": 3, "W5": 3, "N1": 3}
        of = course(*[{**answers(growth=20), "W2": 3, "W5": 3, "N1": 3}] * 3, steady, instrument=instrument)
        assert met("P5", of)[-1] is (total <= 20 + step), total


# --- P3 to P7, N ---------------------------------------------------------------------------------------------------

RELIEVED = answers(F1=3, F2=1)


@pytest.mark.parametrize(("days", "expected"), [(55, None), (56, True)])
def test_p3_not_before_eight_weeks(days: int, expected: bool | None) -> None:
    """Early in therapy relief without new steps is what anyone would expect."""
    forms = [scored(GR18, RELIEVED, d / 7) for d in (0, 28, days)]
    assert met("P3", course(*forms))[-1] is expected


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [("yyy", True), ("yyn", False), ("yyny", True), ("ynyn", False), ("nyyy", True), ("yynny", False)],
)
def test_p3_on_three_of_the_last_four_forms(pattern: str, expected: bool) -> None:
    """Three of four, not four of four and not two."""
    forms = [RELIEVED if letter == "y" else answers(F1=3, F2=2) for letter in pattern]
    assert met("P3", course(*forms))[-1] is expected


def test_p3_limits_are_3_and_1() -> None:
    """F1 at 2 or F2 at 2 is not the pattern; a form without one of the two lines is passed over."""
    assert met("P3", course(*[answers(F1=2, F2=0)] * 3))[-1] is False
    assert met("P3", course(*[answers(F1=4, F2=2)] * 3))[-1] is False
    assert met("P3", course(RELIEVED, RELIEVED, answers(F1=4, F2=None), RELIEVED)) == [None, None, None, True]


def reliance(total: int) -> dict[str, int | Blank]:
    values = {"W2": total // 3 + (total % 3 > 0), "W5": total // 3 + (total % 3 > 1), "N1": total // 3}
    return answers(**values)


def test_p5_at_exactly_three_on_three_forms_after_twelve_weeks() -> None:
    """At 3.0 it holds (">="), at 2.67 it does not, and never in the first twelve weeks: early reliance is ordinary."""
    assert met("P5", course(*[reliance(9)] * 5)) == [None, None, None, True, True]
    assert met("P5", course(*[reliance(9)] * 4, reliance(8)))[-1] is False
    early = [scored(GR18, reliance(12), w) for w in (0, 4, 8, 83 / 7)]
    assert met("P5", course(*early))[-1] is None


def test_p5_is_silent_while_growth_is_up() -> None:
    """Reliance beside clear growth is not to be flagged."""
    up = answers(growth=35, W2=3, W5=3, N1=3)
    assert met("P5", course(*[reliance(9)] * 3, up))[-1] is False
    assert met("P5", course(*[reliance(9)] * 3, answers(growth=33, W2=3, W5=3, N1=3)))[-1] is True
    unscored = answers(G1=None, G2=None, G3=None, W2=3, W5=3, N1=3)
    assert met("P5", course(*[reliance(9)] * 3, unscored))[-1] is None, "growth unknown is not growth standing still"


def coming(*forms: dict[str, int | Blank], sessions: int | None = 8, **more: Any) -> Course:
    held = None if sessions is None else tuple(START + timedelta(days=n) for n in range(sessions))
    return course(*forms, sessions=held, **more)


STILL = answers(F2=1)


def test_p4_says_so_where_the_platform_gives_no_sessions() -> None:
    """Not evaluated is not "all is well"."""
    found = readings("P4", coming(*[STILL] * 5, sessions=None))
    assert {reading.met for reading in found} == {None}
    assert {reading.why for reading in found} == {"not evaluated: the platform gives no sessions"}


@pytest.mark.parametrize(("sessions", "expected"), [(7, None), (8, True)])
def test_p4_not_before_eight_attended_sessions(sessions: int, expected: bool | None) -> None:
    """Sessions after the form do not count for it either."""
    assert met("P4", coming(*[STILL] * 4, sessions=sessions))[-1] is expected
    late = tuple(START + timedelta(weeks=12, days=n) for n in range(8))
    assert met("P4", course(*[STILL] * 4, sessions=late))[-1] is None


def test_p4_not_before_twelve_weeks_and_only_while_nothing_moves() -> None:
    """Growth moved either way, or a new step on one of the last two forms: then it is not the pattern."""
    assert met("P4", coming(*[STILL] * 4)) == [None, None, None, True]
    for growth in (10, 38):
        assert met("P4", coming(*[STILL] * 3, answers(growth=growth, F2=1)))[-1] is False
    assert met("P4", coming(*[STILL] * 2, answers(F2=2), STILL))[-1] is False
    assert met("P4", coming(*[STILL] * 3, answers(F2=2)))[-1] is False


@pytest.mark.parametrize(("totals", "expected"), [((12, 7), True), ((12, 6), False), ((6, 12), False), ((6, 11), True)])
def test_p4_a_reliable_change_of_symptoms_either_way_is_change(totals: tuple[int, int], expected: bool) -> None:
    """PHQ-9: 6 points or more, as published (">=")."""
    other = Course("c-1", PHQ9, (phq9(totals[0], 0), phq9(totals[1], 11)))
    assert met("P4", coming(*[STILL] * 4, others={"phq9": other}))[-1] is expected


def test_p4_does_not_look_at_symptoms_after_its_form() -> None:
    """A reading depends on nothing after its form."""
    other = Course("c-1", PHQ9, (phq9(20, 0), phq9(2, 13)))
    assert met("P4", coming(*[STILL] * 4, others={"phq9": other}))[-1] is True


def views(client: int, therapist: int, weeks: float = 0, tags: frozenset[str] = frozenset({"shared"})) -> bool | None:
    check = Course("c-1", TS8, (scored(TS8, {"T3": therapist}, weeks, tags),))
    form = scored(GR18, answers(W5=client), 4)
    return met("P6", course(form, others={"ts8": check}))[0]


@pytest.mark.parametrize(
    ("client", "therapist", "expected"),
    [(1, 3, True), (0, 4, True), (3, 1, True), (4, 0, True), (2, 4, False), (1, 2, False), (3, 2, False)],
)
def test_p6_two_views(client: int, therapist: int, expected: bool) -> None:
    """Little beside much, either way round; anything else is agreement enough."""
    assert views(client, therapist) is expected


def test_p6_only_if_shared_within_four_weeks_and_before() -> None:
    """The self-check is private unless the therapist shares it; an old one says nothing about now."""
    assert views(0, 4, tags=frozenset()) is None
    assert views(0, 4, weeks=-1 / 7) is None
    assert views(0, 4, weeks=0) is True
    assert views(0, 4, weeks=4.1) is None
    assert met("P6", course(answers(W5=0))) == [None]


def test_p7_at_4_on_w2_or_w5() -> None:
    """Shown on the page of that form only; a straight line of fours says nothing."""
    forms = [answers(W2=4), answers(W5=4), answers(W1=4, N1=4, W2=3, W5=3), STRAIGHT, answers(W2=None, W5=None)]
    assert met("P7", course(*forms)) == [True, True, False, None, None]


def test_pattern_note_on_every_straight_line() -> None:
    """Vectors C and F of the clinical model carry the note."""
    twos = dict.fromkeys((*GROWTH, *WARNING), 2)
    assert met("pattern", course(twos, STRAIGHT, answers())) == [True, True, False]


def test_nothing_is_prompted_from_straight_lines() -> None:
    """A clicked-through form is no client's view."""
    forms: list[dict[str, int | Blank]] = [{**STRAIGHT, "F1": 4, "F2": 0}] * 8
    for rule in ("P1", "P2", "P3", "P4", "P5", "P6", "P7", "N"):
        assert True not in met(rule, coming(*forms, sessions=20)), rule


def test_n_growth_up_or_warning_down() -> None:
    """Good news is told when it is sure by the model, from 12 weeks on, and when the means show it."""
    assert met("N", course(*same(2), *[answers(growth=38)] * 4))[-1] is True
    assert met("N", course(*same(2, warning=20), *same(4)))[-1] is True
    assert met("N", course(*same(6))) == [None, None, None, False, False, False]
    assert met("N", course(*[answers(growth=36, warning=2)] * 6))[-1] is False, "high from the start is no change"


def test_n_is_silent_where_the_other_score_went_the_wrong_way() -> None:
    """Reliance that rises while growth rises is no plain good news."""
    assert met("N", course(*same(2), *[answers(growth=38, warning=20)] * 4))[-1] is False


@pytest.mark.parametrize(("rise", "expected"), [(1, False), (2, True)])
def test_n_when_n2_has_risen_by_two(rise: int, expected: bool) -> None:
    """From the fourth answer on, as P1; N2 is optional, and without it the rule goes by the scores."""
    forms = [answers(N2=1), answers(N2=1), answers(N2=4), answers(N2=1 + rise)]
    assert met("N", course(*forms)) == [None, None, None, expected]


# --- S -------------------------------------------------------------------------------------------------------------


def safety(*forms: ScoredForm) -> Course:
    return Course("c-1", PHQ9, forms)


def test_s_on_each_form_with_such_an_answer_whatever_the_total() -> None:
    """Complete or not, low total or high: the answer is relayed at once."""
    blank = {f"Q{n}": Blank.EMPTY for n in range(1, 9)}
    found = met("S", safety(phq9(0, 0, Q9=1), phq9(24, 1), phq9(0, 2, Q9=3, **blank), phq9(3, 3, Q9=Blank.DECLINED)))
    assert found == [True, False, True, None]


def test_s_wording_is_as_given_and_shows_what_was_not_answered() -> None:
    """The words were chosen with care: no grade, an action that is the protocol's, and what the answer is not."""
    reading = readings("S", safety(phq9(5, 0, Q9=1)))[0]
    assert reading.evidence is not None
    assert reading.evidence().reason == (
        "Item 9 was answered “several days”. Please talk with the client today or follow your protocol. "
        "The answer is not a measure of danger."
    )
    core = replace(PHQ9, safety=(*PHQ9.safety, replace(PHQ9.safety[0], item="Q8")))
    form = phq9(5, 0, Q9=1, Q8=Blank.EMPTY)
    evidence = readings("S", Course("c-1", core, (form,)))[0].evidence
    assert evidence is not None
    assert "not answered" in [step.result for step in evidence().steps]


def test_s_for_a_free_text_marked_as_urgent() -> None:
    """Also on our own form, which has no such line."""
    form = scored(GR18, answers(), 0, frozenset({"urgent"}))
    reading = readings("S", course(form))[0]
    assert reading.met is True
    assert reading.evidence is not None
    assert reading.evidence().reason.startswith("A free text was marked as urgent by the client. Please talk")
    with speaking("de"):
        german = reading.evidence()
    assert "urgent" not in str(german.steps), "a step in English among German ones"
    assert not worse(german, reading.evidence()), "another language is no news"


# --- what holds for all --------------------------------------------------------------------------------------------


def bad_courses() -> dict[str, Course]:
    blank = dict.fromkeys([*GROWTH, *WARNING], Blank.EMPTY)
    day = [scored(GR18, answers(warning=n * 2), n / 70, name=f"f{n}") for n in range(10)]
    return {
        "no form": course(),
        "one form": course(answers()),
        "ten forms on one day": course(*day),
        "two years between": course(scored(GR18, answers(), 0), scored(GR18, RISEN, 104), scored(GR18, RISEN, 208)),
        "all lines missing": course(*[blank] * 5),
        "no lines at all": course(*[{}] * 5),
        "baseline at the ceiling": course(*[answers(growth=40, warning=23)] * 6),
        "constant answers": course(*[answers()] * 12),
    }


@pytest.mark.parametrize("case", bad_courses())
def test_odd_courses_get_a_defined_result_and_no_flag_from_nothing(case: str) -> None:
    """No exception, one reading a form, a reason wherever nothing was judged."""
    for rule in RULES:
        found = readings(rule, bad_courses()[case])
        assert len(found) == len(bad_courses()[case].forms)
        assert all(reading.why for reading in found if reading.met is None)
        if case in {"all lines missing", "no lines at all", "constant answers", "one form"}:
            assert not any(reading.met for reading in found), rule


def plain(found: list) -> list:  # type: ignore[type-arg]
    return [(r.met, r.score, r.why, r.evidence() if r.evidence else None) for r in found]


@settings(max_examples=150, deadline=None)
@given(any_course())
def test_no_reading_depends_on_a_later_form(whole: Course) -> None:
    """Or the page would rewrite what it said last month. Evidence included."""
    for index, form in enumerate(whole.forms):
        cut = until(whole, form.authored)
        assert len(cut.forms) == index + 1
        for rule in RULES.values():
            assert plain(readings(rule, cut))[-1] == plain([readings(rule, whole)[index]])[0], rule.id


@settings(max_examples=100, deadline=None)
@given(any_course())
def test_the_same_course_gives_the_same_readings(whole: Course) -> None:
    """No clock, no randomness, nothing left over from the course before."""
    first = {name: plain(readings(name, whole)) for name in RULES}
    for name in reversed(RULES):
        readings(name, course(RISEN, RISEN))
        assert plain(readings(name, whole)) == first[name]


def test_order_and_kinds_are_the_design_s() -> None:
    """R1 comes before P1; notes and safety never compete with prompts for the one place."""
    prompts = sorted((r for r in RULES.values() if r.kind == "prompt"), key=lambda r: r.order)
    assert [rule.id for rule in prompts] == ["R1", "P1", "P5", "P2", "P3", "P4", "P6"]
    assert prompts[0].order > 0
    assert {r.id for r in RULES.values() if r.kind == "note"} == {"P7", "pattern"}
    assert RULES["N"].kind == "good-news"
    assert RULES["S"].kind == "safety"
