"""What Excel does to numbers and dates, and Excel files themselves: formulas, hidden sheets, attacks, damage."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from handrail.adapters.files import faults

from .exports import LAYOUT, NATIVE, READ, Exports, confirmed_excel, refused

# --- what Excel does to numbers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", ["1.25E+18", "1,25E+18", "1250000000000000000", "9.0E+17"])
def test_long_numbers_that_excel_has_rounded_are_refused(exports: Exports, number: str) -> None:
    """Two clients of a 64-bit platform would become one."""
    exports.confirm()
    exports.csv(rows=[("F1", number, "Zoë", "13.02.2026", "Often", "")])
    refused(exports, faults.LONG_IDS)


def test_long_numbers_that_are_whole_are_kept_to_the_last_digit(exports: Exports) -> None:
    """F54: as text, never as a number."""
    exports.confirm()
    exports.csv(rows=[("F1", "1250000000000000017", "Zoë", "13.02.2026", "Often", "")])
    assert exports.pull().forms[0].client == "1250000000000000017"


def test_lost_leading_zeros_are_seen(exports: Exports) -> None:
    """0071 saved by Excel is 71: another client."""
    exports.csv("a.csv")
    assert exports.arrange()[1] == []
    assert exports.layouts()[0].client_digits == 4
    exports.csv("a.csv", rows=[("F1", "71", "Zoë", "13.02.2026", "Often", "")])
    refused(exports, faults.ZEROS)


@pytest.mark.parametrize(
    ("cell", "label"), [("3", "3"), ("3,0", "3"), ("3.0", "3.0"), ("2,5", "2,5"), ("03", "3"), ("1.200", "1.200")]
)
def test_numbers_are_read_by_the_sign_that_was_confirmed(exports: Exports, cell: str, label: str) -> None:
    """3,0 is three where decimals have a comma; 1.200 may be a thousand and is left as it is."""
    exports.confirm(replace(LAYOUT, decimal=","))
    exports.csv(rows=[("F1", "0071", "Zoë", "13.02.2026", cell, "")])
    assert exports.pull().answers[0][2]["i slept well"] == label


def test_both_decimal_signs_in_one_file_are_asked_for(exports: Exports) -> None:
    """Whether 1.500 is one and a half or one thousand five hundred is not for us to say."""
    exports.csv(rows=[("F1", "0071", "Zoë", "13.02.2026", "1,5", "1.5")])
    assert "decimals" in exports.arrange()[1][0]
    assert exports.arrange({"decimal": ","})[1] == []


# --- Excel -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("system", [1900, 1904])
def test_an_excel_file_is_read_with_its_own_dates_in_both_systems(exports: Exports, system: int) -> None:
    """Old Macs count days from 1904."""
    from openpyxl.utils.datetime import CALENDAR_MAC_1904, CALENDAR_WINDOWS_1900

    def work(book: Any) -> None:
        book.epoch = CALENDAR_MAC_1904 if system == 1904 else CALENDAR_WINDOWS_1900

    exports.xlsx("export.xlsx", NATIVE, work=work)
    assert exports.arrange()[1] == []
    assert exports.layouts()[0].dates == "excel"
    assert exports.pull().answers == READ


def test_a_formula_is_never_taken_for_its_stored_result(exports: Exports) -> None:
    """The stored result is what some program once put there; where the cell is not read it may stand."""

    def work(book: Any) -> None:
        sheet = book.active
        sheet["E2"] = '=IF(1=1,"Often","Never")'
        sheet["C3"] = "=1+1"

    confirmed_excel(exports)
    exports.xlsx("export.xlsx", NATIVE, work=work)
    got = exports.pull()
    assert [one.message for one in got.aside] == [faults.FORMULA, faults.FORMULA]
    layout = exports.layouts()[0]
    columns = {role: heading for role, heading in layout.columns.items() if role != "name"}
    exports.confirm(replace(layout, columns=columns, ignored=("Client Name",)))
    got = exports.pull()
    assert [one.client for one in got.forms] == ["0072"]
    assert [one.where for one in got.aside] == ["line 2 of the file export.xlsx"]


def test_hidden_sheets_are_named_and_not_read_unless_asked(exports: Exports) -> None:
    """What somebody hid is not what they exported."""

    def work(book: Any) -> None:
        hidden = book.create_sheet("Old answers")
        hidden.append(["x"])
        hidden.sheet_state = "hidden"

    exports.xlsx("export.xlsx", NATIVE, work=work)
    said, left = exports.arrange()
    assert left == []
    assert {"what": "hidden sheets, not read", "is": "Old answers"} in said.shown[0]["facts"]
    assert exports.pull().answers == READ


def test_several_visible_sheets_are_asked_for_and_a_new_one_deviates(exports: Exports) -> None:
    """The first sheet is not always the right one."""

    def work(book: Any) -> None:
        book.create_sheet("Notes").append(["Private", "Words"])

    exports.xlsx("export.xlsx", NATIVE, work=work)
    _, left = exports.arrange()
    assert faults.WHICH_SHEET in left[0]
    assert exports.arrange({"sheet": "Export"})[1] == []
    assert exports.pull().answers == READ
    confirmed_excel(exports)
    for path in (exports.own / "layouts").glob("table-*.json"):
        path.unlink()
    refused(exports, faults.MANY_SHEETS)


def test_dates_of_which_excel_turned_some_are_refused(exports: Exports) -> None:
    """Excel opened 03/04 and 13/04 with another country's settings: one became a date, swapped, the other a text."""
    confirmed_excel(exports)
    exports.xlsx("export.xlsx", [NATIVE[0], ("F2", "0072", "Bo", "14/13/2026", "Rarely", "")])
    refused(exports, faults.MIXED_DATES)


