"""Judges clients batch by batch, in this process or in several; what comes out is the same, and in the same order."""

from __future__ import annotations

import gc
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context

import msgspec

from ...schemas.records import Instrument, Response
from ..contracts import RuleSpec, ScorerSpec
from .client import Kit, Line, Scored, judge_scored, score_client
from .grouping import Group
from .lines import Reader

BATCH_LINES = 2000
WAITING = 3
"""Batches that are under way at a time, for each process: enough to keep it busy, few enough to keep memory flat."""


@dataclass(frozen=True, slots=True)
class Job:
    """Everything that a process needs; it must be possible to pickle it where there are several.

    `first` is the first line of the file, which tells its format.
    """

    instruments: Sequence[Instrument]
    rules: Sequence[RuleSpec]
    scorers: Mapping[str, ScorerSpec]
    first: bytes
    trace: bool = False
    scores: bool = False


@dataclass(slots=True)
class Outcome:
    """What a batch gave: lines as bytes by the name of their output, rejected lines, and counts."""

    lines: dict[str, bytes] = field(default_factory=dict)
    rejects: list[tuple[int, str]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)


class Worker:
    """Judges batches of clients."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.reader = Reader(job.instruments, job.first)
        self.kit = Kit(job.instruments, job.rules, job.scorers)
        self.encode = msgspec.json.Encoder().encode_lines

    def run(self, batch: Iterable[Group]) -> Outcome:
        """Reads, judges and writes the lines of these clients.

        The cyclic collector waits meanwhile: nothing here makes cycles, and its passes over a batch are a fifth of the
        time.
        """
        collects = gc.isenabled()
        gc.disable()
        try:
            return self._run(batch)
        finally:
            if collects:
                gc.enable()

    def _run(self, batch: Iterable[Group]) -> Outcome:
        outcome = Outcome()
        lines: dict[str, list[Line]] = {"out": [], "trace": [], "scores": []}
        page: list[Scored] = []
        for client, raws in batch:
            responses = []
            for number, raw in raws:
                found = self.reader.read(raw)
                if isinstance(found, Response):
                    responses.append(found)
                else:
                    outcome.rejects.append((number, found))
            if responses:
                page.append(score_client(client, responses, self.kit, scores=self.job.scores))
                outcome.counts.update(clients=1, accepted=len(responses))
        self.kit.prepare(page)
        for scored in page:
            judged = judge_scored(scored, self.kit, trace=self.job.trace)
            lines["out"] += judged.events
            lines["trace"] += judged.trace
            lines["scores"] += judged.scores
            outcome.counts.update(forms=judged.forms)
            outcome.events.update(line["event"] for line in judged.events)
            outcome.failed.update(judged.failed)
        outcome.lines = {name: self.encode(found) for name, found in lines.items() if found}
        return outcome


def batches(groups: Iterable[Group], lines: int = BATCH_LINES) -> Iterator[list[Group]]:
    """Clients together until a batch has about so many lines."""
    batch: list[Group] = []
    size = 0
    for group in groups:
        batch.append(group)
        size += len(group[1])
        if size >= lines:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def outcomes(groups: Iterable[Group], job: Job, processes: int) -> Iterator[Outcome]:
    """The outcome of each batch, in the order of the clients."""
    if processes < 2:
        worker = Worker(job)
        for batch in batches(groups):
            yield worker.run(batch)
        return
    # Not forked: a fork of a process that has threads may hang, and is gone from newer Pythons' defaults.
    with ProcessPoolExecutor(processes, get_context("spawn"), initializer=_start, initargs=(job,)) as pool:
        waiting: deque[Future[Outcome]] = deque()
        for batch in batches(groups):
            waiting.append(pool.submit(_run, batch))
            if len(waiting) >= processes * WAITING:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


_worker: Worker | None = None


def _start(job: Job) -> None:
    global _worker
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)  # between batches, too: a batch that comes in is thousands of small objects
    _worker = Worker(job)


def _run(batch: list[Group]) -> Outcome:
    if _worker is None:
        raise RuntimeError("the process was not started by `outcomes`")
    return _worker.run(batch)
