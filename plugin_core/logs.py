"""Log lines that nobody can forge, for people or for machines (S26).

What is logged holds no names, answers or references (S23); that is for those who write the lines. This is for what they
quote all the same: names of plugins, of files, of tables, in which a line end or a terminal's codes may hide.
"""

from __future__ import annotations

import json
import logging
import sys
import unicodedata
from datetime import UTC, datetime

_TEXT = "%(levelname)s %(name)s: %(message)s"


def one_line(text: str) -> str:
    """The text with control, format and line-separating characters written as escapes: `\\n`, `\\x1b`, `\\u202e`."""
    return "".join(
        letter if unicodedata.category(letter) not in ("Cc", "Cf", "Zl", "Zp", "Cs") else _escaped(letter)
        for letter in text
    )


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape", "surrogatepass").decode("ascii")


class Plain(logging.Formatter):
    """One line for a person."""

    def __init__(self) -> None:
        super().__init__(_TEXT)

    def format(self, record: logging.LogRecord) -> str:
        return one_line(super().format(record))


class Structured(logging.Formatter):
    """One JSON object a line: `at` (UTC), `level`, `where`, `said`."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        said = one_line(super().format(record))
        return json.dumps({"at": at, "level": record.levelname, "where": record.name, "said": said})


def set_up(*, verbose: bool, as_json: bool) -> None:
    """Logs of this process go to standard error: errors alone, or with `verbose` what is done."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Structured() if as_json else Plain())
    logging.basicConfig(level=logging.INFO if verbose else logging.ERROR, handlers=[handler])
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # its lines hold query strings (S23)
