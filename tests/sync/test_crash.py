"""Any stop is a safe stop (F69, F82, F100): kill the sync at each of its steps, run it again, compare with an
undisturbed run: the store in clear and the flags on the platform.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from handrail.plugin_core.store import sessions
from handrail.plugin_core.sync.points import POINTS

from tests.peers.servers import Postgres, Sekmet

from .child import killed_at, small_pages
from .reading import Seen
from .stage import EVEN, LEANING, Stage, copy_to, form, gr18, second_act, small_practice

PAGE = 9
FIRST, LATER = 1, 2
Outcome = tuple[Seen, list[tuple[str, ...]], int]
Make = Callable[..., Stage]

pytestmark = pytest.mark.skipif(os.name != "posix", reason="NOT RUN: SIGKILL and forkserver are POSIX only")


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process that goes on works in the same small batches as the one that was killed."""
    _in_small_pages(monkeypatch)


def _in_small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    from handrail.plugin_core.sync import clients, evaluate, push, run

    for name in ("MOST_ALONE", "CLIENTS_A_PAGE"):
        monkeypatch.setattr(evaluate, name, getattr(evaluate, name))
    for module, name in ((run, "ID_BATCH"), (clients, "BATCH"), (push, "BATCH")):
        monkeypatch.setattr(module, name, getattr(module, name))
    small_pages()


def outcome(stage: Stage) -> Outcome:
    """The store in clear, the flags on the platform, and how many further objects say where they come from."""
    return stage.seen(), stage.shown(), len(stage.place().all("Provenance"))


def same(left: Outcome, right: Outcome) -> None:
    """Fails with the rows that differ."""
    assert left[0].differs(right[0]) == {}
    assert left[1:] == right[1:]


def undisturbed(folder: Path, acts: int) -> Outcome:
    """What must come out."""
    with Stage(folder, page_size=PAGE) as stage:
        small_practice(stage)
        stage.sync()
        if acts == 2:
            second_act(stage)
            stage.sync()
        return outcome(stage)


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Outcome]:
    """The end states of an undisturbed run, each made once."""
    made: dict[int, Outcome] = {}

    def of(acts: int) -> Outcome:
        if acts not in made:
            made[acts] = undisturbed(tmp_path_factory.mktemp("undisturbed"), acts)
        return made[acts]

    return of


@pytest.fixture
def make(tmp_path: Path, request: pytest.FixtureRequest) -> Make:
    """A stage on the database that the test is for."""

    def on(database: str) -> Stage:
        if database == "sqlite":
            return Stage(tmp_path, page_size=PAGE)
        postgres: Postgres = request.getfixturevalue("postgres")
        return Stage(tmp_path, store=postgres.new_database(), page_size=PAGE)

    return on


CASES = [(point, hit) for point in POINTS for hit in (FIRST, LATER) if (point, hit) != ("run-before-report", LATER)]
SESSIONS = ("sessions-before-commit", "sessions-after-commit")
IN_TURN = (*POINTS, "push-after-send", "push-before-send", "rules-after-commit")
UNSURE = ("page-after-commit", "rules-after-commit", "push-after-send", "push-after-mark")


def crash(stage: Stage, point: str, hit: int) -> None:
    """One killed sync; that the step was met at all is part of the test."""
    assert killed_at(stage.file, stage.now, point, hit), f"{point} was not met {hit} times"


@pytest.mark.parametrize(("point", "hit"), CASES)
def test_f69_first_sync_killed_on_sqlite(make: Make, right: Callable[[int], Outcome], point: str, hit: int) -> None:
    """A practice's first sync is cut off; a lost or doubled prompt in a chart is what would hurt."""
    with make("sqlite") as stage:
        small_practice(stage)
        crash(stage, point, hit)
        stage.sync()
        same(outcome(stage), right(1))


@pytest.mark.parametrize(("point", "hit"), CASES)
def test_f69_sync_of_changes_killed_on_sqlite(
    make: Make, right: Callable[[int], Outcome], point: str, hit: int
) -> None:
    """Amended, withdrawn and new forms: a retraction that is lost leaves a wrong prompt in a chart."""
    with make("sqlite") as stage:
        small_practice(stage)
        stage.sync()
        second_act(stage)
        stage.write_settings(page_size=4)
        crash(stage, point, hit)
        stage.sync()
        same(outcome(stage), right(2))


