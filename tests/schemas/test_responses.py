"""The flat response: judged by the form's own options, one bad record costs that record."""

from __future__ import annotations

from typing import Any

import pytest
from handrail.plugin_core.instruments import builtin, builtin_one
from handrail.schemas.problems import problems
from handrail.schemas.records import Response
from handrail.schemas.responses import ResponseSchema, answer_checker, judge
from handrail.schemas.vocab import Blank, Mode, QuarantineReason, ResponseStatus
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import ValidationError

SCHEMA = ResponseSchema(builtin())
GR18 = builtin_one("gr18")
CHECK = answer_checker(GR18)


def flat(**changes: Any) -> dict[str, Any]:
    plain = {
        "id": "r-1",
        "client": "Patient/1",
        "instrument": "gr18",
        "instrument_version": "1",
        "authored": "2026-03-02T23:30:00-08:00",
        "answers": {"G1": 3, "G2": None, "W1": "declined"},
    }
    return {**plain, **changes}


def refused(**changes: Any) -> tuple[str, ...]:
    with pytest.raises(ValidationError) as caught:
        SCHEMA.load(flat(**changes))
    return problems(caught.value)


def test_a_flat_record_becomes_a_response() -> None:
    """What was not said takes its plain default, an empty line stays empty, the offset stays the form's own."""
    found = SCHEMA.load(flat(tags=["proxy"], mode="paper", totals={"total": 13}))
    assert isinstance(found, Response)
    assert found.answers == {"G1": 3, "G2": Blank.EMPTY, "W1": Blank.DECLINED}
    assert (found.status, found.mode) == (ResponseStatus.COMPLETED, Mode.PAPER)
    assert found.authored.day == 2
    assert (found.tags, found.totals) == (frozenset({"proxy"}), {"total": 13})


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        ({"G1": 5}, "answers.G1: is not among the answers that the line offers"),
        ({"G1": -1}, "answers.G1: is not among the answers that the line offers"),
        ({"G1": 2.7}, "answers.G1: must be a whole number"),
        ({"G1": 3.0}, "answers.G1: must be a whole number"),
        ({"G1": "3"}, "answers.G1: must be a whole number"),
        ({"G1": True}, "answers.G1: must be a whole number"),
        ({"G1": [3]}, "answers.G1: must be a whole number"),
        ({"Q1": 1}, "answers.Q1: the form has no such line"),
        ({"G1": 1, "Anna Smith": 1}, "answers.?: the form has no such line"),
        ([], "answers: must be an object"),
        (None, "answers: must not be null"),
    ],
)
def test_f56_answers_that_the_form_does_not_offer(answers: Any, says: str) -> None:
    """Each is named by its path, and none is ever taken as a number."""
    assert any(line.startswith(says) for line in refused(answers=answers))


def test_all_bad_answers_are_named_at_once() -> None:
    """A person mends the mapping once, not once a line."""
    assert len(refused(answers={"G1": 5, "G2": "x", "Q9": 1, "G3": 2})) == 3


@pytest.mark.parametrize(
    "changes",
    [{"instrument": "who5"}, {"instrument_version": "2"}, {"instrument": ["gr18"]}, {"instrument_version": {}}],
)
def test_f68_a_form_that_is_not_known_here(changes: dict[str, Any]) -> None:
    """A version that nobody wrote down is not scored as if it were the known one."""
    assert any("no form of that name and version" in line for line in refused(**changes))


good_answers = st.dictionaries(
    st.sampled_from([item.id for item in GR18.items]),
    st.integers(0, 4) | st.none() | st.sampled_from([blank.value for blank in Blank]),
)


@given(good_answers)
def test_what_the_form_offers_passes_and_nothing_is_added(answers: dict[str, Any]) -> None:
    """A line that was left out stays out: it is scoring that counts it as empty."""
    found = CHECK(answers)
    assert found.keys() == answers.keys()
    for line, raw in answers.items():
        assert found[line] == (Blank.EMPTY if raw is None else raw)


@given(good_answers, st.text(), st.integers() | st.floats() | st.text() | st.booleans() | st.lists(st.integers()))
def test_checker_accepts_options_only(answers: dict[str, Any], line: str, value: Any) -> None:
    """Whatever else comes is refused as a whole, whichever line it stands on."""
    fits = line in {item.id for item in GR18.items} and (
        (type(value) is int and 0 <= value <= 4) or value in ("empty", "declined")
    )
    if not fits:
        with pytest.raises(ValidationError):
            CHECK({**answers, line: value})


def test_without_forms_only_types_are_judged() -> None:
    """A row of the store was judged when it came in; reading it again needs no instrument."""
    loose = ResponseSchema()
    assert loose.load(flat(instrument="acme", answers={"X": 99})).answers == {"X": 99}
    with pytest.raises(ValidationError):
        loose.load(flat(answers={"X": 2.7}))


def test_two_schemas_do_not_share_their_forms() -> None:
    """A practice's own copy of a form must not become the judge of another practice's."""
    narrow = ResponseSchema([builtin_one("phq9")])
    assert SCHEMA.load(flat())
    with pytest.raises(ValidationError):
        narrow.load(flat())
    assert SCHEMA.load(flat())


@pytest.mark.parametrize(
    ("changes", "reason", "where"),
    [
        ({"authored": None}, QuarantineReason.NO_TIME, "authored"),
        ({"authored": "2026-03-02"}, QuarantineReason.NO_TIME, "authored"),
        ({"client": ""}, QuarantineReason.NO_CLIENT, "client"),
        ({"answers": {"G1": 9}}, QuarantineReason.UNKNOWN_ANSWER, "answers.G1"),
        ({"status": "weird"}, QuarantineReason.SHAPE, "status"),
        ({"language": "a\x00"}, QuarantineReason.SHAPE, "language"),
        ({"client": "\ud800"}, QuarantineReason.NO_CLIENT, "client"),
    ],
)
def test_one_bad_record_costs_that_record(changes: dict[str, Any], reason: QuarantineReason, where: str) -> None:
    """F52, F53: a page of 500 is never lost to one entry, and the reason is one that a person can act on."""
    page = [flat(id="a"), flat(id="b", **changes), flat(id="c")]
    good, bad = judge(SCHEMA, page)
    assert [response.id for response in good] == ["a", "c"]
    assert [(one.index, one.reason, one.where) for one in bad] == [(1, reason, where)]


def test_an_entry_that_is_no_object_costs_itself_only() -> None:
    """Even a number in the list of records is one record set aside."""
    good, bad = judge(SCHEMA, [flat(), 5])  # type: ignore[list-item]
    assert len(good) == 1
    assert (bad[0].index, bad[0].reason) == (1, QuarantineReason.SHAPE)


def test_a_good_page_is_kept_in_order() -> None:
    """Order is what lets a later version of a form win."""
    good, bad = judge(SCHEMA, [flat(id=str(n)) for n in range(50)])
    assert [response.id for response in good] == [str(n) for n in range(50)]
    assert bad == []
