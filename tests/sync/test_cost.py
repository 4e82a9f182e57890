"""What a sync costs: requests counted at the platform, rows counted in the store; both follow what changed."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from handrail.plugin_core.sync.run import Options
from sqlalchemy import event

from .stage import EVEN, LEANING, Stage, form, gr18

KINDS_OF_RECORD = 3  # forms, clients, flags


def crowd(stage: Stage, clients: int) -> None:
    """So many clients with a prompt each."""
    for number in range(clients):
        stage.course(f"k{number:03d}", [EVEN, EVEN, EVEN, LEANING, LEANING])


def measured(stage: Stage, **options: Any) -> tuple[Counter[tuple[str, str]], int]:
    """A sync; gives its requests and how many rows it wrote."""
    before = stage.requests()
    rows = 0

    def count(conn: Any, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool) -> None:
        nonlocal rows
        if statement.lstrip().upper().startswith(("INSERT", "UPDATE", "DELETE")):
            rows += len(parameters) if executemany else 1

    with stage.engine() as engine:
        event.listen(engine.store.engine, "before_cursor_execute", count)
        engine.sync(Options(consent=lambda _: True, **options))
    return stage.requests() - before, rows


@pytest.mark.parametrize("clients", [5, 60])
def test_a_sync_without_news_asks_once_for_each_kind_of_record(stage: Stage, clients: int) -> None:
    """A practice that syncs each quarter of an hour must not be a burden on its platform."""
    crowd(stage, clients)
    stage.sync()
    stage.later(days=1)
    requests, rows = measured(stage)
    assert requests.total() <= KINDS_OF_RECORD, requests
    assert {method for method, _ in requests} == {"GET"}
    assert rows <= 3, "a run's report and the cursor are all that is written"


def test_a_sync_without_news_waits_for_no_file_of_its_own(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy disk takes a tenth of a second to say that it has a file, and nothing was said that must last."""
    crowd(stage, 1)
    stage.sync()
    stage.later(days=1)
    waited: list[int] = []
    monkeypatch.setattr("os.fsync", waited.append)
    assert stage.sync().outcome == "complete"
    assert not waited


def test_one_changed_form_costs_the_same_in_a_large_practice(stage: Stage) -> None:
    """Cost follows change, not the size of what is there."""
    costs = []
    for clients in (5, 80):
        crowd(stage, clients)
        stage.sync()
        stage.later(days=1)
        when = stage.now - timedelta(hours=1)
        stage.put(form(f"one-{clients}", "k001", when, gr18(LEANING)), when)
        costs.append(measured(stage))
        stage.later(days=1)
    (few, few_rows), (many, many_rows) = costs
    assert many.total() <= few.total() <= 4, (few, many)
    assert many_rows <= few_rows + 1 <= 20, (few_rows, many_rows)


def test_one_withdrawn_form_costs_one_update_on_the_platform(stage: Stage) -> None:
    """Taking one prompt back touches one object there, whatever else stands."""
    crowd(stage, 30)
    stage.sync()
    stage.later(days=1)
    stage.put(form("k003-5", "k003", stage.now - timedelta(days=8), gr18(LEANING), status="entered-in-error"))
    requests, _ = measured(stage)
    assert requests["PUT", "Flag"] == 1
    assert requests.total() <= 6, requests


def test_a_first_sync_asks_by_the_page(stage: Stage) -> None:
    """The number of requests of a first pull is the number of its pages, and clients are asked for by the batch."""
    stage.write_settings(page_size=50, on=False)
    crowd(stage, 40)
    requests, _ = measured(stage)
    assert requests["GET", "QuestionnaireResponse"] <= 200 // 50 + 2
    assert requests["GET", "Patient"] <= 2


def test_a_page_of_people_costs_no_more_than_its_queries(stage: Stage) -> None:
    """The number of statements of a sync does not grow with the clients on a page."""
    counts = []
    for clients in (5, 60):
        crowd(stage, clients)
        statements = 0

        def count(*_: Any) -> None:
            nonlocal statements
            statements += 1

        with stage.engine() as engine:
            event.listen(engine.store.engine, "before_cursor_execute", count)
            engine.sync(Options(full=True, push=False))
        counts.append(statements)
        stage.later(days=1)
    assert counts[1] <= counts[0] * 2 + 20, counts
