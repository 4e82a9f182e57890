"""When two texts are the same question: case, blanks, HTML and typographic quotes do not count, words and numbers do.

Where it is a matter of doubt two texts differ: a form set aside for a respelling is a nuisance, a changed question
scored as the old one is an error that nobody sees. Hence no case folding ("in Maßen" is not "in Massen") and no
compatibility forms ("10²" is not "102").
"""

from __future__ import annotations

import html
import re
import unicodedata
from functools import lru_cache

# Markup by name, so that "<5 and >2" stays what it says.
_TAGS = re.compile(
    r"</?(?:a|b|big|br|div|em|font|h[1-6]|hr|i|li|ol|p|s|small|span|strong|u|ul)(?:\s[^<>]{0,200})?/?>", re.IGNORECASE
)
_SPACES = re.compile(r"\s+")
_LOOKALIKES = str.maketrans(
    dict.fromkeys("‘’‚‛‹›", "'")
    | dict.fromkeys("“”„‟«»", '"')
    | dict.fromkeys("‐‑‒–—―", "-")
    | dict.fromkeys("\u00ad\u200b\u2060\ufeff")
    | {"…": "..."}
)


@lru_cache(maxsize=4096)
def plain(text: str) -> str:
    """The text as it is compared: unescaped, without markup, one kind of quote, dash and blank, lower case."""
    composed = unicodedata.normalize("NFC", readable(text).translate(_LOOKALIKES))
    return _SPACES.sub(" ", composed).strip().lower()


def readable(text: str) -> str:
    """The text as people read it: entities unescaped, without markup, its blanks made one."""
    unescaped = html.unescape(html.unescape(text))
    return _SPACES.sub(" ", _TAGS.sub(" ", unescaped)).strip()


def same(one: str, other: str) -> bool:
    """Whether two texts are the same question or option label."""
    return one == other or plain(one) == plain(other)
