"""Plugins in a sync: each costs only itself when it fails, none can silence an answer about harm (F101, F102)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from handrail.plugin_core import hookimpl
from handrail.plugin_core.contracts import Reading, Refusal, RuleSpec
from handrail.plugin_core.rules.life import Episode
from handrail.plugin_core.store import forms
from handrail.plugin_core.sync import basis, beside, rescore
from handrail.plugin_core.sync.evaluate import Evaluate
from handrail.schemas.records import Course, Evidence
from handrail.schemas.vocab import RunOutcome

from .stage import EVEN, LEANING, PHQ9, Stage, form, gr18


class Preparing:
    """A plugin whose `prepare_*` hooks are given."""

    def __init__(self, responses: Callable[..., Any] | None = None, flags: Callable[..., Any] | None = None) -> None:
        self.on_responses, self.on_flags = responses, flags

    @hookimpl
    def prepare_responses(self, responses: Any, context: Any) -> Any:
        return self.on_responses and self.on_responses(responses)

    @hookimpl
    def prepare_flags(self, flags: Any, context: Any) -> Any:
        return self.on_flags and self.on_flags(flags)


class Listening:
    """A plugin that writes down what it is told."""

    def __init__(self, fails: bool = False) -> None:
        self.told: list[str] = []
        self.fails = fails

    def _hear(self, what: str) -> None:
        self.told.append(what)
        if self.fails:
            raise RuntimeError("Invented Client answered 4")

    @hookimpl
    def responses_stored(self, responses: Sequence[Any], context: Any) -> None:
        self._hear(f"responses {len(responses)}")

    @hookimpl
    def flags_changed(self, flags: Sequence[Any], context: Any) -> None:
        self._hear("flags " + " ".join(sorted(flag.rule for flag in flags)))

    @hookimpl
    def flags_delivered(self, deliveries: Sequence[Any], context: Any) -> None:
        self._hear(f"deliveries {len(deliveries)}")

    @hookimpl
    def sync_finished(self, report: Any, context: Any) -> None:
        self._hear(f"finished {report.outcome.value}")


class Ruling:
    """A plugin with a rule of its own, which finds every form remarkable, or raises."""

    def __init__(self, fails: bool = False) -> None:
        self.fails = fails
        self.explained = 0
        self.words = "Something to talk about."

    @hookimpl
    def register_rules(self) -> list[RuleSpec]:
        return [RuleSpec("V1", "1", "A vendor's rule", "gr18", self._judge, order=1)]

    def _judge(self, course: Course) -> list[Reading]:
        if self.fails:
            raise KeyError("Invented Client")
        return [Reading(True, evidence=self._explain) for _ in course.forms]

    def _explain(self) -> Evidence:
        self.explained += 1
        return Evidence("Something.", (), (), (), (), self.words)


def practice(stage: Stage) -> None:
    """A prompt and an answer about harm."""
    stage.course("a", [EVEN, EVEN, EVEN, LEANING, LEANING])
    stage.course("b", [EVEN, EVEN, EVEN])
    when = stage.now - timedelta(days=3)
    stage.put(form("b-safety", "b", when, PHQ9, instrument="phq9"), when)


def said(report: Any) -> str:
    return " ".join(problem.what for problem in report.problems)


# --- prepare_responses -----------------------------------------------------------------------------------------------


def test_a_refused_form_is_set_aside_with_the_plugin_and_its_reason(stage: Stage) -> None:
    """A plugin may refuse a form; nobody must have to guess who did, and the form must not be lost."""
    plugin = Preparing(lambda rs: [Refusal("not ours") if r.id == "a-5" else r for r in rs])
    stage.plugins = [("vendor", plugin)]
    practice(stage)
    stage.sync()
    (aside,) = stage.seen().quarantine
    assert aside[:2] == ("a-5", "refused-by-plugin")
    assert "vendor" in aside[3]
    assert "not ours" in aside[3]
    assert stage.active() == []
    stage.plugins = []
    stage.sync(retry_set_aside=True)
    assert stage.seen().quarantine == []
    assert stage.active() == ["a P1"]


def test_a_mended_form_is_what_is_scored(stage: Stage) -> None:
    """A plugin that mends a known slip of its platform is heard."""
    stage.plugins = [("vendor", Preparing(lambda rs: [replace(r, answers=gr18(LEANING)) for r in rs]))]
    stage.course("a", [EVEN, EVEN])
    stage.sync()
    assert {dict(row[7])["W2"] for row in stage.seen().responses} == {2}


WRONG = {
    "raises": lambda rs: 1 / 0,
    "one too few": lambda rs: list(rs)[1:],
    "one too many": lambda rs: [*rs, rs[0]],
    "another kind": lambda rs: ["x"] * len(rs),
    "no sequence": lambda rs: 7,
}


@pytest.mark.parametrize("how", WRONG)
def test_f101_f102_a_plugin_that_fails_stores_no_half_page(stage: Stage, how: str) -> None:
    """A page that a broken plugin has touched is not stored in part; the run fails and names the plugin."""
    stage.plugins = [("vendor", Preparing(WRONG[how]))]
    practice(stage)
    report = stage.sync()
    assert report.outcome is RunOutcome.FAILED
    assert "vendor" in said(report)
    assert stage.seen().responses == []
    assert stage.seen().cursors[0][1] is None
    stage.plugins = []
    stage.sync()
    assert stage.seen().standing() == ["a P1", "b S"]


def test_f102_records_are_read_only_to_a_plugin(stage: Stage) -> None:
    """A plugin that changes what it was handed must fail, not change somebody's answers behind our back."""

    def tamper(responses: Any) -> None:
        responses[0].client = "Patient/somebody-else"

    stage.plugins = [("vendor", Preparing(tamper))]
    practice(stage)
    assert stage.sync().outcome is RunOutcome.FAILED
    assert stage.seen().responses == []


