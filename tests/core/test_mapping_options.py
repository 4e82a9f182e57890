"""Which option is which number: by words in any order, by numbers only where they are ours, never shifted silently."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from handrail.plugin_core.contracts import RemoteAnswer, RemoteQuestion
from handrail.plugin_core.instruments import builtin_one
from handrail.plugin_core.mapping.options import NUMBERS, SAME, Matched, match
from handrail.plugin_core.mapping.wordings import wordings_of
from handrail.schemas.vocab import Blank
from hypothesis import given
from hypothesis import strategies as st

GR18 = builtin_one("gr18")
ITEM = GR18.item("G1")
LABELS = [option.label for option in ITEM.options]
WORDS = {option.label: Blank.DECLINED if option.value is None else option.value for option in ITEM.options}


def matched(*labels: str, observed: bool = False, weights: Sequence[float] = ()) -> Matched:
    """The match of options with these labels."""
    given = weights or (None,) * len(labels)
    options = [RemoteAnswer(label=label, weight=weight) for label, weight in zip(labels, given, strict=True)]
    return match(RemoteQuestion("q", ITEM.text, options), ITEM, wordings_of(GR18), observed=observed)


@given(order=st.permutations(LABELS))
def test_words_decide_in_whatever_order_they_stand(order: list[str]) -> None:
    """Some platforms list the strongest first; the position in a list is no number."""
    found = matched(*order)
    assert (found.problem, found.sure) == (None, SAME)
    assert found.options == WORDS


@pytest.mark.parametrize(
    "write",
    [
        "{n} - {label}",
        "{n}: {label}",
        "{n} = {label}",
        "{label} ({n})",
        "{label} [{n}]",
        "({n}) {label}",
        "{n} {label}",
    ],
)
def test_a_number_beside_the_words_is_read_and_must_agree(write: str) -> None:
    """Where the platform's own number contradicts ours, somebody has to look."""
    worded = LABELS[:5]
    found = matched(*(write.format(n=n, label=label) for n, label in enumerate(worded)))
    assert found.problem is None
    assert sorted(set(found.options.values())) == [0, 1, 2, 3, 4]
    shifted = matched(*(write.format(n=n + 1, label=label) for n, label in enumerate(worded)))
    assert shifted.problem == "an option that has another number on the platform"


def test_numbers_without_words_are_ours_only_when_they_are_exactly_ours_and_never_sure() -> None:
    """Nobody can tell from 0 to 4 alone which end is "not true"."""
    found = matched("0", "1", "2", "3", "4")
    assert (found.problem, found.sure) == (None, NUMBERS)
    assert found.options == {str(n): n for n in range(5)}
    assert matched("0", "1", "2", "3").problem == "the options do not cover the line's numbers"


@pytest.mark.parametrize(
    "numbers", [("1", "2", "3", "4", "5"), ("0", "1", "2", "3", "4", "5"), ("2", "4", "6", "8", "10")]
)
def test_another_span_of_numbers_is_said_and_never_shifted(numbers: tuple[str, ...]) -> None:
    """1 to 5 read as 0 to 4 would move every client by a fifth of the scale."""
    found = matched(*numbers)
    assert "not shifted" in (found.problem or "")
    assert matched(*numbers, observed=True).problem == found.problem


def test_weights_of_another_span_are_said_too() -> None:
    """The platform scores 1 to 5 by itself."""
    found = matched(*LABELS[:5], weights=(1.0, 2.0, 3.0, 4.0, 5.0))
    assert found.problem == "an option that has another number on the platform"


def test_words_at_the_ends_and_numbers_between_are_read_as_ours() -> None:
    """The usual print of such a scale."""
    found = matched(f"0 {LABELS[0]}", "1", "2", "3", f"4 {LABELS[4]}")
    assert (found.problem, found.sure) == (None, NUMBERS)
    assert sorted(set(found.options.values())) == [0, 1, 2, 3, 4]


def test_options_met_in_answers_may_be_fewer_and_the_rest_is_taken_from_the_words() -> None:
    """Nobody has ticked "Very true" yet."""
    found = matched(LABELS[1], LABELS[3], observed=True)
    assert found.problem is None
    assert found.options == WORDS


def test_numbers_met_in_answers_must_show_where_they_begin() -> None:
    """1 to 4 met: a scale of 0 to 4 without a 0, or one of 1 to 5 without a 5."""
    assert "cannot be told" in (matched("1", "2", "4", observed=True).problem or "")
    found = matched("0", "3", observed=True)
    assert (found.problem, found.sure) == (None, NUMBERS)
    assert found.options == {str(n): n for n in range(5)}
    assert matched(observed=True).problem is not None


@pytest.mark.parametrize(
    ("labels", "problem"),
    [
        ((*LABELS, LABELS[0]), "two options of one name"),
        ((*LABELS[:4], "Absolutely"), "an option whose number is not known"),
        (LABELS[:4], "the options do not cover the line's numbers"),
        ((LABELS[0].upper(), *LABELS), None),
    ],
)
def test_what_is_wrong_with_options_is_said(labels: Sequence[str], problem: str | None) -> None:
    """Two labels that differ in case alone are one label with one number."""
    assert matched(*labels).problem == problem


@given(
    labels=st.lists(st.one_of(st.sampled_from(LABELS), st.text(max_size=12), st.integers(-3, 12).map(str)), max_size=8)
)
def test_whatever_the_options_are_a_match_without_a_problem_covers_the_line(labels: list[str]) -> None:
    """No label gets a number by any other way than words, its own number, or the platform's weight."""
    found = matched(*labels)
    if found.problem is None:
        assert {value for value in found.options.values() if not isinstance(value, Blank)} == set(ITEM.values)
    for name, value in found.options.items():
        assert WORDS.get(name, value) == value
