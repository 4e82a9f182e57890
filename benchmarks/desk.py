"""How long the desk takes to answer: 16 people with a second's think time, on a store of 100,000 responses.

    python -m benchmarks.desk                     # fills a store once (a minute), then measures half a minute
    python -m benchmarks.desk --dir DIR           # keeps that store for the next time

The server runs in a process of its own, as `handrail serve` starts it; the people are threads of this one, each with an
account and a connection. They read the list, page through it and open clients' pages in turn. The time of an answer is
from the first byte sent to the last byte received. Then as many charts are opened in a record system that asks for
cards (cards.py), and a client's form is opened on a slow phone (phone.py). Prints each figure beside its target, then
one line of JSON: the 50th, 95th and 99th percentile in milliseconds by kind of page, the requests, what the server
computed for each, and how long the first start took until a page could be had.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from handrail.plugin_core.collecting import Wish
from handrail.plugin_core.collecting.online import token_of
from handrail.plugin_core.collecting.send import SendOptions
from handrail.plugin_core.engine import Engine
from handrail.plugin_core.settings import load, save
from handrail.plugin_core.store import asks, forms, overview
from handrail.plugin_core.web.desk import Desk
from handrail.plugin_core.web.staff import Staff, Wanted

from . import cards, fhirserver, phone
from .measure import home

THINK_SECONDS = 1.0
READY_SECONDS = 3.0
"""The desk makes its engines in the background after it has started."""
CLIENTS, RESPONSES, EACH_DAYS = 500, 100_000, 14
TARGETS = (
    ("first start, until a page can be had", ("first_start_s",), 2.0, "s"),
    ("list of clients, 95th percentile", ("caseload", "p95"), 100, "ms"),
    ("a client's page, 95th percentile", ("client", "p95"), 100, "ms"),
    ("card in the chart, 95th percentile", ("card", "p95"), 50, "ms"),
    ("client's form with all that it loads", ("form", "bytes"), 50_000, "bytes"),
    ("client's form usable on a slow phone", ("form", "usable_ms"), 1000, "ms"),
)


def fill(folder: Path, responses: int, clients: int) -> Path:
    """Fills a store by a sync of an invented practice, unless it is there; gives the settings file."""
    os.environ.update(home(folder))
    from handrail.plugin_core.paths import default_file

    from . import engine

    file = default_file()
    if file.exists():
        return file
    server = fhirserver.Server(0, 500, 0)
    each = responses // clients
    server.library = fhirserver.Library(server.base, responses, "lean", each=each, days=each * EACH_DAYS)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    engine.full_sync(server.base, folder)
    server.shutdown()
    return file


def accounts(file: Path, users: int) -> list[str]:
    """An account for each user; gives the tokens of their sign-ins."""
    desk = Desk(load(file))
    found = []
    with desk.engine() as engine:
        staff = Staff(engine)
        everything = frozenset({"clinician", "supervisor", "administrator"})
        for number in range(users):
            link = staff.demo_link(Wanted(f"User {number}", f"user{number}", everything))
            account = staff.accept_demo(link)
            assert account is not None
            found.append(staff.begin(account))
    desk.close()
    return found


def patients(file: Path) -> list[str]:
    """The platform's ids of all clients."""
    with Engine.open(file) as engine, engine.store.reading(engine.source) as tx:
        return [one.ref.rpartition("/")[2] for one in forms.read_clients(tx).values()]


