"""F48, F52 to F59 and S36: one bad record costs one record, and both paths of the decoder agree."""

from __future__ import annotations

import json
from typing import Any

import pytest
from handrail.adapters.fhir import decode
from handrail.adapters.fhir.decode import Unreadable, cut, read_one, read_page
from handrail.adapters.fhir.flatten import REFUSED
from handrail.plugin_core.contracts import RemoteAnswer
from handrail.schemas.vocab import QuarantineReason
from hypothesis import given, settings
from hypothesis import strategies as st

from .script import bundle, response

LOCAL = "https://ehr.example/fhir"


def page_of(*entries: str, tail: str = "") -> bytes:
    rows = ",".join('{"search":{"mode":"match"},"resource":' + entry + "}" for entry in entries)
    return ('{"resourceType":"Bundle","entry":[' + rows + "]" + tail + "}").encode()


def with_item(remote_id: str, item: str) -> str:
    return json.dumps(response(remote_id)).replace('"item": [', f'"item": [{item}, ', 1)


POISON = {
    "F52 lone surrogate": with_item("bad", r'{"linkId":"a","text":"\ud800"}'),
    "F53 NUL": with_item("bad", r'{"linkId":"a","text":"\u0000"}'),
    "F54 NaN": with_item("bad", '{"linkId":"a","answer":[{"valueDecimal":NaN}]}'),
    "F54 5,000 digits": with_item("bad", '{"linkId":"a","answer":[{"valueInteger":%s}]}' % ("9" * 5000)),
    "F54 2^64": with_item("bad", '{"linkId":"a","answer":[{"valueInteger":18446744073709551616}]}'),
    "F54 nested": with_item("bad", '{"linkId":"a","answer":' + "[" * 200_000 + "]" * 200_000 + "}"),
    "F54 nested items": with_item("bad", '{"linkId":"a","item":[' * 20_000 + "]}" * 20_000),
    "F48 wrong type": with_item("bad", '{"linkId":"a","answer":[{"valueInteger":"3"}]}'),
    "F48 a bool": with_item("bad", '{"linkId":"a","answer":[{"valueInteger":true}]}'),
    "F48 a fraction": with_item("bad", '{"linkId":"a","answer":[{"valueInteger":2.7}]}'),
    "F48 no linkId": with_item("bad", '{"text":"a"}'),
    "two values": with_item("bad", '{"linkId":"a","answer":[{"valueInteger":3,"valueString":"3"}]}'),
    "two values, one coded": with_item(
        "bad", '{"linkId":"a","answer":[{"valueInteger":3,"valueCoding":{"code":"a"}}]}'
    ),
    "no subject": json.dumps({k: v for k, v in response("bad").items() if k != "subject"}),
    "foreign subject": json.dumps(response("bad", subject={"reference": "https://evil.example/fhir/Patient/p1"})),
    "a group": json.dumps(response("bad", subject={"reference": "Group/p1"})),
}


@pytest.mark.parametrize("name", POISON)
def test_f48_one_bad_record_costs_one_record(name: str) -> None:
    """If one record took its page along, 499 clients would be without answers because of one."""
    rows = [json.dumps(response("r1")), POISON[name], json.dumps(response("r2"))]
    read = read_page(page_of(*rows), LOCAL)
    assert [one.id for one in read.responses] == ["r1", "r2"]
    (aside,) = read.set_aside
    assert aside.remote_id == "bad"
    assert aside.reason in QuarantineReason
    if "subject" in name or "group" in name:
        assert aside.reason is QuarantineReason.NO_CLIENT
        assert aside.form == "https://handrail.example/fhir/Questionnaire/gr18"


@pytest.mark.parametrize("name", POISON)
def test_f48_a_record_that_is_read_alone_is_judged_as_on_its_page(name: str) -> None:
    """Tried again by its id, a form must not slip past what set it aside (F51, F52, F53)."""
    (aside,) = read_page(page_of(POISON[name]), LOCAL).set_aside
    assert read_one(POISON[name].encode(), LOCAL) == aside


