"""A person signs in once, in their own browser; from then on the tokens are kept fresh (OAuth 2.0, authorization code).

RFC 6749 section 4.1 and 6, with PKCE (RFC 7636) and a loopback redirect (RFC 8252). Platforms hand out a new refresh
token with each use and end the old one, so all processes take turns: one refreshes, the others use what it has kept.
"""

from __future__ import annotations

import secrets as chance
import threading
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
from filelock import FileLock, Timeout
from marshmallow import fields, validate

from ..plugin_core.contracts import AdapterContext, Browser
from ..plugin_core.errors import Denied, KeyProblem, SettingsError, Unreachable
from ..plugin_core.words import mark, tr
from .addresses import Base
from .secret import Secret
from .tokens import Token, allowed_endpoint, ask, bearer_only, error_of, not_a_sign_in, post_form, read_token, token_in
from .transport import Reply, Transport
from .waiting import Patience

TOKENS = "tokens"
LONGEST_KEPT = 1200  # letters: what every keyring takes as one entry (Windows: 2560 bytes of UTF-16)
LOCK_SECONDS = 300.0
# RFC 6749, 4.1.2.1: what the platform's error word means for the person who signs in.
DECLINED = {
    "access_denied": mark("the person said no there, or may not give this access"),
    "invalid_scope": mark("the application may not have the rights that it asks for"),
    "unauthorized_client": mark("the application may not sign people in"),
    "temporarily_unavailable": mark("it is overloaded at the moment"),
    "server_error": mark("it reports an error of its own"),
}


class LoginSettings:
    """Fields of a settings schema whose platform signs a person in; mix in beside `NetworkSettings`."""

    redirect_port = fields.Integer(
        load_default=8765,
        strict=True,
        validate=validate.Range(0, 65535),
        metadata={
            "help": mark(
                "The port of this computer to which the platform sends the browser back after the sign-in; 0 takes any "
                "free port. Register this redirect address there: http://127.0.0.1:PORT/handrail"
            )
        },
    )
    token_host_allowed = fields.List(
        fields.String(),
        load_default=list,
        metadata={"help": mark("Other hosts to which the sign-in may go, as host or host:port; usually none.")},
    )
    tokens = fields.String(
        metadata={
            "help": mark("What the sign-in has brought; handrail connect --login puts it there."),
            "secret": True,
            "by_login": True,
        }
    )


@dataclass(frozen=True, slots=True)
class Application:
    """Handrail as it is registered on the platform.

    `authorize_url` is where the person goes, `token_url` where codes become tokens. `client_secret` is read at each use
    (None: a public client). `by_header`: the secret goes as HTTP Basic, else in the form.
    """

    platform: str
    client_id: str
    authorize_url: str
    token_url: str
    scopes: str
    client_secret: Callable[[], str] | None = None
    by_header: bool = False
    more: Mapping[str, str] | None = None


class _Kept(msgspec.Struct, omit_defaults=True):
    """What lies in the secret: the refresh token, and the access token where it is short enough to lie beside it."""

    refresh: str
    access: str = ""
    until: float = 0.0


class _Service:
    """The platform's token endpoint, as this application may use it."""

    def __init__(self, base: Base, transport: Transport, patience: Patience, app: Application, context: Any) -> None:
        self.base = base
        self.app = app
        self._transport = transport
        self._patience = patience
        settings = context.settings
        hosts: Collection[str] = settings.get("token_host_allowed", ())
        self._context = context
        plain = bool(settings.get("allow_http"))
        self.authorize = allowed_endpoint(app.authorize_url, base, hosts, allow_http=plain)
        self._endpoint = allowed_endpoint(app.token_url, base, hosts, allow_http=plain)

    def ask(self, form: Mapping[str, str], read: Callable[[Reply, str], Token]) -> tuple[Token, float]:
        """A token and until when to use it."""
        asked_at = self._patience.now()
        token = ask(lambda: self._post(form), read, self._patience, self.base.site)
        return token, token.fresh_until(asked_at)

    def _post(self, form: Mapping[str, str]) -> Reply:
        app, headers, sent = self.app, {}, {**form, "client_id": self.app.client_id}
        if app.client_secret is not None and app.by_header:
            pair = f"{quote(app.client_id, safe='')}:{quote(app.client_secret(), safe='')}"
            headers["Authorization"] = "Basic " + b64encode(pair.encode()).decode()
        elif app.client_secret is not None:
            sent["client_secret"] = app.client_secret()
        return post_form(self._transport, self._endpoint, sent, self.base.site, headers)

    def keep(self, token: Token, until: float, refresh: str) -> _Kept:
        """Puts the tokens where the secret lies, before anything else is done with them."""
        kept = _Kept(token.refresh_token or refresh, token.access_token, until)
        text = msgspec.json.encode(kept).decode()
        if len(text) > LONGEST_KEPT:
            text = msgspec.json.encode(_Kept(kept.refresh)).decode()
        self._context.keep(TOKENS, text)
        return kept

    def kept(self) -> _Kept:
        """What was kept last, by whichever process. Raises Denied where there is nothing that can be read."""
        try:
            text = self._context.secret(TOKENS)
        except (KeyProblem, SettingsError) as error:  # a copy of it would not help: refresh tokens are used once
            raise Denied(
                tr(
                    "There is no sign-in on {site}: nobody has signed in yet, or what the sign-in brought cannot be "
                    "read any more. A person has to sign in: handrail connect {platform} --login",
                    site=self.base.site,
                    platform=self.app.platform,
                ),
                detail=type(error).__name__,
            ) from None
        try:
            return msgspec.json.decode(text, type=_Kept)
        except (msgspec.DecodeError, UnicodeError):
            return _Kept(text.strip())  # a refresh token that somebody put there by hand

    @contextmanager
    def turn(self) -> Iterator[None]:
        """One process at a time: a refresh token that two use at once is burnt for both."""
        folder = self._context.folder
        if folder is None:
            yield
            return
        name = "|".join((self._context.practice, self.app.platform, self.app.client_id, self.base.text))
        lock = FileLock(folder / f"sign-in-{sha256(name.encode()).hexdigest()[:24]}.lock", timeout=LOCK_SECONDS)
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock.acquire()
        except Timeout:
            raise Unreachable(
                tr("Another run has been renewing the sign-in of {site} for minutes. Go on later.", site=self.base.site)
            ) from None
        except OSError as error:
            raise Unreachable(
                tr(
                    "The folder {folder} cannot be written, so the sign-in of {site} is not renewed: two runs at once "
                    "would end it. Check that the folder can be written, then run the command again.",
                    folder=folder,
                    site=self.base.site,
                ),
                detail=type(error).__name__,
            ) from None
        try:
            yield
        finally:
            lock.release()


