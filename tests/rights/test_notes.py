"""Notes on a client: sealed, with author and day, in the trail without their words, taken back by the author alone."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from handrail.plugin_core.errors import UsageError
from handrail.plugin_core.notes import MOST_SIGNS
from handrail.plugin_core.report.data import client_json
from handrail.plugin_core.report.page import report_html
from handrail.plugin_core.report.phrases import notes_of
from handrail.plugin_core.report.terminal import client_panels
from handrail.plugin_core.store import book
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console

from tests.sync.stage import EVEN, Stage

WORDS = "Brought a drawing of a bridge."


@pytest.fixture
def known(stage: Stage) -> Stage:
    """c1 and c2 with forms, no note yet."""
    stage.course("c1", [EVEN, EVEN])
    stage.course("c2", [EVEN, EVEN])
    stage.sync()
    return stage


def noted(stage: Stage, client: str = "c1") -> list[tuple[str, str]]:
    """Author and words of a client's notes as the client's view has them."""
    return [(one.author, one.text) for one in stage.ask(lambda e: e.client(client)).notes]


def add(stage: Stage, text: str, author: str = "anna", client: str = "c1") -> object:
    return stage.ask(lambda e: e.notes.add(client, text, author))


def trail(stage: Stage) -> list[tuple[str, str]]:
    """Who noted what kind of thing, as the audit trail has it."""
    with stage.engine() as engine, engine.store.reading() as tx:
        return [(one.actor, one.action) for one in book.trail(tx) if one.action.startswith("note-")]


def test_a_note_is_kept_with_author_and_time_beside_its_client(known: Stage) -> None:
    """A note that turned up beside somebody else, or without its author, would be worse than none."""
    add(known, WORDS)
    known.later(days=1)
    add(known, "  Says that the move went well.\n", "ben")
    assert noted(known) == [("anna", WORDS), ("ben", "Says that the move went well.")]
    assert noted(known, "c2") == []
    first, second = known.ask(lambda e: e.client("c1")).notes
    assert (second.at - first.at).days == 1
    assert trail(known) == [("anna", "note-added"), ("ben", "note-added")]


def test_its_day_is_the_practices_local_day(known: Stage) -> None:
    """Written at half past eleven in the evening; a note of tomorrow would put the record in doubt."""
    known.now = datetime(2026, 11, 21, 23, 30, tzinfo=UTC)
    text = known.file.read_text(encoding="utf-8")
    known.file.write_text(text.replace('time_zone = "UTC"', 'time_zone = "Europe/Zurich"'), encoding="utf-8")
    add(known, WORDS)
    view = known.ask(lambda e: e.client("c1"))
    assert view.notes[0].at == known.now
    assert notes_of(view) == [f"Note by anna on 22 November 2026: {WORDS}"]


def test_its_words_are_nowhere_in_the_store_in_the_clear(known: Stage, tmp_path: Path) -> None:
    """S16: whoever finds the disk reads the note."""
    add(known, WORDS, "anna-of-the-practice")
    raw = b"".join(path.read_bytes() for path in sorted(tmp_path.rglob("*.db*")))
    assert b"note-added" in raw, "the search itself must find what is readable"
    assert b"drawing" not in raw
    known.ask(lambda e: e.client("c1"))


def test_the_same_sent_twice_is_one_note(known: Stage) -> None:
    """A page that is loaded anew, or an impatient second click, writes nothing down a second time."""
    assert add(known, WORDS) is not None
    assert add(known, WORDS) is None
    assert add(known, WORDS, "ben") is not None, "somebody else may say the same"
    assert add(known, WORDS) is not None, "and so may the first one, later"
    assert len(noted(known)) == 3


def test_a_note_is_taken_back_by_its_author_alone(known: Stage) -> None:
    """Put beside the wrong client it must go, trace of its words included; a colleague's must not."""
    item = add(known, WORDS)
    key, note = item.client, item.key  # type: ignore[attr-defined]
    assert not known.ask(lambda e: e.notes.take_back(key, note, "ben"))
    other = known.ask(lambda e: e.client("c2")).key
    assert not known.ask(lambda e: e.notes.take_back(other, note, "anna"))
    assert noted(known) == [("anna", WORDS)]
    assert known.ask(lambda e: e.notes.take_back(key, note, "anna"))
    assert noted(known) == []
    assert not known.ask(lambda e: e.notes.take_back(key, note, "anna")), "a second tab takes nothing back twice"
    assert trail(known) == [("anna", "note-added"), ("anna", "note-taken-back")]


@pytest.mark.parametrize("text", ["", "  \n ", "x" * (MOST_SIGNS + 1)], ids=["nothing", "blanks", "a book"])
def test_a_note_that_says_nothing_or_too_much_is_refused(known: Stage, text: str) -> None:
    """Refused with a sentence, and nothing half stored."""
    with pytest.raises(UsageError, match=r"between 1 and 2000 letters"):
        add(known, text)
    with pytest.raises(UsageError, match="No client here"):
        add(known, WORDS, client="nobody")
    assert noted(known) == []
    assert trail(known) == []


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(min_size=1, max_size=200).filter(lambda text: text.strip()))
def test_any_words_come_back_as_they_were_written(known: Stage, text: str) -> None:
    """Umlauts, emoji, quotation marks: what a clinician wrote down is what they find."""
    item = add(known, text, "dora")
    assert noted(known)[-1] == ("dora", text.strip())
    if item is not None:
        known.ask(lambda e: e.notes.take_back(item.client, item.key, "dora"))  # type: ignore[attr-defined]


def test_it_is_read_where_the_client_is(known: Stage) -> None:
    """In the terminal, in the report, and for other programs."""
    add(known, WORDS)
    view = known.ask(lambda e: e.client("c1"))
    shown = Console(record=True, width=100)
    shown.print(client_panels(view))
    assert WORDS in shown.export_text()
    assert WORDS in known.ask(lambda e: report_html(e, as_of=known.now))
    assert [(one["author"], one["text"]) for one in client_json(view)["notes"]] == [("anna", WORDS)]
