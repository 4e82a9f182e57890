"""The offline screen: answers in, flags out, in a format that others build on. What it prints must not depend on the
order of the input, on what comes later, or on how many processes worked; and a bad line costs that line."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from handrail.plugin_core.contracts import Reading
from handrail.plugin_core.errors import HandrailError, UsageError
from handrail.plugin_core.instruments import builtin
from handrail.plugin_core.rules import builtin_rules
from handrail.plugin_core.screen import Descriptors, ScreenReport, screen
from handrail.plugin_core.screening.lines import Reader
from handrail.schemas.flags import EvidenceSchema
from handrail.schemas.records import Course, Response
from handrail.schemas.screen import (
    ScreenEventSchema,
    ScreenLineSchema,
    ScreenRejectSchema,
    ScreenScoreSchema,
    ScreenTraceSchema,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from .courses import START, answers, any_answers

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
Json = dict[str, Any]


def line(client: str = "c-1", weeks: float = 0, given: Json | None = None, **more: object) -> Json:
    return {
        "client": client,
        "instrument": "gr18",
        "version": "1",
        "authored": (START + timedelta(weeks=weeks)).isoformat(),
        "answers": answers() if given is None else given,
        **more,
    }


class Ran:
    """A run over lines, with everything that it printed."""

    def __init__(self, source: Path | Iterable[bytes | str | Json], **options: object) -> None:
        if not isinstance(source, Path):
            source = [json.dumps(one) if isinstance(one, dict) else one for one in source]
        sinks = {name: io.BytesIO() for name in ("out", "rejects", "trace", "scores")}
        self.report: ScreenReport = screen(source, **sinks, **options)  # type: ignore[arg-type]
        self.raw = {name: sink.getvalue() for name, sink in sinks.items()}
        self.events, self.rejects, self.trace, self.scores = (
            [json.loads(text) for text in self.raw[name].splitlines()] for name in sinks
        )

    def happened(self) -> list[tuple[str, str, str]]:
        return [(event["on"], event["rule"], event["event"]) for event in self.events]


RISING = [8, 8, 18, 18, 8, 8]


def rising(client: str = "c-1", totals: Sequence[int] = RISING) -> list[Json]:
    return [line(client, 4 * n, answers(warning=total, growth=25)) for n, total in enumerate(totals)]


# --- what it prints ------------------------------------------------------------------------------------------------


VECTORS = {
    "A-steady": (2.9, 0.833, 0.667),
    "B-reliant": (0.9, 3.333, 4.0),
    "C-all-twos": (2.0, 2.0, 2.0),
    "D-three-lines-missing": (2.875, 0.8, None),
    "E-five-lines-missing": (None, None, None),
    "F-straight-line": (2.8, 2.667, 4.0),
}


def test_the_clinical_vectors_give_the_scores_that_the_table_says() -> None:
    """Straight from the example file in the docs, as anyone can run it."""
    ran = Ran(EXAMPLES / "vectors.jsonl")
    found = {(one["client"], one["score"]): one for one in ran.scores}
    for client, values in VECTORS.items():
        for score, value in zip(("growth", "warning", "reliance"), values, strict=True):
            one = found[client, score]
            assert one["value"] == (None if value is None else pytest.approx(value, abs=5e-4)), (client, score)
            assert (one["reason"] is None) == (value is not None)
    counts = {client: (found[client, "growth"]["answered"], found[client, "warning"]["answered"]) for client in VECTORS}
    assert counts["D-three-lines-missing"] == (8, 5)
    assert counts["E-five-lines-missing"] == (7, 4)
    assert ran.report.exit_status == 0


def test_the_clinical_vectors_give_the_notes_that_the_table_says() -> None:
    """Straight lines (C, F) get the note and nothing else; B's 4 on W2 is for the page. No prompt from one form."""
    ran = Ran(EXAMPLES / "vectors.jsonl")
    assert [(event["client"], event["rule"], event["event"]) for event in ran.events] == [
        ("B-reliant", "P7", "note"),
        ("C-all-twos", "pattern", "note"),
        ("F-straight-line", "pattern", "note"),
    ]


