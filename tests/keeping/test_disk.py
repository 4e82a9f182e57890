"""A full disk and a store that cannot be written, for real: a small disk in memory (F71, S41).

What must come is a sentence with what to do, nothing half done, and the same command goes on once there is room.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from handrail.plugin_core import cli
from handrail.plugin_core.cli.hand_list import write_list
from handrail.plugin_core.cli.read import write_report
from handrail.plugin_core.errors import HandrailError
from handrail.plugin_core.store import book
from handrail.plugin_core.sync import points

from tests.sync.stage import EVEN, LEANING, Stage, form, gr18

MEGABYTES = 4
MORE = 60
pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="NOT RUN: a small disk in memory can be made by root on Linux"
)


class Disk:
    """A disk of a few megabytes that can be filled to the last byte, and made read-only."""

    def __init__(self, place: Path) -> None:
        self.place = place
        place.mkdir()
        self._call("mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m", "handrail-test", str(place))

    @staticmethod
    def _call(*command: str) -> None:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"NOT RUN: {command[0]} is not allowed here ({done.stderr.strip()})")

    def fill(self) -> None:
        """Not a byte is left."""
        with (self.place / "filler").open("ab", buffering=0) as out:
            for size in (1 << 16, 1 << 12, 1):
                try:
                    while True:
                        out.write(b"\0" * size)
                except OSError:
                    continue

    def room(self) -> None:
        """There is room again."""
        (self.place / "filler").unlink(missing_ok=True)

    def read_only(self, yes: bool) -> None:
        """As a stick with its switch set, or a disk that the system no longer trusts."""
        self._call("mount", "-o", f"remount,{'ro' if yes else 'rw'}", str(self.place))

    def away(self) -> None:
        """Removes it."""
        subprocess.run(["umount", "-l", str(self.place)], check=False)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """The small disk."""
    made = Disk(tmp_path / "disk")
    try:
        yield made
    finally:
        made.away()


@pytest.fixture
def practice(disk: Disk) -> Iterator[Stage]:
    """A practice that lives on the small disk, with one prompt in a chart and one that is about to come."""
    with Stage(disk.place / "practice") as stage:
        stage.course("c1", [EVEN, EVEN, EVEN, LEANING, LEANING])
        stage.course("c2", [EVEN, EVEN, EVEN])
        stage.sync()
        stage.later(minutes=30)
        for number in range(MORE):
            client = f"d{number}"
            stage.person(client)
            stage.put(form(f"{client}-1", client, stage.now - timedelta(days=40), gr18(EVEN)))
        for days in (3, 1):
            stage.put(form(f"c2-late-{days}", "c2", stage.now - timedelta(days=days), gr18(LEANING)))
        yield stage


def refused(act: Callable[[], Any]) -> str:
    """The sentence with which it is refused: an error of ours, or what a run reports."""
    try:
        done = act()
    except HandrailError as error:
        return error.message
    return " ".join(problem.what for problem in done.problems)


def whole(stage: Stage) -> None:
    """Everything arrived once, and both prompts stand once."""
    assert len(stage.seen().active()) == 5 + 3 + MORE + 2
    assert stage.active() == ["c1 P1", "c2 P1"]
    assert len(stage.place().all("Flag")) == 2


def trail(stage: Stage) -> list[str]:
    """What the audit trail says was done."""

    def ask(engine: Any) -> list[str]:
        with engine.store.reading(engine.source) as tx:
            return [one.action for one in book.trail(tx)]

    found: list[str] = stage.ask(ask)
    return found


STEPS = ("begin", "page-before-commit", "rules-before-commit", "push-before-send", "push-after-send")


@pytest.mark.parametrize("step", STEPS)
def test_f71_a_full_disk_stops_a_sync_in_a_sentence_and_it_goes_on_afterwards(
    disk: Disk, practice: Stage, step: str
) -> None:
    """The disk of the practice's laptop fills while forms arrive: lost forms, or a prompt twice, is what would hurt."""

    def full(point: str) -> None:
        if point == step:
            disk.fill()

    points.listeners.append(full)
    try:
        full("begin")
        assert "disk is full" in refused(practice.sync)
    finally:
        points.listeners.remove(full)
        disk.room()
    practice.later(minutes=10)
    practice.sync()
    whole(practice)


