"""A safety answer is told of at once, to two people, in words that hold no health information; until somebody has seen
it, whatever the mail does (clinical.md 6)."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from handrail.plugin_core.engine import Engine
from handrail.plugin_core.instruments import builtin_one
from handrail.schemas.vocab import FlagState, NoticeState, RunOutcome
from sqlalchemy import text

from .ward import BACKUP, CLINICIAN, Ward, said

OWN = "own@practice.example"
TODAY = "Handrail: something to look at today"
AGAIN = "Handrail: something to look at today (not seen by anybody yet)"
OLDER = "Handrail: older answers to look at"


def test_clinician_and_backup_are_told_by_the_sync_that_brings_the_form(ward_on_both: Ward) -> None:
    """The first duty of all: two people know, and the run says so; on each kind of store."""
    ward = ward_on_both
    ward.answer("f1")
    report = ward.sync()
    assert report.outcome is RunOutcome.COMPLETE, said(report)
    assert ward.letters() == [(CLINICIAN, TODAY), (BACKUP, TODAY)]
    assert report.counts["notices_sent"] == 2
    assert [one.state for one in ward.flag().notices] == [NoticeState.SENT] * 2
    ward.sync()
    assert ward.told() == [], "the second sync told the same people again at once"


def test_a_letter_holds_no_health_information(ward: Ward) -> None:
    """A letter lies open on a phone's lock screen and in a provider's archive: initials and a neutral line."""
    ward.answer("f1", value=3)
    ward.sync()
    for letter in ward.taken():
        whole = f"{letter.subject}\n{letter.text}".casefold()
        assert "A. M. K." in letter.text
        assert "handrail explain" in letter.text
        assert "not watched around the clock" in letter.text
        banned = ["keller", "anna", "phq", "item", "nearly every day", "score", "safety", "risk", "depress", "c1"]
        assert [word for word in banned if word in whole] == []
        lines = [one for item in builtin_one("phq9").items for one in (item.text, *(o.label for o in item.options))]
        assert [line for line in lines if line.casefold() in whole] == []


def test_each_letter_says_who_else_was_told(ward: Ward) -> None:
    """Two people who each think that the other does it are nobody."""
    ward.answer("f1")
    ward.sync()
    first, second = ward.taken()
    assert "The named backup is told, too." in first.text
    assert "The responsible clinician was told, too: 20 November 2026, 12:00." in second.text
    assert "You get this letter as the named backup." in second.text
    assert "It came in: 20 November 2026, 12:00." in first.text


def test_the_answer_itself_is_shown_in_handrail_only(ward: Ward) -> None:
    """The words of clinical.md 6, with the answer, on top of the list."""
    ward.answer("f1", value=1)
    ward.sync()
    reason = ward.flag().flag.evidence.reason
    assert reason == (
        "Item 9 was answered several days. Please talk with the client today or follow your protocol. The answer is "
        "not a measure of danger."
    ) or re.search(r"Item 9 was answered .several days.*Please talk with the client today", reason)


def test_a_client_without_a_name_is_a_client(ward: Ward) -> None:
    """No name to take initials from must not hold the letter up, nor put the platform's reference into it."""
    ward.answer("f1", name=" ")
    ward.sync()
    assert all("An answer of a client needs" in letter.text for letter in ward.taken())


def test_unanswered_and_zero_tell_nobody(ward: Ward) -> None:
    """A letter for every form would soon be read by nobody."""
    ward.answer("f1", value=0)
    ward.answer("f2", "c2", value=None)
    ward.sync()
    assert (ward.told(), ward.safety()) == ([], [])


# --- until somebody has seen it ---------------------------------------------------------------------------------------


def test_the_backup_is_told_again_at_each_interval_until_somebody_has_seen_it(ward: Ward) -> None:
    """A letter that nobody opens helps nobody."""
    ward.answer("f1")
    ward.sync()
    ward.taken()
    ward.later(minutes=59)
    ward.sync()
    assert ward.told() == []
    for _ in range(30):  # no bound: more than a day of it
        ward.later(minutes=61)
        ward.sync()
        assert ward.letters() == [(BACKUP, AGAIN)]
    ward.see()
    ward.later(minutes=61)
    ward.sync()
    assert ward.told() == []


def test_a_repetition_is_another_letter_by_its_message_id(ward: Ward) -> None:
    """A mail program that drops what it knows would else swallow the repetition."""
    ward.answer("f1")
    ward.sync()
    ward.later(minutes=61)
    ward.sync()
    ids = [one.id for one in ward.taken()]
    assert len(set(ids)) == 3


