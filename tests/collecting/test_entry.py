"""Forms from paper become the same forms as pulled ones: same checks, scores, rules; nothing lost or doubled."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from handrail.plugin_core import hookimpl
from handrail.plugin_core.cli import cli
from handrail.plugin_core.cli.entry import Typing, single_keys
from handrail.plugin_core.collecting import Wish
from handrail.plugin_core.collecting.codes import LETTERS, code_of, start_of_key
from handrail.plugin_core.collecting.entry import Entered, Entry, answer_of, keys_of, parse, typed_key
from handrail.plugin_core.contracts import Asked, CollectorSpec, Refusal
from handrail.plugin_core.doctor import storing
from handrail.plugin_core.doctor.check import NOTE, WRONG, Check
from handrail.plugin_core.errors import Busy, UsageError
from handrail.plugin_core.instruments import builtin_one
from handrail.plugin_core.settings import save
from handrail.plugin_core.store import Tx, asks, book, courses, entries, forms
from handrail.plugin_core.store.visits import Visit
from handrail.plugin_core.sync.lock import exclusive
from handrail.schemas.records import Answers, ScoredForm
from handrail.schemas.vocab import AskState, Blank, Mode
from hypothesis import given
from hypothesis import strategies as st

from tests.core.post_office import Scripted
from tests.sync.reading import PUSHED
from tests.sync.stage import EVEN, LEANING, PHQ9, Stage, form, gr18

GR18 = builtin_one("gr18")


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A practice with one client who has four quiet forms."""
    with Stage(tmp_path) as made:
        made.course("c1", [EVEN, EVEN, EVEN, LEANING], last=35)
        made.sync()
        yield made


def enter(stage: Stage, answers: Answers, on: date | None = None, instrument: str = "gr18", **more: Any) -> Entered:
    with stage.engine() as engine:
        entry = Entry(engine)
        return entry.store(entry.sheet(instrument, "c1"), on or stage.now.date(), answers, "staff-1", **more)


def stored(stage: Stage) -> dict[str, ScoredForm]:
    """The client's forms that count, by the platform's id or ours."""
    with stage.engine() as engine, engine.store.reading(engine.source) as tx:
        key = engine.client_key("c1")
        found = {one.id: one for _, _, one in courses.forms_of(tx, [key])[key]}
        ids = forms.remote_ids(tx, list(found))
        return {ids[key]: one for key, one in found.items()}


def of_paper(stage: Stage) -> list[ScoredForm]:
    return [one for name, one in stored(stage).items() if entries.is_entry(name)]


# --- the same form as a pulled one ----------------------------------------------------------------------------------


def test_an_entry_is_scored_and_judged_as_the_same_form_pulled(stage: Stage, tmp_path: Path) -> None:
    """Two ways to score would be two truths in one course."""
    day = stage.now - timedelta(days=1)
    enter(stage, gr18(LEANING), day.date())
    (typed,) = of_paper(stage)
    assert (typed.mode, typed.authored) == (Mode.PAPER, day.replace(hour=12, minute=0, second=0, microsecond=0))
    stage.sync()
    with Stage(tmp_path / "other") as other:
        other.course("c1", [EVEN, EVEN, EVEN, LEANING], last=35)
        other.put(form("c1-5", "c1", typed.authored, gr18(LEANING)))
        other.sync()
        pulled = stored(other)[
            "QuestionnaireResponse/c1-5" if "QuestionnaireResponse/c1-5" in stored(other) else "c1-5"
        ]
        assert typed.scores == pulled.scores
        assert stage.active() == other.active() == ["c1 P1"]


def test_the_rules_read_it_at_once(stage: Stage) -> None:
    """Staff who typed it in expect to see it, not to see it tomorrow."""
    enter(stage, gr18(LEANING))
    assert [row.flag.rule for row in stage.ask(lambda e: e.flags()) if row.flag.shown] == ["P1"]


