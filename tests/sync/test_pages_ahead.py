"""Pages that are begun before the last one is stored: in order, nothing twice, nothing lost, and nobody waits."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from handrail.adapters.ahead import Ahead
from handrail.adapters.fhir.adapter import FhirAdapter
from handrail.adapters.fhir.pull import Expired, Puller, TooCostly
from handrail.adapters.transport import Transport
from handrail.plugin_core import hookimpl
from handrail.plugin_core.contracts import Page
from handrail.plugin_core.errors import PlatformError, StoreError, Unreachable
from handrail.plugin_core.store import Store
from handrail.plugin_core.sync import beside, judging
from handrail.plugin_core.sync.beside import Beside
from handrail.plugin_core.sync.ingest import Ingest
from handrail.schemas.records import Quarantined
from handrail.schemas.vocab import QuarantineReason, RunOutcome

from .stage import PHQ9, Stage, form, second_act, small_practice

Change = Callable[[Iterator[Page]], Iterator[Page]]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A small practice whose platform gives six forms a page."""
    with Stage(tmp_path / "ahead", page_size=6) as made:
        small_practice(made)
        yield made


def pulling(monkeypatch: pytest.MonkeyPatch, change: Change) -> None:
    """Changes the pages as they come from the platform."""
    right = FhirAdapter.pull
    monkeypatch.setattr(FhirAdapter, "pull", lambda self, cursor: change(right(self, cursor)))


def here(pages: Iterator[Page]) -> Iterator[Page]:
    """Says of each page that the next is here."""
    for page in pages:
        yield replace(page, next_is_here=lambda: True)


def copies(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Lets the smallest page go to a copy; gives the list of what copies were asked."""
    asked: list[Any] = []
    ask = Beside.ask

    def asking(self: Beside, question: Any) -> None:
        asked.append(question)
        ask(self, question)

    monkeypatch.setattr(judging, "LEAST", 1)
    monkeypatch.setattr(beside, "possible", lambda: sys.platform == "linux")
    monkeypatch.setattr(Beside, "ask", asking)
    return asked


def acts(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What becomes of pages, in order: begun or stored, and the first form of the page."""
    done: list[tuple[str, str]] = []
    begin, finish = Ingest.begin, Ingest.finish

    def begun(self: Ingest, page: Page) -> Any:
        done.append(("begun", page.responses[0].id))
        return begin(self, page)

    def finished(self: Ingest, page: Any, **more: Any) -> Any:
        done.append(("stored", page.page.responses[0].id))
        return finish(self, page, **more)

    monkeypatch.setattr(Ingest, "begin", begun)
    monkeypatch.setattr(Ingest, "finish", finished)
    return done


@pytest.mark.parametrize("change", [here, lambda pages: pages], ids=["the next is here", "as it comes"])
@pytest.mark.parametrize("with_copy", [True, False], ids=["a copy", "no copy"])
def test_the_same_is_stored_whether_pages_are_begun_ahead_or_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Change, with_copy: bool
) -> None:
    """A first pull that is faster must leave the same store, also when it is done again over a full one."""

    def story(folder: Path) -> Any:
        with Stage(folder, page_size=6) as stage:
            small_practice(stage)
            stage.sync()
            second_act(stage)
            stage.sync()
            report = stage.sync(full=True)
            assert report.counts["pulled"] == report.counts["unchanged"] + report.counts["not_finished"] + sum(
                report.counts.get(name, 0) for name in ("entered_in_error", "set_aside")
            )
            return stage.seen()

    plain = story(tmp_path / "plain")
    if with_copy:
        asked = copies(monkeypatch)
    pulling(monkeypatch, change)
    assert story(tmp_path / "ahead").differs(plain) == {}
    assert not with_copy or asked, "no copy was asked: the test shows nothing"


