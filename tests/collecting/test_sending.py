"""Due and send through the public doors: who is asked when, once each, and what becomes of a request."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from handrail.plugin_core.collecting import Standing, Wish
from handrail.plugin_core.errors import SettingsError, UsageError
from handrail.schemas.vocab import AskState, RunOutcome

from .practice import ZURICH, Practice

Open = Callable[..., Practice]


def test_a_year_of_one_client_who_answers_each_time(practice: Practice) -> None:
    """First form, second after three weeks, then every four; asked once each. This is what enrolling promises."""
    practice.enrol()
    for _ in range(365):
        practice.send()
        if practice.outside.open():
            practice.answer("c1")
        practice.days(1)
    due = [date.fromisoformat(one["due"]) for one in practice.outside.requests()]
    gaps = [(later - earlier).days for earlier, later in itertools.pairwise(due)]
    assert gaps == [21] + [28] * 12
    assert len(practice.outside.calls("ask")) == len(due)
    assert {row.state for row in practice.asks()} == {AskState.ANSWERED}


def test_without_consent_nobody_is_asked_and_due_says_so(practice: Practice) -> None:
    """A form sent before the client agreed cannot be unsent."""
    practice.enrol(consent=False)
    report = practice.send()
    assert practice.outside.calls() == []
    assert report.counts["no_consent"] == 1
    assert practice.standing() is Standing.NO_CONSENT
    practice.enrol()
    assert practice.send().counts["asked"] == 1


def test_reminded_after_two_days_late_after_four_over_after_seven(practice: Practice) -> None:
    """The default rhythm of one request, as `due` shows it."""
    practice.enrol()
    practice.send()
    seen = []
    for _ in range(9):
        practice.days(1)
        practice.send()
        seen.append(practice.standing())
    asked, reminded, late, missed = Standing.ASKED, Standing.REMINDED, Standing.LATE, Standing.MISSED
    assert seen == [asked, reminded, reminded, late, late, late, late, missed, missed]
    assert practice.outside.requests()[0]["reminders"] == [1]
    assert practice.outside.open() == [], "what ran out is taken back where it was made"
    assert practice.due().missed == 1


def test_missed_in_a_row_counts_and_any_form_ends_it(practice: Practice) -> None:
    """A client who goes silent is seen; one who answers by themself is not called silent."""
    practice.enrol()
    for _ in range(100):
        practice.send()
        practice.days(1)
    assert practice.due().missed == 4
    assert len(practice.outside.requests()) == 4, "every four weeks, not more often because nobody answers"
    practice.answer("c1")
    assert practice.due().missed == 0


def test_a_form_filled_in_by_itself_moves_the_next_request(practice: Practice) -> None:
    """Asking again three days after an answer tells the client that nobody reads them."""
    practice.enrol()
    practice.send()
    practice.answer("c1")
    practice.days(14)
    practice.answer("c1")
    practice.send()
    assert len(practice.outside.requests()) == 1
    assert practice.due().due == date(2026, 5, 18) + timedelta(weeks=4)


def test_a_form_from_just_before_the_request_answers_it(practice: Practice) -> None:
    """It was under way when we asked: the request is settled and closed at its channel."""
    practice.enrol()
    practice.answer("c1", when=practice.now - timedelta(days=2), sync=False)
    practice.send()
    assert practice.outside.open() == ["Patient/c1"]
    practice.sync()
    practice.send()
    assert practice.outside.open() == []
    assert [row.state for row in practice.asks()] == [AskState.ANSWERED]


def test_a_form_that_reaches_us_late_answers_its_request(practice: Practice) -> None:
    """The platform was slow: the client did not miss anything."""
    practice.enrol()
    practice.send()
    when = practice.now + timedelta(days=3)
    practice.days(10)
    practice.send()
    assert practice.due().missed == 1
    practice.answer("c1", when=when)
    assert practice.due().missed == 0
    assert [row.state for row in practice.asks()] == [AskState.ANSWERED]


@pytest.mark.parametrize(("days", "state"), [(1, AskState.OPEN), (20, AskState.EXPIRED)])
def test_a_withdrawn_form_opens_its_request_again_or_counts_as_missed(
    practice: Practice, days: int, state: AskState
) -> None:
    """A form entered in error is no answer."""
    from tests.sync.stage import form

    practice.enrol()
    practice.send()
    name = practice.answer("c1")
    when = practice.now
    practice.days(days)
    practice.put(form(name, "c1", when, status="entered-in-error"))
    practice.sync()
    assert [row.state for row in practice.asks()] == [state]


def test_opt_out_between_due_and_send_wins(practice: Practice) -> None:
    """The client said no this morning; the request that was due yesterday must not leave."""
    practice.enrol()
    assert practice.standing() is Standing.DUE
    practice.ask(lambda engine: engine.collecting.opt_out("Patient/c1", "anna"))
    practice.send()
    assert practice.outside.calls() == []
    assert practice.standing() is Standing.OPTED_OUT


def test_opt_out_while_the_run_is_on_wins(practice: Practice) -> None:
    """Planned by this very run, then the client opts out: the transaction that marks the request looks again."""
    from handrail.plugin_core.sync import points

    practice.enrol()

    def listen(point: str) -> None:
        if point == "send-planned":
            practice.ask(lambda engine: engine.collecting.opt_out("Patient/c1", "anna"))

    points.listeners.append(listen)
    try:
        practice.send()
    finally:
        points.listeners.remove(listen)
    assert practice.outside.calls() == []
    assert [row.state for row in practice.asks()] == [AskState.WITHDRAWN]


def test_opt_out_takes_an_open_request_back_and_ends_reminders(practice: Practice) -> None:
    """No means no, also for what is out already."""
    practice.enrol()
    practice.send()
    practice.ask(lambda engine: engine.collecting.opt_out("Patient/c1", "anna"))
    practice.send()
    assert practice.outside.open() == []
    practice.days(60)
    practice.send()
    assert practice.outside.calls("ask") + practice.outside.calls("remind") == ["ask Patient/c1 gr18 2026-05-04"]


def test_after_an_opt_out_only_a_new_consent_enrols_again(practice: Practice) -> None:
    """A list that is read in again must not undo a client's no."""
    practice.enrol()
    practice.days(1)
    practice.ask(lambda engine: engine.collecting.opt_out("Patient/c1", "anna"))
    with pytest.raises(UsageError, match="opted out"):
        practice.enrol(consent=False, every_weeks=2)
    again = Wish("Patient/c1", consent=date(2026, 5, 4))
    with pytest.raises(UsageError, match="opted out"):
        practice.ask(lambda engine: engine.collecting.enrol([again], "anna"))
    practice.days(1)
    practice.enrol()
    practice.send()
    assert practice.outside.open() == ["Patient/c1"]


