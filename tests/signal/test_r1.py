"""Rule R1: it finds the pattern, says why it does not judge, never looks ahead, and raises nothing from nothing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from handrail.plugin_core.contracts import Reading
from handrail.plugin_core.rules.life import episodes
from handrail.plugin_core.rules.view import APART, STRAIGHT
from handrail.plugin_core.signal.constants import BUDGETS, constants
from handrail.plugin_core.signal.rule import (
    AFTER_GAP,
    ALONE,
    FEW_FORMS,
    FEW_WEEKS,
    follow_course,
    prepare,
    rule_r1,
    spacing_of,
)
from handrail.plugin_core.words import speaking
from handrail.schemas.records import Course, Evidence
from handrail.schemas.vocab import Blank
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.courses import GR18, START, any_course, course, scored

pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")

R1 = rule_r1()
GROWTH, WARNING = GR18.score("growth").items, GR18.score("warning").items


def lines(growth: int, warning: int, **changes: int | Blank) -> dict[str, int | Blank]:
    """Answers at about these levels, lines turned round where they are worded the other way, a little uneven."""
    found: dict[str, int | Blank] = {}
    for level, names in ((growth, GROWTH), (warning, WARNING)):
        for nth, name in enumerate(names):
            value = min(4, max(0, level + (1 if nth % 3 == 0 and level < 4 else 0)))
            found[name] = 4 - value if GR18.item(name).reverse else value
    return found | changes


def of(levels: Sequence[tuple[int, int]], every: float = 2) -> Course:
    """One form every so many weeks with these levels of growth and warning."""
    return course(*[scored(GR18, lines(*pair), n * every, name=f"f{n}") for n, pair in enumerate(levels)])


WORSENING = of([(2, 1)] * 4 + [(2, 2)] * 2 + [(1, 3)] * 10)
GROWING = of([(1, 1)] * 4 + [(2, 2)] * 2 + [(3, 2)] * 3 + [(4, 2)] * 7)
STEADY = of([(2, 1)] * 16)


def read(found: Course, budget: int = 5) -> Sequence[Reading]:
    return R1.judge(found) if budget == 5 else rule_r1(budget=budget).judge(found)


def test_reliance_that_rises_while_growth_stands_still_is_found() -> None:
    """The very pattern that the product is for."""
    found = episodes(R1, WORSENING)
    assert len(found) == 1
    assert found[0].closed is None
    assert 6 <= found[0].opened <= 12


@pytest.mark.parametrize("benign", [GROWING, STEADY], ids=["growing", "steady"])
def test_growth_or_a_steady_low_course_is_left_alone(benign: Course) -> None:
    """A prompt about somebody who grows would be noise, and noise is switched off."""
    assert episodes(R1, benign) == []


def test_the_flag_clears_when_the_pattern_ends() -> None:
    """A flag that never goes is not looked at any more."""
    found = episodes(R1, of([(2, 1)] * 4 + [(1, 3)] * 8 + [(3, 1)] * 12))
    assert len(found) == 1
    assert found[0].closed is not None


def test_a_budget_is_a_limit_and_nothing_else() -> None:
    """A practice that chooses fewer prompts gets a part of the same ones, from the same numbers."""
    numbers = {budget: [one.score for one in read(WORSENING, budget)] for budget in BUDGETS}
    met = {budget: {n for n, one in enumerate(read(WORSENING, budget)) if one.met} for budget in BUDGETS}
    assert numbers[2] == numbers[5] == numbers[10]
    assert met[2] <= met[5] <= met[10]
    limits = [constants().limit(budget, 1.0) for budget in BUDGETS]
    assert limits == sorted(limits, reverse=True)
    with pytest.raises(ValueError, match="no budget of 3"):
        rule_r1(budget=3)


def test_the_limit_follows_how_often_forms_come() -> None:
    """From fewer forms a number strays further: one limit for all would prompt more about those who are asked less."""
    known = constants()
    assert spacing_of([0, 7, 21, 28], known) == [known.most_spacing, 1.0, 1.5, 1.3]
    assert spacing_of([0, 28, 400, 428], known)[2:] == [known.most_spacing, 4.0], "only weeks that are looked back on"
    for budget in BUDGETS:
        limits = [known.limit(budget, spacing) for spacing in (0.5, 1, 2, 4, 6, 20)]
        assert limits == sorted(limits)
        assert limits[0] == limits[1]
        assert limits[4] == limits[5]
    steps = episodes(R1, WORSENING)[0].evidence().steps
    assert "2 weeks between the forms" in steps[-2].what


# --- bad input: a defined result and a reason each -------------------------------------------------------------------


def test_one_form_is_too_few() -> None:
    """Nothing follows from one form."""
    assert list(read(of([(0, 4)]))) == [FEW_FORMS]


def test_the_first_twelve_weeks_are_not_judged() -> None:
    """Early reliance is ordinary."""
    readings = read(of([(0, 4)] * 20, every=1))
    assert [one.why for one in readings[:12]] == [FEW_FORMS.why] * 2 + [FEW_WEEKS.why] * 10
    assert readings[12].met is not None


def test_ten_forms_on_one_day_are_one() -> None:
    """A form sent ten times by a slip must not weigh ten times."""
    day = [scored(GR18, lines(0, 4), n / 7 / 24, name=f"d{n}") for n in range(10)]
    later = [scored(GR18, lines(0, 4), 13 + n / 7 / 24, name=f"e{n}") for n in range(10)]
    found = course(*day, *later)
    assert all(one.met is None and one.why for one in read(found))
    assert episodes(R1, found) == []


def test_the_first_weeks_after_a_gap_of_two_years_raise_nothing() -> None:
    """What went on in between is not known: two forms a week apart say nothing of the weeks before them, yet the model
    would fill these in, and the reason would speak of most of the last 21 weeks."""
    forms = [scored(GR18, lines(2, 1), n * 2, name=f"a{n}") for n in range(8)]
    forms += [scored(GR18, lines(0, 4), 118 + n * 2, name=f"b{n}") for n in range(9)]
    readings = read(course(*forms))
    assert readings[7].met is not None
    assert readings[8] == ALONE
    assert readings[9:14] == [AFTER_GAP] * 5
    assert all(one.met for one in readings[14:])
    assert [one.opened for one in episodes(R1, course(*forms))] == [14]


@pytest.mark.parametrize("first", [1, 2])
def test_a_gap_after_the_very_first_forms_counts_as_well(first: int) -> None:
    """Somebody who came twice, stayed away for a year and begins anew is in the first weeks again."""
    forms = [scored(GR18, lines(2, 1), n, name=f"a{n}") for n in range(first)]
    forms += [scored(GR18, lines(0, 4), 52 + n, name=f"b{n}") for n in range(14)]
    readings = read(course(*forms))
    assert all(one.met is None for one in readings[: first + 12])
    assert readings[first + 12].met


def test_forms_that_all_lie_far_apart_are_never_judged_and_say_why() -> None:
    """Two forms a year show no stretch of time at all."""
    readings = read(of([(0, 4)] * 6, every=26))
    assert all(one.met is None and one.why for one in readings)


def test_constant_answers_are_passed_over() -> None:
    """The same number on every line agrees with both sides of it."""
    forms = [scored(GR18, dict.fromkeys((*GROWTH, *WARNING), 4), n * 2, name=f"s{n}") for n in range(12)]
    found = course(*(replace(one, straight_line=True) for one in forms))
    assert set(read(found)) == {STRAIGHT}


def test_forms_without_answers_are_passed_over() -> None:
    """A blank form is not a form of zeros."""
    blank = course(*[scored(GR18, {}, n * 2, name=f"n{n}") for n in range(12)])
    assert all(one.met is None and one.score is None and one.why for one in read(blank))


def test_forms_kept_apart_by_their_tags_are_passed_over() -> None:
    """Somebody else's answers are not the client's."""
    found = replace(WORSENING, forms=tuple(replace(one, tags=frozenset({"proxy"})) for one in WORSENING.forms))
    assert set(read(found)) == {APART}


def test_a_start_at_the_ceiling_is_high_and_not_risen() -> None:
    """High from the first form on, growth still: found by its level, not by a rise that cannot be seen."""
    assert episodes(R1, of([(1, 4)] * 12))
    assert not episodes(R1, of([(1, 4), (1, 3), (2, 3), (2, 2), (3, 2), (3, 1), (4, 1), (4, 0), (4, 0), (4, 0)]))


def test_half_of_the_lines_missing_is_read_from_the_other_half() -> None:
    """The score's own least number would throw such forms away; the model is only less sure."""
    gone = dict.fromkeys((*GROWTH[::2], *WARNING[::2]))
    forms = [
        scored(GR18, {k: v for k, v in {**form.answers, **gone}.items() if v is not None}, n * 2, name=f"h{n}")
        for n, form in enumerate(WORSENING.forms)
    ]
    readings = read(course(*forms))
    assert any(one.met for one in readings)
    first = next(n for n, one in enumerate(read(WORSENING)) if one.met)
    assert next(n for n, one in enumerate(readings) if one.met) >= first


