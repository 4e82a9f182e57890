"""A process that syncs again and again, as a worker does, holds no more after a thousand syncs than after ten."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Iterator

import pytest
from handrail.plugin_core.sync.quiet import quiet_collector

from .stage import Stage, small_practice

SYNCS = 20


@pytest.fixture(autouse=True)
def _as_a_command_sets_it() -> Iterator[None]:
    """The collector as `handrail` sets it; what a test finds is put back."""
    before = gc.get_threshold()
    gc.set_threshold(50_000, 10, 10)
    yield
    gc.set_threshold(*before)


class _Cycle:
    """Something that only the cyclic collector finds, with as many objects as a short sync leaves behind."""

    def __init__(self) -> None:
        self.me = self
        self.others: list[list[int]] = [[] for _ in range(4_000)]


def test_what_short_syncs_leave_behind_is_found() -> None:
    """A worker grew by 0.8 MiB with each turn, to 900 MiB within half an hour, and had to be started anew each day."""
    left: weakref.WeakSet[_Cycle] = weakref.WeakSet()
    most = 0
    for _ in range(100):
        with quiet_collector():
            left.add(_Cycle())
        most = max(most, len(left))
    assert most < 25


def test_engines_do_not_pile_up(stage: Stage) -> None:
    """The same with real syncs, whose engines hold schemas, statements and mappings."""
    small_practice(stage)
    left: weakref.WeakSet[object] = weakref.WeakSet()
    for _ in range(SYNCS):
        with stage.engine() as engine:
            left.add(engine)
            engine.sync()
        del engine
    assert len(left) < SYNCS // 2


def test_rescoring_is_not_held_up_either(stage: Stage) -> None:
    """Full passes of the collector took a fifteenth of the time in which everything is scored anew."""
    small_practice(stage)
    stage.sync()
    inside: list[tuple[int, int, int]] = []
    with stage.engine() as engine:
        engine.progress = lambda *_: inside.append(gc.get_threshold())
        engine.rescore(dry_run=False)
    with quiet_collector():
        assert inside == [gc.get_threshold()]


def test_syncs_of_several_threads_put_back_what_the_first_found() -> None:
    """A worker has several turns at once: the one that ends last leaves the collector as it was."""
    before = gc.get_threshold()
    entered, leave = threading.Event(), threading.Event()

    def other() -> None:
        with quiet_collector():
            entered.set()
            leave.wait(60)

    thread = threading.Thread(target=other)
    with quiet_collector():
        thread.start()
        assert entered.wait(60)
    assert gc.get_threshold() != before, "the other sync still goes on"
    leave.set()
    thread.join(60)
    assert gc.get_threshold() == before
