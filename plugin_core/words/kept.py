"""Texts that are kept, or made where no language is known: in English as they stand there, translated when shown.

Why a score is missing and why a form was set aside are stored with the form. Stored in the language of the day they
would be a mix for ever, and a rule or a test that reads them would hang on a setting. What a schema says is made below
everything that knows a language. Both are made from the texts below; `told` finds the text again and says it.
"""

from __future__ import annotations

import re
from functools import cache
from string import Formatter

from ...schemas.words import WITH_FIELDS
from . import ENGLISH, mark, spoken, tr

TOO_FEW = mark("{answered} of {of} lines answered, {least} needed")
NOT_ANSWERED = mark("the line was not answered")
SCORER_FAILED = mark("the scorer {scorer} failed ({fault})")
SCORER_BEYOND = mark("the scorer {scorer} gave no score between {low} and {high}")
LINE = mark("line {line}")
A_LINE = mark("a line of the form")
THE_FORM = mark("the form")
THE_WHOLE_FORM = mark("the whole form")
IN_THE_FUTURE = mark("lies in the future")
REFUSED = mark("refused by {plugin}: {reason}")
WHOLE_FILE = mark("the whole file {file}")
FILE_LINE = mark("line {line} of the file {file}")
MISSING_COLUMN = mark("the column {column} is missing, which it had when it was confirmed")
NEW_COLUMNS = mark("columns were added since it was confirmed ({count})")
TOO_LARGE = mark("the form has more than {lines} lines or {levels} levels")

# Who holds the practice's lock, as the lock itself says it.
HOLDER = mark("process {pid} on {host}, {doing} since {since}")
DOING = (
    mark("syncing"), mark("sending"), mark("rescoring"), mark("erasing"), mark("disconnecting"), mark("reassigning"),
    mark("merging"), mark("discharging"), mark("pausing"), mark("typing in a form"), mark("telling of safety answers"),
)  # fmt: skip

# Where in a run something did not go as it should.
PARTS = (mark("safety"), mark("plugins"), mark("rules"), mark("asking"))
# What the files of forms say of themselves, and platforms of a form.
STATES = (
    mark("draft"), mark("published"), mark("completed"), mark("amended"), mark("in-progress"), mark("stopped"),
    mark("entered-in-error"), mark("set-aside"), mark("Free to use: no permission required (public domain by its "
    "publisher's instructions)"),
)  # fmt: skip

# What marshmallow's own fields say, which the settings of a platform are made of.
MARSHMALLOW = (
    mark("Missing data for required field."), mark("Field may not be null."), mark("Invalid value."),
    mark("Not a valid string."), mark("Not a valid boolean."), mark("Not a valid integer."),
    mark("Not a valid number."), mark("Not a valid list."), mark("Not a valid mapping type."), mark("Not a valid URL."),
    mark("Number too large."), mark("Special numeric values (nan or infinity) are not permitted."),
    mark("Invalid input type."), mark("String does not match expected pattern."),
)  # fmt: skip
_MARSHMALLOW_FIELDS = (
    mark("Must be one of: {choices}."), mark("Shorter than minimum length {min}."),
    mark("Longer than maximum length {max}."), mark("Length must be between {min} and {max}."),
    mark("Must be greater than or equal to {min}."), mark("Must be less than or equal to {max}."),
    mark("Must be greater than or equal to {min} and less than or equal to {max}."),
    mark("Must be greater than {min}."), mark("Must be less than {max}."),
    mark("Must be greater than or equal to {min} and less than {max}."),
    mark("Must be greater than {min} and less than or equal to {max}."),
)  # fmt: skip
# What the operating system says of a file.
SYSTEM = (
    mark("Permission denied"), mark("Operation not permitted"), mark("No such file or directory"),
    mark("No space left on device"), mark("Disk quota exceeded"), mark("File too large"),
    mark("Read-only file system"), mark("Is a directory"), mark("Not a directory"), mark("File exists"),
    mark("Input/output error"), mark("File name too long"), mark("Too many open files"),
)  # fmt: skip
_OURS = (
    TOO_FEW, SCORER_FAILED, SCORER_BEYOND, LINE, TOO_LARGE, HOLDER, REFUSED, WHOLE_FILE, FILE_LINE, MISSING_COLUMN,
    NEW_COLUMNS,
)  # fmt: skip
TEMPLATES = (*_OURS, *WITH_FIELDS, *_MARSHMALLOW_FIELDS)


def told(text: str) -> str:
    """A kept text in the language that is spoken; one that is none of ours as it is."""
    if spoken() == ENGLISH or not text:
        return text
    said = tr(text)
    if said != text:
        return said
    for pattern, template in _patterns():
        if found := pattern.fullmatch(text):
            return tr(template, **{name: told(value) for name, value in found.groupdict().items()})
    return text


def why_of(error: OSError) -> str:
    """What the operating system says is wrong with a file."""
    return told(error.strerror or type(error).__name__)


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Each template as what it looks like filled in; those with the most words of their own first."""
    return tuple((_pattern(template), template) for template in sorted(TEMPLATES, key=_own_letters, reverse=True))


def _pattern(template: str) -> re.Pattern[str]:
    parts = []
    for literal, name, _, _ in Formatter().parse(template):
        parts.append(re.escape(literal))
        if name is not None:
            parts.append(f"(?P<{name}>.+)")
    return re.compile("".join(parts), re.DOTALL)


def _own_letters(template: str) -> int:
    return sum(len(literal) for literal, *_ in Formatter().parse(template))