def test_a_new_therapist_begins_anew() -> None:
    """What was said of the work with one therapist is not held against the next."""
    changed = replace(WORSENING, therapists=(START + timedelta(weeks=21),))
    readings = read(changed)
    assert readings[11] == FEW_FORMS
    assert readings[13] == FEW_WEEKS


# --- promises for all courses ---------------------------------------------------------------------------------------


def _until(found: Course, count: int) -> Course:
    return replace(found, forms=found.forms[:count])


@settings(deadline=None, max_examples=60)
@given(any_course(), st.integers(1, 40))
def test_nothing_hangs_on_what_comes_later(found: Course, count: int) -> None:
    """A flag of today that a later form takes back was never one. Cut anywhere, what was said stays as it was."""
    whole, cut = read(found), read(_until(found, count))
    assert [(one.met, one.score, one.why) for one in whole[:count]] == [(one.met, one.score, one.why) for one in cut]


@settings(deadline=None, max_examples=60)
@given(any_course())
def test_every_form_has_a_reading_within_bounds(found: Course) -> None:
    """A number of weeks cannot be below nought or above the weeks looked at; what is not judged says why."""
    readings = read(found)
    assert len(readings) == len(found.forms)
    for one in readings:
        assert (one.met is None) == (one.score is None) == (one.why is not None)
        assert one.score is None or 0 <= one.score <= constants().look_back + 1


