"""The kit's tests are tested: an adapter that is broken in one way is found by that one test, and by no other."""

from __future__ import annotations

from typing import Never

import pytest
from handrail.plugin_core.testing import AdapterConformance, running
from handrail.plugin_core.testing.running import FAILED, NOT_APPLICABLE, PASSED, run

from .broken import BROKEN, SPEC, Broken, Double


def conformance(**made: object) -> type[AdapterConformance]:
    """The kit for Acme, with something broken."""
    whole: dict[str, object] = {"spec": SPEC, "platform": lambda _: Double()}
    return type("Acme", (AdapterConformance,), whole | made)


def test_an_adapter_that_keeps_everything_passes_every_test() -> None:
    """A test that fails on a right adapter would be switched off, and the next vendor's fault with it."""
    results = list(run(conformance()))
    assert [one for one in results if one.outcome != PASSED] == []
    assert len(results) == len(running.tests_of(AdapterConformance))


def test_every_test_says_why() -> None:
    """A vendor whose adapter fails reads the sentence first."""
    short = [
        name
        for name, why in running.tests_of(AdapterConformance).items()
        if len(why.split()) < 6 or not why.endswith(".")
    ]
    assert short == []


def test_every_test_has_a_fault_that_it_finds() -> None:
    """A test without one may test nothing."""
    assert sorted(one.test for one in BROKEN) == sorted(running.tests_of(AdapterConformance))


@pytest.mark.logs_canaries
@pytest.mark.parametrize("fault", BROKEN, ids=lambda one: f"{one.test.removeprefix('test_')}: {one.fault}")
def test_a_broken_adapter_fails_its_test_and_no_other(fault: Broken) -> None:
    """A fault that several tests report hides the next; one that none reports reaches a practice."""
    results = {one.test: one for one in run(conformance(**fault.make()))}
    failed = {name: one.said for name, one in results.items() if one.outcome == FAILED}
    assert set(failed) == {fault.test}, failed
    assert failed[fault.test].strip()


def test_what_does_not_apply_is_shown_with_its_reason() -> None:
    """Left out silently it would look like passed."""

    class Closed(Double):
        cannot = {"close": "Acme never closes a chart, as far as is known."}

    results = run(
        conformance(platform=lambda _: Closed()), only={"test_a_chart_that_was_closed_is_refused_with_a_reason"}
    )
    (one,) = results
    assert (one.outcome, "never closes a chart" in one.said) == (NOT_APPLICABLE, True)


def test_a_fault_of_the_double_is_not_taken_for_the_adapters_success() -> None:
    """A double that breaks in the middle proves nothing."""

    class Falling(Double):
        def _client(self, ref: str) -> Never:
            raise ZeroDivisionError

    name = "test_clients_have_names_and_unknown_ones_are_left_out"
    (one,) = run(conformance(platform=lambda _: Falling()), only={name})
    assert one.outcome == FAILED
