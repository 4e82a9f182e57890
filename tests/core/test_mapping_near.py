"""Spellings of one question are one question; another question never is, however alike it reads. On every line."""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import replace

import pytest
from handrail.plugin_core.contracts import RemoteAnswer, RemoteForm, RemoteLine, RemoteQuestion, RemoteResponse
from handrail.plugin_core.instruments import builtin, builtin_one
from handrail.plugin_core.instruments.translations import every
from handrail.plugin_core.mapping import FormReader
from handrail.plugin_core.mapping.propose import KNOWN, SURE, changed, fits, propose
from handrail.plugin_core.mapping.texts import bare, plain, same, turned
from handrail.plugin_core.mapping.wordings import wordings_of
from handrail.schemas.records import Instrument, Quarantined
from handrail.schemas.vocab import QuarantineReason
from hypothesis import assume, given
from hypothesis import strategies as st

FORMS = [form for instrument in builtin() for form in every(instrument)]
LINES = [(form, place) for form in FORMS for place in range(len(form.items))]
LONG = [(form, place) for form, place in LINES if len(form.items[place].text) > 40]

SPELLINGS: dict[str, Callable[[str], str]] = {
    "capitals": lambda text: "".join(one if one == "ß" else one.upper() for one in text),
    "blanks": lambda text: "\u00a0 " + text.replace(" ", " \n\t"),
    "entities": lambda text: html.escape(text).replace("e", "&#101;"),
    "quotes": lambda text: text.replace("'", "’").replace('"', "“").replace("-", "–"),
    "markup": lambda text: f"<p><strong>{html.escape(text)}</strong></p>",
}

# Each turns a question into another one.
TWISTS: dict[str, Callable[[str], str]] = {
    "not": lambda text: f"I do not agree that: {text}",
    "not inside": lambda text: text.replace(" ", " not ", 1),
    "never": lambda text: f"{text} never",
    "without": lambda text: f"{text} without my therapist",
    "with": lambda text: f"{text} with my therapist",
    "before the session": lambda text: f"Before my session: {text}",
    "past week": lambda text: f"In the past week: {text}",
    "4 weeks": lambda text: f"{text} (4 weeks)",
    "hardly": lambda text: f"hardly: {text}",
    "nicht": lambda text: f"{text} nicht",
    "ohne": lambda text: f"ohne Hilfe: {text}",
}


def typed(form: Instrument, change: dict[int, str] | None = None) -> RemoteForm:
    """A form as somebody typed it into a platform, some of its lines otherwise."""
    questions = [
        RemoteQuestion(
            f"q{place}",
            (change or {}).get(place, item.text),
            [RemoteAnswer(label=option.label) for option in item.options],
        )
        for place, item in enumerate(form.items)
    ]
    return RemoteForm("acme-7", None, "A form", questions)


def filled(form: RemoteForm) -> RemoteResponse:
    """The form filled in, each line with its first option."""
    lines = tuple(RemoteLine(one.question, one.text, (one.options[0],)) for one in form.questions)
    return RemoteResponse("r", "acme-7", "c", "completed", lines, "2026-03-02T10:00:00Z")


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("form", FORMS, ids=lambda form: f"{form.id}-{form.language}")
def test_spellings_of_a_form_map_for_sure_and_are_read(form: Instrument, spelling: str) -> None:
    """Platforms escape, capitalise and wrap what the practice typed; nobody should have to confirm that by hand."""
    change = {place: SPELLINGS[spelling](item.text) for place, item in enumerate(form.items)}
    remote = typed(form, change)
    proposal = propose(remote, FORMS)
    assert proposal is not None
    assert proposal.certain
    assert (proposal.instrument.id, proposal.instrument.language) == (form.id, form.language)
    mapping = proposal.mapping("acme")
    assert not isinstance(FormReader([mapping]).read(filled(typed(form))), Quarantined)


