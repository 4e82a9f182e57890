"""When two texts are the same question. A respelling that is not seen is a nuisance; a change not seen is an error."""

from __future__ import annotations

import html
import time
import unicodedata
from collections.abc import Callable

import pytest
from handrail.plugin_core.contracts import RemoteAnswer, RemoteQuestion
from handrail.plugin_core.instruments import builtin
from handrail.plugin_core.mapping.options import match
from handrail.plugin_core.mapping.texts import bare, plain, same, turned
from handrail.plugin_core.mapping.wordings import Wordings
from hypothesis import given
from hypothesis import strategies as st

TEXTS = [item.text for instrument in builtin() for item in instrument.items]
questions = st.sampled_from(TEXTS)


def test_every_question_of_every_form_is_its_own() -> None:
    """No two lines of one form may read the same."""
    for instrument in builtin():
        assert len({plain(item.text) for item in instrument.items}) == len(instrument.items)


Spelling = Callable[[str], str]
LETTERS: dict[str, Spelling] = {
    "upper": str.upper,
    "lower": str.lower,
    "blanks": lambda text: f"  {text.replace(' ', '   ')}\n",
    "hard blanks": lambda text: text.replace(" ", "\u00a0"),
    "typographic quotes": lambda text: text.replace("'", "’").replace('"', "“"),
    "long dashes": lambda text: text.replace("-", "—"),
    "ellipsis": lambda text: text.replace("...", "…"),
    "decomposed letters": lambda text: unicodedata.normalize("NFD", text),
    "soft hyphens": "\u00ad".join,
    "invisible marks": lambda text: f"\ufeff{text}\u200b",
}
WRAPPINGS: dict[str, Spelling] = {
    "none": str,
    "entities": html.escape,
    "entities twice": lambda text: html.escape(html.escape(text)),
    "named blanks": lambda text: text.replace(" ", "&nbsp;"),
    "numeric entities": lambda text: "".join(f"&#{ord(letter)};" for letter in text),
    "markup": lambda text: f"<p><b>{text}</b><br/></p>",
    "styled markup": lambda text: f'<span style="color: red">{text}</span>',
    "capital markup": lambda text: f"<P>{text}</P>",
    "markup as entities": lambda text: f"&lt;b&gt;{text}&lt;/b&gt;",
}
words = st.text(st.characters(codec="ascii", min_codepoint=32, exclude_characters="<>&\x7f"), max_size=40)


@given(
    text=questions | words,
    letters=st.lists(st.sampled_from(sorted(LETTERS)), max_size=3),
    wrapping=st.sampled_from(sorted(WRAPPINGS)),
)
def test_the_same_question_in_other_spellings_is_the_same(text: str, letters: list[str], wrapping: str) -> None:
    """A platform escapes, decorates and capitalises as it likes: the answers still count."""
    spelt = text
    for name in letters:
        spelt = LETTERS[name](spelt)
    spelt = WRAPPINGS[wrapping](spelt)
    assert same(spelt, text)
    assert plain(plain(spelt)) == plain(spelt)


@given(one=questions, other=questions)
def test_two_questions_are_never_the_same(one: str, other: str) -> None:
    """Whatever forms they are of."""
    assert same(one, other) == (one == other or one.lower() == other.lower())


@given(text=questions, data=st.data())
def test_a_changed_word_is_seen(text: str, data: st.DataObject) -> None:
    """One word left out, doubled, put in, or two exchanged."""
    words = text.split()
    at = data.draw(st.integers(0, len(words) - 1))
    added = data.draw(st.sampled_from(["not", "never", "5", "my", "-"]))
    left_out, doubled = [*words[:at], *words[at + 1 :]], [*words[:at], words[at], *words[at:]]
    put_in = [*words[:at], added, *words[at:]]
    for changed in (left_out, doubled, put_in):
        assert not same(" ".join(changed), text)
    if at + 1 < len(words) and words[at].lower() != words[at + 1].lower():
        swapped = [*words[:at], words[at + 1], words[at], *words[at + 2 :]]
        assert not same(" ".join(swapped), text)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("I could manage without it.", "I could not manage without it."),
        ("more than 5 hours", "more than 6 hours"),
        ("a score <5 and >2", "a score <9 and >2"),
        ("a score <5 and >2", "a score 2"),
        ("a &lt;5 b&gt;", "a"),
        ("if x<b and c>d", "if xd"),
        ("about 10² times", "about 102 times"),
        ("about ½ of it", "about 1/2 of it, or 12"),
        ("Ich trinke in Maßen.", "Ich trinke in Massen."),
        ("3-4 days", "34 days"),
        ("the rapist", "therapist"),
        ("I feel good?", "I feel good!"),
        ("-2 to 2", "2 to 2"),
        ("Résumé", "Resume"),
    ],
)
def test_what_is_another_question_stays_another(one: str, other: str) -> None:
    """Each of these was, or could have been, lost by being too kind to spellings."""
    assert not same(one, other)


@given(text=st.text(max_size=300))
def test_any_text_is_compared_in_bounded_time(text: str) -> None:
    """S35: what stands in a form is not ours to choose."""
    assert same(text, text)


LONG = 40_000
EVIL = ("<b" + " " * LONG, "<b " * LONG, "&lt;" * LONG, "a(" + " " * LONG + "x", "1." * LONG, "(1" * LONG, "a" * LONG,
        "1)" + " " * LONG, "a (" + "\t" * LONG, "' " * LONG, "<b" + "\u00a0" * LONG, "a." + " " * LONG)  # fmt: skip


@pytest.mark.parametrize("text", EVIL, ids=range(len(EVIL)))
def test_s35_no_text_of_a_form_keeps_the_computer_busy(text: str) -> None:
    """A pattern that grows as the square of its text would take minutes over one label, hours over a form. Processor
    time is counted, not a busy machine's."""
    began = time.process_time()
    assert same(text, text + " ")
    assert turned(text, bare(text) + " not") is not None
    item = builtin()[0].items[0]
    match(RemoteQuestion("q", text, (RemoteAnswer(label=text), RemoteAnswer(label=text + "2"))), item, Wordings())
    assert time.process_time() - began < 3