def test_a_line_each_time_a_flag_changes_its_state() -> None:
    """Raised at the second risen form; the rise is gone on two forms in a row at the sixth, where it clears."""
    ran = Ran(rising())
    assert ran.happened() == [("2026-03-30", "P1", "raised"), ("2026-05-25", "P1", "cleared")]
    raised, cleared = ran.events
    assert set(raised) == {"client", "on", "rule", "rule_version", "event", "score", "reason", "evidence"}
    assert raised["rule_version"] == "1"
    assert raised["score"] > 0 > cleared["score"]
    assert raised["reason"] == raised["evidence"]["reason"]
    assert [form["role"] for form in raised["evidence"]["forms"]][-2:] == ["first", "second"]


def test_every_line_fits_its_schema() -> None:
    """The formats are stable; the schemas are what others read them by. Evidence is dumped as flags are."""
    phq9 = {**line(weeks=1), "instrument": "phq9", "answers": {"Q9": 2, "Q1": "declined"}}
    ran = Ran([*rising(), phq9, line(weeks=30, given={"W2": 4}), "nonsense"])
    for schema, lines in (
        (ScreenTraceSchema(), ran.trace),
        (ScreenScoreSchema(), ran.scores),
        (ScreenRejectSchema(), ran.rejects),
    ):
        assert lines
        assert schema.validate(lines, many=True) == {}
    assert ScreenEventSchema().validate(ran.events, many=True) == {}
    evidence = EvidenceSchema()
    for event in ran.events:
        assert evidence.dump(evidence.load(event["evidence"])) == event["evidence"]


def test_trace_has_a_line_for_each_form_and_rule_with_what_stands() -> None:
    """So that any threshold can be studied afterwards; S stands until a person closes it."""
    ran = Ran(rising())
    gr18 = [rule.id for rule in builtin_rules()]
    assert len(ran.trace) == 6 * len(gr18)
    p1 = [one for one in ran.trace if one["rule"] == "P1"]
    assert [one["standing"] for one in p1] == [False, False, False, True, True, False]
    assert [one["score"] is None for one in p1] == [True, True, True, False, False, False]
    assert all((one["score"] > 0) == (one["on"] == "2026-03-30") for one in p1 if one["score"] is not None)
    phq9 = [{**line(weeks=w), "instrument": "phq9", "answers": {"Q9": q}} for w, q in enumerate((0, 1, 0))]
    assert [one["standing"] for one in Ran(phq9).trace if one["rule"] == "S"] == [False, True, True]


def test_rules_can_be_limited() -> None:
    """Only those asked for; a misspelled one is a wrong call, not a run that finds nothing."""
    both = [*rising(), line(weeks=24, given=answers(W2=4))]
    assert {event["rule"] for event in Ran(both, rules=["P7"]).events} == {"P7"}
    with pytest.raises(UsageError, match="no rule of the name 'P9'"):
        Ran(both, rules=["P1", "P9"])


def test_p4_and_p6_see_the_other_forms_of_the_client() -> None:
    """The therapist's shared self-check beside the client's form; without the tag it stays private."""
    check = {**line(weeks=0), "instrument": "ts8", "answers": {"T3": 4}}
    client = line(weeks=1, given=answers(W5=0))
    assert ("2026-01-12", "P6", "raised") in Ran([client, {**check, "tags": ["shared"]}]).happened()
    assert Ran([client, check]).happened() == []


def test_good_news_and_notes_are_printed_as_notes() -> None:
    """N has a life, but the screen tells it once, when it comes."""
    ran = Ran(rising(totals=[20, 20, 8, 8, 8, 8, 20, 20]))
    assert [one[1:] for one in ran.happened() if one[1] == "N"] == [("N", "note")]


def test_on_is_the_day_in_the_form_s_own_offset() -> None:
    """Midnight in Auckland is not midnight in London."""
    forms = rising()
    forms[3]["authored"] = "2026-03-30T00:30:00+13:00"
    assert Ran(forms).happened()[0][0] == "2026-03-30"
    assert [s["authored"] for s in Ran(forms).scores if s["score"] == "growth"][3] == "2026-03-30T00:30:00+13:00"


# --- order, doubles, causality -------------------------------------------------------------------------------------


