"""F101: what a plugin's rule, scorer or hook gives is looked at as it comes, so that it can cost nothing but itself.

What is of another shape than it declares would be stored like any other record, and whoever reads the store next - the
list of flags, the desk, the next sync - would fall over it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from handrail.adapters.fhir.adapter import FhirAdapter
from handrail.plugin_core import hookimpl
from handrail.plugin_core.contracts import Reading, RuleSpec
from handrail.plugin_core.handed import Misshapen, as_declared
from handrail.plugin_core.manager import Plugins
from handrail.plugin_core.registry import Registry
from handrail.plugin_core.report.cards import notes_on_last
from handrail.plugin_core.rules.life import NOTE
from handrail.plugin_core.rules.safety import judge_safety
from handrail.plugin_core.store import flags, forms, tables
from handrail.schemas.records import Course, Evidence, Flag, FormUsed, ScoredForm, Step
from handrail.schemas.vocab import RunOutcome
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from tests.core.samples import START, flag

from .stage import LEANING, Stage, form, gr18
from .test_plugins import Preparing, practice, said


def evidence(**wrong: Any) -> Evidence:
    right = Evidence(
        "Something.", (FormUsed("f", START, "this form", {"a": 1}),), (Step("Sum", "1 + 2", 3),), (), (), ""
    )
    return replace(right, **wrong)


MAKES: Mapping[str, Callable[[], Any]] = {
    "raises": lambda: 1 / 0,
    "nothing": lambda: None,
    "a dict": lambda: {"reason": "Something."},
    "a number for a text": lambda: evidence(reason=7),
    "a list for a text": lambda: evidence(clears_when=["no", "text"]),
    "texts for forms": lambda: evidence(forms=("f",)),
    "a text for a number": lambda: evidence(forms=(FormUsed("f", START, "this form", {"a": "one"}),)),  # type: ignore[dict-item]
    "what has no text": lambda: evidence(reason=object()),
}
GIVES: Mapping[str, Callable[[Course], Any]] = {
    "too few": lambda course: [Reading(True)] * (len(course.forms) - 1),
    "too many": lambda course: [Reading(True)] * (len(course.forms) + 1),
    "nothing": lambda course: None,
    "other things": lambda course: ["yes"] * len(course.forms),
    "met in words": lambda course: [Reading("yes")] * len(course.forms),  # type: ignore[arg-type]
    "a score in words": lambda course: [Reading(True, score="high")] * len(course.forms),  # type: ignore[arg-type]
    "a score beyond all bounds": lambda course: [Reading(True, score=float("inf"))] * len(course.forms),
    "raises": lambda course: 1 / 0,
}


class Vendor:
    """A plugin with one rule of its own, that finds every form remarkable."""

    def __init__(self, judge: Any, kind: str = "prompt") -> None:
        self.rule = RuleSpec("V1", "1", "A vendor's rule", "gr18", judge, kind, order=1)

    @hookimpl
    def register_rules(self) -> list[RuleSpec]:
        return [self.rule]


def finding(make: Callable[[], Any]) -> Callable[[Course], Any]:
    return lambda course: [Reading(True, evidence=make) for _ in course.forms]


def listed(stage: Stage) -> list[str]:
    """The rules of all flags, as every list of flags reads them."""

    def read(engine: Any) -> list[str]:
        with engine.store.reading(engine.source) as tx:
            return sorted({one.rule for one, _ in flags.read(tx)})

    return list(stage.ask(read))


@pytest.mark.parametrize("how", MAKES)
def test_f101_a_rule_that_cannot_give_its_reasons_costs_only_itself(stage: Stage, how: str) -> None:
    """One vendor's mistake in a text would end the sync of all clients, or make every list of flags unreadable."""
    practice(stage)
    failing, mended = (("vendor", Vendor(finding(make))) for make in (MAKES[how], evidence))
    stage.plugins = [failing]
    report = stage.sync()
    assert report.outcome is RunOutcome.COMPLETE
    assert "The rule V1 of vendor" in said(report)
    assert listed(stage) == ["P1", "S"], "no prompt without reasons"
    stage.plugins = [mended]
    _again(stage)
    assert listed(stage) == ["P1", "S", "V1"], "mended, it is heard"
    stage.plugins = [failing]
    _again(stage)
    assert listed(stage) == ["P1", "S", "V1"], "what stands is not taken back by a failure"