def test_f48_what_has_no_id_is_kept_apart_under_a_name_of_its_own() -> None:
    """Two records without an id must not be counted as one."""
    rows = [
        '{"resourceType":"QuestionnaireResponse","x":NaN}',
        '{"resourceType":"QuestionnaireResponse","x":1,"y":NaN}',
    ]
    names = [one.remote_id for one in read_page(page_of(*rows), LOCAL).set_aside]
    assert len(set(names)) == 2
    assert all(name.startswith("?") for name in names)


def strangely(value: Any) -> Any:
    """The same with a field that nobody knows in each object."""
    if isinstance(value, dict):
        return {"x-new": {"since": ["R9"]}, **{name: strangely(one) for name, one in value.items()}}
    return [strangely(one) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize("poison", [(), ("F53 NUL",)], ids=["fast path", "entry by entry"])
def test_f55_unknown_fields_are_ignored(poison: tuple[str, ...]) -> None:
    """A server's next release adds fields; each form would be set aside from that day on."""
    asked = {"linkId": "a", "text": "?", "answer": [{"valueCoding": {"code": "b", "display": "B"}}]}
    form = response("r1", item=[{"linkId": "group", "item": [asked]}], meta={"versionId": "2", "tag": [{"code": "t"}]})
    more = [POISON[name] for name in poison]
    plain = read_page(page_of(json.dumps(form), *more), LOCAL)
    strange = read_page(page_of(json.dumps(strangely(form)), *more, tail=',"x-new":{"since":["R9"]}'), LOCAL)
    assert strange.responses == plain.responses
    assert [one.id for one in strange.responses] == ["r1"]
    assert len(strange.set_aside) == len(poison)
    assert read_one(json.dumps(strangely(form)).encode(), LOCAL) == plain.responses[0]


@pytest.mark.parametrize(
    "data", [b"", b"{", b'{"entry":[', b"<html>", b"[]", b"null", b'{"a":"', b'"x"', b"\xff\xfe", b'{"a":"\\"']
)
def test_f38_what_is_cut_off_is_no_empty_page(data: bytes) -> None:
    """A cut-off page read as an empty one would move the cursor past answers that nobody has read."""
    with pytest.raises(Unreadable):
        read_page(data, LOCAL)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2000))
def test_f38_a_page_cut_anywhere_is_refused(at: int) -> None:
    """Wherever a connection breaks."""
    whole = json.dumps(bundle(response("r1"), response("r2"))).encode()
    with pytest.raises(Unreadable):
        read_page(whole[: min(at, len(whole) - 1)], LOCAL)


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)
ANSWER = st.one_of(
    st.fixed_dictionaries({"valueCoding": st.fixed_dictionaries({"code": TEXT}, optional={"display": TEXT})}),
    st.fixed_dictionaries({"valueInteger": st.integers(-(2**31), 2**31 - 1)}),
    st.fixed_dictionaries({"valueDecimal": st.floats(-1e6, 1e6)}),
    st.fixed_dictionaries({"valueString": TEXT}),
    st.fixed_dictionaries({"valueBoolean": st.booleans()}),
    st.fixed_dictionaries({"valueDate": st.just("2026-01-01")}),
)
ITEM = st.recursive(
    st.fixed_dictionaries({"linkId": TEXT}, optional={"text": TEXT, "answer": st.lists(ANSWER, max_size=2)}),
    lambda inner: st.fixed_dictionaries({"linkId": TEXT, "item": st.lists(inner, max_size=3)}),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(ITEM, max_size=4), max_size=4), st.booleans())
def test_s36_fast_and_slow_path_read_the_same(forms: list[list[Any]], ascii_only: bool) -> None:
    """If the two differed, a page would score differently because of its neighbour."""
    rows = [response(f"r{n}", item=items) for n, items in enumerate(forms)]
    data = json.dumps(bundle(*rows, following=f"{LOCAL}?x"), ensure_ascii=ascii_only).encode()
    fast = read_page(data, LOCAL)
    broken: list[Any] = []
    head, entries = decode._entry_by_entry(data, broken)
    assert broken == []
    assert len(entries) == len(rows) == len(fast.responses)
    poisoned = data.replace(
        b'"entry": [', b'"entry": [{"resource": {"resourceType": "X", "id": NaN}}' + (b", " if rows else b""), 1
    )
    slow = read_page(poisoned, LOCAL)
    assert slow.responses == fast.responses
    assert slow.links == fast.links
    assert len(slow.set_aside) == 1
    assert head.resourceType == "Bundle"


