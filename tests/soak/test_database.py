"""The line to PostgreSQL is cut for real, by a proxy of ours: anywhere, and where the answer to COMMIT is due (F76).

`make soak` plays every COMMIT of two syncs and 100 seeds; here are a few of each. See database.py, cutting.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from handrail.plugin_core.errors import StoreError
from handrail.plugin_core.store import Store, Tx, book, database

from tests.core.samples import MASTER, PRACTICE
from tests.peers.servers import Postgres

from .cutting import Cutting
from .database import Life, Scene, anywhere, at_commit, differs

OF = 4
"""Each act's COMMITs are cut at these parts of them; the others in `make soak`."""


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "PAUSE", 0.005)


@pytest.fixture(scope="module")
def on(postgres: Postgres) -> Iterator[Scene]:
    """The line to PostgreSQL, and the demo platform."""
    with Cutting(postgres.port) as line:
        yield Scene(postgres, line)


@pytest.fixture(scope="module")
def right(on: Scene, tmp_path_factory: pytest.TempPathFactory) -> tuple[Life, list[int]]:
    """What must come out, and how many COMMITs each act has."""
    life = on.life(tmp_path_factory.mktemp("right"), None)
    return life, list(on.commits)


@pytest.mark.parametrize("done", [True, False], ids=["took", "lost"])
@pytest.mark.parametrize("part", range(OF))
@pytest.mark.parametrize("act", [1, 2])
def test_f76_cut_at_commit(
    on: Scene, right: tuple[Life, list[int]], tmp_path: Path, act: int, part: int, done: bool
) -> None:
    """Nobody knows whether the page, the flag or the mark "sent" was stored: it must be there once all the same."""
    number = 1 + part * right[1][act - 1] // OF
    found = on.life(tmp_path, at_commit(on, act, number, done=done))
    assert on.cuts == 1
    assert differs(found, right[0]) == []


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_f75_cut_anywhere(on: Scene, right: tuple[Life, list[int]], tmp_path: Path, seed: int) -> None:
    """A server that is restarted, a firewall that forgets: the practice's timer runs it again, and all is there."""
    found = on.life(tmp_path, anywhere(on, seed))
    assert on.cuts > 1
    assert differs(found, right[0]) == []


@pytest.mark.parametrize("done", [True, False], ids=["took", "lost"])
def test_f76_an_act_stands_in_the_trail_once(on: Scene, done: bool) -> None:
    """An erasure that is entered twice, or not at all, is a trail that nobody can rely on."""
    address = on.postgres.new_database().replace(f":{on.postgres.port}/", f":{on.line.port}/")
    on.line.pass_all()
    with Store(address, PRACTICE, MASTER, create=True) as store:
        tries: list[int] = []

        def work(tx: Tx) -> int:
            tries.append(1)
            book.record(tx, "anna", "client-erased")
            return len(tries)

        on.line.cut_at_commit(1, done=done)
        result = store.write(work)
        assert on.line.cuts == 1
        assert len(tries) == result == (1 if done else 2)
        with store.reading() as tx:
            assert [one.action for one in book.trail(tx)] == ["client-erased"]


def test_f75_a_server_that_stays_away_is_said(on: Scene) -> None:
    """A bounded number of tries, then a sentence with what to do; nothing half done."""
    address = on.postgres.new_database().replace(f":{on.postgres.port}/", f":{on.line.port}/")
    on.line.pass_all()
    with Store(address, PRACTICE, MASTER, create=True) as store:
        on.line.cut_by("all", 1.0)
        with pytest.raises(StoreError, match="cannot be reached"):
            store.write(lambda tx: book.record(tx, "anna", "client-erased"))
        on.line.pass_all()
        with store.reading() as tx:
            assert book.trail(tx) == []
