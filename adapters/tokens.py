"""What every OAuth 2.0 sign-in shares: where the token endpoint may be, asking it patiently, reading what it gives."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TypeVar
from urllib.parse import urlencode

import msgspec

from ..plugin_core.errors import Denied, NotTheApi, SettingsError, Unreachable, UnsafeLink
from ..plugin_core.threads import NoThread
from ..plugin_core.words import mark, tr
from .addresses import Base, is_loopback
from .transport import Interrupted, Reply, Transport
from .waiting import Patience, retry_after

T = TypeVar("T")

EARLY_SECONDS = 30.0
SHORT_LIFE = 60.0
UNSAID_LIFE = 60.0
LONGEST_LIFE = 30 * 86400.0
MAX_BODY = 1 << 20
# RFC 6749, 5.2: what the server's error word means for the person who set the practice up.
ERRORS = {
    "invalid_client": mark("it does not know the client id, or the key is not the one that is registered there"),
    "invalid_scope": mark("it does not grant the scopes that were asked for"),
    "invalid_grant": mark("it does not accept the signed request; the clock of this computer may be wrong"),
    "unauthorized_client": mark("the application is not enabled there yet"),
    "unsupported_grant_type": mark("it does not offer sign-in between systems"),
}


class Token(msgspec.Struct):
    """What a token endpoint gives (RFC 6749, 5.1)."""

    access_token: str
    token_type: str = "Bearer"  # noqa: S105 - the kind of token, not a token
    expires_in: float | str | None = None
    scope: str | None = None
    refresh_token: str | None = None

    def life(self) -> float:
        """Seconds that the access token lasts, as far as one can tell."""
        try:
            seconds = float(self.expires_in) if self.expires_in is not None else UNSAID_LIFE
        except ValueError:
            return UNSAID_LIFE
        return min(seconds, LONGEST_LIFE) if seconds > 0 else UNSAID_LIFE

    def fresh_until(self, asked_at: float) -> float:
        """Until when to use it: a little less than it lasts, counted from when it was asked for."""
        life = self.life()
        return asked_at + (life - EARLY_SECONDS if life > SHORT_LIFE else life / 2)


class _Error(msgspec.Struct):
    error: str = ""


def allowed_endpoint(endpoint: str, base: Base, hosts: Collection[str], *, allow_http: bool = False) -> str:
    """The sign-in address, if our credentials may go there: on the platform's own host, or one that the practice names.

    :raises UnsafeLink: it is elsewhere, or not protected.
    """
    site = base.site
    try:
        place = Base.parse(endpoint, allow_http=True)
    except SettingsError:
        raise NotTheApi(
            tr("{site} names no usable address for the sign-in. Set token_url by hand.", site=site)
        ) from None
    if place.origin == base.origin:
        return endpoint
    if place.site not in hosts:
        raise UnsafeLink(
            tr(
                "{site} wants the sign-in to go to another host, {site2}. If that is right, add it to the "
                "setting token_host_allowed.",
                site=site,
                site2=place.site,
            )
        )
    if place.origin[0] == "http" and not (allow_http or is_loopback(place.origin[1])):
        raise UnsafeLink(
            tr("{site} wants the sign-in to go over an unprotected connection. It was not sent.", site=site)
        )
    return endpoint


def ask(send: Callable[[], Reply], read: Callable[[Reply, str], T], patience: Patience, site: str) -> T:
    """What `read` makes of the reply; repeats what may pass, each time by a new request."""
    for attempt in range(patience.tries):
        last = attempt == patience.tries - 1
        try:
            reply = send()
        except (Interrupted, NoThread):
            raise
        except Unreachable:
            if last:
                raise
            patience.pause(attempt)
            continue
        if reply.status != 429 and reply.status < 500:
            return read(reply, site)
        if not last:
            patience.pause(attempt, retry_after(reply.headers))
    raise Unreachable(tr("The sign-in service of {site} is not working at the moment. Go on later.", site=site))


def post_form(
    transport: Transport, endpoint: str, form: Mapping[str, str], site: str, headers: Mapping[str, str] | None = None
) -> Reply:
    """One request to a token endpoint."""
    sent = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded", **(headers or {})}
    return transport.exchange("POST", endpoint, headers=sent, body=urlencode(form).encode(), site=site)


def error_of(reply: Reply) -> str:
    """The error word of a refusal (RFC 6749, 5.2); empty where there is none that can be read."""
    try:
        return msgspec.json.decode(reply.body[:MAX_BODY], type=_Error).error
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return ""


def token_in(reply: Reply) -> Token | None:
    """The token of a reply; None where it holds none that Handrail can use."""
    if reply.status != 200 or len(reply.body) > MAX_BODY:
        return None
    try:
        return msgspec.json.decode(reply.body, type=Token)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def read_token(reply: Reply, site: str) -> Token:
    """The token of a reply, or the refusal as a plain sentence."""
    token = token_in(reply)
    if token is not None:
        return bearer_only(token, site)
    if reply.status in (400, 401, 403):
        why = tr(ERRORS.get(error_of(reply), mark("it gives no reason that Handrail knows")))
        raise Denied(
            tr(
                "The sign-in service of {site} refused: {why}. Check client id, key and scopes in the settings.",
                site=site,
                why=why,
            )
        )
    raise not_a_sign_in(site)


def not_a_sign_in(site: str) -> NotTheApi:
    """What to raise where something else than a token endpoint answers."""
    return NotTheApi(
        tr("The sign-in service of {site} does not answer as one. Check base_url or token_url.", site=site)
    )


def bearer_only(token: Token, site: str) -> Token:
    """The token, if it is one that goes into a header as it is."""
    if token.token_type.lower() != "bearer" or not token.access_token.isascii():
        raise NotTheApi(tr("{site} gave a token of a kind that Handrail does not know.", site=site))
    return token
