"""The figures of the signal, as tables in Markdown: all worlds on seeds that were not used for tuning."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from handrail.plugin_core.signal.constants import constants

from .courses import DISTRESS, EARLY, KINDS, LEANING
from .detectors import BASELINES, PLAIN, numbers
from .figures import Figures, alarms_among, figures, highest, threshold_at
from .truth import AT_RISK, BENIGN
from .worlds import REFERENCE, SHIFTED, World, make

SEEDS = (2001, 2002, 2003)
COMPARED = (*BASELINES, "P1", "R1")
SHARES = (0.02, 0.05, 0.10)
OF_KIND = {name: index for index, name in enumerate(KINDS)}


@dataclass(frozen=True)
class Run:
    """One world of one seed with the running numbers of the detectors on it."""

    world: World
    numbers: dict[str, Any]


def runs(clients: int, spacing: str, names: Sequence[str], shifted: bool = False, **changes: float) -> list[Run]:
    """The same world on each seed, `clients` in all."""
    worlds = (make(s, clients // len(SEEDS), spacing, SHIFTED if shifted else REFERENCE, **changes) for s in SEEDS)
    return [Run(world, numbers(world, tuple(names))) for world in worlds]


def mean(rows: Sequence[Figures]) -> Figures:
    """Figures averaged over seeds."""
    averaged = {field.name: float(np.mean([getattr(row, field.name) for row in rows])) for field in fields(Figures)}
    whole = {name: int(sum(getattr(row, name) for row in rows)) for name in ("clients", "at_risk")}
    return Figures(**(averaged | whole))  # type: ignore[arg-type]


def at_share(found: Sequence[Run], name: str, share: float) -> Figures:
    """A detector held to a share of false alarms, each seed by its own threshold."""
    return mean([figures(r.world, r.numbers[name], threshold_at(r.world, r.numbers[name], share)) for r in found])


def at_limit(found: Sequence[Run], limit: float) -> Figures:
    """R1 at the limit that ships."""
    return mean([figures(r.world, r.numbers["R1"], limit) for r in found])


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def percent(value: float) -> str:
    """A share as people read it."""
    return "–" if value != value else f"{100 * value:.1f} %"


def compared(found: Sequence[Run], names: Sequence[str]) -> str:
    """All detectors at 2, 5 and 10 % false alarms."""
    rows = []
    for name in names:
        two, five, ten = (at_share(found, name, share) for share in SHARES)
        cells = [two.sensitivity, five.sensitivity, five.soon, ten.sensitivity, five.right]
        rows.append([name, *(percent(cell) for cell in cells), f"{five.delay:.0f}", f"{five.auc:.3f}"])
    head = ["detector", "in the year at 2 %", "at 5 %", "within 16 weeks at 5 %", "at 10 %", "right at 5 %",
            "median delay", "AUC"]  # fmt: skip
    return table(head, rows)


def plain(found: Sequence[Run]) -> str:
    """The plain rules as they are, without a threshold to choose."""
    rows = []
    for name in PLAIN:
        limit = 0.0 if name in ("P1", "P2") else 0.5
        got = mean([figures(r.world, r.numbers[name], limit) for r in found])
        rows.append([name, percent(got.false_alarms), percent(got.sensitivity), percent(got.soon), percent(got.right)])
    return table(["rule", "false alarms", "in the year", "within 16 weeks", "right"], rows)


def budgets(named: dict[str, Sequence[Run]]) -> str:
    """What comes of the limits that ship."""
    rows = []
    for title, found in named.items():
        got = {budget: at_limit(found, limit) for budget, limit in constants().thresholds.items()}
        cells = [cell for budget in ("2", "5", "10") for cell in (got[budget].false_alarms, got[budget].sensitivity)]
        rows.append([title, *(percent(cell) for cell in cells)])
    head = ["world"]
    for budget in (2, 5, 10):
        head += [f"false alarms, budget {budget}", "sensitivity"]
    return table(head, rows)


Who = Callable[[World], Any]


def among(named: dict[str, Sequence[Run]], groups: dict[str, Who], limit: float) -> str:
    """False alarms and sensitivity at the default budget among some clients."""
    rows = []
    for title, who in groups.items():
        cells = []
        for found in named.values():
            pairs = [alarms_among(r.world, r.numbers["R1"], limit, who(r.world)) for r in found]
            clients = sum(n for _, n in pairs)
            cells.append(percent(sum(a * n for a, n in pairs if n) / clients if clients else float("nan")))
            hits = [_hits(r, limit, who(r.world)) for r in found]
            total = sum(n for _, n in hits)
            cells.append(percent(sum(k for k, _ in hits) / total) if total else "–")
        rows.append([title, *cells])
    head = ["clients"] + [f"{kind}, {title}" for title in named for kind in ("false alarms", "sensitivity")]
    return table(head, rows)


def _hits(run: Run, limit: float, who: Any) -> tuple[int, int]:
    chosen = (run.world.truth.label == AT_RISK) & who
    return int((highest(run.numbers["R1"])[chosen] > limit).sum()), int(chosen.sum())


def kind(name: str) -> Who:
    """Clients of one class."""
    return lambda world: world.courses.kind == OF_KIND[name]


def fifth(style: str, nth: int) -> Who:
    """Clients in the nth fifth (0 to 4) of an answering style."""

    def chosen(world: World) -> Any:
        values = getattr(world.answered, style)
        low, high = np.quantile(values, [nth / 5, (nth + 1) / 5])
        return (values >= low) & (values <= high)

    return chosen


GROUPS: dict[str, Who] = {
    "early reliance that passes": kind(EARLY),
    "leaning on therapy while growing": kind(LEANING),
    "productive distress": kind(DISTRESS),
    "bad weeks": kind("bad weeks"),
    "flat, little reliance": kind("flat"),
}
STYLES: dict[str, Who] = {
    "agreeing least (fifth)": fifth("agree", 0),
    "agreeing, middle fifth": fifth("agree", 2),
    "agreeing most (fifth)": fifth("agree", 4),
    "most extreme answers (fifth)": fifth("extreme", 0),
    "middle fifth": fifth("extreme", 2),
    "most middling answers (fifth)": fifth("extreme", 4),
}
__all__ = ["BENIGN", "GROUPS", "STYLES", "Run", "among", "at_limit", "at_share", "budgets", "compared", "plain", "runs"]
