"""Files as practices really export them: encodings, dates, identity, columns that change, rows that cannot be read.

Nothing is read by a guess, nothing of a file's content turns up in a message, and a bad row costs itself alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from handrail.adapters.files import faults
from handrail.schemas.vocab import QuarantineReason as R

from .exports import HEADINGS, LAYOUT, READ, ROWS, Exports, assert_private, refused

# --- encodings, delimiters -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("delimiter", [";", ",", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_encoding_and_delimiter_are_found_and_shown(exports: Exports, encoding: str, delimiter: str) -> None:
    """A wrongly read ü makes another option, or another client, of it; so what was found is shown before it is used."""
    exports.csv(encoding=encoding, delimiter=delimiter)
    said, left = exports.arrange(confirm=False)
    (why,) = left
    assert why.startswith("export.csv is not read yet: nobody has confirmed it (")
    facts = {fact["what"]: fact["is"] for fact in said.shown[0]["facts"]}
    assert facts["encoding"] == {"cp1252": "windows-1252"}.get(encoding, encoding)
    assert facts["cells are parted by"] == {"\t": "tab"}.get(delimiter, delimiter)
    assert exports.pull().forms == []
    assert exports.arrange()[1] == []
    got = exports.pull()
    assert got.answers == READ
    assert [client.name for client in exports.open().clients(["0071", "0072", "9"])] == ["Zoë Müller", "Bo Grün"]


def test_a_later_file_may_mark_its_own_encoding_but_not_change_it_silently(exports: Exports) -> None:
    """The next version of the platform writes a byte-order mark, or another program saved the file."""
    exports.confirm()
    exports.csv("a.csv", encoding="utf-8-sig")
    assert exports.pull().answers == READ
    exports.csv("a.csv", encoding="cp1252")
    refused(exports, faults.OTHER_ENCODING)


def test_a_foreign_encoding_is_asked_for(exports: Exports) -> None:
    """ł in Windows-1250 is ³ in Windows-1252: nobody would notice before two clients are one."""
    rows = [("F1", "0071", "Łucja", "13.02.2026", "Często", "Nigdy")]
    exports.csv(rows=rows, encoding="cp1250")
    _, left = exports.arrange()
    assert "encoding" in left[0]
    _, left = exports.arrange({"encoding": "cp1250"})
    assert left == []
    assert exports.pull().answers[0][2]["i slept well"] == "Często"


def test_excels_own_line_about_the_separator_is_no_heading(exports: Exports) -> None:
    """Excel writes sep=; into the first line where a person asked for it."""
    text = "sep=;\r\n" + ";".join(HEADINGS) + "\r\n" + ";".join(ROWS[0]) + "\r\nF3;x\r\n"
    exports.put("export.csv", text.encode())
    exports.confirm()
    got = exports.pull()
    assert got.answers == READ[:1]
    assert got.aside[0].where == "line 4 of the file export.csv"


# --- dates -----------------------------------------------------------------------------------------------------------


def dated(*days: str) -> list[tuple[str, ...]]:
    return [(f"F{n}", f"007{n}", "Zoë", day, "Often", "Never") for n, day in enumerate(days)]


def test_an_order_of_day_and_month_that_cannot_be_told_is_asked_never_guessed(exports: Exports) -> None:
    """The second of January read as the first of February puts a form into another month for ever."""
    exports.csv(rows=dated("01/02/2026", "03/04/2026"))
    _, left = exports.arrange()
    assert "order of day and month" in left[0]
    assert exports.layouts() == []
    assert exports.arrange({"dates": "mdy"})[1] == []
    assert [one.authored for one in exports.pull().forms] == ["2026-01-02T12:00:00+01:00", "2026-03-04T12:00:00+01:00"]


@pytest.mark.parametrize(
    ("days", "order"),
    [
        (("13/02/2026", "01/02/2026"), "dmy"),
        (("02/13/2026", "01/02/2026"), "mdy"),
        (("2026-02-01 10:00", "2026-02-02T11:00:00Z"), "ymd"),
        (("1.2.26 8:05", "28.02.26"), "dmy"),
        (("02/01/2026 2:05 PM", "02/28/2026 12:00 am"), "mdy"),
    ],
)
def test_an_order_that_follows_from_the_file_is_shown_and_confirmed(
    exports: Exports, days: Sequence[str], order: str
) -> None:
    """One day beyond the twelfth settles the whole column."""
    exports.csv(rows=dated(*days))
    assert exports.arrange()[1] == []
    assert exports.layouts()[0].dates == order
    assert len(exports.pull().forms) == 2


def test_a_later_file_with_another_order_is_set_aside_as_a_whole(exports: Exports) -> None:
    """Its ambiguous days would be read wrongly without anybody noticing."""
    exports.confirm()
    exports.csv(rows=dated("02.13.2026", "01.02.2026"))
    refused(exports, faults.OTHER_DATES, reason=R.CHANGED_DEFINITION)


def test_days_in_the_future_that_the_other_order_would_explain_are_another_order(exports: Exports) -> None:
    """Exported on 20 November: 01.12. by day and month is 12 January by month and day."""
    exports.confirm()
    exports.csv(rows=dated("01.12.2026", "11.02.2026"))
    refused(exports, faults.OTHER_DATES)


def test_day_numbers_of_excel_are_read_only_by_the_system_that_a_person_named(exports: Exports) -> None:
    """The same number is four years apart in the two systems (1900 and 1904)."""
    exports.csv(rows=dated("46066", "46067,5"))
    _, left = exports.arrange()
    assert "order of day and month" in left[0]
    assert exports.arrange({"dates": "serial-1900"})[1] == []
    assert [one.authored for one in exports.pull().forms] == ["2026-02-13T12:00:00+01:00", "2026-02-14T12:00:00+01:00"]
    exports.confirm(replace(exports.layouts()[0], dates="serial-1904"))
    assert exports.pull().forms[0].authored == "2030-02-14T12:00:00+01:00"


def test_times_are_local_to_the_practice_and_one_that_did_not_exist_costs_its_row(exports: Exports) -> None:
    """On 29 March 2026 clocks in Zurich went from two to three; on 25 October two o'clock came twice."""
    exports.confirm()
    exports.csv(rows=dated("29.03.2026 02:30", "29.03.2026 03:30", "25.10.2026 02:30", "13.02.2026 09:00 +00:00"))
    got = exports.pull()
    assert [one.authored for one in got.forms] == [
        "2026-03-29T03:30:00+02:00",
        "2026-10-25T02:30:00+02:00",
        "2026-02-13T09:00:00+00:00",
    ]
    assert [(one.where, one.message) for one in got.aside] == [("line 2 of the file export.csv", faults.GAP)]


