"""The picture of R1: the course as it was seen on the day of the flag, not as later forms make it look."""

from __future__ import annotations

from dataclasses import replace

from handrail.plugin_core.report.charts import course_figure
from handrail.plugin_core.rules.life import episodes
from handrail.plugin_core.signal.picture import picture

from .test_r1 import R1, WORSENING


def test_the_picture_is_that_of_the_day() -> None:
    """A reader who sees what came later would wonder why nobody saw it then."""
    opened = episodes(R1, WORSENING)[0].opened
    form = WORSENING.forms[opened]
    whole = picture(WORSENING, form.id)
    cut = picture(replace(WORSENING, forms=WORSENING.forms[: opened + 1]), form.id)
    assert whole is not None
    assert cut is not None
    for name in ("growth", "warning"):
        assert [(one.when, round(one.mean, 9)) for one in whole.courses[name]] == [
            (one.when, round(one.mean, 9)) for one in cut.courses[name]
        ]
        assert all(one.error > 0 and 0 < one.mean < 4 for one in whole.courses[name])
    assert whole.stretch == cut.stretch
    assert whole.stretch is not None
    assert whole.stretch[0] < whole.stretch[1] <= form.authored


def test_the_page_draws_it_with_words() -> None:
    """Shape and word for each thing that is drawn."""
    form = WORSENING.forms[episodes(R1, WORSENING)[0].opened]
    html = str(course_figure(WORSENING, ("growth", "warning"), marked=[form.id], model=picture(WORSENING, form.id)))
    assert html.count('class="ribbon"') == html.count('class="path"') == html.count('class="stretch"') == 2
    assert "the weeks that raised this flag" in html
    assert 'class="band"' not in html


def test_a_form_that_is_not_read_has_no_picture() -> None:
    """Nothing is drawn on a guess."""
    assert picture(WORSENING, "no such form") is None
