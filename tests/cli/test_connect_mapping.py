"""The walk through proposed mappings, as whoever runs `connect` meets it: on a terminal, by options alone, as JSON."""

from __future__ import annotations

import csv
import io
import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from handrail.plugin_core.cli import cli, run
from handrail.plugin_core.instruments import builtin_one
from handrail.plugin_core.mapping import files

GAD7 = builtin_one("gad7")
TEXTS = [item.text for item in GAD7.items]
LABELS = [option.label for option in GAD7.items[0].options]
Connect = Callable[..., Result]


@pytest.fixture
def practice(tmp_path: Path) -> Path:
    """The settings file of a practice that has run init."""
    (tmp_path / "exports").mkdir()
    file = tmp_path / "practice" / "handrail.toml"
    assert run(["--settings", str(file), "init", "--key-file", "--time-zone", "UTC"]) == 0
    return file


@pytest.fixture
def connect(practice: Path, monkeypatch: pytest.MonkeyPatch) -> Connect:
    """Runs connect, on a terminal where something is typed."""

    def do(*words: str, typed: str | None = None) -> Result:
        monkeypatch.setattr("handrail.plugin_core.cli.setup._on_terminal", lambda: typed is not None)
        where = ("--settings", str(practice), "connect", "files", "--set", f"folder={practice.parents[1] / 'exports'}")
        return CliRunner().invoke(cli, [*where, *words], input=typed)

    return do


def export(practice: Path, texts: Sequence[str] = TEXTS, last: Sequence[str] = LABELS) -> None:
    """A table of GAD-7 forms; `last` are the labels of the last line, by number."""
    text = io.StringIO(newline="")
    table = csv.writer(text)
    table.writerow(["Form ID", "Client ID", "Date", *texts])
    for n in range(8):
        row = [LABELS[(n + k) % 4] for k in range(len(texts) - 1)]
        table.writerow([n, f"c{n}", f"2026-02-{n + 10}", *row, last[n % 4]])
    path = practice.parents[1] / "exports" / "export.csv"
    path.write_text(text.getvalue(), encoding="utf-8")
    os.utime(path, (time.time() - 600, time.time() - 600))


def mapped(practice: Path) -> list[dict[str, object]]:
    """For each mapping that is stored, the options of its last line."""
    return [dict(one.questions[-1].options) for one in files.load_all(practice.parent / "mappings", "files")]


def test_confirm_takes_what_needs_no_reading_and_leaves_the_rest(connect: Connect, practice: Path) -> None:
    """A script must never say yes to what a person has to read."""
    export(practice, [*TEXTS[:-1], "Feeling afraid as though something awful might happen"])
    done = connect("--confirm", "--json")
    facts = json.loads(done.stdout)
    assert (facts["mappings_confirmed"], len(facts["mappings_left"])) == ([], 1)
    last = facts["mappings"][0]["questions"][-1]
    assert (last["line"], last["by"], last["sure"] <= 94) == ("Q7", "likeness", True)
    assert mapped(practice) == []
    export(practice)
    facts = json.loads(connect("--confirm", "--json").stdout)
    assert len(facts["mappings_confirmed"]) == 1
    assert len(mapped(practice)) == 1


def test_on_a_terminal_each_line_is_shown_with_how_sure_it_is_and_asked_once(connect: Connect, practice: Path) -> None:
    """Problems first; a likeness is marked as one to read."""
    export(practice, [*TEXTS[:-1], "Feeling afraid as though something awful might happen"])
    done = connect(typed="y\ny\n")
    assert done.exit_code == 0, done.output
    table = done.output[done.output.index("gad7/1") :]
    assert "% alike, read" in table
    assert "100 % same words" in table
    assert table.index("Feeling afraid") < table.index("Feeling nervous"), "what is least sure comes first"
    assert len(mapped(practice)) == 1
    assert "[y/N]" not in connect(typed="").output, "what is confirmed is not asked again"


def test_saying_no_leaves_everything_as_it_was(connect: Connect, practice: Path) -> None:
    """Neither the layout nor the mapping is half there."""
    export(practice)
    done = connect(typed="n\nn\n")
    assert done.exit_code == 0
    assert "nobody has confirmed it" in done.output
    assert not (practice.parent / "layouts").exists() or not list((practice.parent / "layouts").glob("*.json"))
    assert mapped(practice) == []


