"""A practice with a year of answers behind the desk, people who sign in, and a browser of Flask's own."""

from __future__ import annotations

import contextlib
import io
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from handrail.plugin_core.settings import load
from handrail.plugin_core.web import staff
from handrail.plugin_core.web.desk import Desk

from .people import TODAY, Clock, House


@pytest.fixture(autouse=True)
def _quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """argon2 with little work; test_signing.py holds what a practice gets."""
    from argon2 import PasswordHasher

    quick = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    monkeypatch.setattr(staff, "hasher", lambda: quick)


@pytest.fixture(scope="session")
def year(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a demo that was played once: forty clients, a year of answers. Tests copy it."""
    from handrail.adapters.demo.command import run

    folder = tmp_path_factory.mktemp("year")
    with contextlib.redirect_stdout(io.StringIO()):
        run(folder, TODAY, None, True)
    return folder


@pytest.fixture
def open_house(year: Path, tmp_path: Path) -> Iterator[Callable[..., House]]:
    """Opens desks on copies of the year: `open_house(web={"all_clients": True})` sets [web]."""
    opened: list[Desk] = []

    def make(**web: object) -> House:
        from dataclasses import replace

        folder = tmp_path / f"house{len(opened)}"
        folder.mkdir()
        for name in ("handrail.toml", "handrail.db", "handrail.key", "demo.token"):
            shutil.copy(year / name, folder / name)
        settings = load(folder / "handrail.toml")
        settings = replace(settings, web=replace(settings.web, **web))  # type: ignore[arg-type]
        clock = Clock()
        desk = Desk(settings, now=clock)
        opened.append(desk)
        return House(desk, clock)

    yield make
    for desk in opened:
        desk.close()


@pytest.fixture
def house(open_house: Callable[..., House]) -> House:
    """The desk as a practice has it without settings of its own."""
    return open_house()
