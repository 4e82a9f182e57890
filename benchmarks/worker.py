"""Many practices on one server: what a job costs, ingest by two workers, memory, and workers that are killed.

    python -m benchmarks.worker [--responses 20000] [--jobs 20] [--json FILE]
    python -m benchmarks.worker --soak 10     # minutes; two workers, one killed every 20 seconds, under load
    python -m benchmarks.worker --memory 60   # minutes; what two workers hold under a small steady load

PostgreSQL is a throw-away cluster of the tests, safe against a crash of a process and not of the computer. The textbook
(`fhirclient`, ORM `merge`) writes into the same one, by turns with the workers. Costs are processor time, read from
/proc. On Linux.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handrail.plugin_core.fleet import due
from handrail.plugin_core.fleet.host import Host, load
from handrail.plugin_core.fleet.practices import BackOffice
from handrail.plugin_core.settings import save
from handrail.plugin_core.store.database import engine_of
from sqlalchemy import Connection, Engine, text

from tests.fleet.houses import House
from tests.fleet.works import arrive, open_practice
from tests.peers.servers import Postgres
from tests.sync.stage import EVEN, LEANING, Stage

from . import children
from .children import Server
from .install import TOP, ensure

TICKS = os.sysconf("SC_CLK_TCK")
SMALL = 500  # practices of the measurement of jobs
LONGEST = 900.0


@dataclass
class Row:
    """A figure."""

    figure: str
    ours: str
    target: str = ""
    met: bool | None = None


class Bench:
    """A prepared host on a cluster of its own."""

    def __init__(self, postgres: Postgres, folder: Path) -> None:
        self.postgres = postgres
        self.folder = folder
        self.rows: list[Row] = []

    def host(self, name: str, **worker: int) -> tuple[Path, Host]:
        """A new host in a new database; `worker` goes under [worker]."""
        file = self.folder / name / "host.toml"
        file.parent.mkdir()
        save(file, {"host.store": self.postgres.new_database(), "host.key": "file:host.key"})
        save(file, {f"worker.{knob}": value for knob, value in worker.items()})
        host = load(file)
        with BackOffice(host, "bench") as office:
            office.prepare()
        return file, host

    def add(self, figure: str, ours: str, target: str = "", met: bool | None = None) -> None:
        """One more line."""
        self.rows.append(Row(figure, ours, target, met))
        print(
            f"  {figure}: {ours} {target} {'' if met is None else 'yes' if met else 'NO'}", file=sys.stderr, flush=True
        )


@contextmanager
def sql(host: Host) -> Iterator[Connection]:
    """A transaction by the one who may do everything."""
    engine = engine_of(host.store)
    try:
        with engine.begin() as conn:
            yield conn
    finally:
        engine.dispose()


class Worker:
    """A worker's process, and what it has used."""

    def __init__(self, file: Path, *child: str) -> None:
        command = [sys.executable, "-m", "handrail.plugin_core.cli", "--settings", str(file), "worker"]
        if child:
            command = [sys.executable, "-m", "benchmarks.worker", *child, "--host", str(file)]
        with file.with_name(f"worker-{time.monotonic_ns()}.log").open("wb") as out:
            self.process = subprocess.Popen(command, cwd=TOP, env=children.environment(), stdout=out, stderr=out)

    def cpu(self) -> float:
        """Seconds of processor time so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def mib(self, field: str = "VmRSS", file: str = "status") -> float:
        """Memory now; with VmHWM the most that it had, with Pss of smaps_rollup its share where pages are shared."""
        for line in Path(f"/proc/{self.process.pid}/{file}").read_text().splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1]) / 1024
        return 0.0

    def kill(self) -> None:
        """As a power cut."""
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        """SIGTERM, and if need be more."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(45)
        except subprocess.TimeoutExpired:
            self.kill()


@contextmanager
def workers(file: Path, number: int, *child: str) -> Iterator[list[Worker]]:
    """So many workers, gone at the end."""
    made = [Worker(file, *child) for _ in range(number)]
    try:
        yield made
    finally:
        for one in made:
            if one.process.poll() is None:
                one.end()


def until(true: Callable[[], Any], every: float = 0.2) -> float:
    """Waits; gives the seconds."""
    began = time.monotonic()
    while not true():
        if time.monotonic() - began > LONGEST:
            raise children.Failed("waited in vain")
        time.sleep(every)
    return time.monotonic() - began


# --- what a job costs ----------------------------------------------------------------------------------------------


