"""A second process that works beside this one: a copy of it that is asked one thing after another and only ever reads.

Python uses one core a process. Where many courses are to be read, a copy of the process reads about half of the pages
while this one reads its own and writes all; the pages of a first pull a copy judges (judging.py). All writes, hooks and
messages stay here. Whatever becomes of the copy, nothing depends on it: what it does not answer, or not in time, is
done here. It ends when it is let go of, and when this process dies.

Only on Linux, only for a process of one thread, and only with a second core: elsewhere everything is done here.
"""

from __future__ import annotations

import gc
import logging
import os
import pickle
import select
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

from .. import threads

if TYPE_CHECKING:
    from ..store import Store

log = logging.getLogger(__name__)
P = TypeVar("P")
R = TypeVar("R")
ALONE = 1  # so few pages are read without a copy: a small sync pays nothing
DEPTH = 2  # pages that the copy has: one that it reads, and the next, so that it need not wait for this process
PATIENCE = 60  # seconds for a sign of the copy: what it has may hold a safety answer, and a page takes it one or two
PAGE_BYTES = 1 << 20
HEAD = 8  # bytes that say how long a message is
STDERR = 2
_FAILED = b""


class Gone(Exception):
    """The copy has no answer: it died or hangs, or what it was asked failed there."""


def possible() -> bool:
    """Whether a copy of this process would be safe and of use."""
    return sys.platform == "linux" and threading.active_count() == 1 and len(os.sched_getaffinity(0)) > 1


def started(work: Callable[[Any], Any]) -> Beside | None:
    """A copy; None where the system gives none (too little memory, too many processes or files), or would give no
    thread beside it: each request to the platform needs one."""
    try:
        copy = Beside(work)
    except OSError as error:
        log.info("no second process to work beside this one (%s)", type(error).__name__)
        return None
    thread = threading.Thread(target=_nothing, name="room beside a copy", daemon=True)
    if threads.started(thread):
        thread.join()
        return copy
    copy.close()
    return None


def _nothing() -> None:
    """What a thread does that only shows that there can be one."""


class Beside:
    """A copy of this process as it is now.

    :param work: called in the copy with what it is asked; gives what can be pickled. The copy has none of our files and
        sockets open any more.
    :raises OSError: the system gives none.
    """

    def __init__(self, work: Callable[[Any], Any]) -> None:
        self._come = bytearray()  # of answers, while a question went out
        self._child = 0
        self._open: list[int] = []  # our ends of the pipes, and theirs until they have them
        try:
            theirs, self._ask = self._pipe()
            self._answer, ours = self._pipe()
            with _no_signal():
                self._child = os.fork()
                if self._child == 0:
                    _serve(theirs, ours, work)
        except BaseException:  # Ctrl-C among them, which is taken as soon as the copy is made
            self.close()
            raise
        for end in (theirs, ours):
            self._open.remove(end)
            os.close(end)
        os.set_blocking(self._ask, False)
        self._answered, self._either = select.poll(), select.poll()
        for either_way in (self._answered, self._either):
            either_way.register(self._answer, select.POLLIN)
        self._either.register(self._ask, select.POLLOUT)

    def _pipe(self) -> tuple[int, int]:
        ends = _pipe()
        self._open += ends
        return ends

    def ask(self, question: Any) -> None:
        """Asks; what is asked before it is answered waits. Raises Gone, also where it cannot be handed over."""
        try:
            rest = _message(pickle.dumps(question))
            while rest:
                # Both pipes may be full: the copy then reads no question before somebody reads its answer.
                if self._ask in self._in_time(self._either):
                    rest = rest[os.write(self._ask, rest) :]
                else:
                    self._read()
        except Exception:  # noqa: BLE001 - a vendor's record may refuse to be pickled in any way
            raise Gone from None

    def ready(self) -> bool:
        """Whether the answer, or the end, is there."""
        return bool(self._come) or bool(self._answered.poll(0))

    def wait(self) -> None:
        """Returns once the answer, or the end, is there. Raises Gone."""
        if not self._come:
            self._in_time(self._answered)

    def answer(self) -> Any:
        """Waits for the next answer, in the order of the questions. Raises Gone."""
        found = self._taken(int.from_bytes(self._taken(HEAD), "big"))
        if found == _FAILED:
            raise Gone
        try:
            return pickle.loads(found)  # noqa: S301 - our own copy wrote it
        except Exception:  # noqa: BLE001 - what a vendor's rule has found may not survive the way
            raise Gone from None

    def _in_time(self, either_way: select.poll) -> list[int]:
        """Which pipes can be used, as soon as one can."""
        found = [number for number, _ in either_way.poll(PATIENCE * 1000)]
        if not found:
            log.warning("the second process gave no sign for %s seconds; its work is done by the first", PATIENCE)
            raise Gone
        return found

    def _taken(self, size: int) -> bytes:
        while len(self._come) < size:
            self._in_time(self._answered)
            self._read()
        found = bytes(memoryview(self._come)[:size])
        del self._come[:size]
        return found

    def _read(self) -> None:
        try:
            part = os.read(self._answer, PAGE_BYTES)
        except OSError:
            part = b""
        if not part:
            raise Gone
        self._come += part

    def close(self) -> None:
        """Ends the copy; it holds nothing that would need an orderly end."""
        while self._open:
            os.close(self._open.pop())
        if self._child:
            # Where the program that we are part of has the system take its children away, the number may be another's.
            with suppress(ChildProcessError, ProcessLookupError):
                if os.waitpid(self._child, os.WNOHANG) == (0, 0):
                    os.kill(self._child, signal.SIGKILL)
                    os.waitpid(self._child, 0)
            self._child = 0


