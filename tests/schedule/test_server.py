"""The files for servers do what docs/server.md says: units that systemd takes, a container without root, its loop."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SERVER = ROOT / "docs" / "server"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="NOT RUN: systemd-analyze is not installed here")
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    """A misspelled hardening option is ignored with a warning only, and protects nothing."""
    program = tmp_path / "handrail"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    for unit in ("handrail.service", "handrail.timer"):
        text = (SERVER / unit).read_text(encoding="utf-8").replace("/opt/handrail/bin/handrail", str(program))
        (tmp_path / unit).write_text(text, encoding="utf-8")
    units = [str(tmp_path / unit) for unit in ("handrail.service", "handrail.timer")]
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True, check=False
    )
    assert [line for line in done.stderr.splitlines() if "handrail" in line] == []
    assert "Persistent=true" in (SERVER / "handrail.timer").read_text(encoding="utf-8")


def test_the_container_runs_without_root_and_installs_by_hash() -> None:
    """A dependency that somebody swapped, or a hole in one, must not get far."""
    lines = (ROOT / "Containerfile").read_text(encoding="utf-8")
    last = lines[lines.rindex("\nFROM ") :]
    assert re.search(r"^USER \d+$", last, re.MULTILINE)
    assert "--require-hashes" in lines
    assert 'VOLUME ["/settings", "/store"]' in last
    assert re.search(r'^HEALTHCHECK .*CMD \["handrail", "doctor", "--quiet"', last, re.MULTILINE)
    for source in re.findall(r"^COPY (?!--from)(?:--\S+ )?(.*) \S+$", lines, re.MULTILINE):
        for name in source.split():
            assert (ROOT / name).exists(), f"the Containerfile copies {name}, which is not there"


@pytest.mark.skipif(os.name != "posix", reason="NOT RUN: the loop is for Linux containers")
def test_the_loop_syncs_waits_and_ends_when_told(tmp_path: Path) -> None:
    """A container that ignores the stop signal is killed after ten seconds, in the middle of a page."""
    calls = tmp_path / "calls"
    program = tmp_path / "handrail"
    program.write_text(f'#!/bin/sh\necho "$@" >> {calls}\nexit 3\n')
    program.chmod(0o755)
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin", "HANDRAIL_EVERY_MINUTES": "1"}
    with subprocess.Popen(["/bin/sh", str(SERVER / "handrail-loop"), "--send"], env=env) as child:
        for _ in range(200):
            if calls.exists() and calls.read_text():
                break
            time.sleep(0.05)
        assert child.poll() is None, "a sync that fails does not end the loop"
        child.send_signal(signal.SIGTERM)
        assert child.wait(5) == 0
    assert calls.read_text() == "sync --quiet --send\n"


def test_the_page_names_the_files_that_are_there() -> None:
    """Commands of a page that cannot be followed are worse than none."""
    page = (ROOT / "docs" / "server.md").read_text(encoding="utf-8")
    for name in ("handrail.service", "handrail.timer", "Containerfile", "HANDRAIL_EVERY_MINUTES", "--key-file"):
        assert name in page
