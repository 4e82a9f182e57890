"""What the tests of the adapters share: an adapter whose clock and sleep are the test's, and one strict HTTP fake."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
import responses
from handrail.adapters.fhir.adapter import FhirAdapter
from handrail.adapters.fhir.settings import FhirSettings
from handrail.adapters.transport import Limits
from handrail.plugin_core.contracts import AdapterContext

CANARY = "tok-canary-5512"


class Clock:
    """A clock that moves only when somebody sleeps."""

    def __init__(self) -> None:
        self.time = 1_800_000_000.0
        self.slept: list[float] = []

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def warnings() -> list[str]:
    return []


@pytest.fixture
def connect(clock: Clock, warnings: list[str]) -> Iterator[Callable[..., FhirAdapter]]:
    """`connect(base, secrets=..., limits=..., **settings)`: an adapter over the real settings schema."""
    opened: list[FhirAdapter] = []

    def make(
        base: str, secrets: Mapping[str, str] | None = None, limits: Limits | None = None, **settings: Any
    ) -> FhirAdapter:
        loaded = FhirSettings().load({"base_url": base, **settings})
        kept = dict(secrets or {})
        context = AdapterContext(
            "practice", loaded, kept.__getitem__, warnings.append, clock.now, clock.sleep, "test/1"
        )
        opened.append(FhirAdapter(context, limits))
        return opened[-1]

    yield make
    for adapter in opened:
        adapter.close()


@pytest.fixture
def fake() -> Iterator[responses.RequestsMock]:
    """The one fake of HTTP, strict: what is not registered fails, and what is registered must be asked for."""
    with responses.RequestsMock(assert_all_requests_are_fired=True) as mock:
        yield mock


@pytest.fixture(autouse=True)
def _no_secret_in_any_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """S23: every test runs with all loggers at DEBUG; tokens, ids in URLs and answers must be in no line."""
    caplog.set_level(logging.DEBUG)
    yield
    for record in caplog.get_records("call"):
        line = record.getMessage()
        assert CANARY not in line
        assert "Patient/" not in line
        assert "QuestionnaireResponse?" not in line
