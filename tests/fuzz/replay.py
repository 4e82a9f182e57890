"""What an adapter does with an odd answer: its exchanges with a double are kept, then played to it with one of them
bent. So the whole page handler is tried, not its parser alone, and no socket is opened while it is.

Each input meets an adapter that was opened anew, at the same time and with empty folders: what an odd answer leaves
behind can neither hide a fault from the next input nor invent one. What is not the adapter's own is made once.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

from handrail.adapters import smart
from handrail.adapters.transport import Reply, Transport
from handrail.plugin_core.contracts import Adapter, AdapterContext, Counted
from handrail.plugin_core.errors import PlatformError
from handrail.plugin_core.testing import AdapterConformance

from .places import folder

FORMS = 4
Work = Callable[[Adapter], object]
Key = tuple[str, str]
Change = tuple[object, str, object]


@dataclass(slots=True)
class Told:
    """One answer of the platform, and by which work it was asked for."""

    key: Key
    reply: Reply
    work: str


@dataclass(slots=True)
class Tape:
    """One adapter's exchanges, by works (reading forms, pulling, looking up clients ...)."""

    kit: type[AdapterConformance]
    confirmed: dict[str, tuple[str, str]]
    bench: Any = None
    works: dict[str, Work] = field(default_factory=dict)
    told: list[Told] = field(default_factory=list)
    place: TemporaryDirectory[str] | None = None
    rooms: Sequence[Path] = ()
    context: AdapterContext | None = None
    began: datetime | None = None

    def samples(self) -> Sequence[bytes]:
        """The bodies that the platform sent, once for each work that asked for them."""
        if self.bench is None:
            self._record()
        return [one.reply.body for one in self.told]

    def _record(self) -> None:
        bench = self.kit()
        bench.setup_method()
        bench._listen_no_more()  # it keeps every line that is logged
        self.bench, self.place = bench, folder("replay")
        bench.confirmed.update(self.confirmed)
        given = list(bench.fill(FORMS))
        refs = list(bench.double.clients())
        notice = bench.notice("1f" * 16)
        self.works = {
            "test": lambda a: a.test(),
            "forms": lambda a: list(a.forms()),
            "pull": _twice,
            "listing": lambda a: list(a.listing()),
            "fetch": lambda a: a.fetch(given[:1]),
            "clients": lambda a: list(a.clients(refs)),
            "sessions": lambda a: list(a.sessions(refs)),  # type: ignore[attr-defined]
            **{
                f"carrier {one.name}": lambda a, name=one.name: a.carrier(name).deliver(notice, None, None)  # type: ignore[misc]
                for one in bench.spec.carriers
            },
        }
        if not bench.spec.capabilities.gives_sessions:
            del self.works["sessions"]
        real = Transport.exchange
        for name, work in self.works.items():

            def exchange(transport: Transport, method: str, url: str, **more: Any) -> Reply:
                reply = real(transport, method, url, **more)
                key = _key(method, url, more.get("body"))
                if reply.body and all((one.key, one.work) != (key, name) for one in self.told):  # noqa: B023
                    self.told.append(Told(key, reply, name))  # noqa: B023 - called within the round
                return reply

            with _changed((Transport, "exchange", exchange)):
                work(bench.open())
        self.rooms = shared, own = [Path(self.place.name) / name for name in ("shared", "own")]
        for room in self.rooms:
            room.mkdir()
        self.context = replace(bench.context(), folder=shared, own=own)
        self.began = bench.clock.at

    def play(self, data: bytes, which: int) -> None:
        """Does the work again whose answer is bent, with a fresh adapter."""
        assert self.context is not None
        bent = self.told[which]
        answers = {one.key: one.reply for one in self.told}
        answers[bent.key] = Reply(bent.reply.status, bent.reply.headers, data)
        asked = 0

        def exchange(transport: Transport, method: str, url: str, **more: Any) -> Reply:
            nonlocal asked
            asked += 1
            if asked > 400:
                raise AssertionError("the adapter goes on asking without an end")
            found = answers.get(_key(method, url, more.get("body")))
            return found or Reply(404, {"Content-Type": "application/json"}, b"{}")

        with _changed((Transport, "exchange", exchange), *UNCONNECTED), suppress(PlatformError), ExitStack() as opened:
            adapter = self.bench.spec.open(self._fresh())
            opened.callback(adapter.close)
            self.works[bent.work](adapter)

    def _fresh(self) -> AdapterContext:
        """What the adapter is handed, as if none had been before it."""
        assert self.context is not None
        bench = self.bench
        bench.said.clear()
        bench.kept.clear()
        bench.clock.slept.clear()
        bench.clock.at = self.began
        counted: dict[str, Counted] = {}
        for room in self.rooms:
            for left in room.iterdir():
                if left.suffix != ".lock":  # an empty file that shows nothing
                    shutil.rmtree(left) if left.is_dir() else left.unlink()
        return replace(
            self.context,
            settings=deepcopy(self.context.settings),
            tally=lambda name: nullcontext(counted.setdefault(name, Counted([]))),
        )

    def close(self) -> None:
        """Gives the double back."""
        if self.place is not None:
            self.bench.teardown_method()
            self.place.cleanup()
            self.bench = self.place = None


def _twice(adapter: Adapter) -> None:
    """A first pull, and the next that goes on from where it ended."""
    cursor = None
    for page in adapter.pull(None):
        cursor = page.cursor or cursor
    if cursor is not None:
        list(adapter.pull(cursor))


def _key(method: str, url: str, body: bytes | None) -> Key:
    """An exchange by its address; of a question in a body (GraphQL) by its words, too."""
    parts = urlsplit(url)
    query = body.partition(b'"variables"')[0].decode() if body and parts.path.endswith("graphql") else ""
    return f"{method} {parts.path}", query


def _sessionless(transport: Transport, *_: Any, **__: Any) -> None:
    transport._running, transport._closing = set(), False


# No transport holds a session, since none is used, and a private key is read once: two TLS contexts and a key cost more
# than most works.
UNCONNECTED: tuple[Change, ...] = (
    (Transport, "__init__", _sessionless),
    (Transport, "close", Transport.interrupt),
    (smart, "read_key", cache(smart.read_key)),
)


@contextmanager
def _changed(*changes: Change) -> Iterator[None]:
    """What stands somewhere under a name is another while the block runs; `patch` costs as much as a whole work."""
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in changes]
    for owner, name, new in changes:
        setattr(owner, name, new)
    try:
        yield
    finally:
        for owner, name, old in before:
            setattr(owner, name, old)


def tapes() -> dict[str, Tape]:
    """A tape for each platform that is reached over HTTP."""
    from tests.platforms import (
        test_cliniko,
        test_drchrono,
        test_fhir_conformance,
        test_healthie,
        test_intakeq,
        test_openemr,
    )
    from tests.platforms.doubles import drchrono, healthie, intakeq

    gr18 = ("gr18", "1")
    return {
        "cliniko": Tape(test_cliniko.TestCliniko, {}),
        "drchrono": Tape(test_drchrono.TestDrChrono, {str(drchrono.TEMPLATE): gr18}),
        "fhir": Tape(test_fhir_conformance.TestFhir, {}),
        "healthie": Tape(test_healthie.TestHealthie, {healthie.TEMPLATE: ("kestrel", "1")}),
        "intakeq": Tape(test_intakeq.TestIntakeq, {intakeq.FORM: gr18}),
        "openemr": Tape(test_openemr.TestOpenEmr, {}),
    }