def test_a_layout_may_have_a_zone_of_its_own_and_a_column_for_the_time(exports: Exports) -> None:
    """Vendors export in UTC, or split day and time."""
    headings = (*HEADINGS[:4], "Time", *HEADINGS[4:])
    columns = {**LAYOUT.columns, "time": "Time"}
    exports.confirm(replace(LAYOUT, headings=(headings,), columns=columns, zone="America/New_York"))
    exports.csv(rows=[("F1", "0071", "Z", "13.02.2026", "4:15 pm", "Often", "")], headings=headings)
    assert exports.pull().forms[0].authored == "2026-02-13T16:15:00-05:00"


# --- identity, importing again ---------------------------------------------------------------------------------------


def test_a_second_pull_yields_nothing_and_a_copy_brings_the_same_forms(exports: Exports) -> None:
    """Whoever exports twice, or copies a file, must not double a client's forms."""
    exports.confirm()
    exports.csv("a.csv")
    first = exports.pull()
    assert exports.pull(first.cursor).pages == []
    exports.csv("b.csv")
    again = exports.pull(first.cursor)
    assert [one.id for one in again.forms] == [one.id for one in first.forms]
    assert exports.pull(again.cursor).pages == []


def test_a_form_without_a_number_is_known_by_client_day_and_form(exports: Exports) -> None:
    """And two rows that these do not tell apart are set aside when they differ; the same row twice counts once."""
    columns = {role: heading for role, heading in LAYOUT.columns.items() if role != "id"}
    exports.confirm(replace(LAYOUT, columns=columns, ignored=("Form ID",)))
    one, other = ROWS[0], ("F9", "0071", "Zoë Müller", "13.02.2026", "Never", "Never")
    exports.csv(rows=[one, one, ROWS[1]])
    got = exports.pull()
    assert got.answers == READ
    assert "0071" not in got.forms[0].id
    exports.csv(rows=[one, other, ROWS[1]])
    got = exports.pull()
    assert got.answers == READ[1:]
    assert {one.message for one in got.aside} == {faults.CONFLICT}


