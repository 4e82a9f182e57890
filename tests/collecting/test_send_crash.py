"""Any stop of `send` is a safe stop: nobody is asked twice for one due day, nobody is lost, nothing stays out.

The process is killed at each of its steps; the channel outside it counts.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable

import pytest
from handrail.plugin_core.collecting.send import POINTS
from handrail.schemas.vocab import AskState

from .child import killed_at
from .practice import Practice

Open = Callable[..., Practice]
pytestmark = pytest.mark.skipif(os.name != "posix", reason="NOT RUN: SIGKILL and forkserver are POSIX only")

ONCE = ("send-planned", "send-closing", "send-told", "send-closed")
"""Met once in `busy`: it plans once, and what was answered is closed by the sync that reads the form."""
CASES = [(point, hit) for point in POINTS for hit in (1, 2) if hit == 1 or point not in ONCE]


def busy(practice: Practice) -> None:
    """Each kind of work in one run: asked anew, reminded, run out, opted out, answered, handed over."""
    practice.enrol("c1", "c2", "c3", "c4")
    practice.send()
    practice.answer("c4")
    practice.ask(lambda engine: engine.collecting.opt_out("Patient/c3", "anna"))
    practice.days(3)
    practice.enrol("c5", "c6")
    practice.enrol("c7", channel="sheet")
    practice.enrol("c8", channel="link")


@pytest.mark.parametrize(("point", "hit"), CASES)
def test_send_killed(open_practice: Open, point: str, hit: int) -> None:
    """The next run makes good what the killed one left, and no client has two requests for one due day."""
    practice = open_practice(clients=8)
    busy(practice)
    assert killed_at(practice.file, practice.outside.folder, practice.now, point, hit), f"{point} was not met"
    practice.send(by_hand=practice.folder / "hand")
    practice.send(by_hand=practice.folder / "hand")
    once = Counter((one["client"], one["due"]) for one in practice.outside.requests())
    assert set(once.values()) == {1}
    open_there = sorted(practice.outside.open())
    assert open_there == [f"Patient/c{number}" for number in (1, 2, 5, 6, 7, 8)]
    assert practice.outside.requests()[0]["reminders"] == [1]
    states = Counter(row.state for row in practice.asks())
    assert states == {AskState.OPEN: 6, AskState.WITHDRAWN: 1, AskState.ANSWERED: 1}
    assert not any(row.recall for row in practice.asks())
    assert len(list((practice.folder / "hand").glob("form-*.html"))) == 1


@pytest.mark.parametrize("point", ["send-marked", "send-asked"])
def test_opted_out_after_a_kill_in_the_middle(open_practice: Open, point: str) -> None:
    """Nobody knows whether the request got out; the client says no before the next run: it is taken back, not sent."""
    practice = open_practice()
    practice.enrol()
    assert killed_at(practice.file, practice.outside.folder, practice.now, point, 1)
    asked = len(practice.outside.calls("ask"))
    practice.ask(lambda engine: engine.collecting.opt_out("Patient/c1", "anna"))
    practice.send()
    assert practice.outside.open() == []
    assert len(practice.outside.calls("ask")) == asked


@pytest.mark.parametrize("point", ["send-marked", "send-asked"])
def test_answered_after_a_kill_in_the_middle(open_practice: Open, point: str) -> None:
    """The form is in: the request that may have got out is closed there, and not made again."""
    practice = open_practice()
    practice.enrol()
    assert killed_at(practice.file, practice.outside.folder, practice.now, point, 1)
    practice.answer("c1")
    asked = len(practice.outside.calls("ask"))
    practice.send()
    assert practice.outside.open() == []
    assert len(practice.outside.calls("ask")) == asked
    assert [row.state for row in practice.asks()] == [AskState.ANSWERED]


def test_a_kill_and_weeks_without_a_run(open_practice: Open) -> None:
    """What is unknown for a month is asked with the same key then: once, and with time to answer."""
    practice = open_practice()
    practice.enrol()
    assert killed_at(practice.file, practice.outside.folder, practice.now, "send-asked", 1)
    practice.days(30)
    practice.send()
    assert len(practice.outside.requests()) == 1
    (row,) = practice.asks()
    assert row.state is AskState.OPEN
    assert (row.expires - practice.today).days == 7
