"""What happens to forms at the source happens here, once: amended, withdrawn, deleted, moved, replayed, corrected."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from handrail.adapters.fhir.adapter import FhirAdapter
from handrail.plugin_core.contracts import HookContext, Page, RemoteLine, RemoteResponse
from handrail.plugin_core.engine import Engine
from handrail.plugin_core.errors import Unreachable
from handrail.plugin_core.mapping import FormReader
from handrail.plugin_core.sync.ingest import Ingest, Ingested
from handrail.schemas.vocab import RunOutcome

from .stage import EVEN, GROWN, LEANING, NOW, SHRUNK, Stage, form, gr18, small_practice

BOTH = {"growth": 0, "reliance": 3, "outlook": 3}
LAST = NOW - timedelta(days=7)


def answers_of(stage: Stage, form_id: str) -> dict[str, Any]:
    return next(dict(row[7]) for row in stage.seen().responses if row[0] == form_id)


# --- amended, entered in error, replayed ---------------------------------------------------------------------------


def test_f60_an_amended_form_replaces_scores_and_keeps_history(stage: Stage) -> None:
    """A corrected answer that is not taken over leaves a prompt that rests on a mistake."""
    stage.course("a", [EVEN, EVEN, EVEN, LEANING, LEANING])
    stage.sync()
    assert stage.active() == ["a P1"]
    stage.later(minutes=10)
    stage.put(form("a-5", "a", LAST, gr18(EVEN), status="amended"))
    report = stage.sync()
    assert report.counts["replaced"] == 1
    assert answers_of(stage, "a-5") == gr18(EVEN)
    assert [row[:2] for row in stage.seen().history] == [("a-5", "completed")]
    assert stage.shown() == [("a", "P1", "a-5", "entered-in-error")]


def test_f60_a_flag_that_still_stands_is_updated_not_doubled(stage: Stage) -> None:
    """The evidence must show the answers as they are now, or a reader who redoes the sum finds it wrong."""
    stage.course("a", [EVEN, EVEN, EVEN, LEANING, LEANING])
    stage.sync()
    stage.later(minutes=10)
    stage.put(form("a-5", "a", LAST, gr18({**LEANING, "reliance": 3}), status="amended"))
    stage.sync()
    assert stage.shown() == [("a", "P1", "a-5", "active")]
    (flag,) = [row for row in stage.ask(lambda e: e.flags()) if row.flag.rule == "P1"]
    assert "3.0 and 3.5" in flag.flag.evidence.reason


def test_f60_amended_back_the_flag_stands_again_once(stage: Stage) -> None:
    """Two corrections in a row must not leave two prompts, nor none."""
    stage.course("a", [EVEN, EVEN, EVEN, LEANING, LEANING])
    stage.sync()
    for levels in (EVEN, LEANING):
        stage.later(minutes=10)
        stage.put(form("a-5", "a", LAST, gr18(levels), status="amended"))
        stage.sync()
    assert stage.seen().flag("a", "P1") == [("a-5", "raised", True)]
    assert stage.shown() == [("a", "P1", "a-5", "active")]


def test_f60_what_waited_behind_another_prompt_is_shown_when_that_one_is_gone(stage: Stage) -> None:
    """P1 and P2 rise on one form and only P1 is shown; when an amendment takes P1 back, P2 must not stay hidden."""
    stage.course("a", [EVEN, EVEN, EVEN, BOTH, BOTH])
    stage.sync()
    assert stage.active() == ["a P1"]
    assert stage.seen().flag("a", "P2") == [("a-5", "raised", False)]
    stage.later(minutes=10)
    stage.put(form("a-5", "a", LAST, gr18({**BOTH, "reliance": 1, "outlook": 1}), status="amended"))
    stage.sync()
    assert stage.seen().flag("a", "P2") == [("a-5", "raised", True)]
    assert stage.active() == ["a P2"]


def test_f61_entered_in_error_withdraws_and_retracts(stage: Stage) -> None:
    """Another person's answers in this chart: the prompt must be taken back, and the trace kept."""
    stage.course("a", [EVEN, EVEN, EVEN, LEANING, LEANING])
    stage.sync()
    stage.later(minutes=10)
    stage.put(form("a-5", "a", LAST, gr18(LEANING), status="entered-in-error"))
    stage.sync()
    assert stage.shown() == [("a", "P1", "a-5", "entered-in-error")]
    store = stage.seen()
    assert store.flag("a", "P1") == [("a-5", "withdrawn", True)]
    assert "a-5" not in store.active()
    assert [row[:2] for row in store.history] == [("a-5", "completed")]


