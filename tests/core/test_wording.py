"""The words that may not stand anywhere, searched for in every text and in every sentence made from one.

The client may read these texts by law. One careless word can end a therapy."""

from __future__ import annotations

import re

import pytest
from handrail.plugin_core.instruments import builtin
from handrail.plugin_core.rules import words
from hypothesis import given, settings

from .courses import RULES, any_course, readings
from .test_rules_redo import evidence_of, examples

pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")

# Clinical.md 5, rules 1, 2, 3, 6 and the promise in 4.4 that nothing about ending is suggested.
FORBIDDEN = {
    "diagnosis or trait": (
        r"dependen(t|ts|cy|cies|ce)\b", r"co-?dependen", r"addict", r"\bresistant", r"\bresistance", r"borderline",
        r"manipulat", r"\bvictim", r"disorder", r"diagnos", r"patholog", r"\bsymptomatic",
    ),
    "blame": (
        r"refus", r"foster", r"savio(u)?r", r"rescu", r"\bfail", r"\bfault", r"\bblame", r"unwilling", r"\bstuck\b",
        r"\bexcuse",
    ),
    "probability or grade": (
        r"%", r"percent", r"\bprobab", r"\blikel(y|ihood)", r"\brisk", r"\bodds\b", r"\bchance of", r"\bsevere",
        r"\bmild\b", r"\bmoderate", r"\blow\b", r"\bmedium\b", r"\bhigh-", r"\bprognos", r"\bpredict",
    ),
    "instruction": (
        r"\bdischarg", r"reduce (the )?sessions", r"\brefer\b", r"\brefers\b", r"\breferral", r"\bmust\b",
        r"\bshould\b",
        r"\bneed to (stop|end|act)", r"\bend(ing)? therapy", r"\bterminat", r"\bmedicat", r"\bstop(ping)? therapy",
    ),
}  # fmt: skip
FOUND = [(why, re.compile(pattern, re.IGNORECASE)) for why, patterns in FORBIDDEN.items() for pattern in patterns]

# Items are quoted as they stand on the form; "I need to talk with my therapist" is the client's own line.
QUOTED = re.compile(r"“[^”]*”")


def complaints(text: str) -> list[str]:
    said = QUOTED.sub("“”", text)
    return [f"{why}: {found.group()}" for why, pattern in FOUND if (found := pattern.search(said))]


def shipped() -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in vars(words).items():
        if name.startswith("_") or not name.isupper():
            continue
        if isinstance(value, str):
            found[name] = value
        elif isinstance(value, tuple):
            found.update({f"{name}[{n}]": text for n, text in enumerate(value)})
        else:
            found.update({f"{name}[{key}]": text for key, text in value.items()})
    return found


@pytest.mark.parametrize("name", sorted(shipped()))
def test_no_forbidden_word_in_any_shipped_text(name: str) -> None:
    """Every text of the rules is found by looking through the module, so a new one cannot be forgotten."""
    assert complaints(shipped()[name]) == []


def test_the_search_finds_what_it_is_for() -> None:
    """A search that finds nothing anywhere would pass everything."""
    for text in (
        "The client is dependent.", "a codependent bond", "seems resistant to change", "a 72 % risk",
        "high-risk client", "Refer to a colleague.", "Consider discharge.", "the client refuses to change",
        "savior role", "likely to drop out", "You should reduce sessions.",
    ):  # fmt: skip
        assert complaints(text), text
    assert complaints("“I drop a choice I made once it gets hard, and fail” (1 to 3)") == [], "a line as it stands"
    assert complaints("You might ask what the client would prefer.") == [], "prefer is not refer"


@settings(max_examples=300, deadline=None)
@given(any_course())
def test_no_forbidden_word_in_any_sentence_that_is_made(of: object) -> None:
    """All reasons, steps and conditions for clearing, of every flag that a random course can raise."""
    for rule in RULES:
        for reading in readings(rule, of):  # type: ignore[arg-type]
            for text in (reading.why, *_texts(reading)):
                assert complaints(text or "") == [], rule
                assert "{" not in (text or ""), "a gap was not filled"


def _texts(reading) -> list[str]:  # type: ignore[no-untyped-def]
    if reading.evidence is None:
        return []
    evidence = reading.evidence()
    steps = [text for step in evidence.steps for text in (step.what, step.working)]
    return [evidence.reason, evidence.clears_when, *steps, *(form.role for form in evidence.forms)]


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_has_its_words(rule: str) -> None:
    """Title, reason, ordinary reasons, and a question instead of an instruction."""
    evidence = evidence_of(rule, examples()[rule])
    assert RULES[rule].title == words.TITLES[rule]
    assert complaints(evidence.reason) == []
    if rule not in ("S", "pattern"):
        assert evidence.reason.rstrip(".").rsplit(". ", 1)[-1].startswith("You might ask")
        ordinary = ("early phase", "hard month", "hard stretch", "hard week", "good month", "slow stretches")
        assert any(word in evidence.reason for word in ordinary)


def test_titles_are_those_of_the_clinical_model() -> None:
    """Rule ids and names are stable: practices know a prompt by its name."""
    assert words.TITLES == {
        "R1": "Reliance has been high while growth stood still",
        "P1": "Reliance and outlook answers have gone up",
        "P2": "Growth answers have gone down",
        "P3": "Relief without new steps",
        "P4": "Coming, little change seen",
        "P5": "Steadily high reliance",
        "P6": "Two views differ",
        "P7": "Worth asking about",
        "N": "Good news",
        "S": "Safety answer",
        "pattern": "The same answer on every line",
    }


def test_options_are_equal_and_suggest_no_ending() -> None:
    """Six, as the clinical model lists them; doing nothing is among them."""
    assert len(words.OPTIONS) == 6
    assert any(option.startswith("Do nothing") for option in words.OPTIONS)
    assert words.EMPTY_STATES[1] == "One form so far. Change can be shown from the third form on."


@pytest.mark.parametrize("instrument", [one.id for one in builtin() if one.status == "draft"])
def test_no_forbidden_word_in_our_own_forms(instrument: str) -> None:
    """Our own items, hints and notes are read by the client; other people's wording is theirs."""
    form = next(one for one in builtin() if one.id == instrument)
    texts = [form.title, form.lead_in, *(item.text for item in form.items), *(item.hint or "" for item in form.items)]
    own = [text.replace("I feel stuck with only one way to act", "") for text in texts]
    assert [complaint for text in own for complaint in complaints(text)] == []
