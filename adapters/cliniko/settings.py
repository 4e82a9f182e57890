"""What a practice fills in to connect Cliniko, and the connection made from it."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from ...plugin_core.contracts import AdapterContext
from ...plugin_core.errors import NotTheApi, PlatformError, SettingsError
from ...plugin_core.words import mark, tr
from ...schemas.records import Json
from ..auth import Fixed
from ..budget import Budget, Limit
from ..http import Manners
from ..keyset import PullSettings
from ..network import base_at, rest_of
from ..rest import Rest
from ..times import http_date
from ..waiting import retry_after

FIRST_SHARD = "au1"
SHARD = r"[a-z]{2}\d{1,2}"
A_MINUTE = Limit(200, 60.0, keep=10)
PER_PAGE = 100
_NOT_A_SHARD = mark("is no shard; it looks like au2, uk1 or ca1")


class ClinikoSettings(PullSettings):
    """Settings of the Cliniko adapter. The API key is a reference to where it lies, never the key."""

    api_key = fields.String(
        required=True,
        metadata={
            "help": mark(
                "An API key. In Cliniko: My Info > Manage API keys > Add an API key. It acts with the rights of its "
                "user, who has to see patient forms and medical alerts."
            ),
            "secret": True,
        },
    )
    contact_email = fields.String(
        required=True,
        validate=validate.Regexp(
            r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,190}\Z", error=mark("is no e-mail address")
        ),
        metadata={"help": mark("An e-mail address of the practice. Cliniko wants one with every request.")},
    )
    shard = fields.String(
        validate=validate.Regexp(SHARD + r"\Z", error=_NOT_A_SHARD),
        metadata={
            "help": mark("The shard of the practice's account, such as au2. Only where the API key does not end in it.")
        },
    )
    base_url = fields.String(
        metadata={"help": mark("Another address of the API, for a test account. Usually left empty.")}
    )
    clinician_from = fields.String(
        load_default="none",
        validate=validate.OneOf(("none", "appointment")),
        metadata={
            "help": mark(
                "Who is a client's therapist: none (Cliniko's files name nobody), or appointment (the practitioner of "
                "the latest appointment, at two more requests a client)."
            )
        },
    )
    client_email = fields.Boolean(
        load_default=False,
        truthy={True},
        falsy={False},
        metadata={"help": mark("Read clients' e-mail addresses; only where the practice asks clients by e-mail.")},
    )

    @validates_schema
    def _whole(self, data: Mapping[str, Any], **_: Any) -> None:
        if data.get("base_url"):
            try:
                base_at(data["base_url"], data)
            except SettingsError as error:
                raise ValidationError(error.message, "base_url") from None


def shard_of(key: str) -> str:
    """The shard that an API key names after its last dash; a key without a dash belongs to the first one.

    :raises SettingsError: what stands there is no shard; it would lead the key to another host.
    """
    _, dash, end = key.rpartition("-")
    if not dash:
        return FIRST_SHARD
    if not re.fullmatch(SHARD, end):
        raise SettingsError(
            tr(
                "The API key of Cliniko does not end in a shard such as -au2. Copy the whole key again, or name the "
                "shard in the setting shard."
            )
        )
    return end


def connection(context: AdapterContext) -> Rest:
    """The connection that the settings ask for. Raises SettingsError."""
    settings = context.settings

    def key() -> str:
        return context.secret("api_key").strip()

    shard = "" if settings.get("base_url") else settings.get("shard") or shard_of(key())
    base = base_at(settings.get("base_url") or f"https://api.{shard}.cliniko.com/v1", settings)
    named = replace(context, user_agent=f"{context.user_agent} ({settings['contact_email']})")
    name = f"cliniko {sha256(key().encode()).hexdigest()}"
    budget = Budget(name, (A_MINUTE,), context.now, context.sleep, base.site, context.folder, context.tally)
    auth = Fixed(lambda: "Basic " + b64encode(f"{key()}:".encode()).decode())
    return rest_of(named, base, auth, Manners(asked=_asked(context.now), budget=budget), explain=_explain)


def _asked(now: Callable[[], float]) -> Callable[[Mapping[str, str]], float | None]:
    """Seconds to wait: by Retry-After where it is sent, else until X-RateLimit-Reset (docs: seconds since 1970)."""

    def read(headers: Mapping[str, str]) -> float | None:
        asked = retry_after(headers)
        reset = headers.get("X-RateLimit-Reset", "").strip()
        if asked is not None or not (reset.isascii() and reset.isdigit() and len(reset) <= 10):
            return asked
        sent = http_date(headers.get("Date"))
        return max(0.0, int(reset) - (sent.timestamp() if sent else now()))

    return read


def _explain(data: Any) -> str:
    """The names of the fields that Cliniko did not take; its sentences may quote what was sent."""
    errors = data.get("errors") if isinstance(data, dict) else None
    return ", ".join(sorted(map(str, errors))) if isinstance(errors, dict) else ""


def rows(rest: Rest, name: str, filters: tuple[str, ...], purpose: str, sort: str = "created_at:asc") -> Iterator[Json]:
    """All rows of a list, page by page. `name` is the path and the name of the list in the answer.

    :raises PlatformError: the pages go in a circle; taken for the end, forms behind it would be withdrawn (F18).
    """
    query: list[tuple[str, str | int]] = [("q[]", one) for one in filters]
    query += [("sort", sort), ("per_page", PER_PAGE)]
    url: str | None = rest.url(name, query)
    seen: set[str] = set()
    while url is not None:
        if url in seen:
            raise PlatformError(
                tr("{site} leads from page to page in a circle, so its list cannot be read.", site=rest.base.site)
            )
        seen.add(url)
        data = rest.follow(url, purpose=purpose).data
        yield from listed(rest, data, name)
        url = next_of(rest, data)


def next_of(rest: Rest, data: Any) -> str | None:
    """The platform's next page. Raises UnsafeLink for one on another host, where the key must not go (S1)."""
    links = data.get("links") if isinstance(data, dict) else None
    link = links.get("next") if isinstance(links, dict) else None
    return rest.base.link(link) if isinstance(link, str) and link else None


def listed(rest: Rest, data: Any, name: str) -> list[Json]:
    """The rows of a list.

    :raises NotTheApi: the answer is no list of that name; read as none, it would move the cursor past real forms (F39).
    """
    if not isinstance(data, dict) or not isinstance(data.get(name), list):
        raise NotTheApi(
            tr("{site} answers a search with something else than a list. Check base_url.", site=rest.base.site)
        )
    return objects(data, name)


def objects(data: Any, name: str) -> list[Json]:
    """The objects of a list in an answer; what is none is left out."""
    found = data.get(name) if isinstance(data, dict) else None
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def linked(row: Json, name: str) -> str | None:
    """The id that a relation's link ends in: ids are 64 bits long and stay texts."""
    relation = row.get(name)
    links = relation.get("links") if isinstance(relation, dict) else None
    link = links.get("self") if isinstance(links, dict) else None
    return id_of(str(link).rstrip("/").rpartition("/")[2])


def id_of(value: Any) -> str | None:
    """An id as a text of digits, None for what is none."""
    text = str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else ""
    return text if text.isascii() and text.isdigit() and len(text) <= 20 else None
