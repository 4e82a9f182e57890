"""F41 to F45, S1, S13: the sign-in between systems, against a real SMART server and a scripted one."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from handrail.adapters.addresses import Base
from handrail.adapters.fhir.adapter import FhirAdapter
from handrail.adapters.fhir.settings import SCOPES, FhirSettings
from handrail.adapters.smart import Registration, SmartBackend, new_key, public_jwks, read_key
from handrail.adapters.transport import Transport
from handrail.adapters.waiting import Patience
from handrail.plugin_core.contracts import AdapterContext
from handrail.plugin_core.errors import Denied, NotTheApi, SettingsError, Unreachable, UnsafeLink
from joserfc import jwt
from joserfc.jwk import KeySet

from .conftest import CANARY
from .script import Answer, Script, Seen, bundle, fhir, response

KEYS = {name: new_key(name) for name in ("RS384", "ES384")}


class Ehr:
    """A SMART server by script: tokens live `life` seconds; `deny` 401s are given to the next reads."""

    def __init__(self, life: Any = 300) -> None:
        self.life, self.deny, self.down, self.tokens = life, 0, 0, 0
        self.assertions: list[str] = []
        self.scopes: list[str] = []
        self.token_error: Answer | None = None
        self.endpoint = "{root}/auth/token"

    def __call__(self, seen: Seen) -> Answer:
        root = f"http://{seen.headers['Host']}"
        if seen.path.endswith("smart-configuration"):
            assert "Authorization" not in seen.headers
            return fhir({"token_endpoint": self.endpoint.format(root=root)})
        if seen.path == "/auth/token":
            return self._token(seen)
        if self.deny:
            self.deny -= 1
            return fhir({}, 401)
        return fhir(bundle(response("r1")))

    def _token(self, seen: Seen) -> Answer:
        if self.down:
            self.down -= 1
            return fhir({}, 503)
        form = parse_qs(seen.body.decode())
        self.assertions.append(form["client_assertion"][0])
        self.scopes += form["scope"]
        if self.token_error:
            return self.token_error
        self.tokens += 1
        time.sleep(0.02)
        return fhir({"access_token": f"{CANARY}-{self.tokens}", "token_type": "bearer", "expires_in": self.life})


@pytest.fixture
def sign_in(connect) -> Any:  # type: ignore[no-untyped-def]
    def make(base: str, algorithm: str = "RS384", **settings: Any) -> FhirAdapter:
        secrets = {"private_key": KEYS[algorithm]}
        adapter: FhirAdapter = connect(base, secrets, auth="smart", client_id="c1", private_key="ref", **settings)
        return adapter

    return make


@pytest.mark.parametrize("algorithm", KEYS)
def test_s13_the_assertion_is_what_smart_asks_for(sign_in, clock, algorithm: str) -> None:  # type: ignore[no-untyped-def]
    """A lifetime over five minutes or a repeated jti is refused; a wrong audience serves another server."""
    ehr = Ehr(life=10)
    with Script(ehr) as server:
        adapter = sign_in(server.base, algorithm)
        for _ in range(3):
            list(adapter.pull(None))
            clock.time += 6
        audience = f"http://127.0.0.1:{server.port}/auth/token"
    published: Any = public_jwks(KEYS[algorithm])
    keys = KeySet.import_key_set(published)
    claims = []
    for assertion in ehr.assertions:
        token = jwt.decode(assertion, keys, algorithms=[algorithm])
        assert token.header["alg"] == algorithm
        assert token.header["kid"]
        claims.append(token.claims)
    assert len({one["jti"] for one in claims}) == len(claims) == 3
    assert all(one["iss"] == one["sub"] == "c1" and one["aud"] == audience for one in claims)
    assert all(0 < one["exp"] - one["iat"] <= 300 for one in claims)


@pytest.mark.parametrize("given", [None, "system/Patient.rs"])
def test_s6_the_sign_in_asks_for_the_documented_scopes(sign_in, given: str | None) -> None:  # type: ignore[no-untyped-def]
    """What the page tells the platform's vendor is what the request says, or what the practice has set."""
    ehr = Ehr()
    with Script(ehr) as server:
        list(sign_in(server.base, **({"scopes": given} if given else {})).pull(None))
    assert ehr.scopes == [given or SCOPES]


@pytest.mark.parametrize(("life", "kept"), [(300, 269), (5, 2), ("600", 569), (None, 29), (-1, 29), ("x", 29)])
def test_f41_the_token_is_kept_for_less_than_its_life(sign_in, clock, life: Any, kept: int) -> None:  # type: ignore[no-untyped-def]
    """Asking for a token each time overruns the sign-in service; keeping it too long fails in mid-page."""
    ehr = Ehr(life)
    with Script(ehr) as server:
        adapter = sign_in(server.base)
        list(adapter.pull(None))
        clock.time += kept
        list(adapter.pull(None))
        assert ehr.tokens == 1
        clock.time += 3
        list(adapter.pull(None))
        assert ehr.tokens == 2


def test_f41_f44_one_new_token_at_a_401_and_then_stop(sign_in) -> None:  # type: ignore[no-untyped-def]
    """A loop of sign-ins locks the application out."""
    ehr = Ehr()
    ehr.deny = 1
    with Script(ehr) as server:
        assert len(list(sign_in(server.base).pull(None))) == 1
        assert ehr.tokens == 2
    ehr = Ehr()
    ehr.deny = 99
    with Script(ehr) as server, pytest.raises(Denied):
        list(sign_in(server.base).pull(None))
    assert ehr.tokens == 2


