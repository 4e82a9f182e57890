"""Any stop is a safe stop: kill each act at each of its steps, do it again, compare with an undisturbed one.

An act that was done before it was killed says so when it is done again; the end is the same.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from handrail.plugin_core.errors import UsageError
from handrail.plugin_core.mending import POINTS, leaving
from handrail.plugin_core.rights import POINTS as ERASING

from tests.peers.servers import Postgres, Sekmet
from tests.sync.stage import EVEN, LEANING, Stage, copy_to

from .child import ACTS, killed_at

pytestmark = pytest.mark.skipif(os.name != "posix", reason="NOT RUN: SIGKILL and forkserver are POSIX only")

Make = Callable[[str, str], Stage]
PUSHING = ("push-before-send", "push-after-send", "push-after-mark")
IN_TURN = ("erase-marked", "push-before-send", "push-after-send", "erase-retracted",
           "erase-before-commit", "erase-after-commit")  # fmt: skip
ENROLLING = ("enrol-before-commit", "enrol-after-commit")
CASES = [
    *(("reassign", point) for point in (*POINTS, "rules-before-commit", "rules-after-commit")),
    *(("merge", point) for point in POINTS),
    *(("unmerge", point) for point in POINTS),
    *(("discharge", point) for point in POINTS),
    *(("erase", point) for point in (*ERASING, *PUSHING)),
    *(("enrol", point) for point in ENROLLING),
    *(("disconnect", point) for point in (*leaving.POINTS, *PUSHING)),
]


def begin(stage: Stage, act: str) -> None:
    """The practice before the act."""
    stage.course("c1", [EVEN, EVEN, EVEN, LEANING, LEANING])
    stage.course("c2", [EVEN, EVEN, EVEN, LEANING])
    stage.sync()
    if act == "unmerge":
        stage.ask(ACTS["merge"])
        stage.sync()


def do(stage: Stage, act: str) -> None:
    """The act, to the end; one that is done already says so."""
    with suppress(UsageError):
        if "[platform]" in stage.file.read_text() and 'name = "fhir"' in stage.file.read_text():
            stage.ask(ACTS[act])


def after(stage: Stage, act: str) -> tuple[Any, ...]:
    """The end state: settings, then (synced once more where there still is a platform) the store and the platform."""
    settings = stage.file.read_text()
    if act == "enrol":
        asked = stage.ask(lambda e: [(row.client, row.standing.value) for row in e.collecting.due()])
        return settings, [(len(asked), *(standing for _, standing in asked))], stage.seen()
    if act == "disconnect":
        flags = sorted(str(one["status"]) for one in stage.place().all("Flag"))
        stage.write_settings(on=False)
        return settings, flags, stage.seen()
    stage.sync(full=True)
    seen = stage.seen()
    return settings, sorted((one["subject"]["reference"], one["status"]) for one in stage.place().all("Flag")), seen


def same(left: tuple[Any, ...], right: tuple[Any, ...]) -> None:
    """Fails with what differs."""
    assert left[2].differs(right[2]) == {}
    assert left[1] == right[1]


_UNDISTURBED: dict[str, tuple[Any, ...]] = {}


@pytest.fixture
def right(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Any, ...]]:
    """The outcome of an undisturbed act."""

    def of(act: str) -> tuple[Any, ...]:
        if act not in _UNDISTURBED:
            with Stage(tmp_path_factory.mktemp(act)) as stage:
                begin(stage, act)
                do(stage, act)
                _UNDISTURBED[act] = after(stage, act)
        return _UNDISTURBED[act]

    return of


@pytest.mark.parametrize(("act", "point"), CASES)
def test_f69_killed_on_sqlite(tmp_path: Path, right: Callable[[str], tuple[Any, ...]], act: str, point: str) -> None:
    """Half moved, half erased, half left: a person in two places, or a prompt that nobody can take back."""
    with Stage(tmp_path) as stage:
        begin(stage, act)
        assert killed_at(stage.file, stage.now, act, point), f"{point} was not met"
        do(stage, act)
        same(after(stage, act), right(act))


@pytest.mark.parametrize(
    ("act", "point"),
    [
        ("reassign", "mending-after-commit"),
        ("merge", "mending-before-commit"),
        ("merge", "mending-after-commit"),
        *(("erase", point) for point in (*ERASING, *PUSHING)),
        ("enrol", "enrol-before-commit"),
        ("disconnect", "push-after-send"),
    ],
)
def test_f69_killed_on_postgresql(
    tmp_path: Path, postgres: Postgres, right: Callable[[str], tuple[Any, ...]], act: str, point: str
) -> None:
    """The same on the other database."""
    with Stage(tmp_path, store=postgres.new_database()) as stage:
        begin(stage, act)
        assert killed_at(stage.file, stage.now, act, point), f"{point} was not met"
        do(stage, act)
        same(after(stage, act), right(act))


@pytest.mark.parametrize(("act", "point"), [("reassign", "mending-after-commit"), ("merge", "mending-after-commit")])
def test_f69_killed_and_never_done_again(
    tmp_path: Path, right: Callable[[str], tuple[Any, ...]], act: str, point: str
) -> None:
    """The person saw it stop and left: the next sync finishes what was begun."""
    with Stage(tmp_path) as stage:
        begin(stage, act)
        assert killed_at(stage.file, stage.now, act, point)
        same(after(stage, act), right(act))


def test_f82_an_erasure_killed_at_each_step_in_turn_on_a_real_server(
    tmp_path: Path, start_peer: Callable[[Any], Any]
) -> None:
    """A server that nobody here wrote: power goes again and again; in the end the chart is clear and nobody is here."""
    server = start_peer(Sekmet(search=True))
    with Stage(tmp_path, server=server.base) as stage:
        stage.course("c1", [{**LEANING, "reliance": 1, "outlook": 1}] * 3 + [LEANING, LEANING])
        copy_to(server.base, stage)
        stage.sync()
        assert stage.active() == ["c1 P1"]
        for point in IN_TURN:
            assert killed_at(stage.file, stage.now, "erase", point), f"{point} was not met"
        assert stage.ask(ACTS["erase"]).done
        stage.sync(full=True)
        assert stage.seen().responses == []
        assert [one["status"] for one in stage.place().all("Flag")] == ["entered-in-error"]


def test_the_acts_have_something_to_lose(right: Callable[[str], tuple[Any, ...]]) -> None:
    """Guards the tests above: an empty store equals an empty store."""
    assert right("reassign")[1] == [("Patient/c1", "entered-in-error"), ("Patient/c2", "active")]
    assert right("merge")[1] == [("Patient/c1", "entered-in-error"), ("Patient/c2", "active")]
    assert right("unmerge")[1] == [("Patient/c1", "active"), ("Patient/c2", "entered-in-error")]
    assert right("discharge")[1] == [("Patient/c1", "inactive")]
    assert right("erase")[1] == [("Patient/c1", "entered-in-error")]
    assert right("enrol")[1] == [(1, "later")]
    assert right("disconnect")[1] == ["entered-in-error"]
    assert "[platform]" not in right("disconnect")[0]
