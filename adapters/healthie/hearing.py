"""Webhooks of Healthie: signed requests that name what changed; the data is read anew, never taken from them.

The signed text is, parted by single blanks: the method in lower case, the path, the query, the value of Content-Digest,
`application/json` and the body's length; HMAC-SHA256 with the webhook's secret, in hex.
https://docs.gethealthie.com (Webhooks, Signed payloads)
"""

from __future__ import annotations

import hmac
import json
from base64 import b64encode
from hashlib import sha256
from typing import Any

from ...plugin_core.contracts import AdapterContext, Hint, Refusal, WebhookRequest
from ...plugin_core.errors import SettingsError
from ...plugin_core.words import mark, tr

LARGEST = 64 << 10
FORM = "form_answer_group."
NEWS = (FORM, "requested_form_completion.", "patient.merged", "patient.updated")
NO_SECRET = mark("There is no secret for Healthie's webhooks. Enter it in the setting webhook_secret.")
NO_SIGNATURE = mark("The request is not signed as Healthie signs its webhooks.")
WRONG_DIGEST = mark("The request's digest is not that of its body.")
WRONG_SIGNATURE = mark(
    "The request's signature is not made with the secret in the setting webhook_secret. If genuine webhooks are "
    "refused, see the setting webhook_blank_query."
)
NO_EVENT = mark("The request names no event.")


def heard(context: AdapterContext, request: WebhookRequest) -> Hint | Refusal:
    """What a webhook is worth: the form to read, or why it is refused."""
    try:
        secret = context.secret("webhook_secret").strip()
    except (SettingsError, KeyError):
        secret = ""
    if not secret:
        return Refusal(tr(NO_SECRET))
    digest, signature = (_value(request.headers.get(name, "")) for name in ("content-digest", "signature"))
    if request.method.upper() != "POST" or not digest or not signature or len(request.body) > LARGEST:
        return Refusal(tr(NO_SIGNATURE))
    if not _is_digest(digest, request.body):
        return Refusal(tr(WRONG_DIGEST))
    text = signed_text(request, digest, blank=context.settings.get("webhook_blank_query", "kept") == "kept")
    wanted = hmac.new(secret.encode(), text.encode(), sha256).hexdigest()
    if not hmac.compare_digest(wanted.encode(), signature.lower().encode()):
        return Refusal(tr(WRONG_SIGNATURE))
    return _hint(request.body, text)


def signed_text(request: WebhookRequest, digest: str, *, blank: bool) -> str:
    """The text that is signed. `blank`: an absent query leaves an empty place between two blanks, as in the docs."""
    parts = [request.method.lower(), request.path, request.query, digest, "application/json", str(len(request.body))]
    return " ".join(part for part in parts if blank or part)


def _value(header: str) -> str:
    """What stands between the first and the second "=": the docs' own code reads both headers so."""
    parts = header.split("=")
    return parts[1].strip() if len(parts) > 1 else ""


def _is_digest(digest: str, body: bytes) -> bool:
    """In hex or in Base64, which the docs leave open; either proves the body."""
    wanted = sha256(body)
    base64 = b64encode(wanted.digest()).decode().rstrip("=")
    return any(hmac.compare_digest(digest.strip(":").encode(), one.encode()) for one in (wanted.hexdigest(), base64))


def _hint(body: bytes, text: str) -> Hint | Refusal:
    """The event. The same event again has the same text, as nothing in it tells the time."""
    try:
        told: Any = json.loads(body)
    except (ValueError, RecursionError):
        told = None
    event = told.get("event_type") if isinstance(told, dict) else None
    if not isinstance(event, str):
        return Refusal(tr(NO_EVENT))
    resource = told.get("resource_id")
    known = isinstance(resource, (str, int)) and not isinstance(resource, bool) and len(str(resource)) <= 64
    forms = (str(resource),) if event.startswith(FORM) and known else ()
    return Hint(sha256(text.encode()).hexdigest(), forms, pull=event.startswith(NEWS))
