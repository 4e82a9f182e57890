"""What a real server will not do on demand, through one strict fake of HTTP (`responses`): every answer that is
registered must be asked for, and nothing else may be asked.

What would hurt: a sync that dies on a header, waits for ten years, or hammers a platform that said "later".
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import responses
from handrail.adapters.fhir.adapter import FhirAdapter
from handrail.plugin_core.errors import Denied, NotTheApi, Unreachable

from .conftest import CANARY, Clock

BASE = "https://ehr.example/fhir"
LIST = f"{BASE}/QuestionnaireResponse"
EMPTY = '{"resourceType": "Bundle", "type": "searchset", "entry": []}'
FHIR = "application/fhir+json"
Connect = Callable[..., FhirAdapter]


def answer(fake: responses.RequestsMock, status: int = 200, body: str = EMPTY, **headers: str) -> None:
    """Registers the next answer of the list of forms."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    fake.add(responses.GET, LIST, body=body, status=status, content_type=FHIR, headers=named)


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [("30", 30, 31), ("0", 0, 5), ("abc", 0, 60), ("-5", 0, 60), ("1.5", 0, 60), ("315360000", 60, 3600)],
)
def test_f31_every_shape_of_retry_after(
    connect: Connect, fake: responses.RequestsMock, clock: Clock, header: str, least: float, most: float
) -> None:
    """The usual HTTP library raises on the malformed ones; none may end the sync, none may hold it for years."""
    answer(fake, 429, "{}", Retry_After=header)
    answer(fake)
    try:
        pages = list(connect(BASE).pull(None))
    except Unreachable:  # too long to wait for: the run ends incomplete, and says so
        assert header == "315360000"
        fake.reset()
        return
    assert [list(page.responses) for page in pages] == [[]]
    assert least <= sum(clock.slept) <= most


def test_f32_a_platform_that_only_says_later_ends_incomplete(connect: Connect, fake: responses.RequestsMock) -> None:
    """Bounded tries, then the run ends and goes on another time."""
    for _ in range(3):
        answer(fake, 503, "{}")
    with pytest.raises(Unreachable):
        list(connect(BASE).pull(None))
    assert 3 <= len(fake.calls) <= 12


def test_f39_a_login_page_with_status_200(connect: Connect, fake: responses.RequestsMock) -> None:
    """A proxy's page is no empty list of forms, and its text is not repeated."""
    fake.add(responses.GET, LIST, body=f"<html>{CANARY}</html>", content_type="text/html")
    with pytest.raises(NotTheApi) as said:
        list(connect(BASE).pull(None))
    assert CANARY not in str(said.value)


@pytest.mark.parametrize("status", [401, 403])
def test_f34_a_refusal_is_asked_once(connect: Connect, fake: responses.RequestsMock, status: int) -> None:
    """A wrong credential costs one call, not a lock-out, and the message says what is missing, never the token."""
    answer(fake, status, "{}")
    with pytest.raises(Denied) as said:
        list(connect(BASE, {"token": CANARY}, auth="bearer", token="file:token").pull(None))
    assert len(fake.calls) == 1
    assert CANARY not in str(said.value)


def test_f20_an_empty_page_with_a_next_link_goes_on(connect: Connect, fake: responses.RequestsMock) -> None:
    """Some servers filter after paging; an empty page is not the end."""
    following = f'{{"relation": "next", "url": "{LIST}?page=2"}}'
    body = f'{{"resourceType": "Bundle", "type": "searchset", "link": [{following}], "entry": []}}'
    answer(fake, body=body)
    answer(fake)
    assert len(list(connect(BASE).pull(None))) == 2
