"""Two records of one person (F67): everything follows, a flag is moved once, and a mistake can be taken back."""

from __future__ import annotations

from datetime import timedelta
from operator import methodcaller
from typing import Any

import pytest
from handrail.plugin_core.collecting import Wish
from handrail.plugin_core.errors import UsageError

from tests.sync.stage import EVEN, LEANING, PHQ9, Stage, form, gr18

WHY = "same person, registered twice"


def merge(stage: Stage, old: str = "c1", new: str = "c2") -> Any:
    """As `handrail merge` does it."""
    return stage.ask(lambda e: e.mending.merge(old, new, WHY, "anna"))


def told_by_platform(stage: Stage, old: str, new: str) -> None:
    """The platform merges two patients: the old one names the record that replaces it."""
    body = {
        "resourceType": "Patient",
        "id": old,
        "active": False,
        "name": [{"text": f"Invented {old}"}],
        "link": [{"type": "replaced-by", "other": {"reference": f"Patient/{new}"}}],
    }
    stage.demo.load(body, stage.now)


def subjects(stage: Stage) -> list[tuple[str, str]]:
    """Whose chart each flag on the platform is in, and its status."""
    return sorted((one["subject"]["reference"], one["status"]) for one in stage.place().all("Flag"))


@pytest.fixture
def two(stage: Stage) -> Stage:
    """c1 has five forms, a prompt on the platform and a safety notice; c2, the same person, has none of it yet."""
    stage.course("c1", [EVEN, EVEN, EVEN, LEANING, LEANING])
    stage.course("c2", [LEANING], last=2)
    stage.put(form("urgent", "c1", stage.now - timedelta(days=5), PHQ9, instrument="phq9"))
    stage.sync()
    stage.ask(lambda e: e.hold("c1", stage.now.date() + timedelta(days=7), "bereavement", "anna"))
    stage.ask(lambda e: e.rights.remark("c1-2", "A bad day.", "anna"))
    stage.ask(lambda e: e.notes.add("c1", "Brought a drawing.", "anna"))
    assert subjects(stage) == [("Patient/c1", "active")]
    return stage


def test_f67_a_flag_is_moved_once(two: Stage) -> None:
    """A second flag in the surviving chart, or the only one left in the closed chart: nobody sees the right one."""
    flag = next(row.flag.key for row in two.ask(lambda e: e.flags()) if row.flag.rule == "P1")
    merge(two)
    assert two.seen().standing() == ["c2 P1", "c2 S"]
    two.sync()
    assert subjects(two) == [("Patient/c2", "active")]
    assert flag in [row.flag.key for row in two.ask(lambda e: e.flags())]
    requests = two.requests()
    two.sync(full=True)
    assert {kind: n for (method, kind), n in (two.requests() - requests).items() if method in ("PUT", "POST")} == {}
    assert two.seen().standing() == ["c2 P1", "c2 S"]


def test_f67_scores_holds_remarks_and_notes_follow(two: Stage) -> None:
    """Half a person in each record."""
    two.ask(lambda e: e.acknowledge(next(r.id for r in e.flags() if r.flag.rule == "P1"), "anna", "talked about it"))
    merge(two)
    view = two.ask(lambda e: e.client("c2"))
    assert [course.instrument.id for course in view.courses] == ["gr18", "phq9"]
    assert [hold.reason for hold in view.holds] == ["bereavement"]
    assert [len(course.forms) for course in view.courses] == [6, 1]
    noted = [note.note for row in view.flags for note in row.acknowledgements]
    assert noted == ["talked about it"]
    assert [one.text for one in two.ask(lambda e: e.rights.remarks_of(view.key))] == ["A bad day."]
    assert [one.text for one in view.notes] == ["Brought a drawing."]
    assert two.ask(lambda e: e.client("Patient/c1")).key == view.key
    assert [name for _, name in two.ask(lambda e: e.clients())] == ["Invented c2"]


def test_f67_what_comes_later_for_the_old_record_follows(two: Stage) -> None:
    """Old links are answered for months; those answers must not found a second client again."""
    merge(two)
    two.later(days=28)
    two.put(form("late", "c1", two.now - timedelta(hours=2), gr18(LEANING)))
    two.put(form("c1-5", "c1", two.now - timedelta(days=35), gr18(LEANING, G1=3), status="amended"))
    two.sync()
    assert {row[1] for row in two.seen().responses} == {"c2"}
    assert two.seen().standing() == ["c2 P1", "c2 S"]


@pytest.mark.parametrize("known", [True, False])
def test_f67_the_platform_says_so_itself(stage: Stage, known: bool) -> None:
    """Nobody types a command when the front desk merges two charts; the next full check finds it."""
    stage.course("c1", [EVEN, EVEN, EVEN, LEANING, LEANING])
    stage.person("c2")
    if known:
        stage.course("c2", [LEANING], last=2)
    stage.sync()
    told_by_platform(stage, "c1", "c2")
    stage.later(days=8)
    report = stage.sync()
    assert report.counts["clients_merged"] == 1
    stage.sync()
    assert {row[1] for row in stage.seen().responses} == {"c2"}
    assert subjects(stage) == [("Patient/c2", "active")]