def asked(file: Path, port: int) -> str:
    """The address of a form that a client is asked for by a link."""
    with Engine.open(file) as engine:
        with engine.store.reading(engine.source) as tx:
            newest = overview.forms_of(tx, [key for key, _ in engine.clients()], ())
        today, enrolled = engine.now().date(), engine.collecting.enrolments()
        client = next(iter(enrolled), min(newest, key=lambda key: newest[key].newest_ms))
        if not enrolled:
            wish = Wish(client, instruments=("gr18",), start=today, consent=today, channel="web", every_weeks=1)
            engine.collecting.enrol([wish], "bench")
        engine.collecting.send(SendOptions())
        with engine.store.reading(engine.source) as tx:
            row = asks.read(tx, clients=[client])[-1]
        return f"http://127.0.0.1:{port}/f/{token_of(engine.store.sealer, row.key)}"


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(file: Path, port: int) -> tuple[subprocess.Popen[bytes], float]:
    """Starts `handrail serve`; gives the process and the seconds until it answers."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "handrail.plugin_core.cli", "--settings", str(file), "serve", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while time.perf_counter() - began < 30:
        try:
            line = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            line.request("GET", "/sign-in")
            line.getresponse().read()
            return process, time.perf_counter() - began
        except OSError:
            time.sleep(0.02)
    process.kill()
    raise SystemExit("the desk did not start")


class User(threading.Thread):
    """One person: opens pages, thinks a second, opens the next."""

    def __init__(self, port: int, token: str, until: float, number: int) -> None:
        super().__init__(daemon=True)
        self.line = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self.head = {"Cookie": f"handrail={token}"}
        self.until = until
        self.rng = random.Random(number)
        self.took: list[tuple[str, float]] = []

    def get(self, kind: str, path: str) -> str:
        """One page, its time noted."""
        began = time.perf_counter()
        self.line.request("GET", path, headers=self.head)
        answer = self.line.getresponse()
        body = answer.read()
        self.took.append((kind, time.perf_counter() - began))
        if answer.status != 200:
            raise SystemExit(f"{path} was answered with {answer.status}; a store of another version? Leave --dir out")
        return body.decode()

    def run(self) -> None:
        """Until the time is over."""
        time.sleep(self.rng.random() * THINK_SECONDS)
        while time.perf_counter() < self.until:
            page = self.rng.randrange(1, 11)
            listed = self.get("caseload", f"/clients?page={page}&sort={self.rng.choice(['name', 'newest'])}")
            keys = re.findall(r'href="(/client/[0-9a-f]{32})"', listed)
            for _ in range(2):
                time.sleep(THINK_SECONDS * (0.5 + self.rng.random()))
                self.get("client", self.rng.choice(keys))
            time.sleep(THINK_SECONDS * (0.5 + self.rng.random()))


def cpu_seconds(pid: int) -> float:
    """What a process has computed so far (Linux; elsewhere 0): says more than the clock on a machine that is shared."""
    stat = Path(f"/proc/{pid}/stat")
    if not stat.exists():
        return 0.0
    fields = stat.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def percentiles(took: list[float]) -> dict[str, float]:
    """In milliseconds."""
    ordered = sorted(took)
    return {f"p{at}": round(1000 * ordered[min(len(ordered) - 1, len(ordered) * at // 100)], 1) for at in (50, 95, 99)}


def measure(file: Path, users: int, seconds: float) -> dict[str, Any]:
    """All of it."""
    tokens = accounts(file, users)
    port = free_port()
    save(file, {"web.port": port, "web.address": f"http://127.0.0.1:{port}", **cards.settings(file)})
    known, form = patients(file), asked(file, port)
    process, first = start(file, port)
    try:
        warm = User(port, tokens[0], 0.0, 0)
        began = time.perf_counter()
        warm.get("first", "/clients")
        opened = time.perf_counter() - began
        time.sleep(READY_SECONDS)
        until = time.perf_counter() + seconds
        people = [User(port, token, until, number) for number, token in enumerate(tokens)]
        for one in people:
            one.start()
        before = cpu_seconds(process.pid)
        for one in people:
            one.join()
        spent = cpu_seconds(process.pid) - before
        charts = [cards.Chart(port, known, seconds / 2, number) for number in range(users)]
        for chart in charts:
            chart.start()
        for chart in charts:
            chart.join()
        on_phone = phone.measure(form)
    finally:
        process.terminate()
        process.wait(10)
    took = [pair for one in people for pair in one.took]
    return {
        "first_start_s": round(first, 2),
        "first_list_s": round(opened, 2),
        "requests": len(took),
        "server_cpu_ms_each": round(1000 * spent / max(1, len(took)), 1),
        **{kind: percentiles([t for name, t in took if name == kind]) for kind in ("caseload", "client")},
        "card": percentiles([t for chart in charts for t in chart.took]),
        "cards": sum(chart.cards for chart in charts),
        **({} if on_phone is None else {"form": on_phone}),
    }


def table(found: dict[str, Any]) -> str:
    """Each figure beside its target."""
    lines = []
    for title, path, target, unit in TARGETS:
        value: Any = found
        for name in path:
            value = value.get(name, {})
        told = "not measured" if value == {} else f"{value:,} {unit}"
        met = "" if value == {} else "yes" if value < target else "NO"
        lines.append(f"{title:<40}{told:>16}   target < {target:,} {unit:<7}{met}")
    return "\n".join(lines)


def main() -> None:
    """Fill, measure, print."""
    parser = argparse.ArgumentParser(description="The desk under sixteen people.")
    parser.add_argument("--dir", type=Path)
    parser.add_argument("--users", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--responses", type=int, default=RESPONSES)
    parser.add_argument("--clients", type=int, default=CLIENTS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.dir or Path(temporary)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        file = fill(folder, options.responses, options.clients)
        found = measure(file, options.users, options.seconds)
        print(table(found), json.dumps(found), sep="\n", flush=True)


if __name__ == "__main__":
    main()
