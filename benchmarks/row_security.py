"""What row security costs a full sync on PostgreSQL: the same worker, with the policies and without them.

    python -m benchmarks.row_security [--responses 5000] [--passes 4]

Each sync is a fresh process into a database of its own that `handrail practices prepare` has made, by turns. *without*
takes the policies out and says no longer whose a transaction is. The cost is a ratio of computing time, of the process
and of the database's server together, which others on the machine change least: the median over the passes.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from handrail.plugin_core.fleet import roles
from handrail.plugin_core.fleet.host import load
from handrail.plugin_core.fleet.practices import BackOffice
from handrail.plugin_core.settings import save
from handrail.plugin_core.store.database import engine_of

from tests.peers.servers import Postgres

from . import children, measure
from .children import Server

WITH, WITHOUT = "with", "without"
MOST = 1.05


def _computed() -> float:
    """Seconds of computing of this process and of those that it started and that have ended."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in both)


def _served(postmaster: int) -> float:
    """Seconds of computing of the server's processes that have ended: those of connections that are closed."""
    fields = Path(f"/proc/{postmaster}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def _child(folder: Path, way: str) -> None:
    from dataclasses import replace

    from handrail.plugin_core.store import opening

    from .engine import _sync

    if way == WITHOUT:
        opening.postgresql_begin.__code__ = (lambda conn: None).__code__
    host = load(folder / "host.toml")
    settings = replace(host.settings_of("bench"), store=host.address(host.roles.worker).render_as_string(False))
    before = _computed()
    report, seconds = _sync(settings)
    measure.report({"responses": report.counts.get("new", 0), "seconds": seconds, "cpu": _computed() - before})


def _prepared(folder: Path, store: str, base: str, way: str) -> None:
    file = folder / "host.toml"
    save(file, {"host.store": store, "host.key": "file:host.key"})
    host = load(file)
    with BackOffice(host, "bench") as office:
        office.prepare()
        settings = office.add("bench", {})
        office.add("beside", {})
    save(settings, {"platform.name": "fhir"})
    save(settings, {"platform.settings": {"base_url": base}})
    if way == WITHOUT:
        engine = engine_of(store)
        with engine.connect() as conn, conn.begin():
            for table in roles.guarded():
                conn.exec_driver_sql(f'ALTER TABLE "{table.name}" DISABLE ROW LEVEL SECURITY')
                conn.exec_driver_sql(f'ALTER TABLE "{table.name}" NO FORCE ROW LEVEL SECURITY')
        engine.dispose()


def _once(way: str, server: Server, postgres: Postgres, postmaster: int, responses: int) -> tuple[float, float]:
    """Computing seconds of the process and of the server."""
    with tempfile.TemporaryDirectory(prefix="handrail-bench-") as folder:
        _prepared(Path(folder), postgres.new_database(), server.base, way)
        before = _served(postmaster)
        arguments = ("--way", way, "--dir", folder)
        result: dict[str, Any] = children.run(
            Path(sys.executable), "benchmarks.row_security", *arguments, home=Path(folder)
        )
        served = _served(postmaster) - before
    if result["responses"] != responses:
        raise children.Failed(f"{result['responses']} of {responses} forms were stored")
    return float(result["cpu"]), served


def _postmaster(postgres: Postgres) -> int:
    return int((postgres.folder / "data" / "postmaster.pid").read_text().splitlines()[0])


def main() -> int:
    """Measures, or is one measured sync itself."""
    line = argparse.ArgumentParser(description=__doc__)
    line.add_argument("--responses", type=int, default=5_000)
    line.add_argument("--passes", type=int, default=4)
    line.add_argument("--way", choices=(WITH, WITHOUT), help=argparse.SUPPRESS)
    line.add_argument("--dir", type=Path, help=argparse.SUPPRESS)
    options = line.parse_args()
    if options.way:
        _child(options.dir, options.way)
        return 0
    ratios = []
    postgres = Postgres().start()
    try:
        postmaster = _postmaster(postgres)
        with Server(Path(sys.executable), options.responses) as server:
            for number in range(options.passes):
                order = (WITH, WITHOUT) if number % 2 == 0 else (WITHOUT, WITH)
                took = {way: _once(way, server, postgres, postmaster, options.responses) for way in order}
                ratios.append(sum(took[WITH]) / sum(took[WITHOUT]))
                parts = "; ".join(f"{way} {took[way][0]:.2f} + {took[way][1]:.2f} s" for way in (WITH, WITHOUT))
                print(f"  process + server: {parts}", file=sys.stderr, flush=True)
    finally:
        postgres.stop()
    print(f"row security against none, full sync, computing   {median(ratios):.3f} x   target <= {MOST} x")
    return 0 if median(ratios) <= MOST else 1


if __name__ == "__main__":
    sys.exit(main())