def test_numbers_of_clients_in_number_cells(exports: Exports) -> None:
    """Kept with the zeros that Excel shows; refused where Excel has no digits left for them."""
    confirmed_excel(exports)

    def zeros(book: Any) -> None:
        book.active["B2"] = 71
        book.active["B2"].number_format = "0000"

    exports.xlsx("export.xlsx", NATIVE, work=zeros)
    assert exports.pull().forms[0].client == "0071"

    for number in (1250000000000000017, 1234567890123456):

        def long(book: Any, number: int = number) -> None:
            book.active["B2"] = number

        exports.xlsx("export.xlsx", NATIVE, work=long)
        refused(exports, faults.LONG_IDS)


def repacked(exports: Exports, change: Callable[[dict[str, bytes]], None], name: str = "export.xlsx") -> None:
    """A good Excel file with parts changed."""
    import io
    import zipfile

    path = exports.xlsx(name, NATIVE)
    with zipfile.ZipFile(path) as archive:
        parts = {part: archive.read(part) for part in archive.namelist()}
    change(parts)
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for part, content in parts.items():
            archive.writestr(part, content)
    exports.put(name, data.getvalue())


def entities(parts: dict[str, bytes]) -> None:
    sheet = parts["xl/worksheets/sheet1.xml"]
    doctype = b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
    head, mark, rest = sheet.partition(b"<worksheet")
    parts["xl/worksheets/sheet1.xml"] = head + doctype + mark + rest.replace(b"Often", b"&a;")


def bomb(parts: dict[str, bytes]) -> None:
    parts["xl/worksheets/sheet1.xml"] += b" " * 300_000_000


def last_row_is(number: int, parts: dict[str, bytes]) -> None:
    """The row that Excel calls by that number; all between it and the one before are empty."""
    name = "xl/worksheets/sheet1.xml"
    before, mark, row = parts[name].rpartition(b"<row ")
    parts[name] = before + mark + re.sub(rb'r="([A-Z]*)\d+"', rb'r="\g<1>%d"' % number, row)


