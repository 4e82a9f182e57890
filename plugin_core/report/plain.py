"""Texts from elsewhere, cleared of what could steer a terminal or mislead on a page (S28)."""

from __future__ import annotations

import unicodedata

_LINE_BREAKS = frozenset("\n\r\t\v\f\x85\u2028\u2029")
_TURNS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def plain(text: object) -> str:
    """Text from elsewhere, made safe to show: no control characters, no characters that turn the line round.

    A name may hold an escape sequence for the terminal or a mark that reverses the reading direction (S28).
    """
    told = str(text)
    return told if told.isprintable() else "".join(_plain(char) for char in told)


def _plain(char: str) -> str:
    if char in _LINE_BREAKS:
        return " "
    if char in _TURNS:
        return ""
    return "\ufffd" if unicodedata.category(char) in ("Cc", "Cs") else char
