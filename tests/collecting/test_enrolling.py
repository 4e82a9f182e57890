"""Enrolments: what may be enrolled, from a file or one by one, and what their tags and sessions mean to the rules."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from handrail.plugin_core.collecting import Wish, table
from handrail.plugin_core.errors import UsageError
from handrail.plugin_core.store import sessions
from handrail.schemas.records import Session
from hypothesis import given
from hypothesis import strategies as st

from tests.sync.stage import EVEN, LEANING, gr18

from .conftest import Open
from .practice import Practice

DAY = date(2026, 5, 4)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"instruments": ("gr19",)}, "no instrument"),
        ({"instruments": ("ts8",)}, "not a form for clients"),
        ({"instruments": ()}, "at least one form"),
        ({"every_weeks": 0}, "from 1 to 104"),
        ({"every_weeks": 105}, "from 1 to 104"),
        ({"every_sessions": 51}, "from 1 to 50"),
        ({"every_sessions": -1}, "from 1 to 50"),
        ({"channel": "pigeon"}, "no way of asking called pigeon"),
        ({"tags": frozenset({"rich"})}, "no tag rich"),
        ({"consent": date(2026, 5, 5)}, "in the future"),
        ({"start": date(2062, 5, 4)}, "Check the year"),
    ],
)
def test_what_cannot_be_lived_by_is_refused_and_nothing_is_stored(
    practice: Practice, more: dict[str, Any], says: str
) -> None:
    """A slip in an enrolment would show months later, as silence."""
    with pytest.raises(UsageError, match=says):
        practice.enrol(**more)
    assert practice.ask(lambda engine: engine.collecting.enrolments()) == {}


def test_one_wrong_client_of_many_stores_none(open_practice: Open) -> None:
    """Half a list enrolled is worse than none: nobody knows which half."""
    practice = open_practice(clients=2)
    wishes = [Wish("Patient/c1", consent=DAY), Wish("Patient/c2", consent=DAY), Wish("Patient/c22", consent=DAY)]
    with pytest.raises(UsageError, match=r"entry 3") as caught:
        practice.ask(lambda engine: engine.collecting.enrol(wishes, "anna"))
    assert "c22" not in caught.value.message
    assert practice.ask(lambda engine: engine.collecting.enrolments()) == {}


def test_a_change_keeps_what_is_not_named(practice: Practice) -> None:
    """Another rhythm must not lose the consent, nor the tags."""
    practice.enrol(every_weeks=2, tags=frozenset({"couple"}), consent_by="Berta")
    practice.enrol(consent=False, channel="link")
    (item,) = practice.ask(lambda engine: engine.collecting.enrolments()).values()
    assert (item.every_weeks, item.tags, item.consent_by, item.channel) == (2, {"couple"}, "Berta", "link")
    assert item.consent == DAY


def test_the_consent_remembers_which_text_was_shown(practice: Practice) -> None:
    """A text that is changed later is not what the client agreed to; it is said, and the old consent stands."""
    practice.enrol()
    assert practice.due().notes == ()
    practice.settings(collect='consent_text = "Another text."\n')
    assert "another text" in practice.due().notes[0]
    assert practice.send().counts["asked"] == 1


def test_a_form_that_is_taken_off_is_not_asked_for_any_more(open_practice: Open) -> None:
    """Its open request is taken back."""
    practice = open_practice()
    practice.enrol(instruments=("gr18", "gad7"))
    practice.send()
    practice.enrol(consent=False, instruments=("gr18",))
    practice.send()
    assert [one["instrument"] for one in practice.outside.requests() if one["open"]] == ["gr18"]


def test_sessions_count_where_the_platform_gives_them(practice: Practice) -> None:
    """Each 4th attended session; the reason names the session it was counted from."""
    practice.enrol(every_sessions=4)
    practice.send()
    practice.answer("c1")
    practice.days(21)
    practice.send()
    practice.answer("c1")
    assert "4 weeks since" in practice.due().reason, "no session known: by weeks"
    with practice.engine() as engine:
        key = engine.client_key("Patient/c1")

        def attend(number: int) -> None:
            held = [Session(key, practice.today + timedelta(days=7 * n), "anna") for n in range(1, number + 1)]
            engine.store.write(lambda tx: sessions.save(tx, {key: held}), engine.source)

        attend(3)
        assert practice.due().due is None
        assert practice.due().reason.endswith("Attended so far: 3.")
        attend(4)
    assert practice.due().due == practice.today + timedelta(days=28)


def test_a_second_record_of_one_name_is_pointed_out(open_practice: Open) -> None:
    """One person with two records would be asked twice; only a person can know."""
    practice = open_practice(clients=2)
    for client in practice.clients:
        practice.person(client, name="Invented Twin")
    practice.enrol("c1")
    wish = [Wish("Patient/c2", consent=DAY)]
    (item,) = practice.ask(lambda engine: engine.collecting.enrol(wish, "anna"))
    assert any("same name" in note for note in item.notes)


# --- tags and the rules (clinical.md 3.7) ---------------------------------------------------------------------------


def flags_of(practice: Practice) -> list[str]:
    rows = practice.ask(lambda engine: engine.flags())
    return sorted(row.flag.rule for row in rows)


@pytest.mark.parametrize("tag", ["under-age", "proxy", "interpreter"])
def test_answers_of_a_tagged_client_are_kept_apart_and_can_be_let_in(open_practice: Open, tag: str) -> None:
    """The change rules know nothing of such answers; the practice may decide otherwise, and undo it."""
    practice = open_practice(now=datetime(2026, 11, 20, 12, tzinfo=UTC))
    practice.course("c1", [EVEN, EVEN, EVEN, LEANING, LEANING])
    practice.sync()
    assert flags_of(practice) == ["P1"]
    practice.enrol(tags=frozenset({tag}))
    practice.sync()
    assert flags_of(practice) == []
    view = practice.ask(lambda engine: engine.client("Patient/c1"))
    assert all(tag in form.tags for form in view.courses[0].forms)
    practice.settings(f'read_tags = ["{tag}"]')
    practice.ask(lambda engine: engine.rescore(dry_run=False))
    assert flags_of(practice) == ["P1"]
    practice.settings()
    practice.enrol(tags=frozenset())
    practice.sync()
    assert flags_of(practice) == ["P1"]


def test_a_couple_is_not_kept_apart(open_practice: Open) -> None:
    """clinical.md 3.7 names under-age, proxy and interpreter; each of a couple answers for themself."""
    practice = open_practice(now=datetime(2026, 11, 20, 12, tzinfo=UTC))
    practice.course("c1", [EVEN, EVEN, EVEN, LEANING, LEANING])
    practice.enrol(tags=frozenset({"couple"}))
    practice.sync()
    assert flags_of(practice) == ["P1"]


def test_safety_is_never_kept_apart(open_practice: Open) -> None:
    """An answer about self-harm of a minor is told like any other."""
    from tests.sync.stage import PHQ9, form

    practice = open_practice()
    practice.enrol(tags=frozenset({"under-age"}))
    practice.put(form("s1", "c1", practice.now, PHQ9, instrument="phq9"))
    practice.sync()
    assert flags_of(practice) == ["S"]


# --- a file of clients ----------------------------------------------------------------------------------------------


def test_a_file_as_a_spreadsheet_saves_it() -> None:
    """With the mark of UTF-8, semicolons and Windows line ends, as Excel does."""
    text = (
        "Client;Instruments;every_weeks;start;consent;tags\r\nPatient/c1;gr18, gad7;2;2026-05-04;2026-05-01;proxy\r\n"
    )
    (wish,) = table.parse(text)
    assert wish == Wish(
        "Patient/c1",
        instruments=("gr18", "gad7"),
        every_weeks=2,
        start=date(2026, 5, 4),
        consent=date(2026, 5, 1),
        tags=frozenset({"proxy"}),
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no lines"),
        ("\n \n", "no lines"),
        ("name,consent\nx,2026-05-01\n", "must name the columns"),
        ("client,konsent\nx,2026-05-01\n", "no column konsent"),
        ("client,consent\nx,1.5.2026\n", "Line 2: consent must be a day"),
        ("client,consent\nx,20260501\n", "Line 2: consent must be a day"),
        ("client,every_weeks\nx,four\n", "Line 2: every_weeks must be a whole number"),
        ("client,every_weeks\nx,4\n,4\n", "Line 3 names no client"),
        ("client,every_weeks\nx,4\nx,2\n", "Line 3 names a client who is named above"),
        ("client,every_weeks\nx,4,5\n", "more cells"),
        ('client,consent_by\nx,"Dr. An', "cut off"),
    ],
)
def test_a_wrong_line_is_named_by_its_number(text: str, says: str) -> None:
    """Never by the client."""
    with pytest.raises(UsageError, match=says):
        table.parse(text)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("client\nMüller\n".encode("latin-1"), "UTF-8"),
        (b"client\n" + b"x" * 6_000_000, "larger than"),
        (b"\x00\xff\xfe", "UTF-8"),
        ("client,consent\r\nPatient/c1,2026-05-01\r\n".encode("utf-16"), "UTF-8"),
        ("client,consent\r\nPatient/c1,2026-05-01\r\n".encode("utf-16-le"), "UTF-8|columns|client"),
        (b"", "no lines"),
    ],
)
def test_a_file_that_is_no_list_is_refused_in_words(tmp_path: Path, content: bytes, says: str) -> None:
    """Foreign-encoded, huge, binary."""
    path = tmp_path / "clients.csv"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=says):
        table.read(path)
    with pytest.raises(UsageError, match="cannot be read"):
        table.read(tmp_path / "nowhere.csv")


@given(st.text(max_size=300))
def test_any_text_is_read_or_refused_in_words(text: str) -> None:
    """No file may end in an unforeseen fault."""
    with suppress(UsageError):
        table.parse("client,instruments,every_weeks,consent\n" + text)


def test_levels_of_the_stage_are_as_the_rules_need_them() -> None:
    """Else the tests of tags could pass for the wrong reason."""
    assert gr18(EVEN) != gr18(LEANING)