def test_f67_at_the_first_sync(stage: Stage) -> None:
    """Both records come in at once: one client, one flag, nothing that must be moved first."""
    stage.course("c1", [EVEN, EVEN, EVEN, LEANING, LEANING])
    stage.course("c2", [LEANING], last=2)
    told_by_platform(stage, "c1", "c2")
    stage.sync()
    assert subjects(stage) == [("Patient/c2", "active")]


def test_two_records_that_replace_each_other_end_no_sync(stage: Stage) -> None:
    """A platform's own mistake must not loop, nor lose anybody."""
    stage.course("c1", [EVEN])
    stage.course("c2", [EVEN])
    told_by_platform(stage, "c1", "c2")
    told_by_platform(stage, "c2", "c1")
    stage.sync()
    assert len(stage.seen().active()) == 2
    assert len(stage.ask(lambda e: e.clients())) == 1


def test_a_mistaken_merge_is_taken_back(two: Stage) -> None:
    """Two people of one name: each gets their own back, also what came in between."""
    before = two.seen()
    merge(two)
    two.sync()
    two.later(days=1)
    two.put(form("between", "c1", two.now - timedelta(hours=2), gr18(LEANING)))
    two.sync()
    two.ask(lambda e: e.mending.unmerge("Patient/c1", "anna"))
    two.sync()
    after = two.seen()
    assert [row for row in after.responses if row[0] != "between"] == before.responses
    assert next(row[1] for row in after.responses if row[0] == "between") == "c1"
    assert after.standing() == before.standing()
    noted = [len(two.ask(methodcaller("client", ref)).notes) for ref in ("Patient/c1", "Patient/c2")]
    assert noted == [1, 0]
    assert [row[:2] + row[4:] for row in after.clients] == [row[:2] + row[4:] for row in before.clients]
    assert subjects(two) == [("Patient/c1", "active")]
    with pytest.raises(UsageError, match="No record"):
        two.ask(lambda e: e.mending.unmerge("Patient/c1", "anna"))


def test_a_mistaken_merge_gives_back_who_is_asked_and_who_was_discharged(stage: Stage) -> None:
    """The client who stays lost their enrolment and was never asked again; the other one's prompts rose again."""
    for client in ("c1", "c2"):
        stage.course(client, [EVEN, EVEN])
    stage.sync()
    for client in ("c1", "c2"):
        with stage.engine() as engine:
            engine.collecting.enrol([Wish(client, consent=stage.now.date())], "anna")
    stage.ask(lambda e: e.mending.discharge("c1", stage.now.date(), "anna"))
    stage.ask(lambda e: e.collecting.opt_out("c1", "anna"))
    before = stage.ask(lambda e: (e.collecting.enrolments(), e.client("c1").ended))
    stage.ask(lambda e: e.mending.merge("c1", "c2", "same person", "anna"))
    assert stage.ask(lambda e: e.client("c2").ended) is None
    stage.ask(lambda e: e.mending.unmerge("Patient/c1", "anna"))
    assert stage.ask(lambda e: (e.collecting.enrolments(), e.client("c1").ended)) == before


def test_chains_and_reassigned_forms(stage: Stage) -> None:
    """Three records, one after the other, and a form moved in between: taken back, each is where it came from."""
    for client in ("c1", "c2", "c3", "c4"):
        stage.course(client, [EVEN])
    stage.sync()
    merge(stage, "c1", "c2")
    merge(stage, "c2", "c3")
    stage.ask(lambda e: e.mending.reassign("c1-1", "c4", "wrong", "anna"))
    owners = {row[0]: row[1] for row in stage.seen().responses}
    assert owners == {"c1-1": "c4", "c2-1": "c3", "c3-1": "c3", "c4-1": "c4"}
    stage.sync(full=True)
    assert {row[0]: row[1] for row in stage.seen().responses} == owners
    stage.ask(lambda e: e.mending.unmerge("Patient/c2", "anna"))
    stage.ask(lambda e: e.mending.take_back("c1-1", "anna"))
    assert {row[0]: row[1] for row in stage.seen().responses}["c1-1"] == "c2"
    stage.ask(lambda e: e.mending.unmerge("Patient/c1", "anna"))
    assert {row[0]: row[1] for row in stage.seen().responses} == {f"c{n}-1": f"c{n}" for n in range(1, 5)}
    stage.sync(full=True)
    assert {row[0]: row[1] for row in stage.seen().responses} == {f"c{n}-1": f"c{n}" for n in range(1, 5)}