ODD = (
    '{"resource":{"resourceType":"QuestionnaireResponse","id":NaN}}',
    '{"resource":{"resourceType":"QuestionnaireResponse","id":"r","status":Infinity}}',
    '{"resource":{"resourceType":"QuestionnaireResponse","id":"\\ud800"}}',
    '{"resource":{"resourceType":"QuestionnaireResponse","id":"r","authored":17}}',
    '{"resource":{"resourceType":"QuestionnaireResponse","id":"r","x":01}}',
    '{"resource":{"resourceType":"QuestionnaireResponse","id":"a\tb"}}',
    '{"resource":{"resourceType":1}}',
    '{"resource":[]}',
    '{"search":{"mode":7}}',
    '{"resource":{"resourceType":"QuestionnaireResponse","id":"r",}}',
)


@pytest.mark.parametrize("entry", ODD)
def test_s36_what_one_path_refuses_the_other_refuses(entry: str) -> None:
    """A reader behind the first that is kinder than it would let in by its neighbour what is kept out alone."""
    page = '{"resourceType":"Bundle","entry":[' + entry + "]}"
    with pytest.raises(REFUSED):
        decode._PAGE.decode(page.encode())
    good = '{"resource":' + json.dumps(response("r1")) + "}"
    alone, beside = (read_page(text.encode(), LOCAL) for text in (page, page.replace("[{", f"[{good},{{", 1)))
    assert alone.set_aside == beside.set_aside
    assert [one.reason for one in alone.set_aside] == [QuarantineReason.UNREADABLE]
    assert alone.responses == []
    assert [one.id for one in beside.responses] == ["r1"]


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_fuzz_no_bytes_raise_anything_but_unreadable(data: bytes) -> None:
    """What a server sends must never end the program with a trace on the screen."""
    for read in (read_page, read_one):
        try:
            read(data, LOCAL)
        except Unreadable:
            continue


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 1500), st.binary(min_size=1, max_size=6))
def test_fuzz_a_damaged_page_raises_nothing_but_unreadable(at: int, noise: bytes) -> None:
    """As above, from a page that was good once."""
    whole = json.dumps(bundle(response("r1"), response("r2"))).encode()
    try:
        read_page(whole[:at] + noise + whole[at + len(noise) :], LOCAL)
    except Unreadable:
        return


def test_s33_the_scanner_is_linear() -> None:
    """A scanner that grows with the square of the page could be stopped by one crafted page."""
    import time

    began = time.perf_counter()
    for evil in (b'{"a":"' + b'\\"' * 1_000_000, b"[" * 2_000_000, b'"' * 1_000_001, b'{"entry":[' + b"," * 1_000_000):
        with pytest.raises(Unreadable):
            cut(evil)
        with pytest.raises(Unreadable):
            read_page(evil, LOCAL)
    assert time.perf_counter() - began < 30


def test_f54_nested_brackets_cost_bounded_time() -> None:
    """No recursion error, whatever the depth."""
    with pytest.raises(Unreadable):
        read_page(b'{"resourceType":"Bundle","entry":' + b"[" * 200_000, LOCAL)


def answers_of(answer: dict[str, Any]) -> RemoteAnswer:
    page = read_page(json.dumps(bundle(response("r", item=[{"linkId": "q", "answer": [answer]}]))).encode(), LOCAL)
    return page.responses[0].lines[0].answers[0]


ORDINAL = "http://hl7.org/fhir/StructureDefinition/ordinalValue"
WEIGHT = "http://hl7.org/fhir/StructureDefinition/itemWeight"


