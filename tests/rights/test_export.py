"""All about one client, readable and portable (S29, S31, clinical.md 9): complete, safe to open, nobody else's."""

from __future__ import annotations

import csv
import io
import json
import os
import stat
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from handrail.plugin_core.errors import UsageError
from handrail.plugin_core.rights.tables import TRIGGERS, as_csv, cell
from hypothesis import given
from hypothesis import strategies as st

from tests.sync.stage import EVEN, LEANING, PHQ9, Stage, form, gr18

FILES = ["answers.csv", "client.html", "client.json", "scores.csv"]


@pytest.fixture
def known(stage: Stage) -> Stage:
    """c1 with a prompt, an amended form, a remark, a note, a hold; c2 beside."""
    stage.course("c1", [EVEN, EVEN, EVEN, LEANING, LEANING])
    stage.course("c2", [EVEN, EVEN])
    stage.put(form("c1-phq", "c1", stage.now - timedelta(days=2), PHQ9, instrument="phq9"))
    stage.sync()
    stage.later(minutes=30)
    stage.put(form("c1-2", "c1", stage.now - timedelta(days=91), gr18(EVEN, G1=4), status="amended"))
    stage.sync()
    stage.ask(lambda e: e.rights.remark("c1-3", "I had a fever that day.", "anna"))
    stage.ask(lambda e: e.notes.add("c1", "Brought a drawing.", "anna"))
    stage.ask(lambda e: e.hold("c1", stage.now.date() + timedelta(days=7), "bereavement", "anna"))
    return stage


def facts_of(stage: Stage, client: str) -> Any:
    """The JSON file's content."""
    return stage.ask(lambda e: e.rights.facts(client))


def test_everything_is_in_it(known: Stage, tmp_path: Path) -> None:
    """A client asks for all, and something is missing: the practice breaks the law without knowing it."""
    out = tmp_path / "for c1"
    written = known.ask(lambda e: e.rights.export("c1", out, "anna"))
    assert sorted(path.name for path in written) == FILES
    facts = json.loads((out / "client.json").read_text())
    assert [one["id"] for one in facts["forms"]] == ["c1-1", "c1-2", "c1-3", "c1-4", "c1-5", "c1-phq"]
    amended = facts["forms"][1]
    assert [answer["answer"] for answer in amended["answers"] if answer["line"] == "G1"] == [4]
    assert [a["answer"] for a in amended["earlier_versions"][0]["answers"] if a["line"] == "G1"] == [2]
    assert [one["text"] for one in facts["forms"][2]["remarks"]] == ["I had a fever that day."]
    assert {one["rule"] for one in facts["prompts"]} >= {"P1", "S"}
    assert [one["reason"] for one in facts["holds"]] == ["bereavement"]
    assert [(one["author"], one["text"]) for one in facts["notes"]] == [("anna", "Brought a drawing.")]
    page = (out / "client.html").read_text()
    for text in (
        "I had a fever that day.",
        "Brought a drawing.",
        "bereavement",
        "When something hard comes up",
        "item 9",
        "Mostly true",
    ):
        assert text.casefold() in page.casefold(), text


def test_nothing_of_anybody_else_is_in_it(known: Stage) -> None:
    """One client's file with another client's answers would be the worst of all."""
    known.ask(lambda e: e.mending.reassign("c1-5", "c2", "wrong tablet", "anna"))
    own, other = facts_of(known, "c1"), facts_of(known, "c2")
    assert "c1-5" not in json.dumps(own)
    assert "c1-5" in [one["id"] for one in other["forms"]]
    withdrawn = next(one for one in own["prompts"] if one["rule"] == "P1")
    assert withdrawn["evidence"] is None
    assert "not this client's" in withdrawn["reason"]
    assert "Invented c1" not in json.dumps(other)


def test_the_client_sees_no_prompt_names_and_no_bands(known: Stage, tmp_path: Path) -> None:
    """clinical.md 5: own answers and lines over time; the record's own sentences after that."""
    out = tmp_path / "page.html"
    known.ask(lambda e: e.rights.export("c1", out, "anna"))
    page = out.read_text()
    assert "band" not in page.split("<h2>", 2)[1].casefold()
    assert "have gone up</h" not in page
    assert 'class="band"' not in page
    assert "<script" not in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page