def test_an_entry_is_read_by_the_tags_that_the_practice_lets_in(tmp_path: Path) -> None:
    """A form from paper withdrew the prompts of every client whose answers somebody else gives."""
    with Stage(tmp_path, more='read_tags = ["proxy"]') as stage:
        stage.course("c1", [EVEN, EVEN, EVEN, LEANING, LEANING], last=35)
        stage.sync()
        stage.ask(lambda e: e.collecting.enrol([Wish("c1", tags=frozenset({"proxy"}))], "anna"))
        stage.sync()
        before = stage.active()
        enter(stage, gr18(LEANING), stage.now.date() - timedelta(days=1))
        stage.sync()
        assert before
        assert stage.active() == before


def test_blank_and_declined_stay_two_different_things(stage: Stage) -> None:
    """A line that was left out counts like one that was declined, but reads differently to the therapist."""
    answers = {**parse(GR18, "3 1 3 2 3 1 0 - x 3 1 2 0 0 1 1 2 2 2")}
    done = enter(stage, answers)
    (typed,) = of_paper(stage)
    lines = [item.id for item in GR18.items]
    assert typed.answers.get(lines[7], Blank.EMPTY) is Blank.EMPTY
    assert typed.answers[lines[8]] is Blank.DECLINED
    assert (done.answered, done.of) == (18, 19)


def test_a_safety_answer_rises_at_once_and_is_said(stage: Stage) -> None:
    """On paper there is no platform to notice it: the person at the keyboard may be the first to know."""
    done = enter(stage, PHQ9, instrument="phq9")
    assert done.safety
    assert next((row.flag.rule, row.kind) for row in stage.ask(lambda e: e.flags())) == ("S", "safety")
    quiet = enter(stage, PHQ9 | {"Q9": 0}, stage.now.date() - timedelta(days=1), instrument="phq9")
    assert not quiet.safety


def tell_by(stage: Stage, port: int) -> None:
    """Fills in the mail server and who is told."""
    mail: dict[str, Any] = {"host": "127.0.0.1", "port": port, "security": "none", "sender": "desk@north.example"}
    safety: dict[str, Any] = {"clinician": "anna@north.example", "backup": "ben@north.example"}
    sections = {"mail": mail, "safety": safety}
    changes: dict[str, Any] = {f"{name}.{key}": value for name, keys in sections.items() for key, value in keys.items()}
    save(stage.file, changes | {"crisis_text": "Call 999.", "country": "Invented"})


def test_the_clinician_is_told_before_the_command_ends(stage: Stage) -> None:
    """The next sync may be an hour away, and on paper the answer is older already."""
    with Scripted({}) as server:
        tell_by(stage, server.port)
        done = enter(stage, PHQ9, instrument="phq9")
        assert done.safety
        assert "anna@north.example" in [letter["To"] for letter in server.letters]
        assert done.problems == done.untold == ()


def test_a_notice_that_cannot_be_sent_is_said_and_the_form_is_there(stage: Stage) -> None:
    """Silence would be taken for "they know"."""
    with Scripted({"hello": "421 not now"}) as server:
        tell_by(stage, server.port)
        done = enter(stage, PHQ9, instrument="phq9")
    assert done.safety
    assert done.untold
    assert set(done.untold) <= set(done.problems)
    assert len(of_paper(stage)) == 1


def test_who_typed_it_in_is_on_record(stage: Stage) -> None:
    """A form without a name beside it could be anybody's."""
    done = enter(stage, gr18())
    with stage.engine() as engine, engine.store.reading(engine.source) as tx:
        trail = [entry for entry in book.trail(tx) if entry.action == "form-entered"]
    assert [(entry.actor, entry.subject, entry.detail) for entry in trail] == [("staff-1", done.key, "gr18/1")]


# --- twice, replaced, refused ---------------------------------------------------------------------------------------


def test_the_same_form_typed_in_twice_is_one_form(stage: Stage) -> None:
    """Two staff with one pile of paper must not double a client's course."""
    enter(stage, gr18())
    again = enter(stage, gr18())
    assert again.unchanged
    assert len(of_paper(stage)) == 1


def test_other_answers_replace_only_on_request_and_keep_the_first(stage: Stage) -> None:
    """An entry overwritten by mistake would be lost for good."""
    first = enter(stage, gr18())
    with pytest.raises(UsageError, match="--replace"):
        enter(stage, gr18(LEANING))
    assert of_paper(stage)[0].answers["W1"] == gr18()["W1"]
    second = enter(stage, gr18(LEANING), over=True)
    assert (second.key, second.replaced) == (first.key, True)
    assert of_paper(stage)[0].answers["W1"] == gr18(LEANING)["W1"]
    assert stage.seen().history, "the first entry is kept"


