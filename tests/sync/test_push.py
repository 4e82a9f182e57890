"""Flags out: pushed once, with consent, kept when the platform is down, taken back, never doubled."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from handrail.schemas.vocab import RunOutcome

from .stage import EVEN, LEANING, SHRUNK, Stage, form, gr18, small_practice


def two_prompts(stage: Stage) -> None:
    stage.course("a", [EVEN, EVEN, EVEN, LEANING, LEANING])
    stage.course("b", [EVEN, EVEN, EVEN, SHRUNK, SHRUNK])


def written(stage: Stage, before: Any) -> int:
    """How many writes the platform has seen since."""
    return sum(n for (method, _), n in (stage.requests() - before).items() if method != "GET")


# --- consent, carriers -----------------------------------------------------------------------------------------------


def test_the_first_push_asks_with_the_count(stage: Stage) -> None:
    """A year of old data must not fill the charts before a person has seen how much it is."""
    two_prompts(stage)
    asked: list[int] = []

    def no(count: int) -> bool:
        asked.append(count)
        return False

    report = stage.sync(consent=no)
    assert asked == [2]
    assert stage.shown() == []
    assert report.outcome is RunOutcome.COMPLETE
    assert "handrail sync --yes" in " ".join(report.undone)
    assert stage.seen().standing() == ["a P1", "b P2"]
    stage.sync(consent=lambda _: True)
    assert stage.active() == ["a P1", "b P2"]
    stage.later(days=7)
    stage.course("c", [EVEN, EVEN, EVEN, LEANING, LEANING])
    stage.put(form("c-5", "c", stage.now, gr18(LEANING), status="amended"))
    stage.sync(consent=lambda count: pytest.fail("asked a second time"), full=True)
    assert stage.active() == ["a P1", "b P2", "c P1"]


def test_where_nothing_stands_at_first_what_rises_later_is_pushed_unasked(stage: Stage) -> None:
    """A practice that said yes to pushing at a quiet moment must get its first prompt, not a question in a log."""
    stage.course("a", [EVEN, EVEN, EVEN, LEANING])
    no = {"consent": lambda _: False}
    stage.sync(**no)
    stage.later(days=7)
    stage.put(form("a-5", "a", stage.now, gr18(LEANING)))
    stage.sync(**no)
    assert stage.active() == ["a P1"]


def test_a_first_pull_cut_short_pushes_nothing(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the history raises prompts that the other half takes back: the charts must not see them."""
    stage.write_settings(page_size=4)
    stage.course("a", [EVEN, EVEN, EVEN, LEANING, LEANING, EVEN, EVEN], every=7)
    failing(stage, monkeypatch, lambda kind, _: kind == "QuestionnaireResponse", after=2)
    report = stage.sync()
    assert report.outcome is RunOutcome.INCOMPLETE
    assert stage.shown() == []
    monkeypatch.undo()
    stage.sync()
    assert stage.shown() == []


def failing(
    stage: Stage,
    monkeypatch: pytest.MonkeyPatch,
    which: Callable[[str, str], bool],
    *,
    after: int = 0,
    status: int = 503,
) -> list[str]:
    """From the given request of that kind on the platform answers with an error; gives what was refused."""
    from handrail.adapters.demo.checks import Refused
    from handrail.adapters.demo.server import _Handler

    answer = _Handler._resource
    count = [0]
    refused: list[str] = []

    def broken(self: Any, steps: list[str], pairs: Any, raw: bytes) -> Any:
        if self.server.demo is stage.demo and which(steps[0], self.command):
            count[0] += 1
            if count[0] > after:
                refused.append(f"{self.command} {steps[0]}")
                raise Refused(status, "transient", "Not now.")
        return answer(self, steps, pairs, raw)

    monkeypatch.setattr(_Handler, "_resource", broken)
    return refused