def test_f71_the_command_says_so_and_fails(disk: Disk, practice: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    """What the person at the keyboard sees: no traceback, what happened, what to do."""
    disk.fill()
    try:
        assert cli.run(["--settings", str(practice.file), "sync", "--yes"]) == 1
    finally:
        disk.room()
    said = "".join(capsys.readouterr())
    assert "The disk is full" in said
    assert "Traceback" not in said


def test_f71_a_backup_that_does_not_fit_leaves_no_file_that_looks_whole(disk: Disk, tmp_path: Path) -> None:
    """The store has room, the stick that the backup goes to has none. Half a backup is found on the day when it is
    needed."""
    file = disk.place / "backup.handrail"
    with Stage(tmp_path / "practice") as stage:
        stage.course("c1", [EVEN, EVEN])
        stage.sync()
        disk.fill()
        said = refused(lambda: stage.ask(lambda e: e.keeping.backup(file, "anna")))
        assert str(file) in said
        assert [path.name for path in disk.place.iterdir()] == ["filler"]
        disk.room()
        assert stage.ask(lambda e: e.keeping.backup(file, "anna")).rows["responses"] == 2


def test_f71_an_acknowledgement_is_there_or_not(disk: Disk, practice: Stage) -> None:
    """A person believes to have closed a prompt: said, and nothing of it stored."""
    flag = practice.ask(lambda e: e.flags()[0].id)
    disk.fill()
    assert "disk is full" in refused(lambda: practice.ask(lambda e: e.acknowledge(flag, "anna", "talked about it")))
    disk.room()
    assert practice.seen().flag("c1", "P1")[0][1] == "raised"
    practice.ask(lambda e: e.acknowledge(flag, "anna", "talked about it"))
    assert practice.seen().flag("c1", "P1")[0][1] == "acknowledged"


@pytest.mark.parametrize("what", ["client", "backup", "report", "list"])
def test_s41_nothing_is_handed_out_that_the_trail_cannot_hold(
    disk: Disk, practice: Stage, tmp_path: Path, what: str
) -> None:
    """The trail's disk is full, the disk that is written to is not: an export of which nobody will ever know."""
    out = tmp_path / "handed-out.csv" if what == "list" else tmp_path / "handed-out"
    terminal: Any = None  # nothing is shown on it
    acts: dict[str, tuple[Callable[[Any], Any], str]] = {
        "client": (lambda e: e.rights.export("Patient/c1", out, "anna"), "client-exported"),
        "backup": (lambda e: e.keeping.backup(out, "anna"), "backup-written"),
        "report": (lambda e: write_report(e, out), "report-written"),
        "list": (lambda e: write_list(terminal, e, out, reasons=False, as_json=False), "hand-list-written"),
    }
    act, line = acts[what]

    def when_full(engine: Any) -> Any:
        engine.client("c1")  # the store is open by then: it must be the line that finds no room
        disk.fill()
        return act(engine)

    assert "disk is full" in refused(lambda: practice.ask(when_full))
    assert not out.exists()
    disk.room()
    practice.ask(act)
    assert out.exists()
    assert trail(practice).count(line) == 1


def test_a_read_only_store_is_said_and_nothing_reaches_the_platform(disk: Disk, practice: Stage) -> None:
    """A disk that the system has made read-only: a prompt that is pushed and not marked would be unknown to us."""
    writes = sum(number for (method, _), number in practice.requests().items() if method != "GET")
    disk.read_only(True)
    try:
        said = [
            refused(practice.sync),
            refused(lambda: practice.ask(lambda e: e.acknowledge(e.flags()[0].id, "anna"))),
            refused(lambda: practice.ask(lambda e: e.keeping.backup(disk.place / "backup", "anna"))),
        ]
    finally:
        disk.read_only(False)
    assert all("read-only" in one or "folder" in one for one in said), said
    assert sum(number for (method, _), number in practice.requests().items() if method != "GET") == writes
    practice.sync()
    whole(practice)
