"""The end and the pause of a course (clinical.md 10: a form answered after discharge)."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from handrail.plugin_core.errors import UsageError
from handrail.plugin_core.store import asks, enrolments
from handrail.schemas.records import Enrolment
from handrail.schemas.vocab import AskState, EnrolmentState

from tests.sync.stage import EVEN, GROWN, LEANING, PHQ9, Stage, form, gr18


def discharge(stage: Stage, client: str, days_ago: int = 0) -> Any:
    """As `handrail discharge` does it."""
    on = stage.now.date() - timedelta(days=days_ago)
    return stage.ask(lambda e: e.mending.discharge(client, on, "anna"))


def test_forms_after_the_last_day_raise_nothing_but_safety(stage: Stage) -> None:
    """A prompt "before the next session" about somebody who has no next session; but an answer is an answer."""
    stage.course("c1", [EVEN, EVEN, EVEN, LEANING])
    stage.sync()
    discharge(stage, "c1")
    stage.later(days=20)
    stage.put(form("after", "c1", stage.now - timedelta(hours=2), gr18(LEANING)))
    stage.put(form("urgent", "c1", stage.now - timedelta(hours=1), PHQ9, instrument="phq9"))
    stage.sync()
    assert "after" in stage.seen().active()
    assert stage.seen().standing() == ["c1 S"]
    assert stage.shown() == []
    stage.ask(lambda e: e.mending.resume("c1", "anna"))
    stage.sync()
    assert stage.active() == ["c1 P1"]


def test_the_last_day_ends_at_the_practices_midnight(stage: Stage) -> None:
    """Many platforms write UTC: the last evening in New York is the next day there, and its prompt was lost."""
    stage.course("c1", [EVEN, EVEN, EVEN, LEANING])
    stage.sync()
    stage.later(days=2)
    stage.put(form("evening", "c1", stage.now.replace(hour=1), gr18(LEANING)))
    text = stage.file.read_text(encoding="utf-8")
    stage.file.write_text(text.replace('time_zone = "UTC"', 'time_zone = "America/New_York"'), encoding="utf-8")
    stage.now = stage.now.astimezone(ZoneInfo("America/New_York"))
    discharge(stage, "c1", days_ago=1)
    stage.sync()
    assert "c1 P1" in stage.seen().standing()


def test_a_form_of_before_that_arrives_late_still_counts(stage: Stage) -> None:
    """Answered on the last evening, uploaded a week later: it is shown here, and not on the platform."""
    stage.course("c1", [EVEN, EVEN, EVEN, LEANING])
    stage.sync()
    last = stage.now
    stage.later(days=7)
    discharge(stage, "c1", days_ago=7)
    stage.put(form("evening", "c1", last - timedelta(hours=1), gr18(LEANING)))
    stage.sync()
    assert stage.seen().standing() == ["c1 P1"]
    assert stage.active() == []


def test_what_stands_stays_here_and_is_closed_there(stage: Stage) -> None:
    """Nobody else may decide that a prompt was seen; a chart that is closed must not keep it open for ever."""
    stage.course("c1", [EVEN, EVEN, EVEN, LEANING, LEANING])
    stage.sync()
    assert stage.active() == ["c1 P1"]
    assert discharge(stage, "c1").standing == 1
    stage.sync()
    assert stage.seen().standing() == ["c1 P1"]
    assert [line[-1] for line in stage.shown()] == ["inactive"]
    stage.write_settings(carriers=["flag", "task"])
    stage.sync(full=True)
    assert stage.active() == []
    stage.ask(lambda e: e.mending.resume("c1", "anna"))
    stage.sync()
    assert sorted(line[-1] for line in stage.shown()) == ["active", "requested"]


def test_good_news_that_stood_clears_as_ever(stage: Stage) -> None:
    """A discharge never clears anything by itself, and stops nothing from clearing."""
    stage.course("c1", [EVEN, EVEN, EVEN, GROWN, GROWN])
    stage.sync()
    discharge(stage, "c1")
    stage.later(days=20)
    for number in (2, 1):
        stage.put(form(f"even-{number}", "c1", stage.now - timedelta(days=number), gr18(EVEN)))
    stage.sync()
    assert stage.seen().standing() == []


def enrolled(stage: Stage, client: str) -> None:
    """A client who is asked, with one request that is open."""

    def write(engine: Any) -> None:
        key = engine.client_key(client)
        today = stage.now.date()
        item = Enrolment(key, ("gr18",), 4, today - timedelta(days=60), consent=today - timedelta(days=60))

        def do(tx: Any) -> None:
            enrolments.save(tx, {key: (item, EnrolmentState.ACTIVE)}, stage.now)
            ask = asks.plan(tx, key, "gr18", today, "paper", today + timedelta(days=7), stage.now)
            asks.change(tx, ask, stage.now, state=AskState.OPEN, asked=stage.now)

        engine.store.write(do, engine.source)

    stage.ask(write)


def state(stage: Stage, client: str) -> tuple[str, list[str]]:
    """The enrolment's state and those of the requests."""

    def look(engine: Any) -> tuple[str, list[str]]:
        key = engine.client_key(client)
        with engine.store.reading(engine.source) as tx:
            from sqlalchemy import text

            row = tx.conn.execute(text("SELECT state FROM enrolments WHERE client = :c"), {"c": key}).scalar()
            return str(row), [ask.state.value for ask in asks.read(tx, clients=[key])]

    return stage.ask(look)  # type: ignore[no-any-return]


def test_nothing_more_is_asked(stage: Stage) -> None:
    """A reminder to fill in a form, weeks after the last session."""
    stage.course("c1", [EVEN])
    stage.sync()
    enrolled(stage, "c1")
    assert discharge(stage, "c1").requests == 1
    assert state(stage, "c1") == ("ended", ["withdrawn"])
    stage.ask(lambda e: e.mending.resume("c1", "anna"))
    assert state(stage, "c1")[0] == "active"


def test_a_pause_asks_nothing_until_its_end(stage: Stage) -> None:
    """A holiday, a stay in hospital: no request, and prompts are another matter."""
    stage.course("c1", [EVEN])
    stage.course("c2", [EVEN])
    stage.sync()
    enrolled(stage, "c1")
    until = stage.now.date() + timedelta(days=30)
    assert stage.ask(lambda e: e.mending.pause("c1", until, "anna")).requests == 1
    assert state(stage, "c1") == ("paused", ["withdrawn"])
    with pytest.raises(UsageError, match="not enrolled"):
        stage.ask(lambda e: e.mending.pause("c2", until, "anna"))


def test_days_that_cannot_be_are_refused(stage: Stage) -> None:
    """A slip in a date must not close a course that goes on."""
    stage.course("c1", [EVEN])
    stage.sync()
    with pytest.raises(UsageError, match="future"):
        stage.ask(lambda e: e.mending.discharge("c1", date(2031, 1, 1), "anna"))
    with pytest.raises(UsageError, match="before it begins"):
        stage.ask(lambda e: e.mending.pause("c1", date(2020, 1, 1), "anna"))
    with pytest.raises(UsageError, match="not discharged"):
        stage.ask(lambda e: e.mending.resume("c1", "anna"))
