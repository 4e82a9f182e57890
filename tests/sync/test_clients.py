"""What the platform says of clients comes into the store batch by batch, and nothing that it said is thrown away."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from handrail.adapters.fhir.adapter import FhirAdapter
from handrail.adapters.transport import Reply, Transport
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


@pytest.mark.parametrize("odd", [rb"\ud83d", b"\xff", b"\t"], ids=["half-an-emoji", "no-utf-8", "bare-tab"])
def test_f52_a_letter_that_is_none_in_one_record_costs_no_sync(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, odd: bytes
) -> None:
    """Each sync would end incomplete: no names, no merges, nobody asked, no full check, for one address."""
    real = Transport.exchange

    def sent_oddly(transport: Transport, *given: Any, **more: Any) -> Reply:
        reply = real(transport, *given, **more)
        return replace(reply, body=reply.body.replace(b"KESTREL", odd))

    monkeypatch.setattr(Transport, "exchange", sent_oddly)
    for number in range(3):
        stage.course(f"c{number}", [EVEN])
    stage.put({"resourceType": "Patient", "id": "c1", "name": [{"text": "Ada"}], "address": [{"text": "KESTREL"}]})
    report = stage.sync()
    assert report.outcome is RunOutcome.COMPLETE
    assert not report.problems
    assert not stage.ask(_unasked)
