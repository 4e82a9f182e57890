"""The small parts of writing to a FHIR server: ids derived from keys, versions, and one write with its reply read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256

import msgspec

from ...schemas.records import Json
from ..transport import Reply
from .server import ACCEPT, Server

_KEY = re.compile(r"[A-Za-z0-9\-.]{1,60}")
_ETAG = re.compile(r'(?:W/)?"([^"]{1,128})"')
_REFUSED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def derived_id(prefix: str, key: str) -> str:
    """The id that a key always leads to, at most 64 characters and never all digits, as HAPI demands."""
    return f"{prefix}-{key if _KEY.fullmatch(key) else sha256(key.encode()).hexdigest()[:40]}"


def version_of(resource: Json) -> str | None:
    """The version that the server gave the resource."""
    meta = resource.get("meta")
    version = meta.get("versionId") if isinstance(meta, dict) else None
    return version if isinstance(version, str) else None


def etag_of(resource: Json) -> str:
    """The value for `If-Match`; "" where the server has no versions."""
    version = version_of(resource)
    return f'W/"{version}"' if version else ""


def made(reply: Reply, kind: str) -> tuple[str | None, str | None]:
    """Id and version of what a write made: from the body, else from `Location` and `ETag` (some send no body)."""
    try:
        body = msgspec.json.decode(reply.body) if reply.body.strip() else {}
    except _REFUSED:
        body = {}
    if isinstance(body, dict) and body.get("resourceType") == kind and isinstance(body.get("id"), str):
        return body["id"], version_of(body)
    place = re.search(
        rf"{kind}/([A-Za-z0-9\-.]{{1,64}})(?:/_history/([A-Za-z0-9\-.]{{1,64}}))?$", reply.headers.get("Location", "")
    )
    etag = _ETAG.fullmatch(reply.headers.get("ETag", "").strip())
    version = etag.group(1) if etag else place.group(2) if place else None
    return (place.group(1) if place else None), version


def put(server: Server, method: str, path: str, resource: Json, headers: Mapping[str, str], purpose: str) -> Reply:
    """One write of a resource; the server's own stamps are left out of what goes back."""
    body = dict(resource)
    meta = {k: v for k, v in body.pop("meta", {}).items() if k not in ("versionId", "lastUpdated")}
    if meta:
        body["meta"] = meta
    sent = {"Content-Type": ACCEPT, **headers}
    return server.http.write(method, server.base.url(path), msgspec.json.encode(body), sent, purpose=purpose)
