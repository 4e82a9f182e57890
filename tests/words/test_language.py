"""Which language is spoken where: set in a block, never mixed, changed without a word to the platform."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from handrail.plugin_core.engine import Engine
from handrail.plugin_core.errors import SettingsError
from handrail.plugin_core.report import phrases
from handrail.plugin_core.rules import words
from handrail.plugin_core.settings import load
from handrail.plugin_core.sync.run import Options
from handrail.plugin_core.words import languages, speaking, spelling, spoken, tr, trn, trp
from hypothesis import given
from hypothesis import strategies as st

from ..sync.stage import EVEN, LEANING, Stage

GERMAN = "Auf den letzten zwei Bögen"


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A practice on a platform, with one client whose reliance and outlook answers have gone up."""
    with Stage(tmp_path) as made:
        made.course("c1", [EVEN, EVEN, EVEN, LEANING, LEANING])
        yield made


def _german(stage: Stage) -> None:
    stage.write_settings(more='language = "de"')


def test_a_block_speaks_its_language_and_no_longer() -> None:
    """A language that outlives its block would speak to the next practice, or the next client, in the wrong one."""
    assert spoken() == "en"
    with speaking("de"):
        assert tr("No form is set aside.") == "Kein Bogen ist zurückgestellt."
        with speaking("en"):
            assert tr("No form is set aside.") == "No form is set aside."
        assert spoken() == "de"
    with pytest.raises(ZeroDivisionError), speaking("de"):
        raise ZeroDivisionError
    assert spoken() == "en"


def test_two_practices_in_one_process_never_mix() -> None:
    """A host of many practices runs them side by side in threads."""
    turn = threading.Barrier(2)
    said: dict[str, list[str]] = {"en": [], "de": []}

    def speak_of(language: str) -> None:
        for _ in range(50):
            turn.wait(10)
            with speaking(language):
                turn.wait(10)
                said[language].append(words.TITLES["P2"])

    threads = [threading.Thread(target=speak_of, args=(language,)) for language in said]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert set(said["en"]) == {"Growth answers have gone down"}
    assert set(said["de"]) == {"Antworten zum Wachstum sind gesunken"}
    assert len(said["en"]) == len(said["de"]) == 50


def test_a_language_that_is_not_there_is_refused_with_those_that_are(stage: Stage) -> None:
    """A slip in the setting must not quietly show English to a practice that reads none."""
    for wrong in ("xx", "fr", "fr-CH"):
        stage.write_settings(more=f'language = "{wrong}"')
        with pytest.raises(SettingsError) as found:
            load(stage.file)
        assert all(name in found.value.message for name in ("language", *languages()))
    with pytest.raises(SettingsError, match="en, de"), speaking("xx"):
        pass
    stage.write_settings(more='language = "de-CH"')
    assert load(stage.file).language == "de-CH"
    with speaking("de-CH"):
        assert spoken() == "de"


def test_what_the_rules_say_and_what_is_pushed_is_in_the_practices_language(stage: Stage) -> None:
    """Half a chart in another language is a chart that nobody trusts."""
    _german(stage)
    stage.sync()
    (row,) = stage.ask(lambda engine: engine.flags())
    evidence = row.flag.evidence
    assert evidence.reason.startswith(f"{GERMAN} (16.\xa0Oktober, 13.\xa0November 2026)")
    assert "2,0 und 3,0" not in evidence.reason
    assert "3,0" in evidence.reason
    assert "„Ich war offen für Gedanken, die anders sind als meine“" in evidence.reason
    assert any(step.what == "Ausgangswert von Anlehnung und Sichtweise" for step in evidence.steps)
    assert spoken() == "en", "the engine's language ends with its work"
    (flag,) = stage.place().all("Flag")
    assert flag["code"]["text"] == "Handrail: etwas zum Anschauen vor der nächsten Sitzung"


def test_another_language_is_no_news_for_the_platform(stage: Stage) -> None:
    """Whoever changes the language must not set forty prompts in motion in the chart."""
    stage.sync()
    before = stage.place().all("Flag")
    assert before[0]["code"]["text"].startswith("Handrail: something")
    _german(stage)
    stage.later(minutes=5)
    assert stage.sync().counts.get("pushed", 0) == 0
    stage.ask(lambda engine: engine.rescore(dry_run=False))
    (row,) = stage.ask(lambda engine: engine.flags())
    assert row.flag.evidence.reason.startswith(GERMAN), "rescoring words the standing flags anew"
    report = stage.sync()
    assert {
        name: number for name, number in report.counts.items() if name.startswith(("push", "closed", "retract"))
    } == {}
    assert stage.place().all("Flag") == before, "not a byte of it, not even its version"


