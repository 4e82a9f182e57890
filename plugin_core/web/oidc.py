"""The parts of OAuth 2.0 and OpenID Connect (code flow with PKCE) that sign-in and SMART App Launch share, by Authlib.

Only hosts that the settings name are asked, over https (or on this machine), and no redirect is followed.
"""

from __future__ import annotations

import base64
import hmac
import json
import secrets
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..uris import split
from . import here
from .fetching import json_from

if TYPE_CHECKING:
    from authlib.integrations.requests_client import OAuth2Session

SECONDS = 10
LONGEST_MS = 10 * 60_000
MOST_BYTES = 1_000_000
AT_ONCE = threading.BoundedSemaphore(2)
"""Anybody may begin a sign-in; a provider that answers slowly must not hold every thread of the desk."""
ALGORITHMS = ["RS256", "RS384", "RS512", "ES256", "ES384", "PS256", "PS384", "EdDSA"]


class Failed(Exception):
    """The other side cannot be reached, or its answer cannot be used."""


@dataclass(frozen=True, slots=True)
class Party:
    """Who we are there. `secret` is a reference or empty (a public client); `back` is where a browser is led back to.

    `hosts` are the places (host, or host:port) that may be asked.
    """

    client: str
    secret: str
    scope: str
    back: str
    hosts: Collection[str]


def host_of(address: str) -> str:
    """Host and port of an address."""
    return split(address).netloc


def may_ask(party: Party, address: str) -> bool:
    """Whether an address is at a host that the settings name, protected or on this machine."""
    parts = split(address)
    safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost", "::1"))
    return safe and parts.netloc in party.hosts


@contextmanager
def _turn() -> Iterator[None]:
    """One of the few places for asking outside.

    :raises Failed: they are taken.
    """
    if not AT_ONCE.acquire(timeout=1):
        raise Failed
    try:
        yield
    finally:
        AT_ONCE.release()


def fetch(party: Party, address: str) -> dict[str, Any]:
    """JSON from there.

    :raises Failed: it is another host, cannot be reached, or answers otherwise.
    """
    if not may_ask(party, address):
        raise Failed
    try:
        with _turn():
            found = json_from(address, seconds=SECONDS, most=MOST_BYTES)
    except ValueError:
        raise Failed from None
    if not isinstance(found, dict):
        raise Failed
    return found


def session(party: Party) -> OAuth2Session:
    """Authlib's client for that party."""
    from authlib.integrations.requests_client import OAuth2Session

    from ..store import keys

    secret = None
    if party.secret:
        secret = keys.read(here.desk().settings.reference(party.secret)).reveal()
    made = OAuth2Session(
        party.client,
        secret,
        scope=party.scope,
        redirect_uri=party.back,
        code_challenge_method="S256",
        token_endpoint_auth_method="client_secret_basic" if secret else "none",
    )
    made.trust_env = False
    return made


def exchange(party: Party, endpoint: str, code: str, verifier: str) -> dict[str, Any]:
    """What the token endpoint gives for a code.

    :raises Failed: it is another host, or gives none.
    """
    import requests
    from authlib.common.errors import AuthlibBaseError

    if not may_ask(party, endpoint):
        raise Failed
    try:
        with _turn():
            token = session(party).fetch_token(
                endpoint, code=code, code_verifier=verifier, timeout=SECONDS, allow_redirects=False
            )
    except (AuthlibBaseError, requests.RequestException, ValueError, AttributeError, TypeError):
        raise Failed from None
    return dict(token)


def claims(token: dict[str, Any], signers: dict[str, Any], party: Party, issuer: str, nonce: str) -> dict[str, Any]:
    """What the id token says, after its signature, issuer, audience, time and nonce were checked.

    :raises Failed: one of them is not right.
    """
    from joserfc import jwt
    from joserfc.errors import JoseError
    from joserfc.jwk import KeySet

    try:
        known = KeySet.import_key_set(signers)  # type: ignore[arg-type]
        found = jwt.decode(token.get("id_token", ""), known, algorithms=ALGORITHMS).claims
        rules = jwt.JWTClaimsRegistry(
            now=int(here.now_ms() / 1000), leeway=120, iss={"essential": True, "value": issuer},
            exp={"essential": True}, aud={"essential": True, "value": party.client}, sub={"essential": True},
            nonce={"essential": True, "value": nonce},
        )  # fmt: skip
        rules.validate(found)
    except (JoseError, ValueError, AttributeError, TypeError, KeyError, OverflowError, RecursionError):
        raise Failed from None
    audience = found.get("aud")
    if isinstance(audience, list) and len(audience) > 1 and found.get("azp") != party.client:
        raise Failed
    return dict(found)


# --- what must fit when the browser comes back ----------------------------------------------------------------------


def begin(**more: str) -> dict[str, Any]:
    """State, nonce and verifier of one way there and back."""
    return {
        "state": secrets.token_urlsafe(24),
        "nonce": secrets.token_urlsafe(24),
        "verifier": secrets.token_urlsafe(48),
        "at": here.now_ms(),
        **more,
    }


def signed(purpose: str, kept: dict[str, Any]) -> str:
    """For a cookie: readable by the browser, made by nobody else. The verifier is of use with our own code only."""
    text = base64.urlsafe_b64encode(json.dumps(kept).encode()).decode()
    return f"{text}.{here.keyed(purpose, text)}"


def opened(purpose: str, cookie: str, state: str) -> dict[str, Any] | None:
    """What `signed` kept, if it is ours, young enough, and of this state."""
    text, _, mac = cookie.rpartition(".")
    if not text or not hmac.compare_digest(mac.encode(), here.keyed(purpose, text).encode()):
        return None
    kept: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text))
    fits = hmac.compare_digest(kept["state"].encode(), state.encode())
    return kept if fits and 0 <= here.now_ms() - kept["at"] <= LONGEST_MS else None