def test_f61_entered_in_error_before_anything_was_sent(stage: Stage) -> None:
    """A pair that cancels out is never sent (F87): a clinician must not see a prompt flash up and vanish."""
    stage.course("a", [EVEN, EVEN, EVEN, LEANING, LEANING])
    stage.sync(push=False)
    stage.later(minutes=10)
    stage.put(form("a-5", "a", LAST, gr18(LEANING), status="entered-in-error"))
    before = stage.requests()
    report = stage.sync()
    assert stage.shown() == []
    assert [kind for method, kind in (stage.requests() - before) if method != "GET"] == []
    assert not report.counts.get("retracted")


def older(stage: Stage, body: dict[str, Any]) -> None:
    """The platform's list shows an older version again, as a replica that is behind does."""
    stage.demo.load(body, LAST + timedelta(seconds=30))


@pytest.mark.parametrize("status", ["amended", "entered-in-error"])
def test_f63_an_older_version_after_the_newer_is_ignored(stage: Stage, status: str) -> None:
    """A replica that is behind shows the old answers again: they must not come back to life."""
    stage.course("a", [EVEN, EVEN, EVEN, LEANING, LEANING])
    stage.sync()
    stage.later(minutes=10)
    stage.put(form("a-5", "a", LAST, gr18(EVEN), status=status))
    stage.sync(full=True)
    before = stage.seen()
    older(stage, form("a-5", "a", LAST, gr18(LEANING)))
    report = stage.sync(full=True)
    assert set(stage.seen().differs(before)) == {"cursors"}  # a full pull reads the server's stamps anew
    assert report.counts["unchanged"] == 5
    assert stage.active() == []


@pytest.mark.parametrize("version", ["9b2f", "0", None])
def test_f64_versions_that_are_no_numbers_or_go_down(stage: Stage, version: str | None) -> None:
    """Medplum's versions are UUIDs, others begin anew: time and content decide, or an amendment would be lost."""
    stage.course("a", [EVEN, EVEN])
    stage.sync()
    _replaced_once(stage, version=version, updated="2026-11-20T11:59:00Z")


@pytest.mark.parametrize("version", ["7", "9b2f", None])
def test_f64_another_content_of_the_same_moment_is_a_change(stage: Stage, version: str | None) -> None:
    """Servers that count whole seconds give a form and its correction one time: the correction would be lost."""
    stage.course("a", [EVEN, EVEN])
    stage.sync()
    _replaced_once(stage, version=version)


def _replaced_once(stage: Stage, **changes: Any) -> None:
    """The first form comes with an answer fewer and these changes: it replaces the stored one, a repeat does not."""
    with stage.engine() as engine:
        (page,) = engine.adapter.pull(None)
        first = page.responses[0]
        line = _changed(first.lines[0], answers=())
        amended = _changed(first, lines=(line, *first.lines[1:]), **changes)
        assert _taken(engine, stage, amended).counts["replaced"] == 1
        assert _taken(engine, stage, amended).counts["unchanged"] == 1


def test_f63_two_versions_of_one_form_on_one_page(stage: Stage) -> None:
    """A list that shows both versions in any order ends with the newer."""
    stage.course("a", [EVEN, EVEN])
    with stage.engine() as engine:
        (page,) = engine.adapter.pull(None)
        first = page.responses[0]
        newer = _changed(first, updated="2026-11-19T10:00:00Z", status="entered-in-error")
        _taken(engine, stage, newer, first)
    assert stage.seen().active() == []


def test_f8_without_times_of_change_the_answers_decide(stage: Stage) -> None:
    """A platform that gives none, or no longer: an amendment must not be lost, nor a repeat scored anew."""
    stage.course("a", [EVEN, EVEN])
    with stage.engine() as engine:
        (page,) = engine.adapter.pull(None)
        timeless = [_changed(one, updated=None) for one in page.responses]
        assert _taken(engine, stage, page.responses[0], timeless[1]).counts["new"] == 2
        assert _taken(engine, stage, *timeless).counts["unchanged"] == 2
        for one in timeless:
            amended = _changed(one, lines=(_changed(one.lines[0], answers=()), *one.lines[1:]))
            assert _taken(engine, stage, amended).counts["replaced"] == 1


