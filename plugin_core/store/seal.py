"""Sealing: AES-256-GCM for what is stored, keyed hashes for what is looked up. A key for each practice.

A sealed value is `version (1 byte) | key id (2) | nonce (12) | ciphertext and tag`. Its associated data is the table
and the key of the row, so that a value moved to another row, or edited, does not open (S16). The practice's keys are
random and wrapped by the master key that lives outside the store (keys.py); destroying a practice's rows in `keys`
makes the rest of it unreadable.

Nonces are random: 96 bits are safe for 2^32 values under one key (NIST SP 800-38D, 8.3), far above a practice's life.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from hashlib import blake2b

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ..errors import SealBroken
from ..words import tr

KEY_BYTES = 32
NONCES = 512
_FORMAT = b"\x01"


class Sealer:
    """Seals and opens for one practice, and makes its keyed hashes.

    :param practice: its id, part of every hash: the same client in two practices has two keys.
    :param keys: all keys by id, 32 bytes each; the highest id seals, all open (S17). The lowest makes the hashes, which
        therefore survive a rotation.
    :param learn: gives the keys anew when a value is met that was sealed with one made since, by another process.
    """

    __slots__ = ("_ciphers", "_content", "_current", "_head", "_learn", "_lookup", "_nonce", "_trail", "practice")

    def __init__(
        self, practice: str, keys: Mapping[int, bytes], learn: Callable[[], Mapping[int, bytes]] | None = None
    ) -> None:
        self.practice = practice
        self._take(keys)
        self._learn = learn
        root = keys[min(keys)]
        self._lookup = _derive(root, b"look-up")
        self._content = _derive(root, b"content")
        self._trail = _derive(root, b"trail")
        self._nonce = _Nonces()

    def _take(self, keys: Mapping[int, bytes]) -> None:
        self._ciphers = {head_of(number): AESGCM(_derive(key, b"seal")) for number, key in keys.items()}
        self._head = head_of(max(keys))
        self._current = self._ciphers[self._head]

    def __repr__(self) -> str:
        return "Sealer(***)"

    def __reduce__(self) -> str:
        raise TypeError("a Sealer holds keys and is never pickled")  # S12

    def seal(self, place: str, plain: bytes) -> bytes:
        """The sealed value. `place` is table and row key, as `"responses:1:4f…"`."""
        nonce = self._nonce.take()
        return self._head + nonce + self._current.encrypt(nonce, plain, place.encode())

    def open(self, place: str, sealed: bytes) -> bytes:
        """What was sealed at that place. Raises SealBroken when it was edited, moved, or sealed with another key."""
        cipher = self._ciphers.get(sealed[:3])
        if cipher is None and self._learn is not None and sealed[:1] == _FORMAT:
            self._take(self._learn())
            cipher = self._ciphers.get(sealed[:3])
        try:
            if cipher is None:
                raise InvalidTag
            return cipher.decrypt(sealed[3:15], sealed[15:], place.encode())
        except (InvalidTag, ValueError):  # ValueError: cut short, so that not even the nonce is whole
            raise SealBroken(
                tr(
                    "The stored value {place} was changed outside Handrail, or belongs to another row. Nothing was "
                    "repaired. Restore the store from a backup.",
                    place=place,
                )
            ) from None

    def stale(self, sealed: bytes) -> bool:
        """Whether the value was sealed with another key than new ones are."""
        return sealed[:3] != self._head

    def link(self, before: str, *parts: str | None) -> str:
        """64 hex digits over an entry of the audit trail and the link before it (S39); None and "" differ."""
        made = blake2b(before.encode(), digest_size=32, key=self._trail)
        for part in parts:
            made.update(b"-" if part is None else b"+" + _framed(part))
        return made.hexdigest()

    def hash(self, *parts: str) -> str:
        """32 hex digits standing for the parts; stable in this store, useless outside it (S27).

        Parts are length-prefixed, so that ("ab", "c") and ("a", "bc") differ.
        """
        return self.hasher(*parts[:-1])(parts[-1])

    def hasher(self, *first: str) -> Callable[[str], str]:
        """The same for many values that share their first parts: `hasher("a", "b")("c") == hash("a", "b", "c")`."""
        begun = blake2b(digest_size=16, key=self._lookup)
        for part in first:
            begun.update(_framed(part))

        def finish(last: str) -> str:
            made = begun.copy()
            made.update(_framed(last))
            return made.hexdigest()

        return finish

    def fingerprint(self, content: bytes) -> str:
        """32 hex digits for a content: equal contents, equal fingerprints. Keyed, since answers could be guessed."""
        return blake2b(content, digest_size=16, key=self._content).hexdigest()


def head_of(number: int) -> bytes:
    """How values begin that were sealed with the key of that number."""
    return _FORMAT + number.to_bytes(2, "big")


class _Nonces:
    """Random nonces, fetched from the system many at a time: one call for each lets another thread in each time.

    A process that was forked fetches its own: one nonce used twice under one key would give both plaintexts away.
    """

    __slots__ = ("_left", "_of")

    def __init__(self) -> None:
        self._left: list[bytes] = []
        self._of = 0

    def take(self) -> bytes:
        """12 bytes that nobody else gets. Safe between threads: a list gives each entry once."""
        if self._of != os.getpid():
            self._left, self._of = [], os.getpid()
        left = self._left
        while True:
            try:
                return left.pop()
            except IndexError:
                many = os.urandom(12 * NONCES)
                left.extend(many[at : at + 12] for at in range(0, len(many), 12))


def _framed(part: str) -> bytes:
    raw = part.encode("utf-8", "surrogatepass")
    return len(raw).to_bytes(4, "big") + raw


def _derive(key: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"handrail/1/" + purpose).derive(key)


def backup_cipher(master: bytes, salt: bytes) -> AESGCM:
    """The cipher of one backup file; `salt` is random and makes the key this file's own, so that nonces may count."""
    return AESGCM(HKDF(algorithm=SHA256(), length=32, salt=salt, info=b"handrail/1/backup").derive(master))


def file_key(master: bytes) -> bytes:
    """The key of a store that is encrypted as a whole file (whole.py)."""
    return _derive(master, b"file")


def wrap(master: bytes, practice: str, number: int, key: bytes) -> bytes:
    """A practice's key as it is kept in the store."""
    nonce = os.urandom(12)
    return nonce + AESGCM(_derive(master, b"wrap")).encrypt(nonce, key, f"{practice}:{number}".encode())


def unwrap(master: bytes, practice: str, number: int, wrapped: bytes) -> bytes | None:
    """The practice's key, or None when the master key is not the one it was wrapped with."""
    try:
        return AESGCM(_derive(master, b"wrap")).decrypt(wrapped[:12], wrapped[12:], f"{practice}:{number}".encode())
    except (InvalidTag, ValueError):
        return None