class PersonToken:
    """A person's access token, kept fresh for as long as the platform honours the sign-in."""

    def __init__(
        self, base: Base, transport: Transport, patience: Patience, app: Application, context: AdapterContext
    ) -> None:
        self._service = _Service(base, transport, patience, app, context)
        self._patience = patience
        self._lock = threading.Lock()
        self._token: Secret | None = None
        self._until = 0.0

    def header(self) -> Secret | None:
        """The bearer header. Raises Denied where somebody has to sign in again."""
        with self._lock:
            if self._token is None or self._patience.now() >= self._until:
                self._fetch(refused=None)
            return self._token

    def renew(self, refused: Secret | None) -> bool:
        """Gets another token than the one refused, unless another thread or process has done so."""
        with self._lock:
            if refused is None or (self._token is not None and self._token.reveal() == refused.reveal()):
                self._fetch(refused)
            return True

    def _fetch(self, refused: Secret | None) -> None:
        service = self._service
        with service.turn():
            kept = service.kept()
            there = f"Bearer {kept.access}"
            if not kept.access or self._patience.now() >= kept.until or (refused and there == refused.reveal()):
                form = {"grant_type": "refresh_token", "refresh_token": kept.refresh}
                token, until = service.ask(form, self._read)
                kept = service.keep(token, until, kept.refresh)
            self._token, self._until = Secret(f"Bearer {kept.access}"), kept.until

    def _read(self, reply: Reply, site: str) -> Token:
        token = token_in(reply)
        if token is not None:
            return bearer_only(token, site)
        if reply.status in (400, 401, 403) and error_of(reply) in ("invalid_grant", "", "invalid_token"):
            raise Denied(
                tr(
                    "The sign-in on {site} has ended: it was withdrawn there, or not used for too long. A person has "
                    "to sign in again: handrail connect {platform} --login",
                    site=site,
                    platform=self._service.app.platform,
                )
            )
        return read_token(reply, site)


def sign_in(context: AdapterContext, browser: Browser, base: Base, transport: Transport, app: Application) -> None:
    """Sends a person to the platform's sign-in, takes what comes back, and keeps the tokens.

    :raises Denied: the platform or the person said no, or what came back is not the answer to what was asked.
    """
    service = _Service(base, transport, Patience(context.now, context.sleep), app, context)
    state, verifier = chance.token_urlsafe(32), chance.token_urlsafe(64)
    challenge = urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    asked = {
        "response_type": "code",
        "client_id": app.client_id,
        "redirect_uri": browser.returns_to,
        "scope": app.scopes,
        "state": state,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        **(app.more or {}),
    }
    back = browser.visit(f"{service.authorize}?{urlencode(asked, quote_via=quote)}")
    code = _code(back, state, base.site)
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": browser.returns_to,
        "code_verifier": verifier,
    }
    token, until = service.ask(form, _first)
    if not token.refresh_token:
        raise Denied(
            tr(
                "{site} signed the person in, but for a moment only: it gave no refresh token. Allow the application "
                "lasting (offline) access there, then sign in again.",
                site=base.site,
            )
        )
    with service.turn():
        service.keep(token, until, token.refresh_token)


def _code(back: Mapping[str, str], state: str, site: str) -> str:
    """The code that came back with our own state, or the refusal as a plain sentence."""
    if not compare_digest(back.get("state", "").encode(), state.encode()):
        raise Denied(
            tr("What came back from {site} does not belong to this sign-in; it was not used. Try again.", site=site)
        )
    if "error" in back or not back.get("code"):
        why = tr(DECLINED.get(back.get("error", ""), mark("it gives no reason that Handrail knows")))
        raise Denied(tr("{site} did not sign anybody in: {why}.", site=site, why=why))
    return back["code"]


def _first(reply: Reply, site: str) -> Token:
    token = token_in(reply)
    if token is not None:
        return bearer_only(token, site)
    word = error_of(reply)
    if word == "invalid_grant":
        raise Denied(
            tr(
                "{site} does not accept the sign-in any more: it took too long, or the redirect address is not the one "
                "that is registered there. Try again.",
                site=site,
            )
        )
    if reply.status in (400, 401, 403):
        return read_token(reply, site)
    raise not_a_sign_in(site)