def test_seen_stays_on_top_until_a_person_closes_it_and_says_what_was_done(ward: Ward) -> None:
    """Seen is not done; and what was done must be found again."""
    ward.answer("f1")
    ward.sync()
    ward.see()
    row = ward.ask(lambda engine: engine.flags())[0]
    assert (row.kind, row.flag.state) == ("safety", FlagState.ACKNOWLEDGED)
    ward.close("Talked on the phone.")
    assert ward.ask(lambda engine: engine.flags()) == []
    row = ward.flag()
    assert (row.flag.state, row.flag.closed) == (FlagState.CLEARED, ward.now)
    assert [(one.kind, one.note) for one in row.acknowledgements] == [(None, None), ("closed", "Talked on the phone.")]


def test_what_a_person_has_closed_stays_closed(ward: Ward) -> None:
    """Rescoring, a full pull or the next form of the client must not page people about what is done."""
    ward.answer("f1")
    ward.sync()
    ward.close()
    ward.taken()
    ward.answer("f2", value=0)
    ward.sync()
    ward.sync(full=True)
    ward.ask(lambda engine: engine.rescore(dry_run=False))
    ward.later(days=2)
    ward.sync()
    assert (ward.told(), ward.flag().flag.state) == ([], FlagState.CLEARED)


def test_only_people_close_a_safety_flag(ward: Ward) -> None:
    """Neither two quiet forms nor half a year make it go away."""
    ward.answer("f1")
    ward.sync()
    for number in range(2, 5):
        ward.later(days=28)
        ward.answer(f"f{number}", value=0)
        ward.sync()
    assert ward.flag().flag.state is FlagState.RAISED


# --- who --------------------------------------------------------------------------------------------------------------


def test_the_clients_own_clinician_is_told(ward: Ward) -> None:
    """The person who knows the client must be the first to know."""
    ward.clinicians = {"Practitioner/therapist-1": OWN}
    ward.write_settings()
    ward.answer("f1")
    ward.sync()
    assert ward.told() == [OWN, BACKUP]


@pytest.mark.parametrize("reference", ["Practitioner/therapist-9", "therapist 1", "Practitioner/"])
def test_a_wrong_reference_of_a_clinician_leads_to_the_general_address(ward: Ward, reference: str) -> None:
    """A typing slip in the table must not mean that only the backup is told, or nobody."""
    ward.clinicians = {reference: OWN}
    ward.write_settings()
    ward.answer("f1")
    ward.sync()
    assert ward.told() == [CLINICIAN, BACKUP]


def test_where_the_clinician_is_the_backup_two_people_are_told_all_the_same(ward: Ward) -> None:
    """In a practice of two each is the other's backup."""
    ward.clinicians = {"therapist-1": BACKUP}
    ward.write_settings()
    ward.answer("f1")
    ward.sync()
    assert ward.told() == [BACKUP, CLINICIAN]


def test_nobody_for_the_clinician_tells_the_backup_and_says_so(ward: Ward) -> None:
    """A table without the client's clinician and without a general address: the run must not look well."""
    ward.channel = ward.channel.replace(f'clinician = "{CLINICIAN}"\n', "")
    ward.clinicians = {"therapist-7": OWN}
    ward.write_settings()
    ward.answer("f1")
    report = ward.sync()
    assert ward.told() == [BACKUP]
    assert report.outcome is RunOutcome.FAILED
    assert "only the backup could be told" in said(report)


def test_a_client_whom_the_platform_does_not_know_is_told_of(ward: Ward) -> None:
    """An answer of a client whose record is gone, or never was, is an answer."""
    ward.answer("f1", "stranger")
    ward.demo.store.delete("Patient", "stranger", None)
    ward.sync()
    assert ward.told() == [CLINICIAN, BACKUP]


def test_a_new_clinician_is_told_as_long_as_nobody_has_seen_it(ward: Ward) -> None:
    """The clinician changed between: the old one may well leave it to the new one, who knows nothing."""
    ward.clinicians = {"therapist-1": OWN, "therapist-2": "new@practice.example"}
    ward.write_settings()
    ward.answer("f1")
    ward.sync()
    ward.taken()
    ward.later(minutes=5)
    ward.answer("f2", value=0, therapist="therapist-2")
    ward.sync()
    assert ward.told() == ["new@practice.example"]
    ward.later(minutes=5)
    ward.sync()
    assert ward.told() == []


def test_two_forms_on_one_day_are_two_notices(ward: Ward) -> None:
    """The second answer of a day may be the one that matters."""
    ward.answer("f1", when=ward.now - timedelta(hours=3))
    ward.answer("f2", value=3)
    ward.sync()
    assert ward.told() == [CLINICIAN, BACKUP] * 2
    assert len(ward.safety()) == 2


# --- older answers ----------------------------------------------------------------------------------------------------