def test_a_day_to_come_is_refused(stage: Stage) -> None:
    """A slip in the year would put a form where no rule looks."""
    with pytest.raises(UsageError, match="future"):
        enter(stage, gr18(), stage.now.date() + timedelta(days=1))


def test_a_form_that_a_plugin_refuses_is_refused_now_and_never_asked_of_the_platform(stage: Stage) -> None:
    """Set aside, it would be pulled again by an id that no platform knows."""

    class Picky:
        @hookimpl
        def prepare_responses(self, responses: Any) -> Any:
            return [Refusal("not this one") for _ in responses]

    stage.plugins.append(("picky", Picky()))
    with pytest.raises(UsageError, match="not this one"):
        enter(stage, gr18())
    assert of_paper(stage) == []
    assert stage.ask(lambda e: e.set_aside()) == []


def test_the_doctor_names_a_form_that_a_plugin_refuses_and_that_waits(stage: Stage) -> None:
    """A client has sent it and was thanked; nobody here would know, since it is in no list and set aside nowhere."""

    class Picky:
        @hookimpl
        def prepare_responses(self, responses: Any) -> Any:
            return [Refusal("not this one") for _ in responses]

    def send(engine: Any) -> None:
        online = engine.collecting.online
        client, now = next(iter(engine.clients()))[0], online.now_ms()
        ticked = dict.fromkeys([item.id for item in GR18.items], 1)
        online.send(Visit("f" * 32, client, "gr18", "1", "kiosk", now + 10**9, now, ticked=ticked))

    def told(engine: Any) -> list[Check]:
        return [one for one in storing.store(engine) if one.name == "sent forms"]

    stage.ask(send)
    assert stage.ask(told) == [], "what was sent a moment ago is on its way"
    stage.later(days=1)
    (late,) = stage.ask(told)
    assert (late.state, "handrail sync" in late.finding) == (NOTE, True)
    stage.plugins.append(("picky", Picky()))
    (found,) = stage.ask(told)
    assert found.state == WRONG
    assert "gr18" in found.finding
    assert "not this one" in found.finding
    assert not any(name in found.finding for _, name in stage.ask(lambda e: e.clients()))
    assert of_paper(stage) == [], "to look stores nothing"
    stage.plugins.clear()
    stage.ask(lambda e: e.collecting.take_in())
    assert stage.ask(told) == []


def test_it_waits_for_a_sync_that_is_under_way(stage: Stage) -> None:
    """Rules that read a course while a form comes in could miss it; typed work must not be thrown away at once."""
    with stage.engine() as engine, exclusive(engine.store, "syncing"), pytest.raises(Busy):
        enter(stage, gr18())
    assert sum(stage.slept) >= 300
    assert of_paper(stage) == []


# --- beside the platform --------------------------------------------------------------------------------------------


def test_a_platform_that_does_not_list_it_never_takes_it_away(stage: Stage) -> None:
    """The full check would otherwise withdraw every form that came on paper, two weeks later."""
    enter(stage, gr18())
    for _ in range(3):
        stage.later(days=8)
        report = stage.sync(full=True)
        assert "missing_once" not in report.counts
    assert len(of_paper(stage)) == 1


def test_a_platform_with_no_forms_at_all_does_not_stop_a_practice_on_paper(tmp_path: Path) -> None:
    """A practice that uses paper alone must be able to sync."""
    with Stage(tmp_path) as made:
        made.course("c1", [EVEN])
        made.sync()
        enter(made, gr18())
        made.delete("c1-1")
        made.later(days=8)
        assert "lists no forms" in " ".join(p.what for p in made.sync(full=True).problems)
        with made.engine() as engine:
            engine.store.write(lambda tx: forms.deactivate(tx, _pulled(tx), "entered-in-error"), engine.source)
        made.later(days=8)
        assert made.sync(full=True).outcome == "complete"
        assert len(of_paper(made)) == 1


def _pulled(tx: Tx) -> list[str]:
    return entries.only_from_the_platform(tx, forms.not_listed(tx, set()))