# --- prepare_flags ---------------------------------------------------------------------------------------------------


def reworded(flags: Any) -> Any:
    return [replace(flag, evidence=replace(flag.evidence, reason="In the practice's words.")) for flag in flags]


def test_a_reworded_flag_keeps_its_words(stage: Stage) -> None:
    """A practice's wording must survive the next sync, and an amended form must be worded by it, too."""
    stage.plugins = [("vendor", Preparing(flags=reworded))]
    practice(stage)
    stage.sync()
    stage.later(days=7)
    stage.put(form("a-6", "a", stage.now, gr18(LEANING)))
    stage.sync()
    reasons = {row.flag.rule: row.flag.evidence.reason for row in stage.ask(lambda e: e.flags())}
    assert reasons["P1"] == "In the practice's words."
    assert "Item 9" in reasons["S"]
    stage.later(days=1)
    stage.put(form("a-5", "a", stage.now - timedelta(days=15), gr18({**LEANING, "reliance": 3}), status="amended"))
    report = stage.sync()
    assert report.counts["evidence_renewed"] == 1
    (row,) = [row for row in stage.ask(lambda e: e.flags()) if row.flag.rule == "P1"]
    assert row.flag.evidence.reason == "In the practice's words."
    assert 3.5 in [number for used in row.flag.evidence.forms for number in used.values.values()]


def test_evidence_is_made_anew_only_where_what_it_follows_from_changed(stage: Stage) -> None:
    """Made at each read it would cost most of a sync; not made after an amended form it would show wrong numbers."""
    vendor = Ruling()
    stage.plugins = [("vendor", vendor)]
    stage.course("a", [EVEN, EVEN, EVEN])
    stage.sync()
    assert vendor.explained == 1
    stage.later(days=7)
    stage.put(form("a-later", "a", stage.now, gr18(LEANING)))
    assert "evidence_renewed" not in stage.sync().counts
    assert vendor.explained == 1, "what came after the form that opened the flag bears on nothing in it"
    first = stage.ask(lambda e: e.flags())[0].flag.opened
    stage.put(form("a-1", "a", first, gr18({**EVEN, "reliance": 3}), status="amended"))
    stage.sync()
    assert vendor.explained == 2
    stage.sync()
    assert vendor.explained == 2, "once looked at, it is known"


def test_rescoring_makes_all_evidence_anew(stage: Stage) -> None:
    """It is run after Handrail or a plugin changed: the same answers may be explained otherwise now."""
    vendor = Ruling()
    stage.plugins = [("vendor", vendor)]
    stage.course("a", [EVEN, EVEN, EVEN])
    stage.sync()
    vendor.words = "Something that would clear it."
    stage.ask(lambda e: e.rescore(dry_run=False))
    (row,) = stage.ask(lambda e: e.flags())
    assert row.flag.evidence.clears_when == "Something that would clear it."


def test_a_plugin_cannot_move_a_flag_to_another_client(stage: Stage) -> None:
    """The key and the client of a flag are not a plugin's to choose."""
    stage.plugins = [("vendor", Preparing(flags=lambda fs: [replace(f, client="0" * 32, key="1" * 32) for f in fs]))]
    practice(stage)
    stage.sync()
    assert stage.active() == ["a P1"]


def test_a_vetoed_flag_is_neither_stored_nor_sent_and_is_said(stage: Stage) -> None:
    """A veto is the practice's right, and never a silent one."""
    stage.plugins = [("vendor", Preparing(flags=lambda fs: [Refusal("by agreement")] * len(fs)))]
    practice(stage)
    report = stage.sync()
    assert stage.active() == []
    assert stage.seen().standing() == ["b S"]
    assert report.counts["vetoed"] == 1
    assert "by agreement" in said(report)


@pytest.mark.parametrize("how", WRONG)
def test_f101_answers_about_harm_rise_when_a_plugin_fails(stage: Stage, how: str) -> None:
    """A vendor's fault must not be the reason why nobody was told of an answer about harm."""
    stage.plugins = [("vendor", Preparing(flags=WRONG[how]))]
    practice(stage)
    report = stage.sync()
    assert stage.seen().standing() == ["b S"]
    assert "vendor" in said(report)
    stage.plugins = []
    stage.sync()
    assert stage.seen().standing() == ["a P1", "b S"]
    assert stage.active() == ["a P1"]