def test_an_old_export_that_comes_back_does_not_take_back_a_correction(exports: Exports) -> None:
    """The core keeps the newer of two versions; a copy of the old file is as old as the old file was."""
    exports.confirm()
    old = exports.csv("a.csv")
    data = old.read_bytes()
    first = exports.pull()
    corrected = [("F1", "0071", "Zoë Müller", "13.02.2026", "Never", "Never"), ROWS[1]]
    exports.date(exports.csv("b.csv", rows=corrected), 1800)
    second = exports.pull(first.cursor)
    exports.put("copy.csv", data, age=60)
    third = exports.pull(second.cursor)
    assert third.forms[0].updated == first.forms[0].updated
    assert (first.forms[0].updated or "") < (second.forms[0].updated or "")


def test_a_file_that_vanishes_withdraws_nothing_and_fetch_leaves_it(exports: Exports) -> None:
    """Practices clear such folders; the forms were filled in all the same."""
    exports.confirm()
    path = exports.csv()
    first = exports.pull()
    ids = [one.id for one in first.forms]
    assert list(exports.open().listing()) == [dict.fromkeys(ids)]
    path.unlink()
    assert exports.pull(first.cursor).gone == []
    page = exports.open().fetch(ids)
    assert (page.responses, page.gone) == ((), ())


BROKEN = ("F3", "0073", "Ida", "31.02.2026", "Often", "")
MENDED = ("F3", "0073", "Ida", "13.02.2026", "Often", "")


def test_a_form_that_is_mended_in_its_file_stays(exports: Exports) -> None:
    """It was set aside under the id that it is read by: said to be gone, it would be withdrawn as soon as stored."""
    exports.confirm()
    exports.csv(rows=[*ROWS, BROKEN])
    first = exports.pull()
    exports.csv(rows=[*ROWS, MENDED])
    second = exports.pull(first.cursor)
    assert first.aside[0].remote_id in [one.id for one in second.forms]
    assert second.gone == []


def test_a_form_that_is_mended_in_another_file_stays_when_the_first_is_taken_out(exports: Exports) -> None:
    """The usual way: a new export is put beside the old one, which is removed, at once or later."""
    exports.confirm()
    path = exports.csv(rows=[*ROWS, BROKEN])
    first = exports.pull()
    exports.put("newer.csv", exports.csv(rows=[*ROWS, MENDED]).read_bytes(), age=60)
    path.unlink()
    second = exports.pull(first.cursor)
    assert first.aside[0].remote_id in [one.id for one in second.forms]
    assert second.gone == []
    assert exports.pull(second.cursor).gone == []


def test_f69_what_is_mended_is_told_again_when_its_page_was_not_stored(exports: Exports) -> None:
    """A stop between the two left it set aside for ever, with the warning that it may hold a safety answer."""
    exports.confirm()
    exports.csv(rows=[*ROWS, ("F3", "", "", "13.02.2026", "Often", "")])
    first = exports.pull()
    exports.csv()
    pages = exports.open().pull(first.cursor)
    gone = next(page.gone for page in pages if page.gone)
    pages.close()  # type: ignore[attr-defined]
    assert exports.pull(first.cursor).gone == gone == [first.aside[0].remote_id]


