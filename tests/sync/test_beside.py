"""The second process that reads courses: the same flags with it, without it, and when it dies in the middle."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from handrail.plugin_core.sync import beside, evaluate
from handrail.plugin_core.sync.beside import Beside, Gone

from .stage import Stage, second_act, small_practice

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a second process is used on Linux alone")


def doubled(question: Any) -> Any:
    if question == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    return question * 2


def story(folder: Path) -> tuple[list[Any], dict[str, int]]:
    """Two syncs and a rescoring of a small practice: what stands in the end, and the second sync's counts."""
    folder.mkdir()
    with Stage(folder) as stage:
        small_practice(stage)
        stage.sync()
        second_act(stage)
        report = stage.sync()
        stage.ask(lambda engine: engine.rescore(dry_run=False))
        return [stage.seen().standing(), stage.active()], dict(report.counts)


def counted(monkeypatch: pytest.MonkeyPatch, each: Callable[[Beside], None] = lambda _: None) -> list[Any]:
    """Lets every sync use a copy, a client a page; gives the list of what copies were asked."""
    asked: list[Any] = []
    ask = Beside.ask

    def counting(self: Beside, question: Any) -> None:
        asked.append(question)
        ask(self, question)
        each(self)

    monkeypatch.setattr(evaluate, "CLIENTS_A_PAGE", 1)
    monkeypatch.setattr(beside, "possible", lambda: True)
    monkeypatch.setattr(Beside, "ask", counting)
    return asked


def test_flags_are_the_same_with_a_copy_and_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A big practice must not get other flags than a small one."""
    alone = story(tmp_path / "alone")
    asked = counted(monkeypatch)
    assert story(tmp_path / "beside") == alone
    assert asked, "no copy was asked anything: the test shows nothing"


def test_a_copy_that_dies_costs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system may end it for want of memory; its clients must not go without their flags."""
    alone = story(tmp_path / "alone")
    asked = counted(monkeypatch, lambda one: os.kill(one._child, signal.SIGKILL))
    assert story(tmp_path / "beside") == alone
    assert asked


def test_a_question_that_fails_there_is_left_to_the_asker() -> None:
    """An error has to be said in the process that somebody looks at."""
    copy = Beside(doubled)
    try:
        copy.ask("ab")
        assert copy.answer() == "abab"
        copy.ask({})
        with pytest.raises(Gone):
            copy.answer()
        copy.ask("die")
        with pytest.raises(Gone):
            copy.answer()
        with pytest.raises(Gone):
            copy.ask("ab" * 100_000)
    finally:
        copy.close()
    with pytest.raises(ChildProcessError):
        os.waitpid(copy._child, 0)


OWNER = """
import os, signal, sys, time
from filelock import FileLock
from handrail.plugin_core.sync.beside import Beside
def work(seconds):
    time.sleep(seconds)
lock = FileLock(sys.argv[1]); lock.acquire()
copy = Beside(work)
copy.ask(2.0)
print(copy._child, flush=True)
time.sleep(0.3)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_f73_a_killed_sync_leaves_no_lock_and_no_process(tmp_path: Path) -> None:
    """A copy in the middle of its work must not keep the next sync out, nor stay behind."""
    lock = tmp_path / "store.lock"
    done = subprocess.run([sys.executable, "-c", OWNER, str(lock)], stdout=subprocess.PIPE, text=True, check=False)
    child = int(done.stdout)
    FileLock(lock).acquire(timeout=0.5)
    until = time.monotonic() + 30
    while running(child):
        assert time.monotonic() < until, "the copy outlives its owner"
        time.sleep(0.1)


def running(pid: int) -> bool:
    """Whether a process of that number runs; one that has ended and waits for nobody does not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
