"""Reading a platform's form: the numbers that its mapping gives, or the plain reason why not. Never a guess."""

from __future__ import annotations

from typing import Any

import pytest
from handrail.plugin_core.contracts import RemoteAnswer, RemoteLine, RemoteResponse
from handrail.plugin_core.instruments import builtin, builtin_one
from handrail.plugin_core.mapping import FormReader, own_form, own_mapping
from handrail.plugin_core.mapping.reader import R
from handrail.schemas.records import Instrument, MappedQuestion, Mapping, Quarantined
from handrail.schemas.responses import ResponseSchema
from handrail.schemas.vocab import Blank
from hypothesis import given
from hypothesis import strategies as st

GR18 = builtin_one("gr18")
MAPPING = Mapping(
    platform="acme",
    form="acme-7",
    form_version="2",
    instrument="gr18",
    instrument_version="1",
    questions=(
        MappedQuestion("q1", "G1", "I did things that matter to me", {"Never": 0, "At times": 2, "Often": 4}),
        MappedQuestion("q2", "G2", "I decided on my own", {"a": 0, "No": 0, "b": 4, "Yes": 4, "c": Blank.DECLINED}),
        MappedQuestion("q3", "W1", "How many days?", {"0": 0, "1": 1, "2": 2, "3": 3, "4": 4}),
    ),
    ignored=("greeting",),
    totals={"total": "growth"},
)
LINES = {"q1": RemoteAnswer(label="Often"), "q2": RemoteAnswer(code="b"), "q3": RemoteAnswer(number=3.0)}


def remote(*lines: RemoteLine, **more: Any) -> RemoteResponse:
    """A form of the mapping; by default all its lines, answered."""
    plain = lines or tuple(RemoteLine(question, None, (answer,)) for question, answer in LINES.items())
    facts: dict[str, Any] = {"id": "r1", "form": "acme-7", "form_version": "2", "client": "c1", "status": "completed"}
    return RemoteResponse(lines=plain, authored="2026-03-02T10:00:00Z", **(facts | more))


def line(question: str, text: str | None = None, **answer: Any) -> RemoteLine:
    return RemoteLine(question, text, (RemoteAnswer(**answer),) if answer else ())


def read(*lines: RemoteLine, mapping: Mapping = MAPPING, **more: Any) -> dict[str, Any]:
    """The flat fields; fails when the form is set aside."""
    found = FormReader([mapping]).read(remote(*lines, **more))
    assert not isinstance(found, Quarantined), f"{found.reason}: {found.message}"
    return found


def aside(*lines: RemoteLine, mapping: Mapping = MAPPING, **more: Any) -> Quarantined:
    """Why a form is set aside; twice, since what was once looked up is remembered."""
    reader = FormReader([mapping])
    found = reader.read(remote(*lines, **more))
    assert isinstance(found, Quarantined)
    assert reader.read(remote(*lines, **more)) == found
    assert (found.remote_id, found.form) == ("r1", more.get("form", "acme-7"))
    return found


def test_a_form_is_read_by_its_mapping() -> None:
    """By label, by code and by number."""
    found = read(
        line("greeting", label="Hello"), *remote().lines, line("total", number=2.5), version="3", tags=("kiosk",)
    )
    assert found["answers"] == {"G1": 4, "G2": 4, "W1": 3}
    assert found["totals"] == {"growth": 2.5}
    assert (found["instrument"], found["instrument_version"], found["version"]) == ("gr18", "1", "3")
    assert found["tags"] == ["kiosk"]


def test_an_absent_line_is_left_out() -> None:
    """Servers leave unanswered lines out; "I would rather not say" is something else."""
    found = read(line("q1"), line("q2", code="c"))
    assert found["answers"] == {"G2": Blank.DECLINED}


@pytest.mark.parametrize("label", ["Often", "often", " OFTEN ", "<b>Often</b>", "O&#102;ten"])
def test_labels_are_compared_as_texts(label: str) -> None:
    """As questions are."""
    assert read(line("q1", label=label))["answers"] == {"G1": 4}


