"""Due and send through the public doors: who is asked when, once each, and what becomes of a request."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest
from handrail.plugin_core.collecting import Standing, Wish
from handrail.plugin_core.errors import UsageError
from handrail.schemas.vocab import AskState

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


def test_an_open_request_says_why_it_was_due_and_not_why_the_next_one_is(practice: Practice) -> None:
    """A form from five days before the request, which reached us after it: "due on 25 May, 4 weeks since the form of
    19 May" is told by a list that nobody believes any more."""
    practice.enrol()
    practice.answer("c1")
    practice.days(15)
    practice.answer("c1", sync=False)
    practice.days(6)
    practice.send()
    asked = practice.due()
    assert (asked.standing, asked.due) == (Standing.ASKED, date(2026, 5, 25))
    assert asked.reason == "Second form, 3 weeks after the first of 4 May 2026; the two make the baseline."
    practice.sync()
    assert practice.due() == asked
    practice.days(10)
    practice.send()
    assert practice.due().reason == "4 weeks since it was last asked for on 25 May 2026."


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


def test_the_no_of_one_who_is_not_enrolled_is_kept(practice: Practice) -> None:
    """Refused, it would be nowhere, and the list that is read in next week would ask them."""
    said = practice.ask(lambda engine: engine.collecting.opt_out("Patient/c1", "anna"))
    assert (said.before, said.after.opted_out) == (None, practice.today)
    assert practice.standing() is Standing.OPTED_OUT
    with pytest.raises(UsageError, match="opted out"):
        practice.ask(lambda engine: engine.collecting.enrol([Wish("Patient/c1")], "anna"))
    practice.send()
    assert practice.outside.calls() == []
    practice.enrol()
    assert practice.send().counts["asked"] == 1


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
