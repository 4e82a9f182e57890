"""Acme calls when a form was filled in. The call is signed; what it says is a hint to pull and never data."""

from __future__ import annotations

import hmac
from hashlib import sha256

import msgspec
from handrail.plugin_core.contracts import AdapterContext, Hint, Refusal, WebhookRequest


class Event(msgspec.Struct):
    """What Acme sends."""

    id: str
    answers: list[str] = []


def hear(context: AdapterContext, request: WebhookRequest) -> Hint | Refusal:
    """The hint, if Acme signed the body with the secret of this account (HMAC-SHA256, hex, in X-Acme-Signature)."""
    if "webhook_secret" not in context.settings:
        return Refusal("no secret is set for Acme's webhooks")
    wanted = hmac.new(context.secret("webhook_secret").encode(), request.body, sha256).hexdigest()
    given = request.headers.get("x-acme-signature", "")
    if not hmac.compare_digest(wanted.encode(), given.encode()):
        return Refusal("the signature is not that of Acme")
    try:
        event = msgspec.json.decode(request.body, type=Event)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return Refusal("the body is no event of Acme")
    return Hint(event.id, tuple(event.answers))
