"""One practice's turn with a worker, on the real PostgreSQL with the roles of a host, the platform over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from handrail.adapters.demo import server as demo
from handrail.adapters.fhir.adapter import FhirAdapter
from handrail.plugin_core.engine import Engine
from handrail.plugin_core.errors import Busy
from handrail.plugin_core.fleet import due, telling, work
from handrail.plugin_core.fleet.host import Host
from handrail.plugin_core.fleet.timing import MINUTE, Ended
from handrail.plugin_core.fleet.turn import Turn
from handrail.plugin_core.fleet.work import Work
from handrail.plugin_core.manager import Plugins
from handrail.plugin_core.mending.leaving import want_nothing_there
from handrail.plugin_core.schedule import alarm
from handrail.plugin_core.store import keys
from handrail.plugin_core.sync import points

from tests.peers.servers import Postgres
from tests.sync.stage import EVEN, LEANING, Stage, form

from .houses import House, house
from .works import arrive, now_is_now, open_practice, resume, row, working

pytestmark = pytest.mark.peer("postgres")


@pytest.fixture(scope="module")
def town(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A host with three practices."""
    with house(tmp_path_factory.mktemp("town"), postgres.new_database(), "north", "south", "west") as made:
        yield made


@contextmanager
def knob(worker: Work, **more: int) -> Iterator[None]:
    """The worker's settings for a while."""
    before = worker.host
    worker.host = replace(before, worker=replace(before.worker, **more))
    try:
        yield
    finally:
        worker.host = before


def requests(stage: Stage) -> int:
    """Searches for forms so far."""
    return stage.requests()["GET", "QuestionnaireResponse"]


def test_a_turn_does_what_a_sync_does(town: House) -> None:
    """Pull, score, judge, push: the same engine as by hand, under the worker's role and a lease."""
    stage = open_practice(town, "north")
    stage.course("c1", [EVEN, EVEN, EVEN, LEANING, LEANING])
    with working(town) as worker:
        assert worker.run("north") is Ended.DONE
        assert worker.run("north") is None
    assert stage.active() == ["c1 P1"]
    after = row(town, "north")
    assert (after.owner, after.failures, after.problem) == (None, 0, None)
    assert after.last_ok_ms is not None
    assert after.late_ms == 0


def test_f95_a_large_practice_gives_way_and_goes_on_where_it_stopped(town: House) -> None:
    """A first pull in one piece would keep a worker for an hour; begun anew each time it would never end."""
    stage = now_is_now(town.stages["south"])
    stage.page_size = 10
    stage.write_settings()
    stage.person("many")
    for number in range(95):
        when = stage.now - timedelta(days=200) + timedelta(days=number)
        stage.put(form(f"many-{number}", "many", when), when)
    resume(town, "south")
    with working(town) as worker, knob(worker, pages=3):
        ends = []
        while (ended := worker.run("south")) is not None:
            ends.append(ended)
            assert row(town, "south").failures == 0
            assert len(ends) < 20
    assert ends[-1] is Ended.DONE
    assert set(ends[:-1]) == {Ended.MORE}
    assert len(ends) >= 4
    assert len(stage.seen().active()) == 95
    assert requests(stage) <= 10 + 3 * len(ends)  # each page once, but for the overlap at each beginning