def test_a_carrier_chosen_later_gets_what_stands(stage: Stage) -> None:
    """A practice that turns on another way of showing must see there what stands already."""
    two_prompts(stage)
    stage.sync()
    stage.write_settings(carriers=["flag", "task"])
    stage.sync()
    assert len(stage.place().all("Task")) == 2
    assert len(stage.place().all("Flag")) == 2


def test_a_carrier_no_longer_chosen_is_taken_back_from(stage: Stage) -> None:
    """What was shown in a place must be taken back there, also when the practice shows elsewhere now."""
    two_prompts(stage)
    stage.sync()
    stage.write_settings(carriers=["task"])
    stage.later(minutes=30)
    stage.put(form("a-5", "a", stage.now - timedelta(days=7, minutes=30), gr18(LEANING), status="entered-in-error"))
    stage.sync()
    status = {one["subject"]["reference"]: one["status"] for one in stage.place().all("Flag")}
    assert status == {"Patient/a": "entered-in-error", "Patient/b": "active"}


def test_pushing_off_leaves_flags_in_handrail_only(stage: Stage) -> None:
    """A practice that did not say yes must find nothing in its charts; what it has said no to is not lost."""
    two_prompts(stage)
    stage.write_settings(on=False)
    before = stage.requests()
    stage.sync()
    assert written(stage, before) == 0
    assert stage.seen().standing() == ["a P1", "b P2"]
    stage.write_settings(on=True)
    stage.sync()
    assert stage.active() == ["a P1", "b P2"]


def test_what_is_pushed_says_nothing_of_the_answers(stage: Stage) -> None:
    """A chart is read by many: title only, no score, no reason, no line of the form (design, section 6)."""
    import json

    two_prompts(stage)
    stage.sync()
    text = json.dumps(stage.place().all("Flag"))
    assert "Handrail: something to look at before the next session" in text
    for word in ("averaged", "reliance", "3.0", "growth", "Invented"):
        assert word not in text


# --- what goes wrong -------------------------------------------------------------------------------------------------


