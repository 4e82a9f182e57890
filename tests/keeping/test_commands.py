"""`handrail backup`, `restore`, `key rotate`, `audit verify`, as somebody who runs a practice gives them."""

from __future__ import annotations

import json

import pytest
from handrail.plugin_core.cli import run

from tests.sync.stage import Stage


@pytest.fixture
def call(stage: Stage, capsys: pytest.CaptureFixture[str]):  # type: ignore[no-untyped-def]
    """Runs a command on the stage's settings: (exit status, what it printed, what it complained of)."""

    def command(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = run(["--settings", str(stage.file), *words])
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return command


def test_backup_check_and_restore(stage: Stage, call) -> None:  # type: ignore[no-untyped-def]
    """The walk that somebody makes on the worst day of the year must work as it is printed."""
    file = str(stage.folder / "b.handrail")
    before = stage.seen()
    status, out, _ = call("backup", file)
    assert status == 0
    assert "Keep the two in different places" in out
    status, out, _ = call("backup", file, "--check", "--json")
    assert (status, json.loads(out)["rows"]["responses"]) == (0, len(before.responses))
    status, _, err = call("backup", file)
    assert (status, "already" in err) == (2, True)
    status, _, err = call("restore", file)
    assert (status, "--replace" in err) == (2, True)
    status, out, _ = call("restore", file, "--replace")
    assert (status, "handrail sync" in out) == (0, True)
    assert stage.seen().differs(before) == {}


def test_keys_and_trail(stage: Stage, call) -> None:  # type: ignore[no-untyped-def]
    """What they print is what the next call wants."""
    status, out, _ = call("key", "rotate", "--json")
    assert (status, json.loads(out)["key"]) == (0, 2)
    assert call("key", "rotate", "--master")[0] == 0
    status, out, _ = call("audit", "verify")
    assert status == 0
    link = out.strip().splitlines()[-1]
    assert call("audit", "verify", "--kept", link)[0] == 0
    number, _, digest = link.partition("-")
    status, out, _ = call("audit", "verify", "--kept", f"{number}-{'0' * len(digest)}", "--json")
    assert (status, len(json.loads(out)["problems"])) == (1, 1)