def test_a_pause_asks_nothing_and_then_once(practice: Practice) -> None:
    """Holidays, a stay in hospital: no reminder reaches the client, and nothing is lost afterwards."""
    practice.enrol()
    practice.send()
    practice.ask(lambda engine: engine.collecting.pause("Patient/c1", date(2026, 6, 30), "anna"))
    for _ in range(80):
        practice.send()
        practice.days(1)
    due = [one["due"] for one in practice.outside.requests()]
    assert due == ["2026-05-04", "2026-07-01"]
    assert practice.outside.calls("remind") == ["remind Patient/c1 gr18 2026-07-01"]


def test_a_pause_that_is_lifted_asks_at_once_on_a_day_of_its_own(practice: Practice) -> None:
    """One day has one request; the one of today was taken back, so tomorrow it is."""
    practice.enrol()
    practice.send()
    practice.ask(lambda engine: engine.collecting.pause("Patient/c1", date(2026, 6, 30), "anna"))
    practice.ask(lambda engine: engine.collecting.resume("Patient/c1", "anna"))
    assert practice.due().due == date(2026, 5, 5)


def test_after_the_end_nothing_is_asked(practice: Practice) -> None:
    """A form that arrives after the farewell hurts."""
    practice.enrol()
    practice.send()
    practice.ask(lambda engine: engine.collecting.end("Patient/c1", "anna"))
    practice.send()
    practice.days(40)
    practice.send()
    assert practice.outside.open() == []
    assert len(practice.outside.requests()) == 1
    assert practice.standing() is Standing.ENDED


def test_a_new_therapist_changes_nothing(practice: Practice) -> None:
    """The rhythm is the client's, not the therapist's."""
    practice.enrol()
    practice.send()
    practice.answer("c1")
    before = practice.due()
    practice.person("c1", therapist="therapist-2")
    practice.days(1)
    practice.sync(full=True)
    assert practice.due().due == before.due


def test_after_months_without_a_run_one_request_leaves(practice: Practice) -> None:
    """No storm after the holidays of whoever runs it."""
    practice.enrol()
    practice.send()
    practice.answer("c1")
    practice.days(200)
    practice.send()
    practice.days(10)
    practice.send()
    assert [one["due"] for one in practice.outside.requests()] == ["2026-05-04", "2026-05-25"]
    assert practice.due().due == date(2026, 5, 4) + timedelta(days=200 + 28)


def test_a_clock_that_jumped_back_asks_nobody_twice_and_says_so(practice: Practice) -> None:
    """A computer without battery wakes up in 2020."""
    practice.enrol()
    practice.send()
    practice.now -= timedelta(days=2000)
    report = practice.send()
    assert any("clock is behind" in sentence for sentence in report.problems)
    practice.now += timedelta(days=2000)
    practice.send()
    assert len(practice.outside.calls("ask")) == 1


def test_a_clock_that_was_ahead_does_not_keep_a_request_open_for_years(practice: Practice) -> None:
    """Asked on a day in 2030 by mistake: once the clock is right, the request runs out like any other."""
    practice.enrol()
    practice.now += timedelta(days=1500)
    practice.send()
    practice.now -= timedelta(days=1500)
    assert practice.send().counts["redated"] == 1
    practice.days(9)
    practice.send()
    assert [row.state for row in practice.asks()] == [AskState.EXPIRED]


@pytest.mark.parametrize(
    "when", [datetime(2026, 3, 28, 23, 30, tzinfo=UTC), datetime(2026, 10, 24, 22, 30, tzinfo=UTC)]
)
def test_due_on_the_day_on_which_the_clocks_change(open_practice: Open, when: datetime) -> None:
    """Just after midnight of that day in Zurich: the form is due on it, asked once, over after seven local days."""
    practice = open_practice(now=when, settings=ZURICH)
    day = when.date() + timedelta(days=1)
    practice.enrol(start=day, consent=when.date())
    practice.send()
    practice.later(minutes=90)
    practice.send()
    assert [one["due"] for one in practice.outside.requests()] == [day.isoformat()]
    practice.days(7)
    practice.send()
    assert practice.states() == [f"{day} open"]
    practice.days(1)
    practice.send()
    assert practice.states() == [f"{day} expired"]


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
