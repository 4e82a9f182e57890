"""What can go wrong when clients are asked: channels that fail, sheets handed over, records that move, half a sync."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from handrail.plugin_core.collecting import Standing, Wish
from handrail.plugin_core.errors import SettingsError, StoreError, UsageError
from handrail.plugin_core.store import Store
from handrail.schemas.vocab import RunOutcome

from .practice import Practice

Open = Callable[..., Practice]


# --- what can go wrong on the way out -------------------------------------------------------------------------------


def test_a_channel_that_cannot_be_reached_loses_nothing(open_practice: Open) -> None:
    """The platform is down: one call, incomplete, and the next run goes on with the same keys."""
    practice = open_practice(clients=5)
    practice.enrol()
    practice.outside.fault("unreachable")
    report = practice.send()
    assert report.outcome is RunOutcome.INCOMPLETE
    assert len(practice.outside.calls()) == 1, "a platform that is down is not asked five times"
    practice.outside.fault(None)
    assert practice.send().counts["asked"] == 5
    assert len(practice.outside.requests()) == 5


@pytest.mark.parametrize("full_from", [1, 2, 3, 4])
def test_a_full_disk_costs_no_request_and_doubles_none(
    open_practice: Open, monkeypatch: pytest.MonkeyPatch, full_from: int
) -> None:
    """From whichever write on: said in words, and the next run makes it whole with the very same keys."""
    practice = open_practice(clients=2)
    practice.enrol()
    right, done = Store.write, []

    def full(self: Store, work: Any, *more: Any) -> Any:
        done.append(1)
        if len(done) >= full_from:
            raise StoreError("The disk is full; nothing was half written. Make room, then run it again.")
        return right(self, work, *more)

    monkeypatch.setattr(Store, "write", full)
    with suppress(StoreError):
        report = practice.send()
        assert any("disk is full" in one for one in report.problems) or report.outcome is RunOutcome.COMPLETE
    assert len(practice.outside.requests()) <= len(done), "nobody is asked without a mark in the store"
    monkeypatch.setattr(Store, "write", right)
    practice.send()
    assert sorted(practice.outside.open()) == ["Patient/c1", "Patient/c2"]
    assert Counter(one["client"] for one in practice.outside.requests()) == {"Patient/c1": 1, "Patient/c2": 1}


def test_a_failing_channel_is_tried_after_waits_that_grow(practice: Practice) -> None:
    """A greylisting server wants to be left alone for a while."""
    practice.enrol()
    practice.outside.fault("mail")
    calls = []
    for _ in range(48):
        practice.send()
        calls.append(len(practice.outside.calls()))
        practice.later(minutes=30)
    assert calls[0] == 1
    assert practice.standing() is Standing.TRYING
    assert len(practice.outside.calls()) == 4, "after 15, 60 and 240 minutes, then once a day"
    practice.outside.fault(None)
    practice.days(1)
    practice.send()
    assert practice.outside.open() == ["Patient/c1"]


def test_an_address_that_takes_no_mail_is_shown_and_tried_again_only_when_told(practice: Practice) -> None:
    """A refusal is for a person to mend; trying on would only hide it."""
    practice.enrol()
    practice.outside.fault("address")
    report = practice.send()
    assert report.problems == ["The address takes no mail."]
    assert practice.standing() is Standing.REFUSED
    assert practice.due().problem == "The address takes no mail."
    practice.outside.fault(None)
    practice.days(1)
    practice.send()
    assert practice.outside.requests() == []
    practice.send(retry_refused=True)
    assert practice.outside.open() == ["Patient/c1"]


def test_an_unforeseen_fault_of_a_channel_costs_only_itself_and_leaks_nothing(practice: Practice) -> None:
    """A vendor's text may hold a reference (S24): only the kind of the fault is told."""
    practice.enrol()
    practice.outside.fault("strange")
    report = practice.send()
    assert report.outcome is RunOutcome.FAILED
    (sentence,) = report.problems
    assert sentence == "The way of asking called test failed (ZeroDivisionError). The request is tried again later."


def test_a_channel_that_was_taken_off_is_named_and_another_may_be_chosen(practice: Practice) -> None:
    """A plugin is gone: a plain sentence each run, nobody lost, and what never left may leave in another way."""
    practice.enrol()
    practice.outside.silent.add("test")
    report = practice.send()
    assert report.outcome is RunOutcome.FAILED
    assert "called test is not here any more" in report.problems[0]
    assert "plugin" in practice.due().notes[0]
    practice.enrol(channel="link")
    assert practice.send().counts["asked"] == 1
    assert practice.due().link is not None


