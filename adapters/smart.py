"""SMART Backend Services: signs in with a key of ours and keeps the short-lived token fresh (F41 to F45).

https://hl7.org/fhir/smart-app-launch/backend-services.html and client-confidential-asymmetric.html
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from ..plugin_core.errors import NotTheApi, SettingsError
from ..plugin_core.words import tr
from .addresses import Base
from .secret import Secret
from .tokens import MAX_BODY, allowed_endpoint, ask, post_form, read_token
from .transport import Reply, Transport
from .waiting import Patience

if TYPE_CHECKING:
    from joserfc.jwk import ECKey, RSAKey

ASSERTION_SECONDS = 240
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class _Discovery(msgspec.Struct):
    token_endpoint: str | None = None


@dataclass(frozen=True, slots=True)
class Registration:
    """What was agreed with the platform. `private_key` is read at each use: PEM or JWK text.

    `token_url` overrides discovery; a token endpoint on another host is used only if `allowed_hosts` names it.
    """

    client_id: str
    private_key: Callable[[], str]
    scopes: str
    algorithm: str | None = None
    key_id: str | None = None
    token_url: str | None = None
    allowed_hosts: Sequence[str] = ()
    allow_http: bool = False


class SmartBackend:
    """Gives a fresh token, fetched once for all threads that need it (F42)."""

    def __init__(self, base: Base, transport: Transport, patience: Patience, registration: Registration) -> None:
        self._base = base
        self._transport = transport
        self._patience = patience
        self._registered = registration
        self._lock = threading.Lock()
        self._token: Secret | None = None
        self._fresh_until = 0.0
        self._endpoint: str | None = None
        self.granted: str | None = None

    def header(self) -> Secret | None:
        """The bearer header. Raises Denied when the sign-in is refused, Unreachable when it cannot be asked (F45)."""
        with self._lock:
            if self._token is None or self._patience.now() >= self._fresh_until:
                self._fetch()
            return self._token

    def renew(self, refused: Secret | None) -> bool:
        """Fetches a new token unless another thread has done so meanwhile."""
        with self._lock:
            if self._token is refused:
                self._fetch()
            return True

    def _fetch(self) -> None:
        self._token = None
        endpoint = self._token_endpoint()
        asked_at = self._patience.now()
        token = ask(lambda: self._request(endpoint), read_token, self._patience, self._base.site)
        self._fresh_until = token.fresh_until(asked_at)
        self.granted = token.scope
        self._token = Secret("Bearer " + token.access_token)

    def _request(self, endpoint: str) -> Reply:
        form = {
            "grant_type": "client_credentials",
            "scope": self._registered.scopes,
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": self._assertion(endpoint),
        }
        return post_form(self._transport, endpoint, form, self._base.site)

    def _assertion(self, audience: str) -> str:
        from joserfc import jwt

        key = read_key(self._registered.private_key())
        algorithm = self._registered.algorithm or algorithm_for(key)
        now = int(self._patience.now())
        claims = {
            "iss": self._registered.client_id,
            "sub": self._registered.client_id,
            "aud": audience,
            "iat": now,
            "exp": now + ASSERTION_SECONDS,
            "jti": str(uuid.uuid4()),
        }
        header = {"alg": algorithm, "typ": "JWT", "kid": self._registered.key_id or _key_id(key)}
        return jwt.encode(header, claims, key, algorithms=[algorithm])

    def _token_endpoint(self) -> str:
        if self._endpoint is None:
            if self._registered.token_url:
                self._endpoint = Base.parse(
                    self._registered.token_url, allow_http=self._registered.allow_http, setting="token_url"
                ).text
            else:
                found = ask(self._discover, _read_discovery, self._patience, self._base.site)
                told = self._registered
                self._endpoint = allowed_endpoint(found, self._base, told.allowed_hosts, allow_http=told.allow_http)
        return self._endpoint

    def _discover(self) -> Reply:
        url = self._base.url(".well-known/smart-configuration")
        return self._transport.exchange(
            "GET", url, headers={"Accept": "application/json"}, body=None, site=self._base.site
        )


def read_key(text: str) -> RSAKey | ECKey:
    """A private key from PEM or JWK text. Raises SettingsError, which shows nothing of it."""
    from joserfc.errors import JoseError
    from joserfc.jwk import ECKey, RSAKey

    for kind in (RSAKey, ECKey):
        try:
            data: Any = msgspec.json.decode(text) if text.lstrip().startswith("{") else text
            key: RSAKey | ECKey = kind.import_key(data)
        except (
            JoseError,
            ValueError,
            TypeError,
            KeyError,
            AttributeError,
        ):  # msgspec's and the PEM reader's among them
            continue
        if key.is_private:
            return key
    raise SettingsError(
        tr(
            "The private key for the sign-in cannot be read. It is an RSA key or an EC key on the curve P-384, in "
            "PEM or JWK form; handrail connect makes one."
        )
    )


def algorithm_for(key: RSAKey | ECKey) -> str:
    """RS384 for RSA, ES384 for P-384: the two that SMART asks of every client."""
    if key.key_type == "RSA":
        return "RS384"
    if getattr(key, "curve_name", None) == "P-384":
        return "ES384"
    raise SettingsError(tr("The private key for the sign-in is on a curve that SMART does not use; it must be P-384."))


def new_key(algorithm: str) -> str:
    """A new private key as JWK text, for `RS384` or `ES384`, with its thumbprint (RFC 7638) as key id."""
    from joserfc.jwk import ECKey, RSAKey

    key: RSAKey | ECKey
    key = RSAKey.generate_key(3072) if algorithm == "RS384" else ECKey.generate_key("P-384")
    data = {**key.as_dict(private=True), "kid": key.thumbprint(), "alg": algorithm, "use": "sig"}
    return msgspec.json.encode(data).decode()


def public_jwks(private_key: str) -> dict[str, Any]:
    """The public JWK Set to register on the platform, from the private key's text."""
    key = read_key(private_key)
    public = {**key.as_dict(private=False), "kid": _key_id(key), "alg": algorithm_for(key), "use": "sig"}
    public.pop("key_ops", None)
    return {"keys": [public]}


def _key_id(key: RSAKey | ECKey) -> str:
    return key.kid or key.thumbprint()


def _read_discovery(reply: Reply, site: str) -> str:
    found = None
    if reply.status == 200 and len(reply.body) <= MAX_BODY:
        try:
            found = msgspec.json.decode(reply.body, type=_Discovery).token_endpoint
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            found = None
    if not found:
        raise NotTheApi(
            tr(
                "{site} does not say where to sign in (.well-known/smart-configuration). Check the setting base_url, "
                "or set token_url by hand.",
                site=site,
            )
        )
    return found
