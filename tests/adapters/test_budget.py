"""Our own counting of requests: the platform never has to refuse them, over runs, practices and clocks set wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from filelock import FileLock
from handrail.adapters import budget as module
from handrail.adapters.budget import LONGEST_WAIT, Budget, Limit, Spent
from handrail.plugin_core.contracts import Counted
from handrail.plugin_core.errors import PlatformError, Unreachable
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .conftest import Clock

HOUR = 3600.0
Make = Callable[..., Budget]


@pytest.fixture
def make(clock: Clock, tmp_path: Path) -> Make:
    """`make(Limit(...), ...)`: a budget kept in a folder; each call is another process, as it were."""

    def made(*limits: Limit, name: str = "platform|key", folder: Path | None = tmp_path / "shared") -> Budget:
        return Budget(name, limits, clock.now, clock.sleep, "platform.example", folder)

    return made


def spend(budget: Budget, most: int = 10_000, *, write: bool = False) -> int:
    """Takes without waiting until it is spent; how many there were."""
    for number in range(most):
        try:
            budget.take(write=write)
        except Spent:
            return number
    return most


def test_within_the_limit_nobody_waits(make: Make, clock: Clock) -> None:
    """A small practice must not notice that there is a limit."""
    budget = make(Limit(500, HOUR))
    assert spend(budget, 500) == 500
    assert clock.slept == []


def test_a_short_window_is_waited_for_as_long_as_it_takes(make: Make, clock: Clock) -> None:
    """Ten a minute: the eleventh comes a minute after the first, not a minute after the tenth."""
    budget = make(Limit(10, 60.0))
    for _ in range(10):
        budget.take()
        clock.time += 2
    budget.take()
    assert sum(clock.slept) == pytest.approx(40, abs=0.01)


def test_a_long_window_ends_the_run_with_a_sentence_that_says_when_it_goes_on(make: Make, clock: Clock) -> None:
    """Nobody watches a command wait for an hour; exit status 3 says: go on later."""
    budget = make(Limit(3, HOUR))
    assert spend(budget) == 3
    with pytest.raises(Spent, match="2027-01-15 09:00 UTC") as caught:
        budget.take()
    assert caught.value.exit_status == 3
    assert clock.slept == []


def test_on_a_host_who_has_to_wait_gives_the_place_to_others(clock: Clock) -> None:
    """A worker's turn ends where its `sleep` refuses to be long; it learns there when the practice goes on."""
    asked: list[float] = []
    counted = Counted([])

    @contextmanager
    def tally(_: str) -> Iterator[Counted]:
        yield counted

    budget = Budget("platform|key", (Limit(1, HOUR),), clock.now, asked.append, "platform.example", tally=tally)
    budget.take()
    with pytest.raises(Spent):
        budget.take()
    assert asked == [pytest.approx(HOUR)]


def test_a_window_on_the_hour_opens_on_the_hour(make: Make, clock: Clock) -> None:
    """DrChrono's five hundred come back at the top of the hour, however late in it they were spent."""
    clock.time = 1_800_000_000.0 // HOUR * HOUR + 3500  # a hundred seconds before the hour
    budget = make(Limit(5, HOUR, aligned=True))
    assert spend(budget, 5) == 5
    budget.take()
    assert sum(clock.slept) == pytest.approx(100, abs=0.01)
    assert spend(budget, 5) == 4, "one of the new hour is spent already"


def test_a_window_that_slides_does_not_open_on_the_hour(make: Make, clock: Clock) -> None:
    """Twice the limit within a minute around the hour would be refused where the window slides."""
    clock.time = 1_800_000_000.0 // HOUR * HOUR + 3599
    budget = make(Limit(5, HOUR))
    assert spend(budget) == 5
    clock.time += 2
    assert spend(budget) == 0


def test_of_several_limits_the_tightest_counts(make: Make, clock: Clock) -> None:
    """IntakeQ: ten a minute and five hundred a day."""
    budget = make(Limit(10, 60.0), Limit(25, 86_400.0))
    assert spend(budget) == 25
    assert 60 < sum(clock.slept) < 2 * 60 + 1
    assert budget.left() == 0


def test_some_are_kept_for_prompts(make: Make) -> None:
    """A long pull must not leave a prompt standing that has to be taken back."""
    limit = Limit(10, HOUR, keep=3)
    budget = make(limit)
    assert spend(budget) == 7
    assert budget.left() == 0
    assert spend(budget, write=True) == 3
    assert budget.left() == budget.left(limit) == 0, "never fewer than none"


def test_the_count_outlives_the_process_and_is_shared_by_one_key(make: Make) -> None:
    """A run that starts anew each hour, or ten practices with one application, would else spend it ten times."""
    limit = Limit(10, HOUR)
    assert spend(make(limit), 4) == 4
    assert spend(make(limit)) == 6
    assert spend(make(limit, name="platform|another key")) == 10


def test_neither_the_key_nor_the_name_is_written_down(make: Make, tmp_path: Path) -> None:
    """The name holds the key whose limit it is."""
    make(Limit(10, HOUR), name="platform|key-canary-31").take()
    everything = [path.name + path.read_text() for path in (tmp_path / "shared").iterdir()]
    assert everything
    assert not any("canary" in one for one in everything)


def test_without_a_folder_it_counts_as_long_as_the_connection_lives(make: Make) -> None:
    """A test, or a host that counts otherwise."""
    limit = Limit(3, HOUR)
    budget = make(limit, folder=None)
    assert spend(budget) == 3
    assert spend(make(limit, folder=None)) == 3


