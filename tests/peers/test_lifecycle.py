"""The servers come up, go away with all they wrote, and are never passed over in silence."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import requests

from . import install
from .servers import Medplum, PeerFailed, PeerMissing, Postgres, Sekmet, Server

TOP = Path(__file__).resolve().parents[2]
ASKS_FOR_A_SERVER = "def test_it(sekmet):\n    pass\n"
STARTS_AND_WAITS = """
import time
from tests.peers.servers import Sekmet
server = Sekmet().start()
print(server.port, server.folder, flush=True)
time.sleep(60)
"""


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.peer("all")
@pytest.mark.parametrize("make", [Sekmet, Medplum, Postgres])
def test_stopping_leaves_nothing_behind(start_peer: Callable[[Server], Server], make: Callable[[], Server]) -> None:
    """A server or a folder left after each run would fill the machine of everybody who tests."""
    server = start_peer(make())
    assert listens(server.port)
    assert server.folder.is_dir()
    server.stop()
    assert not listens(server.port)
    assert not server.folder.exists()


@pytest.mark.peer("all")
def test_restart_keeps_data(start_peer: Callable[[Sekmet], Sekmet]) -> None:
    """Tests of an interrupted sync need a platform that comes back as it was."""
    server = start_peer(Sekmet())
    url = f"{server.base}/Patient/p"
    requests.put(url, json={"resourceType": "Patient", "id": "p"}, timeout=30).raise_for_status()
    server.restart()
    assert requests.get(url, timeout=30).status_code == 200


@pytest.mark.peer("all")
@pytest.mark.skipif(os.name != "posix", reason="kill -9 is of POSIX systems")
def test_server_ends_when_its_test_run_is_killed(start_peer: Callable[[Server], Server]) -> None:
    """A killed test run would leave servers that the next one meets."""
    start_peer(Sekmet()).stop()  # skips here when it is not installed
    command = [sys.executable, "-c", STARTS_AND_WAITS]
    with subprocess.Popen(command, cwd=TOP, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        port, folder = run.stdout.readline().split()
        assert listens(int(port))
        run.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while Path(folder).exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not listens(int(port))
    assert not Path(folder).exists()


class Broken(Sekmet):
    """A server whose program says something and ends."""

    def command(self) -> Sequence[str]:
        return [sys.executable, "-c", "print('no disk left'); raise SystemExit(3)"]


@pytest.mark.peer("all")
def test_a_server_that_does_not_start_shows_its_log(start_peer: Callable[[Server], Server]) -> None:
    """Without the log a person would have to guess why it did not start."""
    server = Broken()
    with pytest.raises(PeerFailed, match=r"status 3[\s\S]*no disk left"):
        start_peer(server)
    assert not server.folder.exists()


def test_missing_server_is_named_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A newcomer would not know which command brings it."""
    monkeypatch.setenv("HANDRAIL_PEERS", str(tmp_path))
    with pytest.raises(PeerMissing, match=r"python -m tests\.peers\.install sekmet"):
        Sekmet().start()


def test_install_fails_without_node_only_when_demanded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Continuous integration would pass without ever meeting Medplum; a laptop without Node could not test at all."""
    monkeypatch.setenv("HANDRAIL_PEERS", str(tmp_path))
    monkeypatch.delenv("HANDRAIL_DEMAND_PEERS", raising=False)
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    assert [install.main(["medplum"]), install.main(["medplum", "--demand"])] == [0, 1]
    assert "install Node" in capsys.readouterr().err


@pytest.mark.parametrize(("demand", "status"), [("", 0), ("1", 1)], ids=["skipped", "demanded"])
def test_a_missing_server_is_reported_loudly(tmp_path: Path, demand: str, status: int) -> None:
    """Tests that silently did not run are taken for tests that passed."""
    test = tmp_path / "test_one.py"
    test.write_text(ASKS_FOR_A_SERVER)
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "tests.peers.plugin",
            "--rootdir",
            str(tmp_path),
            "-c",
            os.devnull,
            str(test),
        ],
        cwd=TOP,
        env={**os.environ, "HANDRAIL_PEERS": str(tmp_path / "none"), "HANDRAIL_DEMAND_PEERS": demand},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == status, run.stdout + run.stderr
    assert "REAL SERVERS NOT RUN" in run.stdout
    assert "sekmet was not run: it is not installed" in run.stdout