def test_a_flag_that_rests_on_paper_names_no_form_that_the_platform_does_not_have(tmp_path: Path) -> None:
    """A server refuses a flag that points to nothing, and the prompt would never arrive."""
    with Stage(tmp_path, carriers=("flag", "detected-issue", "task")) as made:
        made.course("c1", [EVEN, EVEN, EVEN, LEANING], last=35)
        made.sync()
        enter(made, gr18(LEANING))
        assert made.sync().problems == ()
        shown = [json.dumps(one) for kind in PUSHED for one in made.place().all(kind)]
    assert len(shown) == 3
    assert [text for text in shown if "handrail:entry" in text] == []
    assert any("QuestionnaireResponse/c1-4" in text for text in shown), "the others are still named"


def test_an_entry_settles_the_request_that_it_answers(stage: Stage) -> None:
    """Else the client would be reminded of a form that they have handed in."""
    key = _request(stage)
    with stage.engine() as engine:
        entry = Entry(engine)
        sheet = entry.sheet(code_of(key).lower().replace("0", "o"), None)
        done = entry.store(sheet, stage.now.date(), gr18(), "staff-1")
        with engine.store.reading(engine.source) as tx:
            (row,) = asks.read(tx)
    assert done.settled == 1
    assert (row.state, row.answered_by) == (AskState.ANSWERED, done.key)


def test_a_channel_is_never_told_of_a_form_that_it_does_not_have(stage: Stage) -> None:
    """The platform's request would point to a form that is not there; left open, the client could be asked by it."""
    told: list[str] = []

    class Channel:
        @hookimpl
        def register_collectors(self) -> Any:
            return [
                CollectorSpec(
                    "test",
                    "A channel",
                    lambda *_: Asked(sent=True),
                    withdraw=lambda *_: told.append("withdrawn"),
                    settled=lambda _, form, __: told.append(form),
                )
            ]

    stage.plugins.append(("channel", Channel()))
    _request(stage, "test")
    enter(stage, gr18())
    stage.ask(lambda engine: engine.collecting.send())
    assert told == ["withdrawn"]


def _request(stage: Stage, channel: str = "paper") -> str:
    """An open request of the form, due today."""
    with stage.engine() as engine:
        client, today = engine.client_key("c1"), stage.now.date()

        def write(tx: Tx) -> str:
            key = asks.plan(tx, client, "gr18", today, channel, today + timedelta(days=7), stage.now)
            asks.change(tx, key, stage.now, state=AskState.OPEN, asked=stage.now)
            return key

        return engine.store.write(write, engine.source)


# --- codes and keys -------------------------------------------------------------------------------------------------


@given(st.text("0123456789abcdef", min_size=32, max_size=32))
def test_a_code_stands_for_its_key_however_it_is_typed(key: str) -> None:
    """A code read from paper comes in small letters, with O for 0, and without its dash."""
    code = code_of(key)
    assert set(code) <= {*LETTERS, "-"}
    for typed in (code, code.lower(), code.replace("-", " "), code.replace("0", "O").replace("1", "l")):
        assert start_of_key(typed) == key[:10]


@given(st.text(max_size=12))
def test_what_is_no_code_is_never_taken_for_one(text: str) -> None:
    """A wrong code must not find somebody else's form."""
    start = start_of_key(text)
    assert start is None or start_of_key(code_of(start)) == start


def test_an_unknown_code_and_a_therapists_form_are_refused(stage: Stage) -> None:
    """The therapist's self-check is sealed to its author; typed in here it would lie open."""
    with stage.engine() as engine:
        for wrong, said in (("AAAA-AAAA", "No request"), ("AAAA", "no code")):
            with pytest.raises(UsageError, match=said):
                Entry(engine).sheet(wrong, None)
        with pytest.raises(UsageError, match="not a form for clients"):
            Entry(engine).sheet("ts8", "c1")


