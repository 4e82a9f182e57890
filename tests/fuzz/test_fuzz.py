"""F54, S33, S36: whatever comes in, our own errors and no others, in bounded time and memory.

Ten thousand inputs for each parser, the same in each run. `python -m tests.soak.fuzz` gives a million to each.
"""

from __future__ import annotations

import contextlib
import json
import logging
import re
from collections.abc import Iterator

import pytest
from handrail.adapters.fhir.weights import concepts

from . import desks, parsers, signed
from .mutate import bent, sample
from .run import Parser, made, run

INPUTS = 10_000
SEED = 1


@pytest.fixture(scope="module", autouse=True)
def _world() -> Iterator[None]:
    """What the parsers need is made once; libraries' log lines are not built while nobody reads them."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(before)
    parsers.close()


@pytest.mark.parametrize("name", parsers.BY_NAME)
def test_f54_s33_nothing_but_our_own_errors(name: str) -> None:
    """One odd input must not end the sync of all, nor the desk of all, nor fill the memory of the computer."""
    parser = parsers.BY_NAME[name]
    faults = run(parser, SEED, 0, INPUTS)
    assert faults == [], "\n".join(map(str, faults))


def test_an_input_that_never_ends_is_stopped_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would hold a run of hours, and nobody would hear which input it was."""
    monkeypatch.setattr("tests.fuzz.run.ENDLESS", 0.1)

    def read(data: bytes, _which: int) -> None:
        while b"NaN" in data:
            with contextlib.suppress(Exception):
                json.loads(data)

    parser = Parser("endless", lambda: (b'{"a": 1, "b": [2, "three"]}',), read, (ValueError,))
    (first, *_) = run(parser, SEED, 0, 2000)
    assert "did not end" in first.what
    assert b"NaN" in made(parser, SEED, first.number)[0]


def test_a_fault_is_found_and_can_be_made_again() -> None:
    """A fuzzer that finds nothing proves nothing unless it would have found something."""

    def read(data: bytes, _which: int) -> None:
        if b"NaN" in data:
            raise KeyError("a fault")

    parser = Parser("careless", lambda: (b'{"a": 1, "b": [2, "three"]}',), read)
    (first, *_) = run(parser, SEED, 0, 2000)
    assert "KeyError" in first.what
    data, which = made(parser, SEED, first.number)
    with pytest.raises(KeyError):
        parser.call(data, which)


def test_what_is_slow_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that grows as a square is found by its time, not by its result."""
    monkeypatch.setattr("tests.fuzz.run.SECONDS", 0.1)

    def read(data: bytes, _which: int) -> None:
        if len(data) > 50_000:
            sum(range(20_000_000))

    parser = Parser("slow", lambda: (b'{"a": 1}',), read)
    assert any("CPU time" in fault.what for fault in run(parser, SEED, 0, 300))


def test_each_kind_of_change_is_made() -> None:
    """Flips, cuts, repeats, deep nesting and values of a wrong kind are all among the inputs of one run."""
    from random import Random

    given = sample(b'{"client": "c-17", "answers": {"G1": 3, "G2": [1, 2]}}')
    found = [bent(given, Random(number)) for number in range(3000)]
    assert any(len(data) < len(given.data) for data in found)
    assert any(len(data) > 50_000 for data in found)
    assert any(b"\\ud800" in data for data in found)
    assert any(data.count(b"[") > 10_000 or data.count(b'{"a":') > 10_000 for data in found)
    assert any(data.count(b'"answers"') > 1 for data in found)
    assert len(set(found)) > 2000


DEEP = b"[" * 60_000
# What fuzzing found once, each mended since: the parser, the input, of which sample it was made.
FOUND: dict[str, tuple[str, bytes] | tuple[str, bytes, int]] = {
    "a backup's first line is no text": ("backup", parsers.sealed(b"\xff\xfe\n")),
    "a backup's row is no text": ("backup", parsers.sealed(parsers.ROWS_KEPT + b'["\xff",{}]\n')),
    "a backup's row is nested without an end": ("backup", parsers.sealed(parsers.ROWS_KEPT + b'["a",{"b":' + DEEP)),
    "settings with a number of 5,000 digits": ("settings", b"budget = " + b"9" * 5000),
    "settings with brackets without an end": ("settings", b"plugins = " + DEEP),
    "a signed webhook with brackets without an end": ("webhook", DEEP),
    "a translation with brackets without an end": ("translation", DEEP),
    "brackets without an end inside a text": ("in-texts", b'{"exp":' + DEEP),
    "an identity whose claims are brackets without an end": ("identity", b'{"sub":' + DEEP),
    "a signed token that ends after 400 digits": (
        "signed-token",
        signed.claims().replace(b"1800000300", b"9" * 400),
        signed.CLAIMS,
    ),
    "a first line whose cell is longer than the CSV reader takes": ("screen", b"client," + b"x" * 140_000 + b"\n"),
    "an address whose part behind the question mark is no text": ("desk", b"on=\xff", desks.SIGN_IN),
}


@pytest.mark.parametrize("what", FOUND)
def test_f54_what_was_found_once(what: str) -> None:
    """Each of these ended in an error of Python's own, which nobody in a practice can read."""
    name, data, *which = FOUND[what]
    parser = parsers.BY_NAME[name]
    with contextlib.suppress(*parser.own):
        parser.call(data, which[0] if which else 0)


# The same inside a platform's answer: whose, to which work, and what stood there instead of what.
PLAYED: dict[str, tuple[str, str, bytes, bytes]] = {
    "a question's kind is a list": ("fhir", "forms", rb'"type": ?"(choice|coding)"', b'"type":[]'),
    "a time that leaves the calendar in UTC": (
        "drchrono", "pull", rb'"created_at": ?"[^"]+"', b'"created_at":"9999-12-31T23:59:59-14:00"',
    ),
    "an id that is a text of five thousand digits": (
        "drchrono", "carrier task", rb'"id": ?12', b'"id":"' + b"9" * 5000 + b'"',
    ),
    "a list whose last change is in the first year": (
        "cliniko", "pull", rb'"updated_at": ?"[^"]+"', b'"updated_at":"0001-01-01T00:00:00Z"',
    ),
    "forms of the first year alone": (
        "openemr", "pull", rb'"authored": ?"[^"]+"', b'"authored":"0001-01-01T00:00:00Z"',
    ),
    "a time of four hundred digits": (
        "intakeq", "forms", rb'"DateSubmitted": ?\d+', b'"DateSubmitted":' + b"9" * 400,
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", PLAYED)
def test_f54_what_was_found_once_in_an_answer(what: str) -> None:
    """Each of these ended the sync; those of the first year every later one, too, as the cursor stood there then."""
    name, work, there, instead = PLAYED[what]
    tape = parsers.TAPES[name]
    tape.samples()
    bent = {which: re.subn(there, instead, one.reply.body) for which, one in enumerate(tape.told) if one.work == work}
    assert any(count for _, count in bent.values())
    for which, (data, _) in bent.items():
        tape.play(data, which)


@pytest.mark.parametrize("odd", [[], {}, ["itemWeight"]])
def test_f54_a_property_of_a_code_that_is_named_oddly_is_none(odd: object) -> None:
    """One odd code in a value set ended the list of all questionnaires."""
    concept = {"code": "a", "display": "A", "property": [{"code": odd, "valueDecimal": 1}]}
    assert concepts({"resourceType": "CodeSystem", "concept": [concept]}) == {"a": ("A", None)}
