"""Reads JSON whose letters cannot be read as sent: half of a pair (`\\ud83d`, of an emoji that was cut), bytes
that are no UTF-8, a bare tab. One such record would else keep its page from being read, in every run (F52).
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

REFUSED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[dD][89a-fA-F][0-9a-fA-F]{2}|.)", re.DOTALL
)
_BLANKS = bytes(0x20 if byte < 0x20 else byte for byte in range(256))
_LONE = 6  # bytes of an escape of half a pair


def read_json(data: bytes) -> Any:
    """What the bytes hold; where they cannot be read, with U+FFFD for each letter that is none.

    Raises one of `REFUSED` for what is cut off or is no JSON.
    """
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return msgspec.json.decode(mended(data))


def mended(data: bytes) -> bytes:
    """The same JSON with U+FFFD for each letter that is none. No letter that is one is changed: control characters are
    blanks between the parts of JSON, and have no place in its texts."""
    letters = data.decode(errors="replace").encode().translate(_BLANKS)
    return _ESCAPE.sub(_letter, letters)


def _letter(escape: re.Match[bytes]) -> bytes:
    text = escape.group()
    return rb"\ufffd" if len(text) == _LONE else text