def test_a_page_is_stored_before_the_next_is_waited_for(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A safety answer on a page must not wait for a platform that takes a minute for the next one."""
    copies(monkeypatch)
    pulling(monkeypatch, lambda pages: (replace(page, next_is_here=lambda: False) for page in pages))
    done = acts(monkeypatch)
    stage.sync()
    assert len(done) > 6
    assert done[::2] == [("begun", page) for _, page in done[::2]]
    assert done[1::2] == [("stored", page) for _, page in done[::2]]


@pytest.mark.parametrize("fault", [TooCostly, Expired])
def test_a_page_is_stored_before_one_that_failed_is_asked_for_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, fault: type[PlatformError]
) -> None:
    """The next page was on its way and failed: nothing is here, and the list is read anew from its beginning. A safety
    answer waited for that, for minutes where the platform is slow."""
    copies(monkeypatch)
    done = acts(monkeypatch)
    load, start = Puller._load, Ahead.__init__
    asked: list[str] = []

    def failing(self: Puller, url: str, *args: Any, **more: Any) -> Any:
        done.append(("asked", url))
        asked.append(url)
        if len(asked) == 2:
            raise fault("The platform would not.")
        return load(self, url, *args, **more)

    def at_once(self: Ahead[Any], call: Callable[[], Any]) -> None:
        start(self, call)
        self.settle(60)

    monkeypatch.setattr(Puller, "_load", failing)
    monkeypatch.setattr(Ahead, "__init__", at_once)
    stage.sync()
    acted = [act for act, _ in done]
    assert acted[:5] == ["asked", "asked", "begun", "stored", "asked"], "the page waited for the platform"


def test_a_form_that_the_page_before_takes_back_is_not_taken_for_unchanged(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deleted and put back, or broken and mended, while the list was read: what the store has of it when its page is
    begun is not what it has when that is stored. As unchanged it would be gone for good."""
    asked = copies(monkeypatch)
    stage.sync()
    before = stage.seen().active()
    back: list[str] = []

    def first_gone(pages: Iterator[Page]) -> Iterator[Page]:
        first, second, *rest = here(pages)
        gone, broken, *_ = [one.id for one in second.responses if one.id in before]
        back.extend((gone, broken))
        aside = Quarantined(broken, QuarantineReason.UNREADABLE, "the form", "it cannot be read")
        yield from (replace(first, gone=[gone], set_aside=[aside]), second, *rest)

    asked.clear()
    pulling(monkeypatch, first_gone)
    stage.sync(full=True)
    assert asked
    seen = stage.seen()
    assert seen.active() == before
    assert not set(back) & {row[0] for row in seen.quarantine}


def test_one_page_is_begun_ahead_and_no_more_and_all_are_stored_in_order(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cursor of a page may only be kept after all pages before it."""
    copies(monkeypatch)
    pulling(monkeypatch, here)
    done = acts(monkeypatch)
    stage.sync()
    begun = [page for act, page in done if act == "begun"]
    assert [page for act, page in done if act == "stored"] == begun
    assert done[:3] == [("begun", begun[0]), ("begun", begun[1]), ("stored", begun[0])]
    for index in range(len(done)):
        acts_so_far = [act for act, _ in done[: index + 1]]
        assert acts_so_far.count("begun") - acts_so_far.count("stored") in (0, 1, 2)


def test_a_page_that_is_begun_is_stored_when_the_next_cannot_be_had(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What has arrived is kept; a platform that goes away with every third page would else never be read."""
    copies(monkeypatch)

    def broken(pages: Iterator[Page]) -> Iterator[Page]:
        for number, page in enumerate(here(pages)):
            if number == 2:
                raise Unreachable("The platform went away.")
            yield page

    pulling(monkeypatch, broken)
    report = stage.sync()
    assert report.outcome is RunOutcome.INCOMPLETE
    assert report.counts["pulled"] == 12
    assert len(stage.seen().responses) + report.counts.get("set_aside", 0) == 12


@pytest.mark.parametrize("with_copy", [True, False], ids=["a copy", "no copy"])
@pytest.mark.parametrize("fault", ["its forms cannot be read", "a plugin fails"])
def test_a_safety_answer_behind_a_page_that_is_not_taken_over_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, with_copy: bool, fault: str
) -> None:
    """Nothing behind such a page is stored until somebody has mended what is wrong: the answer had been read, and for
    days nobody knew. One that is stored already is no news, and its flag does not say that it is not stored."""
    if with_copy and fault == "its forms cannot be read":
        asked = copies(monkeypatch)
    with Stage(tmp_path / "behind", page_size=40) as stage:
        pulling(monkeypatch, here)
        stage.person("known")
        when = stage.now - timedelta(days=60)
        stage.put(form("known-1", "known", when, PHQ9, instrument="phq9"), when)
        stage.sync()
        before = [one for one in stage.seen().flags if one[1] == "S"]
        told = len(stage.mail.letters)
        for number in range(39):  # with the known one: a page
            when = stage.now - timedelta(days=50, minutes=-number)
            stage.put(form(f"bad-{number}", "known", when, version="1" if fault == "a plugin fails" else "0"), when)
        for name in ("behind", "begun"):
            when = stage.now - timedelta(days=3)
            stage.person(name)
            status = "in-progress" if name == "begun" else "completed"
            stage.put(form(f"{name}-1", name, when, PHQ9, instrument="phq9", status=status), when)
        if fault == "a plugin fails":
            stage.plugins = [("failing", SimpleNamespace(prepare_responses=fails))]
        report = stage.sync(full=True)
        assert report.outcome is RunOutcome.FAILED
        seen = stage.seen()
        assert [row[0] for row in seen.responses] == ["known-1"]
        rose = [one for one in seen.flags if one[1] == "S"]
        assert {one[0] for one in rose} == {"known", "behind", "begun"}
        assert [one for one in rose if one[0] == "known"] == before
        assert len(stage.mail.letters) == told + 4, "two people of each of the two"
        if with_copy and fault == "its forms cannot be read":
            assert asked, "no copy was asked: the test shows nothing"


@hookimpl
def fails(responses: Any, context: Any) -> Any:
    """A plugin's hook on the first page that has more than one form."""
    if len(responses) > 1:
        raise ValueError("no")
    return responses


def test_a_safety_answer_behind_what_the_store_cannot_take_waits_for_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A letter about a flag that is not there leads to nothing, comes again with each run, and nobody can stop it."""
    pulling(monkeypatch, here)
    with monkeypatch.context() as patch:
        patch.setattr(Store, "write", full(Store.write))
        report = stage.sync()
    assert report.outcome is RunOutcome.FAILED
    assert stage.mail.letters == []
    assert stage.seen().flags == []
    stage.sync()
    assert len(stage.mail.letters) == 2


def full(write: Callable[..., Any]) -> Callable[..., Any]:
    """Writes as long as no form is written."""

    def writes(self: Store, work: Callable[[Any], Any], *args: Any, **more: Any) -> Any:
        def works(tx: Any) -> Any:
            found = work(tx)
            if tx.conn.exec_driver_sql("SELECT count(*) FROM responses").scalar():
                raise StoreError("The disk is full.")
            return found

        return write(self, works, *args, **more)

    return writes


def test_f16_a_form_on_two_pages_is_stored_as_the_newer_one_with_its_history(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was amended while the list was read, and moved to the next page: the second page is begun before the first is
    stored, and must not be judged by what the store had then."""
    asked = copies(monkeypatch)

    def moved(pages: Iterator[Page]) -> Iterator[Page]:
        first, second, *rest = here(pages)
        old = first.responses[0]
        other = next(one for one in second.responses if one.form == old.form and one.lines != old.lines)
        again = replace_struct(old, lines=other.lines, version="2", updated="2026-11-19T12:00:00Z")
        yield from (first, replace(second, responses=[again, *second.responses]), *rest)

    pulling(monkeypatch, moved)
    report = stage.sync()
    assert asked
    assert report.counts["replaced"] == 1
    seen = stage.seen()
    assert len(seen.history) == 1
    assert "2" in [row[6] for row in seen.responses]


def test_f63_a_page_of_which_the_store_has_all_and_newer_costs_the_next_page_nothing(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A platform was put back from its backup: nothing of such a page is for the copy. Were its answer waited for, each
    later page would take that of the page before, and its own forms would be lost."""
    asked = copies(monkeypatch)
    stage.sync()
    before = set(stage.seen().active())
    added: set[str] = set()

    def put_back(pages: Iterator[Page]) -> Iterator[Page]:
        for number, page in enumerate(here(pages)):
            if number % 2:
                changed = [replace_struct(one, id=f"{one.id}-new") for one in page.responses]
                added.update(f"{one.id}-new" for one in page.responses if one.id in before)
            else:
                changed = [replace_struct(one, updated="2020-01-01T00:00:00Z") for one in page.responses]
            yield replace(page, responses=changed)

    asked.clear()
    pulling(monkeypatch, put_back)
    stage.sync(full=True)
    assert asked
    assert len(added) > 10
    assert set(stage.seen().active()) == before | added


def replace_struct(one: Any, **changes: Any) -> Any:
    """A response with other fields."""
    return type(one)(**({name: getattr(one, name) for name in one.__struct_fields__} | changes))


def test_f67_a_merge_heard_of_while_a_page_is_with_the_copy_holds_for_that_page(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A form of the old record, judged before the merge was known, would stay with a client who is no longer there."""
    copies(monkeypatch)
    pulling(monkeypatch, here)
    begin = Ingest.begin
    heard: list[str] = []

    def begun(self: Ingest, page: Page) -> Any:
        found = begin(self, page)
        if not heard and "c3-5" in [one.id for one in page.responses]:
            heard.extend(key for key, _, _ in found.handed)
            self.redirects._records[self._client_key("Patient/c3")] = (self._client_key("Patient/c1"), "Patient/c1")
            self.redirects.any = True
            monkeypatch.setattr(self.redirects, "load", lambda: None)
            self.redirected()
        return found

    monkeypatch.setattr(Ingest, "begin", begun)
    stage.sync()
    assert heard, "the page was not with the copy: the test shows nothing"
    late = [row for row in stage.seen().responses if row[0] == "c3-5"]
    assert [row[1] for row in late] == ["c1"]


def test_no_thread_stays_behind_a_request(stage: Stage) -> None:
    """A process of several threads cannot be copied: a first pull would be slow now and then, nobody would know why."""
    transport = Transport("handrail/test")
    for _ in range(50):
        transport.exchange("GET", f"{stage.base}/metadata", headers={}, body=None, site="the test's platform")
        assert not any(isinstance(one, threading.Timer) for one in threading.enumerate())
    transport.close()


def test_f70_a_page_does_not_wait_for_the_disk_and_everything_else_does(tmp_path: Path) -> None:
    """A page that a power cut takes back takes its cursor with it, and comes again. A push that was noted and then lost
    would be made twice."""
    with Stage(tmp_path / "disk") as stage, stage.engine() as engine:
        store: Store = engine.store

        def waits(tx: Any) -> int:
            return int(tx.conn.exec_driver_sql("PRAGMA synchronous").scalar())

        full, normal = 2, 1
        found = [store.write(waits), store.write(waits, again=True), store.write(waits)]
        assert found == [full, normal, full]
