"""The offline command: answers in, flags out, without a platform or a store. The same scoring and rules as sync.

The formats are those of `schemas/screen.py`, and they are stable. Output lines are grouped by client, clients in
ascending order of their names by code point, each client's lines in the order of time, and of one time by form and then
by the rules' order. So the output depends on what the input says and not on the order in which it says it (save where
two lines have the same client, form and time: the later wins); and a file that is sorted by client streams through.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, Protocol, cast

import msgspec

from ..schemas.records import Instrument
from ..schemas.vocab import Event
from .contracts import RuleSpec, ScorerSpec
from .errors import HandrailError, UsageError
from .screening.grouping import groups, numbered, scratch
from .screening.lines import Reader
from .screening.work import Job, Outcome, outcomes

IN_MEMORY = 8 << 20
"""Bytes of a stream that are kept in memory before it goes to an unnamed temporary file."""


class Sink(Protocol):
    """Anything that bytes can be written to."""

    def write(self, data: bytes, /) -> object:
        """Takes the bytes."""
        ...


Source = Path | Iterable[bytes | str]


@dataclass(frozen=True, slots=True)
class Descriptors:
    """What can be read and judged: forms, rules and special scorers. Without arguments Handrail's own."""

    instruments: Sequence[Instrument] = field(default_factory=lambda: _own_instruments())
    rules: Sequence[RuleSpec] = field(default_factory=lambda: _own_rules())
    scorers: Mapping[str, ScorerSpec] = field(default_factory=lambda: MappingProxyType({}))


def _own_instruments() -> Sequence[Instrument]:
    from .instruments import builtin

    return builtin()


def _own_rules() -> Sequence[RuleSpec]:
    from .rules import builtin_rules

    return builtin_rules()


@dataclass(frozen=True, slots=True)
class ScreenReport:
    """What a run did. `lines` were read, of which `rejected` could not be and `replaced` gave way to a later one.

    `failed` counts, by rule id, the clients for whom a plugin's rule raised or answered out of shape.
    """

    lines: int
    forms: int
    clients: int
    rejected: int
    replaced: int
    events: Mapping[str, int]
    failed: Mapping[str, int]

    @property
    def exit_status(self) -> int:
        """0, or 1 when a line was rejected or a rule failed."""
        return 1 if self.rejected or self.failed else 0


def screen(
    source: Source,
    out: Path | Sink,
    *,
    rules: Sequence[str] | None = None,
    rejects: Path | Sink | None = None,
    trace: Path | Sink | None = None,
    scores: Path | Sink | None = None,
    descriptors: Descriptors | None = None,
    processes: int = 1,
    progress: Callable[[int], object] | None = None,
) -> ScreenReport:
    """Reads forms, follows every rule over every client, writes a line each time a flag changes its state.

    :param source: a file of JSON Lines or CSV, UTF-8 with or without a mark of the byte order; or its lines. Lines
        that come from elsewhere than a file are kept in memory, beyond 8 MiB in an unnamed temporary file, since they
        may have to be read twice.
    :param out: where the lines go; a path is replaced only once all is written. So with the other three.
    :param rules: ids of the rules to follow; None follows all.
    :param descriptors: the forms, rules and scorers to go by.
    :param processes: how many to judge in; more than one needs rules that can be pickled, and a caller that guards its
        main module as `multiprocessing` asks. The output is the same.
    :param progress: told the number of forms done, after each batch of some two thousand.
    :raises UsageError: an unknown rule, a CSV header that lacks a column, an output that is the input.
    :raises HandrailError: a file cannot be read or written.
    """
    known = descriptors or Descriptors()
    chosen = _chosen(known.rules, rules)
    wanted = {"out": out, "rejects": rejects, "trace": trace, "scores": scores}
    _check(source, wanted)
    with ExitStack() as stack:
        sinks = {name: stack.enter_context(_writer(sink)) for name, sink in wanted.items() if sink is not None}
        file = stack.enter_context(_seekable(source))
        first = next((raw for _, _, raw in numbered(file)), b"")
        job = Job(known.instruments, chosen, dict(known.scorers), first, "trace" in sinks, "scores" in sinks)
        return _run(file, sinks, job, processes, progress)