def test_f88_refused_for_good_is_kept_and_shown(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A closed chart refuses its prompt: the others go on, and a person sees that this one did not arrive."""
    from handrail.adapters.demo.checks import Refused

    two_prompts(stage)
    update = stage.demo.store.update

    def refuse(kind: str, rid: str, body: Any, match: Any) -> Any:
        if kind == "Flag" and body["subject"]["reference"] == "Patient/a":
            raise Refused(422, "business-rule", "The chart is closed.")
        return update(kind, rid, body, match)

    monkeypatch.setattr(stage.demo.store, "update", refuse)
    report = stage.sync()
    assert report.counts["refused"] == 1
    assert stage.active() == ["b P2"]
    assert "refused" in " ".join(report.undone)
    (row,) = [row for row in stage.ask(lambda e: e.flags()) if row.flag.rule == "P1"]
    assert row.deliveries[0].state.value == "refused"
    assert "by hand" in str(row.deliveries[0].problem)
    monkeypatch.undo()
    before = stage.requests()
    report = stage.sync()
    assert written(stage, before) == 0
    assert "refused" in " ".join(report.undone)


def test_f89_the_platform_goes_down_in_the_middle_of_the_push(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was not sent waits on disk; the run says incomplete; the next one sends the rest, each once."""
    small_practice(stage)
    failing(stage, monkeypatch, lambda kind, method: kind == "Flag" and method == "PUT", after=2)
    report = stage.sync()
    assert report.outcome is RunOutcome.INCOMPLETE
    assert len(stage.active()) == 2
    assert "3 flags wait" in " ".join(report.undone)
    monkeypatch.undo()
    report = stage.sync()
    assert report.outcome is RunOutcome.COMPLETE
    assert report.counts["pushed"] == 3
    assert stage.active() == ["c1 P1", "c2 P2", "c3 N", "c6 P1", "c7 P2"]


def test_f81_the_answer_to_a_write_is_lost(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The platform made the flag, its answer did not arrive: one flag, not two."""
    from handrail.adapters.demo.server import _Handler

    two_prompts(stage)
    send = _Handler._send
    lost: list[str] = []

    def cut(self: Any, status: int, body: Any, headers: Any) -> None:
        if self.command == "PUT" and "/Flag/" in self.path and len(lost) < 2:
            lost.append(self.path)
            self.close_connection = True
            self.connection.close()
            return
        send(self, status, body, headers)

    monkeypatch.setattr(_Handler, "_send", cut)
    stage.sync()
    stage.sync()
    assert lost
    assert stage.shown() == [("a", "P1", "a-5", "active"), ("b", "P2", "b-5", "active")]
    stage.demo.failures.clear()


def test_f78_last_weeks_backup_pushes_nothing_twice(stage: Stage) -> None:
    """A restored store remembers nothing of what it has sent: the platform must still hold each flag once."""
    two_prompts(stage)
    shutil.copytree(stage.folder, stage.folder.with_name("backup"))
    stage.sync()
    stage.later(days=7)
    stage.course("c", [EVEN, EVEN, EVEN, LEANING, LEANING])
    stage.sync(full=True)
    before = stage.shown()
    assert len(before) == 3
    for file in stage.folder.with_name("backup").glob("store.db*"):
        shutil.copy(file, stage.folder / file.name)
    for file in (stage.folder / "store.db-wal", stage.folder / "store.db-shm"):
        file.unlink(missing_ok=True)
    report = stage.sync()
    assert report.outcome is RunOutcome.COMPLETE
    assert [line[-1] for line in stage.shown()] == ["active"] * 3
    assert stage.seen().standing() == ["a P1", "b P2", "c P1"]


def test_f86_what_a_clinician_changed_is_left_alone(stage: Stage) -> None:
    """A clinician closed the flag: when it clears here, or stands on, their word is not overwritten."""
    two_prompts(stage)
    stage.sync()
    (flag,) = [one for one in stage.place().all("Flag") if one["subject"]["reference"] == "Patient/a"]
    flag["status"] = "inactive"
    stage.demo.store.update("Flag", flag["id"], flag, None)
    stage.later(days=14)
    stage.put(form("a-6", "a", stage.now, gr18(LEANING)))
    stage.sync()
    assert stage.active() == ["b P2"]
    stage.later(days=1)
    for number in (5, 6):
        stage.put(form(f"a-{number}", "a", stage.now, status="entered-in-error"))
    assert stage.sync().counts["left_as_edited_by_a_person"] == 1
    version = [one.version for one in stage.demo.store.latest("Flag")]
    assert sorted(version) == [1, 2]


# --- dry runs, rescoring ---------------------------------------------------------------------------------------------


def test_a_dry_run_changes_nothing(stage: Stage) -> None:
    """A person tries it out first: not one row, not one write, and the true counts."""
    two_prompts(stage)
    before, empty = stage.requests(), stage.seen()
    report = stage.sync(dry_run=True)
    assert report.counts["raised"] == 2
    assert report.counts["would_push"] == 2
    assert written(stage, before) == 0
    assert stage.seen().differs(empty) == {}
    assert stage.ask(lambda e: e.runs()) == []
    assert stage.sync().counts["new"] == 10


def test_f90_rescoring_pushes_nothing_by_itself(stage: Stage) -> None:
    """A changed rule may call for thousands of prompts: nothing leaves before a person has seen the count."""
    two_prompts(stage)
    stage.sync(push=False)
    before = stage.requests()
    trial = stage.ask(lambda e: e.rescore(dry_run=True))
    kept = stage.ask(lambda e: e.rescore(dry_run=False))
    assert (trial.forms, kept.forms, kept.changed) == (10, 10, 0)
    assert (stage.requests() - before).total() == 0
    assert stage.shown() == []
    assert stage.seen().standing() == ["a P1", "b P2"]
