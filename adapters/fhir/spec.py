"""The descriptor of the FHIR adapter: its settings, what it can do, and where its modules are found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...plugin_core.contracts import Adapter, AdapterContext, AdapterSpec, Capabilities, Support
from ...schemas.records import Instrument, Json
from .carriers import CARRIERS

if TYPE_CHECKING:
    from marshmallow import Schema


def _settings() -> type[Schema]:
    from .settings import FhirSettings

    return FhirSettings


def _open(context: AdapterContext) -> Adapter:
    from .adapter import FhirAdapter

    return FhirAdapter(context)


def _questionnaire(instrument: Instrument) -> Json:
    from .questionnaire import questionnaire_of

    return questionnaire_of(instrument)


def _code_system(instrument: Instrument) -> Json:
    from .questionnaire import code_system_of

    return code_system_of(instrument)


SPEC = AdapterSpec(
    name="fhir",
    title="FHIR R4 server",
    settings=_settings,
    capabilities=Capabilities(lists_forms=True, publishes=True, gives_clinicians=True, gives_sessions=True, sends=True),
    carriers=CARRIERS,
    open=_open,
    exports={"fhir-questionnaire": _questionnaire, "fhir-codesystem": _code_system},
    support=Support(
        tested="live",
        against="sekmet-fhir 0.1.1 in three configurations (SMART among them) and Medplum's FHIR router 5.2.13",
        pulls="QuestionnaireResponse by the server's own time of the last change, page by page.",
        asks="Where it is switched on (ask_by): a Task or a ServiceRequest, which the platform shows as it likes.",
        limits="The server's; Retry-After is obeyed, and pages shrink where the server finds them too big.",
        quirks=(
            "Servers differ in what they list, sort and filter; what one ignores is noticed and made up for.",
            "A form that the platform never marks as finished is read only where the practice says so.",
        ),
    ),
)