def test_what_was_set_aside_is_released_when_it_is_mended_or_taken_away(exports: Exports) -> None:
    """Else the list of what is set aside grows for ever, and nobody looks at it any more."""
    exports.confirm()
    path = exports.csv(rows=[*ROWS, ("F3", "", "", "13.02.2026", "Often", "")])
    first = exports.pull()
    assert [one.message for one in first.aside] == [faults.NO_CLIENT]
    exports.csv()
    second = exports.pull(first.cursor)
    assert second.gone == [first.aside[0].remote_id]
    exports.put("junk.csv", b"\x00\x01\x02\x03")
    third = exports.pull(second.cursor)
    assert [one.message for one in third.aside] == [faults.NOT_TEXT]
    (exports.folder / "junk.csv").unlink()
    last = exports.pull(third.cursor)
    assert last.gone == [third.aside[0].remote_id]
    assert "no longer listed" in last.said[0]
    assert path.exists()


# --- files that deviate ----------------------------------------------------------------------------------------------


def test_a_column_that_is_missing_or_new_sets_the_file_aside_until_somebody_confirms_it(exports: Exports) -> None:
    """A reworded question would otherwise be a question that nobody answered."""
    exports.confirm()
    exports.csv("a.csv", headings=HEADINGS[:-1], rows=[row[:-1] for row in ROWS])
    refused(exports, "the column I felt calm is missing, which it had when it was confirmed")
    more = (*HEADINGS, "Zoë Müller")
    exports.csv("a.csv", headings=more, rows=[(*row, "Often") for row in ROWS])
    refused(exports, "columns were added since it was confirmed (1)", reason=R.CHANGED_DEFINITION)
    said, left = exports.arrange()
    assert left == []
    assert {"what": "new against it", "is": "Zoë Müller"} in said.shown[0]["facts"]
    assert [one.name for one in exports.layouts()] == ["sleep"]
    assert len(exports.layouts()[0].headings) == 2
    exports.csv("b.csv")
    assert len(exports.pull().forms) == 4


def test_columns_in_another_order_are_the_same_columns(exports: Exports) -> None:
    """They are found by their headings."""
    exports.confirm()
    order = [5, 3, 1, 0, 2, 4]
    exports.csv(headings=[HEADINGS[n] for n in order], rows=[[row[n] for n in order] for row in ROWS])
    assert exports.pull().answers[0][2] == READ[0][2]


def test_rows_are_rejected_one_by_one_with_their_line_and_reason(exports: Exports) -> None:
    """The rest of the file goes on."""
    exports.confirm()
    rows = [
        ROWS[0],
        ("F3", "", "Zoë", "13.02.2026", "Often", ""),
        ("F4", "0071", "Zoë", "", "Often", ""),
        ("F5", "0071", "Zoë", "yesterday", "Often", ""),
        ("F6", "0071", "Zoë", "31.02.2026", "Often", ""),
        ("", "0071", "Zoë", "13.02.2026", "Often", ""),
        ("F7", "0071", "Zoë"),
        ("F8", "0071\nx", "Zoë", "13.02.2026", "Of\nten", "\ud800".encode("utf-8", "replace").decode()),
        ("F9", "7" * 300, "Zoë", "13.02.2026", "Often", ""),
        ROWS[1],
    ]
    exports.csv(rows=rows)
    got = exports.pull()
    assert [one.client for one in got.forms] == ["0071", "0071 x", "0072"]
    assert [(one.where.split()[1], one.message) for one in got.aside] == [
        ("3", faults.NO_CLIENT),
        ("4", faults.NO_DATE),
        ("5", faults.BAD_DATE),
        ("6", faults.BAD_DATE),
        ("7", faults.NO_ID),
        ("8", faults.WIDTH),
        ("12", faults.LONG_TEXT),
    ]
    assert_private(got.texts)


def test_a_file_of_which_most_rows_break_is_set_aside_as_a_whole(exports: Exports) -> None:
    """Not row by row: its export has changed."""
    exports.confirm()
    exports.csv(rows=[("F1", "", "", "13.02.2026", "Often", "")] * 30 + list(ROWS))
    refused(exports, faults.MOSTLY_BROKEN)


