"""Signed tokens (JWT, RFC 7519) of record systems that the settings name: who signed, for which address, only once.

Keys come from the settings: a file, or one https address of the record system that is asked now and then. What a
token says of itself about keys (`jku`, `x5u`) is not followed. Tokens live minutes; one that was seen before, or was
made before this program began to listen, is refused, so that no list of seen ones has to outlive it.
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from ..settings_web import RecordSystem
from ..words import mark, tr
from .fetching import json_from

ALGORITHMS = ["ES384", "RS384", "ES256", "RS256", "PS384", "PS256"]
LONGEST = 4096
LIFE = 600.0
LEEWAY = 30.0
ASK_AGAIN = 3600.0
ASK_FOR_NEW = 60.0
ASK_AFTER_FAULT = 15.0
"""Anybody can send a token with an unknown key: each would make the desk wait for a record system that is down."""
SECONDS = 3
MOST_SEEN = 20_000
MOST_BYTES = 100_000

NONE_CAME = mark("No signed token came with the request.")
UNKNOWN = mark("The token's issuer is not among those of the settings ([[web.record_systems]]).")
NOT_SIGNED = mark("The token is not signed with a key of its issuer, or in a way that is not taken here.")
OTHER_AUDIENCE = mark("The token is made for another address than this one.")
NOT_NOW = mark("The token is too old, too new, or lives too long.")
AGAIN = mark("The token was used before.")
NO_KEYS = mark("The keys of the record system could not be read. Check keys in the settings.")


class Refused(Exception):
    """The token does not count; the text says why, for whoever sets the record system up."""


@dataclass(slots=True)
class _Keys:
    found: KeySet
    asked: float


@dataclass(slots=True)
class Tokens:
    """Checks tokens for one desk; safe between threads. `folder` is where key files of the settings lie."""

    systems: tuple[RecordSystem, ...]
    folder: Path
    now: Any = time.time
    _begun: float = 0.0
    _keys: dict[str, _Keys] = field(default_factory=dict)
    _failed: dict[str, float] = field(default_factory=dict)
    _seen: dict[str, float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _asking: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._begun = self.now()

    def check(self, header: str | None, audience: str) -> RecordSystem:
        """Who signed the token of an `Authorization` header.

        :param audience: the address that was called, as the record system knows it.
        :raises Refused: it does not count.
        """
        kind, _, text = (header or "").partition(" ")
        text = text.strip()
        if kind.lower() != "bearer" or not text or len(text) > LONGEST:
            raise Refused(tr(NONE_CAME))
        system = self._issuer(text)
        claims = self._verified(text, system)
        if audience not in _listed(claims.get("aud")):
            raise Refused(tr(OTHER_AUDIENCE))
        self._in_time(claims)
        self._once(system, claims)
        return system

    def _issuer(self, text: str) -> RecordSystem:
        """The system that the token says it is from; only its own keys can then confirm that."""
        from joserfc.jws import extract_compact

        try:
            said = json.loads(extract_compact(text.encode()).payload)
            issuer = said["iss"]
        except (JoseError, ValueError, KeyError, TypeError, RecursionError):
            raise Refused(tr(NOT_SIGNED)) from None
        found = next((one for one in self.systems if one.issuer == issuer), None)
        if found is None:
            raise Refused(tr(UNKNOWN))
        return found

    def _verified(self, text: str, system: RecordSystem) -> dict[str, Any]:
        for fresh in (False, True):  # keys are changed now and then: a token by an unknown one asks once more
            try:
                return dict(jwt.decode(text, self._keys_of(system, fresh=fresh), algorithms=ALGORITHMS).claims)
            except (JoseError, ValueError, TypeError, KeyError, RecursionError):
                continue
        raise Refused(tr(NOT_SIGNED))

    def _keys_of(self, system: RecordSystem, *, fresh: bool) -> KeySet:
        wait = ASK_FOR_NEW if fresh else ASK_AGAIN
        known = self._keys.get(system.issuer)
        if known is not None and self.now() - known.asked < wait:
            return known.found
        with self._asking:  # one asks, the others wait for what it gets
            known = self._keys.get(system.issuer)
            if known is not None and self.now() - known.asked < wait:
                return known.found
            if self.now() - self._failed.get(system.issuer, float("-inf")) >= ASK_AFTER_FAULT:
                known = self._asked_for(system) or known
        if known is None:
            raise Refused(tr(NO_KEYS))
        return known.found

    def _asked_for(self, system: RecordSystem) -> _Keys | None:
        try:
            found = _Keys(KeySet.import_key_set(_public(self._raw(system.keys))), self.now())
        except (OSError, ValueError, TypeError, KeyError, RecursionError, JoseError):
            self._failed[system.issuer] = self.now()
            return None
        self._keys[system.issuer] = found
        return found

    def _raw(self, where: str) -> Any:
        if where.startswith("file:"):
            return json.loads((self.folder / where.removeprefix("file:")).read_text(encoding="utf-8"))
        return json_from(where, seconds=SECONDS, most=MOST_BYTES)

    def _in_time(self, claims: dict[str, Any]) -> None:
        begun, ends, now = _moment(claims.get("iat")), _moment(claims.get("exp")), self.now()
        if begun is None or ends is None:
            raise Refused(tr(NOT_NOW))
        if not (self._begun - LEEWAY <= begun <= now + LEEWAY and now - LEEWAY < ends <= begun + LIFE):
            raise Refused(tr(NOT_NOW))

    def _once(self, system: RecordSystem, claims: dict[str, Any]) -> None:
        name = claims.get("jti")
        if not isinstance(name, str) or not 1 <= len(name) <= 200:
            raise Refused(tr(AGAIN))
        key, now = f"{system.issuer} {name}", self.now()
        with self._lock:
            if self._seen.get(key, 0.0) > now:
                raise Refused(tr(AGAIN))
            if len(self._seen) >= MOST_SEEN:
                self._seen = {one: until for one, until in self._seen.items() if until > now}
            self._seen[key] = now + LIFE + 2 * LEEWAY


def _moment(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:  # a number of hundreds of digits
        return None


def _listed(audience: Any) -> list[str]:
    return [one for one in (audience if isinstance(audience, list) else [audience]) if isinstance(one, str)]


def _public(raw: Any) -> Any:
    """The public parts of a key set: a file may hold the private ones by mistake, and symmetric keys sign nothing."""
    return {"keys": [one for one in raw["keys"] if isinstance(one, dict) and one.get("kty") in ("RSA", "EC")]}