def test_f42_ten_threads_meet_the_expiry_at_once(sign_in) -> None:  # type: ignore[no-untyped-def]
    """One refresh, shared."""
    ehr = Ehr()
    with Script(ehr) as server:
        adapter = sign_in(server.base)
        threads = [threading.Thread(target=lambda: list(adapter.clients([]))) for _ in range(2)]
        threads += [threading.Thread(target=lambda: list(adapter.listing())) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert ehr.tokens == 1


def test_f42_a_token_that_another_thread_has_renewed_is_not_renewed_again(clock) -> None:  # type: ignore[no-untyped-def]
    """Ten workers with one expired token must not ask ten times."""
    ehr = Ehr()
    with Script(ehr) as server:
        transport = Transport("test/1")
        registration = Registration("c1", lambda: KEYS["ES384"], "system/*.rs")
        backend = SmartBackend(Base.parse(server.base), transport, Patience(clock.now, clock.sleep), registration)
        old = backend.header()
        assert all(backend.renew(old) for _ in range(10))
        transport.close()
    assert ehr.tokens == 2


def test_f45_a_sign_in_service_that_is_down_is_not_a_wrong_key(sign_in, clock) -> None:  # type: ignore[no-untyped-def]
    """Told that the key is wrong, a practice would make a new one and lose a day."""
    ehr = Ehr()
    ehr.down = 2
    with Script(ehr) as server:
        assert len(list(sign_in(server.base).pull(None))) == 1
        assert len(clock.slept) == 2
        ehr.down = 99
        with pytest.raises(Unreachable, match="sign-in service"):
            list(sign_in(server.base).pull(None))


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (fhir({"error": "invalid_client", "error_description": CANARY}, 401), Denied),
        (fhir({"error": "invalid_scope"}, 400), Denied),
        (fhir({"error": 5}, 400), Denied),
        (Answer(400, b"<html>"), Denied),
        (fhir({"token": "x"}), NotTheApi),
        (fhir({"access_token": "x", "token_type": "mac"}), NotTheApi),
        (fhir({"access_token": "é"}), NotTheApi),
        (Answer(200, b"\xff"), NotTheApi),
    ],
)
def test_a_refused_sign_in_says_why_in_plain_words(sign_in, answer: Answer, kind: type[Exception]) -> None:  # type: ignore[no-untyped-def]
    """And nothing of what the service wrote, which may hold the request."""
    ehr = Ehr()
    ehr.token_error = answer
    with Script(ehr) as server, pytest.raises(kind) as caught:
        list(sign_in(server.base).pull(None))
    assert len(ehr.assertions) == 1
    assert CANARY not in str(caught.value)


def test_s1_the_signed_request_goes_to_another_host_only_after_a_yes(sign_in) -> None:  # type: ignore[no-untyped-def]
    """Whoever can change the discovery page must not get a signed assertion."""
    other_ehr, ehr = Ehr(), Ehr()
    with Script(other_ehr) as other, Script(ehr) as server:
        ehr.endpoint = f"http://127.0.0.1:{other.port}/auth/token"
        with pytest.raises(UnsafeLink, match="token_host_allowed"):
            list(sign_in(server.base).pull(None))
        assert other.seen == []
        allowed = sign_in(server.base, token_host_allowed=[f"127.0.0.1:{other.port}"])
        assert len(list(allowed.pull(None))) == 1
        assert len(other.seen) == 1
        by_hand = sign_in(server.base, token_url=f"http://127.0.0.1:{other.port}/auth/token")
        assert len(list(by_hand.pull(None))) == 1


@pytest.mark.parametrize(
    "text", ["", "canary", "{}", '{"kty":"RSA"}', '{"kty":5}', "[]", "-----BEGIN PRIVATE KEY-----"]
)
def test_a_key_that_is_none_is_said_without_showing_it(text: str) -> None:
    """A pasted password must not appear in an error."""
    with pytest.raises(SettingsError) as caught:
        read_key(text)
    assert "canary" not in str(caught.value)
    with pytest.raises(SettingsError):
        read_key(json.dumps(public_jwks(KEYS["ES384"])["keys"][0]))


def real(access: Any, **settings: Any) -> FhirAdapter:
    """An adapter with the real clock, as the server's tokens expire by it."""
    loaded = FhirSettings().load(
        {
            "base_url": access.base,
            "auth": "smart",
            "client_id": access.client.client_id,
            "private_key": "ref",
            "scopes": access.client.scopes,
            **settings,
        }
    )
    key = Path(access.client.private_key).read_text(encoding="utf-8")
    context = AdapterContext("p", loaded, lambda _: key, lambda _: None, time.time, time.sleep, "test/1")
    return FhirAdapter(context)


@pytest.mark.parametrize("algorithm", ["rs384", "es384"])
def test_f41_a_real_server_with_five_second_tokens(request: pytest.FixtureRequest, algorithm: str) -> None:
    """The whole sign-in against a server that nobody here wrote, past the end of a token."""
    adapter = real(request.getfixturevalue(f"sekmet_smart_{algorithm}"))
    try:
        assert adapter.test().can["flag"] is True
        time.sleep(5.2)
        list(adapter.pull(None))
    finally:
        adapter.close()


def test_a_real_server_refuses_a_key_that_it_does_not_know(request: pytest.FixtureRequest) -> None:
    """Plain words instead of a status number."""
    access = request.getfixturevalue("sekmet_smart_rs384")
    adapter = real(access, client_id="nobody")
    try:
        with pytest.raises(Denied, match="client id"):
            adapter.test()
    finally:
        adapter.close()
