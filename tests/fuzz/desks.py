"""The desk's doors at which anybody may knock: cards, launches, webhooks, sign-in, links. None may be unforeseen."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import unquote_to_bytes

from flask import Flask, g
from handrail.plugin_core.engine import Engine
from handrail.plugin_core.settings import load
from handrail.plugin_core.settings_web import RecordSystem
from handrail.plugin_core.web import here, oidc, wrong
from handrail.plugin_core.web.app import create_app
from handrail.plugin_core.web.desk import Desk
from handrail.plugin_core.web.staff import Staff
from handrail.plugin_core.web.tokens import Tokens

from tests.sync.stage import EVEN, LEANING, Stage

from . import signed
from .places import folder
from .run import Parser

HOST = "desk.practice.example"
SIGN_IN = 11  # the door of that address
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
    ("POST", "/sign-in", "form", b"login=anna&password=four+words&csrf=abc&on=/clients"),
    ("GET", "/", "path", b"f/abcdefghijklmnop"),
    ("GET", "/", "path", b"link/abcdefghijklmnop"),
    ("GET", "/", "path", b"files/0123456789abcdef/desk.css"),
    ("POST", "/kiosk", "form", b"code=K7QF2M&csrf=abc"),
    ("GET", "/sign-in", "query", b"on=/clients&lang=de"),
)


@cache
def application() -> Flask:
    """A desk over a small practice that has a prompt, with an administrator and one record system."""
    place = Path(_open.enter_context(folder("desk")))
    stage = _open.enter_context(Stage(place / "practice"))
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
    with desk.engine() as engine:
        staff = Staff(engine)
        staff.accept(staff.first_link() or "", "boss", "Boss", "four words that rhyme not")
    _open.enter_context(patch.object(wrong, "_unforeseen", _raise))
    _open.enter_context(patch.object(oidc, "json_from", _nobody))
    return app


def _raise(error: Exception, _say: Any) -> Any:
    raise error


def _nobody(address: str, **_: Any) -> Any:
    raise ValueError("nobody is asked outside")


def _knock(data: bytes, which: int) -> None:
    app = application()
    method, path, how, _ = DOORS[which]
    query, body = b"", b""
    headers = {"HTTP_HOST": HOST}
    if path.startswith("/cds-services"):
        headers["HTTP_AUTHORIZATION"] = f"Bearer {_call(path)}"
        app.extensions["handrail-tokens"]._seen.clear()
    if how == "query":
        query = data
    elif how == "cookie":
        shown = "".join(c for c in data.decode("latin-1") if c.isprintable())
        headers["HTTP_COOKIE"], query = f"handrail-launch={shown}", b"state=abc&code=def"
    elif how == "path":
        told, _, query = data.partition(b"?")
        path = unquote_to_bytes(b"/" + told.lstrip(b"/")).decode("latin-1")
    else:
        body = data
        headers["CONTENT_TYPE"] = "application/json" if how == "body" else "application/x-www-form-urlencoded"
    status = _answer(app, method, path, query, body, headers)
    assert not status.startswith("500"), f"{method} {path} answered 500"


def _answer(app: Flask, method: str, path: str, query: bytes, body: bytes, headers: dict[str, str]) -> str:
    """The status of an answer, which is read to its end. Asked as a server does: a test client would first take odd
    addresses apart by its own rules, and costs as much as the desk itself."""
    said: list[str] = []
    environ = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query.decode("latin-1"),
        "CONTENT_LENGTH": str(len(body)),
        "REMOTE_ADDR": "127.0.0.1",
        "SERVER_NAME": HOST,
        "SERVER_PORT": "443",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "https",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        **headers,
    }

    def start(status: str, _headers: list[tuple[str, str]], _fault: Any = None) -> Any:
        said.append(status)

    with closing(app(environ, start)) as answer:  # type: ignore[type-var]
        for _ in answer:
            pass
    return said[-1]


@cache
def _call(path: str) -> str:
    """The record system's token for a call of that path."""
    said = {"iss": signed.ISSUER, "aud": f"https://{HOST}{path}", "iat": signed.NOW, "exp": signed.NOW + 300}
    return signed.bearer(json.dumps(said | {"jti": "call"}).encode())


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
    told = signed.bearer(data) if which == 0 else data.decode("utf-8", "replace") if which == 1 else _known()
    token = {"id_token": told}
    signers = {"keys": [signed.key().as_dict(private=False)]}
    if which == 2:
        try:
            signers = json.loads(data)
        except (ValueError, RecursionError):
            return
        if not isinstance(signers, dict):
            return
    with application().app_context():
        g.engine = _engine()
        oidc.claims(token, signers, party, signed.ISSUER, "n")


@cache
def _engine() -> Engine:
    return _open.enter_context(here.desk().engine())


@cache
def _known() -> str:
    return signed.bearer(json.dumps(ID_TOKEN).encode())


def _identities() -> list[bytes]:
    keys = {"keys": [signed.key().as_dict(private=False)]}
    return [json.dumps(ID_TOKEN).encode(), _known().encode(), json.dumps(keys).encode()]


PARSERS = (
    Parser("desk", lambda: [valid for *_, valid in DOORS], _knock),
    Parser("identity", _identities, _identity, (oidc.Failed,)),
)


def close() -> None:
    """Ends the practice and its desk."""
    _open.close()
    application.cache_clear()
    for kept in (_call, _known, _engine):
        kept.cache_clear()