def test_changed_definition_when_a_question_is_reworded() -> None:
    """An old number under a new question would be a lie in the course."""
    found = aside(line("q1", "I did NOT do things that matter to me", label="Often"))
    assert (found.reason, found.where) == (R.CHANGED_DEFINITION, "line G1")
    assert "worded differently" in found.message
    assert read(line("q1", "I did  things that MATTER to me", label="Often"))["answers"] == {"G1": 4}


def test_changed_definition_when_an_option_is_renamed() -> None:
    """The code stayed, the word that the client ticked is another one."""
    for label in ("No", "Sometimes"):
        found = aside(line("q2", code="b", label=label))
        assert found.reason is R.CHANGED_DEFINITION
        assert "named differently" in found.message
    assert read(line("q2", code="b", label="yes"))["answers"] == {"G2": 4}


def test_changed_definition_when_two_options_read_the_same() -> None:
    """Which of the two was ticked cannot be known by the label."""
    doubled = Mapping("acme", "acme-7", "2", "gr18", "1", (MappedQuestion("q1", "G1", "x", {"Yes": 1, "YES ": 2}),))
    found = aside(line("q1", label="yes"), mapping=doubled)
    assert found.reason is R.CHANGED_DEFINITION
    assert "two options read the same" in found.message


@pytest.mark.parametrize(
    "answer",
    [
        {"label": "Always"},
        {"code": "z"},
        {"code": "Often "},
        {"number": 4.0},
        {"number": 2.5},
        {"number": float("nan")},
        {"code": "z", "number": 4.0},
        {"weight": 4.0},
        {"label": ""},
    ],
)
def test_f56_unknown_answer(answer: dict[str, Any]) -> None:
    """Never 0, and never the position in the list: nobody said that this platform counts as we do."""
    found = aside(line("q1", **answer))
    assert (found.reason, found.where) == (R.UNKNOWN_ANSWER, "line G1")


@pytest.mark.parametrize("number", [5.0, -1.0, 2.5, float("inf"), float("nan")])
def test_f56_a_number_outside_the_options_is_unknown(number: float) -> None:
    """Rounding would be a guess."""
    assert aside(line("q3", number=number)).reason is R.UNKNOWN_ANSWER


def test_f58_two_answers() -> None:
    """Two ticks on one line, or the line twice: not "the last one wins"."""
    two = RemoteLine("q1", None, (RemoteAnswer(label="Often"), RemoteAnswer(label="Often")))
    assert aside(two).reason is R.TWO_ANSWERS
    assert aside(line("q1", label="Often"), line("q2", code="a"), line("q1", label="Often")).reason is R.TWO_ANSWERS
    assert read(line("q1"), line("q1", label="Often"))["answers"] == {"G1": 4}


def test_unknown_question() -> None:
    """The form grew a line: a person looks at it once, then it is mapped or left out."""
    found = aside(*remote().lines, line("q9", label="Often"))
    assert (found.reason, found.where) == (R.UNKNOWN_QUESTION, "a line of the form")
    assert read(line("q9"))["answers"] == {}, "an unanswered one says nothing"


def test_f68_unknown_version() -> None:
    """Scored only by a mapping that names this version."""
    assert "another version" in aside(form_version="3").message
    assert "without a version" in aside(form_version=None).message
    assert aside(form_version="3").reason is R.UNKNOWN_VERSION
    assert aside(form="another", form_version="2").reason is R.UNKNOWN_VERSION


def test_f68_a_mapping_of_this_very_version_goes_before_one_of_any() -> None:
    """Whatever the order of the files."""
    any_version = Mapping("acme", "acme-7", None, "phq9", "1", MAPPING.questions)
    for mappings in ([any_version, MAPPING], [MAPPING, any_version]):
        reader = FormReader(mappings)
        found = {version: reader.read(remote(form_version=version)) for version in ("2", "3", None)}
        assert {version: flat["instrument"] for version, flat in found.items() if isinstance(flat, dict)} == {
            "2": "gr18",
            "3": "phq9",
            None: "phq9",
        }


