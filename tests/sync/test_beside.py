"""The second process that reads courses: the same flags with it, without it, and when it dies in the middle."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from filelock import FileLock
from handrail.plugin_core import hookimpl
from handrail.plugin_core.sync import beside, evaluate, judging
from handrail.plugin_core.sync.beside import Beside, Gone

from .stage import Stage, second_act, small_practice

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a second process is used on Linux alone")


def doubled(question: Any) -> Any:
    if question == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    return question * 2


def asked_and_answered(copy: Beside, question: Any) -> Any:
    copy.ask(question)
    return copy.answer()


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
    """Lets every sync use copies, a client a page; gives the list of what copies were asked."""
    asked: list[Any] = []
    ask = Beside.ask

    def counting(self: Beside, question: Any) -> None:
        asked.append(question)
        ask(self, question)
        each(self)

    monkeypatch.setattr(evaluate, "MOST_ALONE", 1)
    monkeypatch.setattr(evaluate, "CLIENTS_A_PAGE", 1)
    monkeypatch.setattr(judging, "LEAST", 1)
    monkeypatch.setattr(beside, "possible", lambda: True)
    monkeypatch.setattr(Beside, "ask", counting)
    return asked


def kinds(asked: list[Any]) -> set[type]:
    """What copies were asked of: forms are tuples, courses the keys of their clients."""
    return {type(one) for question in asked for one in question}


def test_flags_are_the_same_with_a_copy_and_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A big practice must not get other flags than a small one."""
    alone = story(tmp_path / "alone")
    asked = counted(monkeypatch)
    assert story(tmp_path / "beside") == alone
    assert kinds(asked) == {str, tuple}, "no copy was asked of forms, or none of courses: the test shows nothing"


def test_a_copy_that_dies_costs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system may end it for want of memory; its clients must not go without their flags."""
    alone = story(tmp_path / "alone")
    asked = counted(monkeypatch, lambda one: os.kill(one._child, signal.SIGKILL))
    assert story(tmp_path / "beside") == alone
    assert kinds(asked) == {str, tuple}


def test_a_question_that_fails_there_is_left_to_the_asker() -> None:
    """An error has to be said in the process that somebody looks at."""
    copy = Beside(doubled)
    child = copy._child
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
            asked_and_answered(copy, "ab" * 100_000)
    finally:
        copy.close()
    with pytest.raises(ChildProcessError):
        os.waitpid(child, 0)


@pytest.mark.parametrize("dies", [None, 0, 2])
@pytest.mark.parametrize("number", range(7))
def test_every_page_is_read_once_however_many_there_are_and_whenever_the_copy_dies(
    number: int, dies: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages wait for the copy; one that waits when it dies is not to be forgotten, nor read twice."""
    asked = counted(monkeypatch, lambda one: os.kill(one._child, signal.SIGKILL) if len(asked) == dies else None)
    store = SimpleNamespace(rehearsing=False, engine=SimpleNamespace(dispose=lambda: None))
    shared = beside.Shared(iter(range(number)), lambda page: (page, os.getpid()), store)  # type: ignore[arg-type]
    found = dict(shared.all())
    assert sorted(found) == list(range(number))
    assert all(page == one for one, (page, _) in found.items())
    if number > 1 and dies is None:
        here = sum(reader == os.getpid() for _, reader in found.values())
        assert 0 < here < number, "one of the two has read nothing"


class Preparing:
    """A plugin that wants to see each record before it is stored."""

    @hookimpl
    def prepare_responses(self, responses: Any, context: Any) -> None:
        assert os.getpid() == TESTER


class Listening:
    """A plugin that is told of each record that was stored."""

    def __init__(self) -> None:
        self.heard = 0

    @hookimpl
    def responses_stored(self, responses: Any, context: Any) -> None:
        self.heard += len(responses)


TESTER = os.getpid()


def test_plugins_see_every_form_in_the_one_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a plugin remembers in a copy would be lost, and a form that it is not shown is one that it cannot mend."""
    asked = counted(monkeypatch)
    for name, plugin in (("preparing", Preparing()), ("listening", listening := Listening())):
        (tmp_path / name).mkdir()
        with Stage(tmp_path / name) as stage:
            small_practice(stage)
            stage.plugins = [("vendor", plugin)]
            stored = stage.sync().counts["new"]
            assert stored
    assert listening.heard == stored
    assert tuple not in kinds(asked)


def test_a_page_judged_in_the_copy_is_judged_as_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes over to the copy and comes back must be the same form, whatever is in it or missing from it."""
    asked = counted(monkeypatch)
    story(tmp_path / "beside")
    handed = [question for question in asked if type(question[0]) is tuple]
    assert handed
    for question in handed:
        assert pickle.loads(pickle.dumps(question)) == question


def test_neither_waits_for_the_other_when_both_pipes_are_full() -> None:
    """Long texts: a page may be larger than a pipe. With one question on its way and another being written, each of the
    two would wait for the other for ever."""
    copy = Beside(doubled)
    try:
        large = "x" * (3 * beside.PAGE_BYTES)
        for _ in range(3):
            copy.ask(large)
        assert [copy.answer() for _ in range(3)] == [large * 2] * 3
    finally:
        copy.close()


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
