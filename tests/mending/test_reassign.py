"""A form that went to the wrong client (clinical.md 10, traps): it belongs to the right one, whatever comes later."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from handrail.plugin_core.errors import UsageError

from tests.sync.stage import EVEN, LEANING, PHQ9, Stage, form, gr18

WHY = "filled in on the wrong tablet"


def key_of(stage: Stage, form_id: str) -> str:
    """Our key of a form."""
    return str(stage.ask(lambda e: e.mending.form(form_id).key))


def owner(stage: Stage, form_id: str) -> str:
    """Whose a form is in the store."""
    return str(next(row[1] for row in stage.seen().responses if row[0] == form_id))


def reassign(stage: Stage, form_id: str, client: str) -> Any:
    """As `handrail reassign` does it."""
    return stage.ask(lambda e: e.mending.reassign(form_id, client, WHY, "anna"))


@pytest.fixture
def two(stage: Stage) -> Stage:
    """c1 stands with P1 because of a fifth form that is really c2's; both are synced, the flag is on the platform."""
    stage.course("c1", [EVEN, EVEN, EVEN, LEANING, LEANING])
    stage.course("c2", [EVEN, EVEN, EVEN, LEANING])
    stage.sync()
    assert stage.active() == ["c1 P1"]
    return stage


def test_flags_that_rest_on_it_are_withdrawn_and_the_right_course_is_read(two: Stage) -> None:
    """A prompt about somebody else's answers stays in a chart; the right client's is missing."""
    reassign(two, "c1-5", "c2")
    assert two.seen().standing() == ["c2 P1"]
    two.sync()
    assert two.active() == ["c2 P1"]
    assert [line[-1] for line in two.shown() if line[0] == "c1"] == ["entered-in-error"]


@pytest.mark.parametrize("way", ["amended", "full", "same again", "set aside and retried"])
def test_it_stays_there_whatever_the_platform_gives_later(two: Stage, way: str) -> None:
    """Pulled again under the wrong name, it would silently go back to the wrong chart."""
    reassign(two, "c1-5", "c2")
    two.later(minutes=30)
    when = two.now - timedelta(days=7)
    if way == "amended":
        two.put(form("c1-5", "c1", when, gr18(LEANING, G1=3), status="amended"))
    elif way == "same again":
        two.put(form("c1-5", "c1", when, gr18(LEANING)))
    elif way == "set aside and retried":
        two.put(form("c1-5", "c1", when, gr18(LEANING), version="9"))
        assert two.sync().counts["set_aside"] == 1
        assert two.active() == []
        two.later(minutes=30)
        two.put(form("c1-5", "c1", when, gr18(LEANING)))
    two.sync(full=way == "full", retry_set_aside=way == "set aside and retried")
    assert owner(two, "c1-5") == "c2"
    assert two.active() == ["c2 P1"]


def test_a_safety_answer_rises_for_the_right_client_and_stays_for_the_wrong_one(stage: Stage) -> None:
    """The one notice that must never be lost: people close it, and are told what was found."""
    stage.course("c1", [EVEN])
    stage.course("c2", [EVEN])
    stage.put(form("urgent", "c1", stage.now - timedelta(hours=2), PHQ9, instrument="phq9"))
    stage.sync()
    assert stage.seen().standing() == ["c1 S"]
    reassign(stage, "urgent", "c2")
    assert stage.seen().standing() == ["c1 S", "c2 S"]
    reasons = {row.client: row.flag.evidence.reason for row in stage.ask(lambda e: e.flags())}
    assert "another client's since" in reasons["Invented c1"]
    assert "another client's since" not in reasons["Invented c2"]
    stage.sync(full=True)
    assert stage.seen().standing() == ["c1 S", "c2 S"]


def test_it_can_be_taken_back(two: Stage) -> None:
    """The first thought was right after all."""
    before = two.seen()
    reassign(two, "c1-5", "c2")
    two.sync()
    two.ask(lambda e: e.mending.take_back("c1-5", "anna"))
    two.sync(full=True)
    after = two.seen()
    assert after.responses == before.responses
    assert after.standing() == ["c1 P1"]
    assert two.active() == ["c1 P1"]


def test_to_a_client_who_has_no_form_here_yet(two: Stage) -> None:
    """The right client may never have answered: the platform knows them, we do not."""
    two.person("c9")
    reassign(two, "c1-5", "Patient/c9")
    two.sync()
    assert owner(two, "c1-5") == "c9"
    with pytest.raises(UsageError, match="No client here"):
        reassign(two, "c1-5", "Patient/nobody-at-all")


def test_twice_and_back_leads_to_the_first_client(two: Stage) -> None:
    """Corrected to a third client, then back: not to the second, who never had it."""
    two.course("c3", [EVEN])
    two.sync()
    reassign(two, "c1-5", "c2")
    reassign(two, "c1-5", "c3")
    assert owner(two, "c1-5") == "c3"
    two.ask(lambda e: e.mending.take_back("c1-5", "anna"))
    assert owner(two, "c1-5") == "c1"


def test_s38_it_is_in_the_audit_trail_without_names(two: Stage) -> None:
    """Who moved an answer from one chart to another must be found again."""
    reassign(two, "c1-5", "c2")
    from handrail.plugin_core.store import book

    def trail(engine: Any) -> list[Any]:
        with engine.store.reading(engine.source) as tx:
            return book.trail(tx)

    entry = next(one for one in two.ask(trail) if one.action == "form-reassigned")
    assert entry.actor == "anna"
    assert "c1" not in f"{entry.subject} {entry.detail}".replace("c1", "", 0).split()
    assert WHY not in f"{entry.subject} {entry.detail}"


def test_forms_are_listed_with_ids_that_the_command_takes(two: Stage) -> None:
    """A person must be able to name the form."""
    listed = two.ask(lambda e: e.mending.forms("c1"))
    assert [one.authored for one in listed] == sorted((one.authored for one in listed), reverse=True)
    assert two.ask(lambda e: e.mending.form(listed[0].id)).key == key_of(two, "c1-5")
    with pytest.raises(UsageError, match="No form has"):
        two.ask(lambda e: e.mending.form("ffffffffffff"))
    with pytest.raises(UsageError, match="already"):
        reassign(two, "c1-5", "c1")
