"""Sign-in through an identity provider: one of the tests' own, on this machine, that can also answer wrongly."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from handrail.plugin_core.settings_web import OpenId
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey

from .people import Browser, House

Open = Callable[..., House]
CLIENT = "handrail-desk"


class Provider(ThreadingHTTPServer):
    """A small OpenID provider. `claims` go over what it would say, `sign` replaces how it signs."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.issuer = f"http://127.0.0.1:{self.server_port}"
        self.key = ECKey.generate_key("P-256", {"kid": "one", "use": "sig"})
        self.claims: dict[str, Any] = {}
        self.sign: Callable[[dict[str, Any]], str] | None = None
        self.asked: dict[str, str] = {}
        self.now = time.time
        self.discovery: dict[str, Any] = {}
        self.codes: set[str] = set()

    def consent(self, address: str) -> str:
        """What a person does there: agrees. Gives where the browser is led back to."""
        parts = urlsplit(address)
        assert f"{parts.scheme}://{parts.netloc}" == self.issuer
        self.asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        code = f"code-{len(self.codes)}"
        self.codes.add(code)
        back = urlsplit(self.asked["redirect_uri"])
        return f"{back.path}?{urlencode({'code': code, 'state': self.asked['state']})}"

    def id_token(self) -> str:
        now = int(self.now())
        claims = {"iss": self.issuer, "aud": CLIENT, "sub": "s-1", "email": "anna@practice.example",
                  "email_verified": True,
                  "nonce": self.asked["nonce"], "iat": now, "exp": now + 300, **self.claims}  # fmt: skip
        claims = {name: value for name, value in claims.items() if value is not None}
        if self.sign is not None:
            return self.sign(claims)
        return jwt.encode({"alg": "ES256", "kid": "one"}, claims, self.key)


class _Answers(BaseHTTPRequestHandler):
    server: Provider

    def do_GET(self) -> None:
        at = self.server.issuer
        places = {
            "/.well-known/openid-configuration": {
                "issuer": at, "authorization_endpoint": f"{at}/authorize", "token_endpoint": f"{at}/token",
                "jwks_uri": f"{at}/keys", **self.server.discovery,
            },
            "/keys": KeySet([self.server.key]).as_dict(private=False),
        }  # fmt: skip
        self._send(places.get(self.path, {}))

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        digest = hashlib.sha256(form["code_verifier"][0].encode()).digest()
        fits = base64.urlsafe_b64encode(digest).decode().rstrip("=") == self.server.asked["code_challenge"]
        code = form["code"][0]
        if not fits or code not in self.server.codes:
            self._send({"error": "invalid_grant"}, 400)
            return
        self.server.codes.discard(code)
        self._send({"access_token": "a", "token_type": "Bearer", "id_token": self.server.id_token()})

    def _send(self, what: Mapping[str, Any], status: int = 200) -> None:
        body = json.dumps(what).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def provider() -> Iterator[Provider]:
    made = Provider()
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture
def house(open_house: Open, provider: Provider) -> House:
    house = open_house(openid=OpenId(issuer=provider.issuer, client=CLIENT, title="Practice ID"))
    provider.now = lambda: house.clock.now.timestamp()
    return house


def come(house: House, provider: Provider, browser: Browser | None = None) -> tuple[Browser, Any]:
    """Goes there and comes back."""
    browser = browser or house.browser()
    there = browser.get("/sign-in/provider?on=/due")
    assert there.status_code == 302
    return browser, browser.get(provider.consent(there.location))


def test_somebody_with_an_account_comes_in(house: House, provider: Provider) -> None:
    """By PKCE, state and nonce; the page shows the provider by name."""
    house.account("front-desk", login="anna@practice.example")
    assert "Sign in with Practice ID" in house.browser().get("/sign-in").text
    browser, answer = come(house, provider)
    assert (answer.status_code, answer.location) == (303, "/due")
    assert browser.get("/due").status_code == 200
    assert provider.asked["code_challenge_method"] == "S256"


def test_somebody_without_an_account_does_not(house: House, provider: Provider) -> None:
    """Everybody at the provider is not everybody at the practice."""
    house.account("front-desk", login="bert@practice.example")
    browser, answer = come(house, provider)
    assert answer.status_code == 403
    assert "no account here" in answer.text
    assert browser.get("/due").location is None


def test_the_first_sign_in_binds_and_an_address_given_to_another_does_not_open(
    house: House, provider: Provider
) -> None:
    """anna@ leaves, a year later another Anna gets the address."""
    house.account("front-desk", login="anna@practice.example")
    come(house, provider)
    provider.claims = {"sub": "s-2"}
    assert come(house, provider)[1].status_code == 403
    provider.claims = {"email": "new@practice.example"}
    assert come(house, provider)[1].status_code == 303, "the same person with another address is still the same"


