"""What `calibrate` compares with: the flags of today, from the very courses that a sync reads."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from handrail.plugin_core.cli import run as command
from handrail.plugin_core.engine import Engine
from handrail.plugin_core.signal import local, practice

from tests.collecting.practice import Practice
from tests.sync.stage import EVEN, LEANING, gr18


def _leaning(folder: Path, **enrolment: Any) -> Practice:
    """One client who leans more and more, on days that are others in Zurich than in Greenwich."""
    stage = Practice(folder, settings='time_zone = "Europe/Zurich"')
    stage.enrol("c1", **enrolment)
    for week in range(6):
        when = stage.now.replace(hour=22, minute=30) + timedelta(weeks=week) - timedelta(weeks=8)
        stage.answer("c1", when=when, sync=False, answers=gr18(EVEN if week < 2 else LEANING))
    stage.sync()
    return stage


def test_the_courses_are_those_that_a_sync_reads(tmp_path: Path) -> None:
    """Put together otherwise, calibrate would count flags that nobody has: tags, the practice's days, shared forms."""
    stage = _leaning(tmp_path, tags=frozenset({"couple"}))

    def compare(engine: Engine) -> None:
        (found,) = next(practice.courses(engine))
        (shown,) = engine.client("Patient/c1").courses
        assert found == shown
        assert all("couple" in form.tags for form in found.forms)
        assert all(str(form.authored.tzinfo) == "Europe/Zurich" for form in found.forms)

    stage.ask(compare)


def test_answers_that_are_kept_apart_are_not_counted_as_flags(tmp_path: Path) -> None:
    """A proxy's answers raise no prompt; a count with them would promise the practice fewer or more than it gets."""
    plain = _leaning(tmp_path / "plain").ask(lambda engine: practice.standing(engine, {}))
    proxy = _leaning(tmp_path / "proxy", tags=frozenset({"proxy"})).ask(lambda engine: practice.standing(engine, {}))
    assert plain
    assert proxy == {}


def test_what_a_hold_or_an_old_course_keeps_back_is_not_counted(tmp_path: Path) -> None:
    """The practice looks at its list of flags beside these numbers: they must be of the same flags."""
    held = Practice(tmp_path / "held")
    held.enrol("c1")
    until = held.today + timedelta(days=300)
    held.ask(lambda engine: engine.hold("Patient/c1", until, "a loss in the family", "anna"))
    held.days(56)
    for week in range(6):
        when = held.now - timedelta(weeks=6 - week)
        held.answer("c1", when=when, sync=False, answers=gr18(EVEN if week < 2 else LEANING))
    held.sync()
    old = Practice(tmp_path / "old")
    for week in range(6):
        old.answer("c1", when=old.now - timedelta(days=200 - 7 * week), sync=False,
                   answers=gr18(EVEN if week < 2 else LEANING))  # fmt: skip
    old.sync()
    for stage in (held, old):
        assert stage.ask(lambda engine: engine.flags()) == []
        assert stage.ask(lambda engine: practice.standing(engine, {})) == {}


def test_calibrate_shows_what_would_change_and_keeps_it_only_when_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A hundred clients who go up and down by a lot and one who leans more by less than that: with the practice's own
    error nothing is left of that prompt, and it says so before anything is kept."""
    stage = Practice(tmp_path, now=datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1))
    rng = random.Random(4)
    for number in range(106):
        own = {score: rng.uniform(0, 4) for score in ("growth", "reliance", "outlook")}
        for week in (9, 6):
            levels = {score: min(4, max(0, round(level + rng.gauss(0, 2)))) for score, level in own.items()}
            when = stage.now - timedelta(weeks=week)
            stage.answer(f"d{number}", when=when, sync=False, answers=gr18(levels))
    for week in range(6):
        when = stage.now - timedelta(weeks=8 - week)
        stage.answer("c1", when=when, sync=False, answers=gr18(EVEN if week < 2 else LEANING))
    stage.sync()
    (prompt,) = {row.flag.rule for row in stage.ask(lambda engine: engine.flags()) if "c1" in row.client}

    def calibrate(*more: str) -> dict[str, Any]:
        assert command(["--settings", str(stage.file), "calibrate", "--json", *more]) == 0
        facts: dict[str, Any] = json.loads(capsys.readouterr().out)
        return facts

    shown = calibrate()
    assert all(one["enough"] for one in shown["estimates"])
    assert shown["flags"][prompt] == {"now": 1, "then": 0}
    assert not shown["stored"]
    assert not (tmp_path / local.FILE).exists()
    assert calibrate("--store")["stored"]
    stage.ask(lambda engine: engine.rescore(dry_run=False))
    assert not [row for row in stage.ask(lambda engine: engine.flags()) if "c1" in row.client]
    assert prompt not in calibrate()["flags"]
