"""A worker's memory stays flat though each turn has threads of its own."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest

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
