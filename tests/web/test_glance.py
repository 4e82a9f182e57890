"""What the pre-session page says: last time and now, the lines that moved most, what was left out, nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest
from handrail.plugin_core.instruments import builtin_one
from handrail.plugin_core.manager import Plugins
from handrail.plugin_core.registry import Registry
from handrail.plugin_core.report.phrases import opening
from handrail.plugin_core.rules import words
from handrail.plugin_core.store import Tx, notices, overview
from handrail.plugin_core.web.glance import moved, part_of
from handrail.schemas.records import Course, ScoredForm
from handrail.schemas.vocab import Blank, FlagState, NoticeState
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import escape

from .people import House, texts

FORM = builtin_one("gr18")
LINES = [item.id for item in FORM.items]
ANSWERS = st.dictionaries(st.sampled_from(LINES), st.one_of(st.integers(0, 4), st.sampled_from(list(Blank))))


def form(answers: object) -> ScoredForm:
    from datetime import UTC, datetime

    return ScoredForm("f", datetime(2026, 5, 4, tzinfo=UTC), answers, {})  # type: ignore[arg-type]


@given(ANSWERS, ANSWERS)
def test_the_lines_that_moved_most_are_those(before: dict[str, object], last: dict[str, object]) -> None:
    """A line that moved less in place of one that moved more would lead the talk astray; a blank has not moved."""
    found = moved(FORM, form(before), form(last))
    both = {line for line in before.keys() & last.keys()
            if not isinstance(before[line], Blank) and not isinstance(last[line], Blank)}  # fmt: skip
    ways = sorted((abs(last[line] - before[line]) for line in both), reverse=True)  # type: ignore[operator]
    shown = [next(item.id for item in FORM.items if item.text == one.text) for one in found]
    assert len(shown) == len(set(shown)) == min(2, sum(way > 0 for way in ways))
    assert [abs(last[line] - before[line]) for line in shown] == ways[: len(shown)]  # type: ignore[operator]


def test_the_page_has_everything_and_in_its_order(house: House) -> None:
    """One glance: safety above all, what changed, what stands with its reason, next steps as equals."""
    browser = house.browser("supervisor")
    row = next(row for row in house.ask(lambda e: e.flags()) if row.kind == "prompt" and row.flag.shown)
    page = browser.get(f"/client/{row.flag.client}").text
    body = texts(page)
    for wanted in ("What changed since last time", "Growth", "Reliance and outlook", "Feeling better after the session",
                   "Something done in a new way", "The two lines that moved most", "ordinary ups and downs",
                   "The same numbers as a table", *words.OPTIONS):  # fmt: skip
        assert wanted in body, wanted
    assert page.count("<svg") >= 4
    assert page.count("<polyline") >= 4
    assert body.index("What changed since last time") < body.index("What stands") < body.index(words.OPTIONS[0])
    assert "<ol" not in page, "next steps are equal, in no order"
    assert words.ACCURACY in body


def test_every_prompt_is_named_at_the_top_and_told_whole(house: House) -> None:
    """A prompt beneath the fold that nothing at the top names is a prompt that nobody reads."""
    browser = house.browser("supervisor")
    rows = [row for row in house.ask(lambda e: e.flags()) if row.flag.shown and row.kind in ("prompt", "good-news")]
    assert len(rows) > 8
    for row in rows[:12]:
        page = browser.get(f"/client/{row.flag.client}").text
        strip = page.split('class="short')[1].split("</ul>")[0]
        assert f'href="#flag-{row.id}"' in strip
        card = page.split(f'id="flag-{row.id}"')[1].split("</article>")[0]
        first, rest = opening(row.flag.evidence.reason, 2)
        assert rest, "the basis stands open, the rest is one step away"
        assert escape(first) in card
        assert escape(rest) in card


def test_the_page_and_the_list_count_the_same_prompts(house: House) -> None:
    """A prompt that stands on the page and not in the list is seen by nobody in time; one from a rule that does not
    prompt here (P1 to P6, docs/signal.md) lies behind "more" and looks like no other prompt."""
    browser = house.browser("supervisor")
    browser.get("/clients")
    flags = house.ask(lambda e: e.flags())
    assert not all(row.flag.shown for row in flags)
    for client in house.clients_of():
        page = browser.get(f"/client/{client}").text
        open_, _, waiting = page.partition("that does not prompt in this practice")
        if not waiting:
            open_, _, waiting = page.partition("that do not prompt in this practice")
        own = [row for row in flags if row.flag.client == client and row.kind in ("prompt", "good-news")]
        strip = page.split('class="short')[1].split("</ul>")[0]
        assert strip.count('href="#flag-') == sum(row.flag.shown for row in own)
        for row in own:
            first = {one.flag.opening_form for one in own if one.flag.shown and one.kind == "prompt"}
            behind = not row.flag.shown and row.flag.opening_form not in first
            assert (f'id="flag-{row.id}"' in waiting) == behind
            assert (f'id="flag-{row.id}"' in open_) == (not behind)


def test_a_rise_of_what_does_not_prompt_is_nothing_new(house: House) -> None:
    """A client who is marked as new, with nothing new to be seen, teaches people not to look."""
    flag = next(row for row in house.ask(lambda e: e.flags()) if not row.flag.shown)
    with house.desk.engine() as engine, engine.store.reading(engine.source) as tx:
        shown = sum(row.flag.shown for row in engine.flags(client=flag.flag.client))
        assert overview.standing(tx)[flag.flag.client].number == shown


def test_worth_asking_about_is_on_the_page_before_the_session(house: House) -> None:
    """clinical.md 4.3: P7 is told nowhere else, so that where it is not on this page nobody ever reads it."""
    browser = house.browser("supervisor")
    asked = 0
    for client in house.clients_of():
        view = house.ask(lambda e, client=client: e.client(client))
        last = next((course.forms[-1] for course in view.courses if course.instrument.id == "gr18"), None)
        high = last is not None and not last.straight_line and 4 in (last.answers.get("W2"), last.answers.get("W5"))
        page = texts(browser.get(f"/client/{client}").text)
        assert ("Worth asking about: On this form" in page) == high
        asked += high
    assert asked


def test_the_same_answer_on_every_line_is_told_once_and_in_full() -> None:
    """clinical.md 3.6: that lines worded in opposite ways agree by chance only is what makes the note no verdict."""
    lines = [item.id for item in FORM.items if item.id not in ("N1", "N2", "F1", "F2")]
    one = replace(form(dict.fromkeys(lines, 4)), straight_line=True)
    rules = [found.descriptor for found in Registry(Plugins()).rules.values()]
    part = part_of(Course("c", FORM, (one,)), frozenset(), 120, rules)
    assert [reason for _, reason in part.asked] == [words.REASONS["pattern"]]
    assert "the same answer on every line" not in part.notes
    assert "the same answer on every line" in part_of(Course("c", FORM, (one,)), frozenset(), 120).notes


@given(
    st.lists(st.sampled_from(["On 3 May (1.5 to 2.0) it rose.", "“…” moved!", "Is it so?", "A hard month"]), max_size=6)
)
def test_a_reason_is_cut_and_nothing_of_it_lost(sentences: list[str]) -> None:
    """A sentence that fell between the two halves could be the one that says it may mean nothing."""
    text = " ".join(sentences)
    first, rest = opening(text, 2)
    assert f"{first} {rest}".strip() == text


def test_beside_an_open_safety_answer_nothing_sounds_like_all_clear(house: House) -> None:
    """ "Nothing new stands" or "do nothing now" under an open safety notice would be read as an answer to it."""
    browser = house.browser("supervisor")
    rows = house.ask(lambda e: e.flags())
    safety = {row.flag.client for row in rows if row.kind == "safety"}
    others = {row.flag.client for row in rows if row.kind != "safety" and row.flag.shown}
    assert safety
    for key in safety:
        page = browser.get(f"/client/{key}").text
        body = texts(page)
        assert "Nothing new stands" not in body
        assert page.index('class="safety-first"') < page.index('class="short') < page.index('id="changed-head"')
        if key not in others:
            assert "The safety answer above is open." in body
            assert words.OPTIONS[-1] not in body
        else:
            assert "the safety answer apart" in body


def test_a_letter_that_could_not_go_out_is_said_where_everybody_begins(house: House) -> None:
    """A safety answer of which nobody was told must not wait for somebody to open that client, or to read a log."""
    browser = house.browser("supervisor")
    safety = [row for row in house.ask(lambda e: e.flags()) if row.kind == "safety"]
    row = next(row for row in safety if row.flag.state is FlagState.RAISED)
    said = "a letter about it could not be sent yet"

    def refuse(tx: Tx) -> None:
        notices.queue(tx, [row.flag.key], 0)
        letters = notices.of_flags(tx, [row.flag.key])[row.flag.key]
        notices.mark(tx, letters, NoticeState.REFUSED, "a@practice.example", "l", problem="refused")

    assert said not in browser.get("/clients").text
    with house.desk.engine() as engine:
        engine.store.write(refuse, engine.source)
    page = browser.get("/clients").text
    assert page.count(said) == 1
    assert said in page.split(f"/client/{row.flag.client}")[1].split("</li>")[0]
    with house.desk.engine() as engine:
        engine.acknowledge(row.id, "Dr. Invented")
    assert said not in browser.get("/clients").text, "somebody has seen it"


def test_what_was_not_answered_is_said_plainly(house: House) -> None:
    """Of item 9 a blank is no answer of "not at all"."""
    browser = house.browser("supervisor")
    said = [texts(browser.get(f"/client/{key}").text) for key in house.clients_of()]
    assert any("left empty:" in body or "not answered" in body or "would rather not say" in body for body in said)


def test_with_few_forms_a_sentence_stands_in_place_of_change(house: House) -> None:
    """Never "nothing found"."""
    browser = house.browser("supervisor")
    views = {key: house.ask(lambda e, key=key: e.client(key)) for key in house.clients_of()}
    few = [key for key, view in views.items() if view.courses and max(len(c.forms) for c in view.courses) < 3]
    if not few:
        key = next(iter(house.clients_of()))
        view = house.ask(lambda e: e.client(key))
        course = next(one for one in view.courses if one.instrument.id == "gr18")
        part = part_of(replace(course, forms=course.forms[:1]), frozenset(), 120)
        assert part.empty == "One form so far. Change can be shown from the third form on."
        assert part.before == ""
        assert part.moved == ()
        return
    assert "Change can be shown from the third form on" in browser.get(f"/client/{few[0]}").text


@pytest.mark.parametrize("forbidden", ["%", "risk of", "score of", "high-risk", "dependent"])
def test_no_page_of_a_client_grades_them(house: House, forbidden: str) -> None:
    """clinical.md 5: what was answered and how it moved, no probability and no trait."""
    browser = house.browser("supervisor")
    for key in list(house.clients_of())[:12]:
        assert forbidden not in texts(browser.get(f"/client/{key}").text).casefold()


def test_a_self_check_is_not_on_the_page_unless_it_is_shared(house: House) -> None:
    """clinical.md 9.4: it is its author's own."""
    browser = house.browser("supervisor")
    for key in house.clients_of():
        view = house.ask(lambda e, key=key: e.client(key))
        own = [c for c in view.courses if c.instrument.audience == "therapist"]
        private = [c for c in own if not any("shared" in f.tags for f in c.forms)]
        if private:
            assert private[0].instrument.title not in browser.get(f"/client/{key}").text
            assert private[0].instrument.title not in browser.get(f"/client/{key}/numbers").text
