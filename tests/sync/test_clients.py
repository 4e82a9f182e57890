"""What the platform says of clients comes into the store batch by batch, and nothing that it said is thrown away."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from handrail.adapters.fhir.adapter import FhirAdapter
from handrail.plugin_core.errors import Denied, PlatformError, Unreachable
from handrail.plugin_core.store import forms
from handrail.schemas.records import Client
from handrail.schemas.vocab import RunOutcome

from .stage import EVEN, Stage

ALLOWED = 3  # look-ups in a run


def _unasked(engine: Any) -> int:
    with engine.store.reading(engine.source) as tx:
        return len(forms.unasked(tx, 100))


@pytest.mark.parametrize("why", [Unreachable, Denied])
def test_a_platform_that_allows_few_look_ups_is_asked_on_from_there(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, why: type[PlatformError]
) -> None:
    """A platform that is asked client by client, ten times a minute, would begin the same batch anew in each sync: the
    practice would never see a name, nor a change of therapist."""
    real = FhirAdapter.clients
    asked: list[str] = []

    def few(adapter: FhirAdapter, refs: Sequence[str]) -> Iterator[Client]:
        for number, ref in enumerate(refs):
            if number == ALLOWED:
                raise why("No more for now.")
            asked.append(ref)
            yield from real(adapter, [ref])

    for number in range(8):
        stage.course(f"c{number}", [EVEN])
    monkeypatch.setattr(FhirAdapter, "clients", few)
    left = []
    for _ in range(3):
        report = stage.sync()
        left.append(stage.ask(_unasked))
    assert left == [5, 2, 0]
    assert len(asked) == len(set(asked)) == 8, "nobody is asked about again"
    assert report.outcome is RunOutcome.COMPLETE
    assert "clients_unknown_to_platform" not in report.counts, "whom it was not asked about is not unknown to it"
