"""The pictures of a course: they show what the rules saw, break where a line would lie, and say it all in words too."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from math import sqrt
from typing import Any
from xml.etree import ElementTree

import pytest
from handrail.plugin_core.report.charts import course_figure, course_svg
from handrail.plugin_core.report.plot import ASCII, ROWS, plot
from handrail.plugin_core.report.series import series_of
from handrail.plugin_core.rules import KEPT_APART
from handrail.plugin_core.rules.view import Place, View
from handrail.schemas.records import Course
from handrail.schemas.vocab import Blank
from hypothesis import example, given
from hypothesis import strategies as st

from .report_fake import RISING, course, even, form

LEVELS = st.lists(st.integers(0, 40).map(lambda tenths: tenths / 10) | st.none(), min_size=3, max_size=12)
REVERSED = frozenset({"G2", "G6", "G10"})


def growth_of(level: float | None) -> dict[str, Any]:
    """Answers on the ten growth lines with this mean, to a tenth; None leaves them empty."""
    if level is None:
        return {f"G{n}": Blank.EMPTY for n in range(1, 11)}
    whole, more = divmod(round(level * 10), 10)
    keyed = {f"G{n}": whole + (n <= more) for n in range(1, 11)}
    return {name: 4 - value if name in REVERSED else int(value) for name, value in keyed.items()}


def of_levels(levels: Sequence[float | None], **more: Any) -> Course:
    """A course with these growth scores; None is a form without growth answers."""
    return course([form(n, even() | growth_of(level)) for n, level in enumerate(levels)], **more)


def drawn(one: Course, score: str = "growth", **more: Any) -> ElementTree.Element:
    """The picture as a tree."""
    return ElementTree.fromstring(course_svg(one, score, **more))


def named(tree: ElementTree.Element, name: str) -> list[dict[str, str]]:
    """The attributes of all elements of a class."""
    return [element.attrib for element in tree.iter() if element.get("class") == name]


def test_the_band_is_the_one_that_the_rules_compute() -> None:
    """A band drawn by another formula would show a form inside that raised a prompt."""
    span = series_of(of_levels([2, 3, 1, 1]), "growth").spans[0]
    assert span.mean == pytest.approx(2.5)
    assert span.width == pytest.approx(1.645 * 0.85 * sqrt(1 - 0.78) * sqrt(1.5))
    assert span.forms == ("gr18-0", "gr18-1")
    assert span.origin == "assumed"


@given(LEVELS)
@example([2.7, None, 3.8])
@example([1.0, 1.0, 1.9, 1.7, 0.2, 0.1])
def test_a_form_beyond_the_band_is_drawn_outside_of_it_and_no_other(levels: list[float | None]) -> None:
    """The picture must never say the opposite of the rule, in SVG and in characters."""
    one = of_levels(levels)
    track = View(one, KEPT_APART).track("growth")
    assert track is not None
    places = [(n, place) for n, place in enumerate(track.places) if isinstance(place, Place)]
    tree, lines = drawn(one), plot(series_of(one, "growth"), width=80, marks=ASCII)
    for band in named(tree, "band"):
        top = float(band["y"])
        bottom = top + float(band["height"])
        circles = {float(c["cx"]): float(c["cy"]) for c in named(tree, "form")}
        (dates,) = named(tree, "dates")
        xs = [float(part.split()[0]) for part in dates["d"].split("M")[1:]]
        for number, place in places:
            y = circles[xs[number]]
            inside = top - 0.11 <= y <= bottom + 0.11
            # A band is cut off at the ends of the scale, and no answer lies beyond those. Closer than a hundredth of
            # a band nobody sees a difference.
            assert inside == (abs(place.bands) <= 1) or abs(abs(place.bands) - 1) < 0.01, (number, place)
    shaded = [n for n in range(ROWS) if set(lines[n][10:]) & {ASCII.band, ASCII.base}]
    for number, place in places:
        column = 10 + round(number / (len(levels) - 1) * 69)
        row = next(n for n in range(ROWS) if lines[n][column : column + 1] == ASCII.form)
        assert (min(shaded) <= row <= max(shaded)) == (abs(place.bands) <= 1), (number, place, lines)


def test_a_form_without_score_is_a_cross_in_a_gap() -> None:
    """A line drawn across a form that could not be scored would invent a number."""
    tree = drawn(of_levels([2, 2, 2, None, 3, 3]))
    assert len(named(tree, "none")) == 1
    assert [len(line["points"].split()) for line in named(tree, "line")] == [3, 2]
    assert len(named(tree, "form")) == 5


def test_a_new_therapist_breaks_the_line_and_begins_a_new_band() -> None:
    """Joined series of two therapists would show a change that is only a change of person."""
    one = of_levels([2] * 8, therapists=(datetime(2026, 4, 20, tzinfo=UTC),))
    tree = drawn(one)
    assert len(named(tree, "break")) == 1
    assert len(named(tree, "band")) == 2
    assert [len(line["points"].split()) for line in named(tree, "line")] == [4, 4]
    assert "new therapist" in course_svg(one, "growth")


def test_a_form_that_the_rules_pass_over_is_a_square_beside_the_line() -> None:
    """A straight-line form on the line would look as if it counted."""
    forms = [form(0, even()), form(1, even()), form(2, dict.fromkeys(even(), 4)), form(3, even())]
    tree = drawn(course(forms))
    assert len(named(tree, "passed")) == 1
    assert [len(line["points"].split()) for line in named(tree, "line")] == [3]


def test_forms_that_a_flag_rests_on_are_diamonds_and_said_in_words() -> None:
    """A mark by colour alone is lost in print and on many eyes."""
    one = of_levels([2, 2, 1, 0, 0])
    tree = drawn(one, marked={"gr18-3", "gr18-4"})
    assert len(named(tree, "rests")) == 2
    told = next(tree.iter("desc")).text or ""
    assert told.count("a form that the flag rests on") == 2
    assert "◆</b> a form that this flag rests on" in course_figure(one, ["growth"], marked={"gr18-3"})


def test_the_picture_has_a_name_and_all_its_numbers_for_a_screen_reader() -> None:
    """Without them the picture does not exist for some of those who need it."""
    tree = drawn(of_levels([2, 3, None, 1]))
    assert tree.get("role") == "img"
    assert next(tree.iter("title")).text == "Growth, 0 to 4; hoped for: up"
    told = next(tree.iter("desc")).text or ""
    for part in ("5 Jan 2026: 2.0", "2 Feb 2026: 3.0", "2 Mar 2026: no score", "Baseline from 5 Jan 2026: 2.5"):
        assert part in told


def test_the_ends_of_the_scale_are_words() -> None:
    """A bare 4 does not say whether it is much or little."""
    found = course_svg(of_levels([2, 2, 2]), "growth")
    assert "4 most" in found
    assert "0 least" in found


def test_the_same_course_gives_the_same_picture() -> None:
    """A page that differs at each writing cannot be compared with last month's."""
    one, again = of_levels([2, 3, 1]), of_levels([2, 3, 1])
    assert course_figure(one, ["growth", "warning"]) == course_figure(again, ["growth", "warning"])
    assert " id=" not in course_svg(one, "growth")


