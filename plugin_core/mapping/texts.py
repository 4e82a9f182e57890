"""When two texts are the same question: case, blanks, HTML entities and typographic quotes do not count, words do."""

from __future__ import annotations

import html
import re
import unicodedata
from functools import lru_cache

_TAGS = re.compile(r"<[^<>]{0,200}>")
_SPACES = re.compile(r"\s+")
_LOOKALIKES = str.maketrans(
    {"‘": "'", "’": "'", "‚": "'", "“": '"', "”": '"', "„": '"', "–": "-", "—": "-", "…": "..."}
)


@lru_cache(maxsize=4096)
def plain(text: str) -> str:
    """The text as it is compared: unescaped, without markup, one kind of quote, dash and blank, lower case."""
    unescaped = html.unescape(html.unescape(text))
    folded = unicodedata.normalize("NFKC", _TAGS.sub(" ", unescaped)).translate(_LOOKALIKES)
    return _SPACES.sub(" ", folded).strip().casefold()


def same(one: str, other: str) -> bool:
    """Whether two texts are the same question or option label."""
    return one == other or plain(one) == plain(other)