@settings(deadline=None, max_examples=30)
@given(st.lists(any_course(), min_size=1, max_size=6))
def test_a_page_says_what_each_course_says_alone(page: list[Course]) -> None:
    """A client's flag must not hang on who else was read in the same breath."""
    alone = [[(one.met, one.score) for one in read(found)] for found in page]
    prepare(page, apart=frozenset({"under-age", "proxy", "interpreter"}))
    together = [[(one.met, one.score) for one in read(found)] for found in page]
    prepare([], apart=frozenset())
    assert together == alone


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 15), st.sampled_from(WARNING))
def test_more_reliance_on_the_last_form_never_lowers_the_number(nth: int, name: str) -> None:
    """Answering a reliance line higher must not talk a flag away. (One line: the style that it shows moves as well.)"""
    form = WORSENING.forms[nth]
    step = -1 if GR18.item(name).reverse else 1
    raised = {**form.answers, name: min(4, max(0, int(form.answers[name]) + step))}
    changed = replace(WORSENING, forms=(*WORSENING.forms[:nth], scored(GR18, raised, nth * 2, name=form.id)))
    before, after = read(_until(WORSENING, nth + 1))[-1].score, read(changed)[-1].score
    if before is not None and after is not None:
        assert after >= before - 0.25


def test_years_of_weekly_forms_go_on_being_read() -> None:
    """A therapy of five years is followed in blocks; each form has its number, and the pattern is found late too."""
    quiet = [scored(GR18, lines(3, 0), n, name=f"q{n}") for n in range(200)]
    high = [scored(GR18, lines(2, 3), 200 + n, name=f"h{n}") for n in range(40)]
    readings = read(course(*quiet, *high))
    assert all(one.met is False for one in readings[12:200])
    assert any(one.met for one in readings[205:])