def test_f101_courses_that_were_read_while_a_rule_failed_are_not_forgotten(stage: Stage) -> None:
    """The rule is mended, and what it would have found weeks ago is missed, and nobody knows that it is."""
    practice(stage)
    stage.plugins = [("vendor", Vendor(GIVES["raises"]))]
    assert "lack" not in " ".join(stage.sync().undone), "the run itself says what failed"
    stage.later(days=1)
    assert "lack" not in " ".join(_again(stage).undone)
    stage.plugins = [("vendor", Vendor(finding(evidence)))]
    stage.later(days=1)
    told = "The rule V1 failed in an earlier run; the courses that were read then lack what it finds."
    assert told in " ".join(stage.sync().undone)
    assert "V1" not in listed(stage)
    anew = stage.ask(lambda engine: engine.rescore(dry_run=False))
    assert anew.problems == ()
    assert "V1" in listed(stage)
    stage.later(days=1)
    assert "lack" not in " ".join(stage.sync().undone)


def test_f101_reading_all_anew_with_a_rule_that_fails_says_so_and_is_not_the_end_of_it(stage: Stage) -> None:
    """Counts that look whole and are not would be agreed to."""
    practice(stage)
    stage.plugins = [("vendor", Vendor(GIVES["raises"]))]
    stage.sync()
    said_of_it = " ".join(stage.ask(lambda engine: engine.rescore(dry_run=False)).problems)
    assert "The rule V1 of vendor" in said_of_it
    stage.plugins = [("vendor", Vendor(finding(evidence)))]
    stage.later(days=1)
    assert "courses that were read then lack" in " ".join(stage.sync().undone)
    stage.later(days=1)
    stage.sync(full=True)
    assert "V1" in listed(stage)
    stage.later(days=1)
    assert "lack" not in " ".join(stage.sync().undone)


def _again(stage: Stage) -> Any:
    """A sync with a new form, so that the course is read."""
    stage.later(days=7)
    stage.put(form(f"a-{stage.now:%m%d}", "a", stage.now, gr18(LEANING)))
    return stage.sync()


@pytest.mark.parametrize("how", MAKES)
def test_f101_an_answer_about_harm_is_told_of_even_where_the_rule_cannot_say_why(stage: Stage, how: str) -> None:
    """Somebody must hear of it; the reason can be read on the form."""
    practice(stage)
    stage.plugins = [("vendor", Vendor(finding(MAKES[how]), "safety"))]
    report = stage.sync()
    assert "V1" in said(report)
    assert listed(stage) == ["P1", "S", "V1"]
    letters = len(stage.mail.letters)
    assert letters, "told"
    stage.sync(full=True)
    assert listed(stage) == ["P1", "S", "V1"]
    assert len(stage.mail.letters) == letters, "once"


@pytest.mark.parametrize("how", GIVES)
def test_f101_a_rule_that_gives_no_reading_for_each_form_costs_only_itself(stage: Stage, how: str) -> None:
    """Readings that are one short would be laid against the wrong forms."""
    practice(stage)
    stage.plugins = [("vendor", Vendor(GIVES[how]))]
    report = stage.sync()
    assert report.outcome is RunOutcome.COMPLETE
    assert "The rule V1 of vendor" in said(report)
    assert listed(stage) == ["P1", "S"]


@pytest.mark.parametrize("how", [*MAKES, *GIVES])
def test_f101_a_note_that_fails_says_so_in_its_place(stage: Stage, how: str) -> None:
    """The page before a session must open all the same, and not look as if there were nothing to note."""
    judge = GIVES[how] if how not in MAKES or how == "nothing" else finding(MAKES[how])
    stage.plugins = [("vendor", Vendor(judge, NOTE))]

    def notes(engine: Any) -> list[tuple[str, str]]:
        form = ScoredForm("f", START, {"W1": 1}, {})
        course = Course("c", engine.registry.instrument("gr18"), (form,))
        return [one for one in notes_on_last(course, engine.registry.rules_for("gr18")) if one[0] == "A vendor's rule"]

    ((_, reason),) = stage.ask(notes)
    assert "could not be worked out" in reason


