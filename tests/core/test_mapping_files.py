"""Proposing a mapping for a person to confirm, and keeping what they confirmed as a file."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from handrail.plugin_core.contracts import RemoteAnswer, RemoteForm, RemoteQuestion
from handrail.plugin_core.errors import InstrumentProblem
from handrail.plugin_core.instruments import builtin, builtin_one
from handrail.plugin_core.mapping import FormReader, files
from handrail.plugin_core.mapping.propose import fits, propose
from handrail.schemas.records import Instrument, MappedQuestion, Mapping
from handrail.schemas.vocab import Blank
from hypothesis import given
from hypothesis import strategies as st

ALL = builtin()
GAD7 = builtin_one("gad7")


def as_form(instrument: Instrument, *, coded: bool = False, weighted: bool = False) -> RemoteForm:
    """An instrument as somebody typed it into a platform: numbers for questions, labels for options."""
    questions = []
    for number, item in enumerate(instrument.items):
        options = [
            RemoteAnswer(
                code=f"c{place}" if coded else None,
                label=option.label,
                weight=None if option.value is None or not weighted else float(option.value),
            )
            for place, option in enumerate(item.options)
        ]
        questions.append(RemoteQuestion(str(number), item.text, options))
    return RemoteForm("acme-7", "3", "A form", questions)


def change(form: RemoteForm, at: int, **more: object) -> RemoteForm:
    questions = list(form.questions)
    questions[at] = replace(questions[at], **more)  # type: ignore[arg-type]
    return replace(form, questions=questions)


@pytest.mark.parametrize("coded", [False, True], ids=["by-label", "by-code"])
@pytest.mark.parametrize("instrument", ALL, ids=lambda one: one.id)
def test_every_form_typed_word_by_word_is_proposed_as_itself(instrument: Instrument, coded: bool) -> None:
    """Complete and sure; and the mapping reads a form filled in there."""
    form = as_form(instrument, coded=coded)
    proposal = propose(form, ALL)
    assert proposal is not None
    assert proposal.instrument.id == instrument.id
    assert proposal.complete
    assert proposal.sure == 100.0
    mapping = proposal.mapping("acme")
    assert FormReader([mapping]).knows("acme-7")
    assert [question.item for question in mapping.questions] == [item.id for item in instrument.items]
    for question, item in zip(mapping.questions, instrument.items, strict=True):
        wanted = {Blank.DECLINED if option.value is None else option.value for option in item.options}
        assert set(question.options.values()) == wanted


def test_a_form_of_something_else_is_not_proposed() -> None:
    """An intake sheet is no questionnaire of ours."""
    questions = [RemoteQuestion(str(n), text) for n, text in enumerate(["Name", "Insurance", "Any allergies?"])]
    assert propose(RemoteForm("intake", None, "Intake", questions), ALL) is None
    assert propose(RemoteForm("empty", None, "Empty", []), ALL) is None


@pytest.mark.parametrize(
    "twist", [lambda text: f"not {text}", lambda text: text.replace("Not", "Just"), lambda text: f"{text} 2"]
)
def test_a_likeness_of_words_is_never_called_sure(twist: object) -> None:
    """ "I could" and "I could not" are 97 % alike: a person has to read such a line."""
    form = as_form(GAD7)
    text = twist(form.questions[1].text)  # type: ignore[operator]
    proposal = propose(change(form, 1, text=text), ALL)
    assert proposal is not None
    guess = proposal.guesses[1]
    assert guess.item is None or guess.sure < 95
    assert proposal.sure < 100


def test_published_codes_decide() -> None:
    """A translated form with LOINC codes is known by them."""
    phq9 = builtin_one("phq9")
    questions = [
        RemoteQuestion(str(n), f"Frage {n}", (), [(coding.system, coding.code) for coding in item.codings])
        for n, item in enumerate(phq9.items)
    ]
    proposal = propose(RemoteForm("acme", None, "x", questions), ALL)
    assert proposal is not None
    assert [guess.item for guess in proposal.guesses] == list(phq9.items)
    assert proposal.sure == 100.0


def options(*labels: tuple[str, float | None]) -> list[RemoteAnswer]:
    return [RemoteAnswer(label=label, weight=weight) for label, weight in labels]


@pytest.mark.parametrize(
    ("offered", "problem"),
    [
        ([("Not at all", None), ("Several days", None), ("Now and then", None)], "an option whose number is not known"),
        ([("Not at all", 1.0)], "an option that has another number on the platform"),
        ([("Not at all", None), ("Several days", None)], "the options do not cover the line's numbers"),
        ([("Not at all", None), ("Not at all", None)], "two options of one name"),
    ],
)
def test_an_option_in_doubt_is_a_problem_to_show(offered: list[tuple[str, float | None]], problem: str) -> None:
    """And the proposal is not complete with it."""
    proposal = propose(change(as_form(GAD7), 0, options=options(*offered)), ALL)
    assert proposal is not None
    assert proposal.guesses[0].problem == problem
    assert not proposal.complete


def test_two_coded_options_that_read_the_same_are_a_problem() -> None:
    """The platform's list was edited by hand: nobody can say which was meant."""
    doubled = [
        RemoteAnswer(code="a", label="Not at all"),
        RemoteAnswer(code="b", label="not at ALL", weight=1.0),
    ]
    proposal = propose(change(as_form(GAD7), 0, options=doubled), ALL)
    assert proposal is not None
    assert proposal.guesses[0].problem is not None


