"""Turns marshmallow's errors into plain lines that hold no value (S24).

marshmallow's exception carries the whole input in `data` and `valid_data`. Convert it at the boundary with
`problems`, raise what you raise `from None`, and let only these lines out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from marshmallow import ValidationError

from .words import MORE

# A key that somebody misspelled may be a name or a sentence; only what looks like an id is repeated.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9._-]{0,31}")
MOST = 20


def problems(error: ValidationError, say: Callable[[str], str] = str) -> tuple[str, ...]:
    """Lines of the form `path: message`, in the order of the fields, at most 20 and then how many more there are.

    A path joins keys by dots and positions in brackets: `items[3].scale`. Keys that do not look like ids are left out
    as `?`.

    :param say: gives a message as it is shown, in the language of who reads it.
    """
    lines = [f"{path}: {say(message)}" if path else say(message) for path, message in _walk(error.messages, "")]
    if len(lines) > MOST:
        lines[MOST:] = [say(MORE.format(count=len(lines) - MOST))]
    return tuple(lines)


def by_index(error: ValidationError) -> dict[int, tuple[str, ...]]:
    """The problems of a `load(many=True)`, by the position of the record; positions not named were fine."""
    messages = error.messages
    if not isinstance(messages, dict):
        return {}
    return {index: problems(ValidationError(found)) for index, found in messages.items() if isinstance(index, int)}


def _walk(messages: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(messages, dict):
        for key, inner in messages.items():
            yield from _walk(inner, _join(path, key))
    elif isinstance(messages, list):
        for inner in messages:
            yield from _walk(inner, path)
    else:
        yield path, str(messages)


def _join(path: str, key: object) -> str:
    if isinstance(key, int):
        return f"{path}[{key}]"
    if key == "_schema":
        return path
    name = str(key) if _NAME.fullmatch(str(key)) else "?"
    return f"{path}.{name}" if path else name
