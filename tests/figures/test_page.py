"""The practice's own figures as they stand on the page and in --json."""

from __future__ import annotations

from dataclasses import replace

import pytest
from handrail.plugin_core.report import practice
from handrail.plugin_core.report.page import report_html
from handrail.plugin_core.words import speaking

from ..core.report_fake import AS_OF, FIGURES, invented


def test_the_page_shows_what_was_asked_came_back_and_was_of_use() -> None:
    """A practice that cannot see whether prompts help will drop them, or keep them for no reason."""
    html = report_html(invented(), as_of=AS_OF)  # type: ignore[arg-type]
    for text in ("This practice in the last 365 days", "68 in 100 (81 of 120)", "67 in 100 (4 of 6)", "22.5", "2.5"):
        assert text in html, text


def test_too_few_are_said_to_be_too_few() -> None:
    """A share of two people is about those two."""
    few = replace(FIGURES, asked=4, answered=1, clients=3, useful={"yes": 1, "no": 0, "unsure": 0}, days_to_seen=None)
    assert [value for _, value in practice.rows(few)].count("fewer than 5, so no share is given") == 4
    assert practice.facts(few)["answered_share"] is None


def test_the_figures_speak_the_practice_s_language() -> None:
    """Half a page in another language is read by nobody."""
    english = practice.rows(FIGURES)
    with speaking("de"):
        german = practice.rows(FIGURES)
    assert {name for name, _ in english} & {name for name, _ in german} == set()
    assert (german[2][1], german[5][1]) == ("22,5", "2,5")


def test_facts_have_the_numbers_behind_each_share() -> None:
    """Who reads --json must be able to redo the division."""
    facts = practice.facts(FIGURES)
    assert facts["answered_share"] == pytest.approx(facts["answered"] / facts["asked"])
    assert facts["useful_share"] == pytest.approx(facts["useful"]["yes"] / 6)
    assert facts["prompts_per_hundred_clients_a_year"] == pytest.approx(22.5)