def test_a_first_sync_of_old_data_sends_one_letter_and_drops_nothing(ward: Ward) -> None:
    """An answer of a year ago must page nobody at night as if it were new, and must not vanish either."""
    for number in range(1, 6):
        ward.answer(f"f{number}", f"c{number}", when=ward.now - timedelta(days=20 * number))
    ward.answer("new", "c9")
    ward.sync()
    letters = ward.taken()
    assert [(one.to, one.subject) for one in letters] == [
        (CLINICIAN, TODAY), (BACKUP, TODAY), (CLINICIAN, OLDER), (BACKUP, OLDER)
    ]  # fmt: skip
    assert all(len(re.findall(r"handrail explain \w{8}", one.text)) == 5 for one in letters[2:])
    assert len(ward.safety()) == 6
    ward.later(minutes=61)
    ward.sync()
    assert ward.letters() == [(BACKUP, AGAIN)]
    ward.later(days=1)
    ward.sync()
    assert sorted(ward.letters()) == [(BACKUP, OLDER), (BACKUP, AGAIN)]


# --- amended, withdrawn -----------------------------------------------------------------------------------------------


def test_an_answer_amended_to_a_lower_one_stays_and_pages_nobody_anew(ward: Ward) -> None:
    """A person decides what it means; the flag shows the answer as it is now."""
    ward.answer("f1", value=3)
    ward.sync()
    ward.see()
    ward.taken()
    ward.later(minutes=1)
    ward.answer("f1", value=1, status="amended", when=ward.now - timedelta(minutes=6))
    ward.sync()
    assert (ward.told(), ward.flag().flag.state) == ([], FlagState.ACKNOWLEDGED)
    assert "several days" in ward.flag().flag.evidence.reason.lower()


@pytest.mark.parametrize("before", ["seen", "closed", "not seen"])
def test_an_answer_amended_to_a_higher_one_is_told_anew(ward: Ward, before: str) -> None:
    """What a person saw, and closed, was another answer."""
    ward.answer("f1", value=1)
    ward.sync()
    if before == "seen":
        ward.see()
    elif before == "closed":
        ward.close()
    ward.taken()
    ward.later(minutes=1)
    ward.answer("f1", value=3, status="amended", when=ward.now - timedelta(minutes=6))
    ward.sync()
    letters = ward.taken()
    assert [letter.to for letter in letters] == [CLINICIAN, BACKUP]
    assert all("It came in: 20 November 2026, 12:01." in letter.text for letter in letters), "the news, not the first"
    assert ward.flag().flag.state is FlagState.RAISED


def test_a_withdrawn_answer_is_written_on_the_flag_which_stays(ward: Ward) -> None:
    """Entered in error, or taken back in fear: a person looks, and nobody is paged about it anew."""
    body = ward.answer("f1")
    ward.sync()
    ward.see()
    ward.taken()
    ward.later(minutes=1)
    ward.put({**body, "status": "entered-in-error"})
    ward.sync()
    assert ward.told() == []
    assert ward.flag().flag.state is FlagState.ACKNOWLEDGED
    assert "withdrawn or changed on the platform since" in ward.flag().flag.evidence.reason


def test_an_answer_that_was_taken_back_and_comes_again_is_told_anew(ward: Ward) -> None:
    """Who closed it had read that it was withdrawn."""
    body = ward.answer("f1")
    ward.sync()
    ward.later(minutes=1)
    ward.put({**body, "status": "entered-in-error"})
    ward.sync()
    ward.close()
    ward.taken()
    ward.later(minutes=1)
    ward.put({**body, "status": "amended"})
    ward.sync()
    assert ward.told() == [CLINICIAN, BACKUP]


# --- the mail ---------------------------------------------------------------------------------------------------------


def test_a_mail_server_that_is_down_is_loud_and_tried_again(ward: Ward) -> None:
    """Down for an hour, or for a day: each run tries, fails loudly, and the first that can tells both."""
    ward.answer("f1")
    ward.mail.down()
    for minutes in (0, 20, 60, 60 * 24):
        ward.later(minutes=minutes)
        report = ward.sync()
        assert report.outcome is RunOutcome.FAILED
        assert "could not be told yet of 1 safety answer" in said(report)
    assert "could not be told" in " ".join(ward.ask(lambda engine: engine.safety.alarms()))
    ward.later(minutes=31)
    ward.mail.up()
    report = ward.sync()
    assert report.outcome is RunOutcome.COMPLETE, said(report)
    assert ward.told() == [CLINICIAN, BACKUP]


