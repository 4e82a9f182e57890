"""The facts as JSON: the keys that docs/json.md promises, plain types, and nothing that was private."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from handrail.plugin_core.cli.app import indented
from handrail.plugin_core.report.data import client_json, flag_json, flags_json, report_json
from handrail.schemas.flags import EvidenceSchema
from handrail.schemas.runs import RunReportSchema
from handrail.schemas.vocab import Blank
from hypothesis import example, given
from hypothesis import strategies as st

from .report_fake import acknowledgement, course, even, form, hold, rising_view, rows_of, run, view

DOCS = Path(__file__).parents[2] / "docs" / "json.md"


def documented(section: str) -> list[str]:
    """The keys of a table in docs/json.md."""
    text = DOCS.read_text(encoding="utf-8").split(f"\n## {section}\n")[1].split("\n## ")[0]
    return re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)


def everything() -> dict[str, Any]:
    """A client with something in every list."""
    client = rising_view(hold=hold())
    row = replace(client.flags[0], acknowledgements=(acknowledgement("x"),))
    return client_json(view(client.courses, flags=(row,), hold=hold()))


@pytest.mark.parametrize(
    ("section", "path"),
    [
        ("Client", []),
        ("Course", ["courses", 0]),
        ("Form", ["courses", 0, "forms", 0]),
        ("Score", ["courses", 0, "forms", 0, "scores", "growth"]),
        ("Band", ["courses", 0, "bands", "growth", 0]),
        ("Flag", ["flags", 0]),
        ("Evidence", ["flags", 0, "evidence"]),
        ("Delivery", ["flags", 0, "deliveries", 0]),
        ("Acknowledgement", ["flags", 0, "acknowledgements", 0]),
        ("Hold", ["flags", 0, "hold"]),
        ("Hold", ["holds", 0]),
    ],
)
def test_keys_are_those_of_the_documentation(section: str, path: list[Any]) -> None:
    """A program that reads our JSON breaks when a key goes missing or is renamed."""
    found: Any = everything()
    for step in path:
        found = found[step]
    assert list(found) == documented(section)


def test_a_run_and_a_list_of_flags_have_the_documented_keys() -> None:
    """The same for what sync and flags print."""
    assert list(report_json(run())) == documented("Run")
    assert list(flags_json([])) == documented("Flags")


def test_all_of_it_is_plain_json_and_says_what_was_stored() -> None:
    """An enum, a date or a record left in the facts would end the command with a traceback."""
    found = json.loads(json.dumps(everything(), allow_nan=False))
    flag = found["flags"][0]
    assert flag["rule"] == "P1"
    assert flag["state"] == "raised"
    assert flag["opened"] == "2026-04-27T12:00:00+00:00"
    assert found["courses"][0]["forms"][4]["scores"]["warning"]["value"] == 3.0


def test_evidence_and_runs_come_back_as_they_went_out() -> None:
    """A flag must be redone from its JSON alone, so nothing of the evidence may be lost on the way."""
    row = rows_of(rising_view().courses, "Ada Example")[0]
    assert EvidenceSchema().load(flag_json(row)["evidence"]) == row.flag.evidence
    found = report_json(run())
    del found["format"]
    assert RunReportSchema().load(found) == run()


def test_blanks_are_words_and_no_score_is_null() -> None:
    """A blank printed as 0 would read as an answer."""
    answers = even(G1=Blank.DECLINED, G2=Blank.EMPTY, G3=Blank.EMPTY)
    found = client_json(view([course([form(0, answers)])], flags=()))["courses"][0]["forms"][0]
    assert (found["answers"]["G1"], found["answers"]["G2"]) == ("declined", "empty")
    assert found["scores"]["growth"]["value"] is None
    assert found["scores"]["growth"]["reason"] == "7 of 10 lines answered, 8 needed"


def test_the_self_check_is_in_it_only_where_it_is_shared() -> None:
    """A therapist's private self-check in the practice's export would break a promise made to them."""
    answers = {f"T{n}": 2 for n in range(1, 9)}
    private = course([form(0, answers, instrument="ts8")], "ts8")
    both = course(
        [form(0, answers, instrument="ts8"), form(1, answers, instrument="ts8", tags=frozenset({"shared"}))], "ts8"
    )
    assert client_json(view([private], flags=()))["courses"] == []
    assert [one["id"] for one in client_json(view([both], flags=()))["courses"][0]["forms"]] == ["ts8-1"]


LETTERS = st.text(st.characters(codec=None), max_size=6)  # also what is no letter: a path of the computer may hold it
FACTS: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | LETTERS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(LETTERS, inner, max_size=4),
    max_leaves=20,
)


@example(
    facts={"a": {}, "b": [], "c": [[], {}], "d": '[{,: \\"\n\u2028\x7f', "e": "\udc80", "f": 1e16, "g": float("inf")}
)
@given(facts=FACTS)
def test_facts_are_printed_as_json_writes_them(facts: Any) -> None:
    """A practice that keeps what `--json` printed and compares must not find all of it changed by an update."""
    assert indented(facts) == json.dumps(facts, ensure_ascii=False, indent=2)


def test_a_flag_more_costs_a_list_little() -> None:
    """A host that asks a large practice for its flags every minute pays for each of them."""
    row = rows_of(rising_view().courses, "Ada Example")[0]
    assert len(row.flag.evidence.forms) + len(row.flag.evidence.steps) > 3, "the test shows nothing"

    def printed(times: int) -> int:
        return calls(lambda: indented(flags_json([row] * times)))

    printed(1)
    assert (printed(11) - printed(1)) / 10 < MOST_CALLS


MOST_CALLS = 450  # calls in Python, of which the evidence's fields are most; json's own indent takes thousands


def calls(work: Callable[[], object]) -> int:
    """How many functions of Python are called."""
    number = 0

    def count(_frame: Any, event: str, _arg: Any) -> None:
        nonlocal number
        number += event == "call"

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(before)
    return number
