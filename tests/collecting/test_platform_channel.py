"""Asking through the platform itself, over real HTTP on the demo's FHIR server: the whole way of one request."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from handrail.plugin_core.collecting import Standing
from handrail.plugin_core.instruments import builtin_one
from handrail.schemas.vocab import RunOutcome

from .practice import Practice


@pytest.fixture
def platform(practice: Practice) -> Practice:
    """The practice with asking through its platform switched on, and our form published there."""
    practice.settings()
    text = practice.file.read_text()
    text = text.replace("[platform.settings]\n", '[platform.settings]\nask_by = "task"\n').replace(
        '"test"', '"platform"'
    )
    practice.file.write_text(text)
    practice.ask(lambda engine: engine.publish(builtin_one("gr18")))
    return practice


def tasks(practice: Practice) -> list[dict[str, Any]]:
    return practice.place().all("Task")


def test_asked_reminded_answered_and_marked_as_done(platform: Practice) -> None:
    """What the client's portal shows must follow what happened, and never show one form twice."""
    platform.enrol()
    report = platform.send()
    assert (report.outcome, report.problems) == (RunOutcome.COMPLETE, [])
    (task,) = tasks(platform)
    assert task["for"]["reference"] == "Patient/c1"
    platform.send()
    platform.days(2)
    assert platform.send().counts["reminded"] == 1
    platform.answer("c1")
    platform.send()
    (task,) = tasks(platform)
    assert task["status"] == "completed"


def test_opted_out_and_run_out_are_taken_back(platform: Practice) -> None:
    """An open request on the portal of a client who said no would go on asking."""
    platform.enrol()
    platform.send()
    platform.ask(lambda engine: engine.collecting.opt_out("Patient/c1", "anna"))
    platform.send()
    assert [task["status"] for task in tasks(platform)] == ["cancelled"]
    platform.days(1)
    platform.enrol()
    platform.send()
    platform.days(9)
    platform.send()
    assert [task["status"] for task in tasks(platform)] == ["cancelled", "cancelled"]
    assert platform.due().missed == 1


def test_a_sync_that_asks_nobody_takes_back_what_is_closed(platform: Practice) -> None:
    """`discharge` promises it; where forms are sent by hand once a week, a request stood for days after a no."""
    platform.enrol()
    platform.send()
    platform.ask(lambda engine: engine.mending.discharge("Patient/c1", platform.now.date(), "anna"))
    platform.ask(lambda engine: engine.sync())
    assert [task["status"] for task in tasks(platform)] == ["cancelled"]


def test_a_platform_where_asking_is_off_says_so_and_asks_nobody(practice: Practice) -> None:
    """The default: a portal shows such requests to people of whom nobody has thought yet."""
    practice.settings()
    practice.file.write_text(practice.file.read_text().replace('"test"', '"platform"'))
    practice.enrol()
    report = practice.send()
    assert report.outcome is RunOutcome.FAILED
    assert "switched off" in report.problems[0]
    assert tasks(practice) == []
    assert practice.standing() is Standing.TRYING
    practice.enrol(consent=False, channel="link")
    practice.later(minutes=timedelta(days=1).total_seconds() / 60)
    assert practice.send().counts["asked"] == 1
