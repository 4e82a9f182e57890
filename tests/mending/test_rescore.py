"""Late amendments (F60), and what happens when rules or forms change (F90): counts first, consent before a push."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest
from handrail.plugin_core import hookimpl
from handrail.plugin_core.rules import builtin_rules

from tests.sync.stage import EVEN, LEANING, PHQ9, Stage, form, gr18


class Eager:
    """A vendor's rule: as P1, under its own name."""

    @hookimpl
    def register_rules(self) -> Any:
        from dataclasses import replace

        return [replace(rule, id="X1") for rule in builtin_rules() if rule.id == "P1"]


@pytest.fixture
def practice(stage: Stage) -> Stage:
    """Two clients with prompts on the platform."""
    for client in ("c1", "c2"):
        stage.course(client, [EVEN, EVEN, EVEN, LEANING, LEANING])
    stage.sync()
    assert stage.active() == ["c1 P1", "c2 P1"]
    return stage


def test_f60_amended_after_three_months(practice: Stage) -> None:
    """A correction long after: scores, flags and evidence follow, the old answers are kept, and a request stays met."""
    when = practice.now - timedelta(days=7)
    practice.later(days=91)
    practice.put(form("c1-5", "c1", when, gr18(EVEN), status="amended"))
    practice.put(form("c2-5", "c2", when, gr18(LEANING, W1=3), status="amended"))
    practice.sync()
    assert practice.active() == ["c2 P1"]
    assert len(practice.shown()) == 2
    seen = practice.seen()
    assert seen.flag("c1", "P1")[0][1] == "withdrawn"
    assert len(seen.history) == 2
    row = next(r for r in practice.ask(lambda e: e.flags()) if r.flag.rule == "P1")
    used = next(one for one in row.flag.evidence.forms if one.role == "second")
    assert used.values["W1"] == 3


def test_f60_a_safety_answer_that_appears_by_an_amendment_is_relayed(practice: Stage) -> None:
    """Three months late is still at once."""
    quiet = dict.fromkeys(PHQ9, 0)
    practice.put(form("phq", "c1", practice.now - timedelta(days=6), quiet, instrument="phq9"))
    practice.sync()
    assert "c1 S" not in practice.seen().standing()
    practice.later(days=91)
    practice.put(form("phq", "c1", practice.now - timedelta(days=97), PHQ9, instrument="phq9", status="amended"))
    practice.sync()
    assert "c1 S" in practice.seen().standing()


def with_a_new_rule(stage: Stage) -> None:
    """From now on a plugin brings a rule that holds for what is stored already."""
    stage.plugins.append(("eager", Eager()))


def test_f90_a_changed_rule_is_said_and_pushes_nothing_by_itself(practice: Stage) -> None:
    """5,000 prompts in the charts overnight, because somebody updated a package."""
    with_a_new_rule(practice)
    before = practice.shown()
    report = practice.sync(consent=lambda _: False)
    assert practice.shown() == before
    assert any("handrail rescore" in line for line in report.undone)


def test_f90_rescore_counts_first_and_keeps_nothing(practice: Stage) -> None:
    """The number must be there before the decision."""
    with_a_new_rule(practice)
    before = practice.seen()
    done = practice.ask(lambda e: e.rescore())
    assert done.report["raised"] == 2
    assert done.report["to_push"] >= 0
    assert practice.seen().differs(before) == {}
    kept = practice.ask(lambda e: e.rescore(dry_run=False))
    assert dict(kept.report) == dict(done.report)
    assert practice.ask(lambda e: e.rescore()).report.get("raised", 0) == 0
    assert practice.sync().undone == ()


def test_f90_a_full_sync_after_a_change_asks_before_it_pushes(practice: Stage) -> None:
    """--full reads every course by the new rules: the same flood by another door."""
    with_a_new_rule(practice)
    practice.write_settings(carriers=["flag", "task"])
    asked: list[int] = []

    def no(count: int) -> bool:
        asked.append(count)
        return False

    before = practice.shown()
    report = practice.sync(full=True, consent=no)
    assert len(asked) == 1
    assert asked[0] > 0
    assert practice.shown() == before
    assert any("sync --yes" in line for line in report.undone)
    assert practice.sync(consent=no).outcome == report.outcome
    assert practice.shown() == before
    practice.sync()
    assert len(practice.shown()) > len(before)


@pytest.mark.parametrize("name", ["--retry-set-aside", "--retry-quarantine"])
def test_f51_both_names_of_the_option_work(practice: Stage, name: str) -> None:
    """The people who write the manual and those who wrote the program call it differently."""
    code = "from handrail.plugin_core.cli import main; main()"
    command = [sys.executable, "-c", code, "--settings", str(practice.file), "sync", name, "--no-push"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
