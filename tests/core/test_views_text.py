"""The views in the terminal: whole at 80 columns and in a pipe, honest about what is missing, deaf to hostile text."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from handrail.plugin_core.report import phrases
from handrail.plugin_core.report.listing import flags_table
from handrail.plugin_core.report.plain import plain
from handrail.plugin_core.report.plot import LEFT
from handrail.plugin_core.report.terminal import client_panels, explain_text
from handrail.plugin_core.rules import words
from handrail.schemas.records import LineMove
from handrail.schemas.vocab import Blank, DeliveryState, FlagState
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console, RenderableType

from .report_fake import acknowledgement, bare_row, course, delivery, even, form, hold, invented, rising_view, view
from .report_poison import poisoned
from .test_report_page import FORBIDDEN


def printed(what: RenderableType, width: int = 80, **more: Any) -> str:
    """What is written to a pipe."""
    out = io.StringIO()
    Console(file=out, width=width, highlight=False, **more).print(what)
    return out.getvalue()


def flat(text: str) -> str:
    """The words without the breaks of lines."""
    return " ".join(text.split())


# --- the list of flags -----------------------------------------------------------------------------------------------


def test_safety_stands_on_top_whatever_the_order() -> None:
    """A safety notice below twenty prompts may be read too late."""
    row = bare_row("A reason. More.")
    safety = replace(row, kind="safety", flag=replace(row.flag, rule="S", key="5" * 16))
    text = printed(flags_table([row, row, safety]))
    assert text.startswith("Safety notices\n55555555")
    assert text.index("Safety notice: Safety answer") < text.index("Prompts and good news")


def test_each_flag_has_id_date_client_title_state_place_and_first_sentence() -> None:
    """It is also the list to enter by hand, so all of it must be there."""
    row = rising_view(hold=hold()).flags[0]
    text = flat(printed(flags_table([row])))
    for part in (row.id, "Ada Example", "27 Apr 2026", "Prompt: Reliance and outlook answers have gone up"):
        assert part in text
    assert "stands; shown on the platform, as flag" in text
    assert "averaged 3.0 and 3.0; the first two (5 January, 2 February 2026) averaged 1.0." in text
    assert "The rise is larger" not in text
    assert "On hold until 31 Dec 2026." in text


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ((), "not sent to the platform"),
        ((delivery("x", state=DeliveryState.PENDING),), "waiting to be sent, as flag"),
        ((delivery("x", state=DeliveryState.PENDING, attempts=3),), "waiting, tried 3 times, as flag"),
        ((delivery("x", state=DeliveryState.REFUSED, problem="403"),), "refused by the platform (403), as flag"),
        ((delivery("x", active=False),), "closed on the platform, as flag"),
    ],
)
def test_where_a_flag_was_sent_is_said_as_it_is(sent: Any, told: str) -> None:
    """A flag that the platform refused and that looks delivered would be missed by the therapist."""
    assert told in flat(printed(flags_table([replace(bare_row("Reason."), deliveries=sent)])))


def test_no_flags_is_not_an_all_clear() -> None:
    """ "No flag" must not be read as "all is well" (clinical.md 5)."""
    assert flat(printed(flags_table([]))) == phrases.NO_FLAG


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("It averaged 3.0 and 2.8; the first 1.7. The rise is larger.", "It averaged 3.0 and 2.8; the first 1.7."),
        ("One sentence.", "One sentence."),
        ("No stop", "No stop"),
        ("", ""),
        ("“A line …” was answered 3. More.", "“A line …” was answered 3."),
    ],
)
def test_the_first_sentence_ends_at_its_full_stop(text: str, first: str) -> None:
    """Cut at the point in 3.0 the list would say nothing."""
    assert phrases.first_sentence(text) == first


# --- one client ------------------------------------------------------------------------------------------------------


def test_a_client_has_plots_numbers_bands_flags_and_holds() -> None:
    """What a therapist looks at in the minute before a session."""
    text = printed(client_panels(rising_view(hold=hold())))
    for part in (
        "On hold from 1 November 2026 to 31 December 2026, by Robin: bereavement.",
        "Prompt: Reliance and outlook answers have gone up",
        "Growth and reliance, version 1 (unvalidated draft): 5 forms",
        "◆ a form that a flag rests on",
        "Reliance and outlook: baseline 1.0, band 0.1 to 1.9 (an assumption, not yet measured)",
    ):
        assert part in flat(text)
    assert re.search(r"^  27 Apr 2026 +2\.0 +3\.0 +3\.0 +3\.0 +2\.0 +2\.0$", text, re.MULTILINE)
    assert "4 most" in text
    assert "0 least" in text


def test_what_is_missing_is_listed_by_name() -> None:
    """Empty, declined and no score are three things, and none of them is a 0."""
    answers = even(G1=Blank.DECLINED, G3=Blank.EMPTY, G5=Blank.EMPTY)
    one = view([course([*(form(n, even()) for n in range(3)), form(3, answers)])], flags=())
    text = printed(client_panels(one))
    assert "30 Mar 2026 Growth: 7 of 10 lines answered, 8 needed; left empty: G3, G5; would rather not say: G1" in flat(
        text
    )
    assert "G3 I have spent time on things that matter to me." in flat(text)
    assert re.search(r"^  30 Mar 2026 +no score +1\.0", text, re.MULTILINE)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_few_forms_have_a_sentence_and_no_plot(number: int) -> None:
    """Two points look like a trend."""
    courses = [course([form(n, even()) for n in range(number)])] if number else []
    text = printed(client_panels(view(courses, flags=())))
    assert words.EMPTY_STATES[number] in text
    assert "│" not in text


def test_a_note_is_shown_for_the_last_form_only() -> None:
    """P7 belongs to the page before the session; an old one would be asked about twice."""
    asked, calm = even(W5=4), even()
    last = view([course([form(0, calm), form(1, calm), form(2, asked)])], flags=())
    before = view([course([form(0, calm), form(1, asked), form(2, calm)])], flags=())
    assert "Worth asking about" in printed(client_panels(last))
    assert "Worth asking about" not in printed(client_panels(before))


def test_a_straight_line_is_noted_and_not_judged() -> None:
    """It is a note on the pattern, not a verdict on the client (clinical.md 3.6)."""
    forms = [form(0, even()), form(1, even()), form(2, dict.fromkeys(even(), 4))]
    text = flat(printed(client_panels(view([course(forms)], flags=()))))
    assert "□ a form that the rules pass over" in text
    assert words.REASONS["pattern"] in text


def test_a_new_therapist_is_marked() -> None:
    """Otherwise a change of person reads as a change of the client."""
    one = course([form(n, even()) for n in range(6)], therapists=(datetime(2026, 3, 20, tzinfo=UTC),))
    assert "┆ a new therapist" in printed(client_panels(view([one], flags=())))


def test_the_private_self_check_is_not_shown() -> None:
    """It belongs to its author alone until it is shared (clinical.md 9.4)."""
    answers = {f"T{n}": 2 for n in range(1, 9)}
    private = course([form(n, answers, instrument="ts8") for n in range(4)], "ts8")
    assert "Therapist self-check, version" not in printed(client_panels(view([private], flags=())))


# --- one flag, step by step ------------------------------------------------------------------------------------------


def test_explain_gives_the_whole_sum() -> None:
    """A reader must be able to redo the flag by hand, or they can only believe it."""
    one = rising_view()
    row = replace(one.flags[0], acknowledgements=(acknowledgement("x"),))
    text = flat(printed(explain_text(row, one.courses[0]), width=120))
    for form_used in row.flag.evidence.forms:
        assert phrases.values(form_used.values) in text
    for number, step in enumerate(row.flag.evidence.steps, 1):
        assert f"{number}. {flat(step.what)} {flat(step.working)} → {phrases.result(step.result)}" in text
    for constant in row.flag.evidence.constants:
        assert flat(phrases.constant(constant)) in text
    for part in (row.flag.evidence.clears_when, *words.OPTIONS, "Shown on the platform, as flag.", "Seen by Robin"):
        assert part in text
    move = row.flag.evidence.moves[0]
    assert f"{words.quoted(move.text)} ({move.item}): 1 to 3" in text


def test_explain_does_not_say_of_a_safety_line_that_it_moved() -> None:
    """It is relayed as answered, beside nothing."""
    row = bare_row("R.")
    evidence = replace(row.flag.evidence, moves=(LineMove("Q9", "A line", None, 1),))
    text = printed(explain_text(replace(row, flag=replace(row.flag, evidence=evidence)), None))
    assert "Lines and what was answered" in text
    assert "Lines that moved" not in text


def test_explain_works_without_a_course_and_for_a_flag_without_evidence() -> None:
    """A form may have been withdrawn since, and a vendor's rule may give nothing but a reason."""
    text = printed(explain_text(bare_row("Only a reason."), None))
    assert "Only a reason." in text
    assert "It was not sent to the platform; it is in the list: handrail flags" in flat(text)