def test_f9_which_version_is_newer_is_told_by_the_instant(stage: Stage) -> None:
    """Written with another offset, an older version has the later text: it must not take an amendment back."""
    stage.course("a", [EVEN])
    with stage.engine() as engine:
        (page,) = engine.adapter.pull(None)
        (first,) = page.responses
        other = (_changed(first.lines[0], answers=()), *first.lines[1:])
        noon = _changed(first, updated="2026-11-20T12:00:00.5Z")
        later = _changed(first, updated="2026-11-20T08:30:00.123456789-04:00", lines=other)
        before = _changed(first, updated="2026-11-20T20:30:00+09:00")
        assert _taken(engine, stage, noon).counts["new"] == 1
        assert _taken(engine, stage, later).counts["replaced"] == 1
        assert _taken(engine, stage, before).counts["unchanged"] == 1


def _taken(engine: Engine, stage: Stage, *responses: RemoteResponse) -> Ingested:
    """What one page with these forms made."""
    context = HookContext("practice", "fhir", stage.now)
    ingest = Ingest(engine.store, engine.source, engine.registry, FormReader(engine.mappings()), context)
    return ingest.page(Page(responses))


def _changed(response: RemoteResponse | RemoteLine, **changes: Any) -> Any:
    import msgspec

    return msgspec.structs.replace(response, **changes)


def test_f65_a_re_index_rescores_nothing(stage: Stage) -> None:
    """A server update touches every row: it must not cost a rescoring, a history row or a prompt."""
    small_practice(stage)
    stage.sync()
    before = stage.seen()
    stage.later(days=1)
    for number, one in enumerate(stage.demo.store.latest("QuestionnaireResponse")):
        assert one.body is not None
        stage.put(one.body, stage.now + timedelta(milliseconds=number))
    report = stage.sync()
    after = stage.seen()
    assert (after.responses, after.history, after.flags, after.deliveries) == (
        before.responses,
        before.history,
        before.flags,
        before.deliveries,
    )
    assert report.counts["unchanged"] == 42
    assert {name for name in ("new", "replaced", "raised", "pushed") if report.counts.get(name)} == set()


# --- deleted, another server -----------------------------------------------------------------------------------------


def test_f62_deleted_at_the_source_two_reconciles_must_agree(stage: Stage) -> None:
    """One bad list must not take answers out of a course; a real deletion must in the end."""
    stage.course("a", [EVEN, EVEN, EVEN, LEANING, LEANING])
    stage.sync()
    stage.delete("a-5")
    stage.later(days=8)
    report = stage.sync()
    assert report.counts["missing_once"] == 1
    assert stage.active() == ["a P1"]
    stage.later(days=8)
    report = stage.sync()
    assert report.counts["withdrawn_as_deleted"] == 1
    assert stage.shown() == [("a", "P1", "a-5", "entered-in-error")]
    assert "a-5" not in stage.seen().active()