def practice(seed: int, clients: int = 12) -> list[Json]:
    choice = random.Random(seed)
    found = []
    for number in range(clients):
        level = choice.randrange(4, 16)
        for n in range(choice.randrange(0, 9)):
            level = max(0, min(24, level + choice.randrange(-3, 6)))
            given = answers(warning=level, growth=choice.randrange(10, 35), F1=3, F2=choice.randrange(2), W2=level // 6)
            found.append(line(f"c-{number:02}", 3 * n + number / 7, given))
            if choice.random() < 0.2:
                found.append({**line(f"c-{number:02}", 3 * n), "instrument": "phq9", "answers": {"Q9": n % 3}})
    return found


@pytest.mark.parametrize("seed", range(4))
def test_the_output_does_not_depend_on_the_order_of_the_input(seed: int) -> None:
    """By client, by date or shuffled: the same bytes, clients ascending, each client's lines in the order of time."""
    lines = practice(seed)
    in_order = sorted(lines, key=lambda one: (one["client"], one["authored"]))
    sorted_ = Ran(in_order)
    assert sorted_.events
    keys = [(event["client"], event["on"]) for event in sorted_.events]
    assert keys == sorted(keys)
    by_date = sorted(lines, key=lambda one: str(one["authored"]))
    for other in (by_date, random.Random(seed).sample(lines, len(lines))):
        assert Ran(other).raw == sorted_.raw


def test_several_processes_print_the_same() -> None:
    """Speed must not cost an order or a line."""
    lines = practice(7, clients=100)
    lines[5]["answers"] = {"G1": 9}
    lines[90]["authored"] = "2026-01-01T10:00:00"
    # More batches of two thousand lines than are under way at a time, or a wrong order would not show.
    lines += [
        {**line(f"d-{n:05}", n % 3), "instrument": "phq9", "answers": {"Q9": n % 2, "Q1": n % 4}} for n in range(16_000)
    ]
    one, two = Ran(lines), Ran(lines, processes=2)
    assert two.raw == one.raw
    assert two.report == one.report
    assert len(one.rejects) == 2


def test_of_two_lines_with_one_client_form_and_time_the_later_wins() -> None:
    """Also where the time is written in another offset; the loser is counted, not rejected."""
    forms = rising()
    moment = datetime.fromisoformat(forms[3]["authored"]) + timedelta(0)
    other = {**forms[3], "authored": moment.isoformat().replace("10:00:00+00:00", "12:00:00+02:00")}
    other["answers"] = answers(warning=8)
    ran = Ran([*forms, other])
    assert ran.happened() == []
    assert (ran.report.forms, ran.report.replaced, ran.report.rejected) == (6, 1, 0)
    assert Ran([other, *forms]).happened()[0] == ("2026-03-30", "P1", "raised")


def test_two_versions_of_a_form_are_two_courses() -> None:
    """Their scores are never joined in one series."""
    first = builtin()[0]
    known = Descriptors(instruments=(*builtin(), replace(first, version="2")))
    forms = rising()[:4]
    assert len(Ran(forms).happened()) == 1
    for one in forms[2:]:
        one["version"] = "2"
    assert Ran(forms, descriptors=known).happened() == []


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 200), st.booleans())
def test_cutting_the_input_at_a_date_leaves_all_lines_up_to_it_as_they_were(seed: int, days: int, busy: bool) -> None:
    """What was said in March stands in April: the lines of the shorter run are those of the longer up to that date."""
    lines = practice(seed, clients=6 if busy else 2)
    moment = START + timedelta(days=days)
    whole = Ran(lines)
    cut = Ran([one for one in lines if datetime.fromisoformat(one["authored"]) <= moment])
    until_then = moment.date().isoformat()
    for name in ("events", "trace"):
        before = [one for one in getattr(whole, name) if one["on"] <= until_then]
        assert getattr(cut, name) == before


# --- bad input -----------------------------------------------------------------------------------------------------

