"""R1 through the offline command: causal at any cut, one process or two, sorted or not."""

from __future__ import annotations

import io
import json
import random
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from handrail.plugin_core.screen import Descriptors, screen

from benchmarks.signal import lines, worlds
from tests.core.courses import GR18, START

from .test_r1 import lines as lines_of

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


def test_two_versions_of_the_form_are_two_series() -> None:
    """A reworded line is another line: high answers on the new version do not follow from those on the old."""
    instruments = [GR18, replace(GR18, version="2")]
    written = []
    for n in range(14):
        high = n >= 6
        answers = lines_of(2, 4 if high else 1)
        when = (START + timedelta(weeks=2 * n)).isoformat()
        version = "2" if high else "1"
        written.append({"client": "c", "instrument": "gr18", "version": version, "authored": when, "answers": answers})
    found: dict[str, list[Any]] = {}
    for name, chosen in (("joined", [{**one, "version": "1"} for one in written]), ("apart", written)):
        trace = io.BytesIO()
        known = Descriptors(instruments=instruments)
        screen([json.dumps(one) for one in chosen], io.BytesIO(), rules=["R1"], trace=trace, descriptors=known)
        found[name] = [json.loads(line)["score"] for line in trace.getvalue().splitlines()]
    assert found["apart"][6:12] == [None] * 6, "twelve weeks begin anew"
    assert found["joined"][6:12].count(None) == 0


def test_the_quick_look_changes_no_line(forms: list[dict[str, Any]]) -> None:
    """Without a trace rules that cannot be met are not judged at all; what is written must be the same."""
    written = [json.dumps(form) for form in forms]
    whole, quick = io.BytesIO(), io.BytesIO()
    screen(written, whole, trace=io.BytesIO())
    screen(written, quick)
    assert quick.getvalue() == whole.getvalue()
    assert quick.getvalue()


def test_the_trace_has_the_running_number(forms: list[dict[str, Any]]) -> None:
    """Any threshold can be studied afterwards: a number for each form that is judged."""
    _, trace = run(forms)
    assert len(trace) == len(forms)
    numbers = [line["score"] for line in trace if line["score"] is not None]
    assert len(numbers) > len(forms) / 4
    assert all(0 <= number <= 21 for number in numbers)