def test_s31_for_its_owner_only_and_never_over_something(known: Stage, tmp_path: Path) -> None:
    """A file that others can read, or that replaces another client's."""
    out = tmp_path / "made"
    old = os.umask(0)
    try:
        known.ask(lambda e: e.rights.export("c1", out, "anna"))
    finally:
        os.umask(old)
    if os.name == "posix":
        assert stat.S_IMODE(out.stat().st_mode) == 0o700
        assert {stat.S_IMODE(path.stat().st_mode) for path in out.iterdir()} == {0o600}
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    with pytest.raises(UsageError, match="already"):
        known.ask(lambda e: e.rights.export("c2", out, "anna"))
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_csv_reads_back(known: Stage, tmp_path: Path) -> None:
    """Portability: another program must get the same answers out."""
    out = tmp_path / "a.csv"
    known.ask(lambda e: e.rights.export("c1", out, "anna"))
    rows = list(csv.DictReader(io.StringIO(out.read_text(encoding="utf-8-sig"))))
    facts = facts_of(known, "c1")
    assert len(rows) == sum(len(one["answers"]) for one in facts["forms"])
    assert {(row["line"], row["answer"]) for row in rows if row["filled_in"] == facts["forms"][1]["filled_in"]} == {
        (one["line"], str(one["answer"])) for one in facts["forms"][1]["answers"]
    }


@given(
    st.text(),
    st.sampled_from(["", " ", '"', "'", '  "', "\u00a0", "\x00", "\ufeff"]),
    st.sampled_from(sorted(TRIGGERS)),
)
def test_s29_no_cell_is_a_formula(text: str, before: str, trigger: str) -> None:
    """A remark that runs a program on the computer of whoever opens the file."""
    made = str(cell(before + trigger + text))
    assert made.startswith("'")
    assert "\x00" not in made


@given(st.lists(st.text(alphabet=st.characters(blacklist_characters="\x00", blacklist_categories=["Cs"])), min_size=1))
def test_s29_harmless_text_is_left_as_it_is(texts: list[str]) -> None:
    """A table that changes what clients said is no record."""
    read = list(csv.reader(io.StringIO(as_csv([{"a": text} for text in texts], ["a"]), newline="")))
    for (found,), text in zip(read[1:], texts, strict=True):
        # A mark before what a program would run, and nothing else; a text may begin with such a mark of its own.
        assert found == text or (found == f"'{text}" and not TRIGGERS.isdisjoint(text))


def test_s29_numbers_stay_numbers() -> None:
    """A negative number is no formula, and a text that looks like one is no number."""
    assert (
        as_csv([{"a": -1.5}, {"a": 2}, {"a": "-1.5"}, {"a": None}], ["a"]) == '"a"\r\n-1.5\r\n2\r\n"\'-1.5"\r\n""\r\n'
    )


def test_s28_a_hostile_remark_is_a_remark(known: Stage, tmp_path: Path) -> None:
    """What a client says must not run in the browser of whoever reads it."""
    known.ask(
        lambda e: e.rights.remark("c1-3", "</p><script>alert(1)</script><img src=x onerror=alert(2)>{{7*7}}", "anna")
    )
    out = tmp_path / "page.html"
    known.ask(lambda e: e.rights.export("c1", out, "anna"))
    page = out.read_text()
    assert "<script>" not in page
    assert "<img" not in page
    assert "{{7*7}}" in page


def test_the_keys_are_those_of_the_documentation(known: Stage) -> None:
    """Another program reads the file by its documentation."""
    import re

    def documented(section: str) -> list[str]:
        text = (Path(__file__).parents[2] / "docs" / "json.md").read_text(encoding="utf-8")
        return re.findall(r"^\| `(\w+)` \|", text.split(f"\n## {section}\n")[1].split("\n## ")[0], re.MULTILINE)

    facts = facts_of(known, "c1")
    assert list(facts) == documented("Export")
    assert list(facts["forms"][0]) == documented("Exported form")
    view = known.ask(lambda e: e.client("c1"))
    from handrail.plugin_core.report.data import client_json

    assert list(client_json(view)["remarks"][0]) == documented("Remark")


def test_a_remark_is_shown_wherever_the_form_is(known: Stage) -> None:
    """A correction that nobody sees is none."""
    from handrail.plugin_core.report.page import report_html
    from handrail.plugin_core.report.terminal import client_panels, explain_text
    from rich.console import Console

    view = known.ask(lambda e: e.client("c1"))
    known.ask(lambda e: e.rights.remark("c1-5", "Not my best week.", "anna"))
    row = next(r for r in known.ask(lambda e: e.flags()) if r.flag.rule == "P1")
    shown = Console(record=True, width=100)
    shown.print(client_panels(view), explain_text(row))
    text = shown.export_text()
    assert "I had a fever that day." in text
    assert "Not my best week." in text
    page = known.ask(lambda e: report_html(e, as_of=known.now))
    assert "Not my best week." in page


def test_a_remark_that_says_nothing_is_refused(known: Stage) -> None:
    """An empty remark, or a novel."""

    def remark(text: str) -> None:
        known.ask(lambda e: e.rights.remark("c1-3", text, "anna"))

    for text in ("", "   ", "x" * 5000):
        with pytest.raises(UsageError, match="between 1 and"):
            remark(text)
