"""DrChrono's webhooks: the proof of the address, and the check that a delivery comes from there.

The vendor's narrative says that `X-drchrono-signature` is the secret token itself; some libraries read it as an HMAC
of the body (doubt). The setting `webhook_signature` says which; whatever comes is a hint only.
"""

from __future__ import annotations

import hmac
from hashlib import sha256
from urllib.parse import parse_qs

import msgspec

from ...plugin_core.contracts import AdapterContext, Hint, Refusal, WebhookRequest
from ...plugin_core.words import tr

EVENTS = ("CLINICAL_NOTE_", "APPOINTMENT_", "PATIENT_")
LONGEST_PROOF = 512


def hint(context: AdapterContext, request: WebhookRequest) -> Hint | Refusal:
    """What one request is worth."""
    secret = context.secret("webhook_secret")
    if request.method == "GET":
        proof = parse_qs(request.query).get("msg", [""])[0]
        # The answer signs what is asked: nobody may have the body of a delivery signed by it.
        if not proof or len(proof) > LONGEST_PROOF or proof.lstrip().startswith("{"):
            return Refusal(tr("The request is none of those that DrChrono sends."))
        token = hmac.new(secret.encode(), proof.encode(), sha256).hexdigest()
        return Hint(f"proof|{proof}", reply=msgspec.json.encode({"secret_token": token}), pull=False)
    expected = secret
    if context.settings.get("webhook_signature") == "hmac":
        expected = hmac.new(secret.encode(), request.body, sha256).hexdigest()
    given = request.headers.get("x-drchrono-signature", "")
    genuine = hmac.compare_digest(given.encode(), expected.encode()) and request.body.lstrip().startswith(b"{")
    if request.method != "POST" or not genuine:
        return Refusal(tr("The request does not carry DrChrono's signature."))
    delivery = request.headers.get("x-drchrono-delivery") or sha256(request.body).hexdigest()
    event = request.headers.get("x-drchrono-event", "")
    return Hint(f"{event}|{delivery}", pull=event.startswith(EVENTS))
