"""A running demo platform for the tests of this folder: its forms published, its year of answers loaded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import requests
from handrail.adapters.demo.server import DemoServer
from handrail.adapters.demo.stage import Demo, open_demo
from handrail.adapters.fhir.questionnaire import questionnaire_of

AS_OF = date(2026, 11, 20)


@dataclass
class Caller:
    """Speaks to a demo server as any FHIR client does."""

    base: str
    session: requests.Session

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> requests.Response:
        address = path if path.startswith("http") else f"{self.base}/{path}"
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            named.setdefault("Content-Type", "application/fhir+json")
        return self.session.request(method, address, json=body, headers=named, timeout=10)

    def get(self, path: str, **headers: str) -> requests.Response:
        return self.call("GET", path, **headers)


def calling(server: DemoServer) -> Caller:
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {server.token}"
    return Caller(server.base, session)


def published(demo: Demo) -> Demo:
    """The demo with its forms on the server, as the adapter writes them, and its year of answers after them."""
    for instrument in demo.practice.instruments():
        demo.server.load(questionnaire_of(instrument), datetime(2025, 10, 1, tzinfo=UTC))
    demo.answer_year()
    return demo


@pytest.fixture
def server() -> Iterator[DemoServer]:
    with DemoServer(seed=1) as running:
        yield running
        assert running.failures == [], "the server failed behind the test's back"


@pytest.fixture
def caller(server: DemoServer) -> Iterator[Caller]:
    found = calling(server)
    with found.session:
        yield found


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    with open_demo(tmp_path, AS_OF) as running:
        yield published(running)
