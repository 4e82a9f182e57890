"""Change in the published sense on the practice's page: rules at their edges, and nothing about a few people."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from handrail.plugin_core.instruments import builtin_one
from handrail.plugin_core.report import changed
from handrail.plugin_core.report.page import report_html
from handrail.plugin_core.scoring import Scorer
from handrail.schemas.records import Course, Response

from ..core.report_fake import AS_OF, invented

NOW = datetime(2026, 11, 20, tzinfo=UTC)


def phq9(client: int, *totals: int, ended: int = 10) -> Course:
    """A client with these PHQ-9 totals, four weeks apart, the last so many days ago."""
    form = builtin_one("phq9")
    scorer, forms = Scorer(form), []
    for nth, total in enumerate(totals):
        answers = {}
        for item in form.items:
            if item.id in form.scores[0].items:
                answers[item.id] = min(3, max(0, total))
                total -= answers[item.id]
        when = NOW - timedelta(days=ended, weeks=4 * (len(totals) - 1 - nth))
        forms.append(scorer.form(Response(f"{client}-{nth}", f"c{client}", "phq9", form.version, when, answers)))
    return Course(f"c{client}", form, tuple(forms))


PRACTICE = [
    phq9(1, 16, 20, 9),  # better by 7, from the clinical side to below 10
    phq9(2, 20, 14),  # better by exactly 6, still at 10 or more
    phq9(3, 15, 10),  # 5 points are too few
    phq9(4, 12, 18),  # worse by 6
    phq9(5, 9, 15),  # worse by 6, over the cut-off
    phq9(6, 16, 10),  # better by 6, but 10 itself is still on the clinical side
]


def test_the_published_rule_at_its_edges() -> None:
    """Six points or more count on the PHQ-9, and its caseness is 10 or more: one off, and people are told wrongly."""
    [found] = changed.read(PRACTICE, NOW)
    assert found.clients == 6
    assert found.counts == {"recovered": 1, "improved": 2, "unchanged": 1, "deteriorated": 1, "harmed": 1}
    assert changed.facts([found])[0]["counts"] == found.counts


def test_fewer_than_five_clients_have_no_share() -> None:
    """A share of three people is about those three."""
    [found] = changed.read(PRACTICE[:4], NOW)
    assert [value for _, value in changed.rows([found])] == ["fewer than 5, so no share is given"]
    assert changed.facts([found])[0]["counts"] is None


def test_one_form_or_none_in_the_year_says_nothing() -> None:
    """Change needs two forms; a course that ended years ago is not this year's figure."""
    assert changed.read([phq9(1, 16), phq9(2, 20, 10, ended=800)], NOW) == []
    assert changed.read([], NOW) == []


def test_assumed_errors_give_no_published_change() -> None:
    """The error of gr18 is an assumption; a reliable change from it would look like a finding."""
    assert changed.read([course for view in invented()._views.values() for course in view.courses
                         if course.instrument.id == "gr18"], AS_OF) == []  # fmt: skip


def test_the_page_shows_it() -> None:
    """Who reads the page reads how many and by which rule."""
    [found] = changed.read(PRACTICE, NOW)
    [(name, told)] = changed.rows([found])
    assert "6 clients with two forms; 6 points or more count" in name
    assert "reliably better: 33 in 100 (2 of 6)" in told
    assert "<h3" in report_html(invented(), as_of=AS_OF)  # type: ignore[arg-type]
