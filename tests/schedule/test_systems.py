"""What differs between Linux, macOS and Windows, played where it can be played honestly: files that another program
holds open, secrets that do not fit, the time zone's many places. What needs the real system is not claimed here."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keyring
import pytest
from handrail.plugin_core import paths, private, zones
from handrail.plugin_core.errors import KeyProblem
from handrail.plugin_core.schedule import cron, job, launchd, making, systemd, windows
from handrail.plugin_core.schedule.job import Ran
from handrail.plugin_core.settings import Settings
from handrail.plugin_core.store import keys

from tests.core.test_keys import Memory

# --- files ------------------------------------------------------------------------------------------------------------


def test_windows_a_file_that_a_virus_scanner_holds_is_replaced_a_moment_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Settings that could not be saved because something looked at them just then would be lost for no reason."""
    path = tmp_path / "handrail.toml"
    private.write(path, "old")
    real, held = Path.replace, [2]

    def replace(self: Path, target: Path) -> Path:
        if held[0]:
            held[0] -= 1
            raise PermissionError(13, "in use by another process")
        return real(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    monkeypatch.setattr(private, "PAUSES", (0.0,) * 4)
    monkeypatch.setattr(private, "os", SimpleNamespace(**{**vars(os), "name": "nt"}))
    private.write(path, "new")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_elsewhere_a_refusal_is_one_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On Linux and macOS it means rights, and waiting mends nothing."""
    tries: list[Path] = []

    def replace(self: Path, target: Path) -> Path:
        tries.append(self)
        raise PermissionError(13, "Operation not permitted")

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(PermissionError):
        private.write(tmp_path / "x", "new")
    assert len(tries) == 1


def test_windows_a_file_that_cannot_be_removed_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock must be given back though somebody reads the file that names its owner."""

    def unlink(self: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "in use by another process")

    monkeypatch.setattr(Path, "unlink", unlink)
    private.remove(tmp_path / "owner")


def test_a_file_in_a_closed_folder_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking for something on a PATH with other people's folders must not end the look."""

    def stat(self: Path, **_: Any) -> os.stat_result:
        raise PermissionError(13, "Permission denied")

    assert paths.is_file(Path(__file__))
    monkeypatch.setattr(Path, "stat", stat)
    assert not paths.is_file(tmp_path / "x")


# --- secrets ----------------------------------------------------------------------------------------------------------


def test_windows_a_secret_that_is_too_long_is_refused_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A private key for SMART does not fit; Windows itself says "the stub received bad data"."""
    ring = Memory()
    monkeypatch.setattr(keyring, "get_keyring", lambda: ring)
    monkeypatch.setattr(keyring, "set_password", ring.set_password)
    long = "x" * (keys.WINDOWS_MOST // 2 + 1)
    keys.write("keyring:key", long)
    monkeypatch.setattr(keys, "sys", SimpleNamespace(platform="win32"))
    with pytest.raises(KeyProblem, match="file:PATH") as caught:
        keys.write("keyring:key", long)
    assert long not in caught.value.message
    keys.write("keyring:key", keys.make_master())
    assert ring.entries["handrail", "key"] != long


# --- the time zone ----------------------------------------------------------------------------------------------------


@pytest.fixture
def unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A computer that tells no zone; gives the place of its link."""
    monkeypatch.delenv("TZ", raising=False)
    monkeypatch.setattr(zones, "LINK", tmp_path / "localtime")
    monkeypatch.setattr(zones, "NAMED", tmp_path / "timezone")
    return tmp_path / "localtime"


@pytest.mark.parametrize(
    "target",
    [
        "/usr/share/zoneinfo/Europe/Zurich",
        "../usr/share/zoneinfo/Europe/Zurich",
        "/var/db/timezone/zoneinfo/Europe/Zurich",
        "/usr/share/zoneinfo.default/Europe/Zurich",
    ],
)
def test_the_zone_is_read_from_the_link(unknown: Path, target: str) -> None:
    """Linux and macOS; the last is where macOS leads to."""
    assert zones.local_zone() is None
    unknown.symlink_to(target)
    assert zones.local_zone() == "Europe/Zurich"


@pytest.mark.parametrize(("text", "zone"), [("Europe/Zurich\n", "Europe/Zurich"), ("Mars/Base", None), ("\xff", None)])
def test_the_zone_is_read_where_debian_writes_it(unknown: Path, text: str, zone: str | None) -> None:
    """A zone that does not exist would make settings that do not load."""
    unknown.with_name("timezone").write_text(text, encoding="latin-1")
    assert zones.local_zone() == zone


def test_windows_names_its_zones_otherwise(unknown: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As tzutil says them; every name in the table is one that exists."""
    answer = {"said": "W. Europe Standard Time\r\n"}
    monkeypatch.setattr(zones, "sys", SimpleNamespace(platform="win32"))
    fake = SimpleNamespace(run=lambda *_, **__: SimpleNamespace(stdout=answer["said"]))
    monkeypatch.setattr(zones, "subprocess", fake)
    assert zones.local_zone() == "Europe/Berlin"
    answer["said"] = "Somewhere Standard Time"
    assert zones.local_zone() is None
    assert [name for name in zones.WINDOWS.values() if not zones._known(name)] == []


# --- the scheduler ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("platform", "module"), [("darwin", launchd), ("win32", windows), ("linux", cron), ("freebsd14", cron)]
)
def test_each_system_has_its_scheduler(monkeypatch: pytest.MonkeyPatch, platform: str, module: object) -> None:
    """Linux without a systemd that answers this user gets cron."""
    monkeypatch.setattr(making, "sys", SimpleNamespace(platform=platform))
    monkeypatch.setattr(systemd, "usable", lambda run: False)
    assert making.chosen() is module


def test_linux_with_systemd_gets_its_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked, not guessed: in a container systemctl is often there and nothing answers."""
    monkeypatch.setattr(making, "sys", SimpleNamespace(platform="linux"))
    monkeypatch.setattr(systemd, "Path", lambda _: SimpleNamespace(is_dir=lambda: True))
    assert making.chosen(run=lambda words, stdin: Ran(0)) is systemd
    assert making.chosen(run=lambda words, stdin: Ran(1, "", "Failed to connect to bus")) is cron


def test_windows_starts_it_without_a_console_window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A black window that flashes up each hour is what gets a program uninstalled."""
    (tmp_path / "pythonw.exe").write_text("")
    monkeypatch.setattr(
        making, "sys", SimpleNamespace(platform="win32", executable=str(tmp_path / "python.exe"), argv=["handrail.exe"])
    )
    assert making.program() == (str(tmp_path / "pythonw.exe"), "-m", "handrail.plugin_core.cli")


def test_the_link_that_an_upgrade_moves_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pipx puts a link on the PATH; what it leads to changes with every new version of Python."""
    (tmp_path / "venv").mkdir()
    (tmp_path / "venv" / "handrail").write_text("")
    (tmp_path / "handrail").symlink_to(tmp_path / "venv" / "handrail")
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "handrail")])
    assert making.program() == (str(tmp_path / "handrail"),)


def test_a_path_that_no_scheduler_can_write_is_refused(tmp_path: Path) -> None:
    """A line break in a folder's name would begin a line of its own in a unit file."""
    from handrail.plugin_core.errors import UsageError

    with pytest.raises(UsageError, match="letters that no scheduler can take"):
        making.job_of(Settings(file=tmp_path / "a\nExecStart=evil" / "handrail.toml"))


def test_a_command_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dead bus must not hold doctor for ever."""
    monkeypatch.setattr(job, "SECONDS", 0.2)
    assert job.run([sys.executable, "-c", "import time; time.sleep(20)"]).status == 124