WRONG_FLAGS: Mapping[str, Callable[[Flag], Any]] = {
    "a number for a text": lambda one: replace(one, evidence=evidence(reason=7)),
    "no evidence": lambda one: replace(one, evidence=None),  # type: ignore[arg-type]
    "a score in words": lambda one: replace(one, score="high"),  # type: ignore[arg-type]
    "a time without offset": lambda one: replace(one, opened=datetime(2026, 1, 1)),  # noqa: DTZ001
    "a state of its own": lambda one: replace(one, state="urgent"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("how", WRONG_FLAGS)
def test_f101_f102_a_flag_that_a_plugin_spoiled_is_not_stored(stage: Stage, how: str) -> None:
    """The plugin is named, the flags wait until it is mended, and an answer about harm waits for nobody."""
    practice(stage)
    stage.plugins = [("vendor", Preparing(flags=lambda fs: [WRONG_FLAGS[how](one) for one in fs]))]
    assert "vendor" in said(stage.sync())
    assert listed(stage) == ["S"]
    stage.plugins = []
    stage.sync()
    assert listed(stage) == ["P1", "S"]


WRONG_FORMS: Mapping[str, Callable[[Any], Any]] = {
    "an answer in words": lambda one: replace(one, answers=dict.fromkeys(one.answers, "often")),
    "an answer of 2.7": lambda one: replace(one, answers=dict.fromkeys(one.answers, 2.7)),
    "a time without offset": lambda one: replace(one, authored=one.authored.replace(tzinfo=None)),
    "a time in words": lambda one: replace(one, authored="yesterday"),
    "no client": lambda one: replace(one, client=None),
    "a list of answers": lambda one: replace(one, answers=[1, 2, 3]),
}


@pytest.mark.parametrize("how", WRONG_FORMS)
def test_f101_f102_a_form_that_a_plugin_spoiled_is_not_scored(stage: Stage, how: str) -> None:
    """A number that nobody answered must not be scored; the plugin is named and the form comes again."""
    practice(stage)
    stage.plugins = [("vendor", Preparing(lambda rs: [WRONG_FORMS[how](one) for one in rs]))]
    report = stage.sync()
    assert report.outcome is RunOutcome.FAILED
    assert "vendor" in said(report)
    assert stage.seen().responses == []
    stage.plugins = []
    stage.sync()
    assert stage.seen().standing() == ["a P1", "b S"]


def test_what_is_as_declared_is_the_same() -> None:
    """Lists for tuples and whole numbers do no harm, and become what the store gives back."""
    given = evidence(steps=[Step("Sum", "1 + 2", 3)], forms=list(evidence().forms))
    assert as_declared(given, Evidence) == evidence()
    assert as_declared(flag("key", "client"), Flag) == flag("key", "client")


SINGLE = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
ANYTHING = st.recursive(
    SINGLE, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner)
)


@given(ANYTHING)
def test_whatever_is_no_evidence_is_said_so(anything: Any) -> None:
    """No other error than this one may come out of the look, or the look would be what ends the sync."""
    for given_ in (anything, evidence(forms=anything), evidence(reason=anything), evidence(steps=anything)):
        try:
            found = as_declared(given_, Evidence)
        except Misshapen:
            continue
        assert as_declared(found, Evidence) == found


@pytest.mark.parametrize("wrong", [{"name": 7}, {"email": ["a"]}, {"clinician_since": "May"}])
def test_f101_a_client_whom_an_adapter_spoiled_is_not_stored(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, wrong: dict[str, Any]
) -> None:
    """A vendor's adapter that gives a number for a name would make that client's record unreadable for good."""
    real = FhirAdapter.clients
    practice(stage)
    monkeypatch.setattr(FhirAdapter, "clients", lambda self, refs: (replace(one, **wrong) for one in real(self, refs)))
    assert "not what it declares (Client)" in said(stage.sync())
    assert listed(stage) == ["P1", "S"]
    monkeypatch.undo()
    assert stage.sync().outcome is RunOutcome.COMPLETE

    def named(engine: Any) -> list[bool]:
        with engine.store.reading(engine.source) as tx:
            people = forms.read_clients(tx, [row.key for row in tx.conn.execute(select(tables.clients))])
        return [one.name is not None for one in people.values()]

    assert stage.ask(named) == [True, True]


def test_handrail_s_own_rules_are_asked_directly() -> None:
    """The types of their evidence are checked before they are shipped. To encode and read all of it once more at each
    practice was a fifteenth of what the rules cost."""
    own = Registry(Plugins()).rules["S"]
    assert own.descriptor.judge is judge_safety
