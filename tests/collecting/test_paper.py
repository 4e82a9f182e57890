"""Sheets can be handed to a client: whole, readable, printable on one or two pages, and without anybody's name."""

from __future__ import annotations

import re
import shutil
import subprocess
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest
from handrail.plugin_core.collecting.codes import code_of
from handrail.plugin_core.collecting.paper import PAPER, sheet
from handrail.plugin_core.contracts import Ask, CollectorContext
from handrail.plugin_core.errors import UsageError
from handrail.plugin_core.instruments import builtin, builtin_one
from handrail.plugin_core.words import languages, speaking
from handrail.schemas.records import Client, Instrument

KEY = "7d1f00c3a9b1e2d4" * 2
CRISIS = "In an emergency call 999.\nInvented night line: 01632 960 001, all night."
FOR_CLIENTS = [one for one in builtin() if one.audience == "client"]
CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)


class Reader(HTMLParser):
    """The page as a screen reader would go through it: texts in order, boxes, tags and attributes."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.boxes = 0
        self.tags: list[str] = []
        self.values: list[str] = []
        self.scopes: list[str | None] = []
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.values += [value or "" for _, value in attrs]
        if tag == "th":
            self.scopes.append(dict(attrs).get("scope"))
        self.boxes += ("class", "box") in attrs

    def handle_data(self, data: str) -> None:
        if data.strip() and self.tags[-1] != "style":
            self.texts.append(" ".join(data.split()))


@pytest.mark.parametrize("form", FOR_CLIENTS, ids=lambda form: form.id)
def test_every_line_is_there_in_the_forms_order_with_a_box_for_each_answer(form: Instrument) -> None:
    """A line lost or moved would give every later answer to the wrong line."""
    read = Reader(sheet(form, "North Road", CRISIS, key=KEY))
    texts = iter(read.texts)
    for item in form.items:
        assert " ".join(item.text.split()) in texts, item.id
        assert item.hint is None or item.hint in texts
    assert read.boxes == sum(len(item.options) for item in form.items)
    assert " ".join(form.lead_in.split()) in read.texts
    assert " ".join(form.licence.notice.split()) in read.texts
    assert None not in read.scopes


@pytest.mark.parametrize("form", FOR_CLIENTS, ids=lambda form: form.id)
def test_the_crisis_text_stands_before_and_after_a_form_with_a_line_about_safety(form: Instrument) -> None:
    """Whoever ticks such a line must not have to look for help (clinical.md 6)."""
    read = Reader(sheet(form, "North Road", CRISIS, key=KEY))
    text = " ".join(read.texts)
    crisis = [match.start() for match in re.finditer("Invented night line", text)]
    watched = [match.start() for match in re.finditer("This form is not watched around the clock", text)]
    assert len(crisis) == len(watched) == (2 if form.safety else 0)
    if form.safety:
        first, last = text.index(form.items[0].text), text.index(form.items[-1].text)
        assert crisis[0] < first < last < crisis[1]


def test_without_a_crisis_text_there_is_no_such_sheet() -> None:
    """A default number would be wrong in most countries, and none is worse."""
    with pytest.raises(UsageError, match="crisis_text"):
        sheet(builtin_one("phq9"), "North Road", " \n")
    asked = PAPER.ask(ask(builtin_one("phq9")), context(crisis=""))
    assert asked.sheet is None
    assert "crisis_text" in (asked.refused or "")


def test_a_draft_says_so_and_a_published_form_is_left_as_it_is() -> None:
    """An untested form must not look like a measurement; an added word would change a published one."""
    assert b"draft that has not been tested" in sheet(builtin_one("gr18"), "North Road")
    read = Reader(sheet(builtin_one("phq9"), "North Road", CRISIS))
    assert not any("draft" in text or "leave this one out" in text for text in read.texts)


def test_the_therapists_form_is_not_printed_for_clients() -> None:
    """It is private to its author."""
    with pytest.raises(UsageError, match="not a form for clients"):
        sheet(builtin_one("ts8"), "North Road")


def ask(form: Instrument) -> Ask:
    person = Client("Patient/77", "Klara Invented", clinician_name="Dr Zeppelin", email="klara@home.example")
    return Ask(person, form, datetime(2026, 11, 20, 12, tzinfo=UTC), KEY)


def context(crisis: str = CRISIS, practice: str = "North Road", language: str = "en") -> CollectorContext:
    def nothing(*_: object) -> None:
        raise AssertionError("paper needs no way out")

    return CollectorContext(practice, language, crisis, "Purpose: to talk about it.", nothing, nothing)  # type: ignore[arg-type]


@pytest.mark.parametrize("language", languages())
def test_a_sheet_bears_a_code_and_nobodys_name(language: str) -> None:
    """Paper is left on tables: only the practice can tell whose it is."""
    asked = PAPER.ask(ask(builtin_one("gr18")), context(language=language))
    page = (asked.sheet or b"").decode()
    assert not asked.sent
    assert PAPER.by_hand
    assert page.split("</style>")[1].count(code_of(KEY)) == 2, "on the first page and at the end"
    assert f'<html lang="{language}">' in page
    for name in ("Klara", "Patient/77", "Zeppelin", "home.example", KEY):
        assert name not in page
    assert "Purpose: to talk about it." in page


def test_a_hostile_name_is_a_name_and_nothing_is_loaded() -> None:
    """The practice's texts come from a settings file; a page must not run or fetch what somebody put there."""
    evil = '<script>alert(1)</script><img src="https://evil.example/x">{{ 7*7 }}'
    read = Reader(sheet(builtin_one("phq9"), evil, evil, evil, KEY))
    assert not {"script", "img", "link", "iframe", "form"} & set(read.tags)
    assert not any("//" in value for value in read.values)
    assert any("{{ 7*7 }}" in text for text in read.texts)