def test_a_full_check_that_does_not_get_through_is_put_off_for_a_day(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list that is longer than a platform's requests of an hour would spend them in each run, and no run would ever
    be complete, so that nobody is asked any more."""
    stage.course("a", [EVEN, EVEN])
    stage.sync()
    asked: list[bool] = []

    def too_long(_: FhirAdapter) -> Iterator[Mapping[str, str | None]]:
        asked.append(True)
        raise Unreachable("The requests of this hour are used up.")

    monkeypatch.setattr(FhirAdapter, "listing", too_long)
    outcomes = []
    for hours in (8 * 24, 1, 1, 24):
        stage.later(minutes=60 * hours)
        outcomes.append(stage.sync().outcome.value)
    assert outcomes == ["incomplete", "complete", "complete", "incomplete"]
    assert len(asked) == 2


def test_f62_missing_once_and_there_again_is_kept(stage: Stage) -> None:
    """A list that was short once, then whole, then short again: two misses that are not in a row do not agree."""
    bodies = stage.course("a", [EVEN, EVEN, EVEN, LEANING, LEANING])
    stage.sync()
    for there in (False, True, False):
        if there:
            stage.demo.load(bodies[-1], LAST)
        else:
            stage.delete("a-5")
        stage.later(days=8)
        stage.sync()
    assert stage.active() == ["a P1"]


def test_f62_deleted_and_made_again_counts_again(stage: Stage) -> None:
    """A form that was deleted by mistake and restored comes back with its flag."""
    bodies = stage.course("a", [EVEN, EVEN, EVEN, LEANING, LEANING])
    stage.sync()
    stage.delete("a-5")
    stage.sync(full=True)
    stage.sync(full=True)
    assert stage.seen().standing() == []
    stage.later(minutes=10)
    stage.put(bodies[-1])
    stage.sync()
    assert stage.seen().standing() == ["a P1"]


def test_f14_an_emptied_server_withdraws_nothing(stage: Stage) -> None:
    """An empty list is a fault of the list until a person says otherwise."""
    stage.course("a", [EVEN, EVEN, EVEN, LEANING, LEANING])
    stage.sync()
    for number in range(1, 6):
        stage.delete(f"a-{number}")
    for _ in range(2):
        report = stage.sync(full=True)
        assert report.outcome is RunOutcome.FAILED
        assert "Nothing was withdrawn" in " ".join(problem.what for problem in report.problems)
    assert stage.active() == ["a P1"]
    assert len(stage.seen().active()) == 5


def test_f14_another_server_at_the_address(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Settings that lead to another practice's server: not one of its forms may land among our clients."""
    stage.course("a", [EVEN, EVEN, EVEN, LEANING, LEANING])
    stage.sync()
    before = stage.seen()
    with Stage(tmp_path_factory.mktemp("other")) as other:
        other.course("b", [EVEN, EVEN])
        (stage.folder / "token").unlink()
        from handrail.plugin_core.store import keys

        keys.write(f"file:{stage.folder / 'token'}", other.demo.token)
        stage.write_settings(base=other.base)
        for options in ({}, {"full": True}):
            report = stage.sync(**options)
            assert report.outcome is RunOutcome.FAILED
            assert "Another server answers" in " ".join(problem.what for problem in report.problems)
    assert stage.seen().differs(before) == {}


def test_f4_a_form_that_became_visible_late_is_found_and_said(stage: Stage) -> None:
    """A form that appears behind the cursor is an answer nobody reads, unless the full check finds it."""
    stage.course("a", [EVEN, EVEN, EVEN, LEANING])
    stage.sync()
    stage.put(form("a-late", "a", LAST + timedelta(days=3), gr18(LEANING)), LAST - timedelta(days=30))
    stage.sync()
    assert stage.active() == []
    stage.later(days=8)
    report = stage.sync()
    assert stage.active() == ["a P1"]
    assert report.counts["found_late"] == 1
    assert "overlap" in " ".join(problem.what for problem in report.problems)


# --- whose form it is ------------------------------------------------------------------------------------------------


def test_f66_the_same_id_in_two_sources_is_kept_apart(stage: Stage) -> None:
    """Two platforms number their forms from 1: neither may overwrite the other's."""
    from handrail.plugin_core.contracts import HookContext
    from handrail.plugin_core.mapping import FormReader
    from handrail.plugin_core.sync.ingest import Ingest

    stage.course("a", [EVEN, LEANING])
    stage.sync()
    before = stage.seen()
    with stage.engine() as engine:
        (page,) = engine.adapter.pull(None)
        other = engine.store.source("another")
        context = HookContext("practice", "another", stage.now)
        changed = [_changed(one, status="entered-in-error" if n else "amended") for n, one in enumerate(page.responses)]
        reader = FormReader(engine.mappings())
        Ingest(engine.store, other, engine.registry, reader, context).page(dataclasses.replace(page, responses=changed))
    assert stage.seen().differs(before) == {}


def test_f67_two_clients_merged_the_flag_moves_once(stage: Stage) -> None:
    """Two charts of one person are joined: the course follows, and the old chart keeps no prompt."""
    stage.course("a", [EVEN, EVEN, EVEN, LEANING, LEANING])
    stage.sync()
    stage.person("b")
    stage.later(minutes=10)
    for number in range(1, 6):
        when = stage.now - timedelta(minutes=10, days=7 + 28 * (5 - number))
        stage.put(form(f"a-{number}", "b", when, gr18(LEANING if number > 3 else EVEN)))
    stage.sync()
    assert stage.shown() == [("a", "P1", "a-5", "entered-in-error"), ("b", "P1", "a-5", "active")]
    assert stage.seen().standing() == ["b P1"]
    assert {row[1] for row in stage.seen().responses} == {"b"}
    before = stage.shown()
    stage.sync(full=True)
    assert stage.shown() == before


def test_forms_of_a_client_unknown_to_the_platform_are_kept_and_said(stage: Stage) -> None:
    """A form whose client cannot be found must be neither lost nor passed over in silence."""
    stage.put(form("x-1", "nobody", LAST), LAST)
    report = stage.sync()
    assert report.outcome is RunOutcome.COMPLETE
    assert "1 client has forms, but the platform does not know them" in report.problems[0].what
    assert stage.seen().active() == ["x-1"]


# --- therapists, holds, acknowledgements -----------------------------------------------------------------------------


def test_a_new_therapist_restarts_the_baseline_and_quiets_the_rules(stage: Stage) -> None:
    """Answers given to somebody new must not be held against a baseline with somebody else."""
    stage.course("a", [EVEN, EVEN, EVEN, LEANING])
    stage.sync()
    stage.later(days=1)
    stage.person("a", therapist="therapist-2")
    for number in range(5, 9):
        stage.put(form(f"a-{number}", "a", stage.now, gr18(LEANING)))
        stage.sync()
        stage.later(days=21)
    assert stage.seen().standing() == []
    assert stage.seen().clients[0][5] == ("2026-11-21",)


def test_a_new_therapist_does_not_clear_what_stands(stage: Stage) -> None:
    """The new therapist must still see what was prompted before."""
    stage.course("a", [EVEN, EVEN, EVEN, LEANING, LEANING])
    stage.sync()
    stage.later(days=1)
    stage.person("a", therapist="therapist-2")
    stage.put(form("a-6", "a", stage.now, gr18(LEANING)))
    stage.sync()
    assert stage.active() == ["a P1"]


def test_a_hold_keeps_prompts_back_and_safety_never(stage: Stage) -> None:
    """A pause that a therapist asked for is kept; an answer about harm is not subject to it."""
    from .stage import PHQ9

    stage.course("a", [EVEN, EVEN, EVEN, LEANING])
    stage.sync()
    stage.ask(lambda e: e.hold("Patient/a", (stage.now + timedelta(days=60)).date(), "by agreement", "tester"))
    stage.later(days=14)
    stage.put(form("a-5", "a", stage.now, gr18(LEANING)))
    stage.put(form("a-safety", "a", stage.now, PHQ9, instrument="phq9"))
    stage.sync()
    assert stage.seen().standing() == ["a S"]
    stage.later(days=60)
    stage.put(form("a-6", "a", stage.now, gr18(LEANING)))
    stage.sync()
    assert stage.seen().standing() == ["a P1", "a S"]


def test_an_acknowledged_flag_is_quiet_for_twelve_weeks(stage: Stage) -> None:
    """A prompt that was seen must not come back at the next form, but must when it comes true anew after the quiet."""
    stage.course("a", [EVEN, EVEN, EVEN, LEANING, LEANING])
    stage.sync()
    (flag,) = stage.ask(lambda e: e.flags())
    stage.ask(lambda e: e.acknowledge(flag.id, "tester", useful="yes"))
    assert stage.active() == ["a P1"]
    standing = []
    for number, levels in enumerate([EVEN, EVEN, LEANING, LEANING, LEANING, LEANING], 6):
        stage.later(days=18)
        stage.put(form(f"a-{number}", "a", stage.now, gr18(levels)))
        stage.sync()
        standing.append(stage.seen().standing() == ["a P1"])
    assert standing == [True, False, False, False, True, True]
    assert [line[2:] for line in stage.shown()] == [("a-10", "active"), ("a-5", "inactive")]


def test_good_news_and_prompts_of_one_practice(stage: Stage) -> None:
    """The practice of these tests shows what it was made for; a guard for all the tests that compare states."""
    small_practice(stage)
    stage.sync()
    assert stage.seen().standing() == ["c1 P1", "c2 P2", "c3 N", "c5 S", "c6 P1", "c7 P2"]
    assert stage.active() == ["c1 P1", "c2 P2", "c3 N", "c6 P1", "c7 P2"]
    assert (SHRUNK["growth"], GROWN["growth"]) == (0, 4)


def test_a_hold_lasts_to_the_end_of_the_practice_s_day(tmp_path: Path) -> None:
    """A platform that writes UTC has the evening of the last day on the next date; the hold must still hold there."""
    with Stage(tmp_path / "practice") as stage:
        text = stage.file.read_text(encoding="utf-8")
        stage.file.write_text(text.replace('time_zone = "UTC"', 'time_zone = "America/New_York"'), encoding="utf-8")
        stage.course("c1", [EVEN, EVEN, EVEN, LEANING], last=28)
        stage.sync()
        stage.ask(lambda e: e.hold("c1", stage.now.date(), "bereavement", "anna"))
        stage.now = stage.now.replace(hour=2) + timedelta(
            days=1
        )  # nine in the evening in New York, the next day in UTC
        stage.demo.clock.set(stage.now)
        stage.put(form("c1-9", "c1", stage.now, gr18(LEANING)))
        stage.later(minutes=5)
        stage.sync()
        assert stage.ask(lambda e: [row.flag.rule for row in e.flags()]) == []