def test_an_open_request_of_a_channel_that_was_taken_off_runs_out(practice: Practice) -> None:
    """It cannot be reminded or taken back there; it still counts, and is taken back once the plugin is back."""
    practice.enrol()
    practice.send()
    practice.outside.silent.add("test")
    practice.days(9)
    report = practice.send()
    assert practice.states() == ["2026-05-04 expired"]
    assert "not here any more" in report.problems[0]
    assert practice.outside.open() == ["Patient/c1"]
    practice.outside.silent.clear()
    practice.send()
    assert practice.outside.open() == []


def test_a_channel_that_is_switched_off_leaves_the_choice_open(practice: Practice) -> None:
    """Known not to have been sent: another way may be chosen, and the client is asked once."""
    practice.enrol()
    practice.outside.fault("unsupported")
    assert practice.send().outcome is RunOutcome.FAILED
    practice.outside.fault(None)
    practice.enrol(channel="link")
    practice.send()
    assert [call.split()[0] for call in practice.outside.calls()] == ["ask", "link"]


def test_what_was_switched_on_is_sent_at_once(practice: Practice) -> None:
    """Who has just mended the setting sends again; a silent wait of a quarter of an hour reads as not mended."""
    practice.enrol()
    practice.outside.fault("unsupported")
    practice.send()
    practice.outside.fault(None)
    assert practice.send().counts["asked"] == 1


def test_a_run_that_passes_over_what_waits_says_so(practice: Practice) -> None:
    """A bare "Done." while a client has not been asked is read as done."""
    practice.enrol()
    practice.outside.fault("strange")
    assert practice.send().counts["waiting"] == 0
    assert practice.send().counts["waiting"] == 1


# --- by hand --------------------------------------------------------------------------------------------------------


def test_what_people_hand_over_is_made_only_when_they_are_there(practice: Practice, tmp_path: Path) -> None:
    """A scheduled run must not call a sheet handed over that nobody has printed."""
    practice.enrol(channel="sheet")
    report = practice.send()
    assert practice.outside.calls() == []
    assert report.counts["to_hand_over"] == 1
    folder = tmp_path / "hand"
    report = practice.send(by_hand=folder)
    (sheet,) = folder.glob("form-*.html")
    (listing,) = folder.glob("hand-over-*.csv")
    assert sheet.read_bytes() == b"<html>a form</html>"
    assert {path.stat().st_mode & 0o777 for path in (sheet, listing)} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700
    assert "Invented c1" in listing.read_text()
    assert report.hand_over[0].sheet == sheet.name
    assert practice.standing() is Standing.ASKED


def test_a_folder_that_cannot_be_written_is_said_before_anything_is_done(practice: Practice, tmp_path: Path) -> None:
    """Else the client counts as asked, and the sheet is nowhere."""
    practice.enrol(channel="sheet")
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be written"):
        practice.send(by_hand=tmp_path / "file" / "folder")
    assert practice.asks() == []


def test_a_dry_run_counts_what_the_run_then_does(open_practice: Open) -> None:
    """Who reads "requests would be taken back: 1" looks for the client who is not asked any more, and finds none."""
    practice = open_practice(clients=3)
    practice.enrol()
    practice.send()
    practice.outside.fault("unreachable")
    practice.answer("c1")
    practice.outside.fault(None)
    practice.ask(lambda engine: engine.collecting.opt_out("Patient/c2", "anna"))
    before = practice.send(dry_run=True).counts
    after = practice.send().counts
    assert (after["taken_back"], after["told"]) == (1, 1)
    assert before["would_take_back"] == 1


def test_a_dry_run_sends_nothing_and_keeps_nothing(open_practice: Open) -> None:
    """Looking must not be asking."""
    practice = open_practice(clients=3)
    practice.enrol()
    report = practice.send(dry_run=True)
    assert report.counts["would_ask"] == 3
    assert practice.outside.calls() == []
    assert practice.asks() == []


# --- safety, records, sync ------------------------------------------------------------------------------------------


def test_a_form_with_safety_lines_is_not_asked_before_the_practice_is_ready(practice: Practice) -> None:
    """clinical.md 6: nobody is asked about self-harm where no crisis contact is named and nobody is told."""
    with pytest.raises(SettingsError, match="crisis_text"):
        practice.enrol(instruments=("gr18", "phq9"))


def test_settings_that_are_emptied_later_stop_the_form_again(practice: Practice) -> None:
    """The crisis text is taken out of the settings by mistake: the form waits, and `due` says why."""
    ready = (
        'country = "CH"\ncrisis_text = "Call 143"\n[mail]\nhost = "localhost"\nsecurity = "none"\n'
        'sender = "a@b.example"\n[safety]\nclinician = "a@b.example"\nbackup = "c@b.example"\n'
    )
    practice.settings(ready)
    practice.enrol(instruments=("phq9",))
    practice.settings()
    report = practice.send()
    assert practice.outside.calls() == []
    assert report.counts["not_ready"] == 1
    assert practice.standing() is Standing.NOT_READY
    practice.settings(ready)
    practice.send()
    assert practice.outside.open() == ["Patient/c1"]


