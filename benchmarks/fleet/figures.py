"""Plays the scenes and reads the figures off: freshness, fairness, requests, load of the database."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from handrail.plugin_core.fleet import queue
from handrail.plugin_core.fleet.timing import Ended
from handrail.plugin_core.store.database import engine_of, upgrade
from sqlalchemy import Engine
from sqlalchemy.engine import make_url

from .practices import MINUTE, PLATFORMS, House, Platform, fleet, least_calls
from .simulation import Host, Record, Workers, prepare
from .turns import Costs

LEAD = 2  # intervals before anything is counted: the fleet must have come into its own order


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table."""

    name: str
    value: float
    unit: str
    target: str = ""
    met: bool | None = None


@dataclass(frozen=True, slots=True)
class Scene:
    """What is played: how many practices, from when (ms), for how long, with which workers."""

    practices: int
    begin: int
    minutes: int
    interval: int
    workers: Workers
    costs: Costs
    seed: int

    @property
    def whole(self) -> int:
        """Minutes with the lead."""
        return self.minutes + LEAD * self.interval

    def houses(self) -> list[House]:
        """The fleet, always the same."""
        return fleet(self.practices, self.begin, self.whole, np.random.default_rng(self.seed))


@dataclass(frozen=True, slots=True)
class Played:
    """A scene that was played."""

    houses: dict[str, House]
    record: Record
    commits: int
    wal: int


async def play(url: str, scene: Scene, houses: Sequence[House]) -> Played:
    """Plays a scene in an empty database."""
    pool = engine_of(url)
    try:
        upgrade(pool, create=True)
        by_id = {house.id: house for house in houses}
        with pool.begin() as conn:
            queue.make(conn)
        with pool.begin() as conn:
            prepare(conn, by_id, scene.interval * MINUTE, scene.begin)
        app = queue.for_worker(make_url(url), lambda _practice, _version: None, scene.workers.parallel)
        async with app.open_async():
            host = Host(pool, app, by_id, scene.workers, scene.costs)
            before = _load(pool)
            record = await host.run(scene.begin, scene.whole, scene.begin + LEAD * scene.interval * MINUTE)
            after = _load(pool)
        return Played(by_id, record, after[0] - before[0], after[1] - before[1])
    finally:
        pool.dispose()


def _load(pool: Engine) -> tuple[int, int]:
    with pool.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.exec_driver_sql("SELECT pg_stat_force_next_flush()")
        commits = conn.exec_driver_sql(
            "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
        ).scalar_one()
        wal = conn.exec_driver_sql("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint").scalar_one()
    return int(commits), int(wal)


async def fleet_figures(url: str, scene: Scene) -> list[Figure]:
    """The fleet's figures."""
    played = await play(url, scene, scene.houses())
    record, houses = played.record, played.houses
    well = {key for key, house in houses.items() if house.healthy and not house.limited}
    turns = sum(record.ended.values())
    seconds = scene.minutes * 60
    return [
        *_freshness(f"freshness, {scene.practices:,} practices every {scene.interval} min", record, well, 25.0),
        *(line for platform in PLATFORMS for line in _platform(record, houses, platform)),
        _gap(houses, well, scene.interval),
        _calls(record, houses, well, scene),
        Figure("turns a second", turns / seconds, ""),
        Figure("turns that gave way or wait for the platform", _part(record, (Ended.MORE, Ended.LATER)), "%"),
        Figure("turns that failed", _part(record, (Ended.AWAY, Ended.WRONG)), "%"),
        Figure("calls that found nothing to do", 100 * record.idle_jobs / max(1, record.jobs), "%"),
        Figure("processors that the workers use", record.cpu / seconds, f"of {scene.workers.number}"),
        *_database(played),
    ]


def _freshness(name: str, record: Record, keys: Iterable[str], most: float | None = None) -> list[Figure]:
    among = set(keys)
    ages = np.array([age / MINUTE for key, age in record.oldest if key in among])
    if not len(ages):
        return []
    half, high = np.percentile(ages, [50, 99])
    return [
        Figure(f"{name}: 50th percentile", float(half), "min"),
        Figure(
            f"{name}: 99th percentile", float(high), "min",
            f"<= {most:g}" if most else "", None if most is None else bool(high <= most),
        ),
    ]  # fmt: skip


def _platform(record: Record, houses: dict[str, House], platform: Platform) -> list[Figure]:
    keys = [key for key, house in houses.items() if house.platform is platform and house.healthy]
    return _freshness(f"  {platform.name}, {len(keys)} practices", record, keys)[-1:]


def _gap(houses: dict[str, House], keys: Iterable[str], interval: int) -> Figure:
    """The longest time between two syncs of one practice, in intervals: 2 means that one was late by a whole one."""
    longest = max((max(houses[key].gaps, default=0) for key in keys), default=0) / MINUTE / interval
    return Figure("longest time between two syncs of one practice", longest, "intervals", "<= 2", longest <= 2)


def _calls(record: Record, houses: dict[str, House], keys: Iterable[str], scene: Scene) -> Figure:
    new: dict[str, int] = {}
    for key, _ in record.ages:
        new[key] = new.get(key, 0) + 1
    looks = scene.minutes / scene.interval
    among = list(keys)
    least = sum(least_calls(houses[key], looks, new.get(key, 0)) for key in among)
    ratio = sum(record.calls[key] for key in among) / least
    return Figure("requests to platforms, against the least possible", ratio, "x", "<= 1.2", ratio <= 1.2)


def _part(record: Record, kinds: Sequence[Ended]) -> float:
    return 100 * sum(record.ended[kind] for kind in kinds) / max(1, sum(record.ended.values()))


def _database(played: Played) -> list[Figure]:
    record = played.record
    jobs = max(1, record.jobs)
    return [
        Figure("database: statements a turn, the queue's own apart", record.statements / jobs, ""),
        Figure("database: time for them a turn", 1000 * record.database / jobs, "ms"),
        Figure("database: commits a turn, all", played.commits / jobs, ""),
        Figure("database: journal a turn", played.wal / jobs / 1024, "KiB"),
        Figure("turns a second that this machine played", record.jobs / record.wall, ""),
    ]


async def huge_figures(database: Callable[[], str], scene: Scene, forms: int) -> list[Figure]:
    """Small practices with and without a huge one beside them."""
    alone = await play(database(), scene, scene.houses())
    houses = scene.houses()
    huge = House("a-huge", replace(PLATFORMS[0]), houses[0].forms[:0], old=forms)
    beside = await play(database(), scene, [*houses, huge])
    small = {house.id for house in houses if house.healthy and not house.limited}
    ages = [
        np.percentile([age / MINUTE for key, age in played.record.oldest if key in small], 99)
        for played in (alone, beside)
    ]
    growth = float(ages[1] / ages[0])
    read = beside.houses["a-huge"].stored_old
    return [
        Figure(f"{scene.practices} small practices: 99th percentile", float(ages[0]), "min"),
        Figure(f"the same beside one with {forms:,} forms arriving", float(ages[1]), "min"),
        Figure("growth", growth, "x", "<= 1.2", growth <= 1.2),
        Figure(f"of the huge one's forms read in {scene.whole} min", 100 * read / forms, "%"),
    ]


def shown(figures: Sequence[Figure]) -> str:
    """A table."""
    wide = max(len(one.name) for one in figures)
    lines = []
    for one in figures:
        mark = "" if one.met is None else "met" if one.met else "NOT MET"
        lines.append(f"{one.name:<{wide}}  {one.value:>10.4g} {one.unit:<10} {one.target:<8} {mark}".rstrip())
    return "\n".join(lines) + "\n"
