"""All figures of Handrail's speed and memory, each beside its baseline from the same run.

    python -m benchmarks.run [--responses 20000] [--quick] [--json FILE]

Everything that is measured runs in a fresh process in `.cache/bench-venv`, one after another, baselines and engine by
turns; a figure is the median of its passes, a ratio of speeds the median of the ratios within a pass. Ends with 1 when
something could not be measured or came out wrong; a missed target is shown. On Linux and macOS.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from . import children
from .children import Failed, Server
from .install import TOP, ensure, program

KINDS = 3  # of record: responses, clients, forms
CHANGED = 0.01
SMALL_STORE = 400
STARTS = 7


@dataclass
class Row:
    """A line of the table: `met` is None where there is no target or nothing could be measured."""

    figure: str
    ours: str
    baseline: str = ""
    ratio: str = ""
    target: str = ""
    met: bool | None = None


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    responses: int
    textbook: int
    passes: int
    sizes: tuple[int, int]


class Run:
    """One benchmark run: where the results and the rows gather."""

    def __init__(self, plan: Plan, python: Path, scratch: Path) -> None:
        self.plan, self.python, self.scratch = plan, python, scratch
        self.rows: list[Row] = []
        self.results: dict[str, list[dict[str, Any]]] = {}
        self.problems: list[str] = []
        self._folders = 0

    def folder(self) -> Path:
        """A new empty folder."""
        self._folders += 1
        made = self.scratch / str(self._folders)
        made.mkdir()
        return made

    def child(self, name: str, module: str, *arguments: str, home: Path | None = None) -> dict[str, Any] | None:
        """Run one measured child and keep its result under `name`; None, and the reason noted, when it failed."""
        print(f"  {name} ...", file=sys.stderr, flush=True)
        try:
            result = children.run(self.python, module, *arguments, home=home)
        except Failed as why:
            self.note(name, str(why))
            return None
        self.results.setdefault(name, []).append(result)
        return result

    def note(self, name: str, why: str) -> None:
        """Remember, once, what was wrong with a figure or kept it from being had."""
        line = f"{name}: {why}"
        if line not in self.problems:
            self.problems.append(line)

    def baseline(self, name: str, kind: str, base: str, limit: int = 0) -> None:
        """One pass of a baseline into a new folder."""
        folder = str(self.folder())
        self.child(name, "benchmarks.baselines", kind, "--base", base, "--dir", folder, "--limit", str(limit))

    def engine(self, name: str, job: str, server: Server, folder: Path, expected: int) -> dict[str, Any] | None:
        """One job of the engine in `folder`, which should deal with `expected` responses."""
        result = self.child(name, "benchmarks.engine", job, "--base", server.base, "--dir", str(folder), home=folder)
        if result and result["responses"] != expected:
            self.note(name, f"{expected:,} responses were to be dealt with, {result['responses']:,} were")
        return result

    def middle(self, name: str, field: str) -> float | None:
        """The median of a field over the passes kept under `name`."""
        values = [result[field] for result in self.results.get(name, [])]
        return median(values) if values else None

    def ratio(self, ours: str, theirs: str) -> float | None:
        """The median of the ratios of two speeds pass by pass: what slows the machine for a while slows both."""
        pairs = list(zip(self.results.get(ours, []), self.results.get(theirs, []), strict=False))
        return median(one["per_s"] / other["per_s"] for one, other in pairs) if pairs else None

    def highest(self, name: str, field: str) -> float | None:
        """The highest value of a field over the passes kept under `name`."""
        return max((result[field] for result in self.results.get(name, [])), default=None)

    def add(self, figure: str, ours: float | None, form: str, baseline: str = "", **judged: Any) -> None:
        """Add a row; `form` is a format with one place for the number."""
        shown = "not measured" if ours is None else form.format(ours)
        self.rows.append(Row(figure, shown, baseline, **judged))


def speeds(run: Run, server: Server, shape: str) -> None:
    """Baselines and engine by turns, over one server; two rows."""
    names = {kind: f"{kind}, {shape}" for kind in ("textbook", "floor", "engine")}
    for _ in range(run.plan.passes):
        run.baseline(names["textbook"], "textbook", server.base, run.plan.textbook)
        run.baseline(names["floor"], "floor", server.base)
        run.engine(names["engine"], "full", server, run.folder(), run.plan.responses)
    ours = run.middle(names["engine"], "per_s")
    size = f"{run.plan.responses:,} responses of {server.bytes_each / 1000:.1f} kB"
    targets: dict[str, tuple[Callable[[float], str], float, str]] = {
        "textbook": ("{:.1f} x".format, 15.0, ">= 15 x"),
        "floor": ("{:.0%}".format, 0.4, ">= 40 %"),
    }
    for kind, (form, least, target) in targets.items():
        theirs = run.middle(names[kind], "per_s")
        judged: dict[str, Any] = {"target": target if shape == "lean" else ""}
        ratio = run.ratio(names["engine"], names[kind])
        if ratio is not None:
            judged["ratio"] = form(ratio)
            judged["met"] = ratio >= least if shape == "lean" else None
        beside = f"{kind} {theirs:,.0f}/s" if theirs else f"{kind} not measured"
        run.add(f"full sync, {size}", ours, "{:,.0f}/s", beside, **judged)
    _pull_row(run, names)


def _pull_row(run: Run, names: dict[str, str]) -> None:
    """The part of a full sync that the baselines have as well: until all is stored, before clients are asked for and
    the rules read. No target is held against it."""
    responses = run.plan.responses
    run.results["of it pulled"] = [{"per_s": responses / one["pull"]} for one in run.results.get(names["engine"], [])]
    ratios = [run.ratio("of it pulled", names[kind]) for kind in ("textbook", "floor")]
    shown = [form(ratio) for form, ratio in zip(("{:.1f} x".format, "{:.0%}".format), ratios, strict=True) if ratio]
    pulled = run.middle("of it pulled", "per_s")
    run.add("  of it pulled, judged, scored, stored", pulled, "{:,.0f}/s", "textbook, floor", ratio=", ".join(shown))
    del run.results["of it pulled"]


def again(run: Run, server: Server) -> None:
    """Sync again after 1 % changed and after nothing changed, then rescoring, in one store."""
    folder = run.folder()
    ready = run.engine("engine, to sync again", "full", server, folder, run.plan.responses)
    for _ in range(run.plan.passes if ready else 0):
        run.engine("again, 1 % changed", "again", server, folder, server.touch(CHANGED))
        server.counts()
        quiet = run.engine("again, nothing changed", "again", server, folder, 0)
        if quiet:
            quiet["requests"] = server.counts()
        run.engine("rescore", "rescore", server, folder, run.plan.responses)
    for _ in range(run.plan.passes if ready else 0):
        run.engine("rescore, updated", "rescore-updated", server, folder, run.plan.responses)
    _again_rows(run)


def _again_rows(run: Run) -> None:
    full, changed = run.middle("engine, lean", "seconds"), run.middle("again, 1 % changed", "seconds")
    judged: dict[str, Any] = {"target": "<= 3 %"}
    if full and changed:
        judged |= {"ratio": f"{changed / full:.1%}", "met": changed / full <= 0.03}
    beside = f"full sync {full:.2f} s" if full else "full sync not measured"
    run.add("sync again, 1 % changed", changed, "{:.3f} s", beside, **judged)
    quiet = run.middle("again, nothing changed", "seconds")
    run.add("sync again, nothing changed", quiet, "{:.3f} s", target="<= 0.5 s", met=quiet and quiet <= 0.5)
    counts = [sum(result["requests"].values()) for result in run.results.get("again, nothing changed", [])]
    requests = max(counts, default=None)
    met = None if requests is None else requests <= KINDS
    run.add("  its requests", requests, "{}", f"{KINDS} kinds of record", target=f"<= {KINDS}", met=met)
    rescored = run.middle("rescore", "per_s")
    run.add("rescoring", rescored, "{:,.0f}/s", target=">= 30,000/s", met=rescored and rescored >= 30_000)
    run.add("  after an update of Handrail", run.middle("rescore, updated", "per_s"), "{:,.0f}/s")


def growth(run: Run) -> None:
    """Time a response and peak memory at two sizes, by turns."""
    small, large = run.plan.sizes
    with Server(run.python, small) as few, Server(run.python, large) as many:
        for _ in range(run.plan.passes):
            run.engine(f"engine, {small:,}", "full", few, run.folder(), small)
            run.engine(f"engine, {large:,}", "full", many, run.folder(), large)
    memory = [run.highest(f"engine, {size:,}", "all_mib") for size in run.plan.sizes]
    for size, peak in zip(run.plan.sizes, memory, strict=True):
        run.add(f"peak memory, {size:,} responses", peak, "{:.0f} MiB", target="<= 150 MiB", met=peak and peak <= 150)
    costs = [run.middle(f"engine, {size:,}", "seconds") for size in run.plan.sizes]
    each = [None if cost is None else cost / size * 1e6 for cost, size in zip(costs, run.plan.sizes, strict=True)]
    _growth_row(run, "its growth", memory, "{:.0f} MiB", 1.10, "within 10 %")
    _growth_row(run, "time a response, its growth", each, "{:.0f} µs", 1.15, "<= 15 %")


def _growth_row(run: Run, figure: str, pair: list[float | None], form: str, most: float, target: str) -> None:
    small, large = pair
    judged: dict[str, Any] = {"target": target}
    beside = ""
    if small and large:
        beside = f"{form.format(small)} at {run.plan.sizes[0]:,}"
        judged |= {"ratio": f"{large / small - 1:+.0%}", "met": large / small <= most}
    run.add(f"  {figure}" if figure == "its growth" else figure, large, form, beside, **judged)


def commands(run: Run) -> None:
    """Whole-process time of two commands over a small store; one start of each beforehand is not counted."""
    folder = run.folder()
    with Server(run.python, SMALL_STORE) as server:
        ready = run.engine(f"engine, {SMALL_STORE}", "full", server, folder, SMALL_STORE)
    for argument, most in (("--help", 0.30), ("flags", 0.60)):
        name = f"handrail {argument}"
        taken: list[float] = []
        try:
            if argument == "flags" and ready is None:
                raise Failed("there is no store to read")
            taken = [children.seconds_of([str(program("handrail")), argument], folder) for _ in range(STARTS + 1)][1:]
            run.results[name] = [{"seconds": round(one, 4)} for one in taken]
        except Failed as why:
            run.note(name, str(why))
        figure = median(taken) if taken else None
        bare = median(children.seconds_of([str(run.python), "-c", "pass"], folder) for _ in range(STARTS))
        met = None if figure is None else figure <= most
        run.add(name, figure, "{:.2f} s", f"bare Python {bare:.2f} s", target=f"<= {most:.2f} s", met=met)


def everything(run: Run) -> None:
    """All figures, in the order of the table."""
    with Server(run.python, run.plan.responses) as server:
        drained = children.run(run.python, "benchmarks.fhirserver", "--drain", server.base)
        run.results["server alone"] = [drained]
        speeds(run, server, "lean")
        again(run, server)
    growth(run)
    commands(run)
    with Server(run.python, run.plan.responses, "full") as server:
        speeds(run, server, "full")
        run.baseline("textbook, an answer a row", "textbook-rows", server.base, run.plan.textbook // 2)


def table(rows: list[Row]) -> str:
    """The rows as aligned text."""
    verdicts = {True: "yes", False: "NO", None: ""}
    cells = [["figure", "ours", "baseline", "ratio", "target", "met"]]
    for row in rows:
        unmet = "?" if row.target and row.met is None else verdicts[row.met]
        cells.append([row.figure, row.ours, row.baseline, row.ratio, row.target, unmet])
    widths = [max(len(line[column]) for line in cells) for column in range(6)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells]
    return "\n".join([lines[0], "-" * sum(widths, 10), *lines[1:]])


def machine(python: Path) -> dict[str, Any]:
    """What the figures were measured on."""
    asked = (
        "import json, sqlite3, importlib.metadata as m; names = ['handrail', 'SQLAlchemy', 'marshmallow', 'msgspec', "
        "'fhirclient', 'numpy', 'requests']; print(json.dumps({'sqlite': sqlite3.sqlite_version, "
        "**{n: m.version(n) for n in names}}))"
    )
    versions = subprocess.run([str(python), "-c", asked], capture_output=True, text=True, check=True, cwd=TOP).stdout
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=TOP).stdout
    return {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit.strip(),
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": [round(value, 2) for value in os.getloadavg()] if hasattr(os, "getloadavg") else None,
        "python": platform.python_version(),
        "versions": json.loads(versions),
    }


def _processor() -> str:
    listing = Path("/proc/cpuinfo")
    if listing.exists():
        for line in listing.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor()


def plan_of(options: argparse.Namespace) -> Plan:
    """How much to measure; `--quick` is there to try the harness, not to judge by."""
    if options.quick:
        return Plan(min(options.responses, 2000), 500, 1, (1000, 5000))
    return Plan(options.responses, min(options.responses, 2000), options.passes, (10_000, 100_000))


def show(run: Run, about: dict[str, Any], quick: bool) -> None:
    """Print the table, what the baselines were, and what could not be measured."""
    print(table(run.rows))
    drained = run.results["server alone"][0]
    print(f"\nserver alone: {drained['pages_per_s']:,.0f} pages/s, {drained['mb_per_s']:,.0f} MB/s")
    for name, passes in run.results.items():
        if "per_s" in passes[0]:
            each = ", ".join(f"{one['per_s']:,.0f}" for one in passes)
            print(f"{name}: {each} /s; peak {max(one['all_mib'] for one in passes):.0f} MiB")
    print(f"on {about['processor']}, {about['cores']} cores, load {about['load']}, Python {about['python']}")
    for line in run.problems:
        print(f"problem - {line}")
    if quick:
        print("quick: too few records and passes to hold against the targets")


def main() -> None:
    """Measure, print, store."""
    parser = argparse.ArgumentParser(description="Handrail's speed beside its baselines.")
    parser.add_argument("--responses", type=int, default=20_000)
    parser.add_argument("--passes", type=int, default=5, help="each figure is the median of so many")
    parser.add_argument("--quick", action="store_true", help="a try of the harness in a minute")
    parser.add_argument("--json", metavar="FILE", type=Path, help="store the figures with the machine they are from")
    options = parser.parse_args()
    python = ensure()
    about = machine(python)
    with tempfile.TemporaryDirectory(prefix="handrail-bench-") as scratch:
        run = Run(plan_of(options), python, Path(scratch))
        everything(run)
    show(run, about, options.quick)
    if options.json:
        stored = {
            "machine": about,
            "plan": asdict(run.plan),
            "table": [asdict(row) for row in run.rows],
            "passes": run.results,
            "problems": run.problems,
        }
        options.json.write_text(json.dumps(stored, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    sys.exit(1 if run.problems else 0)


if __name__ == "__main__":
    main()
