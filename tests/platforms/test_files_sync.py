"""Files from the first connect to the list to enter by hand, through the commands: the same code as in a practice."""

from __future__ import annotations

import csv
import io
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from handrail.plugin_core.cli import run
from handrail.plugin_core.instruments import builtin_one
from handrail.plugin_core.settings import save

from tests.core.test_report_json import documented
from tests.sync.stage import EVEN, LEANING, gr18

Call = Callable[..., tuple[int, str, str]]
GR18 = builtin_one("gr18")
HEADINGS = ("Intake Id", "Client Id", "Client Name", "Practitioner", "Date Submitted", "Questionnaire")
TODAY = datetime.now(UTC)
DAYS = [(TODAY - timedelta(days=7 + 28 * months)).strftime("%Y-%m-%d 10:00") for months in (4, 3, 2, 1, 0)]


@pytest.fixture
def call(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    """Runs a command with the settings of this test; gives exit status, standard output, standard error."""

    def do(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = run(["--settings", str(tmp_path / "practice" / "handrail.toml"), *words])
        out = capsys.readouterr()
        return status, out.out, out.err

    return do


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The watched folder."""
    made = tmp_path / "exports"
    made.mkdir()
    return made


def row(number: int, client: str, name: str, day: str, answers: Mapping[str, Any]) -> list[str]:
    """A form as IntakeQ's extract has it: labels, one column a line."""
    labels = []
    for item in GR18.items:
        value = answers[item.id]
        labels.append(next((option.label for option in item.options if option.value == value), ""))
    return [f"I{number}", client, name, "T. Herapist", day, "Check-in", *labels]


def course(client: str, name: str, levels: Sequence[Mapping[str, float]], start: int = 0) -> list[list[str]]:
    """One form a month."""
    pairs = zip(levels, DAYS, strict=True)
    return [row(start + n, client, name, day, gr18(level)) for n, (level, day) in enumerate(pairs)]


def export(folder: Path, name: str, rows: Sequence[Sequence[str]], age: float = 3600) -> Path:
    """An extract, `age` seconds old."""
    text = io.StringIO(newline="")
    table = csv.writer(text, delimiter=";")
    table.writerows([[*HEADINGS, *(item.text for item in GR18.items)], *rows])
    path = folder / name
    path.write_text(text.getvalue(), encoding="utf-8-sig")
    when = time.time() - age
    os.utime(path, (when, when))
    return path


@pytest.fixture
def connected(call: Call, folder: Path) -> Call:
    """A practice whose extracts are confirmed, with one client who leans and one who does not."""
    leaning = course("41", "Zoë Müller", (*[EVEN] * 3, LEANING, LEANING))
    even = course("42", "Bo Grün", [EVEN] * 5, 10)
    export(folder, "january.csv", [*leaning, *even])
    assert call("init", "--key-file", "--time-zone", "Europe/Zurich")[0] == 0
    save(folder.parent / "practice" / "handrail.toml", {"prompts": ["P1"]})
    status, out, err = call("connect", "files", "--set", f"folder={folder}", "--confirm", "--json")
    assert status == 0, err
    facts = json.loads(out)
    assert facts["mappings_confirmed"] == ["Check-in as gr18/1"]
    assert facts["still_open"] == []
    assert facts["mappings"][0]["sure"] == 100.0
    assert set(facts["mappings"][0]) == set(documented("Proposed mapping"))
    return call


def counts(call: Call, *words: str) -> dict[str, int]:
    """What a sync did; fails when it was not complete."""
    status, out, err = call("sync", "--json", *words)
    assert status == 0, out + err
    found: dict[str, int] = json.loads(out)["counts"]
    return found


def test_from_an_export_to_the_list_to_enter_by_hand(connected: Call, tmp_path: Path) -> None:
    """All that a practice without any interface has: a file in, a list out."""
    done = counts(connected)
    assert (done["new"], done["raised"] >= 1) == (10, True)
    assert "unchanged" not in counts(connected)
    status, out, _ = connected("flags", "--by-hand", "--json")
    assert status == 0
    listed = json.loads(out)
    assert {(one["client"], one["name"], one["therapist"]) for one in listed} == {("41", "Zoë Müller", "T. Herapist")}
    assert {one["do"] for one in listed} == {"enter"}
    assert set(listed[0]) == set(documented("Line of the list to enter by hand"))
    for name, begins in (("list.html", "<!doctype html>"), ("list.csv", '\ufeff"What to do"')):
        path = tmp_path / name
        status, out, _ = connected("flags", "--by-hand", "-o", str(path))
        assert status == 0
        text = path.read_text(encoding="utf-8")
        assert text.startswith(begins)
        assert "Zoë Müller" in text
        assert "Handrail: something to look at before the next session" in text
        assert path.stat().st_mode & 0o077 == 0
        assert not [word for word in ("growth", "reliance", "score", "R1", "P1") if word in text]
    assert "handrail flags --by-hand" in connected("doctor")[1]
    assert connected("flags", "--by-hand", "-o", str(tmp_path / "list.pdf"))[0] == 2
    assert connected("flags", "-o", str(tmp_path / "list.csv"))[0] == 2


def test_importing_again_changes_nothing_and_a_corrected_row_is_an_amendment(connected: Call, folder: Path) -> None:
    """A copy, an overlapping export, a correction, the old export once more."""
    counts(connected)
    first = (folder / "january.csv").read_bytes()
    rows = course("41", "Zoë Müller", (*[EVEN] * 3, LEANING, LEANING))
    export(folder, "again.csv", rows, age=3000)
    assert not {"new", "replaced", "raised", "withdrawn"} & counts(connected).keys()
    corrected = [*rows[:4], row(4, "41", "Zoë Müller", DAYS[4], gr18(EVEN))]
    export(folder, "corrected.csv", corrected, age=2000)
    done = counts(connected)
    assert (done["replaced"], done.get("new", 0)) == (1, 0)
    assert json.loads(connected("flags", "--by-hand", "--json")[1])[0]["do"] == "take out"
    (folder / "old copy.csv").write_bytes(first)
    os.utime(folder / "old copy.csv", (time.time() - 600, time.time() - 600))
    assert not {"new", "replaced", "raised"} & counts(connected).keys()
    assert not {"new", "replaced", "raised"} & counts(connected, "--full").keys()


def test_files_that_are_moved_away_take_no_form_with_them(connected: Call, folder: Path) -> None:
    """Not even after the full check, twice, weeks later: `--full` always makes it."""
    counts(connected)
    (folder / "january.csv").unlink()
    for _ in range(3):
        assert "withdrawn_as_deleted" not in counts(connected, "--full")
    assert json.loads(connected("client", "41", "--json")[1])["name"] == "Zoë Müller"


def test_a_file_that_deviates_is_said_set_aside_and_read_once_confirmed(connected: Call, folder: Path) -> None:
    """And while it waits the others are read."""
    counts(connected)
    rows = course("43", "Ada Lind", [EVEN] * 5, 20)
    path = export(folder, "new.csv", rows, age=900)
    text = path.read_text(encoding="utf-8-sig").replace("I feel stuck with only one way to act.", "I feel free to act.")
    path.write_text(text, encoding="utf-8-sig")
    os.utime(path, (time.time() - 900, time.time() - 900))
    export(folder, "other.csv", course("44", "Eve Roth", [EVEN] * 5, 30), age=800)
    status, out, _ = connected("sync")
    assert status == 1, "a file that nobody has read may hold an answer about safety: that is no success"
    assert "the column I feel stuck with only one way to act. is missing" in out
    assert json.loads(connected("client", "44", "--json")[1])["name"] == "Eve Roth"
    assert not [word for word in ("Lind", "Zoë", "Müller") if word in out]
    path.unlink()
    assert "no longer listed" in connected("sync")[1]


def test_rows_that_cannot_be_read_are_counted_and_the_rest_goes_on(connected: Call, folder: Path) -> None:
    """With its line in the list of what is set aside; mended, it is there."""
    counts(connected)
    good = course("43", "Ada Lind", [EVEN] * 5, 20)
    bad = [[*good[0][:4], "31.31.2026", *good[0][5:]], *good[1:]]
    export(folder, "more.csv", bad, age=900)
    done = counts(connected)
    assert (done["new"], done["set_aside"]) == (4, 1)
    export(folder, "more.csv", good, age=600)
    done = counts(connected)
    assert (done["new"], done.get("set_aside", 0)) == (1, 0)
    assert "set aside" not in connected("sync")[1]


def test_an_answer_that_nobody_knows_costs_its_form_only(connected: Call, folder: Path) -> None:
    """A renamed option, or the platform's other language."""
    rows = course("43", "Ada Lind", [EVEN] * 5, 20)
    rows[0][6] = "Stimmt sehr"
    export(folder, "more.csv", rows, age=900)
    done = counts(connected)
    assert (done["new"], done["set_aside"]) == (14, 1)


def test_connect_without_a_terminal_says_what_is_open_and_how_to_say_it(call: Call, folder: Path) -> None:
    """Then nothing is read, and the next command is in the sentence."""
    rows = [row(n, "41", "Zoë Müller", f"0{n + 1}/02/2026", gr18(EVEN)) for n in range(3)]
    export(folder, "x.csv", rows)
    call("init", "--key-file")
    status, out, _ = call("connect", "files", "--set", f"folder={folder}", "--confirm")
    assert status == 0
    assert "--answer dates=dmy" in out
    assert "nobody has confirmed yet how this file is read" in call("sync")[1]
    status, out, _ = call("connect", "files", "--answer", "dates=mdy", "--confirm")
    assert "Mapping confirmed: Check-in as gr18/1" in out
    assert counts(call)["new"] == 3
    status, _, err = call("connect", "files", "--answer", "colour=blue")
    assert (status, "colour" in err) == (2, True)


def test_a_folder_that_is_not_there_is_said_at_connect_and_at_sync(call: Call, tmp_path: Path, folder: Path) -> None:
    """A share that is not mounted must not look like a practice without forms."""
    call("init", "--key-file")
    status, _, err = call("connect", "files", "--set", f"folder={tmp_path / 'nowhere'}")
    assert status == 2
    assert "cannot be read" in err
    call("connect", "files", "--set", f"folder={folder}")
    folder.rmdir()
    status, out, _ = call("sync")
    assert status == 1
    assert "cannot be read" in out
