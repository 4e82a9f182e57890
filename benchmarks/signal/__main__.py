"""`python -m benchmarks.signal [calibrate|figures|styles|years] --clients N`: the signal's limits or its figures.

`calibrate` writes the limits of the budgets into plugin_core/signal/constants.json. `figures` (the default) runs every
world on seeds that were used for nothing else and puts tables and plots into docs/. `styles` looks at answering styles
alone, with more clients: a fifth of the benign has too few false alarms otherwise. `years` looks beyond the first year.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from handrail.plugin_core.signal.constants import constants

from . import beside, tables, years
from .calibration import calibrate
from .detectors import PLAIN
from .plots import plot

DOCS = Path(__file__).resolve().parents[2] / "docs"
BEGIN, END = "<!-- made by python -m benchmarks.signal: begin -->", "<!-- end -->"


def main() -> None:
    """Reads the arguments and does what they say."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.signal", description=__doc__)
    parser.add_argument("what", nargs="?", choices=("figures", "calibrate", "styles", "years"), default="figures")
    parser.add_argument("--clients", type=int, default=16000, help="in each world, over all seeds")
    parser.add_argument("--bound", type=int, default=4000, help="clients in each world of the best possible detector")
    parser.add_argument("--print-only", action="store_true", help="leave docs/ as they are")
    chosen = parser.parse_args()
    if chosen.what == "calibrate":
        print(calibrate(chosen.clients))
        return
    if chosen.what == "styles":
        found = {name: tables.runs(chosen.clients, name, ("R1",)) for name in ("weekly", "four-weekly")}
        print(tables.by_style(found))
        return
    if chosen.what == "years":
        print("\n".join(years.by_year(chosen.clients, name) for name in ("weekly", "four-weekly")))
        return
    text, picture = _figures(chosen.clients, chosen.bound)
    print(text)
    if not chosen.print_only:
        (DOCS / "signal.svg").write_text(picture, encoding="utf-8")
        page = (DOCS / "signal.md").read_text(encoding="utf-8")
        head, rest = page.split(BEGIN)
        (DOCS / "signal.md").write_text(f"{head}{BEGIN}\n\n{text}\n\n{END}{rest.split(END)[1]}", encoding="utf-8")


def _figures(clients: int, bound: int) -> tuple[str, str]:
    begun = time.monotonic()
    every, few = (*tables.COMPARED, *(p for p in PLAIN if p != "P1")), ("EWMA", "Jacobson-Truax", "R1")
    weekly = tables.runs(clients, "weekly", every)
    monthly = tables.runs(clients, "four-weekly", few)
    fortnightly, mixed = (tables.runs(clients, name, ("R1",)) for name in ("fortnightly", "mixed"))
    shifted = tables.runs(clients, "weekly", few, shifted=True)
    sparse = tables.runs(clients, "four-weekly", few, shifted=True)
    gaps = tables.runs(clients, "weekly", ("R1",), missing=0.20)
    careless = tables.runs(clients, "weekly", ("R1",), careless=0.15)
    bounds = {name: tables.bound_runs(bound, name) for name in ("weekly", "four-weekly")}
    bounds["shifted, weekly"] = tables.bound_runs(bound, "weekly", shifted=True)
    worlds = {"weekly": weekly, "fortnightly": fortnightly, "four-weekly": monthly, "mixed": mixed,
              "20 % of lines missing": gaps, "15 % careless": careless, "shifted, weekly": shifted,
              "shifted, four-weekly": sparse}  # fmt: skip
    four = {"weekly": weekly, "four-weekly": monthly, "shifted": shifted, "shifted, four-weekly": sparse}
    parts = [
        f"Seeds {', '.join(map(str, tables.SEEDS))}, {clients:,} clients in each world; limits of commit "
        f"`{constants().calibration.get('commit')}`.",
        "### Reference world, forms mostly weekly with gaps",
        tables.compared(weekly, tables.COMPARED),
        "Sensitivity is held against a share of false alarms; `right` is the share of flags that are right if 15 in a "
        "hundred clients are at risk. Weeks of delay count from onset.",
        "![Sensitivity against false alarms](signal.svg)",
        "### The plain rules as they are",
        tables.plain(weekly),
        "### One form every four weeks",
        tables.compared(monthly, few),
        "### The shifted world, never tuned on",
        "Weekly:",
        tables.compared(shifted, few),
        "Every four weeks:",
        tables.compared(sparse, few),
        "### At the limits that ship",
        tables.budgets(worlds),
        "### Who is prompted about, at the default budget",
        tables.among(four, tables.GROUPS),
        "### By answering style, at the default budget",
        tables.among(four, tables.STYLES),
        "### The best that could be done",
        f"{bound:,} clients in each world.",
        tables.bounded(bounds),
        "### With relief and symptoms beside",
        beside.gain(weekly),
    ]
    print(f"{time.monotonic() - begun:.0f} s")
    return "\n\n".join(parts), plot(weekly, "Reference world, forms mostly weekly")


if __name__ == "__main__":
    main()