# --- rules -----------------------------------------------------------------------------------------------------------


def test_f101_a_rule_that_raises_costs_only_itself(stage: Stage) -> None:
    """The other rules go on; the name of the one that failed is said, the text of its error is not."""
    stage.plugins = [("vendor", Ruling(fails=True))]
    practice(stage)
    report = stage.sync()
    assert stage.seen().standing() == ["a P1", "b S"]
    assert "V1" in said(report)
    assert "vendor" in said(report)
    assert "Invented Client" not in said(report)


@pytest.mark.parametrize("off", ["taken off the list", "raises now"])
def test_a_rule_that_is_not_there_leaves_its_flags_alone(stage: Stage, off: str) -> None:
    """Taking a plugin off the list is no statement about a client: what it raised stays as it is."""
    stage.plugins = [("vendor", Ruling())]
    practice(stage)
    stage.sync()
    before = stage.seen().flag("a", "V1")
    assert [state for _, state, _ in before] == ["raised"]
    stage.plugins = [] if off == "taken off the list" else [("vendor", Ruling(fails=True))]
    stage.later(days=7)
    stage.put(form("a-6", "a", stage.now, gr18(EVEN)))
    stage.sync()
    assert stage.seen().flag("a", "V1") == before
    assert "a V1" in stage.active()


# --- being told ------------------------------------------------------------------------------------------------------


def test_plugins_are_told_after_the_commit(stage: Stage) -> None:
    """Who is told of something must find it in the store, and hear of it once."""
    plugin = Listening()
    stage.plugins = [("vendor", plugin)]
    practice(stage)
    stage.sync()
    assert plugin.told == ["responses 9", "flags S", "flags P1", "deliveries 1", "finished complete"]
    plugin.told.clear()
    stage.sync()
    assert plugin.told == ["finished complete"]


def test_a_dry_run_tells_nobody(stage: Stage) -> None:
    """A plugin that sends a message must not send one about something that will be rolled back."""
    plugin = Listening()
    stage.plugins = [("vendor", plugin)]
    practice(stage)
    stage.sync(dry_run=True)
    assert plugin.told == []


def test_f101_a_listener_that_raises_undoes_nothing(stage: Stage) -> None:
    """What is committed stays, the run goes on, and the error's text stays inside."""
    stage.plugins = [("vendor", Listening(fails=True))]
    practice(stage)
    report = stage.sync()
    assert report.outcome is RunOutcome.COMPLETE
    assert stage.seen().standing() == ["a P1", "b S"]
    assert stage.active() == ["a P1"]
    assert "vendor" in said(report)
    assert "answered 4" not in said(report)


def test_what_a_person_says_while_the_rules_read_is_read_next_time(stage: Stage) -> None:
    """A second command may mark a client (a tag, a note on a flag) after the rules read the course and before that is
    written; cleaning the mark away would leave the old reading standing for ever."""
    stage.course("c1", [EVEN, EVEN, EVEN, LEANING, LEANING])
    stage.sync(push=False)
    stage.put(form("c1-9", "c1", stage.now, gr18(EVEN)))
    stage.later(minutes=5)

    def meanwhile(*given: Any) -> Any:
        found = read(*given)
        with stage.engine() as other:
            (key,) = (key for key, _ in other.clients())
            other.store.write(lambda tx: forms.mark_keys_dirty(tx, [key]), other.source)
        return found

    read = Evaluate._changes
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Evaluate, "_changes", meanwhile)
        stage.sync(push=False)
    with stage.engine() as engine, engine.store.reading(engine.source) as tx:
        assert len(forms.dirty(tx, "", 10)) == 1
    stage.sync(push=False)
    with stage.engine() as engine, engine.store.reading(engine.source) as tx:
        assert forms.dirty(tx, "", 10) == []


def test_rescoring_makes_own_evidence_anew_only_after_handrail_changed(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Made each time it is a third of a rescoring; not made after an update the flag would tell what no longer is."""
    practice(stage)
    stage.sync()
    made: list[str] = []
    evidence = Episode.evidence

    def counted(self: Episode) -> Evidence:
        made.append(self.rule.id)
        return evidence(self)

    monkeypatch.setattr(Episode, "evidence", counted)
    monkeypatch.setattr(beside, "possible", lambda: False)
    stage.ask(lambda e: e.rescore(dry_run=False))
    assert set(made) <= {"S"}, "nothing has changed"
    monkeypatch.setattr(basis, "_stamp", lambda: "another version")
    stage.ask(lambda e: e.rescore(dry_run=False))
    assert "P1" in made
    made.clear()
    monkeypatch.setattr(rescore, "code", tuple)
    stage.ask(lambda e: e.rescore(dry_run=False))
    assert "P1" in made, "where no file can be seen, nobody knows that it is the same"
