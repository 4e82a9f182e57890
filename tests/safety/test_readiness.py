"""A form with lines about safety is asked for only when somebody would be told; doctor says what is missing, and when
the time between runs is longer than what the practice promises."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from handrail.plugin_core.cli import run
from handrail.plugin_core.doctor import Check, safety
from handrail.plugin_core.errors import SettingsError, UsageError
from handrail.plugin_core.instruments import builtin_one
from handrail.plugin_core.safety.channel import initials, people
from handrail.plugin_core.safety.readiness import demand, missing
from handrail.plugin_core.settings import Mail, SafetyChannel, Settings
from handrail.schemas.vocab import FlagState
from hypothesis import given
from hypothesis import strategies as st

from tests.defaults import set_defaults

from .ward import BACKUP, CLINICIAN, Ward

READY = Settings(
    Path("handrail.toml"),
    country="Nowhere",
    crisis_text="Call 000.",
    safety=SafetyChannel(clinician=CLINICIAN, backup=BACKUP),
    mail=Mail(host="mail.example", sender="h@practice.example"),
)
HOLES: dict[str, dict[str, Any]] = {
    "crisis_text": {"crisis_text": " "},
    "country": {"country": ""},
    "[safety] clinician (or clinicians)": {"safety": SafetyChannel(backup=BACKUP)},
    "[safety] backup": {"safety": SafetyChannel(clinician=CLINICIAN)},
    "[mail] host": {"mail": Mail(sender="h@practice.example")},
    "[mail] sender": {"mail": Mail(host="mail.example")},
}


@pytest.mark.parametrize("name", HOLES)
@pytest.mark.parametrize("form", ["phq9", "core10"])
def test_a_form_with_safety_lines_is_refused_as_long_as_one_thing_is_missing(name: str, form: str) -> None:
    """The practice must fill these in before PHQ-9 and CORE-10 can be switched on (clinical.md 6)."""
    settings = dataclasses.replace(READY, **HOLES[name])
    assert missing(settings) == (name,)
    with pytest.raises(SettingsError, match="has a line about safety") as caught:
        demand(builtin_one(form), settings)
    assert name in caught.value.message


def test_with_everything_filled_in_and_for_other_forms_nothing_is_asked() -> None:
    """A practice that only uses our own form needs no mail server."""
    demand(builtin_one("phq9"), READY)
    demand(builtin_one("gr18"), Settings(Path("handrail.toml")))
    assert missing(dataclasses.replace(READY, safety=SafetyChannel({"a": CLINICIAN}, "", BACKUP))) == ()


def test_publishing_is_refused_before_anything_reaches_the_platform(ward: Ward) -> None:
    """A form that is on the platform can be sent to clients by anybody there."""
    ward.channel, ward.crisis = "", ""
    ward.write_settings()
    before = ward.requests()
    with pytest.raises(SettingsError):
        ward.ask(lambda engine: engine.publish(engine.registry.instrument("phq9")))
    assert ward.requests() == before


def checks(ward: Ward) -> list[Check]:
    """What doctor finds about safety answers."""
    found: list[Check] = ward.ask(lambda engine: list(safety.channel(engine)))
    return found


def wrong(ward: Ward) -> str:
    """What doctor finds wrong about them."""
    return " ".join(check.finding for check in checks(ward) if check.state == "wrong")


def test_doctor_says_nothing_of_safety_where_no_such_form_is_used(ward: Ward) -> None:
    """A warning that concerns nobody teaches people not to read."""
    ward.channel, ward.crisis = "", ""
    ward.write_settings()
    assert checks(ward) == []


def test_doctor_names_what_is_missing_once_such_a_form_has_come(ward: Ward) -> None:
    """Also a form that nobody asked Handrail about."""
    ward.answer("f1", value=0)
    ward.sync()
    assert wrong(ward) == ""
    ward.channel, ward.crisis = "", ""
    ward.write_settings()
    assert "crisis_text, country, [safety] clinician (or clinicians), [safety] backup" in wrong(ward)


def test_doctor_warns_when_runs_are_rarer_than_the_promise(ward: Ward) -> None:
    """A poll cannot be a watch: what is promised must be possible."""
    ward.answer("f1", value=0)
    ward.sync()
    ward.channel = ward.channel.replace("[safety]", "[safety]\npromise_minutes = 30")
    ward.write_settings()
    assert "seen within 30 minutes, but Handrail runs only every 60 minutes" in wrong(ward)


def test_doctor_warns_when_syncs_did_not_run(ward: Ward) -> None:
    """The schedule says every hour, and the computer was off for three days."""
    ward.answer("f1", value=0)
    ward.sync()
    assert "passed without a sync" not in wrong(ward)
    ward.later(days=3)
    assert "72 hours passed without a sync that succeeded" in wrong(ward)
    ward.sync()
    assert "72 hours passed without a sync that succeeded" in wrong(ward)


def test_doctor_names_a_notice_that_waits_too_long(ward: Ward) -> None:
    """Who looks at doctor only must see it, too."""
    ward.mail.down()
    ward.answer("f1")
    ward.sync()
    ward.later(minutes=31)
    assert "a notice has been waiting since 2026-11-20 12:00" in wrong(ward)
    assert "could not be told yet" in wrong(ward)


def test_doctor_names_clients_whose_clinician_leads_to_nobody(ward: Ward) -> None:
    """Before the first answer comes, not after."""
    ward.clinicians = {"therapist-99": "x@practice.example"}
    ward.channel = ward.channel.replace(f'clinician = "{CLINICIAN}"\n', "")
    ward.write_settings()
    ward.answer("f1", value=0)
    ward.sync()
    assert "1 client(s) have nobody in [safety] clinicians" in wrong(ward)
    assert any("no client has the clinician therapist-99" in check.finding for check in checks(ward))


def test_doctor_names_a_platforms_own_form_that_nobody_has_mapped(
    ward: Ward, capsys: pytest.CaptureFixture[str]
) -> None:
    """A PHQ-9 of the platform that is not mapped is read by nobody: its answers raise nothing here."""
    from tests.sync.stage import questionnaire

    foreign = {**questionnaire("phq9"), "id": "own-phq", "url": "https://platform.example/Questionnaire/own-phq"}
    foreign["item"] = [{**item, "linkId": f"q{n}"} for n, item in enumerate(foreign["item"])]
    ward.demo.load(foreign, ward.now)
    assert run(["--settings", str(ward.file), "doctor"]) == 1
    out = capsys.readouterr().out
    assert "looks like phq9" in out
    assert "answers on them are seen by nobody here" in out


# --- the commands -----------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _clock_of_the_test(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands go by the clock of the stage."""
    if "ward" in request.fixturenames:
        ward: Ward = request.getfixturevalue("ward")
        set_defaults(monkeypatch, now=lambda: ward.now)


