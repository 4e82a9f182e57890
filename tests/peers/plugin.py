"""pytest fixtures for the real servers, which say loudly when a server is not there.

A test that asks for one of them carries the mark `peer(name)` by itself, so `-m "not peer"` leaves them all out. With
HANDRAIL_DEMAND_PEERS=1 a missing server fails the test instead of skipping it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import pytest

from .install import chromium as browser
from .install import demanded, lforms_folder, missing, python_of
from .renderer import Pick, fill_in
from .servers import Medplum, PeerMissing, Postgres, Sekmet, Server, SmartClient

FIXTURES = {
    "sekmet": "sekmet",
    "sekmet_search": "sekmet",
    "sekmet_smart": "sekmet",
    "sekmet_smart_rs384": "sekmet",
    "sekmet_smart_es384": "sekmet",
    "medplum": "medplum",
    "postgres": "postgres",
    "lforms": "lforms",
    "chromium": "lforms",
    "healthchain": "healthchain",
}
S = TypeVar("S", bound=Server)


@dataclass(frozen=True)
class Chromium:
    """Where the browser is, and the file of axe-core."""

    program: Path
    axe: Path


NOT_RUN = pytest.StashKey[dict[str, str]]()


@dataclass(frozen=True)
class SmartAccess:
    """A SMART server and one client registered there."""

    server: Sekmet
    client: SmartClient

    @property
    def base(self) -> str:
        """The FHIR base URL."""
        return self.server.base

    @property
    def token_url(self) -> str:
        """Where the client gets its token."""
        return self.server.token_url


def _start(server: S, config: pytest.Config) -> S:
    try:
        return server.start()
    except PeerMissing as absent:
        _not_run(server.name, str(absent), config)


def _not_run(name: str, reason: str, config: pytest.Config) -> NoReturn:
    config.stash[NOT_RUN][name] = reason
    if demanded():
        pytest.fail(f"{reason} (HANDRAIL_DEMAND_PEERS is set)", pytrace=False)
    pytest.skip(reason)


def _running(server: S, request: pytest.FixtureRequest) -> Iterator[S]:
    try:
        yield _start(server, request.config)
    finally:
        server.stop()


@contextmanager
def peers_of(config: pytest.Config) -> Iterator[Callable[[S], S]]:
    """What `start_peer` gives, for fixtures that live longer than a test."""
    with ExitStack() as running:

        def start(server: S) -> S:
            running.callback(server.stop)
            return _start(server, config)

        yield start


@pytest.fixture
def start_peer(pytestconfig: pytest.Config) -> Iterator[Callable[[S], S]]:
    """`start_peer(Sekmet(search=True))`: a server for this test alone, with no data of other tests; starts in 1 s."""
    with peers_of(pytestconfig) as start:
        yield start


@pytest.fixture(scope="session")
def sekmet(request: pytest.FixtureRequest) -> Iterator[Sekmet]:
    """Stock sekmet: ignores the filters on QuestionnaireResponse and says so in the page."""
    yield from _running(Sekmet(), request)


@pytest.fixture(scope="session")
def sekmet_search(request: pytest.FixtureRequest) -> Iterator[Sekmet]:
    """sekmet that knows the R4 search parameters of what we read and write."""
    yield from _running(Sekmet(search=True), request)


@pytest.fixture(scope="session")
def sekmet_smart(request: pytest.FixtureRequest) -> Iterator[Sekmet]:
    """sekmet behind SMART Backend Services, a client for each algorithm, tokens that live 5 seconds."""
    yield from _running(Sekmet(search=True, smart=("RS384", "ES384")), request)


@pytest.fixture(scope="session")
def sekmet_smart_rs384(sekmet_smart: Sekmet) -> SmartAccess:
    """The SMART server with the client that signs with RS384."""
    return SmartAccess(sekmet_smart, sekmet_smart.clients["RS384"])


@pytest.fixture(scope="session")
def sekmet_smart_es384(sekmet_smart: Sekmet) -> SmartAccess:
    """The SMART server with the client that signs with ES384."""
    return SmartAccess(sekmet_smart, sekmet_smart.clients["ES384"])


@pytest.fixture(scope="session")
def medplum(request: pytest.FixtureRequest) -> Iterator[Medplum]:
    """Medplum's router: transactions that are not atomic, a CapabilityStatement that lists nothing."""
    yield from _running(Medplum(), request)


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest) -> Iterator[Postgres]:
    """A throw-away PostgreSQL; take `postgres.new_database()` for a test of your own."""
    yield from _running(Postgres(), request)


@pytest.fixture(scope="session")
def lforms(pytestconfig: pytest.Config) -> Callable[[dict[str, Any], Sequence[Pick]], dict[str, Any]]:
    """LHC-Forms in a real Chromium: `lforms(questionnaire, picks)`, see `renderer.fill_in`; 2 s a form."""
    reason = missing("lforms")
    if reason:
        _not_run("lforms", reason, pytestconfig)
    return fill_in


@pytest.fixture(scope="session")
def chromium(pytestconfig: pytest.Config) -> Chromium:
    """The machine's own Chromium for playwright, and axe-core, which looks for barriers in pages."""
    reason = missing("lforms")
    found = browser()
    if reason or found is None:
        _not_run("lforms", reason or "there is no Chromium", pytestconfig)
    return Chromium(found, lforms_folder() / "axe.min.js")


@pytest.fixture(scope="session")
def healthchain(pytestconfig: pytest.Config) -> Path:
    """The interpreter of an environment with healthchain, whose models read CDS Hooks' answers."""
    reason = missing("healthchain")
    if reason:
        _not_run("healthchain", reason, pytestconfig)
    return python_of("healthchain")


def pytest_configure(config: pytest.Config) -> None:
    """Room for what was not run."""
    config.stash[NOT_RUN] = {}
    config.addinivalue_line("markers", "peer(name): needs a real server that tests/peers installs")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test by the servers it asks for."""
    for item in items:
        for name in getattr(item, "fixturenames", ()):
            if name in FIXTURES:
                item.add_marker(pytest.mark.peer(FIXTURES[name]))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where tests run in several processes, each tells the one that prints what it did not run."""
    told: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if told is not None:
        told["not_run"] = session.config.stash[NOT_RUN]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Takes that in."""
    node.config.stash[NOT_RUN].update(getattr(node, "workeroutput", {}).get("not_run", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """A section of its own for the servers that tests asked for in vain."""
    not_run = config.stash.get(NOT_RUN, {})
    if not_run:
        terminalreporter.section("REAL SERVERS NOT RUN", red=True, bold=True)
        for reason in not_run.values():
            terminalreporter.line(reason)
