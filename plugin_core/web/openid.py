"""Sign-in through the practice's own identity provider (OpenID Connect, code flow with PKCE), by Authlib.

The provider is the one of the settings and no other; an account must be here already, made by an administrator. The
first sign-in finds it by the claim that the settings name (a verified e-mail address, say); from then on by issuer and
subject, so that an address that is given to somebody else later does not open it.
"""

from __future__ import annotations

import base64
import hmac
import json
import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from flask import Blueprint, abort, make_response, redirect, request, url_for

from ..store import Tx, accounts, book, keys
from ..words import mark, tr
from . import guard, here
from .access import lets_all
from .signing import let_in, safe_next, sign_in_page
from .staff import folded

if TYPE_CHECKING:
    from flask import Response
    from flask.typing import ResponseReturnValue

    from ..settings_web import OpenId
    from ..store.accounts import Account

pages = Blueprint("openid", __name__)
COOKIE = "handrail-openid"
SECONDS = 10
LONGEST_MS = 10 * 60_000
ALGORITHMS = ["RS256", "RS384", "RS512", "ES256", "ES384", "PS256", "PS384", "EdDSA"]
NOT_REACHED = mark(
    "The identity provider could not be reached, or did not answer as one. Try again, or sign in by name."
)
NO_ACCOUNT = mark("You are known there, and have no account here. Ask the administrator to make one.")
WENT_WRONG = mark("The sign-in could not be completed. Begin anew.")


class _Failed(Exception):
    """The provider's answer cannot be used; the text is shown."""


def _settings() -> OpenId:
    found = here.desk().settings.web.openid
    if found is None:
        abort(404)
    return found


def _back_address() -> str:
    address = here.desk().settings.web.address or request.host_url.rstrip("/")
    return f"{address}{url_for('openid.back')}"


def _fetch(address: str, what: OpenId) -> dict[str, Any]:
    """JSON of the provider. Only its own host is asked, over https (or on this machine), and no redirect is followed.

    :raises _Failed: it cannot be reached, or answers otherwise.
    """
    import requests

    own, wanted = urlsplit(what.issuer), urlsplit(address)
    if (own.scheme, own.netloc) != (wanted.scheme, wanted.netloc):
        raise _Failed(tr(NOT_REACHED))
    try:
        answer = requests.get(address, timeout=SECONDS, allow_redirects=False)
        found = answer.json() if answer.status_code == 200 and len(answer.content) < 1_000_000 else None
    except (requests.RequestException, ValueError):
        raise _Failed(tr(NOT_REACHED)) from None
    if not isinstance(found, dict):
        raise _Failed(tr(NOT_REACHED))
    return found


def _provider(what: OpenId) -> dict[str, Any]:
    """What the provider says of itself; it must name itself as the settings do."""
    found = _fetch(what.issuer.rstrip("/") + "/.well-known/openid-configuration", what)
    places = ("authorization_endpoint", "token_endpoint", "jwks_uri")
    if found.get("issuer") != what.issuer or not all(isinstance(found.get(name), str) for name in places):
        raise _Failed(tr(NOT_REACHED))
    return found


def _session(what: OpenId) -> Any:
    from authlib.integrations.requests_client import OAuth2Session

    secret = None
    if what.secret:
        kind, _, place = what.secret.partition(":")
        folder = here.desk().settings.folder
        secret = keys.read(f"file:{folder / place}" if kind == "file" else what.secret).reveal()
    return OAuth2Session(
        what.client,
        secret,
        scope="openid profile email",
        redirect_uri=_back_address(),
        code_challenge_method="S256",
        token_endpoint_auth_method="client_secret_basic" if secret else "none",
    )


# --- there and back --------------------------------------------------------------------------------------------------


@pages.get("/sign-in/provider")
@lets_all()
def go() -> ResponseReturnValue:
    """Leads to the provider. What must fit when they come back is in a cookie that only this server could have made."""
    what = _settings()
    try:
        provider = _provider(what)
    except _Failed as failed:
        return sign_in_page(str(failed), 503)
    kept = {
        "state": secrets.token_urlsafe(24),
        "nonce": secrets.token_urlsafe(24),
        "verifier": secrets.token_urlsafe(48),
        "on": safe_next(request.args.get("on", "")) or "",
        "at": here.now_ms(),
    }
    address, _ = _session(what).create_authorization_url(
        provider["authorization_endpoint"], state=kept["state"], nonce=kept["nonce"], code_verifier=kept["verifier"]
    )
    answer = redirect(address)
    guard.set_cookie(answer, COOKIE, _signed(kept))  # type: ignore[arg-type]
    return answer


