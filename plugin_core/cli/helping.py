"""Help in the practice's language: the texts of commands and options are looked up when help is shown.

The decorators of click keep English texts, which are the catalogue's keys; tests/words finds them by the same `flat`.
Click's own words ("Usage", "Options", "default") stay English: click takes them from catalogues of the whole process,
chosen by the system's locale, and a practice's language is neither.
"""

from __future__ import annotations

import inspect
from copy import copy
from typing import Any, TypeVar

import click

from ..errors import SettingsError
from ..words import ENGLISH, speak, spoken, tr

C = TypeVar("C", bound=click.Command)


def flat(text: str) -> str:
    """A docstring or help text as the catalogue has it: paragraphs without the line breaks of the source."""
    return "\n\n".join(" ".join(part.split()) for part in inspect.cleandoc(text).split("\n\n"))


def speak_as_set(settings: dict[str, Any]) -> None:
    """Speaks the language of raw settings. One that is not there is refused later, by whoever reads them in earnest."""
    language = settings.get("language", ENGLISH)
    if language == ENGLISH or not isinstance(language, str):
        return
    try:
        speak(language)
    except SettingsError:
        return


def translated(command: C) -> C:
    """The command with its help in the language that is spoken; a copy, as two languages may share a process."""
    if spoken() == ENGLISH:
        return command
    made = copy(command)
    made.help, made.short_help = _said(command.help), _said(command.short_help)
    made.params = [_option(param) for param in command.params]
    if isinstance(made, click.Group):
        made.commands = {name: translated(one) for name, one in made.commands.items()}
    return made


def _option(param: click.Parameter) -> click.Parameter:
    if not isinstance(param, click.Option) or not param.help:
        return param
    made = copy(param)
    made.help = _said(param.help)
    return made


def _said(text: str | None) -> str | None:
    return tr(flat(text)) if text else text