def light(file: Path) -> None:
    """A worker whose turns are one guarded transaction: all else of a job is what is measured."""
    from handrail.plugin_core.fleet import work as module
    from handrail.plugin_core.fleet.lease import Guard
    from handrail.plugin_core.fleet.timing import Ended
    from handrail.plugin_core.fleet.worker import Worker as Real

    def turn(self: module.Work, running: module.Running) -> module.Result:
        guard = Guard(running.lease, self.lease_ms)
        with self.pool.begin() as conn:
            guard(conn)
        return module.Result(Ended.MORE)  # due again at once: the queue never runs dry

    module.Work._turn = turn  # type: ignore[method-assign]
    Real(load(file)).run()


def jobs(bench: Bench, seconds: int) -> None:
    """Jobs a second by two workers over 500 practices that are always due, and the worker's own time for one."""
    file, host = bench.host("jobs", parallel=4)
    with sql(host) as conn:
        now = due.database_now(conn)
        for number in range(SMALL):
            due.add(conn, f"practice-{number:03}", 900_000, now)

    def turns() -> int:
        with sql(host) as conn:
            return int(conn.execute(text("SELECT sum(fence) FROM due")).scalar_one())

    with workers(file, 2, "--light") as both:
        until(lambda: turns() > SMALL)
        before, used, began = turns(), [one.cpu() for one in both], time.monotonic()
        time.sleep(seconds)
        done, taken = turns() - before, time.monotonic() - began
        spent = sum(one.cpu() - was for one, was in zip(both, used, strict=True))
        with sql(host) as conn:
            least, most = conn.execute(text("SELECT min(fence), max(fence) FROM due")).one()
    each = 1000 * spent / done
    bench.add("a job: queue, lease, fencing check; time of the worker", f"{each:.1f} ms", "<= 25 ms", each <= 25)
    rate = done / taken
    bench.add("jobs through two workers, a lease for each practice", f"{rate:.0f}/s", ">= 100/s", rate >= 100)
    bench.add("  turns of one practice among 500, least and most", f"{least}, {most}")


# --- ingest --------------------------------------------------------------------------------------------------------


