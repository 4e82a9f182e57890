"""Tokens and webhooks: raw, and with a right signature over odd content, so that what lies behind it is reached too."""

from __future__ import annotations

import hmac
import json
from base64 import b64encode
from functools import cache
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from handrail.adapters.drchrono import webhook as drchrono
from handrail.adapters.healthie import hearing as healthie
from handrail.adapters.intakeq import webhook as intakeq
from handrail.plugin_core.contracts import AdapterContext, Hint, Refusal, WebhookRequest
from handrail.plugin_core.settings_web import RecordSystem
from handrail.plugin_core.web.tokens import Refused, Tokens
from joserfc.jwk import ECKey
from joserfc.jws import serialize_compact

from .run import Parser

ISSUER, AUDIENCE = "https://ehr.example", "https://desk.practice.example/cds-services/handrail"
HEADER = {"alg": "ES256", "kid": "ours"}  # a signature on P-384 takes five times as long and no other way here
SECRET = "a-secret-of-forty-letters-made-by-chance-"
NOW = 1_800_000_000
CLAIMS = 2  # the sample whose input is signed as it comes


@cache
def key() -> ECKey:
    """The record system's key; made once, since keys cost more than tokens."""
    return ECKey.generate_key("P-256", {"kid": "ours"})


@cache
def tokens() -> Tokens:
    """What checks tokens, with a clock that stands."""
    with TemporaryDirectory() as place:
        keys = {"keys": [key().as_dict(private=False)]}
        (Path(place) / "ehr.json").write_text(json.dumps(keys), encoding="utf-8")
        made = Tokens((RecordSystem("ehr", ISSUER, "file:ehr.json"),), Path(place), now=lambda: float(NOW))
        made.check(f"Bearer {bearer(claims())}", AUDIENCE)
        return made


def claims() -> bytes:
    """What a right token says."""
    said = {"iss": ISSUER, "aud": AUDIENCE, "iat": NOW, "exp": NOW + 300, "jti": "call"}
    return json.dumps(said).encode()


def bearer(claims: bytes) -> str:
    """A token with a right signature over claims that may be odd."""
    return serialize_compact(HEADER, claims, key(), algorithms=[HEADER["alg"]])


@cache
def _right() -> str:
    return bearer(claims())


def _token(data: bytes, which: int) -> None:
    """A bent token, a bent header over a right body, or bent claims that are signed as they should be."""
    text = data.decode("utf-8", "surrogateescape")
    if which == CLAIMS:
        text = f"Bearer {bearer(data)}"
    elif which == 1:
        head = b64encode(data, b"-_").decode().rstrip("=")
        text = f"Bearer {head}.{_right().partition('.')[2]}"
    tokens()._seen.clear()
    try:
        tokens().check(text, AUDIENCE)
    except Refused:
        if which != 1:  # a right signature does not fit another header
            raise


def _token_samples() -> list[bytes]:
    return [f"Bearer {_right()}".encode(), b'{"alg":"ES256","kid":"ours","typ":"JWT"}', claims()]


# --- webhooks -------------------------------------------------------------------------------------------------------

BODIES = (
    b'{"event_type":"form_answer_group.created","resource_id":17,"resource_id_type":"FormAnswerGroup"}',
    b'{"IntakeId":"65f0aa00bb11cc22dd330001","Type":"Intake Submitted","ClientId":42}',
    b'{"receiver":{"id":1},"object":{"id":17,"patient":3}}',
    b"msg=proof&x=%C3%28",
    b"sha-256=:abc=:",
)


def _context(**settings: object) -> AdapterContext:
    return AdapterContext(
        "practice", settings, lambda _: SECRET, lambda _: None, lambda: float(NOW), lambda _: None, "test/1"
    )


def _heard(data: bytes, which: int) -> None:
    """Genuine requests with an odd body, and odd addresses and headers, to every platform that has webhooks."""
    text = data.decode("latin-1")
    genuine = which < 3
    path, query = (f"/hooks/{SECRET}", "") if genuine else (f"/hooks/{text}", text)
    digest = sha256(data).hexdigest()
    request = WebhookRequest("POST", path, query, {"content-digest": f"sha-256={digest}"}, data)
    named = healthie.signed_text(request, digest, blank=True)
    told = {
        "content-digest": f"sha-256={digest}",
        "signature": "sig=" + hmac.new(SECRET.encode(), named.encode(), sha256).hexdigest(),
        "x-drchrono-signature": SECRET,
        "x-drchrono-event": "CLINICAL_NOTE_LOCK",
    }
    odd = dict.fromkeys((*told, "x-drchrono-delivery"), text)
    request = WebhookRequest("POST", path, query, told if genuine else odd, data)
    asked = WebhookRequest("GET", path, text, odd, b"")
    for hear in (healthie.heard, intakeq.hint, drchrono.hint):
        for one in (request, asked):
            assert isinstance(hear(_context(), one), Hint | Refusal)
    assert isinstance(drchrono.hint(_context(webhook_signature="hmac"), request), Hint | Refusal)


PARSERS = (
    Parser("signed-token", _token_samples, _token, (Refused,)),
    Parser("webhook", lambda: BODIES, _heard),
)