def test_weights_stand_in_for_unknown_labels() -> None:
    """A translated form with weights: the numbers are the platform's own word."""
    weighted = options(("Gar nicht", 0.0), ("Einige Tage", 1.0), ("Viele", 2.0), ("Fast alle", 3.0))
    proposal = propose(change(as_form(GAD7), 0, options=weighted), ALL)
    assert proposal is not None
    assert proposal.guesses[0].problem is None
    assert proposal.guesses[0].options["Fast alle"] == 3


def test_a_line_proposed_twice_or_missing_is_not_complete() -> None:
    """Two questions for one line would set every form aside."""
    form = as_form(GAD7)
    twice = change(form, 1, text=form.questions[0].text)
    missing = replace(form, questions=form.questions[:-1])
    for one in (twice, missing):
        proposal = propose(one, [GAD7])
        assert proposal is not None
        assert not proposal.complete
    more = replace(form, questions=[*form.questions, RemoteQuestion("99", "What is your shoe size?")])
    proposal = propose(more, ALL)
    assert proposal is not None
    assert proposal.complete
    assert proposal.mapping("acme").ignored == ("99",)


def test_a_mapping_fits_until_a_question_or_the_version_changes() -> None:
    """Then it is proposed anew."""
    form = as_form(GAD7)
    proposal = propose(form, ALL)
    assert proposal is not None
    mapping = proposal.mapping("acme")
    assert fits(form, mapping)
    assert not fits(change(form, 0, text="Feeling calm"), mapping)
    assert not fits(replace(form, version="4"), mapping)
    assert not fits(replace(form, form="other"), mapping)


# --- files ---------------------------------------------------------------------------------------------------------

MAPPING = Mapping(
    platform="acme",
    form="https://acme.example/forms/7",
    form_version=None,
    instrument="gad7",
    instrument_version="1",
    questions=(MappedQuestion("q", "GAD1", "Nervös?", {"nie": 0, "weiß nicht": Blank.DECLINED}),),
    ignored=("greeting",),
    totals={"total": "total"},
    confirmed=datetime(2026, 3, 2, tzinfo=UTC),
    confirmed_by="A person",
)


def test_a_mapping_is_read_back_as_it_was_confirmed(tmp_path: Path) -> None:
    """By a person too: the file is plain JSON, with the practice's own letters."""
    path = files.save(tmp_path / "m", MAPPING)
    assert files.load_all(tmp_path / "m", "acme") == [MAPPING]
    assert files.load_all(tmp_path / "m", "other") == []
    assert files.load_all(tmp_path / "nowhere", "acme") == []
    assert "Nervös?" in path.read_text(encoding="utf-8")
    assert files.save(tmp_path / "m", replace(MAPPING, confirmed_by="Another")) == path
    assert [mapping.confirmed_by for mapping in files.load_all(tmp_path / "m", "acme")] == ["Another"]


def test_s19_mappings_are_for_their_owner_only(tmp_path: Path) -> None:
    """They say what the practice asks."""
    old = os.umask(0)
    try:
        path = files.save(tmp_path / "a" / "m", MAPPING)
    finally:
        os.umask(old)
    if os.name == "posix":
        modes = [stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "a", path.parent, path)]
        assert modes == [0o700, 0o700, 0o600]
    assert [p.name for p in path.parent.iterdir()] == [path.name]


NAMES = [
    "../../x",
    "CON",
    "a" * 300,
    "..",
    "/etc/passwd",
    "C:\\x",
    "x\ny",
    "Ärger?",
    "",
    "https://h/q|2",
    "a/b/..",
    ".",
]


@pytest.mark.parametrize("name", NAMES)
def test_s30_the_name_of_a_form_is_never_a_path(tmp_path: Path, name: str) -> None:
    """It comes from the platform."""
    path = files.save(tmp_path / "m", replace(MAPPING, form=name))
    assert path.parent == tmp_path / "m"
    assert path.name.isascii()
    assert len(path.name) < 64
    assert path.stem.upper() not in ("CON", "NUL", "AUX", "PRN")
    assert [p.relative_to(tmp_path).parts for p in tmp_path.rglob("*.json")] == [("m", path.name)]


@given(one=st.text(max_size=30), other=st.text(max_size=30))
def test_s30_two_forms_never_share_a_file(one: str, other: str) -> None:
    """Else one mapping would replace the other."""
    names = {files._name(replace(MAPPING, form=form.encode(errors="replace").decode())) for form in (one, other)}
    assert len(names) == (1 if one.encode(errors="replace") == other.encode(errors="replace") else 2)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "is not a readable file"),
        ("[" * 100_000, "is not a readable file"),
        ('{"platform": ' + "9" * 5000 + "}", "is not a readable file"),
        ("{}", "form: is missing"),
        ("[]", "cannot be used"),
        ('{"platform": "acme", "zebrafinch is a person": 1}', "cannot be used"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, text: str, says: str) -> None:
    """F54: in bounded time, with file and place, and without what stands in it."""
    (tmp_path / "one.json").write_text(text)
    with pytest.raises(InstrumentProblem, match=says) as caught:
        files.load_all(tmp_path, "acme")
    assert "one.json" in caught.value.message
    assert "handrail connect" in caught.value.message
    assert "zebrafinch" not in caught.value.message