class Shared(Generic[P, R]):
    """Reads pages, about half of them in a copy of this process where there are more than one and that is possible.

    :param read: reads one page; only reads, and gives what can be pickled.
    """

    def __init__(self, pages: Iterator[P], read: Callable[[P], R], store: Store) -> None:
        self._pages = pages
        self._read = read
        self._store = store
        self._copy: Beside | None = None
        self._there: deque[P] = deque()  # the pages that the copy has

    def all(self) -> Generator[tuple[P, R], None, None]:
        """Each page with what was read on it, in no order. What is yielded is written before the next is asked for."""
        try:
            first = list(islice(self._pages, ALONE + 1))
            if len(first) > ALONE and possible() and not self._store.rehearsing:
                # SQLite knows its open files by process: a copy of one that has the store open cannot open it.
                self._store.engine.dispose()
                self._copy = started(self._read)
            pages = chain(first, self._pages)
            for page in pages:
                if not self._there and self._hand(page):
                    continue
                room = 0 if self._copy is None else DEPTH - len(self._there)
                mine = [page, *(more for more in islice(pages, room) if not self._hand(more))]
                for one in mine:
                    yield one, self._read(one)
                while self._there and self._copy is not None and self._copy.ready():
                    yield self._fetch()
            while self._there:
                yield self._fetch()
        finally:
            self._end()

    def _hand(self, page: P) -> bool:
        """Gives the page to the copy, if there is one."""
        if self._copy is None:
            return False
        try:
            self._copy.ask(page)
        except Gone:
            self._end()
            return False
        self._there.append(page)
        return True

    def _fetch(self) -> tuple[P, R]:
        """What the copy has read; what it could not read is read here."""
        page = self._there.popleft()
        try:
            if self._copy is not None:
                return page, self._copy.answer()
        except Gone:
            self._end()
        return page, self._read(page)

    def _end(self) -> None:
        if self._copy is not None:
            self._copy.close()
            self._copy = None


def _pipe() -> tuple[int, int]:
    """A pipe that holds a whole page, so that neither side waits while the other is busy."""
    from fcntl import F_SETPIPE_SZ, fcntl  # Linux alone

    ends = os.pipe()
    with suppress(OSError):  # the system allows a user so many; then it holds less
        fcntl(ends[1], F_SETPIPE_SZ, PAGE_BYTES)
    return ends


@contextmanager
def _no_signal() -> Iterator[None]:
    """Signals wait until the end of this. Our handler of one that comes in a copy that has not said yet what it does
    with signals (Ctrl-C goes to both) would end our work there as well: give back our lock, send our letters."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(asked: int, answered: int, work: Callable[[Any], Any]) -> NoReturn:
    """The copy's life: no way leads out of here, so that nothing of ours is ended or said twice."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one that was started; its end is ours
        for ends in (signal.SIGTERM, signal.SIGALRM):
            signal.signal(ends, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        _keep_only(asked, answered)
        gc.freeze()  # no object of the other process is finalised here
        while (question := _receive(asked)) is not None:
            signal.setitimer(signal.ITIMER_REAL, PATIENCE)  # nobody waits longer, and the one who asked may be gone
            answer = _tried(work, pickle.loads(question))  # noqa: S301 - from the process that we are a copy of
            signal.setitimer(signal.ITIMER_REAL, 0)
            _send(answered, answer)
    finally:
        os._exit(0)


def _tried(work: Callable[[Any], Any], question: Any) -> bytes:
    try:
        return pickle.dumps(work(question))
    except Exception:  # noqa: BLE001 - done again by the other process, which says what is wrong
        return _FAILED


def _keep_only(*kept: int) -> None:
    """Closes every other file and socket: a lock or a session of the database must not outlive its owner in a copy.

    Nothing stands in their places: a log's or a plugin's file may still be written to by its number, and that must not
    be the number of the store, which is opened anew here.
    """
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (int(one.name) for one in list(Path("/proc/self/fd").iterdir())):
        if number > STDERR and number not in (nothing, *kept):
            os.dup2(nothing, number, inheritable=False)


def _message(content: bytes) -> memoryview:
    return memoryview(len(content).to_bytes(HEAD, "big") + content)


def _send(pipe: int, content: bytes) -> None:
    rest = _message(content)
    while rest:
        rest = rest[os.write(pipe, rest) :]


def _receive(pipe: int) -> bytes | None:
    """A message, or None at the end."""
    head = _exactly(pipe, HEAD)
    return None if head is None else _exactly(pipe, int.from_bytes(head, "big"))


def _exactly(pipe: int, size: int) -> bytes | None:
    parts = []
    while size:
        part = os.read(pipe, min(size, 1 << 20))
        if not part:
            return None
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
