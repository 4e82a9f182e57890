"""What cannot be read is set aside with its reason, comes back when it is mended, and never stops the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from handrail.adapters.fhir.adapter import FhirAdapter
from handrail.plugin_core.contracts import Page
from handrail.plugin_core.sync.ingest import BROKEN_LEAST
from handrail.schemas.records import Cursor, Quarantined
from handrail.schemas.vocab import QuarantineReason, RunOutcome

from .stage import EVEN, LEANING, NOW, Stage, form, gr18

WHEN = NOW - timedelta(days=7)
Change = Callable[[dict[str, Any]], None]


def line(body: dict[str, Any], link: str) -> dict[str, Any]:
    """The line of a form by its id, however deep it is nested."""
    rest = list(body["item"])
    while rest:
        one = rest.pop()
        if one["linkId"] == link:
            found: dict[str, Any] = one
            return found
        rest += one.get("item", [])
    raise LookupError(link)


def _unknown_answer(body: dict[str, Any]) -> None:
    line(body, "W2")["answer"] = [{"valueCoding": {"code": "truth-9", "display": "Beyond all"}}]


def _two_answers(body: dict[str, Any]) -> None:
    answers = line(body, "W2")["answer"]
    answers.append(dict(answers[0]))


def _same_line_twice(body: dict[str, Any]) -> None:
    body["item"].append(dict(line(body, "W2")))


def _reworded(body: dict[str, Any]) -> None:
    line(body, "W2")["text"] = "Something else altogether."


def _unknown_question(body: dict[str, Any]) -> None:
    body["item"].append({"linkId": "Z9", "text": "How many legs?", "answer": [{"valueInteger": 4}]})


def _no_offset(body: dict[str, Any]) -> None:
    body["authored"] = "2026-11-13T10:00:00"


def _far_future(body: dict[str, Any]) -> None:
    body["authored"] = "2999-01-01T00:00:00Z"


def _next_year(body: dict[str, Any]) -> None:
    body["authored"] = "2027-11-20T00:00:00Z"


def _date_only(body: dict[str, Any]) -> None:
    body["authored"] = "2026-11-13"


def _no_time(body: dict[str, Any]) -> None:
    body.pop("authored")


def _no_client(body: dict[str, Any]) -> None:
    body.pop("subject")


def _other_version(body: dict[str, Any]) -> None:
    body["questionnaire"] = body["questionnaire"].partition("|")[0] + "|7"


def _no_version(body: dict[str, Any]) -> None:
    body["questionnaire"] = body["questionnaire"].partition("|")[0]


def _another_number(body: dict[str, Any]) -> None:
    answer = line(body, "W2")["answer"][0]["valueCoding"]
    answer["extension"] = [{"url": "http://hl7.org/fhir/StructureDefinition/ordinalValue", "valueDecimal": 4}]


BAD: dict[str, tuple[Change, str]] = {
    "F56 an answer outside the options": (_unknown_answer, "unknown-answer"),
    "F58 two answers to one line": (_two_answers, "two-answers"),
    "F58 the same line twice": (_same_line_twice, "two-answers"),
    "a question reworded": (_reworded, "changed-definition"),
    "an unknown question": (_unknown_question, "unknown-question"),
    "F10 a time without offset": (_no_offset, "no-time"),
    "F10 a date only": (_date_only, "no-time"),
    "no time": (_no_time, "no-time"),
    "F7 a time in 2999": (_far_future, "no-time"),
    "a time next year": (_next_year, "future-time"),
    "no client": (_no_client, "no-client"),
    "F68 another version of the form": (_other_version, "unknown-version"),
    "no version of the form": (_no_version, "unknown-version"),
    "an answer with another number": (_another_number, "weight-differs"),
}


@pytest.mark.parametrize("what", BAD)
def test_set_aside_with_its_reason_and_released_when_corrected(stage: Stage, what: str) -> None:
    """F50. Never scored on a guess, never lost: one bad form costs itself, and comes back when it is mended."""
    change, reason = BAD[what]
    stage.course("a", [EVEN, EVEN, EVEN, LEANING])
    good = form("a-5", "a", WHEN, gr18(LEANING))
    bad = form("a-5", "a", WHEN, gr18(LEANING))
    change(bad)
    stage.put(bad)
    report = stage.sync()
    assert report.outcome is RunOutcome.COMPLETE
    assert [row[:2] for row in stage.seen().quarantine] == [("a-5", reason)]
    assert len(stage.seen().active()) == 4
    assert stage.seen().standing() == []
    assert any("set aside" in sentence for sentence in report.undone)
    stage.later(minutes=10)
    stage.put(good | {"status": "amended"})
    report = stage.sync()
    assert report.counts["released"] == 1
    assert stage.seen().quarantine == []
    assert stage.active() == ["a P1"]


@pytest.mark.parametrize("what", BAD)
def test_a_good_form_that_turns_bad_stops_counting(stage: Stage, what: str) -> None:
    """An amendment that cannot be read must not leave the old answers in force as if nothing had happened."""
    change, reason = BAD[what]
    stage.course("a", [EVEN, EVEN, EVEN, LEANING, LEANING])
    stage.sync()
    stage.later(minutes=10)
    bad = form("a-5", "a", WHEN, gr18(LEANING), status="amended")
    change(bad)
    stage.put(bad)
    stage.sync()
    store = stage.seen()
    assert [row[:2] for row in store.quarantine] == [("a-5", reason)]
    assert "a-5" not in store.active()
    assert stage.shown() == [("a", "P1", "a-5", "entered-in-error")]
    assert [row[0] for row in store.history] == ["a-5"]


def test_f51_retry_without_a_change_at_the_source(stage: Stage) -> None:
    """Set aside by our own fault: mended in a new version, one command runs them again."""
    from handrail.plugin_core.contracts import Refusal

    from .test_plugins import Preparing

    stage.plugins = [("vendor", Preparing(lambda rs: [Refusal("a fault of ours")] * len(rs)))]
    stage.course("a", [EVEN, EVEN, EVEN, LEANING, LEANING])
    stage.sync()
    assert len(stage.seen().quarantine) == 5
    stage.plugins = []
    assert stage.sync().counts["new"] == 1  # the newest only, which the overlap brings again
    report = stage.sync(retry_set_aside=True)
    assert (report.counts["retried"], report.counts["new"], report.counts["released"]) == (4, 4, 4)
    assert stage.active() == ["a P1"]


def test_f51_retry_of_many_that_are_still_bad_is_no_failure(stage: Stage) -> None:
    """A long quarantine, tried again in vain, must not be taken for a platform that changed its shape."""
    many(stage, 60, bad=BROKEN_LEAST + 5)
    stage.sync()
    report = stage.sync(retry_set_aside=True)
    assert report.outcome is RunOutcome.COMPLETE
    assert report.counts["retried"] == BROKEN_LEAST + 5
    assert len(stage.seen().quarantine) == BROKEN_LEAST + 5


def test_f51_retry_of_what_is_gone_at_the_source(stage: Stage) -> None:
    """A set-aside form that the platform has deleted since needs nobody's care any more."""
    many(stage, 4, bad=2)
    stage.sync()
    stage.delete("m-0")
    stage.sync(retry_set_aside=True)
    assert [row[0] for row in stage.seen().quarantine] == ["m-1"]