def test_explain_says_when_it_cleared() -> None:
    """Whether it still stands is the first thing to know."""
    row = bare_row("R.")
    gone = replace(row, flag=replace(row.flag, state=FlagState.CLEARED, closed=datetime(2026, 11, 22, tzinfo=UTC)))
    assert "Cleared, 22 November 2026." in printed(explain_text(gone, None))


# --- any width, any output -------------------------------------------------------------------------------------------


def everything() -> list[RenderableType]:
    """All views of a client with everything."""
    one = rising_view(hold=hold())
    return [client_panels(one), flags_table(one.flags), explain_text(one.flags[0], one.courses[0])]


@pytest.mark.parametrize("width", [40, 60, 80, 132])
def test_no_line_is_longer_than_the_terminal_and_no_number_is_cut(width: int) -> None:
    """A column that is cut off at 80 is a score that nobody reads."""
    for what in everything():
        lines = printed(what, width=width).splitlines()
        assert max(map(len, lines)) <= width
        assert "…" not in "".join(lines).replace("mostly …", "").replace("mostly…", "") or width < 60
    text = printed(client_panels(rising_view()), width=width)
    assert len(re.findall(r"27 Apr 2026 .*?\d\.\d", text)) >= 1
    numbers = re.findall(r"^  27 Apr 2026((?: +\d\.\d)+)$", text, re.MULTILINE)
    assert sum(len(found.split()) for found in numbers) == 6


