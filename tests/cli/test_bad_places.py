"""Files that cannot be read or written: one plain sentence each, and nothing half done (the issue's "Bad input")."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from handrail.plugin_core import cli

from tests.sync.stage import EVEN, Stage

WRITE = {
    "report": ("report", "-o"),
    "export": ("export", "c1", "-o"),
    "sheet": ("sheet", "gr18", "-o"),
    "form": ("instruments", "export", "gr18", "-o"),
    "schemas": ("schemas", "--out"),
}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A practice with one client."""
    with Stage(tmp_path_factory.mktemp("places") / "practice", safety="", crisis="") as made:
        made.course("c1", [EVEN, EVEN])
        made.sync()
        yield made


def _run(stage: Stage, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    capsys.readouterr()
    status = cli.run(["--settings", str(stage.file), *words])
    out, err = capsys.readouterr()
    return status, out + err


@pytest.mark.parametrize("words", WRITE.values(), ids=WRITE)
def test_a_place_that_is_none_is_named(
    stage: Stage, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    """A slip in the path: "an unforeseen fault" would send people to us with it."""
    file = tmp_path / "a-file"
    file.write_text("mine")
    status, said = _run(stage, capsys, *words, str(file / "below" / "out.html"))
    assert (status, "cannot be written" in said) == (2, True), said
    assert "unforeseen" not in said
    assert file.read_text() == "mine"


@pytest.mark.parametrize("words", [WRITE["report"], WRITE["form"]], ids=["report", "form"])
def test_a_disk_that_fills_while_a_file_is_written_leaves_no_half_of_it(
    stage: Stage,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
) -> None:
    """Half a report with names on it would lie there; one that was whole before must stay."""
    out = tmp_path / "out"
    out.write_text("whole")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("handrail.plugin_core.private.os.fsync", full)
    status, said = _run(stage, capsys, *words, str(out))
    assert (status, "No space left on device" in said) == (2, True), said
    assert list(tmp_path.iterdir()) == [out]
    assert out.read_text() == "whole"


def test_a_report_is_its_writers_alone(stage: Stage, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Also over one that others could read."""
    out = tmp_path / "report.html"
    out.write_text("old")
    out.chmod(0o644)
    assert _run(stage, capsys, "report", "-o", str(out))[0] == 0
    if os.name == "posix":
        assert stat.S_IMODE(out.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('practice = "x"\nname = "Müller"\n'.encode("utf-16"), "not valid TOML: they are not in UTF-8"),
        ('practice = "x"\nname = "Müller"\n'.encode("latin-1"), "not valid TOML: they are not in UTF-8"),
        (b"", "practice|key"),
        (b'practice = "x', "not valid TOML (at their end)"),
        (b"\x00" * 4096, "not valid TOML"),
        (b"x = 1\n" * 1_000_000, "not valid TOML"),
    ],
    ids=["utf-16", "latin-1", "empty", "cut", "zeros", "huge"],
)
def test_settings_that_are_no_settings_are_refused_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, says: str
) -> None:
    """An editor's "Unicode", a cut copy, a disk that wrote zeros."""
    file = tmp_path / "handrail.toml"
    file.write_bytes(content)
    assert cli.run(["--settings", str(file), "flags"]) == 2
    said = capsys.readouterr().err
    assert any(word in said for word in says.split("|")), said
    assert "unforeseen" not in said


@pytest.mark.parametrize(
    "content",
    ["client,pre,post\nx,1,2\n".encode("utf-16"), b"\xff\xfe\x00", b"", b'client,pre,post\n"x,1'],
    ids=["utf-16", "binary", "empty", "cut"],
)
def test_a_table_of_scores_that_is_none_is_refused_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    """`change` reads what people export elsewhere."""
    file = tmp_path / "scores.csv"
    file.write_bytes(content)
    words = ["--pre", "pre", "--post", "post", "--better", "lower", "--reliability", "0.8"]
    assert cli.run(["change", str(file), *words]) in (1, 2)
    assert "unforeseen" not in capsys.readouterr().err
