"""Handrail's own FHIR adapter works against the demo platform as against any other, without a special case."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from handrail.adapters.demo.stage import Demo, open_demo
from handrail.adapters.fhir.adapter import FhirAdapter
from handrail.plugin_core.contracts import AdapterContext, Notice
from handrail.schemas.vocab import RemoteState

from .conftest import AS_OF


class Talk:
    """A running demo with the adapter connected to it, and what the adapter warned of."""

    def __init__(self, demo: Demo) -> None:
        self.demo = demo
        self.warnings: list[str] = []
        settings = {"base_url": demo.base, "auth": "bearer", "token": "token", "page_size": 100}
        self.adapter = FhirAdapter(
            AdapterContext(
                practice="p",
                settings=settings,
                secret=lambda _: demo.token,
                warn=self.warnings.append,
                now=time.time,
                sleep=time.sleep,
                user_agent="handrail-test",
            )
        )

    def publish(self) -> list[bool]:
        return [self.adapter.publish(one).changed for one in self.demo.practice.instruments()]


@pytest.fixture
def talk(tmp_path: Path) -> Iterator[Talk]:
    with open_demo(tmp_path, AS_OF) as demo:
        found = Talk(demo)
        yield found
        found.adapter.close()
        assert demo.server.failures == []
        assert found.warnings == []


NOTICE = Notice(
    key="k" * 32,
    client="Patient/client-01",
    rule="P1",
    state=RemoteState.ACTIVE,
    title="Handrail: something to look at before the next session",
    opened=datetime(2026, 11, 1, 9, tzinfo=UTC),
    based_on=["client-01-gr18-01", "client-01-gr18-02"],
)


def test_publishing_twice_writes_once(talk: Talk) -> None:
    """The demo says that its second run changes nothing."""
    assert talk.publish() == [True] * 5
    written = talk.demo.server.store.writes
    assert talk.publish() == [False] * 5
    assert talk.demo.server.store.writes == written


def test_the_pull_brings_every_form_once_then_only_what_changed(talk: Talk) -> None:
    """The numbers that the demo shows come from here."""
    talk.publish()
    sent = talk.demo.answer_year()
    pages = list(talk.adapter.pull(None))
    found = [one for page in pages for one in page.responses]
    current = talk.demo.server.store.latest("QuestionnaireResponse")
    assert sorted(one.id for one in found) == sorted(one.id for one in current)
    assert len(found) == sent - 3, "three forms came again under their own id: one amended, two entered in error"
    assert not any(page.set_aside for page in pages)
    assert all(page.sorted and not page.warnings for page in pages)
    deeds = talk.demo.second_act()
    changed = [one for page in talk.adapter.pull(pages[-1].cursor) for one in page.responses]
    assert {deed.form.id for deed in deeds} <= {one.id for one in changed}
    assert len(changed) < 10


def test_the_listing_and_the_clients_are_whole(talk: Talk) -> None:
    """F4, F62: the reconcile compares ids; a client that is missing would look deleted."""
    talk.publish()
    talk.demo.answer_year()
    listed = {name: version for page in talk.adapter.listing() for name, version in page.items()}
    current = talk.demo.server.store.latest("QuestionnaireResponse")
    assert listed == {one.id: str(one.version) for one in current}
    refs = [f"Patient/{client}" for client in (*talk.demo.practice.courses, "client-99")]
    clients = list(talk.adapter.clients(refs))
    assert [one.ref for one in clients] == refs[:-1]
    assert clients[0].name == f"{talk.demo.practice.name('client-01')} (invented)"
    assert clients[0].clinician == f"Practitioner/{talk.demo.practice.therapist('client-01')}"


@pytest.mark.parametrize(("carrier", "kind"), [("flag", "Flag"), ("detected-issue", "DetectedIssue"), ("task", "Task")])
def test_a_prompt_is_written_once_changed_and_taken_back(talk: Talk, carrier: str, kind: str) -> None:
    """What the demo shows in the chart must be what a real platform would hold."""
    way = talk.adapter.carrier(carrier)
    first = way.deliver(NOTICE, None, None)
    assert first.created
    again = way.deliver(NOTICE, None, None)
    assert (again.created, again.remote_id) == (False, first.remote_id)
    gone = replace(NOTICE, state=RemoteState.RETRACTED)
    way.deliver(gone, first.remote_id, first.remote_version)
    [stored] = talk.demo.server.store.latest(kind)
    assert stored.body is not None
    assert stored.body["status"] == "entered-in-error"
    assert list(way.find(NOTICE.key)) == [first.remote_id]
    [trace] = talk.demo.server.store.latest("Provenance")
    assert trace.body is not None
    assert trace.body["target"] == [{"reference": f"{kind}/{first.remote_id}"}]


def test_a_tag_of_the_platform_reaches_the_form(talk: Talk) -> None:
    """P6 reads only self-checks that the therapist shared; without the tag it is silent for ever."""
    talk.publish()
    talk.demo.answer_year()
    forms = [one for page in talk.adapter.pull(None) for one in page.responses]
    shared = {one.id for one in forms if "shared" in one.tags}
    assert shared == {form.id for form in talk.demo.practice.forms if form.instrument == "ts8"}
