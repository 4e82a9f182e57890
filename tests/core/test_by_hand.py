"""The list to enter by hand as a table and as a page: harmless to open, neutral to read."""

from __future__ import annotations

import csv
import html
import io
from dataclasses import replace
from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from handrail.plugin_core.report.by_hand import ENTER, TAKE_OUT, Line, as_page, as_table
from handrail.plugin_core.words import speaking

LINE = Line(
    do=ENTER,
    client="0071",
    name="Zoë Müller",
    therapist="T. Herapist",
    since=date(2026, 11, 16),
    ended=None,
    text="Handrail: something to look at before the next session",
    flag="0a1b2c3d",
)
ENGINE: Any = SimpleNamespace(
    settings=SimpleNamespace(name="A <practice>"), now=lambda: datetime(2026, 11, 20, tzinfo=UTC)
)


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r", "＝", " =", '"=', "\n@"])
def test_s29_no_cell_of_the_table_is_a_formula(sign: str) -> None:
    """A client may choose their own name in a portal, and the list is opened with Excel."""
    hostile = f'{sign}cmd|" /C calc"!A0'
    text = as_table([replace(LINE, name=hostile, client=hostile, therapist=hostile)])
    rows = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline="")))
    assert len(rows) == 2
    for cell in rows[1]:
        assert not cell.lstrip(" \u00a0'\"").startswith(("=", "+", "-", "@", "\t", "\r", "＝")) or cell.startswith("'")


def test_s28_a_hostile_name_is_a_name_on_the_page() -> None:
    """No script runs on it, and it asks no network for anything."""
    page = as_page(ENGINE, [replace(LINE, name="<script>alert(1)</script>\x1b[31m")])
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "\x1b" not in page
    assert "default-src 'none'" in html.unescape(page)
    assert "http" not in page.replace("http-equiv", "")


def test_reasons_stand_on_it_only_when_asked_for_and_then_it_says_for_whom() -> None:
    """A reason is for clinicians; the list may lie at the front desk."""
    without, with_them = as_page(ENGINE, [LINE]), as_page(ENGINE, [replace(LINE, reason="Answers have moved.")])
    assert "clinicians alone" not in without
    assert "clinicians alone" in with_them
    assert "Answers have moved." in with_them
    assert "Reason" not in as_table([LINE])
    assert "Answers have moved." in as_table([replace(LINE, reason="Answers have moved.")])


def test_what_is_to_be_taken_out_stands_apart_and_nothing_is_said_when_there_is_nothing() -> None:
    """In the language of the practice."""
    page = as_page(ENGINE, [LINE, replace(LINE, do=TAKE_OUT, ended=date(2026, 11, 18))])
    assert page.index("<h2>To enter</h2>") < page.index("<h2>To take out, if it was entered</h2>")
    assert "There is nothing to enter" in as_page(ENGINE, [])
    with speaking("de"):
        assert "Einzutragen" in as_page(ENGINE, [LINE])
        assert "eintragen" in as_table([LINE])
