"""The watched folder, tables with one row an answer, what is shown when a file is confirmed, layouts as files."""

from __future__ import annotations

from dataclasses import replace

import pytest
from handrail.adapters.files import faults
from handrail.adapters.files.layout import LONG, Layout
from handrail.plugin_core.errors import NotTheApi, SettingsError, Unsupported
from handrail.plugin_core.instruments import builtin, builtin_one
from handrail.plugin_core.instruments.translations import every
from handrail.plugin_core.mapping.propose import propose
from handrail.plugin_core.words import kept, speaking

from .exports import HEADINGS, LAYOUT, NATIVE, NOW, READ, Exports, assert_private, confirmed_excel, refused

# --- the folder ------------------------------------------------------------------------------------------------------


def test_a_file_that_is_being_copied_is_left_for_the_next_run(exports: Exports) -> None:
    """Half a file has rows, too."""
    exports.confirm()
    whole = exports.csv().read_bytes()
    path = exports.put("export.csv", whole[: len(whole) // 2], age=1)
    exports.while_sleeping.append(lambda: exports.put("export.csv", whole, age=0))
    got = exports.pull()
    assert got.forms == []
    assert "is being written" in got.said[0]
    exports.while_sleeping.clear()
    exports.date(path, 3600)
    assert exports.pull(got.cursor).answers == READ


def test_a_fresh_file_that_keeps_still_is_read_at_once(exports: Exports) -> None:
    """Else the first sync after an export would find nothing."""
    exports.confirm()
    exports.date(exports.csv(), 1)
    assert exports.pull().answers == READ
    assert exports.slept == [10]


@pytest.mark.parametrize("lock", ["~$export.xlsx", "~$port.xlsx"])
def test_a_file_that_is_open_in_excel_is_left_and_its_lock_is_no_table(exports: Exports, lock: str) -> None:
    """Excel writes ~$ and the name, without its first two letters where the name is long."""
    confirmed_excel(exports)
    exports.xlsx("export.xlsx", NATIVE)
    exports.put(lock, b"\x05Zoe Mueller")
    got = exports.pull()
    assert (got.forms, got.aside) == ([], [])
    assert "open in Excel" in got.said[0]
    (exports.folder / lock).unlink()
    assert exports.pull(got.cursor).answers == READ


def test_other_things_in_the_folder_are_let_be(exports: Exports) -> None:
    """A PDF, a folder, a hidden file."""
    exports.confirm()
    exports.csv()
    exports.put("report.pdf", b"%PDF-1.4")
    exports.put(".hidden.csv", b"x")
    (exports.folder / "old.csv").mkdir()
    got = exports.pull()
    assert (got.answers, got.aside) == (READ, [])


def test_the_folder_itself_may_be_gone(exports: Exports) -> None:
    """A share that is not mounted is no folder without files."""
    exports.csv()
    with pytest.raises(NotTheApi, match="cannot be read"):
        list(exports.open(folder=str(exports.folder / "gone")).pull(None))
    with pytest.raises(NotTheApi):
        exports.open(folder=str(exports.folder / "gone")).test()


def test_a_files_name_may_be_a_clients_and_is_told_only_in_part(exports: Exports) -> None:
    """S24: 'GAD-7 Zoë Müller 2026-02.csv' is how people name files."""
    exports.confirm()
    exports.put("GAD-7 Zoë Müller 2026-02.csv", b"\x00")
    got = exports.pull()
    assert "GAD-7 Z… M… 2026-02.csv" in got.texts
    assert_private(got.texts)
    assert "Z… M…" in exports.open().test().notes[0]


def test_test_says_what_is_there_and_that_somebody_must_confirm_it(exports: Exports) -> None:
    """The first thing that `connect` and `doctor` show."""
    exports.csv()
    found = exports.open().test()
    assert found.title == "Folder with 1 table"
    assert "handrail connect files" in found.notes[0]
    other = exports.open(folder=str(exports.own)).test()
    assert other.fingerprint != found.fingerprint


def test_what_files_cannot_do_is_said(exports: Exports) -> None:
    """Unsupported in a sentence, never skipped."""
    adapter = exports.open()
    with pytest.raises(Unsupported, match="by hand"):
        adapter.carrier("flag")
    with pytest.raises(Unsupported, match="Make the form"):
        adapter.publish(builtin_one("gr18"))


# --- long tables -----------------------------------------------------------------------------------------------------

LONG_LAYOUT = Layout(
    name="survey",
    kind="csv",
    layout=LONG,
    form="survey",
    headings=(("Response ID", "Client", "When", "Form", "Question", "Answer"),),
    columns={
        "id": "Response ID",
        "client": "Client",
        "date": "When",
        "form": "Form",
        "question": "Question",
        "answer": "Answer",
    },
    dates="ymd",
    encoding="utf-8",
    delimiter=",",
)  # fmt: skip


def answered(form: str, client: str, *answers: str) -> list[tuple[str, ...]]:
    return [(form, client, "2026-02-13", "Sleep", f"Question {n}", answer) for n, answer in enumerate(answers)]


def test_a_long_table_gives_each_form_once_whatever_the_order_of_its_rows(exports: Exports) -> None:
    """One row an answer, sorted by form or by question."""
    exports.confirm(LONG_LAYOUT)
    rows = [*answered("1", "a", "Often", "Never"), *answered("2", "b", "Never", "", "x")]
    for order in (rows, rows[::-1], sorted(rows, key=lambda row: row[4])):
        exports.csv(rows=order, headings=LONG_LAYOUT.headings[0], delimiter=",")
        got = exports.pull()
        assert sorted((one.client, one.form) for one in got.forms) == [("a", "Sleep"), ("b", "Sleep")]
        answers = {client: found for client, _, found in got.answers}
        assert answers["b"] == {"question 0": "Never", "question 1": None, "question 2": "x"}


def test_two_answers_on_one_line_of_a_long_table_both_come(exports: Exports) -> None:
    """The core sets such a form aside; here they must not become one."""
    exports.confirm(LONG_LAYOUT)
    rows = [*answered("1", "a", "Often"), *answered("1", "a", "Never"), *answered("1", "a", "Never")]
    exports.csv(rows=rows, headings=LONG_LAYOUT.headings[0], delimiter=",")
    assert [answer.label for answer in exports.pull().forms[0].lines[0].answers] == ["Often", "Never"]


def test_a_form_with_a_row_that_cannot_be_read_is_set_aside_whole(exports: Exports) -> None:
    """A comma that was not quoted breaks one row of a long table: read without it, the answer would count as left
    blank, and the form would be scored and set aside at once."""
    exports.confirm(LONG_LAYOUT)
    torn = ("1", "a", "2026-02-13", "Sleep", "Question 9", "Often", " but rarely")
    for rows in (
        [*answered("1", "a", "Often"), torn, *answered("2", "b", "Never")],
        [torn, *answered("1", "a", "Often"), *answered("2", "b", "Never")],
    ):
        exports.csv(rows=rows, headings=LONG_LAYOUT.headings[0], delimiter=",")
        got = exports.pull()
        assert [one.client for one in got.forms] == ["b"]
        assert [one.message for one in got.aside] == [faults.WIDTH]
        mended = [*answered("1", "a", "Often"), (*torn[:5], "Often, but rarely"), *answered("2", "b", "Never")]
        exports.csv(rows=mended, headings=LONG_LAYOUT.headings[0], delimiter=",")
        assert got.aside[0].remote_id in {one.id for one in exports.pull().forms}


def test_one_number_for_two_clients_is_no_form(exports: Exports) -> None:
    """Rows of two people must not be put together."""
    exports.confirm(LONG_LAYOUT)
    rows = [*answered("1", "a", "Often"), *answered("1", "b", "Never")]
    exports.csv(rows=rows, headings=LONG_LAYOUT.headings[0], delimiter=",")
    got = exports.pull()
    assert (got.forms, [one.message for one in got.aside]) == ([], [faults.SAME_ID])


# --- what is shown, what is listed -----------------------------------------------------------------------------------


def test_rows_are_shown_by_their_shape_never_by_what_stands_in_them(exports: Exports) -> None:
    """`connect` is looked at over shoulders, and its --json ends up in tickets."""
    exports.csv()
    said, _ = exports.arrange(confirm=False)
    facts = {fact["what"]: fact["is"] for fact in said.shown[0]["facts"]}
    assert facts["Client Name"] == "the client's name: Aaa Aaa… | Aa Aaa…"
    assert facts["Date"] == "the day on which it was filled in: 99.99.9999 | 99.99.9999 99:99"
    assert_private(str(said.shown))


def test_names_as_the_only_mark_of_a_client_are_warned_of(exports: Exports) -> None:
    """Two clients of one name would be read as one."""
    exports.csv(headings=("Client", "Date", "Q"), rows=[("Zoë Müller", "13.02.2026", "x")])
    said, left = exports.arrange()
    assert left == []
    assert any("two clients of one name" in problem for problem in said.shown[0]["problems"])


def test_a_missing_role_is_asked_for_by_its_name(exports: Exports) -> None:
    """Nothing is read before it is known whose it is."""
    exports.csv(headings=("Who", "Day", "Q"), rows=[("0071", "13.02.2026", "x")])
    assert "--answer client=HEADING" in exports.arrange()[1][0]
    _, left = exports.arrange({"client": "Who", "date": "Day", "form-name": "Sleep", "layout-name": "My files"})
    assert left == []
    layout = exports.layouts()[0]
    assert (layout.name, layout.form, layout.confirmed_by is not None) == ("my-files", "Sleep", True)


def test_intakeqs_extract_is_known_when_its_columns_are_named_as_the_page_says(exports: Exports) -> None:
    """The practice chooses the headings there; docs/platforms/files.md says which to choose."""
    gad7 = builtin_one("gad7")
    headings = ("Intake Id", "Client Id", "Client Name", "Practitioner", "Date Submitted", "Questionnaire")
    row = ("abc", "42", "Zoë Müller", "T. Herapist", "02/13/2026 9:30 AM", "Anxiety")
    texts = [item.text for item in gad7.items]
    exports.csv(headings=[*headings, *texts], rows=[[*row, *["Several days"] * 7]], delimiter=",", encoding="utf-8-sig")
    said, left = exports.arrange()
    assert left == []
    assert any("IntakeQ" in fact["is"] for fact in said.shown[0]["facts"])
    got = exports.pull()
    assert (got.forms[0].form, got.forms[0].client_name) == ("Anxiety", "Zoë Müller")
    person = next(iter(exports.open().clients(["42"])))
    assert (person.name, person.clinician_name) == ("Zoë Müller", "T. Herapist")


def test_words_of_one_client_alone_are_not_listed_as_an_option(exports: Exports) -> None:
    """A remark in a column of its own would be shown to whoever connects, as if it were an answer to choose."""
    exports.confirm()
    rows = [
        ("F1", "0071", "Zoë", "13.02.2026", "Not at all", "I had a dream of Bo Grün"),
        ("F2", "0071", "Zoë", "14.02.2026", "So-so", "I had a dream of Bo Grün"),
        ("F3", "0072", "Bo", "15.02.2026", "So-so", "4"),
    ]
    exports.csv(rows=rows)
    form = exports.forms()[0]
    assert form.observed
    assert [[option.label for option in question.options] for question in form.questions] == [
        ["Not at all", "So-so"],
        ["4"],
    ]


# --- layouts as files ------------------------------------------------------------------------------------------------


def test_a_layout_is_a_file_that_a_person_can_read_and_edit(exports: Exports) -> None:
    """For its owner only; what contradicts itself is refused with its place."""
    exports.csv()
    exports.arrange()
    path = next((exports.own / "layouts").glob("*.json"))
    text = path.read_text(encoding="utf-8")
    assert '"dates": "dmy"' in text
    assert path.stat().st_mode & 0o077 == 0
    for old, new, why in (
        ('"dates": "dmy"', '"dates": "guess"', "dates: must be one of"),
        ('"client": "Client ID"', '"client": "Nobody"', "not among headings"),
        ('"client": "Client ID"', '"client": "Date"', "one heading twice"),
        ('"zone": null', '"zone": "Mars/Base"', "no time zone"),
        ("{", "", "no readable file"),
    ):
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
        with pytest.raises(SettingsError, match=why):
            exports.layouts()


def test_two_layouts_that_fit_one_file_are_told_apart_by_its_name(exports: Exports) -> None:
    """Two exports with the same columns: which form is it?"""
    exports.confirm()
    exports.confirm(replace(LAYOUT, name="other", form="other"))
    exports.csv("b-1.csv")
    refused(exports, faults.TWO_LAYOUTS)
    exports.confirm(replace(LAYOUT, files="a-*"))
    exports.confirm(replace(LAYOUT, name="other", form="other", files="B-*.csv"))
    assert [one.form for one in exports.pull().forms] == ["other", "other"]


def test_what_was_set_aside_is_told_in_german(exports: Exports) -> None:
    """The sentences are kept in English and told in the language of the day."""
    with speaking("de"):
        for why in [value for name, value in vars(faults).items() if name.isupper() and isinstance(value, str)]:
            assert kept.told(why) != why, why
        assert kept.told(kept.FILE_LINE.format(line=3, file="x.csv")) != kept.FILE_LINE.format(line=3, file="x.csv")


def test_the_clock_of_now_is_only_for_waiting(exports: Exports) -> None:
    """F5: a clock that is wrong by years changes neither forms nor cursor."""
    exports.confirm()
    exports.csv()
    first = exports.pull()
    exports.now = NOW.replace(year=2027)
    later = exports.pull()
    assert (later.answers, later.cursor) == (first.answers, first.cursor)


def test_forms_side_by_side_in_one_table_are_proposed_each_by_its_own_columns(exports: Exports) -> None:
    """One export of two questionnaires: each row fills the columns of its form, and the others stand empty."""
    gad7, phq9 = builtin_one("gad7"), builtin_one("phq9")
    headings = ("Form ID", "Client ID", "Date", "Form", *(item.text for item in (*gad7.items, *phq9.items)))
    labels = [option.label for option in gad7.items[0].options]
    last = [option.label for option in phq9.items[9].options]
    rows = []
    for n in range(8):
        some = [labels[(n + k) % 4] for k in range(9)]
        rows.append((f"a{n}", f"00{n}", f"2026-02-{n + 10}", "Worry", *some[:7], *[""] * 10))
        rows.append((f"b{n}", f"00{n}", f"2026-02-{n + 10}", "Mood", *[""] * 7, *some, last[n % 4]))
    exports.csv(rows=rows, headings=headings)
    assert exports.arrange()[1] == []
    forms = [form for instrument in builtin() for form in every(instrument)]
    found = {form.form: propose(form, forms) for form in exports.forms()}
    assert {name: one and (one.instrument.id, one.certain) for name, one in found.items()} == {
        "Worry": ("gad7", True),
        "Mood": ("phq9", True),
    }


def test_a_file_whose_columns_are_confirmed_never_changes_its_layout(exports: Exports) -> None:
    """A file with its days the other way round is to be exported again; with --confirm it must not turn all others."""
    exports.confirm()
    exports.csv(rows=[("F1", "0071", "Zoë", "02.13.2026", "Often", "")])
    said, left = exports.arrange()
    assert faults.OTHER_DATES in left[0]
    assert (said.shown, exports.layouts()) == ([], [LAYOUT])


def test_a_huge_file_is_streamed(exports: Exports) -> None:
    """Thirty megabytes of remarks in a column that nobody reads: what is held is a mark for each form."""
    import tracemalloc

    remark = "word " * 4000
    headings = (*HEADINGS, "Remarks")
    exports.confirm(replace(LAYOUT, headings=(headings,), ignored=("Remarks",)))
    row = ("0071", "Zoë", "13.02.2026", "Often", "", remark)
    path = exports.csv(rows=[(f"F{n}", *row) for n in range(1600)], headings=headings)
    assert path.stat().st_size > 30_000_000
    tracemalloc.start()
    number = sum(len(page.responses) for page in exports.open().pull(None))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert number == 1600
    assert peak < 8_000_000