@pytest.mark.parametrize("point", POINTS)
def test_f69_killed_on_postgresql(make: Make, right: Callable[[int], Outcome], postgres: Postgres, point: str) -> None:
    """The same on the other database, whose locks and commits are of another kind."""
    del postgres
    with make("postgresql") as stage:
        small_practice(stage)
        crash(stage, point, FIRST)
        stage.sync()
        same(outcome(stage), right(1))
        if point in UNSURE:
            second_act(stage)
            stage.write_settings(page_size=4)
            crash(stage, point, LATER)
            stage.sync()
            same(outcome(stage), right(2))


@pytest.mark.parametrize("point", ["page-before-commit", "rules-after-commit", "push-after-send"])
def test_f82_killed_on_a_real_server(tmp_path: Path, start_peer: Callable[[Any], Any], point: str) -> None:
    """A server that nobody here wrote: still one flag an episode, found by its key after the answer was lost."""
    server = start_peer(Sekmet(search=True))
    with Stage(tmp_path, server=server.base) as stage:
        for client in ("s1", "s2"):
            stage.course(client, [{**LEANING, "reliance": 1, "outlook": 1}] * 3 + [LEANING, LEANING])
        copy_to(server.base, stage)
        crash(stage, point, FIRST)
        stage.sync()
        assert stage.active() == ["s1 P1", "s2 P1"]
        assert len(stage.shown()) == 2
        again = stage.sync()
        assert not again.counts.get("pushed")


def test_f82_killed_at_each_step_in_turn_on_a_real_server(tmp_path: Path, start_peer: Callable[[Any], Any]) -> None:
    """A bad week: between two power cuts a form is amended to and fro, so that each step is met with something to do.

    What would hurt is a second prompt, or one that stands though the form that it rests on says otherwise.
    """
    server = start_peer(Sekmet(search=True))
    with Stage(tmp_path, server=server.base) as stage:
        for client in ("s1", "s2"):
            stage.course(client, [EVEN, EVEN, EVEN, LEANING, LEANING])
        copy_to(server.base, stage)
        met = []
        for number, point in enumerate(IN_TURN):
            met += [point] if killed_at(stage.file, stage.now, point, FIRST) else []
            stage.later(minutes=10)
            when = stage.now - timedelta(days=7)
            stage.put(form("s1-5", "s1", when, gr18(EVEN if number % 2 else LEANING), status="amended"))
            copy_to(server.base, stage)
        assert set(met) == set(POINTS)
        stage.put(form("s1-5", "s1", stage.now - timedelta(days=7), gr18(EVEN), status="amended"))
        copy_to(server.base, stage)
        stage.sync()
        assert stage.active() == ["s2 P1"]
        stage.put(form("s1-5", "s1", stage.now - timedelta(days=7), gr18(LEANING), status="amended"))
        copy_to(server.base, stage)
        stage.sync()
        assert stage.active() == ["s1 P1", "s2 P1"]
        assert len(stage.place().all("Flag")) == 2
        assert not stage.sync().counts.get("pushed")


@pytest.mark.parametrize("database", ["sqlite", pytest.param("postgresql", marks=pytest.mark.peer("postgres"))])
@pytest.mark.parametrize("point", SESSIONS)
def test_f69_killed_while_sessions_are_stored(make: Make, database: str, point: str) -> None:
    """Half of the sessions would let rule P4 speak on what is not so."""
    with make(database) as stage:
        stage.course("c1", [EVEN, EVEN])
        for number in range(3):
            start = (stage.now - timedelta(days=10 + number)).isoformat(timespec="seconds")
            who = {"subject": {"reference": "Patient/c1"}, "class": {"code": "AMB"}}
            stage.put({"resourceType": "Encounter", "id": f"v{number}", "status": "finished", **who,
                       "period": {"start": start}})  # fmt: skip
        crash(stage, point, FIRST)
        stage.sync()
        assert stage.ask(attended) == 3


def attended(engine: Any) -> int:
    """How many sessions of c1 are stored."""
    key = engine.client_key("Patient/c1")
    with engine.store.reading(engine.source) as tx:
        return len(sessions.read(tx, [key])[key])


