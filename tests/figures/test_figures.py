"""The practice's own figures: counted right, and silent where too few people stand behind them."""

from __future__ import annotations

from collections.abc import Iterator
from operator import methodcaller
from pathlib import Path

import pytest
from handrail.plugin_core.figures import PracticeFigures
from handrail.plugin_core.store.tables import asks
from handrail.schemas.vocab import AskState
from sqlalchemy import insert

from ..sync.stage import EVEN, LEANING, SHRUNK, Stage, form, gr18


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """Six clients, five of whom have a prompt that stands; the newest form is a week old."""
    with Stage(tmp_path / "practice") as made:
        for number, change in enumerate((LEANING, LEANING, LEANING, SHRUNK, SHRUNK, EVEN), 1):
            made.course(f"c{number}", [EVEN, EVEN, EVEN, change, change])
        made.sync()
        yield made


def figures(stage: Stage) -> PracticeFigures:
    found: PracticeFigures = stage.ask(lambda e: e.figures.read())
    return found


def asked(stage: Stage, due: str, *states: AskState) -> None:
    """Requests of one due day with these ends, as sending leaves them."""
    with stage.engine() as engine:
        rows = [
            {
                "source": engine.source,
                "key": f"{due}-{number}",
                "client": "c",
                "instrument": "gr18",
                "due": due,
                "state": state.value,
                "channel": "paper",
                "attempts": 1,
                "reminders": 0,
                "expires": due,
                "recall": False,
                "changed_ms": 0,
            }
            for number, state in enumerate(states)
        ]
        engine.store.write(lambda tx: tx.conn.execute(insert(asks), rows), engine.source)


def test_prompts_per_hundred_clients_a_year(stage: Stage) -> None:
    """Five prompts among six clients with a form in the year: 83.3 per hundred."""
    found = figures(stage)
    assert (found.clients, found.prompts) == (6, 5)
    assert found.prompts_per_hundred == pytest.approx(100 * 5 / 6)


def test_a_prompt_that_was_withdrawn_is_not_counted(stage: Stage) -> None:
    """What rested on a form that was entered in error never was."""
    for number in (4, 5):
        stage.put(form(f"c1-{number}", "c1", stage.now, gr18(LEANING), status="entered-in-error"))
    stage.later(minutes=5)
    stage.sync()
    assert figures(stage).prompts == 4


def test_the_share_found_useful_and_the_days_from_form_to_acknowledgement(stage: Stage) -> None:
    """The form is a week old; three of the five who said something found it useful, the last word counts."""
    rows = stage.ask(lambda e: e.flags())
    for row, useful in zip(rows, ("no", "yes", "no", "unsure", "yes"), strict=True):
        stage.ask(methodcaller("acknowledge", row.flag.key, "anna", useful=useful))
    stage.later(days=2)
    stage.ask(lambda e: e.acknowledge(rows[0].flag.key, "anna", useful="yes"))
    found = figures(stage)
    assert found.useful == {"yes": 3, "no": 1, "unsure": 1, "unsaid": 0}
    assert found.useful_share == 3 / 5
    assert found.days_to_seen == pytest.approx(7.0)


def test_fewer_than_five_give_no_share(stage: Stage) -> None:
    """A share of one or two people is about those people."""
    rows = stage.ask(lambda e: e.flags())
    stage.ask(lambda e: e.acknowledge(rows[0].flag.key, "anna", useful="no"))
    asked(stage, "2026-10-01", AskState.ANSWERED, AskState.EXPIRED)
    found = figures(stage)
    assert (found.seen, found.useful_share, found.days_to_seen, found.answered_share) == (1, None, None, None)


def test_asked_and_answered_leave_out_what_is_still_open(stage: Stage) -> None:
    """An open request is no refusal; one withdrawn before an answer (opted out) is none either."""
    asked(stage, "2026-10-01", *[AskState.ANSWERED] * 4, AskState.EXPIRED, AskState.WITHDRAWN, AskState.REFUSED)
    asked(stage, "2026-11-19", AskState.OPEN, AskState.PLANNED)
    asked(stage, "2024-01-01", AskState.EXPIRED)
    found = figures(stage)
    assert (found.asked, found.answered, found.open, found.answered_share) == (5, 4, 2, 0.8)


def test_nothing_is_told_by_therapist_or_client(stage: Stage) -> None:
    """docs/figures.md: for the practice as a whole. The record has no field that could name one."""
    assert set(PracticeFigures.__dataclass_fields__) == {
        "since", "until", "asked", "answered", "open", "clients", "prompts", "seen", "useful", "days_to_seen"
    }  # fmt: skip