@pytest.mark.parametrize(("number", "word"), [(1, "One form"), (2, "Two forms")])
def test_few_forms_get_a_sentence_in_place_of_a_picture(number: int, word: str) -> None:
    """Two points look like a trend; and "nothing found" would read as good news."""
    found = course_figure(of_levels([2] * number), ["growth"])
    assert f"{word} so far. Change can be shown from the third form on." in found
    assert "<svg" not in found


def test_the_table_lists_what_is_missing_by_name() -> None:
    """Empty and declined are two things to a therapist, and neither is a 0."""
    answers = even(G1=Blank.DECLINED, G3=Blank.EMPTY, G5=Blank.EMPTY)
    forms = [form(n, even()) for n in range(3)] + [form(3, answers)]
    found = course_figure(course(forms), ["growth"])
    assert "7 of 10 lines answered, 8 needed; left empty: G3, G5; would rather not say: G1" in found
    assert "G1: When something hard comes up, I trust that I can deal with it." in found
    assert "no score" in found


def test_an_unanswered_safety_line_is_said() -> None:
    """A total without item 9 must not read as if item 9 had been answered (clinical.md 6)."""
    answers = {f"Q{n}": 1 for n in range(1, 9)}
    found = course_figure(course([form(n, answers, instrument="phq9") for n in range(3)], "phq9"), ["total"])
    assert "item 9: not answered" in found


def test_forms_on_one_day_and_a_single_date_can_be_drawn() -> None:
    """A division by the time between the first and the last form must not end the report."""
    one = course([form(0, even()), form(0, even()), form(0, even())])
    assert drawn(one) is not None
    assert plot(series_of(one, "growth"))


def test_coordinates_lie_inside_the_picture() -> None:
    """What lies outside is cut off and is not seen."""
    one = course([form(n, answers) for n, answers in enumerate(RISING)])
    for height in (140, 180):
        tree = drawn(one, "warning", height=height)
        numbers = [float(c["cy"]) for c in named(tree, "form")]
        assert numbers
        assert all(0 < y < height for y in numbers)
    assert not re.search(r"nan|inf", course_svg(one, "warning"))