def test_a_closed_account_stays_closed(house: House, provider: Provider) -> None:
    """Whatever the provider says."""
    from handrail.plugin_core.web.staff import Staff

    made = house.account("front-desk", login="anna@practice.example")
    come(house, provider)
    house.ask(lambda e: Staff(e).change(made.key, "the-first", state="closed"))
    assert come(house, provider)[1].status_code == 403


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "another-client"}, {"iss": "https://evil.example"}, {"nonce": "another"}, {"nonce": None},
        {"exp": 1000}, {"exp": None}, {"sub": None}, {"email_verified": False}, {"email_verified": None},
        {"email": None},
        {"aud": [CLIENT, "other"]}, {"aud": [CLIENT, "other"], "azp": "other"}, {"email_verified": "true"},
    ],
)  # fmt: skip
def test_a_token_that_is_not_for_us_does_not_let_in(house: House, provider: Provider, claims: dict[str, Any]) -> None:
    """Wrong audience, issuer, nonce, time; an address that nobody has verified."""
    house.account("front-desk", login="anna@practice.example")
    provider.claims = claims
    browser, answer = come(house, provider)
    assert answer.status_code == 403
    assert "Your time" not in answer.text
    assert browser.get("/me").status_code == 200
    assert "Sign out" not in browser.get("/me").text


def _none(claims: dict[str, Any]) -> str:
    parts = [{"alg": "none"}, claims]
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + "."


def _stranger(claims: dict[str, Any]) -> str:
    return jwt.encode({"alg": "ES256", "kid": "one"}, claims, ECKey.generate_key("P-256", {"kid": "one"}))


def _symmetric(claims: dict[str, Any]) -> str:
    return jwt.encode({"alg": "HS256", "kid": "one"}, claims, OctKey.import_key(b"x" * 32))


@pytest.mark.parametrize("sign", [_none, _stranger, _symmetric, lambda _: "not.a.token", lambda _: ""])
def test_a_token_that_the_provider_did_not_sign_does_not_let_in(
    house: House, provider: Provider, sign: Callable[[dict[str, Any]], str]
) -> None:
    """alg none, another key, the public key used as a secret, nonsense."""
    house.account("front-desk", login="anna@practice.example")
    provider.sign = sign
    assert come(house, provider)[1].status_code == 403


def test_coming_back_without_having_gone_leads_nowhere(house: House, provider: Provider) -> None:
    """A forged way back would sign somebody in as somebody else (login CSRF)."""
    house.account("front-desk", login="anna@practice.example")
    one = house.browser()
    back = provider.consent(one.get("/sign-in/provider").location)
    other = house.browser()
    assert other.get(back).status_code == 400
    assert one.get(back.replace("state=", "state=x")).status_code == 400
    fresh = provider.consent(one.get("/sign-in/provider").location)
    house.clock.later(minutes=11)
    assert one.get(fresh).status_code == 400
    other.client.set_cookie("handrail-openid", "e30=.0000")
    assert other.get(fresh).status_code == 400


@pytest.mark.parametrize(
    "discovery",
    [
        {"issuer": "https://evil.example"},
        {"jwks_uri": "http://127.0.0.1:9/keys"},
        {"token_endpoint": "http://127.0.0.1:9/t"},
        {"token_endpoint": "https://["},
    ],
)
def test_a_provider_that_points_elsewhere_is_not_followed(
    house: House, provider: Provider, discovery: dict[str, Any]
) -> None:
    """S1: our secret and the code go to the provider of the settings and nowhere else."""
    house.account("front-desk", login="anna@practice.example")
    provider.discovery = discovery
    browser = house.browser()
    there = browser.get("/sign-in/provider")
    if there.status_code == 302:
        assert browser.get(provider.consent(there.location)).status_code == 403
    else:
        assert there.status_code == 503


def test_a_provider_that_is_away_leaves_the_other_way_open(house: House, provider: Provider) -> None:
    """In one plain sentence."""
    house.account("front-desk", login="anna@practice.example")
    provider.shutdown()
    provider.server_close()
    answer = house.browser().get("/sign-in/provider")
    assert answer.status_code == 503
    assert "could not be reached" in answer.text
    assert house.browser().sign_in(login="anna@practice.example").status_code == 303


def test_without_the_setting_there_is_no_such_page(open_house: Open) -> None:
    """Nothing to try."""
    house = open_house()
    house.account("front-desk")
    assert house.browser().get("/sign-in/provider").status_code == 404
    assert "Sign in with" not in house.browser().get("/sign-in").text
