"""Help is in the practice's language: every command, group and option, found by walking the command itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from handrail.plugin_core.cli import cli, run
from handrail.plugin_core.cli.helping import flat
from handrail.plugin_core.manager import Plugins
from handrail.plugin_core.registry import Registry

from . import catalogue

CLICKS_OWN = {"Show this message and exit.", "Show the version and exit."}


def _commands() -> Iterator[click.Command]:
    context = click.Context(cli, info_name="handrail")
    yield cli
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None
        yield command
        if isinstance(command, click.Group):
            yield from command.commands.values()


def test_every_help_text_is_in_the_catalogue() -> None:
    """A text of help that the extraction does not see stays English among German ones."""
    known = {message.id for message in catalogue.extracted() if message.id}
    left = set()
    for command in _commands():
        texts = [command.help, *(param.help for param in command.params if isinstance(param, click.Option))]
        left |= {flat(text) for text in texts if text} - known
    assert left - CLICKS_OWN == set()


def test_what_a_setting_of_a_platform_is_for_is_in_the_catalogue() -> None:
    """`connect` asks for each of them with these words."""
    known = {message.id for message in catalogue.extracted() if message.id}
    told = {
        field.metadata["help"]
        for registered in Registry(Plugins().load()).adapters.values()
        for field in registered.descriptor.settings()().fields.values()
        if "help" in field.metadata
    }
    assert len(told) > 20
    assert told - known == set()


@pytest.fixture
def german(tmp_path: Path) -> Path:
    """Settings that hold a language and nothing else: help must work with settings that are not whole."""
    file = tmp_path / "handrail.toml"
    file.write_text('language = "de-CH"\n', encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("words", "german_text", "english"),
    [
        (["--help"], "Die offenen Hinweise mit ihren Gründen.", "The open flags with their reasons."),
        (["flags", "--help"], "Auch aufgelöste und zurückgezogene Hinweise.", "Cleared and withdrawn flags too."),
        (["plugins", "allow", "--help"], "Ein installiertes Paket zulassen", "Let an installed package be loaded."),
        (["demo", "--help"], "Die ganze Arbeit an einer erfundenen Praxis", "Show the whole job"),
    ],
)
def test_help_speaks_the_practices_language_and_only_there(
    german: Path, capsys: pytest.CaptureFixture[str], words: list[str], german_text: str, english: str
) -> None:
    """Help in German for one practice must not stay German for the next one in the same process."""
    assert run(["--settings", str(german), *words]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert german_text in said
    assert english not in said
    assert run(["--settings", str(german.with_name("none.toml")), *words]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert english in said
    assert german_text not in said


@pytest.mark.parametrize("broken", ['language = "xx"', "language = 3", "language = ["])
def test_help_works_with_a_language_that_is_not_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], broken: str
) -> None:
    """Help is where people look when the settings are wrong."""
    file = tmp_path / "handrail.toml"
    file.write_text(broken, encoding="utf-8")
    assert run(["--settings", str(file), "--help"]) == 0
    assert "The open flags with their reasons." in capsys.readouterr().out