def _run(
    file: BinaryIO, sinks: Mapping[str, Sink], job: Job, processes: int, progress: Callable[[int], object] | None
) -> ScreenReport:
    reader = Reader(job.instruments, job.first)
    total = Outcome(events=Counter({event.value: 0 for event in Event}))
    with Rejects(reader) as rejects:
        found = groups(file, reader.skip, reader.client, rejects.unreadable)
        for outcome in outcomes(found, job, processes):
            for name, lines in outcome.lines.items():
                sinks[name].write(lines)
            rejects.add(outcome.rejects)
            total.counts.update(outcome.counts)
            total.events.update(outcome.events)
            total.failed.update(outcome.failed)
            if progress is not None:
                progress(total.counts["forms"])
        if "rejects" in sinks:
            rejects.write(sinks["rejects"])
        rejected = rejects.count
    return ScreenReport(
        lines=total.counts["accepted"] + rejected,
        forms=total.counts["forms"],
        clients=total.counts["clients"],
        rejected=rejected,
        replaced=total.counts["accepted"] - total.counts["forms"],
        events=dict(total.events),
        failed=dict(total.failed),
    )


class Rejects:
    """Lines that could not be read, kept outside memory until they can be written in the order of the file."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.count = 0
        self._kept = scratch()
        self._kept.execute("CREATE TABLE reject (line INTEGER PRIMARY KEY, reason TEXT NOT NULL)")
        self._kept.execute("BEGIN")

    def __enter__(self) -> Rejects:
        return self

    def __exit__(self, *_: object) -> None:
        self._kept.close()

    def unreadable(self, number: int, raw: bytes) -> None:
        """Keeps a line that does not even name a client."""
        found = self.reader.read(raw)
        self.add([(number, found if isinstance(found, str) else "client: is missing")])

    def add(self, lines: Iterable[tuple[int, str]]) -> None:
        """Keeps lines with their number and reason."""
        before = self._kept.total_changes
        self._kept.executemany("INSERT INTO reject VALUES (?, ?)", lines)
        self.count += self._kept.total_changes - before

    def write(self, sink: Sink) -> None:
        """Writes them in the order of the file."""
        for line, reason in self._kept.execute("SELECT line, reason FROM reject ORDER BY line"):
            sink.write(msgspec.json.encode({"line": line, "reason": reason}) + b"\n")


def _chosen(rules: Sequence[RuleSpec], ids: Sequence[str] | None) -> list[RuleSpec]:
    if ids is None:
        return list(rules)
    known = {rule.id: rule for rule in rules}
    unknown = [name for name in ids if name not in known]
    if unknown:
        raise UsageError(f"There is no rule of the name {unknown[0][:32]!r}. Rules are: {', '.join(known)}.")
    return [known[name] for name in dict.fromkeys(ids)]


def _check(source: Source, sinks: Mapping[str, Path | Sink | None]) -> None:
    """No file may be written twice, nor over the input."""
    paths = [sink.resolve() for sink in sinks.values() if isinstance(sink, Path)]
    if isinstance(source, Path):
        paths.append(source.resolve())
    if len(set(paths)) < len(paths):
        raise UsageError("Two of the files are the same. Give the input and each output a file of its own.")


@contextmanager
def _writer(sink: Path | Sink) -> Iterator[Sink]:
    """A path as a file that takes its place only once everything is written; anything else as it is."""
    if not isinstance(sink, Path):
        yield sink
        return
    part = sink.with_name(f".{sink.name}.part")
    try:
        with part.open("wb") as file:
            yield file
        part.replace(sink)
    except OSError as error:
        raise HandrailError(f"The file {sink.name} could not be written: {error.strerror}.") from None
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _seekable(source: Source) -> Iterator[BinaryIO]:
    if isinstance(source, Path):
        try:
            file = source.open("rb")
        except OSError as error:
            raise HandrailError(f"The file {source.name} could not be read: {error.strerror}.") from None
        with file:
            yield file
        return
    with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY) as copy:
        for line in source:
            raw = line.encode("utf-8", "surrogatepass") if isinstance(line, str) else line
            copy.write(raw if raw.endswith(b"\n") else raw + b"\n")
        yield cast(BinaryIO, copy)
