"""The way to Acme: its address, its token, how it says "wait", and lists that are really lists."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from handrail.adapters.auth import NoAuth
from handrail.adapters.http import Http, Manners, require_json
from handrail.adapters.network import base_at, rest_of, transport_of
from handrail.adapters.rest import Answer, Rest
from handrail.adapters.secret import Secret
from handrail.adapters.transport import Reply
from handrail.adapters.waiting import Patience, retry_after
from handrail.plugin_core.contracts import AdapterContext
from handrail.plugin_core.errors import Denied, NotTheApi


def connected(context: AdapterContext) -> Rest:
    """A JSON connection to Acme, signed in when it is first used."""
    base = base_at(context.settings["base_url"], context.settings)
    transport = transport_of(context)
    patience = Patience(context.now, context.sleep)
    signing_in = Http(base, transport, NoAuth(), patience, "application/json")
    auth = Token(signing_in, lambda: context.secret("api_key"))
    return rest_of(context, base, auth, Manners(asked=_asked), transport=transport)


def _asked(headers: Mapping[str, str]) -> float | None:
    """Acme's own header for how long to wait, in milliseconds; else the usual one."""
    told = headers.get("X-Acme-Wait-Ms", "")
    return int(told) / 1000 if told.isascii() and told.isdigit() and len(told) < 9 else retry_after(headers)


class Token:
    """The `Auth` of an Acme account: its key is exchanged for a token that lives ten minutes."""

    def __init__(self, http: Http, key: Callable[[], str]) -> None:
        self._http = http
        self._key = key
        self._token: Secret | None = None

    def header(self) -> Secret:
        """See `Auth.header`."""
        if self._token is None:
            self._token = self._fetch()
        return self._token

    def renew(self, refused: Secret | None) -> bool:  # noqa: ARG002 - the protocol's
        """See `Auth.renew`: as long as the key is good there is a new token to be had."""
        self._token = self._fetch()
        return True

    def _fetch(self) -> Secret:
        body = msgspec.json.encode({"key": self._key()})
        told = self._http.read(
            self._http.base.url("token"), purpose="sign in", parse=self._told, also=(401,), body=body
        )
        token = told.get("token") if isinstance(told, dict) else None
        if not isinstance(token, str) or not token.isascii():
            raise NotTheApi("Acme gave no token. Check the setting base_url.")
        return Secret(f"Bearer {token}")

    def _told(self, reply: Reply) -> Any:
        if reply.status == 401:
            raise Denied("Acme does not accept the key. Make a new one there, then run: handrail connect acme")
        require_json(reply, self._http.base.site)
        return msgspec.json.decode(reply.body)


def rows(answer: Answer, name: str) -> list[dict[str, Any]]:
    """The list of that name in an answer. An answer without it is none of Acme's: "no forms" would be a wrong reading.

    :raises NotTheApi: there is no such list.
    """
    found = answer.data.get(name) if isinstance(answer.data, dict) else None
    if not isinstance(found, list):
        raise NotTheApi("What answers there is not Acme's programming interface. Check the setting base_url.")
    return [row for row in found if isinstance(row, dict)]