def test_of_two_records_of_one_client_one_is_asked(open_practice: Open) -> None:
    """One person, two records, both enrolled and asked: after the merge one request is open, not two."""
    practice = open_practice(clients=2)
    practice.enrol()
    practice.send()
    practice.answer("c1", when=practice.now - timedelta(days=30))
    practice.ask(lambda engine: engine.mending.merge("Patient/c1", "Patient/c2", "one person", "anna"))
    practice.send()
    assert len(practice.outside.open()) == 1
    for _ in range(30):
        practice.days(1)
        practice.send()
    assert max(Counter(one["due"] for one in practice.outside.requests() if one["due"] > "2026-05-04").values()) == 1


def test_a_discharged_client_is_not_asked(practice: Practice) -> None:
    """A form that arrives after the farewell hurts; one who comes back is asked again."""
    practice.enrol()
    practice.send()
    practice.ask(lambda engine: engine.mending.discharge("Patient/c1", practice.today, "anna"))
    practice.days(1)
    practice.send()
    assert practice.outside.open() == []
    assert practice.standing() is Standing.ENDED
    practice.ask(lambda engine: engine.mending.resume("Patient/c1", "anna"))
    practice.send()
    assert practice.outside.open() == ["Patient/c1"]


def test_a_form_that_is_given_to_another_client_answers_nothing_here(open_practice: Open) -> None:
    """It was the wrong client's: the request is open again, and the other client's is answered."""
    practice = open_practice(clients=2)
    practice.enrol()
    practice.send()
    practice.answer("c1")
    (row,) = practice.ask(lambda engine: engine.mending.forms("Patient/c1"))
    practice.ask(lambda engine: engine.mending.reassign(row.id, "Patient/c2", "mixed up", "anna"))
    practice.send()
    assert practice.standing("c1") is Standing.ASKED
    assert practice.standing("c2") is Standing.LATER


def test_sync_sends_in_the_same_lock_when_told_or_settled(practice: Practice) -> None:
    """`collect.by_itself`: nobody has to remember anything."""
    practice.enrol()
    assert practice.sync().counts.get("requests_asked") is None
    assert practice.sync(send=True).counts["requests_asked"] == 1
    practice.settings(collect="by_itself = true\n")
    practice.days(3)
    assert practice.sync().counts["requests_reminded"] == 1
    assert practice.sync(send=False).counts.get("requests_asked") is None


def test_a_sync_that_did_not_see_everything_asks_nobody(practice: Practice) -> None:
    """The answer may lie on the platform that could not be read."""
    practice.enrol()
    practice.demo.stop()
    try:
        report = practice.sync(send=True)
        assert report.outcome is RunOutcome.INCOMPLETE
        assert practice.outside.calls() == []
    finally:
        practice.demo.start()


def test_a_client_who_is_not_known_yet_is_looked_up(practice: Practice) -> None:
    """The first form is asked for before there is any; a slip in a reference is not a client."""
    with pytest.raises(UsageError, match="nor to the platform"):
        practice.ask(lambda engine: engine.collecting.enrol([Wish("Patient/nobody")], "anna"))
    practice.enrol()
    assert practice.due().client == "Invented c1"


def test_the_bare_id_is_enough_where_it_can_be_read_in_one_way_only(practice: Practice) -> None:
    """ "Patient/" is the server's word, not the practice's; and a name must not end in an address of the platform."""
    found = practice.ask(lambda engine: engine.collecting.enrol([Wish("c1", consent=practice.today)], "anna"))
    assert [one.client for one in found] == ["Invented c1"]
    assert practice.due().client == "Invented c1"
    (again,) = practice.ask(lambda engine: engine.collecting.enrol([Wish("Patient/c1")], "anna"))
    assert not again.changed
    asked = practice.requests()["GET", "Patient"]
    with pytest.raises(UsageError, match="nor to the platform"):
        practice.ask(lambda engine: engine.collecting.enrol([Wish("Keller")], "anna"))
    assert practice.requests()["GET", "Patient"] == asked, "a name was looked up as if it were an id"


def test_nothing_readable_in_the_store_says_who_is_asked(practice: Practice) -> None:
    """Names, references and the practice's settlement with a client are sealed."""
    practice.enrol(consent_by="Dr. Zebrafinch", tags=frozenset({"under-age"}))
    practice.send()
    raw = b"".join(path.read_bytes() for path in practice.folder.glob("store.db*"))
    for secret in (b"Patient/c1", b"Zebrafinch", b"under-age", b"Invented"):
        assert secret not in raw


def test_every_test_that_the_page_names_is_there() -> None:
    """docs/collecting.md says what holds each promise."""
    page = (Path(__file__).parents[2] / "docs" / "collecting.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(test_\w+)`", page))
    here = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    assert named
    assert [name for name in sorted(named) if f"def {name}(" not in here] == []