@pytest.mark.parametrize("point", POINTS)
def test_f82_killed_and_the_source_changed_before_the_next_sync(make: Make, point: str) -> None:
    """A flag reached the chart, the process died, the form was then withdrawn: the flag must not stay there.

    Nobody remembers having sent it, which is exactly what would leave it in the chart for ever.
    """
    with make("sqlite") as stage:
        small_practice(stage)
        crash(stage, point, FIRST)
        stage.later(minutes=30)
        last = stage.now - timedelta(days=7)
        for client in ("c1", "c2", "c3", "c6", "c7"):
            stage.put(form(f"{client}-5", client, last, status="entered-in-error"))
        stage.sync()
        assert stage.active() == []
        assert stage.seen().standing() == ["c5 S"]


def test_f73_a_second_process_is_turned_away(make: Make) -> None:
    """Two copies on one store would push twice; the second must say who is at it and stop."""
    from handrail.plugin_core.errors import Busy
    from handrail.plugin_core.sync.lock import exclusive

    with make("sqlite") as stage:
        small_practice(stage)
        with stage.engine() as first, exclusive(first.store, "syncing"), pytest.raises(Busy, match=str(os.getpid())):
            stage.sync()
        assert stage.seen().responses == []
        stage.sync()
        assert stage.seen().responses != []


# --- the real command, stopped by a person or by the system ----------------------------------------------------------


def run_command(stage: Stage) -> subprocess.Popen[str]:
    """`handrail sync --yes` as a user starts it."""
    code = (
        "import datetime; from handrail.plugin_core.cli import main; from handrail.plugin_core.engine import Engine; "
        f"now = datetime.datetime.fromisoformat({stage.now.isoformat()!r}); "
        "Engine.__init__.__kwdefaults__['now'] = lambda: now; main()"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, "--settings", str(stage.file), "sync", "--yes"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def interrupted(stage: Stage, number: int, requests: int) -> tuple[int, str]:
    """Sends the signal once the platform has seen so many requests; gives the exit status and what was said."""
    begun = sum(stage.requests().values())
    command = run_command(stage)
    until = time.monotonic() + 30
    while sum(stage.requests().values()) < begun + requests and command.poll() is None and time.monotonic() < until:
        time.sleep(0.002)
    command.send_signal(number)
    said, complaint = command.communicate(timeout=30)
    return command.returncode, said + complaint


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", range(3))
def test_f100_stopped_by_a_person_or_the_system(
    make: Make, right: Callable[[int], Outcome], monkeypatch: pytest.MonkeyPatch, number: signal.Signals, moment: int
) -> None:
    """Ctrl-C and a shutdown: a plain sentence, status 130, nothing half done, and the next sync goes on."""
    with make("sqlite") as stage:
        small_practice(stage)
        slow(stage, monkeypatch)
        requests = random.Random(f"{number}{moment}").randrange(1, 9)
        status, said = interrupted(stage, number, requests)
        assert (status, "run the same command to go on" in said) == (130, True), said
        monkeypatch.undo()
        _in_small_pages(monkeypatch)
        stage.sync()
        store, shown, _ = outcome(stage)
        wanted, on_platform, _ = right(1)
        assert shown == on_platform
        assert (store.responses, store.flags, store.deliveries) == (
            wanted.responses,
            wanted.flags,
            wanted.deliveries,
        )


def slow(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every answer of the platform takes a moment, so that a signal meets the sync in its middle."""
    store = stage.demo.store

    def slow(own: Callable[..., Any]) -> Callable[..., Any]:
        def late(*a: Any, **k: Any) -> Any:
            time.sleep(0.05)
            return own(*a, **k)

        return late

    for name in ("page", "update"):
        monkeypatch.setattr(store, name, slow(getattr(store, name)))


def test_the_story_has_something_to_lose(right: Callable[[int], Outcome]) -> None:
    """Guards the tests above: an empty store equals an empty store."""
    first, second = right(1), right(2)
    assert first[0].standing() == ["c1 P1", "c2 P2", "c3 N", "c5 S", "c6 P1", "c7 P2"]
    assert second[0].standing() == ["c5 S", "c6 P1", "c7 P2", "c8 P1"]
    assert [line[-1] for line in second[1]].count("entered-in-error") == 3
