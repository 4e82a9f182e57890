"""Totals that a platform stores beside the answers: found by their published code, kept, compared, never used instead.

What would hurt: a published example of the PHQ-9 says 13 where its answers add up to 10; a product that trusts such a
total shows a client worse, or better, than they said.
"""

from __future__ import annotations

from datetime import UTC, datetime

from handrail.plugin_core import builtin
from handrail.plugin_core.contracts import (
    HookContext,
    Page,
    RemoteAnswer,
    RemoteForm,
    RemoteLine,
    RemoteQuestion,
    RemoteResponse,
)
from handrail.plugin_core.instruments import builtin_one
from handrail.plugin_core.manager import Plugins
from handrail.plugin_core.mapping import FormReader
from handrail.plugin_core.mapping.propose import propose
from handrail.plugin_core.registry import Registry
from handrail.plugin_core.store import Store
from handrail.plugin_core.sync.ingest import Ingest

PHQ9 = builtin_one("phq9")
LOINC = "http://loinc.org"
ANSWERS = (0, 0, 0, 1, 2, 1, 3, 2, 1)


def platform_form() -> RemoteForm:
    """A platform's own PHQ-9, coded by LOINC, with a line that holds the total."""
    asked = [
        RemoteQuestion(
            question=f"/{item.codings[0].code}",
            text=item.text,
            options=[RemoteAnswer(code=option.code, label=option.label) for option in item.options],
            codings=[(coding.system, coding.code) for coding in item.codings],
        )
        for item in PHQ9.items
    ]
    total = RemoteQuestion(question="/44261-6", text="Total score", codings=[(LOINC, "44261-6")])
    return RemoteForm("http://loinc.org/q/44249-1", None, "PHQ-9", [*asked, total])


def example(total: float, remote_id: str) -> RemoteResponse:
    """The published example's answers with a stored total."""
    lines = [
        RemoteLine(f"/{item.codings[0].code}", item.text, (RemoteAnswer(code=item.options[value].code),))
        for item, value in zip(PHQ9.items, ANSWERS, strict=False)
    ]
    return RemoteResponse(
        id=remote_id,
        form="http://loinc.org/q/44249-1",
        client="Patient/p",
        status="completed",
        authored="2026-03-02T10:00:00+00:00",
        lines=(*lines, RemoteLine("/44261-6", "Total score", (RemoteAnswer(number=total),))),
    )


def test_a_total_is_proposed_as_a_total_not_as_a_line() -> None:
    """The total must not become a tenth answer, nor set the form aside as an unknown question."""
    proposal = propose(platform_form(), [PHQ9])
    assert proposal is not None
    mapping = proposal.mapping("fhir")
    assert mapping.totals == {"/44261-6": "total"}
    assert "/44261-6" not in mapping.ignored


def test_an_imported_total_stands_beside_ours() -> None:
    """Both are kept; ours is computed from the answers."""
    proposal = propose(platform_form(), [PHQ9])
    assert proposal is not None
    remote = example(13.0, "r1")
    flat = FormReader([proposal.mapping("fhir")]).read(remote)
    assert isinstance(flat, dict)
    assert flat["totals"] == {"total": 13.0}
    assert sum(value for value in flat["answers"].values() if isinstance(value, int)) == 10


def test_a_sync_says_that_a_stored_total_differs(store: Store, source: int) -> None:
    """The published example: answers that add up to 10, stored as 13. Ours is used, and the run's report counts it."""
    proposal = propose(platform_form(), [PHQ9])
    assert proposal is not None
    registry = Registry(Plugins(entry_points=lambda: ()))
    registry.plugins.add(builtin, "core")
    context = HookContext("test", "fhir", datetime(2026, 11, 20, tzinfo=UTC))
    ingest = Ingest(store, source, registry, FormReader([proposal.mapping("fhir")]), context)
    done = ingest.page(Page([example(13.0, "r1"), example(10.0, "r2")]))
    assert done.counts["new"] == 2
    assert done.counts["with_another_total"] == 1
