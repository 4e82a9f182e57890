"""The part of the settings that the desk reads: [web] and [web.openid]."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from marshmallow import post_load

from ..schemas.base import BaseSchema, Many, One, Text, Whole, YesNo
from .words import mark

PORT = 8737


@dataclass(frozen=True, slots=True)
class OpenId:
    """Sign-in through the practice's own identity provider. Accounts are still made here.

    `secret` is a reference. `claim` names what is compared with the name of an account; `verified` says that a claim
    "email" counts only when the provider says that it was verified.
    """

    issuer: str = ""
    client: str = ""
    secret: str = ""
    title: str = ""
    claim: str = "email"
    verified: bool = True


@dataclass(frozen=True, slots=True)
class RecordSystem:
    """A record system (EHR) that may ask for cards and launch pages of the desk.

    `name` is what the audit trail calls it. `issuer` and `keys` (an https address, or file:PATH beside the settings)
    tell its signed requests. `fhir`: FHIR addresses under which it names the same people as the connected platform.
    `origins`: addresses of its pages that ask from a browser. `reasons`: cards say why, since clinicians alone see
    them. `client` (and `secret`, a reference): how Handrail is registered there for SMART App Launch; `hosts` are
    further places, as host or host:port, that its sign-in uses. `launch`: cards open through it.
    """

    name: str
    issuer: str
    keys: str
    fhir: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    reasons: bool = False
    launch: bool = False
    client: str = ""
    secret: str = ""
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Web:
    """The desk. `address` is what people type, `proxies` how many proxies of the practice's own stand before it.

    `all_clients`: clinicians see the clients of others too. `frames`: addresses of record systems that may show the
    pages meant for it inside their own. `idle_minutes` and `hours` end a sign-in.
    """

    host: str = "127.0.0.1"
    port: int = PORT
    address: str = ""
    proxies: int = 0
    proxy: str = "127.0.0.1"
    idle_minutes: int = 30
    hours: int = 12
    all_clients: bool = False
    frames: tuple[str, ...] = ()
    openid: OpenId | None = None
    record_systems: tuple[RecordSystem, ...] = ()


def _origin(**more: Any) -> Text:
    """An address without a path."""
    wrong = mark("must be an address without a path, as https://desk.practice.example")
    return Text(pattern=r"https?://[A-Za-z0-9.\-\[\]:]+", most=300, error_messages={"pattern": wrong}, **more)


_REFERENCE = dict.fromkeys(
    ("pattern", "type"), mark("must be a reference, keyring:NAME or file:PATH, never the secret itself")
)


class _OpenIdSchema(BaseSchema):
    issuer = Text(
        pattern=r"(https://|http://(127\.0\.0\.1|localhost)[:/]).+",
        most=300,
        required=True,
        error_messages={"pattern": mark("must be the https:// address of the identity provider")},
    )
    client = Text(most=300, required=True)
    secret = Text(pattern=r"(keyring|file):.+", most=1000, error_messages=_REFERENCE)
    title = Text(most=100, blank=True)
    claim = Text(most=100)
    verified = YesNo()

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> OpenId:
        return OpenId(**data)


class _RecordSystemSchema(BaseSchema):
    name = Text(most=40, required=True)
    issuer = Text(most=300, required=True)
    keys = Text(
        pattern=r"(https://|http://(127\.0\.0\.1|localhost)[:/]|file:).+",
        most=1000,
        required=True,
        error_messages={"pattern": mark("must be an https:// address or file:PATH")},
    )
    fhir = Many(Text(most=300), most=10)
    origins = Many(_origin(), most=10)
    reasons = YesNo()
    launch = YesNo()
    client = Text(most=300)
    secret = Text(pattern=r"(keyring|file):.+", most=1000, error_messages=_REFERENCE)
    hosts = Many(Text(most=300), most=10)

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> RecordSystem:
        lists = {name: tuple(data.get(name, ())) for name in ("fhir", "origins", "hosts")}
        return RecordSystem(**(data | lists))


class WebSchema(BaseSchema):
    """[web] of the settings file."""

    host = Text(most=253)
    port = Whole(least=1, most=65535)
    address = _origin()
    proxies = Whole(least=0, most=5)
    proxy = Text(most=64)
    idle_minutes = Whole(least=5, most=12 * 60)
    hours = Whole(least=1, most=24)
    all_clients = YesNo()
    frames = Many(_origin(), most=20)
    openid = One(_OpenIdSchema)
    record_systems = Many(One(_RecordSystemSchema), most=10)

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> Web:
        lists = {name: tuple(data.get(name, ())) for name in ("frames", "record_systems")}
        return Web(**(data | lists))


__all__ = ["PORT", "OpenId", "RecordSystem", "Web", "WebSchema"]