# --- what it says ---------------------------------------------------------------------------------------------------


def test_the_evidence_adds_up() -> None:
    """The weeks of the evidence must add up to the number that raised the flag, or nobody can check it."""
    episode = episodes(R1, WORSENING)[0]
    evidence = episode.evidence()
    weeks = [step for step in evidence.steps if step.what.startswith(("Week of", "The other weeks"))]
    total = sum(float(step.result) for step in weeks if step.result is not None)
    assert total == pytest.approx(episode.score, abs=0.001)
    assert evidence.steps[-1].result is True
    assert evidence.moves
    assert {one.origin for one in evidence.constants} == {"assumed", "rule"}


def test_the_reason_counts_no_weeks_from_before_the_first_form() -> None:
    """ "Of the last 21 weeks" of somebody who has come for thirteen would be read as an error, and is one."""
    early = episodes(R1, of([(1, 4)] * 20, every=1))[0]
    assert early.opened == 12
    assert "of the last 13 weeks" in early.evidence().reason
    late = episodes(R1, of([(2, 1)] * 12 + [(1, 3)] * 10))[0]
    assert "of the last 21 weeks" in late.evidence().reason


def test_the_reason_names_its_basis_and_no_probability() -> None:
    """Clinical wording: lines, forms, how far, which error; no chance, no grade, no instruction."""
    reason = episodes(R1, WORSENING)[0].evidence().reason
    assert "the six reliance and outlook lines averaged" in reason
    assert "(an assumption, not yet measured)" in reason
    assert "%" not in reason
    assert "You might ask how the client sees it." in reason


def test_evidence_is_in_the_language_and_of_the_constants_of_its_own_practice() -> None:
    """Parts of it are kept; two practices in one process would read each other's words and numbers."""

    def with_sd(sd: float) -> Course:
        scores = tuple(replace(one, change=one.change and replace(one.change, sd=sd)) for one in GR18.scores)
        return replace(WORSENING, instrument=replace(GR18, scores=scores))

    def evidence(language: str, found: Course) -> Evidence:
        with speaking(language):
            return episodes(R1, found)[0].evidence()

    ours = with_sd(0.6)
    english, german, wider = evidence("en", ours), evidence("de", ours), evidence("en", with_sd(0.7))
    assert evidence("en", ours) == english
    assert not {one.name for one in english.constants} & {one.name for one in german.constants}
    assert not {one.what for one in english.steps} & {one.what for one in german.steps}
    assert [one.result for one in english.steps][-5:] == [one.result for one in german.steps][-5:]
    assert [{one.value for one in found.constants if "deviation" in one.name} for found in (english, wider)] == [
        {0.6},
        {0.7},
    ]


def test_a_course_is_followed_alike_whether_prepared_or_not() -> None:
    """The look-up is by the course itself, so another client's course is never mistaken for it."""
    prepare([GROWING], apart=frozenset({"under-age", "proxy", "interpreter"}))
    assert follow_course(WORSENING).view.course is WORSENING


def test_numpy_is_not_paid_for_by_commands_that_judge_nothing() -> None:
    """`handrail --help` and `flags` start at once; numpy takes a tenth of a second and is for judging alone."""
    code = (
        "import sys; from handrail.plugin_core.manager import Plugins;"
        "from handrail.plugin_core.registry import Registry; assert 'R1' in Registry(Plugins()).rules;"
        "from handrail.plugin_core.cli import run; run(['--help']); assert 'numpy' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
