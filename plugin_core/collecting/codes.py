"""The short code of a request: what is printed on a sheet instead of the client's name.

It is the start of the request's key (client, form and due day, hashed with the practice's own key), written with the
letters and digits that people do not mix up. Nobody can read anything from it without the practice's store.
"""

from __future__ import annotations

from collections.abc import Callable

LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH = 8
_BITS = 5
_HEX = LENGTH * _BITS // 4
_READ_AS = str.maketrans({"O": "0", "I": "1", "L": "1", "-": None, " ": None})


def code_of(key: str) -> str:
    """The code of a request's key (at least ten hexadecimal digits), as K7QF-2M9X."""
    number = int(key[:_HEX], 16)
    letters = "".join(LETTERS[number >> shift & 31] for shift in range((LENGTH - 1) * _BITS, -1, -_BITS))
    return f"{letters[:4]}-{letters[4:]}"


def start_of_key(code: str) -> str | None:
    """The start of the key that a code stands for, however it was typed; None: it is no code."""
    letters = code.upper().translate(_READ_AS)
    if len(letters) != LENGTH or not set(letters) <= set(LETTERS):
        return None
    number = 0
    for letter in letters:
        number = number << _BITS | LETTERS.index(letter)
    return f"{number:0{_HEX}x}"


TABLET = 6


def tablet_code(pick: Callable[[str], str]) -> str:
    """A code that a client types on the practice's tablet, as K7QF2M. `pick` chooses one of the letters."""
    return "".join(pick(LETTERS) for _ in range(TABLET))


def typed(code: str) -> str | None:
    """A tablet's code, however it was typed; None: it is none."""
    letters = code.upper().translate(_READ_AS)
    return letters if len(letters) == TABLET and set(letters) <= set(LETTERS) else None