def test_a_second_reading_in_the_same_language_changes_nothing(stage: Stage) -> None:
    """German evidence compared with German evidence is the same: no flag is renewed at each sync."""
    _german(stage)
    stage.sync()
    assert stage.ask(lambda engine: engine.rescore(dry_run=False)).report.get("evidence_renewed", 0) == 0
    assert stage.sync().counts.get("evidence_renewed", 0) == 0


def test_the_settings_language_holds_for_each_engine_by_itself(tmp_path: Path) -> None:
    """Two practices, two languages, one process, turn about."""
    with Stage(tmp_path / "one") as english, Stage(tmp_path / "two") as german:
        _german(german)
        for one in (english, german):
            one.course("c1", [EVEN, EVEN, EVEN, LEANING, LEANING])
        with english.engine() as first, german.engine() as second:
            first.sync(_all())
            second.sync(_all())
            titles = [_course_title(engine) for engine in (first, second, first)]
    assert titles == ["Growth and reliance", "Wachstum und Anlehnung", "Growth and reliance"]


def _all() -> Options:
    return Options(consent=lambda _: True)


def _course_title(engine: Engine) -> str:
    return engine.client("Patient/c1").courses[0].instrument.title


def test_the_start_of_a_command_loads_no_catalogue_and_no_babel() -> None:
    """`handrail --help` and a practice that reads English pay nothing for the other languages."""
    code = (
        "import sys, handrail.plugin_core.cli, handrail.plugin_core.rules.words\n"
        "from handrail.plugin_core.words import tr, _catalogue\n"
        "tr('No form is set aside.')\n"
        "assert _catalogue.cache_info().currsize == 0\n"
        "print([name for name in sys.modules if name.startswith('babel')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_a_german_day_ends_no_sentence() -> None:
    """The list of flags shows the first sentence: "(22." would be all of it."""
    with speaking("de"):
        text = f"Am {spelling.day(date(2026, 7, 22))} wurde 3 geantwortet. Mehr."
    assert phrases.first_sentence(text) == "Am 22.\xa0Juli 2026 wurde 3 geantwortet."


# --- numbers, days, rows of things -----------------------------------------------------------------------------------


def test_days_and_numbers_as_people_write_them() -> None:
    """3 May 2026 in London is 3. Mai 2026 in Bern, and 2.3 is 2,3."""
    may, december = date(2026, 5, 3), date(2026, 12, 31)
    assert spelling.days([may, december]) == "3 May, 31 December 2026"
    assert (spelling.one(2.25), spelling.exact(0.123456), spelling.whole(12345)) == ("2.3", "0.1235", "12,345")
    with speaking("de"):
        assert spelling.days([may, december]) == "3.\xa0Mai, 31.\xa0Dezember 2026"
        assert spelling.days([may, date(2027, 1, 1)]) == "3.\xa0Mai 2026, 1.\xa0Januar 2027"
        assert spelling.short_day(december) == "31.\xa0Dez 2026"
        assert (spelling.one(2.25), spelling.exact(0.123456), spelling.whole(12345)) == ("2,3", "0,1235", "12.345")
        assert spelling.listed(["a", "b", "c"]) == "a, b und c"
        assert spelling.quoted("Ich bin da.") == "„Ich bin da“"
        assert trn("{count} prompt", "{count} prompts", 1200) == "1.200 Gesprächsanlässe"
        assert trp("number", "no") != tr("no"), "none and not-so are two words"


@pytest.mark.parametrize("language", languages())
def test_every_month_and_number_is_another_word(language: str) -> None:
    """Two months of one name would date a form wrongly."""
    with speaking(language):
        year = [spelling.day(date(2026, 1, 15) + timedelta(days=30 * n)) for n in range(12)]
        short = [spelling.short_day(date(2026, 1, 15) + timedelta(days=30 * n)) for n in range(12)]
        assert len(set(year)) == len(set(short)) == 12
        assert max(len(one) for one in short) <= 12, "a column in the terminal has twelve characters for it"
        assert len({spelling.count(number) for number in range(13)}) == 13


@given(st.floats(0, 1e6, allow_nan=False))
def test_a_number_reads_back(value: float) -> None:
    """Whatever sign the language writes, it is the same number: one comma, no point in German."""
    with speaking("de"):
        written = spelling.exact(value)
    assert "." not in written
    assert float(written.replace(",", ".")) == float(spelling.exact(value))
