"""`handrail schedule` as people use it: shown first, asked, made, found again, removed. The system's own commands are
played by small programs on the PATH that write down how they were called."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from handrail.plugin_core.settings import load

from tests.sync.stage import Stage

from .conftest import Command

System = Callable[[str, str], Path]

FAKE_CRONTAB = """\
if [ "$1" = "-l" ]; then
  if [ -f "$0.table" ]; then cat "$0.table"; else echo "no crontab for anna" >&2; exit 1; fi
else cat > "$0.table"; fi
"""


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> System:
    """Puts a program on the PATH; gives the file in which its calls are written down."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    def add(name: str, body: str) -> Path:
        path = folder / name
        path.write_text(f'#!/bin/sh\necho "$@" >> "$0.calls"\n{body}')
        path.chmod(0o755)
        return folder / f"{name}.calls"

    return add


def units() -> Path:
    return Path(os.environ["XDG_CONFIG_HOME"]) / "systemd" / "user"


def test_all_is_shown_and_nothing_made_without_a_yes(command: Command, system: System) -> None:
    """Nobody should find out afterwards what was written into their system."""
    calls = system("systemctl", "")
    shown = command("schedule", "--with", "systemd", "--show")
    assert shown.status == 0
    for part in ("handrail-practice.service", "handrail-practice.timer", "ExecStart=", "OnCalendar=", "enable --now"):
        assert part in shown.out
    asked = command("schedule", "--with", "systemd")  # no terminal to ask on
    assert asked.status == 2
    assert "Nothing was made" in asked.err
    assert "ExecStart=" in asked.out
    assert not units().exists()
    assert not calls.exists() or "enable" not in calls.read_text()


def test_what_was_shown_is_what_is_made_and_removed(command: Command, system: System, stage: Stage) -> None:
    """Byte for byte; and removing leaves nothing."""
    calls = system("systemctl", "")
    shown = json.loads(command("schedule", "--with", "systemd", "--every", "30", "--json").out)
    assert command("schedule", "--with", "systemd", "--every", "30", "--yes").status == 0
    assert {str(path): path.read_text() for path in units().iterdir()} == shown["writes"]
    assert shown["runs"] == [line.split() for line in ("systemctl --user daemon-reload", shown_enable(shown))]
    made = calls.read_text().splitlines()
    assert "--user daemon-reload" in made
    assert "--user enable --now handrail-practice.timer" in made
    assert load(stage.file).schedule.every_minutes == 30
    status = command("schedule", "--with", "systemd")
    assert status.status == 0
    assert "every 30 minutes" in status.out
    assert "Next run: " in status.out
    assert "Last run: none yet" in status.out
    command("sync", "--quiet")
    assert "Last run: 2026-11-20 12:00" in command("schedule", "--with", "systemd").out
    assert command("schedule", "--with", "systemd", "--remove").status == 0
    assert list(units().iterdir()) == []
    assert "disable --now handrail-practice.timer" in calls.read_text()
    assert "nothing was changed" in command("schedule", "--with", "systemd", "--remove").out


def shown_enable(shown: dict[str, list[list[str]]]) -> str:
    return " ".join(shown["runs"][-1])


def test_what_the_system_refuses_leaves_nothing(command: Command, system: System) -> None:
    """A timer file without its timer would look as if something ran."""
    system("systemctl", 'case "$*" in *enable*) echo "Failed to connect to bus" >&2; exit 1;; esac\n')
    said = command("schedule", "--with", "systemd", "--yes")
    assert said.status == 1
    assert "Failed to connect to bus" in said.err
    assert list(units().iterdir()) == []


def test_another_practices_entry_is_left_alone(command: Command, system: System) -> None:
    """Two practices that never chose an id are both called practice."""
    system("systemctl", "")
    assert command("schedule", "--with", "systemd", "--yes").status == 0
    service = units() / "handrail-practice.service"
    text = service.read_text().replace("handrail.toml", "elsewhere.toml")
    service.write_text(text)
    for words in (("--yes",), ("--remove",), ()):
        said = command("schedule", "--with", "systemd", *words)
        assert said.status == 2
        assert "for other settings" in said.err
    assert service.read_text() == text


def test_cron_on_a_computer_without_systemd(command: Command, system: System, tmp_path: Path) -> None:
    """Between marker lines; what was there stays."""
    system("crontab", FAKE_CRONTAB)
    table = tmp_path / "bin" / "crontab.table"
    table.write_text("0 4 * * * backup\n")
    assert command("schedule", "--with", "cron", "--every", "15", "--yes").status == 0
    lines = table.read_text().splitlines()
    assert lines[0] == "0 4 * * * backup"
    assert "sync --quiet" in lines[2]
    assert "every 15 minutes" in command("schedule", "--with", "cron").out
    assert command("schedule", "--with", "cron", "--remove").status == 0
    assert table.read_text() == "0 4 * * * backup\n"


def test_a_computer_with_no_scheduler_is_told_so(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In a bare container: the line to run is shown, and nothing is said to be made."""
    monkeypatch.setenv("PATH", str(tmp_path))
    said = command("schedule", "--with", "cron", "--yes")
    assert said.status == 1
    assert "sync --quiet" in said.out
    assert "no scheduler" in said.err


def test_a_cadence_that_no_calendar_can_keep_becomes_a_faster_one(command: Command, system: System) -> None:
    """Every 45 minutes is not the same each hour; slower than asked would break a promise."""
    system("systemctl", "")
    assert "every 30 is taken" in command("schedule", "--with", "systemd", "--every", "45", "--show").out


def test_nothing_is_scheduled_before_a_platform_is_connected(command: Command, stage: Stage, system: System) -> None:
    """It would fail every hour, and only say so to a log."""
    system("systemctl", "")
    text = stage.file.read_text()
    stage.file.write_text(text[: text.index("[platform]")])
    said = command("schedule", "--with", "systemd", "--yes")
    assert said.status == 2
    assert "handrail connect" in said.err


def test_with_send_each_run_sends_too(command: Command, system: System, stage: Stage) -> None:
    """What was chosen stays chosen the next time."""
    system("systemctl", "")
    assert command("schedule", "--with", "systemd", "--send", "--yes").status == 0
    assert '"--quiet" "--send"' in (units() / "handrail-practice.service").read_text()
    assert load(stage.file).collect.by_itself
    command("schedule", "--with", "systemd", "--no-send", "--yes")
    assert "--send" not in (units() / "handrail-practice.service").read_text()
