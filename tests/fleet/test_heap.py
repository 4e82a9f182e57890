"""A worker's memory stays flat though each turn has threads of its own and leaves much behind."""

from __future__ import annotations

import gc
import platform
import subprocess
import sys
from collections import Counter
from pathlib import Path
from ssl import SSLContext

import pytest
from handrail.plugin_core.engine import Engine
from handrail.plugin_core.fleet.heap import TURNS_A_PASS
from handrail.plugin_core.fleet.timing import Ended
from handrail.plugin_core.fleet.turn import Turn
from handrail.plugin_core.fleet.work import Work

from tests.peers.servers import Postgres

from .houses import NORTH, House, house
from .works import open_practice, working

COUNTED = """
import ctypes, sys, threading
from handrail.plugin_core.fleet.heap import one_heap
if sys.argv[2] == "one":
    one_heap()
together = threading.Barrier(8)
def work():
    together.wait()
    kept = [bytearray(600 + at % 400) for at in range(2000)]
    together.wait()
threads = [threading.Thread(target=work) for _ in range(8)]
for one in threads: one.start()
for one in threads: one.join()
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
told = libc.fopen(sys.argv[1].encode(), b"w")
libc.malloc_info(0, ctypes.c_void_p(told))
libc.fclose(ctypes.c_void_p(told))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc gives threads heaps of their own")
def test_threads_share_one_heap(tmp_path: Path) -> None:
    """A worker would hold a little more after each turn, and a host would have to start it anew every few hours."""

    def heaps(how: str) -> int:
        told = tmp_path / f"{how}.xml"
        subprocess.run([sys.executable, "-c", COUNTED, str(told), how], check=True)
        return told.read_text().count("<heap nr=")

    assert heaps("as it comes") > 1
    assert heaps("one") == 1


@pytest.mark.peer("postgres")
def test_what_turns_leave_behind_is_taken_out(
    postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a pass over young objects meets in the middle of a turn waits for a full pass, which came after hundreds of
    turns. With a platform that is away, each leaves TLS contexts: a MiB that the collector's counting does not see."""
    monkeypatch.setattr(Turn, "sleep", lambda *_: gc.collect(1))  # between two tries
    collector = gc.get_threshold()
    gc.set_threshold(50_000, 10, 10)  # as a command has it
    try:
        with house(tmp_path, postgres.new_database(), NORTH) as town:
            open_practice(town, NORTH).write_settings(base="http://127.0.0.1:9/fhir")
            gc.collect()
            before = _there()
            with working(town) as worker:
                left = [_after_a_turn(town, worker) - before for _ in range(TURNS_A_PASS + 2)]
    finally:
        gc.set_threshold(*collector)
    engines = max(one[Engine] for one in left)
    assert engines > 1, "they are there to be counted"
    assert engines < TURNS_A_PASS
    assert max(one[SSLContext] for one in left) <= 2 * engines  # one for http, one for https


def _after_a_turn(town: House, worker: Work) -> Counter[type]:
    town.do("UPDATE due SET next_ms = 0")
    assert worker.run(NORTH) is Ended.AWAY
    return _there()


def _there() -> Counter[type]:
    """How many engines and TLS contexts there are."""
    return Counter(kind for one in gc.get_objects() for kind in (Engine, SSLContext) if isinstance(one, kind))
