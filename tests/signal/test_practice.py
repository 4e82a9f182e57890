"""What `calibrate` compares with: the flags of today, from the very courses that a sync reads."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from handrail.plugin_core.engine import Engine
from handrail.plugin_core.signal import practice

from tests.collecting.practice import Practice
from tests.sync.stage import EVEN, LEANING, gr18


def _leaning(folder: Path, **enrolment: object) -> Practice:
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
