"""Forms, clients, quarantine, cursors and the record of runs, as the store keeps them; on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from functools import partial
from zoneinfo import ZoneInfo

import pytest
from handrail.plugin_core.store import Store, Tx, book, courses, forms
from handrail.plugin_core.store.sql import from_ms, offset_of, to_ms
from handrail.schemas.records import Answers, Client, Cursor, Problem, Quarantined, RunReport
from handrail.schemas.vocab import Blank, QuarantineReason, RunOutcome
from hypothesis import given
from hypothesis import strategies as st

from .samples import START, client_of, everything, insert_plain, key_of, response, rows, save, scored


def test_f60_an_amended_form_replaces_and_keeps_what_it_replaced(store: Store, source: int) -> None:
    """The course shows the new answers; the old ones stay readable in the history, once for each change."""
    save(store, source, [response(0, answer=1)])
    old = everything(store)["responses"][0]["sealed"]
    key = key_of(store, source, response(0))
    store.write(lambda tx: forms.save(tx, rows(store, tx, [response(0, answer=4)]), [key]), source)
    with store.reading(source) as tx:
        ((_, _, form),) = courses.forms_of(tx, [client_of(store, source)])[client_of(store, source)]
        assert form.answers["G1"] == 4
        assert forms.counts(tx)["responses"] == 1
        (kept,) = everything(store)["history"]
        assert kept["sealed"] == old
        assert forms.unseal(tx, key, kept["sealed"]).answers["G1"] == 1


def test_f61_a_withdrawn_form_leaves_the_course_and_stays_in_the_history(store: Store, source: int) -> None:
    """Withdrawing twice is one withdrawal; what the form was stays known."""
    save(store, source, [response(0), response(1)])
    gone = key_of(store, source, response(0))
    touched = [store.write(lambda tx: forms.deactivate(tx, [gone], forms.WITHDRAWN), source) for _ in range(2)]
    assert touched == [[client_of(store, source)], []]
    with store.reading(source) as tx:
        course = courses.forms_of(tx, [client_of(store, source)])[client_of(store, source)]
        assert [form.id for _, _, form in course] == [key_of(store, source, response(1))]
        assert forms.counts(tx)["responses"] == 1
        assert forms.known(tx, [gone])[gone].active is False
    assert len(everything(store)["history"]) == 1


def test_forms_of_one_instant_stand_in_the_order_of_the_platforms_ids(store: Store, source: int) -> None:
    """By our keys, which differ from store to store, the same answers could give other flags after a restore."""
    twins = [replace(response(n), authored=START) for n in (3, 1, 4, 2)]
    save(store, source, [*twins, response(5)])
    with store.reading(source) as tx:
        course = courses.forms_of(tx, [client_of(store, source)])[client_of(store, source)]
    assert [form.id for _, _, form in course] == [key_of(store, source, response(n)) for n in (1, 2, 3, 4, 5)]


def test_the_hour_that_comes_twice_in_autumn_is_read_in_the_order_of_the_world(store: Store, source: int) -> None:
    """01:30 UTC lies after 00:40 UTC, though clocks in Berlin said 02:30 and 02:40; a form of the same local time an
    hour later is no twin of the first, whatever the platform's ids."""
    night = datetime(2026, 10, 25, tzinfo=UTC)
    minutes = {7: 40, 1: 90, 3: 100}
    save(store, source, [replace(response(n), authored=night + timedelta(minutes=at)) for n, at in minutes.items()])
    with store.reading(source) as tx:
        found = courses.forms_of(tx, [client_of(store, source)], ZoneInfo("Europe/Berlin"))[client_of(store, source)]
    assert [form.id for _, _, form in found] == [key_of(store, source, response(n)) for n in minutes]
    assert [f"{form.authored:%H:%M}" for _, _, form in found] == ["02:40", "02:30", "02:40"]


def test_f9_a_form_has_the_practice_s_day_whenever_it_was(store: Store, source: int) -> None:
    """Before 1970 as well (a date of birth in the wrong field): some systems know no local time of it."""
    times = [datetime(1901, 2, 3, 22, 30, tzinfo=UTC), datetime(2026, 7, 1, 22, 30, 0, 999_000, tzinfo=UTC)]
    save(store, source, [replace(response(n), authored=at) for n, at in enumerate(times)])
    berlin = ZoneInfo("Europe/Berlin")
    with store.reading(source) as tx:
        found = courses.forms_of(tx, [client_of(store, source)], berlin)[client_of(store, source)]
    assert [form.authored.isoformat() for _, _, form in found] == [at.astimezone(berlin).isoformat() for at in times]


