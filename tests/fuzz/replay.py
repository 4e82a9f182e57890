"""What an adapter does with an odd answer: its exchanges with a double are kept, then played to it with one of them
bent. So the whole page handler is tried, not its parser alone, and no socket is opened while it is."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from handrail.adapters.transport import Reply, Transport
from handrail.plugin_core.contracts import Adapter
from handrail.plugin_core.errors import PlatformError
from handrail.plugin_core.testing import AdapterConformance

FORMS = 4
Work = Callable[[Adapter], object]
Key = tuple[str, str]


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

    def samples(self) -> Sequence[bytes]:
        """The bodies that the platform sent, once for each work that asked for them."""
        if self.bench is None:
            self._record()
        return [one.reply.body for one in self.told]

    def _record(self) -> None:
        bench = self.kit()
        bench.setup_method()
        bench._listen_no_more()  # it keeps every line that is logged
        self.bench = bench
        bench.confirmed.update(self.confirmed)
        given = list(bench.fill(FORMS))
        refs = list(bench.double.clients())
        notice = bench.notice("1f" * 16)
        self.works = {
            "test": lambda a: a.test(),
            "forms": lambda a: list(a.forms()),
            "pull": lambda a: list(a.pull(None)),
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

            with _exchanging(exchange):
                work(bench.open())

    def play(self, data: bytes, which: int) -> None:
        """Does the work again whose answer is bent, with a fresh adapter."""
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

        adapter = None
        self.bench.said.clear()
        try:
            with _exchanging(exchange):
                adapter = self.bench.spec.open(self.bench.context())
                self.works[bent.work](adapter)
        except PlatformError:
            pass
        finally:
            if adapter is not None:
                adapter.close()
            for left in (*(self.bench.folder / "shared").iterdir(), *(self.bench.folder / "own").iterdir()):
                shutil.rmtree(left) if left.is_dir() else left.unlink()

    def close(self) -> None:
        """Gives the double back."""
        if self.bench is not None:
            self.bench.teardown_method()
            self.bench = None


def _key(method: str, url: str, body: bytes | None) -> Key:
    """An exchange by its address; of a question in a body (GraphQL) by its words, too."""
    parts = urlsplit(url)
    query = body.partition(b'"variables"')[0].decode() if body and parts.path.endswith("graphql") else ""
    return f"{method} {parts.path}", query


@contextmanager
def _exchanging(exchange: Callable[..., Reply]) -> Iterator[None]:
    real = Transport.exchange
    Transport.exchange = exchange  # type: ignore[method-assign]
    try:
        yield
    finally:
        Transport.exchange = real  # type: ignore[method-assign]


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
