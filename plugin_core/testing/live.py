"""The kit over a real account: what can be seen through the adapter alone; only what was agreed to is written."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ...schemas.vocab import RemoteState
from ..contracts import AdapterSpec
from ..errors import PlatformError
from ..words import mark, tr
from .bench import LAST_KEY, TITLE
from .clock import Clock
from .conformance import AdapterConformance
from .platform import Platform

MOST_CLIENTS = 2
PEOPLE = "on a real account people do this, not a test"
FAULTS = "a real platform cannot be made to fail on demand"
CANNOT = {
    "add": PEOPLE,
    "amend": PEOPLE,
    "withdraw": PEOPLE,
    "delete": PEOPLE,
    "tidy": PEOPLE,
    "close": PEOPLE,
    "pages": FAULTS,
    "incremental": PEOPLE,
    "duplicates": FAULTS,
    "next-links": FAULTS,
    "expire": FAULTS,
    "throttle": FAULTS,
    "own-wait": FAULTS,
    "faults": FAULTS,
    "webhooks": FAULTS,
    "asks": "real clients are not asked by a test",
    "look": "what stands in the charts is seen by people, not from here: look for yourself",
}


@dataclass(frozen=True, slots=True)
class Wish:
    """What the person agreed to. `settings` and `secrets` lead to the account; `client` is a client of the sandbox in
    whose chart prompts may stand for a moment, on `carriers`; `publish` allows a form to be made; `wrong` allows one
    sign-in with a wrong credential; `address` is the name of the setting with the address."""

    settings: Mapping[str, Any]
    secrets: Mapping[str, str] = field(repr=False, default_factory=dict)
    client: str | None = None
    carriers: Sequence[str] = ()
    publish: bool = False
    wrong: bool = False
    address: str | None = None

    @property
    def tries_wrong(self) -> bool:
        """Whether a wrong credential is tried: not where it is a private key, as nothing like one can be made up."""
        return self.wrong and bool(self.secrets) and not any("BEGIN" in one for one in self.secrets.values())

    def writes(self) -> list[str]:
        """What will be written there, in whole sentences; nothing where the tests only read."""
        said = []
        if self.carriers and self.client:
            said.append(
                tr(
                    "In the chart of the client {client}: prompts titled “{title}” as {carriers}, each taken back "
                    "again. Where the platform keeps what was taken back, it stays there as such.",
                    client=self.client,
                    title=tr(TITLE),
                    carriers=", ".join(self.carriers),
                )
            )
        if self.publish:
            said.append(tr("The form gr18, made or brought up to date. It stays there."))
        if self.tries_wrong:
            said.append(tr("Nothing, but one sign-in with a wrong credential, which the platform may write down."))
        return said


class RealClock(Clock):
    """The time as it is. Nobody waits for `later`."""

    def __init__(self) -> None:
        self.adrift = 0.0
        self.slept: list[float] = []

    @property
    def at(self) -> datetime:  # type: ignore[override]
        return datetime.now(UTC)

    def now(self) -> float:
        return time.time()

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        time.sleep(seconds)

    def later(self, **by: float) -> datetime:  # noqa: ARG002 - time is not ours here
        return self.at


class Account(Platform):
    """A real account. It does only what the adapter does."""

    def __init__(self, wish: Wish, clients: Mapping[str, str]) -> None:
        self.clock = RealClock()
        self._wish = wish
        self._clients = clients

    def can(self, ability: str) -> str | None:
        return _cannot(self._wish).get(ability) or super().can(ability)

    def settings(self) -> dict[str, Any]:
        return dict(self._wish.settings)

    def secrets(self) -> dict[str, str]:
        return dict(self._wish.secrets)

    def wrong_secrets(self) -> dict[str, str]:
        return {name: secrets.token_hex(max(4, len(value) // 2)) for name, value in self._wish.secrets.items()}

    def address_setting(self) -> str:
        return self._wish.address or super().address_setting()

    def clients(self) -> Mapping[str, str]:
        return self._clients


def _cannot(wish: Wish) -> dict[str, str]:
    found = dict(CANNOT)
    if not (wish.carriers and wish.client):
        found["carriers"] = "no client and carrier were named with --client and --carrier"
    if not wish.publish:
        found["publish"] = "no form is made on the account without the option --publish"
    if not wish.tries_wrong:
        found["wrong"] = "no wrong credential is tried without --wrong-key, nor where it is a private key"
    if wish.address is None:
        found["address"] = "the adapter has no setting with an address"
    return found


def live(spec: AdapterSpec, wish: Wish) -> type[AdapterConformance]:
    """The conformance class for one run on an account. Its keys are new ones, so that no earlier run's is found."""
    salt = secrets.token_hex(16)
    clients = _clients(spec, wish, salt)

    class Live(AdapterConformance):
        only_carriers = tuple(wish.carriers) or None

        def platform(self) -> Platform:
            return Account(wish, clients)

    Live.spec, Live.live, Live.salt = spec, True, salt
    return Live


def _clients(spec: AdapterSpec, wish: Wish, salt: str) -> dict[str, str]:
    """The client that was named, or some who have filled in a form, with their names."""

    class Look(AdapterConformance):
        def platform(self) -> Platform:
            return Account(wish, {})

    Look.spec, Look.live, Look.salt = spec, True, salt
    bench = Look()
    bench.setup_method()
    try:
        adapter = bench.open()
        refs = [wish.client] if wish.client else []
        for page in adapter.pull(None) if not refs else ():
            refs = list(dict.fromkeys([*refs, *(one.client for one in page.responses)]))[:MOST_CLIENTS]
            if len(refs) == MOST_CLIENTS:
                break
        names = {client.ref: client.name or "" for client in adapter.clients(refs)}
        return {ref: names.get(ref, "") for ref in refs}
    finally:
        bench.teardown_method()


def tidy_up(kind: type[AdapterConformance]) -> list[str]:
    """Takes back whatever of this run still stands; gives a sentence for each thing that could not be.

    By key and client, never by what `find` gives: of a tag that serves all prompts it gives every client who bears it.
    """
    bench = kind()
    bench.setup_method()
    left = []
    try:
        adapter = bench.open()
        for name in bench.only_carriers or ():
            for number in range(1, LAST_KEY + 1):
                try:
                    adapter.carrier(name).deliver(bench.notice(bench.key(number), RemoteState.RETRACTED), None, None)
                except PlatformError as error:
                    left.append(tr(LEFT, carrier=name, why=error.message))
    finally:
        bench.teardown_method()
    return left


LEFT = mark("A prompt of this test may still stand there ({carrier}): {why} Look into the client's chart.")