def test_a_mail_server_that_drops_the_line_gets_the_same_letter_again(ward: Ward) -> None:
    """Nobody knows whether it was taken: twice is better than never, and the Message-ID shows that it is one."""
    ward.answer("f1")
    ward.mail.drops = True
    assert ward.sync().outcome is RunOutcome.FAILED
    first = {one.id for one in ward.taken()}
    ward.mail.drops = False
    ward.later(minutes=2)
    assert ward.sync().outcome is RunOutcome.COMPLETE
    again = ward.taken()
    assert [one.to for one in again] == [CLINICIAN, BACKUP]
    assert {one.id for one in again} == first


def test_a_refused_address_is_told_to_the_other_at_once_and_makes_the_run_fail(ward: Ward) -> None:
    """A bounced letter that only a log knows of is a lost notice."""
    ward.answer("f1")
    ward.mail.refused = {CLINICIAN}
    report = ward.sync()
    (letter,) = ward.taken()
    assert letter.to == BACKUP
    assert "The responsible clinician could not be reached" in letter.text
    assert report.outcome is RunOutcome.FAILED
    assert "The responsible clinician could not be told of 1 safety answer" in said(report)


def test_a_backup_that_is_refused_tells_the_clinician_who_had_been_told_before(ward: Ward) -> None:
    """The clinician had read that the backup is told, too. That is not so."""
    ward.answer("f1")
    ward.mail.refused = {BACKUP}
    ward.sync()
    first, second = ward.taken()
    assert (first.to, second.to) == (CLINICIAN, CLINICIAN)
    assert "The named backup could not be reached" in second.text
    ward.later(minutes=5)
    ward.sync()
    assert ward.told() == [], "the clinician is told once that the backup cannot be reached, not with every run"


def test_a_corrected_address_is_used_at_once(ward: Ward) -> None:
    """After the practice has mended the address nobody waits out the old one's waiting time."""
    ward.answer("f1")
    ward.mail.refused = {CLINICIAN}
    ward.sync()
    ward.taken()
    ward.channel = ward.channel.replace(CLINICIAN, "right@practice.example")
    ward.write_settings()
    ward.later(minutes=1)
    assert ward.sync().outcome is RunOutcome.COMPLETE
    assert ward.told() == ["right@practice.example"]


def test_many_letters_do_not_wait_for_one_another(ward: Ward) -> None:
    """One address that bounces must not keep the others' letters back."""
    ward.clinicians = {f"therapist-{n}": f"t{n}@practice.example" for n in range(6)}
    ward.write_settings()
    for number in range(6):
        ward.answer(f"f{number}", f"c{number}", therapist=f"therapist-{number}")
    ward.mail.refused = {f"t{n}@practice.example" for n in range(4)}
    ward.sync()
    told = ward.told()
    assert {"t4@practice.example", "t5@practice.example"} <= set(told)
    assert told.count(BACKUP) == 6


# --- the settings are not filled in -----------------------------------------------------------------------------------


def test_without_addresses_the_flag_rises_and_every_door_says_that_nobody_can_be_told(ward: Ward) -> None:
    """A platform's own PHQ-9 comes in whether or not Handrail is ready for it."""
    ward.channel, ward.crisis = "", ""
    ward.write_settings()
    ward.answer("f1")
    report = ward.sync()
    assert ward.flag().flag.state is FlagState.RAISED
    assert report.outcome is RunOutcome.FAILED
    assert "Nobody can be told of a safety answer by e-mail" in said(report)
    assert "[safety] backup" in said(report)


def test_a_flag_from_before_the_channel_is_told_of_when_the_settings_are_there(ward: Ward) -> None:
    """An upgrade, or settings filled in late: what stands open is told then."""
    ward.channel, ward.crisis = "", ""
    ward.write_settings()
    ward.answer("f1")
    ward.sync()
    ward.ask(_forget_notices)
    from tests.sync.stage import CRISIS, SAFETY

    ward.channel, ward.crisis = SAFETY, CRISIS
    ward.write_settings()
    ward.later(minutes=1)
    ward.sync()
    assert ward.told() == [CLINICIAN, BACKUP]


def _forget_notices(engine: Engine) -> None:
    engine.store.write(lambda tx: tx.conn.execute(text("DELETE FROM notices")), engine.source)


def test_an_answer_that_was_somebody_elses_is_told_when_it_is_put_right(ward: Ward) -> None:
    """The form went to the wrong client: the right one's clinician must not wait for the next sync."""
    ward.clinicians = {"therapist-1": OWN, "therapist-2": "new@practice.example"}
    ward.write_settings()
    ward.answer("g0", "c2", value=0, therapist="therapist-2")
    ward.answer("f1", "c1")
    ward.sync()
    assert ward.told() == [OWN, BACKUP]
    form = ward.flag().flag.opening_form
    ward.ask(lambda engine: engine.mending.reassign(form, "Patient/c2", "wrong client", "Dr. Invented"))
    assert ward.told() == ["new@practice.example", BACKUP]
