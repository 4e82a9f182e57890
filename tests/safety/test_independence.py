"""Whatever happens to everything else, a safety answer rises and is told of."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest
from handrail.adapters.fhir import adapter as fhir
from handrail.plugin_core import hookimpl
from handrail.plugin_core.contracts import Page, Refusal, RuleSpec
from handrail.plugin_core.errors import StoreError, Unreachable
from handrail.plugin_core.store import Store
from handrail.schemas.vocab import FlagState, RunOutcome

from .ward import BACKUP, CLINICIAN, ITEM, Ward, said

BOTH = [CLINICIAN, BACKUP]


def test_a_hold_silences_no_safety_answer(ward: Ward) -> None:
    """A hold is for prompts; in a crisis, when holds are set, these answers matter most."""
    ward.answer("f0", value=0)
    ward.sync()
    ward.ask(lambda e: e.hold("Patient/c1", (ward.now + timedelta(days=30)).date(), "crisis", "Dr. Invented"))
    ward.later(minutes=10)
    ward.answer("f1")
    ward.sync()
    assert ward.told() == BOTH
    assert ward.flag().flag.state is FlagState.RAISED, "a hold must not show a safety answer as held"


def test_an_acknowledged_answer_silences_no_later_one(ward: Ward) -> None:
    """The quiet weeks after an acknowledgement are for prompts."""
    ward.answer("f1")
    ward.sync()
    ward.see()
    ward.taken()
    ward.later(days=1)
    ward.answer("f2")
    ward.sync()
    assert ward.told() == BOTH


@pytest.mark.parametrize("tag", ["proxy", "under-age", "interpreter"])
def test_answers_that_are_kept_apart_from_other_rules_are_told_of(ward: Ward, tag: str) -> None:
    """What keeps an answer out of a trend does not keep a person safe."""
    body = ward.answer("f1")
    body["meta"] = {"tag": [{"code": tag}]}
    ward.put(body)
    ward.sync()
    assert ward.told() == BOTH


def test_one_answer_on_an_otherwise_empty_form_is_told_of(ward: Ward) -> None:
    """Whether or not the form is complete (clinical.md 6): there is no total, and there is an answer."""
    body = ward.answer("f1")
    body["item"] = [line for line in body["item"] if line["linkId"] == ITEM]
    ward.put(body)
    ward.sync()
    assert ward.told() == BOTH


def test_the_same_answer_on_every_line_is_told_of(ward: Ward) -> None:
    """A straight line raises no prompt; that is no reason to pass over what it says."""
    ward.answer("f1", others=2)
    ward.sync()
    assert ward.told() == BOTH


@pytest.mark.parametrize("status", ["in-progress", "stopped"])
def test_a_form_that_was_not_finished_is_told_of(ward: Ward, status: str) -> None:
    """Who stops at this line and goes away must not be passed over. Finished later, it is the same notice."""
    ward.answer("f1", status=status)
    ward.sync()
    assert ward.told() == BOTH
    assert "not finished" in ward.flag().flag.evidence.reason
    ward.later(minutes=2)
    ward.answer("f1", when=ward.now - timedelta(minutes=7))
    ward.sync()
    assert ward.told() == []
    assert "not finished" not in ward.flag().flag.evidence.reason


def test_a_form_set_aside_for_another_line_is_told_of_and_named(ward: Ward) -> None:
    """A line that nobody knows sets the form aside. The safety line reads as it was mapped: no guess."""
    body = ward.answer("f1")
    body["item"].append({"linkId": "strange", "text": "A new line", "answer": [{"valueString": "yes"}]})
    ward.put(body)
    report = ward.sync()
    assert ward.told() == BOTH
    assert "may hold a safety answer could not be read" in said(report)
    assert "could not be taken over" in ward.flag().flag.evidence.reason


def test_a_quarantined_form_whose_safety_line_cannot_be_read_is_named_loudly(ward: Ward) -> None:
    """Nothing is guessed; and nothing is passed over in silence: the run fails, later runs and doctor still say it."""
    body = ward.answer("f1")
    for line in body["item"]:
        if line["linkId"] == ITEM:
            line["text"] = "Quite another question than the one that was mapped"
    ward.put(body)
    report = ward.sync()
    assert ward.safety() == []
    assert report.outcome is RunOutcome.FAILED
    assert "1 form that may hold a safety answer could not be read" in said(report)
    ward.later(minutes=30)
    report = ward.sync()
    assert "1 form that may hold a safety answer could not be read" in said(report)


def test_a_form_from_the_future_is_told_of(ward: Ward) -> None:
    """A clock that is wrong, here or at the platform, sets the form aside; the answer is told of all the same."""
    ward.answer("f1", when=ward.now + timedelta(days=40))
    ward.sync()
    assert ward.told() == BOTH


# --- plugins ----------------------------------------------------------------------------------------------------------


class Failing:
    """A plugin whose every door raises, or refuses."""

    @hookimpl
    def prepare_flags(self, flags: Sequence[Any], context: Any) -> Any:
        raise RuntimeError("broken")


class Vetoing:
    """A plugin that refuses every flag."""

    @hookimpl
    def prepare_flags(self, flags: Sequence[Any], context: Any) -> Any:
        return [Refusal("not today") for _ in flags]


class Refusing:
    """A plugin that refuses every form."""

    @hookimpl
    def prepare_responses(self, responses: Sequence[Any], context: Any) -> Any:
        return [Refusal("not one of ours") for _ in responses]


class Breaking:
    """A plugin that fails at every form."""

    @hookimpl
    def prepare_responses(self, responses: Sequence[Any], context: Any) -> Any:
        raise RuntimeError("broken")


class Ruling:
    """A plugin with a rule that fails."""

    @hookimpl
    def register_rules(self) -> list[RuleSpec]:
        def fails(course: Any) -> Any:
            raise RuntimeError("broken")

        return [
            RuleSpec("V1", "1", "A rule that fails", None, fails),
            RuleSpec("V2", "1", "A safety rule that fails", None, fails, kind="safety"),
        ]


PLUGINS = [Failing(), Vetoing(), Refusing(), Breaking(), Ruling()]


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda plugin: type(plugin).__name__)
def test_a_plugin_that_raises_vetoes_or_refuses_holds_nothing_back(ward: Ward, plugin: object) -> None:
    """A vendor's mistake must not cost a practice a notice."""
    ward.plugins = [("vendor", plugin)]
    ward.answer("f1")
    ward.sync()
    assert ward.told() == BOTH


