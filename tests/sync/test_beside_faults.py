"""The second process on a bad day: it hangs, cannot be made, gets a signal at the worst moment, outlives its owner."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from handrail.plugin_core.sync import beside
from handrail.plugin_core.sync.beside import Beside, Gone

from .test_beside import asked_and_answered, counted, doubled, kinds, running, story

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a second process is used on Linux alone")
SOON = 0.2
LATEST = 30


@contextmanager
def copy_of_us(work: Callable[[Any], Any]) -> Iterator[Beside]:
    """A copy that ends with the test."""
    copy = Beside(work)
    try:
        yield copy
    finally:
        copy.close()


def open_files() -> int:
    """How many this process has."""
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_copy_that_hangs_costs_its_time_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stopped copy (a debugger, a frozen container, a plugin's rule that never ends) had the sync wait for ever, with
    the safety answers of its page."""
    alone = story(tmp_path / "alone")
    monkeypatch.setattr(beside, "PATIENCE", SOON)
    asked = counted(monkeypatch, lambda one: os.kill(one._child, signal.SIGSTOP))
    assert story(tmp_path / "beside") == alone
    assert kinds(asked) == {str, tuple}


def test_a_copy_that_reads_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for a page larger than a pipe, which cannot even be handed over."""
    monkeypatch.setattr(beside, "PATIENCE", SOON)
    with copy_of_us(doubled) as copy:
        os.kill(copy._child, signal.SIGSTOP)
        with pytest.raises(Gone):
            copy.ask("x" * (3 * beside.PAGE_BYTES))


def test_a_system_that_gives_no_second_process_costs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service with a limit of processes, a host that promises no more memory: each first pull ended with a fault of
    ours."""
    alone = story(tmp_path / "alone")
    counted(monkeypatch)
    tries = 0

    def refused() -> int:
        nonlocal tries
        tries += 1
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", refused)
    before = open_files()
    assert beside.started(doubled) is None
    assert open_files() == before, "its pipes are open still"
    assert story(tmp_path / "beside") == alone
    assert tries > 2


class Unspeakable:
    """What cannot be pickled, or cannot be made anew of what was pickled."""

    def __init__(self, loads: bool) -> None:
        self.loads = loads

    def __reduce__(self) -> Any:
        if self.loads:
            return int, ("no number",)
        raise TypeError("a vendor's record")


def test_what_cannot_be_handed_over_is_done_here() -> None:
    """A vendor's adapter or rule may give anything; in one process it would have gone well."""
    with copy_of_us(doubled) as copy, pytest.raises(Gone):
        copy.ask(Unspeakable(loads=False))
    with copy_of_us(lambda _: Unspeakable(loads=True)) as copy, pytest.raises(Gone):
        asked_and_answered(copy, "anything")


def test_a_program_that_lets_the_system_take_its_children_away_can_sync() -> None:
    """Where SIGCHLD is ignored, which a program hands down to those that it starts, nobody can wait for a child."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        with copy_of_us(doubled) as copy:
            assert asked_and_answered(copy, "ab") == "abab"
        with copy_of_us(doubled) as copy, pytest.raises(Gone):
            asked_and_answered(copy, "die")
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_a_program_with_a_thousand_open_files_can_sync(tmp_path: Path) -> None:
    """`select` refuses the numbers from 1,024 on: a portal that we are part of has as many connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2_000:
        pytest.skip(f"NOT RUN: this system allows {hard} open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2_000), hard))
    opened: list[int] = []
    try:
        opened.extend(os.open(os.devnull, os.O_RDONLY) for _ in range(1_100))
        with copy_of_us(doubled) as copy:
            assert copy._ask > 1_023
            assert asked_and_answered(copy, "ab") == "abab"
    finally:
        for number in opened:
            os.close(number)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_what_is_written_by_an_old_number_never_lands_in_the_store(tmp_path: Path) -> None:
    """A log file or a plugin's file is still known by its number in the copy. Were that number free, the store would
    get it when the copy opens it, and the next line of the log would be written over a page of the store."""
    log = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT)

    def opens_and_logs(name: str) -> tuple[int, bytes]:
        store = -1
        while store < log:  # lower numbers may be free
            store = os.open(name, os.O_RDWR | os.O_CREAT)
        os.write(log, b"a line of the log")
        return store, os.pread(store, 100, 0)

    try:
        with copy_of_us(opens_and_logs) as copy:
            store, content = asked_and_answered(copy, str(tmp_path / "store"))
    finally:
        os.close(log)
    assert content == b""
    assert store != log
    assert (tmp_path / "log").read_bytes() == b"", "the copy has our files open still"


SIGNALLED = """
import os, signal, sys
from handrail.plugin_core.sync.beside import Beside, Gone
number, me = int(sys.argv[1]), os.getpid()
def handler(*_):
    os.write(1, b"ours" if os.getpid() == me else b"THE COPY RUNS OUR HANDLER")
    raise KeyboardInterrupt
signal.signal(number, handler)
os.register_at_fork(after_in_child=lambda: os.kill(os.getpid(), number))
try:
    copy = Beside(lambda question: question * 2)
    try:
        copy.ask("ab")
        os.write(1, copy.answer().encode())
    except Gone:
        os.write(1, b"gone")
    copy.close()
finally:
    os.write(1, b".")  # as what we would do at our end: give back the lock, tell what is to be told
"""


@pytest.mark.parametrize(("number", "said"), [(signal.SIGINT, b"abab."), (signal.SIGTERM, b"gone.")])
def test_a_signal_at_the_very_beginning_does_not_make_the_copy_end_our_work(number: int, said: bytes) -> None:
    """Ctrl-C, and a service that is stopped, reach both. The copy, which has our handler until it says otherwise, would
    unwind as we do: tell of safety answers a second time and give back the lock that we hold."""
    done = subprocess.run([sys.executable, "-c", SIGNALLED, str(int(number))], capture_output=True, check=False)
    assert done.stdout == said, done.stderr.decode()[-500:]


INTERRUPTED = """
import os, signal
from handrail.plugin_core.sync import beside
fork = os.fork
def forked():
    if child := fork():
        os.kill(os.getpid(), signal.SIGINT)
    return child
os.fork = forked
try:
    beside.Beside(print)
except KeyboardInterrupt:
    try:
        os.waitpid(-1, os.WNOHANG)
        print("a copy is left")
    except ChildProcessError:
        print(sorted(os.listdir("/proc/self/fd")))
"""


def test_ctrl_c_while_the_copy_is_made_leaves_none(tmp_path: Path) -> None:
    """It would wait for questions for as long as a program runs that we are part of."""
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, check=False)
    assert done.stdout == "['0', '1', '2', '3']\n", done.stderr[-500:]


FORSAKEN = """
import os, signal
from handrail.plugin_core.sync import beside
beside.PATIENCE = 1
def work(_):
    while True: pass
copy = beside.Beside(work)
copy.ask("anything")
print(copy._child, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_copy_that_never_ends_does_not_outlive_its_owner_for_ever() -> None:
    """It hears of its owner's end when it asks for more; one in a rule that never ends would keep a processor busy
    until somebody looks."""
    done = subprocess.run([sys.executable, "-c", FORSAKEN], stdout=subprocess.PIPE, text=True, check=False)
    until = time.monotonic() + LATEST
    while running(int(done.stdout)):
        assert time.monotonic() < until, "it works on"
        time.sleep(0.05)
