"""Doctor as another user than the one who set Handrail up: closed folders are named, and end nothing."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from handrail.plugin_core import doctor

from tests.sync.stage import Stage


def as_nobody(look: Callable[[], str]) -> str:
    """What a look gives to another user of this computer: in a child that has left root behind."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of threads, which the child never uses
        child = os.fork()
    if child == 0:
        try:
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
            os.write(writing, look().encode())
        except BaseException:  # noqa: BLE001 - shown by the parent; the child has nobody to raise to
            os.write(writing, traceback.format_exc().encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as out:
        said = out.read()
    os.waitpid(child, 0)
    return said


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="NOT RUN: only root can become another user here")
def test_a_folder_that_cannot_be_written_to_is_named() -> None:
    """As another user than the one who set it up: root may write everywhere and would see nothing wrong."""
    top = Path(tempfile.mkdtemp(prefix="handrail-doctor-"))
    try:
        top.chmod(0o755)
        with Stage(top / "practice") as stage:
            stage.sync()
            stage.folder.chmod(0o555)
            for path in stage.folder.iterdir():
                os.chown(path, 65534, 65534)
                path.chmod(0o600)

            def look() -> str:
                return "\n".join(f"{c.state} {c.name}: {c.finding}" for c in doctor.examine(stage.file, offline=True))

            assert "cannot be written to by you" not in look()
            said = as_nobody(look)
        assert re.search(r"wrong store file: The folder .* cannot be written to by you", said), said
    finally:
        shutil.rmtree(top)
