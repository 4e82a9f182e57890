"""When two texts are the same question: case, blanks, HTML and typographic quotes do not count, words and numbers do.

Where it is a matter of doubt two texts differ: a form set aside for a respelling is a nuisance, a changed question
scored as the old one is an error that nobody sees. Hence no case folding ("in Maßen" is not "in Massen") and no
compatibility forms ("10²" is not "102").
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections import Counter
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
# "3. ", "3) ", "Q3: ", "(c) ": how platforms and people number questions.
_NUMBERING = re.compile(r"(?:question|item|frage|nr\.?|no\.?)?\s*\(?(?:[a-z]{0,2}\d{1,3}[a-z]?|[a-z])[.):]+\s+(?=\S)")
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")
# Words by which a sentence asks something else; a prefix that negates (un-, in-, dis-) does the same.
_TURNING = (
    "not no never none nothing nobody neither nor without with cannot hardly rarely seldom always sometimes often "
    "usually less more fewer most least too before after until since during last past next first week weeks month "
    "months day days year years today yesterday session sessions therapist therapist's therapy therapists only alone "
    "together stop stopped start started able unable you your he his she her they their we our us except "
    "nicht kein keine keinen keiner keines keinem nie niemals nichts niemand ohne mit weniger mehr kaum selten immer "
    "manchmal oft meist vor nach bis seit letzte letzten nächste nächsten woche wochen monat monate monaten tag tage "
    "tagen jahr jahre heute gestern sitzung sitzungen therapeut therapeutin therapie nur allein zusammen "
    "sie ihr ihre er sein seine wir uns unser außer"
)
TURNING = frozenset(_TURNING.split())
_NEGATING = ("un", "in", "im", "dis", "non", "ir", "il", "miss")


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


@lru_cache(maxsize=4096)
def bare(text: str) -> str:
    """As `plain`, without a number before the text and without the sign at its end."""
    found = plain(text)
    return _NUMBERING.sub("", found, count=1).rstrip(" .:;!?") if _NUMBERING.match(found) else found.rstrip(" .:;!?")


def turned(one: str, other: str) -> tuple[str, ...]:
    """The words in which two texts differ and that make another question of one, sorted; none where nothing turns.

    Numbers count, and n't; so does a word that stands in one with a negating prefix and in the other without.
    """
    mine, theirs = Counter(_WORD.findall(bare(one))), Counter(_WORD.findall(bare(other)))
    here, there = mine - theirs, theirs - mine
    found = {word for word in (here + there) if word in TURNING or word.isdigit() or word.endswith("n't")}
    for some, others in ((here, there), (there, here)):
        found |= {
            word
            for word in some
            for prefix in _NEGATING
            if word.startswith(prefix) and word.removeprefix(prefix) in others
        }
    return tuple(sorted(found))
