"""Click's own words are in the practice's language, here and nowhere else, and a new click that words them otherwise
is noticed."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from handrail.plugin_core.cli import cli, clickwords, run
from handrail.plugin_core.words import speaking

NOT_SHOWN = {
    # Said to programmers, by parts that are not used here, or by shells and editors.
    "'d'", "(dynamic)", "deprecated", "env var: {var}", "unknown error", "Value must be an iterable.",
    "Do you want to continue?", "Confirm the action without prompting.", "%(prog)s, version %(version)s",
    "Missing parameter: {param_name}", "Invalid start character for option ({option})", "Choice({choices})",
    "Press any key to continue...", "Repeat for confirmation", "Unknown color {colour!r}", "Error: invalid input",
    "Unknown standard stream '{name}'", "Name '{name}' defined twice", "{value!r} is not a valid UUID.",
    "{name} {filename!r} is not executable.",
    "{value!r} is not a valid boolean. Recognized values: {states}",
    "{value!r} does not match the format {format}.", "Takes {nargs} values but 1 was given.",
    "{len_type} values are required, but {len_value} was given.",
    "DeprecationWarning: The command {name!r} is deprecated.{extra_message}",
    "DeprecationWarning: The {param_type} {name!r} is deprecated.{extra_message}",
    "Could not determine name for option with declarations {decls!r}",
    "No options defined but a name was passed ({name}). Did you mean to declare an argument instead? Did you mean to "
    "pass '--{name}'?",
    "Arguments take exactly one parameter declaration, got {length}: {decls}.",
    "Boolean option {decl!r} cannot use the same flag for true/false.",
    "file", "directory", "path",  # kinds of values, in clickwords.KINDS
}  # fmt: skip


def _of_click() -> Iterator[str]:
    """The texts that the installed click hands to gettext; of those by number the one for one."""
    folder = Path(click.__file__).parent
    for name in clickwords.MODULES:
        for node in ast.walk(ast.parse((folder / f"{name}.py").read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("_", "ngettext"):
                yield from (str(one.value) for one in node.args[:1] if isinstance(one, ast.Constant))


def test_a_click_that_says_something_else_is_noticed() -> None:
    """A reworded text would stand in English among German ones until somebody stumbles over it."""
    listed = clickwords.TEXTS | {one for one, _ in clickwords.BY_NUMBER}
    assert set(_of_click()) - listed - NOT_SHOWN == set()


@pytest.fixture
def german(tmp_path: Path) -> Path:
    """Settings that hold a language and nothing else."""
    file = tmp_path / "handrail.toml"
    file.write_text('language = "de"\n', encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--foo"], ["Aufruf: handrail [OPTIONEN] BEFEHL", "Die Option '--foo' gibt es nicht."]),
        (["flags", "--foo"], ["Aufruf: handrail flags [OPTIONEN]", "Hilfe: handrail flags --help."]),
        (["hold"], ["Fehler: Es fehlt die Angabe 'CLIENT'."]),
        (["connect", "fhir", "--set"], ["Die Option '--set' braucht eine Angabe."]),
        (["enrol", "x", "--every-weeks", "x"], ["'x' ist nicht gültig (nötig: Zahl)."]),
        (["ack", "x", "--useful", "x"], ["'x' gehört nicht zu:"]),
        (["due", "x", "y", "z"], ["Diese Angaben sind zu viel (x y z)"]),
        (["nix"], ["Es gibt keinen Befehl 'nix'."]),
    ],
)
def test_wrong_usage_is_told_in_german(
    german: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: list[str]
) -> None:
    """Who mistypes is helped by a sentence that they can read; and the next practice reads its own language."""
    assert run(["--settings", str(german), *words]) == 2
    told = capsys.readouterr().err
    assert all(one in told for one in said), told
    assert not {"Usage", "Error", "Try '", "[OPTIONS]"} & set(told.replace(":", " ").split()), told
    assert run(["--settings", str(german.with_name("none.toml")), *words]) == 2
    assert "Error: " in capsys.readouterr().err


def test_no_help_page_holds_a_word_of_clicks_own_in_english(german: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every command's page, groups' commands included."""
    context = click.Context(cli, info_name="handrail")
    pages = [[name] for name in cli.list_commands(context)]
    for (name,) in list(pages):
        command = cli.get_command(context, name)
        if isinstance(command, click.Group):
            pages += [[name, inner] for inner in command.commands]
    english = ("Usage:", "Options:", "[OPTIONS]", "COMMAND", "INTEGER", "FLOAT", " PATH", "DIRECTORY", "YYYY",
               "Show this message", "[default", "[required")  # fmt: skip
    for words in pages:
        assert run(["--settings", str(german), *words, "--help"]) == 0
        said = capsys.readouterr().out
        assert [one for one in english if one in said] == [], words


@pytest.mark.parametrize(("typed", "agreed"), [("j", True), ("ja", True), ("y", True), ("n", False), ("", False)])
def test_yes_is_said_in_ones_own_language(monkeypatch: pytest.MonkeyPatch, typed: str, agreed: bool) -> None:
    """A German who types j at "[y/N]" would be asked for ever, or take it for a no."""
    asked: list[str] = []

    def answer(text: str) -> str:
        asked.append(text)
        return typed

    monkeypatch.setattr(click.termui, "visible_prompt_func", answer)
    with speaking("de"):
        assert clickwords.agree("Wirklich?") is agreed
    assert "[j/N]" in asked[0]


def test_what_is_neither_is_asked_again(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Deleting on a slip of the finger is no answer."""
    typed = iter(["vielleicht", "nein"])
    monkeypatch.setattr(click.termui, "visible_prompt_func", lambda _: next(typed))
    with speaking("de"), pytest.raises(click.Abort):
        clickwords.agree("Alles löschen?", abort=True)
    assert "j oder n" in capsys.readouterr().out
