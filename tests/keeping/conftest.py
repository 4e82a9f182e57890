"""A practice with rows in nearly every table, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from handrail.plugin_core.collecting.enrolling import Wish

from tests.sync.stage import EVEN, LEANING, PHQ9, Stage, form, gr18


def fill(stage: Stage) -> None:
    """Forms with history, flags, deliveries, holds, acknowledgements, notices, remarks, notes, one form set aside."""
    stage.course("c1", [EVEN, EVEN, EVEN, LEANING, LEANING])
    stage.course("c2", [EVEN, EVEN])
    stage.put(form("c1-phq", "c1", stage.now - timedelta(days=2), PHQ9, instrument="phq9"))
    stage.put(form("odd", "c2", stage.now - timedelta(days=1), version="9"))
    stage.sync()
    stage.later(minutes=30)
    stage.put(form("c1-2", "c1", stage.now - timedelta(days=91), gr18(EVEN, G1=4), status="amended"))
    stage.sync()

    def people(engine: Any) -> None:
        engine.collecting.enrol([Wish("c2", ("gad7",), consent=stage.now.date(), channel="paper")], "anna")
        engine.rights.remark("c1-3", "I had a fever that day.", "anna")
        engine.notes.add("c1", "Brought a drawing.", "anna")
        engine.hold("c1", stage.now.date() + timedelta(days=7), "bereavement", "anna")
        engine.acknowledge(next(r.id for r in engine.flags(client="c1")), "anna", "talked about it")

    stage.ask(people)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.peer("postgres"))])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    """The filled practice."""
    more: dict[str, Any] = (
        {} if request.param == "sqlite" else {"store": request.getfixturevalue("postgres").new_database()}
    )
    with Stage(tmp_path, **more) as made:
        fill(made)
        yield made
