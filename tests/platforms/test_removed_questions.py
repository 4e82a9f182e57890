"""A question that the practice took out of its form is a changed form on each platform, and no blank line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from handrail.adapters.cliniko.spec import SPEC as CLINIKO
from handrail.adapters.drchrono.spec import SPEC as DRCHRONO
from handrail.adapters.healthie.spec import SPEC as HEALTHIE
from handrail.adapters.intakeq.spec import SPEC as INTAKEQ
from handrail.plugin_core.contracts import AdapterSpec, RemoteResponse
from handrail.plugin_core.mapping import FormReader
from handrail.plugin_core.mapping.reader import R
from handrail.plugin_core.testing.bench import Bench
from handrail.schemas.records import MappedQuestion, Mapping, Quarantined

from .doubles.base import QUESTIONS, Filled
from .doubles.cliniko import ClinikoDouble
from .doubles.drchrono import DrChronoDouble
from .doubles.healthie import HealthieDouble
from .doubles.intakeq import IntakeqDouble

GONE = QUESTIONS[1].text
BLANK, WITHOUT = (0, None, 2), (2, None, 0)


def _cliniko(double: ClinikoDouble, form: str) -> None:
    asked = double.tables["patient_forms"][form]["content"]["sections"][0]["questions"]
    asked[:] = [one for one in asked if one["name"] != GONE]


def _intakeq(double: IntakeqDouble, form: str) -> None:
    asked = double.intakes[form]["Questions"]
    asked[:] = [one for one in asked if one["Text"] != GONE]


def _healthie(double: HealthieDouble, form: str) -> None:
    (gone,) = (name for name, row in double.tables["modules"].items() if row["label"] == GONE)
    double.tables["groups"][form]["answers"] = [
        (name, text) for name, text in double.tables["groups"][form]["answers"] if name != gone
    ]
    double.tables["modules"][gone]["form"] = "removed"


def _drchrono(double: DrChronoDouble, form: str) -> None:
    """A blank has no row there: the form itself is as before."""
    double.tables["clinical_note_field_types"][str(double.fields[GONE])]["archived"] = True


CASES = [
    pytest.param(CLINIKO, ClinikoDouble, _cliniko, id="cliniko"),
    pytest.param(INTAKEQ, IntakeqDouble, _intakeq, id="intakeq"),
    pytest.param(HEALTHIE, HealthieDouble, _healthie, id="healthie"),
    pytest.param(DRCHRONO, DrChronoDouble, _drchrono, id="drchrono"),
]


def _mapping(form: RemoteResponse) -> Mapping:
    """As a person confirmed it when all questions were there."""
    options = {question.text: {label: n for n, label in enumerate(question.options)} for question in QUESTIONS}
    items = {question.text: f"G{number}" for number, question in enumerate(QUESTIONS, 1)}
    asked = [(line.question, line.text or "") for line in form.lines]
    questions = tuple(MappedQuestion(name, items[text], text, options[text]) for name, text in asked)
    return Mapping("x", form.form, form.form_version, "gr18", "1", questions)


@pytest.mark.parametrize(("spec", "double", "remove"), CASES)
def test_a_removed_question_is_a_changed_form_and_a_blank_one_is_not(
    spec: AdapterSpec, double: Callable[[], Any], remove: Callable[[Any, str], None]
) -> None:
    """Counted as left empty, a practice's shorter form would be scored from what is left, for months, unnoticed."""

    class Here(Bench):
        def platform(self) -> Any:
            return double()

    Here.spec = spec
    bench = Here()
    bench.setup_method()
    try:
        bench.confirmed |= dict.fromkeys(("40", "77", "5e00aa"), ("gr18", "1"))
        vars(bench.double).update(blanks=False)
        first = bench.double.add(Filled(bench.client(), BLANK))
        form = bench.pull_all(bench.open()).last(first)
        reader = FormReader([_mapping(form)])
        read = reader.read(form)
        assert not isinstance(read, Quarantined)
        assert read["answers"] == {"G1": 0, "G3": 2}
        bench.clock.later(days=3)
        second = bench.double.add(Filled(bench.client(), WITHOUT))
        remove(bench.double, second)
        for found in (bench.pull_all(bench.open()).last(second), bench.open().fetch([second]).responses[0]):
            aside = reader.read(found)
            assert isinstance(aside, Quarantined)
            assert (aside.reason, aside.where) == (R.CHANGED_DEFINITION, "line G2")
    finally:
        bench.teardown_method()