def test_a_pipe_gets_no_escape_sequence() -> None:
    """Colours in a file are dirt."""
    for what in everything():
        assert "\x1b" not in printed(what)


def test_a_plain_terminal_gets_plain_marks() -> None:
    """On an old code page a mark that it does not know would end the command."""
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="replace")
    Console(file=out, width=80, highlight=False).print(client_panels(rising_view()))
    out.seek(0)
    plot = [line[2 + LEFT :] for line in out.read().splitlines() if re.match(r" +(4 most|2|0 least)? \|", line)]
    assert plot
    assert not [line for line in plot if "?" in line]
    assert "#" in "".join(plot)


def test_s28_hostile_text_steers_no_terminal_and_reads_as_written() -> None:
    """A name with an escape sequence could rewrite the lines above it, or the title of the window."""
    row = poisoned(rising_view(hold=hold()).flags[0])
    missing = form(5, even(G1=Blank.DECLINED), tags=frozenset({"proxy"}), language="de")
    forms = [*rising_view().courses[0].forms, missing]
    one = poisoned(view([course(forms)], flags=(rising_view().flags[0],), hold=hold()))
    for what in (flags_table([row]), explain_text(row, one.courses[0]), client_panels(one)):
        text = printed(what, width=200, force_terminal=True, color_system=None)
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)
        assert "[bold red]x[/bold red]" in text


@given(st.text())
def test_s28_no_text_keeps_a_control_character(text: str) -> None:
    """Whatever a platform sends as a name."""
    shown = plain(text)
    assert not re.search("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\u2028\u2029]", shown)
    assert plain(shown) == shown


def test_names_of_all_scripts_stay_as_they_are() -> None:
    """A name that is changed is another person's."""
    for name in ("Zoë O’Brien-Łukasz", "محمد", "می‌خواهم", "क्षत्रिय", "李小龍", "👩‍⚕️"):
        assert plain(name) == name


def test_no_forbidden_word_stands_in_any_view() -> None:
    """Words of diagnosis, blame or grading can hurt whoever reads them (clinical.md 5)."""
    engine = invented()
    rows = engine.flags(everything=True)
    told = [printed(flags_table(rows))]
    told += [printed(client_panels(engine.client(key))) for key, _ in engine.clients()]
    told += [printed(explain_text(row, None)) for row in rows]
    assert FORBIDDEN.findall(flat(" ".join(told))) == []
