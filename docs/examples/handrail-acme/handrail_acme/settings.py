"""What a practice fills in to connect Acme. The help says where on Acme's screens each thing is found."""

from __future__ import annotations

from handrail.adapters.keyset import PullSettings
from marshmallow import fields


class AcmeSettings(PullSettings):
    """Three fields of our own; overlap_minutes, proxy, ca_file and allow_http come from `PullSettings`."""

    base_url = fields.String(
        load_default="https://api.acme.example/v1",
        metadata={"help": "Acme's address. Leave it as it is, but for a sandbox: https://sandbox.acme.example/v1"},
    )
    api_key = fields.String(
        required=True,
        metadata={
            "help": "In Acme: Account > Integrations > New key, with the right “forms and alerts”.",
            "secret": True,
        },
    )
    webhook_secret = fields.String(
        metadata={"help": "In Acme: Account > Integrations > Webhooks, shown once when one is made.", "secret": True}
    )
