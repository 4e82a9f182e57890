"""An author's key from words that only they know, for the desk, where nobody has a keyring of their own.

The key is made anew each time and never stored; the store keeps a known text sealed with it, by which a wrong phrase is
told. Argon2id (RFC 9106, for little memory) makes guessing slow; the salt follows from the practice's own key.
"""

from __future__ import annotations

import unicodedata

from ..errors import UsageError
from ..store.seal import Sealer
from ..words import tr

SHORTEST, LONGEST = 12, 200
KIB, PASSES, LANES, BYTES = 64 * 1024, 3, 4, 32


def check(phrase: str) -> None:
    """Refuses what is guessed first.

    :raises UsageError: it is too short or too long.
    """
    if not SHORTEST <= len(phrase.strip()) <= LONGEST or len(set(phrase.casefold())) < 5:
        raise UsageError(tr("The phrase has at least {least} signs. Five words that have nothing to do with each other "
                            "are good.", least=SHORTEST))  # fmt: skip


def key_of(sealer: Sealer, author: str, phrase: str) -> bytes:
    """The 32 bytes that a phrase stands for, for this author in this practice."""
    from argon2.low_level import Type, hash_secret_raw

    salt = bytes.fromhex(sealer.hash("self-check phrase", author))
    words = unicodedata.normalize("NFKC", phrase).strip().encode()
    return hash_secret_raw(words, salt, PASSES, KIB, LANES, BYTES, Type.ID)
