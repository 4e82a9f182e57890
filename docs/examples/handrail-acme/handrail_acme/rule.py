"""ACME1: the week was short of breaks on two forms in a row."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from handrail.plugin_core.contracts import Reading, RuleSpec
from handrail.schemas.records import Constant, Course, Evidence, FormUsed, ScoredForm, Step

FEW = 1.0
_WHY = "Breaks were few on two forms in a row. It may be worth asking what got in their way."


def judge(course: Course) -> Sequence[Reading]:
    """Whether the score `breaks` is at most 1.0 on a form and on the scored one before it."""
    found = []
    before: ScoredForm | None = None
    for form in course.forms:
        now = form.value("breaks")
        if now is None:
            found.append(Reading(None, why="no score of breaks"))
            continue
        earlier = None if before is None else before.value("breaks")
        met = earlier is not None and earlier <= FEW and now <= FEW
        found.append(Reading(met, score=FEW - now, evidence=_evidence(before, form)))
        before = form
    return found


def _evidence(before: ScoredForm | None, form: ScoredForm) -> Callable[[], Evidence]:
    def make() -> Evidence:
        used = [("earlier", before), ("opening", form)]
        return Evidence(
            reason=_WHY,
            forms=tuple(FormUsed(f.id, f.authored, role, {"breaks": f.value("breaks")}) for role, f in used if f),
            steps=tuple(
                Step(f"Breaks on {f.authored:%Y-%m-%d}", f"{f.value('breaks'):g} <= {FEW:g}", True)
                for _, f in used
                if f
            ),
            constants=(Constant("few", FEW, "rule", "chosen by Acme; not a norm"),),
            moves=(),
            clears_when="Clears when breaks are above 1.0 on two scored forms in a row.",
        )

    return make


SPEC = RuleSpec(id="ACME1", version="1", title="Few breaks, twice in a row", instrument="acme5", judge=judge, order=200)