def test_a_withdrawn_form_that_comes_again_counts_again(store: Store, source: int) -> None:
    """Entered in error by mistake, then corrected on the platform: equal answers must not look like "unchanged"."""
    save(store, source, [response(0)])
    key = key_of(store, source, response(0))
    store.write(lambda tx: forms.deactivate(tx, [key], forms.WITHDRAWN), source)
    with store.reading(source) as tx:
        assert forms.known(tx, [key])[key].content == ""
    save(store, source, [response(0)])
    with store.reading(source) as tx:
        assert forms.counts(tx)["responses"] == 1


@given(
    when=st.datetimes(datetime(1950, 1, 1), datetime(2200, 1, 1)),  # noqa: DTZ001 - given its offset below
    minutes=st.integers(-14 * 60, 14 * 60),
)
def test_f9_a_time_keeps_its_instant_and_its_own_offset(when: datetime, minutes: int) -> None:
    """A form filled in at 23:30 in Auckland belongs to that day, whatever the server's clock says."""
    aware = when.replace(microsecond=when.microsecond // 1000 * 1000, tzinfo=timezone(timedelta(minutes=minutes)))
    back = from_ms(to_ms(aware), offset_of(aware))
    assert back == aware
    assert back.utcoffset() == aware.utcoffset()


def test_forms_come_oldest_first_whatever_the_order_they_came_in(store: Store, source: int) -> None:
    """F13: servers list newest first; a course is read in the order of its dates."""
    save(store, source, [response(n) for n in (3, 0, 2, 1)])
    key = client_of(store, source)
    with store.reading(source) as tx:
        times = [form.authored for _, _, form in courses.forms_of(tx, [key])[key]]
    assert times == sorted(times)
    assert len(times) == 4


def test_blanks_come_back_as_they_were(store: Store, source: int) -> None:
    """Not asked, not answered and "I would rather not say" are three things."""
    form = scored(response(0))
    answers: Answers = {"G1": 0, "G2": Blank.EMPTY, "G3": Blank.DECLINED}
    key = key_of(store, source, response(0))

    def work(tx: Tx) -> None:
        made = type(form)(form.id, form.authored, answers, form.scores)
        forms.save(tx, [forms.row(tx, key, client_of(store, source), response(0), made, "c", "b")], [])

    store.write(work, source)
    with store.reading(source) as tx:
        ((_, _, back),) = courses.forms_of(tx, [client_of(store, source)])[client_of(store, source)]
    assert back.answers == answers
    assert back.answers["G2"] is Blank.EMPTY
    assert back.answers["G3"] is Blank.DECLINED
    assert back.answers["G1"] == 0


# --- clients -------------------------------------------------------------------------------------------------------


def test_courses_to_be_read_are_marked_with_the_page_and_cleared_when_read(store: Store, source: int) -> None:
    """No stop between storing a form and letting the rules read it may lose the course."""
    save(store, source, [response(0, client=f"c{n}") for n in range(5)])
    keys = sorted(client_of(store, source, f"c{n}") for n in range(5))
    with store.reading(source) as tx:
        assert forms.dirty(tx, "", 3) == keys[:3]
        assert forms.dirty(tx, keys[2], 3) == keys[3:]
    store.write(lambda tx: forms.clean(tx, forms.marks(tx, keys[:4])), source)
    with store.reading(source) as tx:
        assert forms.dirty(tx, "", 9) == keys[4:]
    store.write(lambda tx: forms.mark_keys_dirty(tx, keys[:1]), source)
    store.write(forms.mark_all_dirty, source)
    with store.reading(source) as tx:
        assert forms.dirty(tx, "", 9) == keys


def test_a_new_form_does_not_forget_what_the_platform_said_of_the_client(store: Store, source: int) -> None:
    """Marking a course dirty must keep name and therapist; the platform is asked anew, since either may change."""
    save(store, source, [response(0)])
    key = client_of(store, source)
    person = Client("Patient/1", "A Name", "Practitioner/1", "Dr A")
    store.write(lambda tx: forms.save_clients(tx, {key: person}, date(2026, 3, 2)), source)
    save(store, source, [response(1)])
    with store.reading(source) as tx:
        assert forms.read_clients(tx)[key].name == "A Name"
        assert forms.read_clients(tx)[key].clinician_name == "Dr A"
        assert list(forms.unasked(tx, 9)) == [key]


def test_a_new_therapist_is_dated_and_told_once(store: Store, source: int) -> None:
    """A change of therapist starts the baseline anew; the first one known is no change, nor is a silent platform."""
    save(store, source, [response(0)])
    key = client_of(store, source)

    def say(clinician: str | None, on: date, since: date | None = None) -> list[str]:
        person = Client("r", None, clinician, None, since)
        return store.write(lambda tx: forms.save_clients(tx, {key: person}, on), source)

    assert say("Practitioner/1", date(2026, 1, 1)) == []
    assert say("Practitioner/1", date(2026, 1, 2)) == []
    assert say(None, date(2026, 1, 3)) == []
    assert say("Practitioner/2", date(2026, 1, 4)) == [key]
    assert say("Practitioner/1", date(2026, 1, 9), since=date(2026, 1, 5)) == [key]
    with store.reading(source) as tx:
        assert forms.read_clients(tx)[key].changes == ["2026-01-04", "2026-01-05"]


def test_a_client_unknown_to_the_platform_is_asked_once(store: Store, source: int) -> None:
    """Else every sync would ask for the same missing patient."""
    save(store, source, [response(0)])
    with store.reading(source) as tx:
        ((key, _),) = forms.unasked(tx, 9).items()
    store.write(lambda tx: forms.save_clients(tx, {key: None}, date(2026, 1, 1)), source)
    with store.reading(source) as tx:
        assert forms.unasked(tx, 9) == {}


# --- quarantine ----------------------------------------------------------------------------------------------------


def aside(remote_id: str, message: str = "is missing") -> Quarantined:
    return Quarantined(remote_id, QuarantineReason.SHAPE, "item[3]", message, "form", "2")


def test_f50_a_form_leaves_quarantine_when_it_came_right(store: Store, source: int) -> None:
    """Set aside twice it is one form with two attempts, known since the first."""
    for message in ("is missing", "is still missing"):
        store.write(partial(forms.set_aside, items={"k1": aside("r1", message)}), source)
    store.write(lambda tx: forms.set_aside(tx, {"k2": aside("r2")}), source)
    rows_ = everything(store)["quarantine"]
    assert [(row["key"], row["attempts"]) for row in rows_] == [("k1", 2), ("k2", 1)]
    assert all(row["first_ms"] <= row["last_ms"] for row in rows_)
    with store.reading(source) as tx:
        assert forms.in_quarantine(tx) == [aside("r1", "is still missing"), aside("r2")]
    assert store.write(lambda tx: forms.release(tx, ["k1", "k9"]), source) == 1
    with store.reading(source) as tx:
        assert [item.remote_id for item in forms.in_quarantine(tx)] == ["r2"]


@pytest.mark.parametrize("letter", ["\x00", "\ud800"], ids=["f53-nul", "f52-lone-surrogate"])
def test_letters_that_a_database_cannot_hold_do_not_cost_the_page(store: Store, source: int, letter: str) -> None:
    """What an adapter says of a broken form may quote the form's own words: the same result on both databases."""
    broken = Quarantined(
        f"r{letter}", QuarantineReason.UNREADABLE, f"item {letter}", f"bad {letter}", f"f{letter}", f"1{letter}"
    )
    store.write(lambda tx: forms.set_aside(tx, {"k1": broken, "k2": aside("r2")}), source)
    with store.reading(source) as tx:
        found = {item.remote_id: item for item in forms.in_quarantine(tx)}
    assert set(found) == {"r\ufffd", "r2"}
    assert found["r\ufffd"].message == "bad \ufffd"
    assert found["r\ufffd"].where == "item \ufffd"


def test_f62_two_reconciles_must_agree(store: Store, source: int) -> None:
    """One empty or short list must withdraw nothing; one that is listed again in between begins anew."""
    save(store, source, [response(n) for n in range(3)])
    keys = [key_of(store, source, response(n)) for n in range(3)]
    with store.reading(source) as tx:
        assert sorted(forms.not_listed(tx, {keys[0]})) == sorted(keys[1:])
    steps = [([keys[1], keys[2]], []), ([keys[1]], [keys[1]]), ([keys[2]], []), ([keys[2]], [keys[2]])]
    for absent, agreed in steps:
        assert store.write(partial(forms.missing_twice, absent=absent), source) == agreed


# --- cursors, runs, audit ------------------------------------------------------------------------------------------


def test_a_cursor_is_read_back_and_can_be_forgotten(store: Store, source: int) -> None:
    """Each stream of each source has its own."""
    one = Cursor("responses", START, "server", 200, "token")
    store.write(lambda tx: book.set_cursor(tx, one), source)
    store.write(lambda tx: book.set_cursor(tx, Cursor("reconcile", START)), source)
    with store.reading(source) as tx:
        assert book.cursor(tx, "responses") == one
        assert book.cursor(tx, "nothing") is None
    with store.reading(store.source("other")) as tx:
        assert book.cursor(tx, "responses") is None
    store.write(book.forget_cursors, source)
    with store.reading(source) as tx:
        assert book.cursor(tx, "responses") is None
        assert book.cursor(tx, "reconcile") is None


@pytest.mark.parametrize(
    "stored",
    [
        "",
        "nonsense",
        "[]",
        "null",
        '{"stream": 3}',
        '{"since": "2026-01-01T00:00:00Z"}',
        '{"stream": "responses", "since": "yesterday"}',
        '{"stream": "responses", "since": "2026-01-01T00:00:00"}',
        '{"stream": "responses", "since": "2026-01-01T00:00:00Z", "page_size": "many"}',
    ],
)
def test_f15_a_cursor_that_cannot_be_read_means_a_full_pull(store: Store, source: int, stored: str) -> None:
    """Never a crash at every start, and never silently "from now on"."""
    insert_plain(store, "cursors", {"source": source, "stream": "responses", "value": stored})
    with store.reading(source) as tx:
        assert book.cursor(tx, "responses") is None
    store.write(lambda tx: book.set_cursor(tx, Cursor("responses", START)), source)
    with store.reading(source) as tx:
        assert book.cursor(tx, "responses") == Cursor("responses", START)


def test_f15_a_cursor_of_a_later_version_is_still_read(store: Store, source: int) -> None:
    """Fields that this version does not know are passed over."""
    value = '{"stream": "responses", "since": "2026-01-01T01:00:00+01:00", "shards": [1, 2]}'
    insert_plain(store, "cursors", {"source": source, "stream": "responses", "value": value})
    with store.reading(source) as tx:
        assert book.cursor(tx, "responses") == Cursor("responses", datetime(2026, 1, 1, tzinfo=UTC))


def report(number: int) -> RunReport:
    when = START + timedelta(hours=number)
    problem = Problem("The platform was slow.", "demo")
    return RunReport(when, when, RunOutcome.COMPLETE, {"new": number}, {"pull": 0.5}, (problem,), ("nothing",))


def test_runs_are_kept_newest_first_and_not_for_ever(
    store: Store, source: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`doctor` shows the last ones; the table must not grow without end."""
    monkeypatch.setattr(book, "KEPT_RUNS", 3)
    for number in range(5):
        store.write(partial(book.add_run, report=report(number)), source)
    with store.reading(source) as tx:
        assert book.last_runs(tx) == [report(4), report(3), report(2)]
        assert book.last_runs(tx, 1) == [report(4)]


def test_s38_the_trail_is_written_with_the_thing_itself(store: Store, source: int) -> None:
    """An entry without the deed, or a deed without its entry, would both be lies."""

    def work(tx: Tx) -> None:
        book.record(tx, "Dr A", "client-held", "abc", "4 weeks")
        book.start_pushing(tx)

    def broken(tx: Tx) -> None:
        work(tx)
        raise ValueError

    with pytest.raises(ValueError):
        store.write(broken, source)
    with store.reading(source) as tx:
        before = [entry for entry in book.trail(tx) if entry.action == "client-held"]
        assert before == []
        assert book.pushing_since(tx) is None
    store.write(work, source)
    with store.reading(source) as tx:
        (entry,) = [entry for entry in book.trail(tx) if entry.action == "client-held"]
        assert (entry.actor, entry.subject, entry.detail) == ("Dr A", "abc", "4 weeks")
        assert book.pushing_since(tx) is not None
