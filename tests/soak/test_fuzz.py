"""The long trial of parsers itself: every round is tried once, stopped or not, and a fault is not forgotten."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.fuzz.run import Fault

from . import fuzz

Rounds = list[tuple[str, int, int]]


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where it is kept how far each parser came; another parser's place is there already."""
    place = tmp_path / "cache" / "fuzz.json"
    place.parent.mkdir()
    place.write_text('{"csv 2": 40}', encoding="utf-8")
    monkeypatch.setattr(fuzz, "KEPT", place)
    monkeypatch.setattr(fuzz, "ROUND", 100)
    return place


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as made:
        yield made


def rounds(monkeypatch: pytest.MonkeyPatch, faulty: int | None = None) -> Rounds:
    """The rounds that are asked for, none of which tries anything; the one that begins at `faulty` has a fault."""
    asked: Rounds = []

    def one(name: str, seed: int, begin: int, count: int) -> tuple[list[Fault], float]:
        asked.append((name, begin, count))
        return [Fault(name, seed, begin, "KeyError")] if begin == faulty else [], 1.0

    monkeypatch.setattr(fuzz, "_round", one)
    return asked


def test_a_trial_goes_on_where_it_was_stopped(
    kept: Path, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hours of computing would be lost with each restart of the computer, or inputs would be left out unseen."""
    kept.write_text('{"times 7": 200}', encoding="utf-8")
    asked = rounds(monkeypatch)
    assert fuzz._Trial(pool, 7, 450).tried("times")
    assert asked == [("times", 200, 100), ("times", 300, 100), ("times", 400, 50)]
    assert json.loads(kept.read_text(encoding="utf-8")) == {"times 7": 450}


def test_a_fault_stands_until_it_is_mended(
    kept: Path, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A round counted as tried in spite of its fault would be passed over by the next run."""
    rounds(monkeypatch, faulty=100)
    assert not fuzz._Trial(pool, 7, 450).tried("times")
    assert "--seed 7 --only 100" in capsys.readouterr().out
    assert json.loads(kept.read_text(encoding="utf-8")) == {"csv 2": 40, "times 7": 100}


def test_parsers_side_by_side_lose_no_place(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two processes that write into one file would put back each other's places."""
    parsers = ["times", "token-answer", "in-texts"]
    assert fuzz.main([*parsers, "--seed", "7", "--inputs", "250", "--jobs", "2"]) == 0
    said = capsys.readouterr().out
    assert all(f"{name}: 250 inputs, 250 of them now" in said for name in parsers)
    assert json.loads(kept.read_text(encoding="utf-8")) == {"csv 2": 40}  # those that are through begin anew


def test_an_input_is_made_again_by_its_number(capsys: pytest.CaptureFixture[str]) -> None:
    """A fault is of use only to whom can see it again."""
    assert fuzz.main(["times", "--seed", "7", "--only", "12"]) == 0
    assert "made of sample" in capsys.readouterr().out