@pytest.mark.parametrize("taken", [True, False], ids=["another has it", "nobody has it"])
def test_f91_a_turn_whose_connections_are_cut_goes_on_only_while_the_practice_is_its_own(
    town: House, monkeypatch: pytest.MonkeyPatch, taken: bool
) -> None:
    """The database is restarted in the middle of a pull. The lease is a row and no connection: who still has it goes
    on, on new ones; who has lost it meanwhile writes nothing more."""
    stage = now_is_now(town.stages["north"])
    stage.person(f"cut-{taken}")
    stage.put(form(f"cut-{taken}", f"cut-{taken}", stage.now - timedelta(days=1)))
    resume(town, "north")
    role = town.host.roles.worker
    cut: list[str] = []

    def listener(point: str) -> None:
        if point == "page-fetched" and not cut:
            cut.append(point)
            town.do(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'")
            if taken:
                town.do("UPDATE due SET fence = fence + 1, owner = 'another' WHERE practice = 'north'")

    monkeypatch.setattr(points, "listeners", [listener])
    with working(town) as worker:
        assert worker.run("north") is (None if taken else Ended.DONE)
    assert cut
    assert (f"cut-{taken}" in stage.seen().active()) is not taken
    assert row(town, "north").owner == ("another" if taken else None)
    town.do("UPDATE due SET owner = NULL WHERE practice = 'north'")


def test_f13_a_pull_that_could_not_go_on_is_not_interrupted(town: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Newest first there is no cursor before the end: giving way would mean to begin anew for ever."""
    stage = town.stages["south"]
    pull = FhirAdapter.pull

    def without_cursor(self: FhirAdapter, cursor: Any) -> Iterator[Any]:
        pages = list(pull(self, None))
        for page in pages[:-1]:
            yield replace(page, cursor=None)
        yield pages[-1]

    monkeypatch.setattr(FhirAdapter, "pull", without_cursor)
    resume(town, "south")
    with working(town) as worker, knob(worker, pages=2):
        assert worker.run("south") is Ended.DONE
    assert len(stage.seen().active()) == 95


def test_f96_wrong_credentials_back_off_are_told_once_and_cost_the_others_nothing(town: House) -> None:
    """Each try counts against an account that locks; a letter at each try is read by nobody."""
    stage = open_practice(town, "west")
    stage.more += '\nschedule.alarm_to = "owner@practice.example"'
    stage.write_settings()
    right = stage.token
    assert right is not None
    keys.write(f"file:{stage.folder / 'token'}", "wrong")
    resume(town, "west")
    waits = []
    with working(town) as worker:
        for _ in range(4):
            assert worker.run("west") is Ended.WRONG
            found = row(town, "west")
            with town.sql() as conn:
                waits.append((found.next_ms - due.database_now(conn)) // MINUTE)
            assert found.problem is not None
            assert "sign-in" in found.problem
            assert "wrong" not in found.problem.split()
            town.do("UPDATE due SET next_ms = 0 WHERE practice = 'west'")
        letters = [letter for letter in stage.mail.letters if letter.to == "owner@practice.example"]
        assert [letter.subject for letter in letters] == ["Handrail cannot sync until something is mended"]
        resume(town, "north")
        assert worker.run("north") is Ended.DONE
        keys.write(f"file:{stage.folder / 'token'}", right)
        assert worker.run("west") is Ended.DONE
    assert waits == sorted(waits)
    assert waits[0] in range(14, 17)
    assert 1439 <= waits[-1] <= 1440 * 1.1
    assert row(town, "west").problem is None


def test_f32_a_platform_that_is_away_is_tried_again_soon(town: House) -> None:
    """Down for a minute: nobody has to do anything, and nobody is written to."""
    stage = town.stages["west"]
    before = len(stage.mail.letters)
    stage.write_settings(base="http://127.0.0.1:9/fhir")
    resume(town, "west")
    with working(town) as worker, pytest.MonkeyPatch.context() as quick:
        quick.setattr(Turn, "sleep", lambda *_: None)
        assert worker.run("west") is Ended.AWAY
    stage.write_settings()
    found = row(town, "west")
    assert found.failures == 1
    assert len(stage.mail.letters) == before


def test_f30_a_platform_that_asks_for_a_long_wait_costs_nobody_a_place(town: House) -> None:
    """Two workers that sleep for five minutes each are a host that stands still."""
    resume(town, "west")
    with working(town) as worker, pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo._Handler, "_answer", lambda *_: (429, None, {"Retry-After": "240"}))
        assert worker.run("west") is Ended.LATER
    found = row(town, "west")
    with town.sql() as conn:
        wait = found.next_ms - due.database_now(conn)
    assert 200_000 < wait <= 240_000
    assert found.failures == 0


def test_a_fault_that_nobody_has_foreseen_ends_one_turn(town: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """One practice's strange data must not end the worker of all, nor be quoted where others read (S24)."""

    def breaks(self: Engine, *_: Any) -> None:
        raise ZeroDivisionError("Invented Client answered 4")

    monkeypatch.setattr(Engine, "sync", breaks)
    resume(town, "west")
    with working(town) as worker:
        assert worker.run("west") is Ended.BROKEN
    found = row(town, "west")
    assert found.problem is not None
    assert "ZeroDivisionError" in found.problem
    assert "Invented" not in found.problem


def test_a_fault_before_the_work_begins_is_no_endless_one(town: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that cannot be read: a turn that was not given back would be tried again with each lease, for ever."""

    def breaks(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Host, "settings_of", breaks)
    resume(town, "west")
    with working(town) as worker:
        assert worker.run("west") is Ended.BROKEN
    found = row(town, "west")
    assert (found.owner, found.failures) == (None, 1)
    assert "PermissionError" in (found.problem or "")


def test_a_sync_counts_though_what_was_wanted_besides_failed(town: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forms were read and judged: no letter may say that they were not, and the next sync is not put off for it."""

    def breaks(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    told: list[str] = []
    monkeypatch.setattr(Engine, "rescore", breaks)
    monkeypatch.setattr(telling, "tell", lambda *given: told.append(given[1]))
    resume(town, "north")
    town.do("UPDATE due SET last_ok_ms = NULL WHERE practice = 'north'")
    with town.sql() as conn:
        due.want(conn, "north", "rescore", due.database_now(conn))
        conn.commit()
    with working(town) as worker:
        assert worker.run("north") is Ended.BROKEN
    found = row(town, "north")
    town.do("UPDATE due SET wanted = '' WHERE practice = 'north'")
    assert found.last_ok_ms is not None
    assert found.next_ms - found.last_ok_ms <= found.interval_ms
    assert told == []


@pytest.mark.parametrize(("hours", "told"), [(1, False), (49, True)])
def test_a_command_that_hangs_for_days_is_told_like_a_failure(
    town: House, monkeypatch: pytest.MonkeyPatch, hours: int, told: bool
) -> None:
    """Forgotten in a terminal, it keeps the worker away each minute, and each time that is nobody's failure: safety
    answers would be unread for as long, and no letter said so."""

    def busy(*_: object) -> None:
        raise Busy("Another Handrail is at work.")

    said: list[object] = []
    monkeypatch.setattr(Engine, "sync", busy)
    monkeypatch.setattr(alarm, "last_success", lambda engine: engine.now() - timedelta(hours=hours))
    monkeypatch.setattr(alarm, "ended", lambda *given, **_: said.append(given[1]))
    resume(town, "west")
    with working(town) as worker:
        assert worker.run("west") is Ended.BUSY
    assert said == ["Another Handrail is at work."] * told
    assert row(town, "west").failures == 0


def test_a_practice_without_settings_is_said_and_stops_nobody(town: House) -> None:
    """A folder that was moved away by mistake."""
    file: Path = town.stages["west"].file
    resume(town, "west")
    away = file.with_suffix(".away")
    file.rename(away)
    try:
        with working(town) as worker:
            assert worker.run("west") is Ended.WRONG
    finally:
        away.rename(file)
    problem = row(town, "west").problem
    assert problem is not None
    assert "no settings" in problem


@pytest.mark.parametrize("kind", ["push", "send", "rescore", "reconcile"])
def test_other_kinds_of_work_are_done_when_they_are_wanted(town: House, kind: str) -> None:
    """Each by itself: none of them may cost a pull that is not due, but the look for deleted forms, which is one."""
    stage = town.stages["north"]
    resume(town, "north")
    with working(town) as worker:
        assert worker.run("north") is Ended.DONE
        pulled = requests(stage)
        with town.sql() as conn:
            due.want(conn, "north", kind, due.database_now(conn))
            conn.commit()
        assert worker.run("north") is Ended.DONE
    assert row(town, "north").wanted == ()
    assert (requests(stage) > pulled) is (kind == "reconcile")


def test_f62_a_full_check_that_is_asked_for_finds_what_was_deleted(town: House) -> None:
    """Somebody deleted a form and wants it gone here today, not when the week is over; two looks must agree."""
    stage = now_is_now(town.stages["north"])
    arrive(stage, "deleted", [EVEN, EVEN])
    resume(town, "north")
    with working(town) as worker:
        assert worker.run("north") is Ended.DONE
        assert "deleted-2" in stage.seen().active()
        stage.delete("deleted-2")
        for there in (True, False):
            with town.sql() as conn:
                due.want(conn, "north", "reconcile", due.database_now(conn))
                conn.commit()
            assert worker.run("north") is Ended.DONE
            assert ("deleted-2" in stage.seen().active()) is there


def test_what_waits_in_the_outbox_is_sent_without_a_pull(town: House) -> None:
    """Taken back at the desk: it must not stand on the platform until the next pull is due."""
    stage = town.stages["north"]
    resume(town, "north")
    with working(town) as worker:
        worker.run("north")
        with stage.engine() as engine:
            engine.store.write(want_nothing_there, engine.source)
        assert stage.active() == ["c1 P1"]
        with town.sql() as conn:
            due.want(conn, "north", "push", due.database_now(conn))
            conn.commit()
        pulled = requests(stage)
        assert worker.run("north") is Ended.DONE
    assert stage.active() == []
    assert requests(stage) == pulled


def test_plugins_are_loaded_once_for_all_who_allow_the_same() -> None:
    """Reading the metadata of all packages for each turn would be half of its time."""
    assert work._plugins(()) is work._plugins(())
    assert isinstance(work._plugins(("nothing-of-that-name",)), Plugins)
    assert work._plugins(("nothing-of-that-name",)) is not work._plugins(("nothing-of-that-name",))
