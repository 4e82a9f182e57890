"""The simulated fleet (benchmarks/fleet) in small: what it says of the real scheduler; that its figures can fail."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.fleet.figures import Scene, fleet_figures, play
from benchmarks.fleet.practices import MINUTE, House
from benchmarks.fleet.simulation import Workers
from benchmarks.fleet.turns import Costs

from ..peers.servers import Postgres

BEGIN = 1_772_614_800_000  # a Wednesday, nine o'clock UTC
SCENE = Scene(24, BEGIN, 30, 15, Workers(2, 2), Costs(0.06, 0.0004), seed=3)


def unseen(houses: list[House], before: int) -> int:
    """Forms older than a time that nobody has seen, of practices with which nothing is wrong."""
    well = [house for house in houses if house.healthy]
    return sum(max(0, int(np.searchsorted(house.forms, before)) - house.seen) for house in well)


def test_f92_f95_nothing_stays_unseen_while_workers_die_and_one_practice_has_a_backlog(postgres: Postgres) -> None:
    """Each worker is killed in turn, every 20 seconds, while 20,000 old forms of one practice are read."""
    scene = replace(SCENE, workers=Workers(2, 2, pages=5, kill_every=20, back_after=5))
    houses = scene.houses()
    houses.append(backlog(houses[0], 20_000))
    played = asyncio.run(play(postgres.new_database(), scene, houses))
    end = BEGIN + scene.whole * MINUTE
    assert unseen(houses, end - 17 * MINUTE) == 0, "an interval, a lease and a minute are enough"
    assert played.houses["z-backlog"].stored_old == 20_000
    assert played.record.idle_jobs < played.record.jobs / 4


def backlog(like: House, old: int) -> House:
    """The practice that has a backlog."""
    platform = replace(like.platform, page=500, limits=(), form=0)
    return House("z-backlog", platform, like.forms[:0], old=old)


@pytest.mark.parametrize("turn_seconds", [0.06, 90.0])
def test_the_figures_tell_a_host_that_keeps_up_from_one_that_does_not(postgres: Postgres, turn_seconds: float) -> None:
    """A table in which everything is always met would size a host for nobody: here a turn takes 90 seconds."""
    scene = replace(SCENE, workers=Workers(1, 1), costs=Costs(turn_seconds, 0.0004), minutes=45)
    figures = asyncio.run(fleet_figures(postgres.new_database(), scene))
    judged = {one.name: one.met for one in figures if one.met is not None}
    assert len(judged) == 3
    assert all(judged.values()) is (turn_seconds < 1), judged
