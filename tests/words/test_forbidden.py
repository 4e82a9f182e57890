"""No text that ships, in any language, says what clinical.md 5 forbids. One careless word can end a therapy."""

from __future__ import annotations

import pytest

from . import texts
from .forbidden import WORDS, complaints


@pytest.mark.parametrize("language", texts.languages())
def test_no_shipped_text_says_what_is_forbidden(language: str) -> None:
    """Every text is found by reading the catalogues, the forms and the templates, so a new one cannot be forgotten."""
    every = texts.every_text(language)
    assert len(every) > 300, "the search reads next to nothing"
    assert [(where, text, found) for where, text in every if (found := complaints(text, language))] == []


@pytest.mark.parametrize("language", texts.languages())
def test_every_language_has_its_list(language: str) -> None:
    """A language that is added brings its own forbidden words, or nothing would be searched for in it."""
    assert set(WORDS[language]) == set(WORDS["en"])
    assert all(WORDS[language].values())


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "The client is dependent."), ("en", "a codependent bond"), ("en", "seems resistant to change"),
        ("en", "a 72 % risk"), ("en", "high-risk client"), ("en", "Refer the client to a colleague."),
        ("en", "Discharge this client."), ("en", "the client refuses to change"), ("en", "savior role"),
        ("en", "likely to drop out"), ("en", "Reduce sessions."), ("en", "borderline traits"), ("en", "the diagnosis"),
        ("de", "Die Klientin ist abhängig."), ("de", "eine Abhängigkeitsstörung"), ("de", "co-abhängig"),
        ("de", "süchtig nach Therapie"), ("de", "wirkt widerständig"), ("de", "Borderline"), ("de", "manipulativ"),
        ("de", "in der Opferrolle"), ("de", "der Retter"), ("de", "hat versagt"), ("de", "eine Risikoklientin"),
        ("de", "72 Prozent Risiko"), ("de", "Bitte entlassen"), ("de", "an eine Klinik überweisen"),
        ("de", "Beenden Sie die Therapie"), ("de", "weigert sich"), ("de", "72 %"), ("de", "die Diagnose"),
    ],
)  # fmt: skip
def test_the_search_finds_what_it_is_for(language: str, text: str) -> None:
    """A search that finds nothing anywhere would pass everything."""
    assert complaints(text, language)


def test_what_may_be_said_is_not_taken_for_what_may_not() -> None:
    """A search that complains about everything would soon be switched off."""
    for language, text in (
        ("en", "You might ask what the client would prefer."),
        ("en", "“I drop a choice I made once it gets hard, and feel addicted” (1 to 3)"),
        ("de", "Sie könnten fragen, wie Ihr Gegenüber das sieht."),
        ("de", "„Ich bin abhängig“ (1 zu 3)"),
        ("de", "eine schwere Zeit"),
    ):
        assert complaints(text, language) == []