def call(ward: Ward, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """Runs a command at the time of the test; gives its exit status and what it printed."""
    capsys.readouterr()
    status = run(["--settings", str(ward.file), *words])
    got = capsys.readouterr()
    return status, got.out + got.err


def test_flags_shows_who_was_told_and_ack_closes(ward: Ward, capsys: pytest.CaptureFixture[str]) -> None:
    """The whole way at the keyboard: the list, seen, closed; and as JSON."""
    ward.answer("f1")
    ward.mail.refused = {CLINICIAN}
    ward.sync()
    status, out = call(ward, capsys, "flags")
    plain = " ".join(out.split())
    assert status == 0
    assert "The clinician could NOT be told" in plain
    assert "1 safety answer has not been seen by anybody." in plain
    assert "handrail flags" not in plain, "who reads this list is in the right place already"
    assert "See: handrail flags" in " ".join(ward.ask(lambda engine: engine.safety.notes()))
    assert "The backup was told: 20 November 2026, 12:00." in plain
    assert "Nobody has seen it yet: handrail ack" in plain
    assert "Please talk with the client today" in plain
    flag = ward.flag().id
    capsys.readouterr()
    run(["--settings", str(ward.file), "flags", "--json"])
    rows = json.loads(capsys.readouterr().out)["flags"]
    found = {(one["recipient"], one["state"]) for one in rows[0]["notices"]}
    assert found == {("clinician", "refused"), ("backup", "sent")}
    status, out = call(ward, capsys, "ack", flag, "--by", "Dr. Invented")
    assert (status, "nobody is told again" in out) == (0, True)
    assert "seen, not closed" in " ".join(call(ward, capsys, "flags")[1].split())
    assert call(ward, capsys, "ack", flag, "--done", "Talked.", "--by", "Dr. Invented")[0] == 0
    assert ward.flag().flag.state is FlagState.CLEARED
    assert "Closed by Dr. Invented" in " ".join(call(ward, capsys, "explain", flag)[1].split())


def test_notices_only_asks_no_platform(ward: Ward, capsys: pytest.CaptureFixture[str]) -> None:
    """The way to try again by hand, and every few minutes from a scheduler, without a sync."""
    ward.mail.down()
    ward.answer("f1")
    ward.sync()
    before = ward.requests()
    assert call(ward, capsys, "sync", "--notices-only")[0] == 1
    ward.mail.up()
    ward.later(minutes=120)
    status, out = call(ward, capsys, "sync", "--notices-only")
    assert (status, "2 safety notices sent." in out) == (0, True), out
    assert ward.told() == [CLINICIAN, BACKUP]
    assert ward.requests() == before


def test_done_is_for_safety_answers_and_says_something(ward: Ward) -> None:
    """An empty record of what was done is none."""
    ward.answer("f1")
    ward.sync()
    with pytest.raises(UsageError, match="Say what was done"):
        ward.close(" ")


# --- small parts ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "short"),
    [("Anna Keller", "A. K."), ("keller, anna", "K. A."), ("Zoë", "Z."), (None, None), ("", None), ("12 (34)", None)],
)
def test_initials(name: str | None, short: str | None) -> None:
    """Never more of a name than its first letters."""
    assert initials(name) == short


ADDRESSES = st.sampled_from(["", "a@x.example", "b@x.example", "A@X.example"])


TABLES = st.dictionaries(st.sampled_from(["7", "Practitioner/7", "8"]), ADDRESSES.filter(bool))
REFERENCES = st.sampled_from([None, "7", "Practitioner/7", "Practitioner/9"])


@given(TABLES, ADDRESSES, ADDRESSES, REFERENCES)
def test_whatever_the_settings_say_two_different_people_are_told_where_there_are_two(
    table: dict[str, str], general: str, backup: str, clinician: str | None
) -> None:
    """For any table, general address and backup: nobody is left out who could be told, and nobody is told as two."""
    who = people(SafetyChannel(table, general, backup), clinician)
    one, two = who.clinician, who.backup
    assert one is None or two is None or one.casefold() != two.casefold()
    if general:
        assert one is not None
    if backup:
        assert backup.casefold() in {(address or "").casefold() for address in (one, two)}
