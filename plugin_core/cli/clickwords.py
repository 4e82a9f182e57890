"""Click's own words in the practice's language: "Usage", "Missing option", "No such command", the y/N of a question.

Click asks gettext for them, whose language is that of the whole process and comes from the system's locale. A
practice's language is neither. So its modules are given our look-up in place of gettext's; in English, and for texts
that are not listed here, it hands on to gettext, so that nothing changes for others who use click in this process. A
text that a later click words otherwise is shown in English until it is listed.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from importlib import import_module
from typing import TypeVar

import click

from ..words import ENGLISH, mark, markn, markp, plural, spoken, tr, trp

P = TypeVar("P", bound=click.Parameter)

TEXTS = frozenset(
    {
        mark("Usage:"), mark("Options"), mark("Commands"), mark("Positional arguments"), mark("Error: {message}"),
        mark("Try '{command} {option}' for help."), mark("Show this message and exit."),
        mark("Show the version and exit."), mark("default: {default}"), mark("required"), mark("Aborted!"),
        mark("Invalid value: {message}"), mark("Invalid value for {param_hint}: {message}"), mark("Missing argument"),
        mark("Missing option"), mark("Missing parameter"), mark("Missing {param_type}"), mark("Missing command."),
        mark("No such option {name!r}."), mark("No such option: {name}"), mark("No such command {name!r}."),
        mark("Option {name!r} does not take a value."), mark("Argument {name!r} takes {nargs} values."),
        mark("Choose from:\n\t{choices}"), mark("{value!r} is not a valid {number_type}."),
        mark("{value} is not in the range {range}."), mark("{name} {filename!r} does not exist."),
        mark("{name} {filename!r} is a file."), mark("{name} {filename!r} is a directory."),
        mark("{name} {filename!r} is not readable."), mark("{name} {filename!r} is not writable."),
        mark("Could not open file {filename!r}: {message}"), mark("Error: The two entered values do not match."),
    }
)  # fmt: skip
BY_NUMBER = frozenset(
    {
        markn("Did you mean {possibility}?", "(Did you mean one of: {possibilities}?)"),
        markn("Did you mean {possibility}?", "(Possible options: {possibilities})"),
        markn("Got unexpected extra argument ({args})", "Got unexpected extra arguments ({args})"),
        markn("Option {name!r} requires an argument.", "Option {name!r} requires {nargs} arguments."),
        markn("{value!r} is not {choice}.", "{value!r} is not one of {choices}."),
    }
)
KINDS = {
    "text": markp("kind of value", "text"),
    "integer": markp("kind of value", "whole number"),
    "integer range": markp("kind of value", "whole number"),
    "float": markp("kind of value", "number"),
    "float range": markp("kind of value", "number"),
    "path": markp("kind of value", "path"),
    "file": markp("kind of value", "file"),
    "filename": markp("kind of value", "file"),
    "directory": markp("kind of value", "folder"),
}
PLACES = {
    "[OPTIONS]": mark("[OPTIONS]"),
    "COMMAND [ARGS]...": mark("COMMAND [ARGS]..."),
    "[COMMAND] [ARGS]...": mark("[COMMAND] [ARGS]..."),
}
YES, NO = markp("answer", "y"), markp("answer", "n")
YES_WORD, NO_WORD = markp("answer", "yes"), markp("answer", "no")
MODULES = ("core", "decorators", "exceptions", "formatting", "parser", "termui", "types")


def _text(before: Callable[[str], str]) -> Callable[[str], str]:
    def said(text: str) -> str:
        return before(text) if spoken() == ENGLISH or text not in TEXTS else tr(text)

    return said


def _by_number(before: Callable[[str, str, int], str]) -> Callable[[str, str, int], str]:
    def said(one: str, more: str, number: int) -> str:
        if spoken() == ENGLISH or (one, more) not in BY_NUMBER:
            return before(one, more, number)
        return plural(one, more, number)

    return said


def install() -> None:
    """Gives click's modules our look-up; once, however often it is called."""
    for name in MODULES:
        module = import_module(f"click.{name}")
        for attribute, ours in (("_", _text), ("ngettext", _by_number)):
            before = vars(module).get(attribute)
            if before is not None and getattr(before, "__module__", "") != __name__:
                setattr(module, attribute, ours(before))


def place(metavar: str | None) -> str | None:
    """What stands for options or for a command in a usage line."""
    return tr(PLACES[metavar]) if metavar in PLACES else metavar


def with_kind(param: P) -> P:
    """The parameter with the kind of its value named in the language that is spoken; a copy."""
    made = copy(param)
    if named := KINDS.get(made.type.name):
        made.type = copy(made.type)
        made.type.name = trp("kind of value", named)
    return made


def agree(question: str, *, default: bool = False, abort: bool = False) -> bool:
    """A question to be answered by yes or no, in the letters of the language that is spoken; English ones work, too.

    :raises click.Abort: the answer is no, and `abort` says that this ends the command; or there is none.
    """
    if spoken() == ENGLISH:
        return click.confirm(question, default=default, abort=abort)
    yes, no = trp("answer", YES), trp("answer", NO)
    answers = {"y": True, "yes": True, "n": False, "no": False, yes: True, no: False, "": default}
    answers |= {trp("answer", YES_WORD): True, trp("answer", NO_WORD): False}
    shown = f"{yes.upper()}/{no}" if default else f"{yes}/{no.upper()}"
    while True:
        given = click.prompt(f"{question} [{shown}]", default="", show_default=False).strip().casefold()
        if given in answers:
            break
        click.echo(tr("Please answer with {yes} or {no}.", yes=yes, no=no))
    if abort and not answers[given]:
        raise click.Abort
    return answers[given]
