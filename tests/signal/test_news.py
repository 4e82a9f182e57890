"""Good news (N version 2): told when it is sure, silent where it only looks so, readable where it is of version 1."""

from __future__ import annotations

from dataclasses import replace

import pytest
from handrail.plugin_core.report.plot import legend, plot
from handrail.plugin_core.report.series import series_of
from handrail.plugin_core.rules.life import episodes
from handrail.plugin_core.signal.news import rule_n
from handrail.plugin_core.signal.picture import picture
from handrail.schemas.records import Course
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.courses import GR18, any_course, course, scored

from .test_r1 import GROWING, R1, STEADY, WORSENING, lines, of

N = rule_n()
GREW = of([(1, 1)] * 4 + [(2, 1)] * 2 + [(3, 1)] * 10)


def test_growth_that_is_sure_is_told_and_says_what_it_rests_on() -> None:
    """Practices drop tools that only bring bad news."""
    [flag] = episodes(N, GREW)
    evidence = flag.evidence()
    assert flag.rule.version == "2"
    assert "show clearly that growth has gone up" in evidence.reason
    assert "You might ask what the client has done differently." in evidence.reason
    assert any("twice the error" in step.what for step in evidence.steps)
    assert {one.origin for one in evidence.constants} == {"assumed", "rule"}


@pytest.mark.parametrize("silent", [STEADY, WORSENING, GROWING, of([(4, 0)] * 14)])
def test_nothing_is_told_of_a_course_that_stays_where_it_is_or_worsens(silent: object) -> None:
    """Well from the first form on is no change, however sure later forms are; nor is growth beside more reliance."""
    assert episodes(N, silent) == []  # type: ignore[arg-type]


def test_the_first_twelve_weeks_are_not_judged() -> None:
    """A good month is not yet good news."""
    assert episodes(N, of([(1, 1)] * 2 + [(4, 1)] * 8, every=1)) == []


def test_the_rise_of_n2_still_counts_by_itself() -> None:
    """To picture an end is news on a course whose scores stand still, also before the twelfth week."""
    forms = [scored(GR18, lines(2, 1, N2=1 if n < 4 else 3), 2 * n, name=f"f{n}") for n in range(6)]
    [flag] = episodes(N, course(*forms))
    assert flag.opened == 4
    assert flag.evidence().reason.count("You might ask") == 1


@settings(deadline=None, max_examples=60)
@given(any_course(), st.booleans())
def test_every_course_has_a_reading_a_form_and_the_quick_look_never_lies(of: Course, alone: bool) -> None:
    """Whatever comes: no exception, a reason where nothing is judged, and what `possible` rules out is met nowhere."""
    given_course = replace(of, forms=of.forms[:1]) if alone else of
    for rule in (N, R1):
        readings = rule.judge(given_course)
        assert len(readings) == len(given_course.forms)
        assert all(one.met is not None or one.why for one in readings)
        assert rule.possible is not None
        if not rule.possible(given_course):
            assert not any(one.met for one in readings)


@pytest.mark.filterwarnings("ignore:Generating overly large repr")
@settings(deadline=None, max_examples=15)
@given(st.lists(any_course(), min_size=1, max_size=3))
def test_a_page_that_was_prepared_is_looked_at_more_closely_and_no_less_truly(page: list[Course]) -> None:
    """In a page the quick look goes by the model's own numbers: a course that it rules out raises no flag, ever."""
    begun = [replace(one, forms=one.forms[:n]) for one in (WORSENING, GREW) for n in range(1, len(one.forms))]
    page += [*begun, WORSENING, GREW]  # among those that have begun is each rule's first form
    assert N.prepare is not None
    N.prepare(page)
    looks = [(rule.id, rule.possible) for rule in (N, R1)]
    ruled_out = {(name, index) for name, look in looks for index, one in enumerate(page) if look and not look(one)}
    N.prepare([])
    for rule in (N, R1):
        for index, one in enumerate(page):
            if (rule.id, index) in ruled_out:
                assert not any(reading.met for reading in rule.judge(one)), rule.id
    assert ("R1", len(page) - 2) not in ruled_out
    assert ("N", len(page) - 1) not in ruled_out


def test_the_terminal_draws_what_the_model_saw_and_the_weeks_that_raised_the_flag() -> None:
    """The plot of `handrail explain`: both courses with their uncertainty, the stretch darker and under-lined."""
    flag = episodes(R1, WORSENING)[0]
    model = picture(WORSENING, flag.form.id)
    drawn = series_of(WORSENING, "warning")
    text = plot(drawn, marked=[flag.form.id], model=model)
    assert any("▓" in line for line in text)
    assert "━" in text[-2]
    assert "━" not in plot(drawn)[-2]
    words = legend([drawn], frozenset(), model=model)
    assert "the weeks that raised this flag" in words
    assert "around the baseline" not in words
