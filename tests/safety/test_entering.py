"""`handrail enter` with a safety answer: it fails as long as somebody could not be told, and the form is stored."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from handrail.plugin_core.cli import run
from handrail.plugin_core.instruments import builtin_one

from .ward import BACKUP, CLINICIAN, ITEM, Ward

LINES = [item.id for item in builtin_one("phq9").items]
ROW = " ".join("2" if line == ITEM else "0" for line in LINES)


def enter(ward: Ward, capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, str, str]:
    """Types in yesterday's form of a known client; gives the exit status and what was printed, and where."""
    day = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()  # the command has no other clock
    capsys.readouterr()
    status = run(["--settings", str(ward.file), "enter", "phq9", "c1", "--on", day, "--answers", ROW, *more])
    got = capsys.readouterr()
    return status, got.out, got.err


@pytest.fixture
def known(ward: Ward) -> Ward:
    """The practice with one client, who has a quiet form."""
    ward.answer("f1", value=0)
    ward.sync()
    assert not ward.told()
    return ward


def test_enter_fails_as_long_as_somebody_could_not_be_told(known: Ward, capsys: pytest.CaptureFixture[str]) -> None:
    """A script that goes by the exit status would take 0 for "they know"."""
    known.mail.refused = {CLINICIAN}
    status, out, err = enter(known, capsys)
    assert status == 1
    assert f"Stored. {len(LINES)} of {len(LINES)} lines are filled in." in out
    assert "The form is here, but not everybody could be told of its safety answer:" in err
    assert "The responsible clinician could not be told of 1 safety answer" in err
    assert "Note: " not in err, "said once"
    status, out, _ = enter(known, capsys, "--json")
    assert (status, json.loads(out)["unchanged"]) == (1, True), "the same form again: they still do not know"
    assert "could not be told of 1 safety answer" in " ".join(json.loads(out)["untold"])
    assert known.told() == [BACKUP]


def test_enter_ends_well_when_everybody_was_told(known: Ward, capsys: pytest.CaptureFixture[str]) -> None:
    """A failure that is none would teach people to pass over the next one."""
    status, out, _ = enter(known, capsys, "--json")
    assert (status, json.loads(out)["untold"]) == (0, [])
    assert sorted(known.told()) == sorted([CLINICIAN, BACKUP])