@given(line=st.sampled_from(LINES), twist=st.sampled_from(sorted(TWISTS)))
def test_another_question_is_never_taken_for_a_line(line: tuple[Instrument, int], twist: str) -> None:
    """A negation, another span of time, with or without the therapist: scored as the line it resembles, it would say
    the contrary and nobody would see it."""
    form, place = line
    text = TWISTS[twist](form.items[place].text)
    assume(not same(text, form.items[place].text))
    remote = typed(form, {place: text})
    proposal = propose(remote, [form])
    assert proposal is not None
    guess = proposal.guesses[place]
    assert guess.item is None or guess.sure < SURE
    assert not proposal.certain
    mapping = (propose(typed(form), [form]) or proposal).mapping("acme")
    found = FormReader([mapping]).read(filled(remote))
    assert isinstance(found, Quarantined)
    assert found.reason is QuarantineReason.CHANGED_DEFINITION
    assert not fits(remote, mapping)
    assert changed(remote, mapping) == [form.items[place].text]


@given(line=st.sampled_from(LONG), twist=st.sampled_from(sorted(TWISTS)))
def test_a_long_line_with_a_turning_word_is_left_out_and_says_the_word(
    line: tuple[Instrument, int], twist: str
) -> None:
    """Not even shown as a line to confirm: a person in a hurry says yes."""
    form, place = line
    proposal = propose(typed(form, {place: TWISTS[twist](form.items[place].text)}), [form])
    assert proposal is not None
    guess = proposal.guesses[place]
    assert guess.item is None
    assert guess.problem is None or "differs in" in guess.problem
    assert not proposal.complete or form.items[place].optional


@given(one=st.sampled_from(LINES), other=st.sampled_from(LINES))
def test_two_different_lines_of_our_own_are_never_the_same(
    one: tuple[Instrument, int], other: tuple[Instrument, int]
) -> None:
    """Not after anything that is done to make spellings equal."""
    mine, theirs = one[0].items[one[1]], other[0].items[other[1]]
    assert (bare(mine.text) == bare(theirs.text)) == (plain(mine.text) == plain(theirs.text))


@pytest.mark.parametrize(
    ("one", "other", "words"),
    [
        ("I could cope", "I could not cope", ("not",)),
        ("I couldn't cope", "I could cope", ("couldn't",)),
        ("I felt happy", "I felt unhappy", ("unhappy",)),
        ("in the last 2 weeks", "in the last 4 weeks", ("2", "4")),
        ("Ich kam zurecht", "Ich kam nicht zurecht", ("nicht",)),
        ("3. I could cope", "I could cope.", ()),
        ("Feeling down, depressed or hopeless", "Feeling down, depressed, or hopeless", ()),
        ("I decided alone", "I decided with a friend", ("alone", "with")),
    ],
)
def test_words_that_turn_a_meaning_are_named(one: str, other: str, words: tuple[str, ...]) -> None:
    """So that whoever reads the proposal sees at once what is different."""
    assert turned(one, other) == turned(other, one) == words


@pytest.mark.parametrize("number", ["1. ", "1) ", "Q1: ", "(1) ", "a) ", "Question 12: ", "Frage 3. "])
def test_a_number_before_a_question_does_not_count(number: str) -> None:
    """Platforms number questions, people do too; known all the same, though not as sure as the very words."""
    gad7 = builtin_one("gad7")
    proposal = propose(typed(gad7, {n: number + item.text for n, item in enumerate(gad7.items)}), FORMS)
    assert proposal is not None
    assert proposal.certain
    assert proposal.sure == KNOWN


@pytest.mark.parametrize("instrument", [builtin_one("phq9"), builtin_one("gad7")], ids=lambda one: one.id)
def test_known_wordings_map_for_sure_each_to_its_own_line(instrument: Instrument) -> None:
    """The serial comma of one guideline and LOINC's names of the lines are the same questions."""
    known = wordings_of(instrument)
    assert known.items
    everywhere = [text for texts in known.items.values() for text in texts]
    assert len(everywhere) == len(set(everywhere))
    for place, item in enumerate(instrument.items):
        for wording in known.items.get(item.id, ()):
            proposal = propose(typed(instrument, {place: wording}), FORMS)
            assert proposal is not None
            assert proposal.guesses[place].item == item
            assert proposal.certain
            extra = set(turned(wording, item.text))
            assert extra <= {"2", "last", "past", "weeks", "you"}, "another span of time is another question"


