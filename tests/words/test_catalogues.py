"""The catalogues are complete, in step with the sources, and compiled from what lies beside them."""

from __future__ import annotations

import ast
import gettext
import io
import re
from pathlib import Path
from string import Formatter

import pytest
from babel.messages.catalog import Catalog, Message

from . import catalogue, texts

LANGUAGES = [path.stem for path in catalogue.languages()]
TRANSLATORS = {"tr", "trn", "trp", "mark", "markp"}
SOURCES = sorted(path for room in catalogue.ROOMS for path in (catalogue.TOP / room).rglob("*.py"))


@pytest.fixture(scope="module")
def sources() -> Catalog:
    """Every marked text of the sources."""
    return catalogue.extracted()


def _po(language: str) -> Catalog:
    return catalogue.read(catalogue.FOLDER / f"{language}.po")


def _key(message: Message) -> tuple[str | None, str]:
    return message.context, message.id if isinstance(message.id, str) else message.id[0]


def _messages(found: Catalog) -> list[Message]:
    return [message for message in found if message.id]


def test_the_template_is_up_to_date(sources: Catalog) -> None:
    """A text that is not extracted is never translated. Mended by: make words."""
    assert catalogue.written(sources) == catalogue.TEMPLATE.read_bytes()


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_language_has_the_texts_of_the_sources_and_no_others(language: str, sources: Catalog) -> None:
    """A reworded text without its new translation would be shown in English among the others."""
    assert {_key(message) for message in _messages(_po(language))} == {_key(m) for m in _messages(sources)}


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_is_untranslated_and_nothing_is_a_guess(language: str) -> None:
    """Half a page in English is worse than a page in English; a fuzzy translation is a machine's guess."""
    found = _messages(_po(language))
    assert [message.id for message in found if not all(catalogue.strings(message))] == []
    assert [message.id for message in found if message.fuzzy] == []


def _fields(text: str) -> set[str]:
    return {
        name for _, name, spec, conversion in Formatter().parse(text) if name is not None and not (spec or conversion)
    }


@pytest.mark.parametrize("language", LANGUAGES)
def test_fields_are_the_same_in_text_and_translation(language: str) -> None:
    """A field that is misspelled in a translation stops the page on which it stands; one left out hides a number.

    A form of a plural may leave out its own number ("one", "two"), and what one of the English forms leaves out.
    """
    wrong = []
    for message in _messages(_po(language)):
        ids = [message.id] if isinstance(message.id, str) else list(message.id)
        each = [_fields(text) for text in ids]
        needed, allowed = set.intersection(*each), set.union(*each)
        for string in catalogue.strings(message):
            free = {"count"} if len(ids) > 1 else set()
            if string and not needed - free <= _fields(string) <= allowed:
                wrong.append((ids[0], string))
    assert wrong == []


def _frame(text: str) -> tuple[bool, bool, str]:
    """Blanks at both ends, and the mark that ends the text."""
    last = text.rstrip().rstrip('”“")')[-1:]
    return text[:1].isspace(), text[-1:].isspace(), last if last in ".:?!…" else ""


@pytest.mark.parametrize("language", LANGUAGES)
def test_blanks_and_ends_of_sentences_are_kept(language: str) -> None:
    """Parts that stand beside others carry their own blanks; a sentence ends as a sentence."""
    wrong = []
    for message in _messages(_po(language)):
        ids = [message.id] if isinstance(message.id, str) else list(message.id)
        frames = {_frame(text) for text in ids}
        wrong += [s for s in catalogue.strings(message) if s and message.context is None and _frame(s) not in frames]
    assert wrong == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_commands_stand_as_they_are_typed(language: str) -> None:
    """A command that is translated does nothing."""
    command = re.compile(r"handrail [a-z]+(?: --[a-z-]+)*")
    for message in _messages(_po(language)):
        ids = [message.id] if isinstance(message.id, str) else list(message.id)
        for string in catalogue.strings(message):
            if string:
                assert set(command.findall(string)) <= set(command.findall(" ".join(ids))), ids[0]
                assert set(re.findall(r"--[a-z-]+", ids[0])) == set(re.findall(r"--[a-z-]+", string)), ids[0]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_compiled_catalogue_is_that_of_its_source(language: str) -> None:
    """What is read and what ships is one thing. Mended by: make words."""
    assert (catalogue.FOLDER / f"{language}.mo").read_bytes() == catalogue.compiled(_po(language))


@pytest.mark.parametrize("language", LANGUAGES)
def test_plural_forms_compile_and_fit(language: str) -> None:
    """The rule that picks a form is read by `gettext`; each text has as many forms as the rule picks from."""
    found = _po(language)
    read = gettext.GNUTranslations(io.BytesIO(catalogue.compiled(found)))
    for message in _messages(found):
        if not isinstance(message.id, str) and all(strings := catalogue.strings(message)):
            assert len(strings) == found.num_plurals
            one, many = message.id
            for number in range(200):
                assert read.ngettext(one, many, number) in strings


def test_the_same_sources_give_the_same_bytes(sources: Catalog) -> None:
    """No date, no line number: two people who run make words do not fight in every commit."""
    assert catalogue.written(sources) == catalogue.written(catalogue.extracted())
    for name in [catalogue.TEMPLATE, *catalogue.languages()]:
        assert b"-Date:" not in name.read_bytes()


def _calls(path: Path) -> list[ast.Call]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [
        n
        for n in ast.walk(tree)
        if isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id in TRANSLATORS
    ]


def test_no_text_is_hidden_from_the_extraction() -> None:
    """`tr(f"...")` and `tr(A + B)` are found by nobody and never translated."""
    wrong = []
    for path in SOURCES:
        for call in _calls(path):
            names = [call.args[0]] if call.func.id in ("tr", "mark") else call.args[:2]  # type: ignore[attr-defined]
            wrong += [(path.name, call.lineno) for one in names if isinstance(one, ast.JoinedStr | ast.BinOp)]
    assert wrong == []


@pytest.mark.parametrize("template", texts.templates(), ids=lambda path: path.name)
def test_no_text_stands_outside_the_catalogue_in_a_template(template: Path) -> None:
    """A literal in a template is English in every language. The product's name is the same in all."""
    left = [text for text in texts.literals(template) if re.sub(r"Handrail|[…:|·,. ]", "", text)]
    assert left == []
    attributes = re.findall(r'(?:aria-label|title|alt|placeholder)="([^"{]+)"', template.read_text(encoding="utf-8"))
    assert attributes == []
