"""Benchmarks stand on Handrail's insides, and nothing but a run shows that they still fit."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from handrail.adapters.fhir import pull

from benchmarks import sealed
from benchmarks.children import Server

FORMS = 600  # two pages


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """The benchmark's own."""
    with Server(Path(sys.executable), FORMS) as running:
        yield running


@pytest.mark.parametrize("way", [way for way in sealed.WAYS if way != "as it is"])
def test_each_way_that_a_sync_is_measured_stores_all_forms(server: Server, way: str) -> None:
    """A stand-in that has fallen behind what it stands for measures nothing, and nobody would see it for weeks."""
    assert sealed._sync(way, server.base, FORMS)["responses"] == FORMS


def test_the_way_without_a_page_ahead_asks_for_a_page_when_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fetching ahead would be compared with itself, and the figure would say that it saves nothing."""
    monkeypatch.setattr(pull, "Ahead", vars(pull)["Ahead"])  # put back at the end
    sealed._waits()
    asked: list[str] = []

    def ask() -> str:
        asked.append("page")
        return "page"

    page = vars(pull)["Ahead"](ask)
    assert not page.is_here()
    page.settle(1.0)
    assert asked == []
    assert page.result() == "page"
    assert asked == ["page"]
