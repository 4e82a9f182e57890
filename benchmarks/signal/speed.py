"""`python -m benchmarks.signal.speed`: what R1 costs a form, a page of clients at a time, as in sync."""

from __future__ import annotations

from time import process_time

from handrail.plugin_core.rules import KEPT_APART
from handrail.plugin_core.scoring import Scorer
from handrail.plugin_core.signal.rule import prepare, rule_r1

from .answers import instrument
from .lines import course
from .worlds import make

CLIENTS, PAGE = 1000, 200


def main() -> None:
    """Prints milliseconds of processor time a form, for two cadences; evidence, which only raised flags need, apart."""
    scorer, rule = Scorer(instrument()), rule_r1()
    for spacing in ("four-weekly", "weekly"):
        world = make(4001, CLIENTS, spacing)
        courses = [course(world, client, scorer) for client in range(CLIENTS)]
        forms = sum(len(one.forms) for one in courses)
        begun = process_time()
        for start in range(0, CLIENTS, PAGE):
            page = courses[start : start + PAGE]
            prepare(page, apart=KEPT_APART)
            for one in page:
                rule.judge(one)
        print(f"{spacing}: {1000 * (process_time() - begun) / forms:.4f} ms a form, {forms:,} forms")


if __name__ == "__main__":
    main()