def test_many_broken_rows_in_a_good_file_do_not_stop_the_core(exports: Exports) -> None:
    """The core stops at a page of which most is broken: such rows are spread over pages."""
    exports.confirm()
    good = [(f"F{n}", "0071", "Zoë", "13.02.2026", "Often", "") for n in range(200)]
    exports.csv(rows=[*good, *[(f"G{n}", "", "", "13.02.2026", "", "") for n in range(150)]])
    got = exports.pull()
    assert (len(got.forms), len(got.aside)) == (200, 150)
    assert max(len(page.set_aside) for page in got.pages) < 20


BAD_FILES: list[tuple[str, bytes, str]] = [
    ("export.csv", b"", faults.EMPTY),
    ("export.csv", b"\xef\xbb\xbf\r\n;;\r\n", faults.EMPTY),
    ("export.csv", ";".join(HEADINGS).encode(), faults.NO_ROWS),
    ("export.csv", (";".join(HEADINGS) + '\r\n"F1";"0071;Zo').encode(), faults.CUT),
    ("export.csv", (";".join(HEADINGS) + '\r\nF1;"00"71;x;y;z;a').encode(), faults.CUT),
    ("export.csv", b"PK\x03\x04 and so on", faults.NOT_CSV),
    ("export.xlsx", ";".join(HEADINGS).encode(), faults.UNCONFIRMED),
    ("export.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 600, faults.OLD_EXCEL),
    ("export.xls", b"<html><table><tr><td>Zo\xc3\xab M\xc3\xbcller</td></tr></table>", faults.HTML),
    ("export.csv", b"a;b\x00\x00c\r\n1;2", faults.NOT_TEXT),
    ("export.csv", (";".join(HEADINGS) + "\r\n" + "x" * 1_100_000).encode(), faults.LONG_LINE),
    ("export.xlsx", b"PK\x03\x04" + b"\x00" * 40, faults.DAMAGED),
]


@pytest.mark.parametrize(("name", "data", "why"), BAD_FILES, ids=[f"{n}-{why[:40]}" for n, _, why in BAD_FILES])
def test_a_file_that_is_no_table_is_set_aside_with_a_plain_sentence(
    exports: Exports, name: str, data: bytes, why: str
) -> None:
    """And the others in the folder are read all the same."""
    exports.confirm()
    exports.put(name, data)
    got = exports.pull()
    if why != faults.UNCONFIRMED:  # a CSV under Excel's name is a CSV
        assert [one.message for one in got.aside] == [why]
    exports.csv("good.csv")
    assert exports.pull().answers == READ
    assert_private(got.texts)


def test_a_file_without_headings_is_refused_and_its_first_row_never_told(exports: Exports) -> None:
    """The first row is then a client."""
    exports.csv(headings=ROWS[0], rows=ROWS[1:])
    said, left = exports.arrange()
    assert faults.NO_HEADINGS in left[0]
    assert_private(" ".join(left))
    exports.confirm()
    got = exports.pull()
    assert got.forms == []
    assert_private(got.texts)
    assert said.shown == []


@pytest.mark.parametrize(
    ("headings", "why"),
    [
        (("Form ID", "Client ID", "client id", "Date", "I slept well", "I felt calm"), faults.SAME_HEADINGS),
        (("1", "0071", "x@y.example", "Date", "b", "c"), faults.NO_HEADINGS),
    ],
)
def test_headings_that_are_alike_or_none_cannot_be_confirmed(
    exports: Exports, headings: Sequence[str], why: str
) -> None:
    """Nobody could say which of the two columns was meant."""
    exports.csv(headings=headings)
    assert why in exports.arrange()[1][0]


def test_a_column_without_a_heading_is_fine_only_while_it_is_empty(exports: Exports) -> None:
    """Merged cells at the top leave such columns behind; their answers would belong to nothing."""
    headings = (*HEADINGS, "")
    exports.confirm(replace(LAYOUT, headings=(headings,)))
    exports.csv(headings=headings, rows=[(*row, "") for row in ROWS])
    assert exports.pull().answers == READ
    exports.csv(headings=headings, rows=[(*row, "Often") for row in ROWS])
    refused(exports, faults.NO_HEADING)