def test_weight_differs() -> None:
    """The platform's own weight contradicts the mapping: one of the two is wrong."""
    assert aside(line("q1", label="Often", weight=3.0)).reason is R.WEIGHT_DIFFERS
    assert aside(line("q2", code="c", weight=0.0)).reason is R.WEIGHT_DIFFERS
    assert read(line("q1", label="Often", weight=4.0))["answers"] == {"G1": 4}


def test_s24_reasons_quote_nothing_of_the_form() -> None:
    """What a client typed must not end in a message."""
    canary = "zebrafinch"
    faults = [
        line("q1", label=canary),
        line("q1", canary, label="Often"),
        line(canary, label="x"),
        line("q2", code="b", label=canary),
    ]
    for fault in faults:
        found = aside(fault)
        assert canary not in found.where + found.message


@pytest.mark.parametrize("instrument", builtin(), ids=lambda one: one.id)
def test_a_form_that_handrail_published_maps_by_itself(instrument: Instrument) -> None:
    """Every option of every line, by code, label, both, published code and number; and through the schema."""
    mapping = own_mapping(instrument, "acme")
    reader = FormReader([mapping])
    assert reader.knows(own_form(instrument))
    for item in instrument.items:
        for option in item.options:
            value = Blank.DECLINED if option.value is None else option.value
            spellings: list[dict[str, Any]] = [
                {"code": option.code},
                {"label": option.label},
                {"code": option.code, "label": option.label},
                *({"code": coding.code, "label": option.label} for coding in option.codings),
                *([{"number": float(option.value)}] if option.value is not None else []),
            ]
            for spelling in spellings:
                one = remote(line(item.id, item.text, **spelling), form=mapping.form, form_version=instrument.version)
                found = reader.read(one)
                assert isinstance(found, dict), spelling
                assert found["answers"] == {item.id: value}
                ResponseSchema([instrument]).load(found)


codes = st.none() | st.sampled_from(["truth-0", "truth-4", "declined", "0", "4", "z", ""])
labels = st.none() | st.sampled_from([*(option.label for option in GR18.items[0].options), "not TRUE", "4", "z"])
numbers = st.none() | st.floats() | st.integers(-1, 5).map(float)


@given(code=codes, label=labels, number=numbers, weight=numbers, again=st.booleans())
def test_no_answer_is_read_against_any_of_its_parts(
    code: str | None, label: str | None, number: float | None, weight: float | None, again: bool
) -> None:
    """Whatever comes together: a number is given only when nothing that came with it says otherwise."""
    mapping = own_mapping(GR18, "acme")
    reader = FormReader([mapping])
    item = GR18.items[0]
    one = remote(
        line(item.id, item.text, code=code, label=label, number=number, weight=weight),
        form=mapping.form,
        form_version="1",
    )
    if again:  # what was looked up once, without the weight, must not answer for the pair with it
        reader.read(remote(line(item.id, item.text, code=code, label=label), form=mapping.form, form_version="1"))
    found = reader.read(one)
    if isinstance(found, Quarantined):
        assert found.reason in (R.UNKNOWN_ANSWER, R.CHANGED_DEFINITION, R.WEIGHT_DIFFERS)
        return
    (value,) = found["answers"].values()
    by_name = {option.code: option.value for option in item.options} | {
        option.label.lower(): option.value for option in item.options
    }
    by_name |= {str(option.value): option.value for option in item.options if option.value is not None}
    number_of = None if value is Blank.DECLINED else value
    for part in (code, label):
        if part is not None and part.lower() in by_name:
            assert by_name[part.lower()] == number_of
    assert weight is None or weight == number_of
    assert code is not None or label is not None or number == number_of


def test_f56_a_question_that_was_removed_is_no_blank() -> None:
    """A question that was taken out of the form would count as left empty, and the rest be scored without a word."""
    lines = (line("q1", label="Often"), line("q3", number=3.0))
    assert read(*lines)["answers"] == {"G1": 4, "W1": 3}, "servers leave unanswered lines out"
    found = aside(*lines, whole=True)
    assert (found.reason, found.where) == (R.CHANGED_DEFINITION, "line G2")
    assert "no longer part" in found.message
    assert read(*lines, line("q2"), whole=True)["answers"] == {"G1": 4, "W1": 3}
