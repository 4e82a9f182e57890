"""A limit on threads (ulimit -u, a container's pids limit): a sync does without what it can do without, and says the
rest in a plain sentence."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from handrail.adapters.http import Http
from handrail.plugin_core import threads
from handrail.plugin_core.cli import run
from handrail.plugin_core.errors import Unreachable
from handrail.plugin_core.sync import beside, judging
from handrail.plugin_core.sync.beside import Beside
from handrail.plugin_core.threads import NoThread, begin, needed, started
from handrail.schemas.vocab import RunOutcome

from ..fewthreads import NEXT_PAGE, Which, from_ahead, ours, refused
from .stage import Stage, small_practice

SAID = "nothing more at the same time"


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A small practice whose platform gives six forms a page."""
    with Stage(tmp_path / "few", page_size=6) as made:
        small_practice(made)
        yield made


@pytest.mark.parametrize("which", [lambda thread: thread.name == NEXT_PAGE, from_ahead], ids=["none", "one"])
def test_pages_are_read_without_a_thread_to_fetch_them_ahead(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, which: Which
) -> None:
    """A practice on a small container would have no sync at all, for want of something that only saves time."""
    with Stage(tmp_path / "many", page_size=6) as other:
        small_practice(other)
        other.sync()
        right = other.seen()
    tried = refused(monkeypatch, which)
    report = stage.sync()
    assert report.outcome is RunOutcome.COMPLETE, report.problems
    assert len(tried) > 3, "the test shows nothing"
    assert stage.slept == [], "it was made up for at once"
    assert stage.seen().differs(right) == {}


def test_a_sync_without_any_thread_says_why_and_goes_on_later(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """ "An unforeseen fault" tells nobody that a limit is to be raised, and makes them look for it in Handrail."""
    with monkeypatch.context() as patch:
        assert refused(patch, ours) == []
        assert run(["--settings", str(stage.file), "sync"]) == 3, "incomplete: go on later"
    said = " ".join(capsys.readouterr())
    assert SAID in " ".join(said.split())
    assert "unforeseen" not in said
    assert stage.sync().outcome is RunOutcome.COMPLETE


def test_a_write_for_which_there_is_no_thread_was_not_sent(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Taken for one whose answer was lost, a prompt would be looked for on the platform before it is made."""
    stage.sync(push=False)
    raised: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr(Http, "write", _without_threads(Http.write, raised))
        report = stage.sync()
    assert raised == ["NoThread"]
    assert report.outcome is RunOutcome.INCOMPLETE
    assert any(SAID in problem.what for problem in report.problems)
    assert stage.active() == []
    assert stage.sync().outcome is RunOutcome.COMPLETE
    assert stage.active()


def _without_threads(write: Callable[..., Any], raised: list[str]) -> Callable[..., Any]:
    """Writes while the computer gives no thread; `raised` gains what came of it."""

    def writes(http: Http, *args: Any, **more: Any) -> Any:
        with pytest.MonkeyPatch.context() as patch:
            refused(patch, ours)
            try:
                return write(http, *args, **more)
            except Unreachable as error:
                raised.append(type(error).__name__)
                raise

    return writes


def test_a_copy_that_leaves_no_room_for_a_thread_is_let_go(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second process would take the place that every request to the platform needs."""
    gone: list[int] = []
    close = Beside.close

    def closed(copy: Beside) -> None:
        gone.append(1)
        close(copy)

    monkeypatch.setattr(beside, "possible", lambda: sys.platform == "linux")
    monkeypatch.setattr(Beside, "close", closed)
    monkeypatch.setattr(Beside, "ask", lambda *_: pytest.fail("it was let go"))
    monkeypatch.setattr(judging, "LEAST", 1)
    tried = refused(monkeypatch, lambda thread: thread.name == "room beside a copy")
    assert stage.sync().outcome is RunOutcome.COMPLETE
    assert tried or sys.platform != "linux", "the test shows nothing"
    assert len(gone) == len(tried)


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's")
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv (util-linux) to become another user")
@pytest.mark.skipif(sys.platform == "linux" and os.geteuid() != 0, reason="needs root: to become a user of its own")
@pytest.mark.parametrize(("most", "status"), [(1, 3), (2, 0)])
def test_a_sync_under_the_system_s_own_limit(most: int, status: int) -> None:
    """One process and one thread more are enough; with none it ends in a sentence. What stands between Python and the
    system (a thread that has ended and is still counted, numpy's own threads) shows here alone."""
    user = str(61_000 + os.getpid() % 4_000)  # whom no other process belongs to
    may = "+dac_read_search,+dac_override"  # this Python may lie in a folder that is root's alone
    become = ["setpriv", f"--reuid={user}", "--clear-groups", f"--inh-caps={may}", f"--ambient-caps={may}"]
    limit = [*become, f"--bounding-set=-all,{may}", "prlimit", f"--nproc={most}"]
    with TemporaryDirectory() as folder, Stage(Path(folder), page_size=6) as stage:
        small_practice(stage)
        for one in (stage.folder, *stage.folder.rglob("*")):
            os.chown(one, int(user), -1)
        words = ["-m", "handrail.plugin_core.cli", "--settings", str(stage.file), "sync", "--yes"]
        done = subprocess.run([*limit, sys.executable, *words], capture_output=True, text=True)
    assert done.returncode == status, done.stdout + done.stderr
    assert (SAID in " ".join(done.stdout.split())) is (status == 3)
    assert "unforeseen" not in done.stderr


def test_only_a_lack_of_threads_is_called_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another fault behind the same class would send people to a limit that is not reached."""
    with pytest.raises(RuntimeError, match="another") as found, needed():
        raise RuntimeError("another fault")
    assert not isinstance(found.value, Unreachable)
    twice = threading.Thread(target=lambda: None)
    assert started(twice)
    twice.join()
    with pytest.raises(RuntimeError, match="once"):
        started(twice)
    refused(monkeypatch)
    with pytest.raises(NoThread, match=SAID):
        begin(threading.Thread(target=lambda: None))
    assert not started(threading.Thread(target=lambda: None))


def test_a_thread_that_has_just_ended_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system counts it for a moment longer than Python does: a sync would end for want of its own last thread's."""
    monkeypatch.setattr(threads, "PAUSES", (0.0, 0.0))
    left = [1, 1]
    tried = refused(monkeypatch, lambda _: bool(left and left.pop()))
    thread = threading.Thread(target=lambda: None)
    begin(thread)
    thread.join()
    assert len(tried) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="threads of a process are counted as Linux shows them")
@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="with one processor numpy starts no thread of its own")
def test_the_command_starts_no_threads_for_numpy() -> None:
    """Where the system gives none, numpy's library sends the process the signal of Ctrl-C: a sync would end with
    "stopped", as if a person had stopped it."""
    code = (
        "import os, sys\n"
        "sys.argv = ['handrail', '--version']\n"
        "from handrail.plugin_core.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "import handrail.plugin_core.signal.pages\n"
        "assert 'numpy' in sys.modules\n"
        "print(len(os.listdir('/proc/self/task')))\n"
    )
    plain = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=plain)
    assert done.stdout.split()[-1] == "1"
