"""Nothing lost, nothing twice over a connection that breaks, against a real server (issue's soak, small).

`make soak` plays 50 seeds with 2,000 forms each against two servers; here are some with a few. See connection.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.peers.between import AFTER, BEFORE
from tests.peers.plugin import peers_of

from .connection import Life, Scene, scene

CLIENTS = 12
SEEDS = ("seed 1", "seed 2", "seed 3")
happened: Counter[str] = Counter()


@pytest.fixture(scope="module")
def on(pytestconfig: pytest.Config) -> Iterator[Scene]:
    """A server with the practice's forms, behind the proxy."""
    with peers_of(pytestconfig) as start, scene("sekmet", CLIENTS, start) as made:
        yield made


@pytest.fixture(scope="module")
def right(on: Scene, tmp_path_factory: pytest.TempPathFactory) -> Life:
    """What must come out."""
    return on.life(tmp_path_factory.mktemp("right"), None)


@pytest.mark.peer("mitmproxy")
@pytest.mark.parametrize("seed", SEEDS)
def test_f32_f37_f38_f39_f81_f82_a_broken_connection_ends_in_the_same_practice(
    on: Scene, right: Life, tmp_path: Path, seed: str
) -> None:
    """A practice behind a bad line: a lost form, a second prompt, or one that is never taken back would hurt."""
    found = on.life(tmp_path, seed, rate=0.25)
    assert found.differs(right) == []
    assert sum(on.faults.values()) > 10
    happened.update(on.faults, runs=on.runs)


@pytest.fixture(scope="module")
def elsewhere(pytestconfig: pytest.Config) -> Iterator[Scene]:
    """Medplum's router instead."""
    with peers_of(pytestconfig) as start, scene("medplum", CLIENTS, start) as made:
        yield made


@pytest.fixture(scope="module")
def right_elsewhere(elsewhere: Scene, tmp_path_factory: pytest.TempPathFactory) -> Life:
    """What must come out there."""
    return elsewhere.life(tmp_path_factory.mktemp("right"), None)


@pytest.mark.peer("mitmproxy")
@pytest.mark.peer("medplum")
def test_f32_f37_f38_f39_f81_f82_so_it_does_where_a_transaction_is_not_atomic(
    elsewhere: Scene, right_elsewhere: Life, tmp_path: Path
) -> None:
    """Medplum keeps half of a transaction and names versions in no order: the same promise, another server's faults."""
    found = elsewhere.life(tmp_path, SEEDS[0], rate=0.25)
    assert found.differs(right_elsewhere) == []
    assert sum(elsewhere.faults.values()) > 10


@pytest.mark.peer("medplum")
def test_two_servers_end_in_one_practice(right: Life, right_elsewhere: Life) -> None:
    """What a practice is shown must not hang on whose server it has."""
    assert right_elsewhere.differs(right) == []


@pytest.mark.peer("mitmproxy")
def test_the_life_has_something_to_lose_and_each_fault_happened(right: Life) -> None:
    """Guards the tests above: an empty store equals an empty store, and a proxy that breaks nothing proves nothing."""
    states = Counter(line[-1] for line in right.shown[1])
    assert set(states) == {"active", "inactive", "entered-in-error"}
    assert len(right.stores[1].responses) > CLIENTS * 10
    assert right.traces == len(right.shown[1])
    if sum(happened.values()):  # run alone, this test has seen no faults
        assert set(happened) >= {*BEFORE, *AFTER}
        assert happened["runs"] > 2 * len(SEEDS), "at least one run was broken off"