@pytest.mark.parametrize("language", languages())
def test_every_word_of_ours_is_there_in_every_language(language: str) -> None:
    """A page half in another language reads like a mistake."""
    with speaking(language):
        page = sheet(builtin_one("phq9"), "North Road", CRISIS)
    assert b"{" not in page.split(b"</style>")[1]


LOOKED_AT = pytest.mark.skipif(not CHROMIUM, reason="NOT RUN: no Chromium here, so nobody has looked at printed pages")
READ = pytest.mark.skipif(
    not shutil.which("pdftotext"), reason="NOT RUN: no pdftotext here (apt install poppler-utils)"
)
LONG_PURPOSE = "From time to time the practice asks you to fill in a short form about the past weeks. " * 12
LONG_CRISIS = (
    "In an emergency call 999, or go to the nearest emergency department.\nInvented night line: 01632 960 001, all "
    "night, free of charge.\nThe practice: 01632 960 002, Monday to Friday from 8 to 18.\nBy text: HELLO to 01632."
)


def printed(folder: Path, page: bytes, paper: str) -> Path:
    """The page as a real browser prints it on A4 or letter."""
    (folder / "sheet.html").write_bytes(page.replace(b"size: auto", b"size: " + paper.encode()))
    out = folder / "sheet.pdf"
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}"]
    command += ["--no-pdf-header-footer", f"--print-to-pdf={out}", (folder / "sheet.html").as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return out


def count(pdf: Path) -> int:
    return len(re.findall(rb"/Type\s*/Page\b", pdf.read_bytes()))


@LOOKED_AT
@pytest.mark.parametrize("paper", ["A4", "letter"])
@pytest.mark.parametrize("purpose", ["", LONG_PURPOSE], ids=["ours", "long"])
@pytest.mark.parametrize(("name", "most"), [("gr18", 2), ("phq9", 1), ("gad7", 1), ("core10", 1)])
def test_it_prints_on_as_few_pages_as_promised(tmp_path: Path, name: str, most: int, purpose: str, paper: str) -> None:
    """A form that runs over by two lines loses its last page at the copier."""
    page = sheet(builtin_one(name), "North Road Practice", CRISIS, purpose, KEY)
    assert count(printed(tmp_path, page, paper)) == most


@LOOKED_AT
@pytest.mark.parametrize(("name", "most"), [("gr18", 2), ("phq9", 1)])
def test_so_it_does_in_german_and_with_a_long_crisis_text(tmp_path: Path, name: str, most: int) -> None:
    """German runs a fifth longer than English, and a crisis text stands there twice."""
    with speaking("de"):
        page = sheet(builtin_one(name), "Praxis Nordweg", CRISIS, "", KEY)
    assert count(printed(tmp_path, page, "letter")) == most
    page = sheet(builtin_one(name), "North Road Practice", LONG_CRISIS, LONG_PURPOSE, KEY)
    assert count(printed(tmp_path, page, "letter")) == most


@LOOKED_AT
@READ
def test_what_cannot_fit_breaks_between_lines_and_says_which_page_it_is(tmp_path: Path) -> None:
    """A second page without heads, code or number is a row of boxes that nobody can put to anything."""
    form = builtin_one("phq9")
    pdf = printed(tmp_path, sheet(form, "North Road Practice", LONG_CRISIS, LONG_PURPOSE * 2, KEY), "letter")
    read = subprocess.run(["pdftotext", "-layout", str(pdf), "-"], check=True, capture_output=True, text=True)
    first, second = (" ".join(page.split()) for page in read.stdout.split("\f")[:2])
    assert ("Page 1 of 2" in first, "Page 2 of 2" in second) == (True, True)
    assert f"{form.title} · {code_of(KEY)}" in second
    assert "Not at all" in first
    assert "Not at all" in second, "the heads of the answers are there again"
    first, second = (re.sub(r" \d+(?= )", "", page) for page in (first, second))  # numbers stand beside their lines
    for item in form.items[:-1]:
        words = item.text.split()
        begins, ends = " ".join(words[:3]), " ".join(words[-2:])
        assert ((begins in first), (begins in second)) in ((True, False), (False, True)), item.id
        assert ((ends in first), (ends in second)) == ((begins in first), (begins in second)), item.id


def test_the_practices_words_cannot_break_out_of_the_pages_style() -> None:
    """A form's title stands in the style, for the head of the second page."""
    from dataclasses import replace

    evil = replace(builtin_one("gad7"), title='x"} </style><script>alert(1)</script> \\ & y')
    read = Reader(sheet(evil, "North Road", key=KEY))
    assert "script" not in read.tags
    assert read.tags.count("style") == 1