def test_a_clock_set_back_makes_nobody_wait_for_years(make: Make, clock: Clock) -> None:
    """What was counted in the future counts as now: a window's length is the most that it can cost."""
    budget = make(Limit(5, 60.0))
    assert spend(budget, 5) == 5
    clock.time -= 10 * 365 * 86_400.0
    budget.take()
    assert 0 < sum(clock.slept) <= 61


def test_a_clock_set_forward_only_frees_what_the_new_time_frees(make: Make, clock: Clock) -> None:
    """And back again it still knows what it counted meanwhile."""
    budget = make(Limit(5, HOUR))
    assert spend(budget, 3) == 3
    clock.time += 2 * HOUR
    assert spend(budget, 2) == 2
    clock.time -= 2 * HOUR
    assert spend(budget) == 3


@pytest.mark.parametrize(
    "text",
    ["", "{", "null", "7", '{"a": 1}', '["x"]', "[[1]]", "[NaN]", f"[{10**400}]", "[" * 100_000, "\x00\xff", "[true]"],
    ids=lambda text: repr(text[:8]),
)
def test_a_file_that_cannot_be_read_counts_as_nothing_and_is_mended(make: Make, tmp_path: Path, text: str) -> None:
    """The platform's own refusal stands behind it; a torn file must not stop a practice for ever."""
    budget = make(Limit(5, HOUR))
    budget.take()
    (place,) = (tmp_path / "shared").glob("requests-*.json")
    place.write_bytes(text.encode("latin-1"))
    assert spend(make(Limit(5, HOUR))) == 5
    assert len(json.loads(place.read_text())) == 5


def test_times_beyond_all_time_cost_a_window_at_most(make: Make, clock: Clock, tmp_path: Path) -> None:
    """A file from a computer whose clock stood in another century."""
    budget = make(Limit(2, 60.0))
    budget.take()
    (place,) = (tmp_path / "shared").glob("requests-*.json")
    place.write_text("[Infinity, 9e18]")
    budget.take()
    assert sum(clock.slept) <= 61


def test_a_folder_that_cannot_be_written_stops_with_a_sentence(make: Make, tmp_path: Path) -> None:
    """Counting nothing would break the platform's limit; a traceback would end the run of all practices."""
    (tmp_path / "file").write_text("")
    with pytest.raises(Unreachable, match="cannot be kept"):
        make(Limit(5, HOUR), folder=tmp_path / "file" / "shared").take()


def test_a_lock_that_is_never_given_back_stops_with_a_sentence(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process that stands still in the middle."""
    monkeypatch.setattr(module, "LOCK_SECONDS", 0.05)
    budget = make(Limit(5, HOUR))
    budget.take()
    (place,) = (tmp_path / "shared").glob("requests-*.json")
    with FileLock(f"{place}.lock"), pytest.raises(PlatformError, match="cannot be kept"):
        make(Limit(5, HOUR)).take()


PROCESS = """
import sys, time
from pathlib import Path
from handrail.adapters.budget import Budget, Limit, Spent
budget = Budget("platform|key", [Limit(60, 3600.0)], time.time, time.sleep, "platform.example", Path(sys.argv[1]))
taken = 0
try:
    while True:
        budget.take()
        taken += 1
except Spent:
    print(taken)
"""


def test_processes_at_once_spend_it_once_together(tmp_path: Path) -> None:
    """Three practices of one host sync in the same minute with one application's key."""
    command = [sys.executable, "-c", PROCESS, str(tmp_path / "shared")]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    taken = [int(process.communicate(timeout=120)[0]) for process in running]
    assert sum(taken) == 60


LIMITS = st.builds(
    lambda most, seconds, aligned, keep: Limit(most, seconds, aligned, min(keep, most - 1)),
    most=st.integers(1, 6),
    seconds=st.sampled_from([1.0, 7.5, 60.0, 3600.0]),
    aligned=st.booleans(),
    keep=st.integers(0, 2),
)
# (seconds that pass before it, whether it is a write)
ASKED = st.lists(st.tuples(st.floats(0, 90) | st.just(0.0), st.booleans()), max_size=40)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])  # on a busy machine
@given(limits=st.lists(LIMITS, min_size=1, max_size=3), asked=ASKED, begin=st.floats(1.7e9, 1.9e9))
def test_no_window_ever_holds_more_than_its_limit_and_none_waits_without_need(
    limits: list[Limit], asked: list[tuple[float, bool]], begin: float
) -> None:
    """The promise itself, for any limits and any order of requests."""
    clock = Clock()
    clock.time = begin
    budget = Budget("any", limits, clock.now, clock.sleep, "platform.example")
    granted: list[tuple[float, bool]] = []
    for pause, write in asked:
        clock.time += pause
        before = clock.time
        free = all(room(limit, granted, before, write) for limit in limits)
        try:
            budget.take(write=write)
        except Spent:
            assert not free
            continue
        assert (clock.time == before) == free, "it waited though there was room, or did not though there was none"
        assert clock.time - before <= LONGEST_WAIT + 0.01
        assert all(room(limit, granted, clock.time, write) for limit in limits)
        granted.append((clock.time, write))


def room(limit: Limit, granted: list[tuple[float, bool]], now: float, write: bool) -> bool:
    """Whether one request more fits, counted in the plainest way."""
    if limit.aligned:
        used = [at for at, _ in granted if at // limit.seconds == now // limit.seconds]
    else:
        used = [at for at, _ in granted if now - at < limit.seconds]
    return len(used) < (limit.most if write else limit.most - limit.keep)
