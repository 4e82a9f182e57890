"""The desk's doors at which anybody may knock: cards, launches, webhooks, sign-in, links. None may be unforeseen."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

from flask import Flask
from handrail.plugin_core.settings import load
from handrail.plugin_core.settings_web import RecordSystem
from handrail.plugin_core.web import oidc, wrong
from handrail.plugin_core.web.app import create_app
from handrail.plugin_core.web.desk import Desk
from handrail.plugin_core.web.tokens import Tokens
from joserfc.jws import serialize_compact

from tests.sync.stage import EVEN, LEANING, Stage

from . import signed
from .run import Parser

HOST = "desk.practice.example"
_open = ExitStack()
CARD = {
    "hook": "patient-view",
    "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
    "fhirServer": "https://ehr.example/fhir",
    "context": {"userId": "Practitioner/1", "patientId": "c1"},
}
FEEDBACK = {
    "feedback": [
        {
            "card": "4e0a3a1e-3283-4575-ab82-028d55fe2719",
            "outcome": "overridden",
            "overrideReasons": [{"code": "discussed", "system": "https://handrail.example/fhir/CodeSystem/override"}],
            "outcomeTimestamp": "2026-12-11T10:05:31Z",
        }
    ]
}
# (method, path, how the input is sent, what is valid)
DOORS: Sequence[tuple[str, str, str, bytes]] = (
    ("POST", "/cds-services/handrail", "body", json.dumps(CARD).encode()),
    ("POST", "/cds-services/handrail/feedback", "body", json.dumps(FEEDBACK).encode()),
    ("GET", "/smart/launch", "query", b"iss=https://ehr.example/fhir&launch=xyz"),
    ("GET", "/smart/back", "query", b"state=abc&code=def"),
    ("GET", "/smart/back", "cookie", b"eyJzdGF0ZSI6ICJhYmMifQ==.0123456789abcdef"),
    ("POST", "/hooks/x", "body", b'{"event_type":"form_answer_group.created","resource_id":17}'),
    ("POST", "/sign-in", "form", b"login=anna&password=four+words&csrf=abc&next=/clients"),
    ("GET", "/", "path", b"f/abcdefghijklmnop"),
    ("GET", "/", "path", b"link/abcdefghijklmnop"),
    ("GET", "/", "path", b"files/0123456789abcdef/desk.css"),
    ("POST", "/kiosk", "form", b"code=K7QF2M&csrf=abc"),
    ("GET", "/sign-in", "query", b"next=/clients&lang=de"),
)


@cache
def application() -> Flask:
    """A desk over a small practice that has a prompt, with one record system."""
    folder = Path(_open.enter_context(TemporaryDirectory(prefix="handrail-desk-")))
    stage = _open.enter_context(Stage(folder / "practice"))
    stage.course("c1", [EVEN, EVEN, EVEN, LEANING, LEANING])
    stage.sync()
    system = RecordSystem("ehr", signed.ISSUER, "file:ehr.json", fhir=("https://ehr.example/fhir",), client="us")
    settings = load(stage.file)
    web = replace(settings.web, address=f"https://{HOST}", record_systems=(system,))
    keys = {"keys": [signed.key().as_dict(private=False)]}
    (settings.folder / "ehr.json").write_text(json.dumps(keys), encoding="utf-8")
    desk = Desk(replace(settings, web=web), now=lambda: stage.now + timedelta(hours=1))
    _open.callback(desk.close)
    app = create_app(desk)
    app.extensions["handrail-tokens"] = Tokens((system,), settings.folder, now=lambda: float(signed.NOW))
    _open.enter_context(patch.object(wrong, "_unforeseen", _raise))
    _open.enter_context(patch.object(oidc, "json_from", _nobody))
    return app


def _raise(error: Exception) -> Any:
    raise error


def _nobody(address: str, **_: Any) -> Any:
    raise ValueError("nobody is asked outside")


def _knock(data: bytes, which: int) -> None:
    app = application()
    method, path, how, _ = DOORS[which]
    text = data.decode("latin-1")
    sent: dict[str, Any] = {"headers": {"Host": HOST}, "base_url": f"https://{HOST}"}
    if path.startswith("/cds-services"):
        claims = {"iss": signed.ISSUER, "aud": f"https://{HOST}{path}", "iat": signed.NOW, "exp": signed.NOW + 300}
        body = json.dumps(claims | {"jti": "call"}).encode()
        sent["headers"]["Authorization"] = f"Bearer {_bearer(body)}"
        app.extensions["handrail-tokens"]._seen.clear()
    client = app.test_client(use_cookies=False)
    if how == "query":
        sent["query_string"] = text
    elif how == "cookie":
        sent["headers"]["Cookie"] = f"handrail-launch={''.join(c for c in text if c.isprintable())}"
        sent["query_string"] = "state=abc&code=def"
    elif how == "path":
        path = "/" + text
    else:
        sent["data"] = data
        sent["content_type"] = "application/json" if how == "body" else "application/x-www-form-urlencoded"
    answer = client.open(path.replace("\\", "/").replace("//", "/"), method=method, **sent)
    assert answer.status_code != 500, f"{method} {path} answered 500"


@cache
def _bearer(claims: bytes) -> str:
    return serialize_compact({"alg": "ES384", "kid": "ours"}, claims, signed.key(), algorithms=["ES384"])


# --- what a provider's token says -----------------------------------------------------------------------------------

ID_TOKEN = {
    "iss": signed.ISSUER,
    "aud": "us",
    "sub": "1",
    "exp": 4_000_000_000,
    "nonce": "n",
    "fhirUser": "Practitioner/1",
}


def _identity(data: bytes, which: int) -> None:
    """Bent claims under a right signature, a bent token, bent keys."""
    party = oidc.Party("us", "", "openid", "https://desk.practice.example/back", ["ehr.example"])
    token = {"id_token": _bearer(data) if which == 0 else data.decode("utf-8", "replace") if which == 1 else _known()}
    signers = {"keys": [signed.key().as_dict(private=False)]}
    if which == 2:
        try:
            signers = json.loads(data)
        except (ValueError, RecursionError):
            return
        if not isinstance(signers, dict):
            return
    with application().app_context():
        oidc.claims(token, signers, party, signed.ISSUER, "n")


def _known() -> str:
    return _bearer(json.dumps(ID_TOKEN).encode())


def _identities() -> list[bytes]:
    keys = {"keys": [signed.key().as_dict(private=False)]}
    return [json.dumps(ID_TOKEN).encode(), _known().encode(), json.dumps(keys).encode()]


PARSERS = (
    Parser("desk", lambda: [valid for *_, valid in DOORS], _knock, share=0.06),
    Parser("identity", _identities, _identity, (oidc.Failed,), 0.2),
)


def close() -> None:
    """Ends the practice and its desk."""
    _open.close()
    application.cache_clear()
    _bearer.cache_clear()
