"""Whatever lies in the folder: only our own words for it, in bounded time, and never a form that is not in the file."""

from __future__ import annotations

import io
import json
import tempfile
import time
import zipfile
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path

from handrail.adapters.files import dates
from handrail.adapters.files.folder import Received, Stamp, shown
from handrail.adapters.files.guess import shape
from handrail.adapters.files.layout import LayoutSchema
from handrail.plugin_core.errors import SettingsError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .exports import HEADINGS, LAYOUT, NATIVE, ROWS, Exports

SLOW = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
BOUND = 10.0
GOOD = ("\r\n".join(";".join(row) for row in (HEADINGS, *ROWS)) + "\r\n").encode()
PIECES = st.lists(
    st.one_of(
        st.sampled_from(
            [b";", b'"', b"\r\n", b"\n", b"\r", b"\x00", b",", b"\xff\xfe", b"\xef\xbb\xbf", b"PK\x03\x04"]
        ),
        st.sampled_from([heading.encode() for heading in HEADINGS]),
        st.sampled_from([cell.encode() for row in ROWS for cell in row]),
        st.binary(max_size=12),
        st.text(max_size=8).map(lambda text: text.encode("utf-8", "replace")),
    ),
    max_size=60,
).map(b"".join)


def look(name: str, data: bytes, *, excel: bool = False) -> None:
    """Everything that is ever done with a file; a raise of any other kind than ours ends the test."""
    with tempfile.TemporaryDirectory() as place:
        exports = Exports(Path(place))
        kind = replace(LAYOUT, kind="xlsx", encoding=None, delimiter=None, dates="excel") if excel else LAYOUT
        exports.put(name, data)
        begun = time.process_time()
        exports.arrange({} if excel else {"zone": "UTC"}, confirm=False)
        exports.arrange()
        exports.confirm(kind)
        got = exports.pull()
        list(exports.open().listing())
        exports.forms()
        assert exports.pull(got.cursor).pages == []
        assert time.process_time() - begun < BOUND
        assert len(got.aside) + len(got.forms) <= data.count(b"\n") + data.count(b"\r") + 4 or excel


@SLOW
@given(data=PIECES)
def test_any_bytes_are_a_table_or_are_set_aside(data: bytes) -> None:
    """Anybody may be able to put a file into that folder; the sync of all others must go on."""
    look("export.csv", data)


@SLOW
@given(at=st.integers(0, len(GOOD)), junk=st.binary(max_size=6), drop=st.integers(0, 40))
def test_a_good_table_with_a_bite_out_of_it(at: int, junk: bytes, drop: int) -> None:
    """Cut, overwritten, with something put in: what copying and editing do to files."""
    look("export.csv", GOOD[:at] + junk + GOOD[at + drop :])


@cache
def good_excel() -> bytes:
    """A good Excel file."""
    with tempfile.TemporaryDirectory() as place:
        return Exports(Path(place)).xlsx("x.xlsx", NATIVE).read_bytes()


@SLOW
@given(at=st.integers(0, 6000), junk=st.binary(min_size=1, max_size=20))
def test_an_excel_file_with_a_bite_out_of_it(at: int, junk: bytes) -> None:
    """The zip itself is damaged."""
    data = good_excel()
    look("export.xlsx", data[:at] + junk + data[at + len(junk) :], excel=True)


PARTS = (
    "xl/workbook.xml",
    "xl/worksheets/sheet1.xml",
    "xl/styles.xml",
    "[Content_Types].xml",
    "xl/_rels/workbook.xml.rels",
)


@SLOW
@given(part=st.sampled_from(PARTS), at=st.integers(0, 2000), junk=st.binary(max_size=20), drop=st.integers(0, 60))
def test_an_excel_file_with_a_bite_out_of_its_xml(part: str, at: int, junk: bytes, drop: int) -> None:
    """The zip is whole, what is in it is not."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(good_excel())) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, content[:at] + junk + content[at + drop :] if name == part else content)
    look("export.xlsx", out.getvalue(), excel=True)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FACTS = LayoutSchema().dump(LAYOUT)


@SLOW
@given(field=st.sampled_from(sorted(FACTS)), value=JSON)
def test_a_layout_that_somebody_edited_is_read_or_refused_with_its_place(field: str, value: object) -> None:
    """A person edits it by hand; what comes of that is a layout, or a sentence."""
    with tempfile.TemporaryDirectory() as place:
        exports = Exports(Path(place))
        exports.confirm()
        path = next((exports.own / "layouts").glob("*.json"))
        path.write_text(json.dumps({**FACTS, field: value}), encoding="utf-8")
        exports.csv()
        said = ""
        try:
            exports.pull()
        except SettingsError as error:
            said = error.message
        assert not said or str(path) in said


@SLOW
@given(data=st.one_of(st.binary(max_size=60), JSON.map(lambda found: json.dumps(found).encode())))
def test_what_is_remembered_of_files_may_be_lost(data: bytes) -> None:
    """It is only an order in time: a broken one begins anew."""
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "layouts").mkdir()
        (Path(place) / "layouts" / "received.state").write_bytes(data)
        assert Received(Path(place)).at("a", Stamp(1, 7)) <= 7


@given(
    text=st.one_of(
        st.text(max_size=30), st.from_regex(r"\d{1,4}[./-]\d{1,2}[./-]\d{1,4}( \d{1,2}:\d\d)?", fullmatch=True)
    )
)
def test_a_date_is_read_by_exactly_the_orders_that_are_said_to_fit(text: str) -> None:
    """What is shown to a person and what is read later are the same."""
    fits = dates.orders_of(text)
    for order in (*dates.WRITTEN, dates.SERIAL_1900, dates.SERIAL_1904):
        assert (dates.read_day(text, order) is not None) == (order in fits)


@given(day=st.dates(min_value=date(1990, 1, 1), max_value=date(2199, 12, 31)))
def test_a_written_day_is_read_back_by_its_own_order(day: date) -> None:
    """Each order, with each sign."""
    for sign in "./-":
        written = {
            "ymd": f"{day.year}{sign}{day.month}{sign}{day.day}",
            "dmy": f"{day.day:02d}{sign}{day.month:02d}{sign}{day.year}",
            "mdy": f"{day.month}{sign}{day.day}{sign}{day.year}",
        }
        for order, text in written.items():
            found = dates.read_day(text, order)
            assert found is not None
            assert found.date() == day


@given(text=st.text(max_size=60))
def test_a_shape_holds_no_word_and_no_number_of_the_cell(text: str) -> None:
    """Letters are a, digits are 9."""
    assert not {letter for letter in shape(text) if letter.isalpha()} - {"a", "A", "…"}
    assert not {letter for letter in shape(text) if letter.isdigit()} - {"9"}


@given(name=st.text(max_size=40))
def test_a_files_name_is_told_without_the_words_that_are_not_of_exports(name: str) -> None:
    """At most one letter of any other word."""
    told = shown(f"Kestrelmeier {name}.csv")
    assert "Kes" not in told
    assert told.isprintable()
