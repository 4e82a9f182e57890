"""F52: a letter that is none costs itself, not the page; every other letter stays as it was sent."""

from __future__ import annotations

import json

import msgspec
import pytest
from handrail.adapters.fhir.decode import read_listing
from handrail.adapters.letters import REFUSED, mended, read_json
from hypothesis import given
from hypothesis import strategies as st

ROW = b'{"resource":{"resourceType":"QuestionnaireResponse","id":"a%d","item":[{"linkId":"x","text":"%s"}]}}'


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (rb'"cut \ud83d"', "cut \ufffd"),
        (rb'"\ude00 late"', "\ufffd late"),
        (rb'"\ud83d\ud83d\ude00"', "\ufffd\U0001f600"),
        (rb'"\\ud83d \ud83d"', r"\ud83d" + " \ufffd"),
        (b'"caf\xe9"', "caf\ufffd"),
        (b'"one\ttwo\nthree"', "one two three"),
    ],
)
def test_f52_a_letter_that_is_none_is_replaced_visibly(sent: bytes, read: str) -> None:
    assert read_json(sent) == read


@given(st.recursive(st.none() | st.booleans() | st.text(), lambda one: st.lists(one) | st.dictionaries(st.text(), one)))
def test_f52_what_can_be_read_is_left_as_it_is(data: object) -> None:
    for ascii_only in (True, False):
        sent = json.dumps(data, ensure_ascii=ascii_only, indent=1).encode(errors="surrogatepass")
        assert msgspec.json.decode(mended(sent)) == data


@pytest.mark.parametrize("sent", [b'{"a":"\\ud83d', b'{"a":"\\ud83d"', b"<html>", b"", b'{"a":NaN}'])
def test_f38_what_is_cut_off_is_not_made_whole(sent: bytes) -> None:
    with pytest.raises(REFUSED):
        read_json(sent)


@pytest.mark.parametrize("odd", [rb"\ud83d", b"\xff", b"\t"])
def test_f52_a_list_of_ids_is_read_past_a_letter_that_is_none(odd: bytes) -> None:
    """A server that heeds no `_elements` sends forms whole; the check for deleted ones would never end."""
    page = b'{"resourceType":"Bundle","entry":[%s,%s]}' % (ROW % (1, odd), ROW % (2, b"fine"))
    assert sorted(read_listing(page).rows) == ["a1", "a2"]
