"""Help in the practice's language: the texts of commands and options are looked up when help is shown.

The decorators of click keep English texts, which are the catalogue's keys; tests/words finds them by the same `flat`.
Click's own words ("Usage", "Options", "default") are in clickwords.py.
"""

from __future__ import annotations

import inspect
from copy import copy
from typing import Any, TypeVar

import click

from ..errors import SettingsError
from ..words import ENGLISH, speak, spoken, tr
from . import clickwords

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
    made.params = [_param(param) for param in command.params]
    made.options_metavar = clickwords.place(made.options_metavar)
    if getattr(made, "_help_option", None) is not None:
        made._help_option = None  # click keeps the one that it made first, in whatever language that was
    if isinstance(made, click.Group):
        made.subcommand_metavar = clickwords.place(made.subcommand_metavar) or ""
        made.commands = {name: translated(one) for name, one in made.commands.items()}
    return made


def _param(param: click.Parameter) -> click.Parameter:
    made = clickwords.with_kind(param)
    if isinstance(made, click.Option):
        made.help = _said(made.help)
    return made


def _said(text: str | None) -> str | None:
    return tr(flat(text)) if text else text