@pytest.mark.parametrize("confirm", [False, True])
def test_what_was_found_in_a_file_is_shown_without_a_terminal_too(
    connect: Connect, practice: Path, confirm: bool
) -> None:
    """Encoding, separator and order of dates decide what every answer means: somebody who runs the command by a script
    or over a line without a terminal would else confirm them unseen."""
    export(practice)
    done = connect(*(["--confirm"] if confirm else []))
    assert done.exit_code == 0
    for found in ("export.csv", "encoding", "utf-8", "cells are parted by", "Client ID", "9999-99-99"):
        assert found in done.stdout
    assert ("elsewhere with --confirm" in " ".join(done.stdout.split())) is not confirm


def test_a_person_gives_numbers_to_options_that_nobody_knows(connect: Connect, practice: Path) -> None:
    """The platform's own words for the options; each is asked once and stands in the file."""
    export(practice, last=("Nope", "Bit", "Lots", "Always"))
    done = connect(typed="y\ny\n\n3\n2\n1\n0\ny\n")
    assert done.exit_code == 0, done.output
    assert "an option whose number is not known" in " ".join(done.output.split())
    options = mapped(practice)[0]
    assert set(options) == {"Nope", "Bit", "Lots", "Always"}
    assert sorted(options.values()) == [0, 1, 2, 3]  # type: ignore[type-var]


def test_a_question_that_says_something_else_cannot_be_confirmed(connect: Connect, practice: Path) -> None:
    """Not even by a person in a hurry: the form is to be mended where it is made."""
    export(practice, [*TEXTS[:-1], "Not feeling afraid as if something awful might happen"])
    done = connect(typed="y\ny\ny\n")
    text = " ".join(done.output.split())
    assert "differs in: not" in text
    assert "Change the form where it is made" in text
    assert "No question for: Q7" in text
    assert mapped(practice) == []


def test_numbers_of_another_span_are_refused_until_somebody_says_what_they_mean(
    connect: Connect, practice: Path
) -> None:
    """1 to 4 where ours are 0 to 3: never shifted by itself, by a person with open eyes it is."""
    export(practice, last=("1", "2", "3", "4"))
    assert "the numbers are not shifted" in " ".join(connect("--confirm", "--json").stdout.split())
    assert mapped(practice) == []
    connect(typed="y\n\n0\n1\n2\n3\ny\n")
    assert mapped(practice)[0] == {"1": 0, "2": 1, "3": 2, "4": 3}


def test_a_form_that_changed_is_told_with_the_question_that_changed(connect: Connect, practice: Path) -> None:
    """And is asked about again, whatever was confirmed before."""
    export(practice)
    connect("--confirm")
    layouts = list((practice.parent / "layouts").glob("*.json"))
    export(practice, [*TEXTS[:-1], "Feeling afraid as though something awful might happen"])
    facts = json.loads(connect("--confirm", "--json").stdout)
    assert facts["mappings"][0]["changed"] == [TEXTS[-1]]
    assert "changed since it was confirmed" in facts["mappings_left"][0]
    assert list((practice.parent / "layouts").glob("*.json")) == layouts


def test_remap_goes_through_a_confirmed_form_again(connect: Connect, practice: Path) -> None:
    """A number that was given wrongly must not be for ever."""
    export(practice, last=("Nope", "Bit", "Lots", "Always"))
    connect(typed="y\ny\n\n3\n2\n1\n0\ny\n")
    before = mapped(practice)[0]
    form = files.load_all(practice.parent / "mappings", "files")[0].form
    assert connect("--remap", "nothing of that name").exit_code != 0
    done = connect("--remap", form, typed="y\n\n0\n1\n2\n3\ny\n")
    assert done.exit_code == 0, done.output
    assert len(mapped(practice)) == 1
    assert mapped(practice)[0] == {name: 3 - number for name, number in before.items()}  # type: ignore[operator]


def test_answers_that_nothing_asks_for_are_refused(connect: Connect, practice: Path) -> None:
    """A misspelled one would otherwise be silently ignored."""
    export(practice)
    assert connect("--answer", "date=dmy", "--confirm").exit_code != 0
    assert connect("--answer", "dates=guess", "--confirm").exit_code != 0


def test_who_says_no_may_go_through_every_question(connect: Connect, practice: Path) -> None:
    """What was found is then only what is proposed: here the form gets another name, all else stays."""
    export(practice)
    kept = "\n" * 8  # how it is laid out, and seven roles
    done = connect(typed=f"n\ny\n{kept}\nMine\nWorry\n\ny\ny\n")
    assert done.exit_code == 0, done.output
    layout = json.loads((practice.parent / "layouts" / "mine.json").read_text(encoding="utf-8"))
    assert (layout["form"], layout["columns"]["client"], layout["dates"]) == ("Worry", "Client ID", "ymd")
    assert [one.form for one in files.load_all(practice.parent / "mappings", "files")] == ["Worry"]