SECRET = "Zaphod-7731"
BAD: dict[str, bytes | str | Json] = {
    "no JSON": "Zaphod-7731 {",
    "an array": '["Zaphod-7731"]',
    "cut off": json.dumps(line())[:-3],
    "not UTF-8": b'{"client": "\xff\xfe"}',
    "no client": {**line(), "client": None},
    "client a number": {**line(), "client": 7731},
    "unknown item": line(given={**answers(), "Zaphod-7731 wrote": 1}),
    "outside the options": line(given={"G1": 7731}),
    "a decimal": line(given={"G1": 2.7}),
    "a text": line(given={"G1": "3"}),
    "true": line(given={"G1": True}),
    "a list": line(given={"G1": [1, 2]}),
    "unknown instrument": {**line(), "instrument": SECRET},
    "unknown version": {**line(), "version": "7731"},
    "no offset": {**line(), "authored": "2026-03-02T10:00:00"},
    "a day": {**line(), "authored": "2026-03-02"},
    "no such day": {**line(), "authored": "2026-02-30T10:00:00+00:00"},
    "no answers": {key: value for key, value in line().items() if key != "answers"},
    "unknown key": {**line(), f"{SECRET} said": 1},
    "unknown mode": {**line(), "mode": SECRET},
    "deep": "[" * 100_000,
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_line_is_rejected_with_its_number_and_costs_only_itself(case: str) -> None:
    """Line number and reason, never a value; the rest is processed, and the exit status tells of it."""
    forms = rising()
    ran = Ran([*forms[:2], BAD[case], *forms[2:]])
    assert [one["line"] for one in ran.rejects] == [3]
    assert SECRET not in ran.raw["rejects"].decode()
    assert "7731" not in ran.raw["rejects"].decode()
    assert ran.rejects[0]["reason"]
    assert ran.happened() == Ran(forms).happened()
    assert (ran.report.rejected, ran.report.exit_status) == (1, 1)


def test_rejects_come_in_the_order_of_the_file_whatever_the_order_of_clients() -> None:
    """Somebody goes through the file with them."""
    lines: list[Any] = [line(f"c-{n}", given={"G1": 9}) for n in (3, 1, 2)]
    assert [one["line"] for one in Ran([*lines, "x", *lines]).rejects] == [1, 2, 3, 4, 5, 6, 7]


def test_blank_lines_and_a_mark_of_the_byte_order_are_no_errors() -> None:
    """Editors put them there; line numbers count the lines of the file all the same."""
    texts = [json.dumps(one) for one in rising()]
    ran = Ran(["\ufeff" + texts[0], "", *texts[1:4], "   ", "x"])
    assert ran.happened()[0] == ("2026-03-30", "P1", "raised")
    assert [one["line"] for one in ran.rejects] == [7]
    shuffled = Ran(["\ufeff" + json.dumps(line("z")), *texts])
    assert shuffled.report.rejected == 0


@pytest.mark.parametrize("lines", [[], ["\n", "\n"], ["\ufeff"]])
def test_an_empty_input_gives_an_empty_output(lines: list[str]) -> None:
    """Nothing in, nothing out, no failure."""
    ran = Ran(lines)
    assert ran.raw["out"] == b""
    assert ran.report.exit_status == 0


def test_a_rule_that_raises_is_named_and_the_others_run() -> None:
    """A vendor's mistake costs the vendor's rule."""
    broken = replace(builtin_rules()[0], id="V1", judge=_raises)
    short = replace(builtin_rules()[0], id="V2", judge=_short)
    ran = Ran(rising(), descriptors=Descriptors(rules=(*builtin_rules(), broken, short)))
    assert ran.report.failed == {"V1": 1, "V2": 1}
    assert ran.report.exit_status == 1
    assert ran.happened() == Ran(rising()).happened()


def _raises(course: Course) -> Sequence[Reading]:
    raise RuntimeError


def _short(course: Course) -> Sequence[Reading]:
    return []


# --- CSV -----------------------------------------------------------------------------------------------------------


def as_csv(lines: Sequence[Json], separator: str = ",") -> list[str]:
    items = list(dict.fromkeys(item for one in lines for item in one["answers"]))
    rows = [separator.join(["client", "instrument", "version", "authored", *items])]
    for one in lines:
        cells = ["" if one["answers"].get(item) is None else str(one["answers"][item]) for item in items]
        rows.append(separator.join([one["client"], one["instrument"], one["version"], one["authored"], *cells]))
    return rows


@pytest.mark.parametrize("separator", [",", ";"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_csv_gives_the_same_as_json_lines(separator: str, mark: str) -> None:
    """Whoever has a spreadsheet gets the same flags; other forms' empty columns are no unknown items."""
    lines = practice(3)
    rows = as_csv(lines, separator)
    ran = Ran([mark + rows[0], *rows[1:]])
    assert ran.raw == Ran(lines).raw
    assert ran.report.rejected == 0


def test_csv_says_what_is_wrong_with_a_row() -> None:
    """By the line of the file, the header being line 1."""
    rows = as_csv(rising())
    bad = [rows[1] + ",9", rows[1].replace(",25", ",x"), 'c-1,"gr18', rows[1].replace("gr18", "gr19")]
    ran = Ran([*rows, *bad[:1], *bad[2:]])
    assert [one["line"] for one in ran.rejects] == [8, 9, 10]
    assert ran.happened() == Ran(rising()).happened()
    declined = [rows[0], rows[1].rsplit(",", 1)[0] + ",declined"]
    assert Ran(declined).report.rejected == 0
    assert Ran([rows[0], rows[1].rsplit(",", 1)[0] + ",3.0"]).report.rejected == 1


@pytest.mark.parametrize("header", ["client,instrument,version,G1", "client,instrument,version,authored,G1,G1"])
def test_a_csv_without_its_columns_is_a_wrong_call(header: str) -> None:
    """One sentence about the header instead of a thousand rejected rows."""
    with pytest.raises(UsageError, match="column"):
        Ran([header, "c-1,gr18,1,x,1"])


# --- files ---------------------------------------------------------------------------------------------------------


def test_files_are_written_whole_or_not_at_all(tmp_path: Path) -> None:
    """A run that ends in the middle leaves the old output as it was, and nothing half done beside it."""
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text("\n".join(json.dumps(one) for one in rising()))
    out.write_text("old")
    with pytest.raises(RuntimeError):
        screen(source, out, progress=_stop)
    assert out.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "out.jsonl"]
    screen(source, out)
    assert [json.loads(text)["event"] for text in out.read_text().splitlines()] == ["raised", "cleared"]


def _stop(_: int) -> None:
    raise RuntimeError


def test_the_input_is_never_overwritten(tmp_path: Path) -> None:
    """Answers cannot be asked for again."""
    source = tmp_path / "in.jsonl"
    source.write_text("")
    with pytest.raises(UsageError, match="same"):
        screen(source, source)
    with pytest.raises(UsageError, match="same"):
        screen(source, tmp_path / "a", trace=tmp_path / "b" / ".." / "a")


def test_a_file_that_is_not_there_is_said_plainly(tmp_path: Path) -> None:
    """In one sentence, with the name of the file."""
    with pytest.raises(HandrailError, match=r"missing\.jsonl could not be read"):
        screen(tmp_path / "missing.jsonl", io.BytesIO())


# --- the short way and the schema ----------------------------------------------------------------------------------

ODD = st.one_of(
    st.none(), st.booleans(), st.integers(-9, 9), st.floats(allow_nan=False), st.text(max_size=6), st.just([])
)
LINES = st.fixed_dictionaries(
    {
        "client": st.one_of(st.sampled_from(["c-1", "Ünal", "", "a\x00b", "x" * 256, "a b"]), ODD),
        "instrument": st.one_of(st.sampled_from(["gr18", "phq9", "ts8", "gr19"]), ODD),
        "version": st.one_of(st.just("1"), ODD),
        "authored": st.one_of(
            st.sampled_from(
                ["2026-03-02T10:00:00+00:00", "2026-03-02T10:00Z", "2026-03-02T10:00:60Z", "2026-03-02", "2999"]
            ),
            ODD,
        ),
        "answers": st.one_of(any_answers(), st.dictionaries(st.sampled_from(["G1", "Q9", "T3", "W2", "?"]), ODD), ODD),
    },
    optional={"id": st.one_of(st.just("f-1"), ODD), "mode": st.one_of(st.just("paper"), ODD), "tags": ODD, "more": ODD},
)
GOOD = st.builds(line, st.sampled_from(["c-1", "Ünal", "a b"]), st.integers(0, 50), any_answers())


@st.composite
def nearly_good(draw: st.DrawFn) -> Json:
    """A good line with at most two keys spoilt: a line that is wrong in every way tests only the first check."""
    found = dict(draw(GOOD))
    spoilt = draw(LINES)
    for key in draw(st.lists(st.sampled_from(sorted(spoilt)), max_size=2)):
        found[key] = spoilt[key]
    return found


READER = Reader(builtin(), b"{")
SCHEMA = ScreenLineSchema(builtin())


@settings(max_examples=600, deadline=None)
@given(st.one_of(LINES, nearly_good(), nearly_good()))
def test_the_short_way_accepts_what_the_schema_accepts_and_nothing_else(given_line: Json) -> None:
    """Two readers of one format drift apart unless something holds them together."""
    raw = json.dumps(given_line, default=str).encode("utf-8", "surrogatepass")
    found = READER.read(raw)
    errors = SCHEMA.validate(json.loads(raw))
    assert isinstance(found, Response) == (not errors)
    if isinstance(found, Response):
        assert found == SCHEMA.load(json.loads(raw))
