"""The export of our forms, judged by validators that nobody here wrote, and read back by our own reader."""

from __future__ import annotations

import json
import warnings
from typing import Any

import pytest
from handrail.adapters.fhir import register_adapters
from handrail.adapters.fhir.carriers import FORMS, device, provenance
from handrail.adapters.fhir.forms import form_of
from handrail.adapters.fhir.questionnaire import canonical, code_system_of, questionnaire_of
from handrail.adapters.fhir.weights import (
    ITEM_WEIGHT,
    ORDINAL_VALUE,
    concepts,
    weight_of_option,
)
from handrail.plugin_core.contracts import RemoteAnswer
from handrail.plugin_core.instruments import BUILTIN, builtin_one

from .test_fhir_push import INACTIVE, NOTICE, RETRACTED


def fhirkit_errors(resource: dict[str, Any]) -> list[str]:
    import fhirkit

    return [str(issue) for issue in fhirkit.validate(resource) if "error" in str(issue)]


def pydantic_errors(resource: dict[str, Any]) -> list[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the validator's own deprecations
        from fhir.resources.R4B import get_fhir_model_class

        try:
            get_fhir_model_class(resource["resourceType"]).model_validate(resource)
        except ValueError as error:
            return [str(error)]
    return []


JUDGES = {"fhirkit-rs": fhirkit_errors, "fhir.resources": pydantic_errors}


@pytest.mark.parametrize("judge", JUDGES)
def test_the_judges_see_what_is_wrong(judge: str) -> None:
    """A judge that accepts everything would prove nothing below."""
    assert JUDGES[judge]({"resourceType": "Questionnaire", "item": [{"linkId": "a"}]})


@pytest.mark.parametrize("judge", JUDGES)
@pytest.mark.parametrize("name", BUILTIN)
def test_every_form_is_a_valid_questionnaire(name: str, judge: str) -> None:
    """A platform that refuses our form leaves the practice with nothing to send."""
    assert JUDGES[judge](questionnaire_of(builtin_one(name))) == []
    assert JUDGES[judge](code_system_of(builtin_one(name))) == []


@pytest.mark.parametrize("judge", JUDGES)
@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("notice", [NOTICE, INACTIVE, RETRACTED], ids=["active", "inactive", "retracted"])
def test_every_carrier_is_a_valid_resource(name: str, judge: str, notice: Any) -> None:
    """A strict server would refuse each prompt, one by one."""
    for author in ("Device/handrail", "#handrail"):
        assert JUDGES[judge](FORMS[name].render(notice, author)) == []
    assert JUDGES[judge](device()) == []
    assert JUDGES[judge](provenance("Flag/f1", notice, "Device/handrail")) == []


@pytest.mark.parametrize("name", BUILTIN)
def test_what_is_exported_reads_back_with_every_number(name: str) -> None:
    """The numbers must survive the way out and in, or a form is scored wrongly or not at all."""
    instrument = builtin_one(name)
    form = form_of(json.loads(json.dumps(questionnaire_of(instrument))), "http://x", lambda _: {})
    assert form is not None
    assert (form.form, form.version, form.title) == (canonical(instrument), instrument.version, instrument.title)
    assert [question.question for question in form.questions] == [item.id for item in instrument.items]
    for item, question in zip(instrument.items, form.questions, strict=True):
        assert question.text == item.text
        for option, offered in zip(item.options, question.options, strict=True):
            assert offered.label == option.label
            assert offered.weight == option.value
            assert offered.code in {option.code, *(c.code for c in option.codings)}


def test_both_weight_extensions_and_none_on_declined() -> None:
    """Old and new readers each know one of the two; "I would rather not say" must never count as 0."""
    first = questionnaire_of(builtin_one("gr18"))["item"][1]
    assert [e["url"] for e in first["answerOption"][0]["extension"]] == [ORDINAL_VALUE, ITEM_WEIGHT]
    assert "extension" not in first["answerOption"][-1]
    assert first["required"] is False


def test_a_draft_says_so_and_a_licence_goes_along() -> None:
    """Who meets the form on the platform must see that it is unvalidated, and whose words they are."""
    assert questionnaire_of(builtin_one("gr18"))["experimental"] is True
    assert questionnaire_of(builtin_one("phq9"))["experimental"] is False
    assert "CORE System Trust" in questionnaire_of(builtin_one("core10"))["copyright"]
    assert questionnaire_of(builtin_one("phq9"))["item"][1]["code"][0]["code"] == "44250-9"


def test_the_spec_exports_by_name() -> None:
    """`handrail instruments export` finds the formats here."""
    (spec,) = register_adapters()
    assert spec.name == "fhir"
    assert spec.exports["fhir-questionnaire"](builtin_one("ts8"))["url"].endswith("/Questionnaire/ts8")
    fields = spec.settings()().fields
    assert all(field.metadata.get("help") for field in fields.values())
    secrets = {name for name, field in fields.items() if field.metadata.get("secret")}
    assert secrets == {"password", "token", "private_key"}


def test_section_6_1_second_place_the_option() -> None:
    """SDC: with answerOption the weight sits on the option; some put it on the coding inside."""
    assert (
        weight_of_option({"extension": [{"url": ORDINAL_VALUE, "valueDecimal": 2}], "valueCoding": {"code": "a"}}) == 2
    )
    assert weight_of_option({"valueCoding": {"extension": [{"url": ITEM_WEIGHT, "valueDecimal": 1}]}}) == 1
    assert weight_of_option({"valueCoding": {"code": "a"}}) is None


def test_section_6_1_third_place_value_set_and_code_system() -> None:
    """Codes whose numbers sit in a code system would otherwise be refused though they can be known."""
    system = code_system_of(builtin_one("gr18"))
    assert concepts(system)["truth-4"] == ("Very true", 4.0)
    assert concepts(system)["declined"] == ("I would rather not say", None)
    expansion = {
        "resourceType": "ValueSet",
        "expansion": {"contains": [{"code": "a", "extension": [{"url": ORDINAL_VALUE, "valueDecimal": 3}]}]},
    }
    assert concepts(expansion) == {"a": (None, 3.0)}
    form = {
        "resourceType": "Questionnaire",
        "id": "q",
        "contained": [{**expansion, "id": "vs"}],
        "item": [{"linkId": "1", "type": "choice", "answerValueSet": "#vs"}, {"linkId": "d", "type": "display"}],
    }
    read = form_of(form, "http://x", lambda _: {})
    assert read is not None
    assert read.form == "http://x/Questionnaire/q"
    assert [(q.question, q.options) for q in read.questions] == [("1", (RemoteAnswer("a", None, None, 3.0),))]