# --- the pull, the push, the store ------------------------------------------------------------------------------------


def _pages(ward: Ward, monkeypatch: pytest.MonkeyPatch, change: Any) -> None:
    """Changes the pages as they come from the platform."""
    right = fhir.FhirAdapter.pull

    def pull(self: Any, cursor: Any) -> Iterator[Page]:
        yield from change(right(self, cursor))

    monkeypatch.setattr(fhir.FhirAdapter, "pull", pull)


@pytest.mark.parametrize("order", ["sorted", "unsorted"])
def test_a_pull_that_breaks_off_tells_of_what_has_arrived(
    ward: Ward, monkeypatch: pytest.MonkeyPatch, order: str
) -> None:
    """The platform goes away in the middle; other rules wait for the rest of the course, this one never."""

    def broken(pages: Iterator[Page]) -> Iterator[Page]:
        for page in pages:
            yield dataclasses.replace(page, sorted=order == "sorted", cursor=None)
            raise Unreachable("The platform went away.")

    _pages(ward, monkeypatch, broken)
    ward.answer("f1")
    report = ward.sync()
    assert report.outcome is RunOutcome.INCOMPLETE
    assert ward.told() == BOTH


def test_it_is_told_before_the_next_page_is_asked_for(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    """A first pull may take an hour; an answer on its first page must not wait for the last."""
    when = []

    def watched(pages: Iterator[Page]) -> Iterator[Page]:
        for page in pages:
            yield page
            when.append([one.to for one in ward.mail.letters])

    _pages(ward, monkeypatch, watched)
    ward.answer("f1")
    ward.sync()
    assert BOTH in when


def test_an_adapter_that_crashes_costs_no_notice(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even a fault that ends the program: what has arrived was told before."""

    def crashed(pages: Iterator[Page]) -> Iterator[Page]:
        yield from pages
        raise ZeroDivisionError

    _pages(ward, monkeypatch, crashed)
    ward.answer("f1")
    with pytest.raises(ZeroDivisionError):
        ward.sync()
    assert ward.told() == BOTH


def test_a_platform_that_cannot_be_reached_stops_no_repetition(ward: Ward) -> None:
    """Whichever run comes next tells again, also one that gets no answer from the platform."""
    ward.answer("f1")
    ward.sync()
    ward.taken()
    ward.later(minutes=61)
    ward.write_settings(base="http://127.0.0.1:9/fhir")
    ward.sync()
    assert ward.told() == [BACKUP]


def test_a_push_that_fails_costs_no_notice(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    """Notices go out before anything is pushed."""
    from handrail.plugin_core.sync import run as sync_run

    class Failed:
        def __init__(self, *_: Any) -> None:
            raise StoreError("The push failed.")

    monkeypatch.setattr(sync_run, "Push", Failed)
    ward.course("c2", [{"growth": 2, "reliance": n, "outlook": n} for n in (1, 1, 1, 4, 4)])
    ward.answer("f1")
    with pytest.raises(StoreError):
        ward.sync()
    assert ward.told() == BOTH


def test_a_dry_run_tells_nobody_and_the_real_one_does(ward: Ward) -> None:
    """Who tries something out must not page people, nor use up the notice."""
    ward.answer("f1")
    ward.sync(dry_run=True)
    assert ward.told() == []
    ward.sync()
    assert ward.told() == BOTH


def test_a_clients_record_that_was_tampered_with_costs_its_initials_only(ward: Ward) -> None:
    """S16: what cannot be opened is not believed; the notice goes all the same, and the others' too."""
    from sqlalchemy import text

    ward.mail.down()
    ward.answer("f1")
    ward.answer("f2", "c2", name="Bruno Lang")
    ward.sync()
    ward.mail.up()
    broken = next(row.flag.client for row in ward.safety() if row.flag.opening_form)

    def tamper(engine: Any) -> None:
        statement = text("UPDATE clients SET sealed = :v WHERE key = :k")
        engine.store.write(lambda tx: tx.conn.execute(statement, {"v": b"\x01\x00\x01" + b"x" * 60, "k": broken}))

    ward.ask(tamper)
    ward.later(minutes=30)
    ward.tell()
    texts = [one.text for one in ward.taken()]
    assert len(texts) == 4
    assert sum("An answer of a client needs" in one for one in texts) == 2


def test_a_full_disk_is_loud_and_the_next_run_tells(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    """F71: the form cannot be stored, so that nothing can rise; the run fails, and nothing is passed over."""
    right = Store.write

    def full(self: Store, work: Any, *more: Any, **named: Any) -> Any:
        raise StoreError("The disk is full; nothing was half written. Make room, then run it again.")

    ward.answer("f1")
    monkeypatch.setattr(Store, "write", full)
    with pytest.raises(StoreError):
        ward.sync()
    monkeypatch.setattr(Store, "write", right)
    ward.sync()
    assert ward.told() == BOTH


def test_a_disk_that_fills_after_the_flag_rose_stops_no_letter(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mark that a letter is on its way is for us; the letter is for the client."""
    ward.mail.down()
    ward.answer("f1")
    ward.sync()
    ward.mail.up()
    ward.later(minutes=30)

    def full(self: Store, work: Any, *more: Any, **named: Any) -> Any:
        raise StoreError("The disk is full; nothing was half written. Make room, then run it again.")

    with ward.engine() as engine:
        assert engine.source
        monkeypatch.setattr(Store, "write", full)
        told = engine.safety.tell()
    assert ward.told() == BOTH
    assert "The disk is full" in " ".join(told.problems)


# --- clocks, copies, two at once --------------------------------------------------------------------------------------


@pytest.mark.parametrize("days", [-400, -1, 1, 400])
def test_a_clock_that_jumps_delays_no_notice(ward: Ward, days: int) -> None:
    """A computer wakes up in another year, tells, and is set right: the repetition comes at its time all the same."""
    ward.mail.down()
    ward.answer("f1")
    ward.sync()
    ward.later(days=days)
    ward.tell()
    ward.later(days=-days, minutes=90)
    ward.mail.up()
    ward.sync()
    assert ward.told() == BOTH
    ward.later(days=days)
    ward.sync()
    ward.taken()
    ward.later(days=-days, minutes=61)
    ward.sync()
    assert ward.told() == [BACKUP]


def test_the_same_form_delivered_twice_is_told_once(ward: Ward) -> None:
    """A platform that sends everything again must not page people about what they know."""
    body = ward.answer("f1")
    ward.sync()
    ward.taken()
    ward.put(body)
    ward.later(minutes=1)
    ward.sync(full=True)
    assert (ward.told(), len(ward.safety())) == ([], 1)


def test_two_at_once_send_one_letter_each(ward: Ward) -> None:
    """A scheduled run and a person at the keyboard."""
    from handrail.plugin_core.sync.lock import exclusive

    ward.mail.down()
    ward.answer("f1")
    ward.sync()
    ward.mail.up()
    ward.later(minutes=30)
    with ward.engine() as engine:
        with exclusive(engine.store, "telling of safety answers", part="notices"):
            ward.tell()
            assert ward.told() == []
        with exclusive(engine.store, "syncing"):
            ward.tell()  # a long sync keeps nobody from being told
    assert ward.told() == BOTH


def test_a_restored_backup_tells_again_under_the_same_message_id(ward: Ward, tmp_path: Any) -> None:
    """A store of yesterday does not know what was sent: doubles that can be recognised, and never a loss."""
    import shutil
    import sqlite3

    ward.mail.down()
    ward.answer("f1")
    ward.sync()
    with closing(sqlite3.connect(ward.folder / "store.db")) as old, old:
        old.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copy(ward.folder / "store.db", tmp_path / "backup.db")
    ward.mail.up()
    ward.later(minutes=30)
    ward.sync()
    first = ward.taken()
    for name in ("store.db-wal", "store.db-shm"):
        (ward.folder / name).unlink(missing_ok=True)
    shutil.copy(tmp_path / "backup.db", ward.folder / "store.db")
    ward.sync()
    again = ward.taken()
    assert [one.to for one in first] == [one.to for one in again] == BOTH
    assert [one.id for one in first] == [one.id for one in again]


def test_a_run_that_may_not_sync_tells_all_the_same(ward: Ward) -> None:
    """Another one has been syncing for an hour, or the platform's settings are wrong: what waits is told first."""
    from handrail.plugin_core.errors import Busy
    from handrail.plugin_core.sync.lock import exclusive

    ward.answer("f1")
    ward.sync()
    ward.taken()
    ward.later(minutes=61)
    with ward.engine() as engine, exclusive(engine.store, "syncing"), pytest.raises(Busy):
        ward.sync()
    assert ward.told() == [BACKUP]