def test_a_form_that_is_not_ours_has_no_known_wordings() -> None:
    """A vendor's form of the same id and another version neither."""
    gad7 = builtin_one("gad7")
    assert wordings_of(replace(gad7, version="2")).items == {}
    assert wordings_of(replace(gad7, id="acme")).items == {}


def test_a_form_in_our_own_translation_maps_as_that_translation() -> None:
    """And its answers are told to be in that language; a form mapped in English sets German answers aside."""
    german = next(form for form in FORMS if (form.id, form.language) == ("gr18", "de"))
    proposal = propose(typed(german), FORMS)
    assert proposal is not None
    assert (proposal.certain, proposal.language) == (True, "de")
    english = propose(typed(builtin_one("gr18")), FORMS)
    assert english is not None
    remote = typed(builtin_one("gr18"))
    answers = tuple(
        RemoteLine(one.question, one.text, (RemoteAnswer(label=item.options[0].label),))
        for one, item in zip(remote.questions, german.items, strict=True)
    )
    found = FormReader([english.mapping("acme")]).read(replace_lines(filled(remote), answers))
    assert isinstance(found, Quarantined)
    assert found.reason is QuarantineReason.UNKNOWN_ANSWER


def replace_lines(response: RemoteResponse, lines: tuple[RemoteLine, ...]) -> RemoteResponse:
    import msgspec

    return msgspec.structs.replace(response, lines=lines)


def test_two_questions_of_one_text_are_said_and_keep_the_form_from_being_confirmed() -> None:
    """Nobody can say which of the two is the line."""
    gad7 = builtin_one("gad7")
    proposal = propose(typed(gad7, {1: gad7.items[0].text}), [gad7])
    assert proposal is not None
    assert [guess.problem for guess in proposal.guesses[:3]] == ["two questions read as this line"] * 2 + [None]
    assert not proposal.complete


def test_a_published_code_on_other_words_is_a_problem() -> None:
    """Somebody reworded the question and left the code."""
    phq9 = builtin_one("phq9")
    codings = [(coding.system, coding.code) for coding in phq9.items[0].codings]
    question = RemoteQuestion("q", "No interest or pleasure in doing things", (), codings)
    proposal = propose(RemoteForm("x", None, "x", [question]), [phq9])
    assert proposal is None or proposal.guesses[0].problem == "its code says this line, its words say another"


LABELS = [
    (form, place, option.label)
    for form, place in LINES
    for option in form.items[place].options
    if option.value is not None and "ß" not in option.label
]


@given(line=st.sampled_from(LABELS), spelling=st.sampled_from(sorted(SPELLINGS)))
def test_spellings_of_an_answer_are_that_answer(line: tuple[Instrument, int, str], spelling: str) -> None:
    """The form was mapped once; what comes later is spelled as the platform likes it that day."""
    form, place, label = line
    mapping = (propose(typed(form), [form]) or pytest.fail("no proposal")).mapping("acme")
    item = form.items[place]
    answer = RemoteLine(f"q{place}", item.text, (RemoteAnswer(label=SPELLINGS[spelling](label)),))
    found = FormReader([mapping]).read(replace_lines(filled(typed(form)), (answer,)))
    assert not isinstance(found, Quarantined)
    assert found["answers"] == {item.id: next(one.value for one in item.options if one.label == label)}


@given(
    line=st.sampled_from(LABELS),
    twist=st.sampled_from(["not {}", "{} not", "{} or more", "almost {}", "nicht {}", "{}, {}"]),
)
def test_another_answer_is_never_that_answer(line: tuple[Instrument, int, str], twist: str) -> None:
    """Nor are two of them in one cell."""
    form, place, label = line
    mapping = (propose(typed(form), [form]) or pytest.fail("no proposal")).mapping("acme")
    other = twist.format(label, label)
    known = {plain(option.label) for option in form.items[place].options}
    assume(plain(other) not in known)
    answer = RemoteLine(f"q{place}", form.items[place].text, (RemoteAnswer(label=other),))
    found = FormReader([mapping]).read(replace_lines(filled(typed(form)), (answer,)))
    assert isinstance(found, Quarantined)
    assert found.reason is QuarantineReason.UNKNOWN_ANSWER
