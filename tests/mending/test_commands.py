"""The commands of mending and rights as people type them: plain sentences, the right exit status, JSON that is JSON."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from handrail.plugin_core.cli import run

from tests.sync.stage import EVEN, LEANING, Stage, form, gr18


@pytest.fixture
def type_(stage: Stage, capsys: pytest.CaptureFixture[str]) -> Any:
    """Types a command; gives exit status and what was said."""
    stage.course("c1", [EVEN, EVEN, EVEN, LEANING, LEANING])
    stage.course("c2", [EVEN, EVEN, EVEN, LEANING])
    stage.sync()

    def typed(*words: str) -> tuple[int, str]:
        capsys.readouterr()
        status = run(["--settings", str(stage.file), *words])
        said = capsys.readouterr()
        return status, said.out + said.err

    return typed


def test_from_the_list_to_the_reassigned_form_and_back(stage: Stage, type_: Any) -> None:
    """The id that the list shows is the id that the command takes."""
    status, said = type_("forms", "c1", "--json")
    newest = json.loads(said)[0]
    assert (status, newest["counts"], newest["reassigned"]) == (0, True, False)
    assert newest["id"] in type_("forms", "c1")[1]
    status, said = type_("reassign", newest["id"], "c2", "--reason", "wrong tablet", "--by", "anna")
    assert (status, "goes out with the next sync" in said) == (0, True), said
    assert "reassigned" in type_("forms", "c2")[1]
    status, said = type_("reassign", newest["id"], "--back", "--json")
    assert (status, "from" in json.loads(said)) == (0, True)
    assert stage.seen().standing() == ["c1 P1"]


@pytest.mark.parametrize(
    "words",
    [
        ("reassign", "abcdef", "c2"),
        ("reassign", "abcdef"),
        ("reassign", "abcdef", "c2", "--back"),
        ("merge", "c1"),
        ("merge", "c1", "c2"),
        ("merge", "c1", "c1", "--reason", "same"),
        ("merge", "nobody", "--back"),
        ("discharge", "c1", "--back", "--on", "2026-01-01"),
        ("discharge", "c1", "--back"),
        ("disconnect",),
        ("disconnect", "--retract-all", "--leave-on-platform"),
        ("disconnect", "--retract-all", "--erase"),
        ("erase", "c1"),
        ("erase", "c1", "--readmit"),
        ("erase", "nobody", "--yes"),
        ("export", "nobody", "-o", "x.html"),
        ("remark", "nothing", "words"),
        ("forms", "nobody"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(stage: Stage, type_: Any, words: tuple[str, ...]) -> None:
    """Wrong usage is status 2 and one sentence; a half-understood order must not be half done."""
    before = stage.seen()
    status, said = type_(*words)
    assert status == 2, said
    assert "Traceback" not in said
    assert stage.seen().differs(before) == {}


@pytest.mark.parametrize(
    "words",
    [
        ("erase", "", "--yes"),
        ("hold", "", "--until", "2026-12-24", "--reason", "x"),
        ("opt-out", " "),
        ("enrol", "", "--consent", "2026-01-01"),
        ("discharge", ""),
        ("export", "", "-o", "x.html"),
        ("merge", "", "c2", "--reason", "x"),
        ("ack", ""),
        ("remark", "", "words"),
        ("reassign", "", "c2", "--reason", "x"),
    ],
)
def test_nobody_is_meant_by_an_empty_name(stage: Stage, type_: Any, words: tuple[str, ...]) -> None:
    """A script whose variable is not set would erase, hold or opt out the one client whom the platform gives no name,
    and acknowledge the one flag that there is."""
    stage.put(form("nameless-1", "nameless", stage.now - timedelta(days=1), gr18(EVEN)))
    stage.sync()
    assert any(name == "Patient/nameless" for _, name in stage.ask(lambda engine: engine.clients()))
    before = stage.seen()
    status, said = type_(*words)
    assert (status, "Traceback" in said) == (2, False), said
    assert stage.seen().differs(before) == {}


def test_a_name_is_found_however_its_letters_are_spelled(stage: Stage, type_: Any) -> None:
    """A file from a Mac spells an umlaut as two signs; "No client here by that name" would be untrue."""
    stage.person("c1", name="J\u00f6rg M\u00fcller")
    stage.put(form("c1-99", "c1", stage.now - timedelta(days=1), gr18(EVEN)))
    stage.sync()
    assert type_("client", "Jo\u0308rg mu\u0308ller ")[0] == 0


def test_merge_discharge_remark(stage: Stage, type_: Any) -> None:
    """The ordinary way of each."""
    status, said = type_("merge", "c1", "c2", "--reason", "registered twice")
    assert (status, "Moved: 5 forms" in said) == (0, True), said
    back = re.search(r"To take it back: handrail (merge \w+ --back)", said)
    assert back is not None, "its name leads nowhere any more"
    status, said = type_(*back[1].split(), "--json")
    assert (status, json.loads(said)["forms"]) == (0, 5)
    assert type_("merge", "c1", "c2", "--reason", "registered twice")[0] == 0
    assert type_("merge", "Patient/c1", "--back")[0] == 0
    status, said = type_("discharge", "c1", "--on", "2026-11-19")
    assert (status, "Safety answers are still relayed" in said) == (0, True), said
    assert "The course ended on" in type_("client", "c1")[1]
    assert json.loads(type_("client", "c1", "--json")[1])["ended"] == "2026-11-19"
    assert type_("discharge", "c1", "--back")[0] == 0
    form = json.loads(type_("forms", "c1", "--json")[1])[0]["id"]
    assert type_("remark", form, "Not my best week.")[0] == 0
    assert "Not my best week." in type_("client", "c1")[1]


def test_export_and_erase(stage: Stage, type_: Any, tmp_path: Path) -> None:
    """What was written is named; what stays is named."""
    out = tmp_path / "c1"
    status, said = type_("export", "c1", "-o", str(out))
    assert (status, "Read it before you hand it over" in said) == (0, True), said
    assert sorted(path.name for path in out.iterdir()) == ["answers.csv", "client.html", "client.json", "scores.csv"]
    assert type_("export", "c1", "-o", str(out))[0] == 2
    status, said = type_("erase", "c1", "--yes")
    assert (status, "What stays, and why" in said) == (0, True), said
    status, said = type_("erase", "Patient/c1", "--yes", "--json")
    assert (status, json.loads(said)["done"]) == (0, True), said
    assert type_("client", "c1")[0] == 2
    assert type_("erase", "Patient/c1", "--readmit")[0] == 0


def test_an_erasure_that_cannot_reach_the_platform_exits_3(stage: Stage, type_: Any) -> None:
    """Incomplete, to be run again: nothing may look done."""
    stage.write_settings(base="http://127.0.0.1:9/fhir")
    status, said = type_("erase", "c1", "--yes")
    assert (status, "Nothing was deleted" in said) == (3, True), said
    assert type_("erase", "c1", "--yes", "--leave-on-platform")[0] == 0


def test_s24_no_name_and_no_reference_in_a_refusal(type_: Any) -> None:
    """Error texts end in tickets and mails."""
    for words in (("reassign", "abcdef123", "Invented c1", "--reason", "x"), ("forms", "Invented c9")):
        assert "Invented" not in type_(*words)[1]
