"""How a request proves who it comes from: nothing, a name and password, or a fixed token. SMART has its own module."""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64decode
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

from ..plugin_core.words import tr
from .secret import Secret

FORTNIGHT = 14 * 24 * 3600.0


class Auth(Protocol):
    """What `http.py` asks before each request, and once more after a 401."""

    def header(self) -> Secret | None:
        """The value of the `Authorization` header, or None for none. May fetch a token first."""
        ...

    def renew(self, refused: Secret | None) -> bool:
        """Whether there is something newer than the header that was just `refused` (F41, F44)."""
        ...


class NoAuth:
    """For servers that are open on a closed network, such as a HAPI starter behind a gateway."""

    def header(self) -> Secret | None:
        return None

    def renew(self, refused: Secret | None) -> bool:  # noqa: ARG002 - the protocol's
        return False


class Fixed:
    """A header made from a stored secret, read anew for each request, as the secret may have been rotated."""

    def __init__(self, make: Callable[[], str]) -> None:
        self._make = make

    def header(self) -> Secret | None:
        return Secret(self._make())

    def renew(self, refused: Secret | None) -> bool:
        return refused is not None and self._make() != refused.reveal()


def expiring(token: str, now: float) -> list[str]:
    """A sentence where a fixed token says itself (`exp` of a JWT, RFC 7519) that it ends within a fortnight.

    It is only read, not verified: the server decides. Tokens of other kinds say nothing.
    """
    try:
        middle = token.split(".")[1]
        ends = float(json.loads(urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))["exp"])
        day = datetime.fromtimestamp(ends, UTC).strftime("%Y-%m-%d")
    except (IndexError, ValueError, KeyError, TypeError, OverflowError, OSError, RecursionError):
        return []
    if ends - now > FORTNIGHT:
        return []
    return [
        tr("The platform's token ends on {day}. Have a new one made there in time, then: handrail connect", day=day)
    ]


def basic(user: str, password: Callable[[], str]) -> Fixed:
    """HTTP Basic (RFC 7617), in UTF-8."""
    return Fixed(lambda: "Basic " + b64encode(f"{user}:{password()}".encode()).decode())


def bearer(token: Callable[[], str]) -> Fixed:
    """A token that somebody made on the platform and pasted once."""
    return Fixed(lambda: "Bearer " + token().strip())