def ingest(bench: Bench, responses: int, passes: int) -> None:
    """Two practices of that many responses each through two workers; the textbook on the same PostgreSQL by turns."""
    python = ensure()
    ratios, rates, baselines, peaks = [], [], [], []
    with Server(python, responses) as server:
        for number in range(passes):
            url = bench.postgres.new_database()
            with tempfile.TemporaryDirectory() as folder:
                arguments = ["textbook", "--base", server.base, "--dir", folder, "--limit", "2000", "--url", url]
                baseline = children.run(python, "benchmarks.baselines", *arguments)["per_s"]
            rate, peak = _pulled(bench, f"ingest-{number}", server.base, responses)
            baselines.append(baseline)
            rates.append(rate)
            peaks.append(peak)
            ratios.append(rate / baseline)
    middle = sorted(ratios)[len(ratios) // 2]
    bench.add(f"ingest, 2 x {responses:,} responses, two workers", " ".join(f"{rate:,.0f}" for rate in rates) + " /s")
    bench.add("  fhirclient + ORM merge, one process", " ".join(f"{rate:,.0f}" for rate in baselines) + " /s")
    bench.add("  ratio", f"{middle:.1f} x", ">= 8 x", middle >= 8)
    bench.add("  most memory of a worker meanwhile", f"{max(peaks):.0f} MiB", "<= 200 MiB", max(peaks) <= 200)


def _pulled(bench: Bench, name: str, base: str, responses: int) -> tuple[float, float]:
    file, host = bench.host(name, parallel=1, seconds=3600, pages=10_000)
    names = ("north", "south")
    with BackOffice(host, "bench") as office:
        for practice in names:
            made = office.add(practice, {})
            save(made, {"platform.name": "fhir", "platform.settings": {"base_url": base}})

    engine = engine_of(host.store)  # one connection: to open one for each look takes a sixth of the machine

    def stored() -> int:
        with engine.begin() as conn:
            return int(conn.execute(text("SELECT count(*) FROM responses")).scalar_one())

    try:
        with workers(file, 2) as both:
            time.sleep(8)  # both have started, and wait
            with BackOffice(host, "bench") as office:
                for practice in names:
                    office.resume(practice)
            until(lambda: stored() > 0, 0.02)
            before, began = stored(), time.monotonic()
            until(lambda: _done(engine, names), 0.05)
            seconds = time.monotonic() - began
            if (number := stored()) != 2 * responses:
                raise children.Failed(f"{number} of {2 * responses} forms were stored")
            return (number - before) / seconds, max(one.mib("VmHWM") for one in both)
    finally:
        engine.dispose()


def _done(engine: Engine, names: Sequence[str]) -> bool:
    with engine.begin() as conn:
        rows = [due.of(conn, name, due.database_now(conn)) for name in names]
    if bad := [row.problem for row in rows if row and row.problem]:
        raise children.Failed(str(bad[0]))
    return all(row is not None and row.last_ok_ms is not None for row in rows)


# --- killed --------------------------------------------------------------------------------------------------------


class Soak:
    """Practices on platforms of this process, whose forms keep coming while their workers are killed."""

    def __init__(self, bench: Bench, practices: int = 4) -> None:
        folder = bench.folder / "soak"
        folder.mkdir()
        self.house = House(folder, bench.postgres.new_database())
        self.house.prepare()
        save(self.house.file, {"worker.interval_minutes": 1})
        self.stages: dict[str, Stage] = {}
        for number in range(practices):
            name = f"practice-{number}"
            self.house.move_in(name)
            self.stages[name] = open_practice(self.house, name)
        self._clients = Counter[str]()

    def more(self) -> None:
        """A new client in each practice."""
        for name in self.stages:
            self.one_more(name)

    def one_more(self, name: str) -> None:
        """A new client, with a course that calls for a prompt."""
        arrive(self.stages[name], f"c{self._clients[name]}-{name}", [EVEN, EVEN, EVEN, LEANING, LEANING])
        self._clients[name] += 1

    def rows(self) -> list[due.Practice]:
        """The due table."""
        with self.house.sql() as conn:
            return due.all_of(conn, due.database_now(conn))

    def wake(self, which: str = "failures = 0 AND") -> None:
        """All are due now, by default those that did not fail."""
        now = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"
        self.house.do(f"UPDATE due SET next_ms = {now} WHERE {which} next_ms > {now}")

    def settle(self) -> None:
        """Waits until all have had a turn after what came last."""
        self.wake()
        until(lambda: all(row.owner is None and not row.late_ms for row in self.rows()), 1)

    def turns(self) -> int:
        """How many there have been."""
        with self.house.sql() as conn:
            return int(conn.execute(text("SELECT sum(fence) FROM due")).scalar_one())

    def wrong(self) -> list[str]:
        """What is not as it has to be: forms missing or twice, prompts missing or twice."""
        found = []
        for name, stage in self.stages.items():
            seen = stage.seen()
            there = {one["id"] for one in stage.place().all("QuestionnaireResponse")}
            if sorted(there) != seen.active():
                found.append(f"{name}: {len(there)} forms there, {len(seen.active())} here")
            wanted = sorted(f"c{number}-{name} P1" for number in range(self._clients[name]))
            if stage.active() != wanted:
                found.append(f"{name}: {len(wanted)} prompts wanted, {len(stage.active())} on the platform")
        return found

    def close(self) -> None:
        """Stops the platforms."""
        self.house.close()


def back_again(soak: Soak) -> float:
    """The seconds from a SIGKILL until another worker has the practice, with the settings as they are."""
    with workers(soak.house.file, 2) as both:
        stage = next(iter(soak.stages.values()))
        for number in range(40):
            arrive(stage, f"k{number}", [EVEN] * 10)
        stage.write_settings(page_size=5)
        soak.wake()
        until(lambda: any(row.owner for row in soak.rows()), 0.02)
        held = next(row for row in soak.rows() if row.owner)
        victim = next(one for one in both if f":{one.process.pid}:" in (held.owner or ""))
        victim.kill()
        return until(lambda: _other(soak, held), 0.1)


def _other(soak: Soak, held: due.Practice) -> bool:
    row = next(row for row in soak.rows() if row.practice == held.practice)
    return row.owner != held.owner


def killed_in_turn(soak: Soak, minutes: float, every: float) -> tuple[int, float, list[str]]:
    """Kills one of two workers again and again while forms come in; gives kills, the longest time from due to
    done, what is wrong."""
    until_ = time.monotonic() + minutes * 60
    kills, longest = 0, 0.0
    both = [Worker(soak.house.file), Worker(soak.house.file)]
    try:
        while time.monotonic() < until_:
            soak.more()
            soak.wake()
            late = time.monotonic() + every
            while time.monotonic() < late:
                time.sleep(1)
                longest = max([longest, *(row.late_ms / 1000 for row in soak.rows())])
            both[kills % 2].kill()
            both[kills % 2] = Worker(soak.house.file)
            kills += 1
        soak.settle()
    finally:
        for one in both:
            one.end()
    return kills, longest, soak.wrong()


# --- an hour's memory ----------------------------------------------------------------------------------------------

BEAT = 5.0  # seconds between two moments at which all practices are due
AWAY = "http://127.0.0.1:9/fhir"  # nobody listens on the port of "discard"


def memory(bench: Bench, soak: Soak, minutes: float) -> None:
    """What two workers hold while all practices are due every few seconds: at one after the other a client arrives,
    and the platform of the last is away, so that what a failure leaves behind counts as well."""
    *served, lost = soak.stages
    soak.stages.pop(lost).write_settings(base=AWAY)
    with workers(soak.house.file, 2) as both:
        held: list[list[float]] = [[], []]
        until_, beats = time.monotonic() + minutes * 60, 0
        while time.monotonic() < until_:
            if beats % 6 == 0:
                soak.one_more(served[beats // 6 % len(served)])
            soak.wake("")
            time.sleep(BEAT)
            beats += 1
            for one, samples in zip(both, held, strict=True):
                samples.append(one.mib())
            if beats % 120 == 0:
                print(f"  {beats} beats: {held[0][-1]:.1f}, {held[1][-1]:.1f} MiB", file=sys.stderr, flush=True)
        share = [one.mib("Pss", "smaps_rollup") for one in both]
        turns = soak.turns()
        soak.settle()
    for name, samples, pss in zip(("one", "the other"), held, share, strict=True):
        _grown(bench, name, samples, pss)
    bench.add(f"  their turns in {minutes:.0f} minutes, {len(served) + 1} practices", f"{turns:,}")
    bench.add("  what they brought in", "; ".join(soak.wrong()) or "all once")


def _grown(bench: Bench, name: str, samples: Sequence[float], pss: float) -> None:
    """Flat: the last quarter's median is within 5 % of the first's, in which the worker has warmed up."""
    quarter = len(samples) // 4
    first, last = statistics.median(samples[:quarter]), statistics.median(samples[-quarter:])
    after = samples[quarter:]
    slope = statistics.linear_regression([at * BEAT / 3600 for at in range(len(after))], after).slope
    most = max(samples)
    bench.add(f"memory of {name}, most", f"{most:.1f} MiB, its share {pss:.1f}", "<= 200 MiB", most <= 200)
    bench.add("  median of the first and the last quarter", f"{first:.1f}, {last:.1f}", "flat", last <= 1.05 * first)
    bench.add("  slope after the first quarter", f"{slope:+.2f} MiB an hour")


# --- all of it ------------------------------------------------------------------------------------------------------


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description="Workers for many practices, measured.")
    parser.add_argument("--responses", type=int, default=20_000, help="of each of two practices")
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=20, help="seconds that jobs are counted for")
    parser.add_argument("--soak", type=float, default=0, help="minutes; nothing else is measured then")
    parser.add_argument("--every", type=float, default=20, help="seconds between two kills")
    parser.add_argument("--memory", type=float, default=0, help="minutes; nothing else is measured then")
    parser.add_argument("--only", choices=["jobs", "ingest", "killed"])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--light", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--host", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.light:
        light(options.host)
        return
    with Postgres() as postgres, tempfile.TemporaryDirectory() as folder:
        bench = Bench(postgres, Path(folder))
        measured(bench, options)
    for row in bench.rows:
        met = "" if row.met is None else "yes" if row.met else "NO"
        print(f"{row.figure:<58} {row.ours:<24} {row.target:<12} {met}")
    if options.json:
        options.json.write_text(json.dumps([vars(row) for row in bench.rows], indent=1), encoding="utf-8")


def measured(bench: Bench, options: argparse.Namespace) -> None:
    """What was asked for."""
    if options.soak:
        soak = Soak(bench)
        try:
            kills, longest, wrong = killed_in_turn(soak, options.soak, options.every)
        finally:
            soak.close()
        bench.add(
            f"two workers killed in turn every {options.every:.0f} s, {kills} kills", "; ".join(wrong) or "all once"
        )
        bench.add("  longest time of a practice from due to done", f"{longest:.0f} s", "<= 120 s", longest <= 120)
        return
    if options.memory:
        soak = Soak(bench, 7)
        try:
            memory(bench, soak, options.memory)
        finally:
            soak.close()
        return
    if options.only in (None, "jobs"):
        jobs(bench, options.jobs)
    if options.only in (None, "ingest"):
        ingest(bench, options.responses, options.passes)
    if options.only in (None, "killed"):
        soak = Soak(bench, 1)
        try:
            seconds = back_again(soak)
        finally:
            soak.close()
        bench.add("a worker killed: its practice runs again", f"{seconds:.0f} s", "<= 60 s", seconds <= 60)


if __name__ == "__main__":
    main()
