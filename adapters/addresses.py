"""Keeps every request at the configured address: base URLs are parsed once, links are compared after parsing (S1).

A link that passes is built anew from the base's own scheme, host and port, so that no second parser can read another
host out of the same text.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from ..plugin_core.errors import SettingsError, UnsafeLink
from ..plugin_core.words import tr

DEFAULT_PORTS = {"https": 443, "http": 80}
_ODD = frozenset(map(chr, range(0x21))) | {"\\", "\x7f"}

Origin = tuple[str, str, int]


def is_loopback(host: str) -> bool:
    """Whether the host is this machine by name or number; names are not looked up."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _split(text: str) -> SplitResult | None:
    """The parts of a URL, or None for what no honest server writes: odd characters, user info, broken ports."""
    if not _ODD.isdisjoint(text):
        return None
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return None
    clean = "@" not in parts.netloc and parts.netloc.isascii() and "%" not in parts.netloc
    return parts if clean else None


def _origin(parts: SplitResult) -> Origin | None:
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
        return None
    return (parts.scheme, parts.hostname, parts.port or DEFAULT_PORTS[parts.scheme])


def _plain_path(path: str) -> bool:
    """No way up and no hidden slash: HTTP libraries turn `%2e%2e` into `..` and then walk it."""
    read = path
    for _ in range(4):
        read, before = unquote(read), read
        if read == before:
            break
    else:
        return False
    hidden = "%2f" in path.lower() or "%5c" in path.lower() or "\\" in read
    return not hidden and not any(part in (".", "..") for part in read.split("/"))


@dataclass(frozen=True, slots=True)
class Base:
    """The address that a practice configured. `aliases` are the same place under names that the server itself uses."""

    origin: Origin
    path: str
    aliases: tuple[tuple[Origin, str], ...] = ()
    setting: str = "base_url"

    @classmethod
    def parse(
        cls, text: str, *, allow_http: bool = False, aliases: Sequence[str] = (), setting: str = "base_url"
    ) -> Base:
        """Reads the setting. Raises SettingsError unless it is https, or http to this machine or as allowed (S4)."""
        origin, path = _place(text, setting)
        if origin[0] == "http" and not (allow_http or is_loopback(origin[1])):
            raise SettingsError(
                tr(
                    "The setting {setting} begins with http://, which would send answers readable for anyone on the "
                    "way. Use https://, or set allow_http if the connection is protected in another way.",
                    setting=setting,
                )
            )
        return cls(origin, path, tuple(_place(alias, "also_known_as") for alias in aliases), setting)

    @property
    def site(self) -> str:
        """How messages name the place: host, and port where it is not the usual one."""
        scheme, host, port = self.origin
        return host if port == DEFAULT_PORTS[scheme] else f"{host}:{port}"

    @property
    def root(self) -> str:
        """Scheme, host and port as a URL without path."""
        scheme, host, port = self.origin
        shown = f"[{host}]" if ":" in host else host
        return f"{scheme}://{shown}" + ("" if port == DEFAULT_PORTS[scheme] else f":{port}")

    @property
    def text(self) -> str:
        """The base URL in its one normal form, without a slash at the end."""
        return self.root + self.path

    def url(self, path: str, query: str = "") -> str:
        """The URL of a path below the base, from parts that are our own or were checked."""
        return f"{self.text}/{path}" + (f"?{query}" if query else "") if path else self.text

    def link(self, text: str, page: str | None = None) -> str:
        """The URL to request for a link found on `page`; relative links and default ports are fine (F22).

        Raises UnsafeLink for everything that leads away from this address (S1, F23).
        """
        parts = self._parts(text, page or self.text)
        if parts is None:
            raise UnsafeLink(
                tr("{site} sent a link that cannot be read as an address. It was not followed.", site=self.site)
            )
        origin = _origin(parts)
        path = parts.path or "/"
        for place, root in ((self.origin, self.path), *self.aliases):
            if origin == place and (path.rstrip("/") == root or path.startswith(root + "/")) and _plain_path(path):
                query = f"?{parts.query}" if parts.query else ""
                return f"{self.text}{path[len(root) :]}{query}"
        raise UnsafeLink(
            tr(
                "{site} sent a link that leads away from the address in the setting {setting}. It was not followed "
                "and nothing was sent there. If the platform is also known under that other address, add it to the "
                "setting also_known_as.",
                site=self.site,
                setting=self.setting,
            )
        )

    def _parts(self, text: str, page: str) -> SplitResult | None:
        if _split(text) is None:
            return None
        try:
            return _split(urljoin(page, text))
        except ValueError:
            return None


def _place(text: str, setting: str) -> tuple[Origin, str]:
    parts = _split(text.strip())
    origin = None if parts is None else _origin(parts)
    if parts is None or origin is None or parts.query or parts.fragment or not _plain_path(parts.path):
        raise SettingsError(
            tr(
                "The setting {setting} is not an address that can be used. It looks like https://host/path, without "
                "a user name, a question mark or a # in it.",
                setting=setting,
            )
        )
    return origin, parts.path.rstrip("/")
