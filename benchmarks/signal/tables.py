"""The figures of the signal, as tables in Markdown: all worlds on seeds that were not used for tuning."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from handrail.plugin_core.signal.constants import BUDGETS

from .bounds import best_possible, styles_known
from .courses import DISTRESS, EARLY, KINDS, LEANING
from .detectors import BASELINES, PLAIN, met_at, numbers
from .figures import Figures, alarms_among, figures, highest, threshold_at
from .truth import AT_RISK
from .worlds import REFERENCE, SHIFTED, World, make

SEEDS = tuple(range(2001, 2009))
COMPARED = (*BASELINES, "P1", "R1")
STYLE_NAMES = {"agree": "agreeing, least to most", "extreme": "answers, extreme to middling"}
GIVEN, BEST = "R1, each one's style given", "best possible: knows this world"
SHARES = (0.02, 0.05, 0.10)
OF_KIND = {name: index for index, name in enumerate(KINDS)}


@dataclass(frozen=True)
class Run:
    """One world of one seed with the running numbers of the detectors on it."""

    world: World
    numbers: dict[str, Any]


def runs(
    clients: int,
    spacing: str,
    names: Sequence[str],
    shifted: bool = False,
    seeds: Sequence[int] = SEEDS,
    **changes: float,
) -> list[Run]:
    """The same world on each seed, `clients` in all."""
    worlds = (make(s, clients // len(seeds), spacing, SHIFTED if shifted else REFERENCE, **changes) for s in seeds)
    return [Run(world, numbers(world, tuple(names))) for world in worlds]


def mean(rows: Sequence[Figures]) -> Figures:
    """Figures averaged over seeds."""
    averaged = {field.name: float(np.mean([getattr(row, field.name) for row in rows])) for field in fields(Figures)}
    whole = {name: int(sum(getattr(row, name) for row in rows)) for name in ("clients", "at_risk")}
    return Figures(**(averaged | whole))  # type: ignore[arg-type]


def at_share(found: Sequence[Run], name: str, share: float) -> Figures:
    """A detector held to a share of false alarms, each seed by its own threshold."""
    return mean([figures(r.world, r.numbers[name], threshold_at(r.world, r.numbers[name], share)) for r in found])


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


def budgets(named: Mapping[str, Sequence[Run]]) -> str:
    """What comes of the limits that ship."""
    rows = []
    for title, found in named.items():
        got = {budget: mean([figures(r.world, r.numbers[met_at(budget)], 0.5) for r in found]) for budget in BUDGETS}
        cells = [cell for budget in BUDGETS for cell in (got[budget].false_alarms, got[budget].sensitivity)]
        rows.append([title, *(percent(cell) for cell in cells)])
    head = ["world"]
    for budget in BUDGETS:
        head += [f"false alarms, budget {budget}", "sensitivity"]
    return table(head, rows)


Who = Callable[[World], Any]


def among(named: Mapping[str, Sequence[Run]], groups: dict[str, Who], name: str = met_at(5)) -> str:
    """False alarms and sensitivity at the default budget among some clients."""
    rows = []
    for title, who in groups.items():
        cells = []
        for found in named.values():
            cells.append(percent(alarms_of(found, name, 0.5, who)))
            hits = [_hits(r, name, who(r.world)) for r in found]
            total = sum(n for _, n in hits)
            cells.append(percent(sum(k for k, _ in hits) / total) if total else "–")
        rows.append([title, *cells])
    head = ["clients"] + [f"{kind}, {title}" for title in named for kind in ("false alarms", "sensitivity")]
    return table(head, rows)


def alarms_of(found: Sequence[Run], name: str, limit: float | None, who: Who) -> float:
    """False alarms of a detector among some clients, over all seeds; without a limit each seed at its own 5 %."""
    pairs = []
    for run in found:
        at = threshold_at(run.world, run.numbers[name], 0.05) if limit is None else limit
        pairs.append(alarms_among(run.world, run.numbers[name], at, who(run.world)))
    clients = sum(n for _, n in pairs)
    return sum(a * n for a, n in pairs if n) / clients if clients else float("nan")


def _hits(run: Run, name: str, who: Any) -> tuple[int, int]:
    chosen = (run.world.truth.label == AT_RISK) & who
    return int((highest(run.numbers[name])[chosen] > 0.5).sum()), int(chosen.sum())


def by_style(named: Mapping[str, Sequence[Run]]) -> str:
    """False alarms at the default budget in each fifth of both styles, and the ratio of the ends."""
    rows = []
    for title, found in named.items():
        for style in ("agree", "extreme"):
            fifths = [alarms_of(found, met_at(5), 0.5, fifth(style, nth)) for nth in range(5)]
            ends = max(fifths[0], fifths[4]) / min(fifths[0], fifths[4])
            rows.append([title, STYLE_NAMES[style], *map(percent, fifths), f"{ends:.2f}"])
    return table(["world", "style", "first fifth", "second", "third", "fourth", "last", "ratio of the ends"], rows)


def bounded(named: Mapping[str, Sequence[Run]]) -> str:
    """R1 beside what could be done at best, each held to 5 % false alarms in each seed."""
    rows = []
    for title, found in named.items():
        for name in ("R1", GIVEN, BEST):
            got = at_share(found, name, 0.05)
            ends, middle = (alarms_of(found, name, None, fifth("extreme", nth)) for nth in (0, 4))
            cells = [got.sensitivity, got.soon, ends, middle]
            rows.append(
                [title, name, *(percent(cell) for cell in cells), f"{max(ends, middle) / min(ends, middle):.1f}"]
            )
    head = ["world", "detector", "in the year", "within 16 weeks", "false alarms, most extreme fifth", "most middling",
            "ratio"]  # fmt: skip
    return table(head, rows)


def bound_runs(clients: int, spacing: str, shifted: bool = False) -> list[Run]:
    """As `runs`, with R1, R1 with the styles given, and the best possible detector."""
    found = runs(clients, spacing, ("R1",), shifted)
    for run in found:
        run.numbers[GIVEN] = styles_known(run.world)
        run.numbers[BEST] = best_possible(run.world, SHIFTED if shifted else REFERENCE)
    return found


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
