"""The invented fleet: practices of realistic sizes on platforms with their real limits, and the forms that come in."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from handrail.adapters.budget import Limit
from numpy.typing import NDArray

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WEEK = 7 * DAY
# How the forms of a day fall on its hours: clients answer in the morning and in the evening, few at night.
BY_HOUR = np.array([1, 1, 1, 1, 1, 2, 4, 6, 7, 7, 7, 6, 6, 5, 5, 5, 6, 7, 8, 9, 8, 6, 4, 2], dtype=float)


@dataclass(frozen=True, slots=True)
class Platform:
    """What a platform costs and allows.

    :param share: which part of the fleet uses it. :param look: requests of a sync that finds nothing new.
    :param page: forms a request. :param form: requests for each new form beside the pages.
    :param seconds: how long a request takes. :param limits: what it allows; `shared`: all practices together.
    """

    name: str
    share: float
    look: int
    page: int
    form: int = 0
    seconds: float = 0.25
    limits: tuple[Limit, ...] = ()
    shared: bool = False


PLATFORMS = (
    Platform("fhir", 0.40, 1, 500),
    Platform("cliniko", 0.22, 1, 100, limits=(Limit(200, 60.0, keep=10),)),
    Platform("healthie", 0.20, 1, 100, seconds=0.4),
    Platform("intakeq", 0.15, 1, 100, form=1, limits=(Limit(10, 60.0), Limit(500, 86_400.0, keep=60))),
    # DrChrono counts by application, whoever asks: 500 an hour for all its practices here.
    Platform("drchrono", 0.03, 2, 250, limits=(Limit(500, 3600.0, aligned=True, keep=50), Limit(9, 1.0)), shared=True),
)


@dataclass(slots=True)
class House:
    """A practice as its platform has it.

    :param forms: when each form was filled in, ms, sorted. :param old: forms that are there before everything begins
    and that nobody waits for. :param away: when its platform does not answer, (from, to). :param locked: it has the
    wrong credentials.
    """

    id: str
    platform: Platform
    forms: NDArray[np.int64]
    old: int = 0
    away: tuple[tuple[int, int], ...] = ()
    locked: bool = False
    seen: int = 0
    stored_old: int = 0
    last_done: int | None = None
    gaps: list[int] = field(default_factory=list)

    @property
    def limited(self) -> bool:
        """Whether the platform's own limits, not the host, decide how often it can be looked at."""
        return self.platform.shared

    @property
    def healthy(self) -> bool:
        """Nothing is wrong with it that no host can help."""
        return not self.locked and not self.away


def fleet(number: int, begin: int, minutes: int, rng: np.random.Generator) -> list[House]:
    """So many practices: sizes log-normal with a median of 40 clients, each client about one form a week; 2 % have a
    platform that is away for ten minutes, 0.5 % the wrong credentials."""
    kinds = rng.choice(len(PLATFORMS), size=number, p=[one.share for one in PLATFORMS])
    sizes = np.minimum(rng.lognormal(np.log(40), 1.0, number), 5000)
    made = []
    for index in range(number):
        house = House(f"p-{index:05d}", PLATFORMS[kinds[index]], arrivals(sizes[index], begin, minutes, rng))
        if rng.random() < 0.02:
            start = begin + int(rng.integers(0, minutes)) * MINUTE
            house.away = ((start, start + 10 * MINUTE),)
        house.locked = bool(rng.random() < 0.005)
        made.append(house)
    return made


def arrivals(clients: float, begin: int, minutes: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """When the forms of so many weekly clients come in, ms since 1970."""
    hours = (np.arange(minutes) * MINUTE + begin) // HOUR % 24
    rate = clients * MINUTE / WEEK * (BY_HOUR / BY_HOUR.mean())[hours]
    counts = rng.poisson(rate)
    times = begin + np.repeat(np.arange(minutes), counts) * MINUTE + rng.integers(0, MINUTE, counts.sum())
    return np.asarray(np.sort(times), np.int64)


def least_calls(house: House, looks: float, new: int) -> float:
    """The fewest requests with which a practice is looked at so often and so many new forms are read."""
    return looks * house.platform.look + new * house.platform.form + new // house.platform.page