@given(st.data())
def test_what_is_typed_is_what_is_read(data: st.DataObject) -> None:
    """One key shifted by one line would give a whole form of wrong answers."""
    typed = [data.draw(st.sampled_from(keys_of(item))) for item in GR18.items]
    read = parse(GR18, data.draw(st.sampled_from([" ", ", ", "  "])).join(typed))
    assert [typed_key(item, read[item.id]) for item in GR18.items] == typed
    assert parse(GR18, "".join(typed)) == read
    assert list(read) == [item.id for item in GR18.items]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "0 answers"),
        ("1 2 3", "3 answers"),
        ("1 " * 20, "20 answers"),
        ("5 " + "1 " * 18, "Line 1 has no answer 5"),
    ],
)
def test_a_wrong_count_or_key_names_what_is_wrong(text: str, said: str) -> None:
    """A form of 18 answers on 19 lines is shifted somewhere; nobody could say where."""
    with pytest.raises(UsageError, match=said):
        parse(GR18, text)


def test_a_form_without_that_answer_cannot_be_declined() -> None:
    """PHQ-9 has no such option; its text is not ours to change."""
    assert answer_of(builtin_one("phq9").items[0], "x") is None


def typing(keys: str) -> tuple[Answers, list[str]]:
    shown: list[str] = []
    left = iter(keys)
    return Typing(builtin_one("gad7"), lambda: next(left), shown.append).run(), shown


def test_typing_shows_each_line_goes_back_and_asks_at_the_end() -> None:
    """The eye is on the paper: a slip must be seen and mended without beginning anew."""
    answers, shown = typing("01" + "b" + "2" + "9" + "3-123" + "b" + "0" + "y")
    assert list(answers.values()) == [0, 2, 3, Blank.EMPTY, 1, 2, 0]
    assert any("Keys: 0 1 2 3 -, b to go back" in line for line in shown)
    assert shown[-1].startswith("Is that what the sheet says?")
    with pytest.raises(click.Abort):
        typing("0000000n")


@pytest.mark.skipif(sys.platform == "win32", reason="NOT RUN: no pseudo-terminals here")
def test_keys_of_a_quick_typist_are_all_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that is dropped between two lines shifts all answers after it."""
    ours, theirs = os.openpty()
    with os.fdopen(theirs, "r") as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        with single_keys() as key:
            os.write(ours, b"0123-2y")
            answers = [key() for _ in range(7)]
    os.close(ours)
    assert answers == list("0123-2y")


# --- the commands ---------------------------------------------------------------------------------------------------


def command(stage: Stage, *words: str, text: str | None = None) -> tuple[int, str]:
    result = CliRunner().invoke(cli, ["--settings", str(stage.file), *words], input=text, standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return result.return_value or 0, result.output


ROW = " ".join(str(gr18()[item.id]) for item in GR18.items)


def test_enter_by_code_and_from_standard_input(stage: Stage) -> None:
    """Answers on the command line are seen by everyone on the computer, so there must be another way."""
    stage.now = datetime.now(UTC)  # the command has no other clock
    code = code_of(_request(stage))
    day = (stage.now - timedelta(days=1)).date().isoformat()
    _, said = command(stage, "enter", code, "--on", day, "--answers", "-", text=ROW + "\n")
    assert "19 of 19 lines" in said
    assert "request is answered" in said
    other = ROW[:2] + ("0" if ROW[2] != "0" else "1") + ROW[3:]
    with pytest.raises(UsageError, match="differ on line 2"):
        command(stage, "enter", "gr18", "c1", "--on", day, "--twice", "--answers", ROW, "--answers", other)


def test_without_a_terminal_nothing_is_asked(stage: Stage) -> None:
    """A script would wait for ever."""
    with pytest.raises(UsageError, match="--answers"):
        command(stage, "enter", "gr18", "c1", "--on", "2026-11-01")


def test_sheet_bears_the_code_of_the_open_request_and_no_name(stage: Stage, tmp_path: Path) -> None:
    """A sheet left in the waiting room must not tell whose it is."""
    file = tmp_path / "sheet.html"
    _, said = command(stage, "sheet", "gr18", "--client", "c1", "-o", str(file))
    assert "no code" in said
    key = _request(stage)
    _, said = command(stage, "sheet", "gr18", "--client", "c1", "-o", str(file), "--json")
    assert json.loads(said) == {"format": 1, "file": str(file), "code": True}
    page = file.read_text(encoding="utf-8")
    assert page.split("</style>")[1].count(code_of(key)) == 2
    assert "Invented c1" not in page
    assert "c1" not in page.split("</style>")[1]
    assert key not in page
