"""What is stored stays as it was stored, in English, and is told in the language of who reads it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from string import Formatter

import marshmallow
import pytest
from handrail.plugin_core.engine import Engine
from handrail.plugin_core.errors import Busy
from handrail.plugin_core.instruments import builtin_one, checks
from handrail.plugin_core.instruments import read as read_instrument
from handrail.plugin_core.report.page import report_html
from handrail.plugin_core.scoring import Scorer
from handrail.plugin_core.settings import load
from handrail.plugin_core.sync.lock import exclusive
from handrail.plugin_core.words import kept, speaking, tr
from handrail.schemas import base
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import fields, validate

from tests.sync.stage import EVEN, Stage, form, gr18

from . import catalogue


def test_a_missing_score_keeps_its_reason_and_tells_it(tmp_path: Path) -> None:
    """Stored in the language of the day, a store would be a mix for ever; told in English, half a page is English."""
    scorer = Scorer(builtin_one("gr18"))
    with speaking("de"):
        reasons = {score.reason for score in scorer.scores({"G1": 3}).values() if score.reason}
        assert all("answered" in reason for reason in reasons)
        told = {kept.told(reason) for reason in reasons}
    assert told
    assert not any("answered" in text or "needed" in text for text in told)
    assert {kept.told(reason) for reason in reasons} == reasons


@given(
    st.sampled_from(kept.TEMPLATES),
    st.lists(st.from_regex(r"[A-Z0-9_.-]{2,9}( [A-Z0-9_.-]{2,9})?", fullmatch=True), min_size=6),
)
def test_a_template_is_found_again_whatever_was_filled_in(template: str, values: list[str]) -> None:
    """A field with spaces or dots in it must not make a stored reason unreadable."""
    names = [name for _, name, _, _ in Formatter().parse(template) if name]
    fields = dict(zip(names, values, strict=False))
    filled = template.format(**fields)
    with speaking("de"):
        assert kept.told(filled) == tr(template, **fields)
    assert kept.told(filled) == filled


def test_what_is_none_of_ours_stays_as_it_is() -> None:
    """A vendor's own reason is shown as the vendor wrote it."""
    with speaking("de"):
        assert kept.told("the moon was in the wrong house") == "the moon was in the wrong house"
        assert kept.told("") == ""


@pytest.fixture
def aside(tmp_path: Path) -> Iterator[Stage]:
    """A German practice with a form set aside for an unknown answer."""
    with Stage(tmp_path / "practice", safety="", crisis="") as stage:
        stage.file.write_text('language = "de"\n' + stage.file.read_text())
        stage.course("c1", [EVEN])
        odd = form("odd", "c1", stage.now, gr18(EVEN))
        line = next(one for one in odd["item"] if one["linkId"] == "W5")
        line["answer"] = [{"valueCoding": {"code": "no-such-answer"}}]
        stage.put(odd)
        stage.sync()
        yield stage


def test_a_form_that_is_set_aside_is_stored_in_english_and_told_in_german(aside: Stage) -> None:
    """The page and doctor, in the practice's words."""
    (item,) = aside.ask(lambda engine: engine.set_aside())
    assert item.where == "line W5"
    assert item.message == "an answer that the form's mapping does not know"

    def page(engine: Engine) -> str:
        with speaking("de"):
            return report_html(engine, as_of=engine.now())

    html = aside.ask(page)
    assert "Zeile W5" in html
    assert "line W5" not in html
    assert item.message not in html


def test_a_wrong_setting_is_named_in_german_to_the_last_word(tmp_path: Path) -> None:
    """ "every_weeks: must be from 1 to 104" in a German sentence helps half."""
    with Stage(tmp_path / "practice", safety="", crisis="") as stage:
        stage.file.write_text('language = "de"\n' + stage.file.read_text() + "\n[collect]\nevery_weeks = 1000\n")
    with speaking("de"), pytest.raises(Exception, match="muss von 1 bis 104 gehen") as caught:
        load(stage.file)
    assert "must" not in str(caught.value)


def test_who_holds_the_lock_is_told_in_german(aside: Stage) -> None:
    """The second of two people at one computer reads this."""
    with (
        aside.engine() as engine,
        exclusive(engine.store, "syncing"),
        speaking("de"),
        pytest.raises(Busy, match=r"Prozess \d+ auf .*: gleicht ab seit"),
        exclusive(engine.store, "sending"),
    ):
        raise AssertionError("two at once")


def test_what_is_wrong_inside_an_instrument_is_told_in_german() -> None:
    """Who writes a form of their own reads this."""
    instrument = builtin_one("gr18")
    odd = replace(instrument, straight_line=("X9", "X9"))
    with speaking("de"):
        assert "straight_line: eine Zeile X9 gibt es nicht" in checks.faults(odd)
        with pytest.raises(Exception, match="fehlt"):
            read_instrument(b'{"format": 1}', name="own.json")


def test_every_message_of_the_formats_is_in_the_catalogue() -> None:
    """A message that is not marked is English for ever."""
    known = {message.id for message in catalogue.extracted() if message.id}
    said: set[str] = set()
    for path in (catalogue.TOP / "schemas").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Dict):
                said |= {
                    value.value
                    for key, value in zip(node.keys, node.values, strict=True)
                    if isinstance(key, ast.Constant) and isinstance(value, ast.Constant)
                    and isinstance(value.value, str) and value.value.startswith(("must ", "is ", "has ", "no "))
                }  # fmt: skip
    for cls in vars(base).values():
        if isinstance(cls, type) and issubclass(cls, fields.Field) and cls.__module__ == base.__name__:
            said |= set(vars(cls).get("default_error_messages", {}).values())
    assert said - known == set()


def test_what_marshmallow_says_itself_is_known() -> None:
    """The settings of platforms are made of its own fields; a new release may word them otherwise."""
    used = (fields.String, fields.Boolean, fields.Integer, fields.Float, fields.List, fields.Field)
    texts = {text for cls in used for text in cls.default_error_messages.values()}
    texts |= {validate.OneOf.default_message, validate.Length.message_min, validate.Length.message_max}
    texts |= {marshmallow.Schema._default_error_messages["type"], validate.Regexp.default_message}
    known = {*kept.MARSHMALLOW, *kept.TEMPLATES}
    assert texts - known - {"Not a valid utf-8 string."} == set()