def test_a_form_that_came_whole_and_broken_on_one_page_stays_set_aside(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An adapter may find one row of a form broken and give the rest: neither counted nor listed, it would be lost."""
    pull = FhirAdapter.pull

    def torn(self: FhirAdapter, cursor: Cursor | None) -> Iterator[Page]:
        for page in pull(self, cursor):
            aside = [Quarantined(one.id, QuarantineReason.SHAPE, "row 2", "torn") for one in page.responses]
            yield replace(page, set_aside=aside)

    stage.course("a", [EVEN])
    with monkeypatch.context() as patched:
        patched.setattr(FhirAdapter, "pull", torn)
        stage.sync()
    assert len(stage.seen().quarantine) == 1
    assert stage.sync(full=True).counts["released"] == 1
    assert stage.seen().quarantine == []


def many(stage: Stage, number: int, bad: int) -> None:
    """Forms of one moment, as a bulk import stamps them; the first ones are of an unknown version."""
    stage.person("m")
    for index in range(number):
        body = form(f"m-{index}", "m", WHEN - timedelta(hours=index), version="9" if index < bad else "1")
        stage.put(body, WHEN)


def test_f48_one_of_500_costs_one(stage: Stage) -> None:
    """499 good forms must not wait for one."""
    many(stage, 500, bad=1)
    report = stage.sync()
    assert report.outcome is RunOutcome.COMPLETE
    assert (report.counts["new"], report.counts["set_aside"]) == (499, 1)
    assert stage.seen().cursors[0][1] is not None
    assert "1 form is set aside; see: handrail doctor" in report.undone


def test_f49_a_page_of_which_most_is_broken_stops_the_run(stage: Stage) -> None:
    """A platform that changed its form: stop and say so, instead of setting a whole practice aside one by one."""
    many(stage, 60, bad=40)
    report = stage.sync()
    assert report.outcome is RunOutcome.FAILED
    assert "40 of 60 forms on one page cannot be read" in report.problems[0].what
    store = stage.seen()
    assert (store.responses, store.quarantine, store.cursors[0][1]) == ([], [], None)


def test_f49_the_overlap_does_not_mistake_old_quarantine_for_a_broken_page(stage: Stage) -> None:
    """Bad forms of a bulk import come again with each overlap, the good ones unchanged: no reason to stop for ever."""
    many(stage, 500, bad=BROKEN_LEAST + 5)
    assert stage.sync().outcome is RunOutcome.COMPLETE
    report = stage.sync()
    assert report.outcome is RunOutcome.COMPLETE
    assert report.counts["unchanged"] == 500 - BROKEN_LEAST - 5


def test_f57_a_blank_form_has_no_score_and_is_no_zero(stage: Stage) -> None:
    """A form sent without one answer is no sign of anything."""
    stage.course("a", [EVEN, EVEN, EVEN])
    stage.put(form("a-4", "a", WHEN, {}))
    report = stage.sync()
    assert report.counts["with_a_score_missing"] == 1
    (row,) = [row for row in stage.seen().responses if row[0] == "a-4"]
    assert row[7] == ()
    assert {score[1] for score in row[8]} == {None}
    assert all(score[5] for score in row[8])


def test_f59_a_form_in_progress_is_neither_stored_nor_scored(stage: Stage) -> None:
    """Half an answer is none; when it is finished it counts once."""
    stage.course("a", [EVEN, EVEN, EVEN, LEANING])
    stage.put(form("a-5", "a", WHEN, gr18(LEANING), status="in-progress"))
    report = stage.sync()
    assert report.counts["not_finished"] == 1
    assert len(stage.seen().responses) == 4
    stage.later(minutes=10)
    stage.put(form("a-5", "a", WHEN, gr18(LEANING)))
    stage.sync()
    assert stage.active() == ["a P1"]


def test_f55_forms_of_other_questionnaires_are_not_stored(stage: Stage) -> None:
    """A practice's other forms are none of our business: not one byte of them is kept (S20)."""
    body = form("o-1", "a", WHEN)
    body["questionnaire"] = "https://elsewhere.example/Questionnaire/intake|1"
    stage.put(body)
    report = stage.sync()
    assert report.counts["other_forms"] == 1
    store = stage.seen()
    assert (store.responses, store.clients, store.quarantine) == ([], [], [])
