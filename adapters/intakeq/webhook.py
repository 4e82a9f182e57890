"""IntakeQ's webhooks: not signed, so that a token in the address is all that tells them from anybody's.

Only the documented shapes are believed, and nothing in them is: the next pull reads by the API.
"""

from __future__ import annotations

from hashlib import sha256
from hmac import compare_digest

import msgspec

from ...plugin_core.contracts import AdapterContext, Hint, Refusal, WebhookRequest
from ...plugin_core.words import tr

LONGEST = 4096


class _Intake(msgspec.Struct, forbid_unknown_fields=True):
    """The body of an intake's webhook."""

    IntakeId: str
    Type: str
    ClientId: int | None = None
    ExternalClientId: str | None = None
    ExternalPracticeId: str | None = None


def hint(context: AdapterContext, request: WebhookRequest) -> Hint | Refusal:
    """What one request is worth. The token is the last part of the path, or the whole query."""
    token = context.secret("webhook_token").strip()
    given = (request.path.rstrip("/").rpartition("/")[2], request.query)
    if len(token) < 20:
        return Refusal(tr("The webhook's token is too short: it takes at least 20 letters, made by chance."))
    if not any(compare_digest(one.encode(), token.encode()) for one in given):
        return Refusal(tr("The request does not carry the token of this practice's webhook."))
    try:
        told = msgspec.json.decode(request.body, type=_Intake) if len(request.body) <= LONGEST else None
    except (msgspec.DecodeError, UnicodeError):
        told = None
    if request.method != "POST" or told is None or told.Type != "Intake Submitted" or len(told.IntakeId) > 64:
        return Refusal(tr("The request is none of those that IntakeQ sends for a questionnaire."))
    return Hint(sha256(request.body).hexdigest(), forms=(told.IntakeId,))