@pytest.mark.parametrize(
    ("answer", "read"),
    [
        ({"valueCoding": {"code": "a", "display": "A"}}, RemoteAnswer("a", "A")),
        (
            {"valueCoding": {"code": "a"}, "extension": [{"url": ORDINAL, "valueDecimal": 2}]},
            RemoteAnswer("a", weight=2.0),
        ),
        (
            {"valueCoding": {"code": "a", "extension": [{"url": WEIGHT, "valueDecimal": 3}]}},
            RemoteAnswer("a", weight=3.0),
        ),
        (
            {
                "valueCoding": {"code": "a"},
                "extension": [{"url": ORDINAL, "valueInteger": 1}, {"url": WEIGHT, "valueDecimal": 2}],
            },
            RemoteAnswer("a", weight=2.0),
        ),
        ({"valueInteger": 3}, RemoteAnswer(number=3.0)),
        ({"valueDecimal": 1.5}, RemoteAnswer(number=1.5)),
        ({"valueQuantity": {"value": 12}}, RemoteAnswer(number=12.0)),
        ({"valueString": "3"}, RemoteAnswer(label="3")),
        ({"valueBoolean": False}, RemoteAnswer(code="false")),
        ({"valueReference": {"reference": "X/1"}}, RemoteAnswer()),
    ],
)
def test_section_6_1_first_place_the_answer_itself(answer: dict[str, Any], read: RemoteAnswer) -> None:
    """A weight that came with the answer is the one to use; a text "3" is no number, a strange value no blank."""
    assert answers_of(answer) == read


def test_nested_lines_keep_their_order_and_blanks_stay_blank() -> None:
    """Groups and answers may hold lines; a form read in another order would give a wrong picture of it."""
    items = [
        {
            "linkId": "g",
            "item": [{"linkId": "1", "answer": [{"valueInteger": 1, "item": [{"linkId": "1a"}]}]}, {"linkId": "2"}],
        },
        {"linkId": "3", "answer": [{"valueInteger": 1}, {"valueInteger": 2}]},
        {"linkId": "3"},
    ]
    page = read_page(json.dumps(bundle(response("r", item=items))).encode(), LOCAL)
    assert [(line.question, len(line.answers)) for line in page.responses[0].lines] == [
        ("1", 1), ("1a", 0), ("2", 0), ("3", 2), ("3", 0),
    ]  # fmt: skip


def test_the_head_of_a_form_is_read_as_it_came() -> None:
    """Version and client decide what is scored for whom; a base URL in the reference is the same client."""
    row = response(
        "r", "2026-11-01T10:00:00.123Z", version="7", subject={"reference": f"{LOCAL}/Patient/p1/_history/3"}
    )
    one = read_page(json.dumps(bundle(row)).encode(), LOCAL).responses[0]
    assert (one.client, one.version, one.updated) == ("Patient/p1", "7", "2026-11-01T10:00:00.123Z")
    assert (one.form, one.form_version) == ("https://handrail.example/fhir/Questionnaire/gr18", "1")
    strange = read_page(json.dumps(bundle(response("r", status="done", questionnaire=None))).encode(), LOCAL).responses[
        0
    ]
    assert (strange.status, strange.form, strange.form_version) == ("unknown", "", None)


def test_f24_outcomes_and_included_entries_are_no_forms() -> None:
    """A server's remark parsed as a form, or a client's record as an answer, would be a wrong record."""
    data = bundle(response("r1"))
    data["entry"].append(
        {
            "search": {"mode": "outcome"},
            "resource": {
                "resourceType": "OperationOutcome",
                "issue": [{"severity": "warning", "code": "not-supported", "diagnostics": "canary Patient/p1"}],
            },
        }
    )
    data["entry"].append({"search": {"mode": "include"}, "resource": {"resourceType": "Patient", "id": "p1"}})
    data["entry"].append({"search": {"mode": "include"}, "resource": response("r9")})
    read = read_page(json.dumps(data).encode(), LOCAL)
    assert [one.id for one in read.responses] == ["r1"]
    assert list(read.remarks) == ["warning: not-supported"]
