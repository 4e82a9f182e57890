"""A small authorisation server (RFC 6749, 7636): codes used once that die young, PKCE, refresh tokens that rotate."""

from __future__ import annotations

from base64 import b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

from .base import Clock, Reply, Request

CODE_SECONDS = 60


@dataclass
class Grant:
    """What a person allowed: its code, then its tokens."""

    challenge: str
    redirect_uri: str
    made: float


@dataclass
class OAuth:
    """The two endpoints. `calls` counts requests to the token endpoint by grant type.

    `scopes` are those that persons were asked for, sign-in by sign-in.
    """

    clock: Clock
    client_id: str
    client_secret: str = ""
    life: int = 3600
    by_header: bool = False
    offline: bool = True
    says: str = "yes"
    grants: dict[str, Grant] = field(default_factory=dict)
    access: dict[str, float] = field(default_factory=dict)
    refresh: set[str] = field(default_factory=set)
    burnt: set[str] = field(default_factory=set)
    calls: list[str] = field(default_factory=list)
    scopes: list[str] = field(default_factory=list)
    number: int = 0

    def person(self, url: str, *, says: str = "yes") -> str:
        """What a person does on the sign-in page: where the browser is sent back to."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert (asked["response_type"], asked["client_id"]) == ("code", self.client_id)
        assert asked["code_challenge_method"] == "S256"
        assert len(asked["state"]) > 20
        self.scopes.append(asked["scope"])
        if says != "yes":
            return f"{asked['redirect_uri']}?{urlencode({'error': says, 'state': asked['state']})}"
        code = self._name("kestrel-code")
        self.grants[code] = Grant(asked["code_challenge"], asked["redirect_uri"], self.clock.at.timestamp())
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"

    def page(self, request: Request) -> Reply:
        """The sign-in page, at which somebody has said what `says` has."""
        url = f"http://double{request.path}?{urlencode(request.query)}"
        return Reply(302, headers={"Location": self.person(url, says=self.says)})

    def first(self) -> tuple[str, str]:
        """Tokens as an earlier sign-in brought them: (access, refresh)."""
        answer = self._give()
        return str(answer["access_token"]), str(answer["refresh_token"])

    def expire(self) -> None:
        """All access tokens have ended."""
        self.access.clear()

    def renew(self, clock: Clock) -> None:
        """Goes on by another clock; what was given out holds by it."""
        self.clock = clock
        self.access = {name: clock.at.timestamp() + self.life for name in self.access}

    def revoke(self) -> None:
        """The person withdrew what they had allowed."""
        self.access.clear()
        self.refresh.clear()

    def allows(self, header: str) -> bool:
        """Whether the bearer header is good now."""
        return self.access.get(header.removeprefix("Bearer "), 0.0) > self.clock.at.timestamp()

    def token(self, request: Request) -> Reply:
        """The token endpoint."""
        form = request.form()
        self.calls.append(form.get("grant_type", ""))
        if not self._client(request, form):
            return Reply(401, {"error": "invalid_client"})
        kinds = {"authorization_code": self._by_code, "refresh_token": self._by_refresh}
        kind = kinds.get(form.get("grant_type", ""))
        return kind(form) if kind else Reply(400, {"error": "unsupported_grant_type"})

    def _client(self, request: Request, form: Mapping[str, str]) -> bool:
        name, secret = form.get("client_id", ""), form.get("client_secret", "")
        if self.by_header:
            pair = b64decode(request.headers.get("authorization", "Basic ")[6:]).decode()
            name, _, secret = pair.partition(":")
            name, secret = unquote(name), unquote(secret)
        return name == self.client_id and secret == self.client_secret

    def _by_code(self, form: Mapping[str, str]) -> Reply:
        grant = self.grants.pop(form.get("code", ""), None)
        if grant is None or self.clock.at.timestamp() - grant.made > CODE_SECONDS:
            return Reply(400, {"error": "invalid_grant"})
        digest = sha256(form.get("code_verifier", "").encode()).digest()
        if urlsafe_b64encode(digest).rstrip(b"=").decode() != grant.challenge:
            return Reply(400, {"error": "invalid_grant", "error_description": "kestrel: PKCE"})
        if form.get("redirect_uri") != grant.redirect_uri:
            return Reply(400, {"error": "invalid_grant"})
        return Reply(200, self._give())

    def _by_refresh(self, form: Mapping[str, str]) -> Reply:
        given = form.get("refresh_token", "")
        if given in self.burnt:  # used twice: somebody has stolen it, so everything ends (RFC 9700, 4.14.2)
            self.revoke()
        if given not in self.refresh:
            return Reply(400, {"error": "invalid_grant"})
        self.refresh.discard(given)
        self.burnt.add(given)
        return Reply(200, self._give())

    def _give(self) -> dict[str, object]:
        access, refresh = self._name("kestrel-access"), self._name("kestrel-refresh")
        self.access[access] = self.clock.at.timestamp() + self.life
        given: dict[str, object] = {"access_token": access, "token_type": "Bearer", "expires_in": self.life}
        if self.offline:
            self.refresh.add(refresh)
            given["refresh_token"] = refresh
        return given

    def _name(self, what: str) -> str:
        self.number += 1
        return f"{what}-{self.number}"
