"""Sign-in through the practice's own identity provider (OpenID Connect, code flow with PKCE), by Authlib.

The provider is the one of the settings and no other; an account must be here already, made by an administrator. The
first sign-in finds it by the claim that the settings name (a verified e-mail address, say); from then on by issuer and
subject, so that an address that is given to somebody else later does not open it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from flask import Blueprint, abort, make_response, redirect, request, url_for

from ..store import Tx, accounts, book
from ..words import mark, tr
from . import guard, here, oidc
from .access import lets_all
from .oidc import Party
from .signing import let_in, safe_next, sign_in_page
from .staff import folded

if TYPE_CHECKING:
    from flask import Response
    from flask.typing import ResponseReturnValue

    from ..settings_web import OpenId
    from ..store.accounts import Account

pages = Blueprint("openid", __name__)
COOKIE = "handrail-openid"
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


def _party(what: OpenId) -> Party:
    own = oidc.host_of(what.issuer)
    return Party(what.client, what.secret, "openid profile email", f"{here.address()}{url_for('openid.back')}", (own,))


def _provider(what: OpenId) -> dict[str, Any]:
    """What the provider says of itself; it must name itself as the settings do."""
    try:
        found = oidc.fetch(_party(what), what.issuer.rstrip("/") + "/.well-known/openid-configuration")
    except oidc.Failed:
        raise _Failed(tr(NOT_REACHED)) from None
    places = ("authorization_endpoint", "token_endpoint", "jwks_uri")
    if found.get("issuer") != what.issuer or not all(isinstance(found.get(name), str) for name in places):
        raise _Failed(tr(NOT_REACHED))
    return found


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
    kept = oidc.begin(on=safe_next(request.args.get("on", "")) or "")
    address, _ = oidc.session(_party(what)).create_authorization_url(
        provider["authorization_endpoint"], state=kept["state"], nonce=kept["nonce"], code_verifier=kept["verifier"]
    )
    answer = redirect(address)
    guard.set_cookie(answer, COOKIE, oidc.signed("openid", kept))  # type: ignore[arg-type]
    return answer


@pages.get("/sign-in/back")
@lets_all()
def back() -> ResponseReturnValue:
    """They come back from the provider."""
    what = _settings()
    kept = oidc.opened("openid", request.cookies.get(COOKIE, ""), request.args.get("state", ""))
    if kept is None:
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


def _claims(what: OpenId, kept: dict[str, Any], code: str) -> dict[str, Any]:
    """What the provider says of the person, checked."""
    provider, party = _provider(what), _party(what)
    try:
        token = oidc.exchange(party, provider["token_endpoint"], code, kept["verifier"])
        return oidc.claims(token, oidc.fetch(party, provider["jwks_uri"]), party, what.issuer, kept["nonce"])
    except oidc.Failed:
        raise _Failed(tr(WENT_WRONG)) from None


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