@pages.get("/sign-in/back")
@lets_all()
def back() -> ResponseReturnValue:
    """They come back from the provider."""
    what, kept = _settings(), _opened(request.cookies.get(COOKIE, ""))
    if kept is None or not hmac.compare_digest(kept["state"].encode(), request.args.get("state", "").encode()):
        return _over(sign_in_page(tr(WENT_WRONG), 400))
    try:
        claims = _claims(what, kept, request.args.get("code", ""))
        account = _account(what, claims)
    except _Failed as failed:
        here.note("sign-in-failed", actor="nobody", detail="provider")
        return _over(sign_in_page(str(failed), 403))
    return _over(let_in(account, kept["on"]))


def _over(answer: ResponseReturnValue) -> Response:
    made = make_response(answer)
    guard.drop_cookie(made, COOKIE)
    return made


def _signed(kept: dict[str, Any]) -> str:
    """Readable by the browser, made by nobody else: the verifier in it is of use only with our client's code."""
    text = base64.urlsafe_b64encode(json.dumps(kept).encode()).decode()
    return f"{text}.{here.keyed('openid', text)}"


def _opened(cookie: str) -> dict[str, Any] | None:
    text, _, mac = cookie.rpartition(".")
    if not text or not hmac.compare_digest(mac.encode(), here.keyed("openid", text).encode()):
        return None
    kept: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text))
    return kept if here.now_ms() - kept["at"] <= LONGEST_MS else None


def _claims(what: OpenId, kept: dict[str, Any], code: str) -> dict[str, Any]:
    """What the provider says of the person, after its signature, audience, issuer, time and nonce were checked."""
    import requests
    from authlib.common.errors import AuthlibBaseError
    from joserfc import jwt
    from joserfc.errors import JoseError
    from joserfc.jwk import KeySet

    provider = _provider(what)
    if urlsplit(provider["token_endpoint"]).netloc != urlsplit(what.issuer).netloc:
        raise _Failed(tr(NOT_REACHED))
    try:
        token = _session(what).fetch_token(
            provider["token_endpoint"],
            code=code,
            code_verifier=kept["verifier"],
            timeout=SECONDS,
            allow_redirects=False,
        )
        signers = KeySet.import_key_set(_fetch(provider["jwks_uri"], what))  # type: ignore[arg-type]
        found = jwt.decode(token.get("id_token", ""), signers, algorithms=ALGORITHMS).claims
        now = int(here.now_ms() / 1000)
        rules = jwt.JWTClaimsRegistry(
            now=now, leeway=120, iss={"essential": True, "value": what.issuer}, exp={"essential": True},
            aud={"essential": True, "value": what.client}, sub={"essential": True},
            nonce={"essential": True, "value": kept["nonce"]},
        )  # fmt: skip
        rules.validate(found)
    except (AuthlibBaseError, JoseError, requests.RequestException, ValueError, AttributeError, TypeError):
        raise _Failed(tr(WENT_WRONG)) from None
    audience = found.get("aud")
    if isinstance(audience, list) and len(audience) > 1 and found.get("azp") != what.client:
        raise _Failed(tr(WENT_WRONG))
    return dict(found)


def _account(what: OpenId, claims: dict[str, Any]) -> Account:
    """The open account of the person, bound to issuer and subject the first time.

    :raises _Failed: there is none.
    """
    engine = here.engine()
    subject = here.keyed("subject", what.issuer, str(claims["sub"]))
    name = claims.get(what.claim)
    trusted = isinstance(name, str) and (
        what.claim != "email" or not what.verified or claims.get("email_verified") is True
    )

    def write(tx: Tx) -> Account | None:
        found = accounts.by_subject(tx, subject)
        if found is None and trusted:
            found = accounts.read(tx, accounts.key_of(tx, folded(str(name))))
            if found is not None and found.subject not in (None, subject):
                return None
            if found is not None and found.state == accounts.OPEN:
                found = replace(found, subject=subject)
                accounts.save(tx, found)
                book.record(tx, found.login, "provider-bound", found.key)
        return found if found is not None and found.state == accounts.OPEN else None

    account = engine.store.write(write)
    if account is None:
        raise _Failed(tr(NO_ACCOUNT))
    return account
