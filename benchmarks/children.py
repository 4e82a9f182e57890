"""The processes that a benchmark run starts: the server, and one fresh process for each thing that is measured."""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any

from . import measure
from .install import TOP

LONGEST = 1800  # seconds that any one child may take


class Failed(Exception):
    """A child ended without a result; the text is the last line that it said."""


class Server:
    """The FHIR server as a context: `base` is its address, `bytes_each` the mean size of an entry."""

    def __init__(
        self, python: Path, responses: int, shape: str = "lean", page: int = 500, *, latency_ms: float = 0
    ) -> None:
        self._command = [str(python), "-m", "benchmarks.fhirserver", "--responses", str(responses)]
        self._command += ["--shape", shape, "--page", str(page), "--latency-ms", str(latency_ms)]

    def __enter__(self) -> Server:
        self._process = subprocess.Popen(self._command, cwd=TOP, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise Failed("the benchmark's FHIR server did not start")
        hello = json.loads(line)
        self.base, self.bytes_each = str(hello["base"]), int(hello["bytes_each"])
        self._root = self.base.removesuffix("/fhir")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.terminate()
        self._process.wait(30)
        if self._process.stdout:
            self._process.stdout.close()

    def counts(self) -> dict[str, int]:
        """Requests by path since the last call."""
        with urllib.request.urlopen(f"{self._root}/_count", timeout=60) as answer:
            counts: dict[str, int] = json.load(answer)
        return counts

    def touch(self, share: float) -> int:
        """Amend that share of the forms; gives how many."""
        request = urllib.request.Request(f"{self._root}/_touch?share={share}", method="POST")
        with urllib.request.urlopen(request, timeout=600) as answer:
            return int(json.load(answer)["touched"])


def environment(home: Path | None = None) -> dict[str, str]:
    """As where pip has installed Handrail: its modules are compiled once, not at each start."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | (measure.home(home) if home else {})


def run(python: Path, module: str, *arguments: str, home: Path | None = None) -> dict[str, Any]:
    """Run a module in a fresh process and give the JSON of its last line; raises `Failed` when there is none.

    "all_mib" is the most that it and the processes that it started had together, as far as the system tells.
    """
    command = [str(python), "-m", module, *arguments]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, cwd=TOP, env=environment(home), stdout=pipe, stderr=pipe, text=True)
    with process, measure.Watch(process.pid) as watch:
        try:
            out, err = process.communicate(timeout=LONGEST)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    if process.returncode != 0 or not out.strip():
        said = err.strip().splitlines() or ["it ended without a word"]
        raise Failed(said[-1])
    result: dict[str, Any] = json.loads(out.strip().splitlines()[-1])
    return result | {"all_mib": round(max(watch.peak, result.get("peak_mib", 0.0)), 1)}


def seconds_of(command: list[str], home: Path) -> float:
    """The whole time of a command from start to end; raises `Failed` when it is absent or ends in an error."""
    fresh = environment(home)
    if not Path(command[0]).exists():
        raise Failed(f"there is no {Path(command[0]).name} command")
    began = time.perf_counter()
    done = subprocess.run(command, cwd=home, env=fresh, capture_output=True, text=True, timeout=LONGEST)
    taken = time.perf_counter() - began
    if done.returncode != 0:
        raise Failed((done.stderr.strip().splitlines() or ["it failed without a word"])[-1])
    return taken
