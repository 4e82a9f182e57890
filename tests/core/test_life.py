"""The life of a flag, line by line of the table in the design. A flag that opens twice nags, one that closes by itself
hides, and both would be believed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from handrail.plugin_core.contracts import Reading, RuleSpec
from handrail.plugin_core.rules import life
from handrail.plugin_core.rules.life import Episode, episodes, notes, shown, stale
from handrail.schemas.records import Course, Hold
from hypothesis import given, settings
from hypothesis import strategies as st

from .courses import GR18, PHQ9, RULES, START, answers, any_course, course, phq9, scored, until

pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")


def said(pattern: str, kind: str = "prompt", name: str = "X") -> RuleSpec:
    """A rule that says yes (y), no (n) or that it could not judge (-), form by form."""
    met = {"y": True, "n": False, "-": None}

    def judge(course: Course) -> Sequence[Reading]:
        return [
            Reading(met[letter], why="not judged" if letter == "-" else None) for letter in pattern[: len(course.forms)]
        ]

    return RuleSpec(name, "1", "A rule", "gr18", judge, kind)


def forms(count: int, every: float = 4) -> Course:
    return course(*[scored(GR18, answers(), n * every, name=f"f{n}") for n in range(count)])


def lives(pattern: str, every: float = 4, kind: str = "prompt", **guards: object) -> list[tuple[int, int | None]]:
    found = episodes(said(pattern, kind), forms(len(pattern), every), **guards)  # type: ignore[arg-type]
    return [(episode.opened, episode.closed) for episode in found]


def hold(start_week: float, until_week: float) -> Hold:
    first, last = (START + timedelta(weeks=w) for w in (start_week, until_week))
    return Hold("c-1", first.date(), last.date(), "a loss", "a clinician")


# --- raised, cleared ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("", []),
        ("nnnn", []),
        ("--y", [(2, None)]),
        ("yyyy", [(0, None)]),
        ("ynyn", [(0, None)]),
        ("ynn", [(0, 2)]),
        ("yn-n", [(0, 3)]),
        ("yn--", [(0, None)]),
        ("ynnyn", [(0, 2), (3, None)]),
        ("ynnynn", [(0, 2), (3, 5)]),
        ("nny", [(2, None)]),
    ],
)
def test_raised_when_met_and_cleared_by_two_false_in_a_row(
    pattern: str, expected: list[tuple[int, int | None]]
) -> None:
    """One false form does not clear, two in a row do, a form that could not be judged is passed over."""
    assert lives(pattern) == expected


def test_a_flag_raised_anew_is_another_flag() -> None:
    """Its key is made from the form that opened it."""
    found = episodes(said("ynny"), forms(4))
    assert [episode.key_form for episode in found] == ["f0", "f3"]


def test_what_cleared_it_is_told() -> None:
    """On which two forms the condition was false; a standing flag has nothing to tell."""
    found = episodes(said("yn-n"), forms(4))[0]
    assert [form.id for form in found.closing_evidence().forms] == ["f1", "f3"]
    assert "2 February, 30 March 2026" in found.closing_evidence().reason
    with pytest.raises(ValueError, match="has not cleared"):
        episodes(said("y"), forms(1))[0].closing_evidence()


# --- guards delay, and nothing else ---------------------------------------------------------------------------


def test_a_hold_delays_the_opening_and_never_clears() -> None:
    """A crisis is no time for a prompt; what stands goes on standing, and what still holds afterwards is raised."""
    assert lives("nyyyy", holds=[hold(3, 9)]) == [(3, None)]
    assert lives("yyyyy", holds=[hold(3, 100)]) == [(0, None)]
    assert lives("ynnnn", holds=[hold(3, 100)]) == [(0, 2)]
    assert lives("nynnn", holds=[hold(3, 5)]) == []


@pytest.mark.parametrize(("start", "until_week", "held"), [(4, 4, True), (1, 27 / 7, False), (29 / 7, 9, False)])
def test_a_hold_counts_its_first_and_last_day(start: float, until_week: float, held: bool) -> None:
    """`until` is the last day of the hold, not the day after."""
    assert lives("ny", holds=[hold(start, until_week)]) == ([] if held else [(1, None)])


def test_a_hold_silences_prompts_only() -> None:
    """Good news goes through, and nothing may ever silence a safety answer."""
    always = [hold(-1, 100)]
    assert lives("yyy", holds=always) == []
    assert lives("yyy", kind="good-news", holds=always) == [(0, None)]
    assert lives("yny", kind="safety", holds=always) == [(0, None), (2, None)]


@pytest.mark.parametrize(("days", "expected"), [(0, []), (27, []), (28, [(0, None)]), (-1, [(0, None)])])
def test_within_four_weeks_of_a_new_therapist(days: int, expected: list[tuple[int, None]]) -> None:
    """They have hardly met; from the 28th day on they have. A therapist who comes later is no guard."""
    when = START - timedelta(days=days)
    one = replace(forms(1), therapists=(when,))
    assert [(e.opened, e.closed) for e in episodes(said("y"), one)] == expected
    assert [(e.opened, e.closed) for e in episodes(said("y", "good-news"), one)] == [(0, None)]


def test_a_therapist_who_starts_later_on_the_day_of_the_form_is_no_guard() -> None:
    """The form was judged by what lay before it; the change did not."""
    one = replace(forms(1), therapists=(START + timedelta(hours=3),))
    assert [episode.opened for episode in episodes(said("y"), one)] == [0]


def acknowledged(week: float) -> dict[str, datetime]:
    return {"f0": START + timedelta(weeks=week)}


def test_acknowledged_stays_and_is_quiet_for_twelve_weeks() -> None:
    """Seen is seen: no new flag while the old one stands, however long."""
    assert lives("y" * 10, acknowledged=acknowledged(1)) == [(0, None)]
    assert lives("ynnyy", every=2, acknowledged=acknowledged(1)) == [(0, 2)], "week 6 and 8: still quiet"


@pytest.mark.parametrize(("day", "opens"), [(83, False), (84, True)])
def test_after_twelve_weeks_a_condition_that_came_true_anew_is_raised_again(day: int, opens: bool) -> None:
    """To the day; and only if it had been false in between."""
    placed = [scored(GR18, answers(), d / 7, name=f"f{n}") for n, d in enumerate((0, 7, 14, day))]
    found = episodes(said("ynny"), course(*placed), acknowledged={"f0": START + timedelta(hours=3)})
    assert [episode.opened for episode in found] == ([0, 3] if opens else [0])


def test_quiet_delays_it_does_not_swallow() -> None:
    """True anew within the quiet weeks and still true after them: raised then."""
    assert lives("ynnyyy", acknowledged=acknowledged(1)) == [(0, 2), (4, None)]


def test_an_acknowledgement_that_comes_later_changes_nothing_before_it() -> None:
    """As-of of each form is its own time: what stood in the chart in March did stand there."""
    assert lives("ynny", acknowledged=acknowledged(30)) == [(0, 2), (3, None)]
    assert lives("ynny") == lives("ynny", acknowledged={"another form": START})


# --- safety, notes, good news ---------------------------------------------------------------------------------


def test_each_safety_answer_is_an_episode_that_only_a_person_closes() -> None:
    """A later 0 does not take back what was said."""
    of = Course("c-1", PHQ9, (phq9(1, 0, Q9=1), phq9(1, 1), phq9(1, 2), phq9(1, 3), phq9(1, 4, Q9=2)))
    found = episodes(RULES["S"], of, holds=[hold(-1, 100)], acknowledged={"phq9-0": START})
    assert [(episode.opened, episode.closed) for episode in found] == [(0, None), (4, None)]


def test_notes_have_no_life() -> None:
    """A line on the pre-session page of one form: it neither stands nor clears."""
    of = course(answers(W2=4), answers(), answers(W2=4))
    assert episodes(RULES["P7"], of) == []
    assert [episode.key_form for episode in notes(RULES["P7"], of)] == [of.forms[0].id, of.forms[2].id]
    assert notes(RULES["P1"], of) == []


def test_good_news_has_a_life() -> None:
    """It is taken off the page when it no longer holds."""
    assert lives("ynn", kind="good-news") == [(0, 2)]


# --- which is shown -------------------------------------------------------------------------------------------


def opened(rule: RuleSpec) -> Episode:
    return Episode(rule, forms(1), Reading(True), 0)


def test_the_first_by_order_is_shown_and_the_rest_stay_behind_more() -> None:
    """One prompt a client and form. Good news always; safety on its own, never in one list with a prompt."""
    every = [opened(rule) for rule in RULES.values() if rule.id != "R1"]
    found = shown(every)
    assert found.first is not None
    assert found.first.rule.id == "P1"
    assert [episode.rule.id for episode in found.more] == ["P5", "P2", "P3", "P4", "P6"]
    assert [episode.rule.id for episode in found.good_news] == ["N"]
    assert [episode.rule.id for episode in found.safety] == ["S"]
    assert shown([*every, opened(RULES["R1"])]).first.rule.id == "R1"  # type: ignore[union-attr]
    assert shown([]).first is None


@pytest.mark.parametrize(("days", "expected"), [(70, False), (71, True)])
def test_stale_after_ten_weeks(days: int, expected: bool) -> None:
    """Older than 10 weeks: not at ten weeks to the day. A course without forms is stale."""
    assert stale(forms(1), START + timedelta(days=days)) is expected
    assert stale(forms(0), START) is True


# --- for all courses ------------------------------------------------------------------------------------------

HOLDS = st.lists(
    st.tuples(st.integers(0, 400), st.integers(0, 100)).map(
        lambda pair: Hold(
            "c-1", date(2026, 1, 1) + timedelta(pair[0]), date(2026, 1, 1) + timedelta(sum(pair)), "r", "a"
        )
    ),
    max_size=3,
)


@settings(max_examples=120, deadline=None)
@given(any_course(), HOLDS, st.dictionaries(st.sampled_from([f"f{n}" for n in range(12)]), st.integers(0, 500)))
def test_no_life_depends_on_what_comes_later(of: Course, holds: list[Hold], seen: dict[str, int]) -> None:
    """Openings and closings up to any form are the same with and without what followed."""
    when = {name: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days) for name, days in seen.items()}
    for rule in RULES.values():
        whole = [(e.opened, e.closed) for e in episodes(rule, of, holds=holds, acknowledged=when)]
        assert all(a[1] is not None and a[1] < b[0] for a, b in pairwise(whole) if rule.id != "S")
        for index, form in enumerate(of.forms):
            cut = until(of, form.authored)
            part = [(e.opened, e.closed) for e in episodes(rule, cut, holds=holds, acknowledged=when)]
            assert part == [(o, c if c is None or c <= index else None) for o, c in whole if o <= index]


@settings(max_examples=120, deadline=None)
@given(st.text("yn-", max_size=14), HOLDS)
def test_guards_only_delay(pattern: str, holds: list[Hold]) -> None:
    """A guarded flag opens later or not at all, never where the condition is not met, and never within a hold."""
    of = forms(len(pattern))
    for episode in episodes(said(pattern), of, holds=holds):
        assert pattern[episode.opened] == "y"
        assert not any(h.start <= episode.form.authored.date() <= h.until for h in holds)
    assert RULES["P1"].kind == life.PROMPT


@settings(max_examples=300, deadline=None)
@given(any_course())
def test_a_quick_look_passes_over_no_course_on_which_its_rule_is_met(of: Course) -> None:
    """Else a flag that is due would never rise, and nobody would know."""
    for rule in RULES.values():
        if any(reading.met for reading in rule.judge(of)):
            assert rule.possible is None or rule.possible(of), rule.id
