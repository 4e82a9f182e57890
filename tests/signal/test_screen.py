"""R1 through the offline command: causal at any cut, one process or two, sorted or not."""

from __future__ import annotations

import io
import json
import random
from typing import Any

import pytest
from handrail.plugin_core.screen import screen

from benchmarks.signal import lines, worlds

CLIENTS = 40


@pytest.fixture(scope="module")
def forms() -> list[dict[str, Any]]:
    """A small simulated practice, with missing lines, styles and careless people."""
    out = io.StringIO()
    lines.write(worlds.make(7, CLIENTS, "fortnightly", missing=0.1, careless=0.2), out)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def run(forms: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Flags and trace of R1."""
    out, trace = io.BytesIO(), io.BytesIO()
    screen([json.dumps(form) for form in forms], out, rules=["R1"], trace=trace)
    return tuple([json.loads(line) for line in file.getvalue().splitlines()] for file in (out, trace))  # type: ignore


def test_cutting_the_input_at_a_date_leaves_what_was_said_before(forms: list[dict[str, Any]]) -> None:
    """The promise of screen's format: no line may hang on a later form. On random cuts."""
    rng = random.Random(5)
    flags, trace = run(forms)
    assert flags
    days = sorted({form["authored"][:10] for form in forms})
    for day in rng.sample(days, 6):
        cut_flags, cut_trace = run([form for form in forms if form["authored"][:10] <= day])
        assert cut_trace == [line for line in trace if line["on"] <= day]
        assert cut_flags == [line for line in flags if line["on"] <= day]


def test_the_order_of_the_input_changes_nothing(forms: list[dict[str, Any]]) -> None:
    """A file sorted by date gives what a file sorted by client gives."""
    shuffled = random.Random(3).sample(forms, len(forms))
    assert run(shuffled) == run(forms)


def test_the_trace_has_the_running_number(forms: list[dict[str, Any]]) -> None:
    """Any threshold can be studied afterwards: a number for each form that is judged."""
    _, trace = run(forms)
    assert len(trace) == len(forms)
    numbers = [line["score"] for line in trace if line["score"] is not None]
    assert len(numbers) > len(forms) / 4
    assert all(0 <= number <= 21 for number in numbers)