def laughs(parts: dict[str, bytes]) -> None:
    doctype = b'<!DOCTYPE s [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>'
    head, mark, rest = parts["xl/workbook.xml"].partition(b"<workbook")
    parts["xl/workbook.xml"] = head + doctype + mark + rest.replace(b"Export", b"&b;")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (entities, faults.ENTITIES),
        (laughs, faults.ENTITIES),
        (bomb, faults.BOMB),
        (lambda parts: parts.update({"xl/vbaProject.bin": b"x"}), faults.MACROS),
        (lambda parts: parts.pop("xl/workbook.xml"), faults.NOT_XLSX),
        (lambda parts: parts.update({"xl/worksheets/sheet1.xml": b"<worksheet><sheetData><row>"}), faults.DAMAGED),
        (lambda parts: parts.update({"xl/worksheets/sheet1.xml": b"\xff\xfe\x00"}), faults.DAMAGED),
        (lambda parts: parts.update({f"junk/{n}": b"" for n in range(2100)}), faults.BOMB),
        (lambda parts: last_row_is(1_048_577, parts), faults.DAMAGED),
        (lambda parts: last_row_is(10**300, parts), faults.DAMAGED),
    ],
)
def test_an_excel_file_that_is_an_attack_or_damaged_is_refused(
    exports: Exports, change: Callable[[dict[str, bytes]], None], why: str
) -> None:
    """XXE, a bomb, macros: anybody may be able to put a file into that folder."""
    confirmed_excel(exports)
    repacked(exports, change)
    refused(exports, why)


def test_a_row_may_stand_at_the_very_end_of_a_sheet(exports: Exports) -> None:
    """Somebody pressed Ctrl and an arrow key, and typed on there."""
    confirmed_excel(exports)
    repacked(exports, lambda parts: last_row_is(1_048_576, parts))
    assert exports.pull().answers == READ


def test_a_style_that_is_not_there_is_no_line_of_output(exports: Exports, capsys: pytest.CaptureFixture[str]) -> None:
    """The library prints it: a program that reads `handrail sync --json` would find a line that is no JSON."""
    confirmed_excel(exports)
    part, there = "xl/styles.xml", b'name="Normal" xfId="0"'
    repacked(exports, lambda parts: parts.update({part: parts[part].replace(there, there.replace(b"0", b"7"))}))
    refused(exports, faults.DAMAGED)
    assert capsys.readouterr().out == ""


def test_excel_says_how_large_a_sheet_is_and_is_not_believed(exports: Exports) -> None:
    """A sheet that claims to be one cell, or a million rows."""
    confirmed_excel(exports)
    for claim in (b'<dimension ref="A1"/>', b'<dimension ref="A1:XFD1048576"/>'):

        def change(parts: dict[str, bytes], claim: bytes = claim) -> None:
            name = "xl/worksheets/sheet1.xml"
            parts[name] = re.sub(rb"<dimension [^>]*/>", claim, parts[name])

        repacked(exports, change)
        assert exports.pull().answers == READ


def test_the_same_table_as_csv_and_as_excel_is_one_form_in_two_layouts(exports: Exports) -> None:
    """The office saves its export now this way, now that: confirmed anew as Excel, the CSV files before it would no
    longer be read, and the mapping be asked for twice."""
    exports.csv(rows=[("F1", "0071", "Zoë Müller", "13.02.2026", "Often", "Never")])
    assert exports.arrange()[1] == []
    exports.xlsx("export.xlsx", [("F2", "0072", "Bo Grün", "14.02.2026", "Rarely", "Often")])
    assert exports.arrange()[1] == []
    assert sorted(one.kind for one in exports.layouts()) == ["csv", "xlsx"]
    assert len({one.form for one in exports.layouts()}) == 1
    got = exports.pull()
    assert got.aside == []
    assert {one.client for one in got.forms} == {"0071", "0072"}
    assert len({one.form for one in got.forms}) == len(exports.forms()) == 1
