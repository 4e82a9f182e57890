"""The adapter against servers that nobody here wrote: publish, pull, push, read back, take back."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from handrail.adapters.fhir.adapter import FhirAdapter
from handrail.adapters.fhir.settings import FhirSettings
from handrail.plugin_core.contracts import AdapterContext, Notice
from handrail.plugin_core.errors import Unsupported
from handrail.plugin_core.instruments import builtin_one
from handrail.schemas.vocab import RemoteState

SERVERS = ("sekmet", "sekmet_search", "medplum")
FORM = "https://handrail.example/fhir/Questionnaire/gr18"
JSON = {"Content-Type": "application/fhir+json"}


@pytest.fixture(params=SERVERS)
def base(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param).base)


@pytest.fixture
def adapter(base: str) -> Any:
    loaded = FhirSettings().load({"base_url": base, "page_size": 3, "overlap_minutes": 0})
    made = FhirAdapter(AdapterContext("p", loaded, str, lambda _: None, time.time, time.sleep, "test/1"))
    yield made
    made.close()


def create(base: str, resource: dict[str, Any]) -> str:
    made = requests.post(f"{base}/{resource['resourceType']}", json=resource, headers=JSON, timeout=20)
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


def fill_in(base: str, client: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "QuestionnaireResponse",
        "status": "completed",
        "questionnaire": f"{FORM}|1",
        "subject": {"reference": f"Patient/{client}"},
        "authored": "2026-03-01T10:00:00Z",
        "item": [{"linkId": "G1", "answer": [{"valueCoding": {"code": "truth-3"}}]}],
        **more,
    }


def test_publishing_twice_makes_one_form(base: str, adapter: FhirAdapter) -> None:
    """Two forms of one name on the platform: nobody would know which one to send."""
    first, second = adapter.publish(builtin_one("gr18")), adapter.publish(builtin_one("gr18"))
    assert first.remote_id == second.remote_id
    assert not second.changed
    ours = [form for form in adapter.forms() if form.form == FORM]
    assert [len(form.questions) for form in ours] == [19]
    assert ours[0].questions[0].options[4].weight == 4.0


def test_pull_is_whole_in_pages_and_then_costs_what_changed(base: str, adapter: FhirAdapter) -> None:
    """Seven forms in pages of three; then one amended."""
    client = create(base, {"resourceType": "Patient", "name": [{"text": "Client Seven"}]})
    made = [create(base, fill_in(base, client)) for _ in range(6)]
    time.sleep(1.1)  # the bound is floored to the second
    made.append(create(base, fill_in(base, client)))
    pages = list(adapter.pull(None))
    got = {one.id: one for page in pages for one in page.responses}
    assert set(made) <= set(got)
    assert got[made[0]].lines[0].answers[0].code == "truth-3"
    assert got[made[0]].client == f"Patient/{client}"
    assert pages[-1].cursor is not None
    changed = fill_in(base, client, id=made[2], status="amended")
    requests.put(f"{base}/QuestionnaireResponse/{made[2]}", json=changed, headers=JSON, timeout=20).raise_for_status()
    again = [one for page in adapter.pull(pages[-1].cursor) for one in page.responses]
    assert made[2] in [one.id for one in again if one.status == "amended"]
    assert made[0] not in [one.id for one in again]
    assert set(made) <= {one for part in adapter.listing() for one in part}
    assert [one.name for one in adapter.clients([f"Patient/{client}", "Patient/none"])] == ["Client Seven"]
    requests.delete(f"{base}/QuestionnaireResponse/{made[1]}", timeout=20)
    page = adapter.fetch([made[0], made[1]])
    assert ([one.id for one in page.responses], list(page.gone)) == ([made[0]], [made[1]])


@pytest.mark.parametrize("name", ["flag", "detected-issue", "task"])
def test_a_prompt_is_there_once_can_be_read_back_and_taken_back(base: str, adapter: FhirAdapter, name: str) -> None:
    """The other half of the way, seen from the platform's side."""
    client = create(base, {"resourceType": "Patient"})
    form = create(base, fill_in(base, client))
    try:
        carrier = adapter.carrier(name)
    except Unsupported:
        assert name == "detected-issue"  # stock sekmet does not list it
        return
    key = f"{name}-{client}"
    notice = Notice(key, f"Patient/{client}", "R1", RemoteState.ACTIVE, "Handrail", datetime.now(UTC), based_on=[form])
    done = carrier.deliver(notice, None, None)
    assert done.created
    assert carrier.deliver(notice, None, None).remote_id == done.remote_id
    assert list(carrier.find(key)) == [done.remote_id]
    kind = {"flag": "Flag", "detected-issue": "DetectedIssue", "task": "Task"}[name]
    traced = requests.get(f"{base}/Provenance", params={"target": f"{kind}/{done.remote_id}"}, timeout=20).json()
    whats = [e["what"]["reference"] for p in traced["entry"] for e in p["resource"].get("entity", [])]
    assert whats == [f"QuestionnaireResponse/{form}"]
    closed = replace(notice, state=RemoteState.RETRACTED, closed=datetime.now(UTC))
    carrier.deliver(closed, done.remote_id, done.remote_version)
    read = requests.get(f"{base}/{kind}/{done.remote_id}", timeout=20).json()
    assert read["status"] == "entered-in-error"


def test_f16_a_row_that_moves_while_a_real_server_counts_rows(base: str, adapter: FhirAdapter) -> None:
    """Both real servers lose a row here to a client that only follows next links."""
    client = create(base, {"resourceType": "Patient"})
    made = [create(base, fill_in(base, client)) for _ in range(8)]
    time.sleep(1.1)
    walk = adapter.pull(None)
    seen = [one.id for one in next(walk).responses]
    moved = seen[0]
    body = requests.get(f"{base}/QuestionnaireResponse/{moved}", timeout=20).json()
    body["status"] = "amended"
    requests.put(f"{base}/QuestionnaireResponse/{moved}", json=body, headers=JSON, timeout=20).raise_for_status()
    seen += [one.id for page in walk for one in page.responses]
    assert set(made) <= set(seen)


def test_f86_an_edit_on_a_real_server_stays(base: str, adapter: FhirAdapter) -> None:
    """A clinician closes the flag on the platform; we leave it closed and say so."""
    client = create(base, {"resourceType": "Patient"})
    carrier = adapter.carrier("flag")
    notice = Notice(f"edit-{client}", f"Patient/{client}", "R1", RemoteState.ACTIVE, "Handrail", datetime.now(UTC))
    done = carrier.deliver(notice, None, None)
    body = requests.get(f"{base}/Flag/{done.remote_id}", timeout=20).json()
    body["status"] = "inactive"
    requests.put(f"{base}/Flag/{done.remote_id}", json=body, headers=JSON, timeout=20).raise_for_status()
    after = carrier.deliver(replace(notice, state=RemoteState.RETRACTED), done.remote_id, done.remote_version)
    assert after.human_edit
    assert requests.get(f"{base}/Flag/{done.remote_id}", timeout=20).json()["status"] == "inactive"
