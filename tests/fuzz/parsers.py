"""The table of parsers: everything that reads what others wrote, each with valid samples of what it reads.

Places to write to are in one temporary folder, made when the first of them is needed and removed by `close`.
"""

from __future__ import annotations

import csv
import io
import json
import re
import struct
import zipfile
import zlib
from base64 import urlsafe_b64encode
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from handrail.adapters.addresses import Base
from handrail.adapters.auth import expiring
from handrail.adapters.fhir.decode import Unreadable, read_one, read_page
from handrail.adapters.fhir.flatten import BadShape, client_of
from handrail.adapters.files import tables, xlsx
from handrail.adapters.files.faults import Changing, FileFault
from handrail.adapters.files.layout import Layouts, LayoutSchema
from handrail.adapters.healthie.carriers import key_in
from handrail.adapters.times import http_date, instant
from handrail.adapters.tokens import error_of, read_token
from handrail.adapters.transport import Reply, _unpack
from handrail.adapters.waiting import retry_after
from handrail.plugin_core import instruments, screen
from handrail.plugin_core.cli import change
from handrail.plugin_core.collecting import codes, entry, table
from handrail.plugin_core.errors import HandrailError
from handrail.plugin_core.instruments import translations
from handrail.plugin_core.keeping import backup
from handrail.plugin_core.mapping import files as mappings
from handrail.plugin_core.mapping import own_mapping, texts
from handrail.plugin_core.settings import load
from handrail.plugin_core.signal import local
from handrail.schemas.base import parse_time
from handrail.schemas.mappings import MappingSchema

from tests.adapters.script import bundle, response
from tests.platforms.exports import HEADINGS, LAYOUT, NATIVE, ROWS, Exports

from . import desks, replay, signed
from .mutate import Sample, bent, sample
from .places import folder
from .run import Parser

LOCAL = "https://ehr.example/fhir"
CAP = 1 << 20
SETTINGS = """practice = "north-road"
name = "North Road"
time_zone = "Europe/Zurich"
store = "sqlite:///handrail.db"
key = "keyring:store-north-road"
language = "de"
plugins = ["vendor"]
prompts = ["R1", "P5"]
[platform]
name = "fhir"
settings = {base_url = "https://ehr.example/fhir", page_size = 500}
secrets = {token = "file:token"}
[push]
on = true
carriers = ["flag"]
[collect]
instruments = ["gr18", "phq9"]
every_weeks = 4
[mail]
host = "mail.example"
port = 587
sender = "a@practice.example"
[safety]
clinicians = {"Practitioner/1" = "b@practice.example"}
backup = "c@practice.example"
[schedule]
every_minutes = 60
[web]
address = "https://desk.practice.example"
"""


@cache
def _folder() -> TemporaryDirectory[str]:
    return folder("fuzz")


@cache
def _place(name: str) -> Path:
    place = Path(_folder().name) / name
    place.parent.mkdir(parents=True, exist_ok=True)
    return place


def _file(name: str, data: bytes) -> Path:
    """The input as a file in a folder of its own."""
    place = _place(name)
    place.write_bytes(data)
    return place


def _text(data: bytes) -> str:
    """Bytes as the text that a header or an address may hold, odd characters included."""
    return data.decode("utf-8", "surrogateescape" if data[:1] > b"~" else "replace")


# --- record systems -------------------------------------------------------------------------------------------------


def _pages() -> Sequence[bytes]:
    forms = [response(f"r{number}", version=str(number)) for number in range(3)]
    outcome = {"resourceType": "OperationOutcome", "issue": [{"severity": "warning", "code": "informational"}]}
    return [json.dumps(bundle(*forms, following=f"{LOCAL}?page=2")).encode(), json.dumps(bundle(outcome)).encode()]


def _unpacked(data: bytes, which: int) -> None:
    name = ("gzip", "deflate", "deflate", "")[which]
    assert len(_unpack(data, name, CAP, "ehr.example")) <= CAP


def _packed() -> Sequence[bytes]:
    text = json.dumps(bundle(response("r1"))).encode()
    gzip, raw = zlib.compressobj(wbits=31), zlib.compressobj(wbits=-15)
    return [gzip.compress(text) + gzip.flush(), zlib.compress(text), raw.compress(text) + raw.flush(), text]


def _squeezed(given: Sample, random: Random) -> bytes:
    """A compressed answer with a bite out of it, or one of a thousand to one."""
    if random.random() < 0.002:
        return zlib.compress(bytes(random.choice((CAP - 1, CAP + 1, 40 * CAP))), 9)
    at = random.randrange(len(given.data) + 1)
    return given.data[:at] + random.randbytes(random.randrange(6)) + given.data[at + random.randrange(9) :]


def _token(data: bytes, which: int) -> None:
    reply = Reply(200, {"Content-Type": "application/json"}, data)
    error_of(reply)
    if which:
        return
    token = read_token(reply, "ehr.example")
    assert 0 < token.life() <= 30 * 86400
    token.fresh_until(0.0)


TOKENS = (
    b'{"access_token":"a.b.c","token_type":"Bearer","expires_in":300,"scope":"system/*.rs","refresh_token":"r"}',
    b'{"error":"invalid_grant","error_description":"no"}',
)

# --- small texts ----------------------------------------------------------------------------------------------------

TIMES = (
    b"2026-11-01T10:00:00.123456789+05:30", b"2026-11-01T10:00:00Z", b"2016-12-31T23:59:60Z", b"2026-11-01", b"30",
    b"Sun, 22 Nov 2026 12:00:00 GMT", b"Sunday, 22-Nov-26 12:00:00 GMT", b"22 Nov 2026 12:00:00 -0800",
)  # fmt: skip


def _time(data: bytes, _which: int) -> None:
    text = _text(data)
    for found in (instant(text), http_date(text)):
        assert found is None or found.tzinfo is not None
    seconds = retry_after({"Retry-After": text, "Date": "Sun, 22 Nov 2026 12:00:00 GMT"})
    assert seconds is None or 0 <= seconds < 1e20
    retry_after({"Retry-After": "Sun, 22 Nov 2026 12:00:00 GMT", "Date": text})
    with suppress(ValueError):
        assert parse_time(text).tzinfo is not None


ADDRESSES = (
    b"https://ehr.example/fhir", b"https://ehr.example:443/fhir?page=2&_id=a", b"/fhir?x", b"//ehr.example/fhir",
    b"http://127.0.0.1:8080/fhir/", b"https://[2001:db8::1]:8443/fhir", b"?page=2", b"Patient/p1/_history/2",
    b"https://ehr.example/fhir/Patient/p1", b"https://user@ehr.example/fhir",
)  # fmt: skip
BASE = Base.parse(LOCAL)


def _address(data: bytes, _which: int) -> None:
    text = _text(data)
    ways: tuple[Callable[[], object], ...] = (
        lambda: Base.parse(text).url("a"),
        lambda: BASE.link(text),
        lambda: BASE.link("x", page=text),
    )
    for read in ways:
        with suppress(HandrailError):
            read()
    with suppress(HandrailError):
        assert BASE.link(text).startswith(LOCAL)
    with suppress(BadShape):
        assert client_of(text, LOCAL).startswith("Patient/")


def _typed(data: bytes, _which: int) -> None:
    text = _text(data)
    codes.start_of_key(text)
    codes.typed(text)
    texts.plain(text)
    texts.readable(text)
    for form in instruments.builtin():
        with suppress(HandrailError):
            entry.parse(form, text)


# --- files ----------------------------------------------------------------------------------------------------------


def _instruments() -> Sequence[bytes]:
    folder = Path(instruments.__file__).parent
    return [(folder / f"{name}.json").read_bytes() for name in ("gad7", "gr18")]


def _mapping(data: bytes, _which: int) -> None:
    mappings.load_all(_file("mappings/a.json", data).parent, "fhir")


def _mappings() -> Sequence[bytes]:
    own = own_mapping(instruments.builtin_one("gad7"), "fhir")
    return [json.dumps(MappingSchema().dump(own)).encode()]


def _layout(data: bytes, _which: int) -> None:
    Layouts(_file("own/layouts/sleep.json", data).parents[1]).all()


def _csv() -> Sequence[bytes]:
    out = io.StringIO()
    csv.writer(out).writerows([HEADINGS, *ROWS])
    text = "\r\n".join(";".join(row) for row in (HEADINGS, *ROWS)) + "\r\n"
    return [text.encode(), text.encode("utf-16"), text.encode("cp1252"), out.getvalue().encode()]


def _table(data: bytes, which: int) -> None:
    path = _file(f"tables/export{which}.csv", data)
    with tables.table(path, tables.detect(path, tables.scan(path))) as found:
        for _ in found.rows():
            pass


@cache
def _book() -> bytes:
    """The same in each run, and without openpyxl's own list of colours, which is most of the file and of the work."""
    with TemporaryDirectory() as place:
        written = Exports(Path(place)).xlsx("x.xlsx", NATIVE).read_bytes()
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(written)) as book, zipfile.ZipFile(out, "w") as lean:
        for name in book.namelist():
            data = re.sub(rb"<colors>.*</colors>", b"", book.read(name))
            data = re.sub(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", b"2026-11-20T12:00:00Z", data)
            lean.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return out.getvalue()


PARTS = (
    "xl/workbook.xml",
    "xl/worksheets/sheet1.xml",
    "xl/styles.xml",
    "[Content_Types].xml",
    "xl/_rels/workbook.xml.rels",
)


@cache
def _parts() -> dict[str, Sample]:
    with zipfile.ZipFile(io.BytesIO(_book())) as book:
        return {name: sample(book.read(name)) for name in book.namelist()}


def _bent_book(given: Sample, random: Random) -> bytes:
    """The archive with a bite out of it, or one part of it bent, or blown up."""
    if random.random() < 0.2:
        return bent(given, random)
    part = random.choice([name for name in PARTS if name in _parts()])
    if random.random() < 0.002:
        return _bomb("xl/worksheets/sheet1.xml")
    others, listed = _without(part)
    data = bent(_parts()[part], random)
    about = struct.pack("<5H3L2H", 20, 0, 0, 0, 33, zlib.crc32(data), len(data), len(data), len(part), 0)
    entry = struct.pack("<4sH", b"PK\1\2", 20) + about + struct.pack("<3H2L", 0, 0, 0, 0, len(others)) + part.encode()
    begin, size = len(others) + 30 + len(part) + len(data), len(listed) + len(entry)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, len(_parts()), len(_parts()), size, begin, 0)
    return b"".join((others, b"PK\3\4", about, part.encode(), data, listed, entry, end))


@cache
def _without(part: str) -> tuple[bytes, bytes]:
    """All other parts as they stand in an archive, and their lines of its list: `zipfile` takes long to write them."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as book:
        for name, whole in _parts().items():
            if name != part:
                book.writestr(name, whole.data)
        begin = book.start_dir
    return out.getvalue()[:begin], out.getvalue()[begin:-22]


@cache
def _bomb(part: str) -> bytes:
    """The archive with 300 MB of blanks in one part, which are 300 KB in the file."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as book:
        for name, whole in _parts().items():
            with book.open(name, "w") as inside:
                inside.write(whole.data)
                for _ in range(300 if name == part else 0):
                    inside.write(b" " * 1_000_000)
    return out.getvalue()


def _sheet(data: bytes, _which: int) -> None:
    path = _file("tables/export.xlsx", data)
    tables.scan(path)
    xlsx.sheets(path)
    with xlsx.sheet(path, None) as found:
        for _ in found.rows():
            pass


LINES = (
    b'{"client":"c-17","instrument":"gad7","version":"1","authored":"2026-03-02T10:00:00+00:00","answers":'
    b'{"G1":3,"G2":1,"G3":null,"G4":"declined"},"id":"a","mode":"web","tags":["proxy"]}\n'
    b'{"client":"c-18","instrument":"gr18","version":"1","authored":"2026-03-02T10:00:00+01:00","answers":{"G1":3}}\n',
    b"client,instrument,version,authored,G1,G2\nc-17,gr18,1,2026-03-02T10:00:00+00:00,3,\n"
    b"c-16,gr18,1,2026-03-02T10:00:00Z,1,9\n",
)


def _screened(data: bytes, _which: int) -> None:
    out, rejects = io.BytesIO(), io.BytesIO()
    screen.screen(data.splitlines(keepends=True), out, rejects=rejects, descriptors=_known_forms())
    for line in rejects.getvalue().splitlines():
        json.loads(line)


@cache
def _known_forms() -> screen.Descriptors:
    """The forms that the lines name: each form known costs a millisecond before the first line is read."""
    return screen.Descriptors(instruments=[instruments.builtin_one(name) for name in ("gad7", "gr18")])


PEOPLE = (
    b"client,instruments,every_weeks,start,consent,channel,tags\n"
    b"p1,gr18 phq9,4,2026-03-02,2026-03-01,paper,proxy\np2,,,,,,\n",
    b"client;instruments\np1;gr18\n",
)
SCORES = (b"client,before,after\na,10,5\nb,12.5,3\nc,,4\n",)
KNOWN = (b'{"gr18/1":{"growth":{"sd":0.7,"retest":0.8,"n":120,"on":"2026-01-01"}}}',)


# --- backups --------------------------------------------------------------------------------------------------------

MASTER = bytes(range(32))
ROWS_KEPT = (
    b'{"practice":"practice","made":"2026-01-01T00:00:00Z","store":"0002","format":1}\n'
    b'["practices",{"id":"practice","created_ms":1,"sealed":"AQ=="}]\n["responses",{"source":1,"key":"aa"}]\n'
)


def sealed(lines: bytes) -> bytes:
    out = io.BytesIO()
    backup._seal(out, MASTER, [lines])
    return out.getvalue()


def _bent_backup(_given: Sample, random: Random) -> bytes:
    """The file with a bite out of it, or what is sealed in it bent before it is sealed."""
    if random.random() < 0.5:
        return bent(_whole(), random)
    return sealed(bent(_rows(), random)[: backup.LARGEST - 99])


@cache
def _whole() -> Sample:
    return sample(sealed(ROWS_KEPT))


@cache
def _rows() -> Sample:
    return sample(ROWS_KEPT)


def _translation(data: bytes, _which: int) -> None:
    translations.read(data, instruments.builtin_one("ts8"), name="a.json")


def _translations() -> Sequence[bytes]:
    return [(Path(instruments.__file__).parent / translations.FOLDER / "ts8.de.json").read_bytes()]


def _in_texts(data: bytes, _which: int) -> None:
    """What platforms hide in texts: when a token ends, our key in a task's metadata."""
    middle = urlsafe_b64encode(data).decode().rstrip("=")
    expiring(f"a.{middle}.c", 1_800_000_000.0)
    key_in(data.decode("utf-8", "replace"))


def _restored(data: bytes, _which: int) -> None:
    backup.read(_file("a.backup", data), MASTER, "practice")


def _scores(data: bytes, _which: int) -> None:
    change._read(_file("s.csv", data), "before", "after")


TAPES = replay.tapes()
FILE_FAULTS = (FileFault, Changing)
PARSERS: tuple[Parser, ...] = (
    Parser("fhir-page", _pages, lambda data, _: read_page(data, LOCAL), (Unreadable,)),
    Parser("fhir-form", lambda: [json.dumps(response("r1")).encode()], lambda d, _: read_one(d, LOCAL), (Unreadable,)),
    Parser("compressed", _packed, _unpacked, (HandrailError,), bend=_squeezed),
    Parser("token-answer", lambda: TOKENS, _token, (HandrailError,)),
    Parser("times", lambda: TIMES, _time),
    Parser("addresses", lambda: ADDRESSES, _address),
    Parser("typed-answers", lambda: (b"3 1 0 - x 2 1 0", b"3100-x210310-x2103", b"K7QF-2M9X"), _typed),
    Parser("instrument", _instruments, lambda d, _: instruments.read(d, name="a.json"), (HandrailError,)),
    Parser("translation", _translations, _translation, (HandrailError,)),
    Parser("in-texts", lambda: (b'{"exp": 1800000000, "handrail": "1f"}',), _in_texts),
    Parser("mapping", _mappings, _mapping, (HandrailError,)),
    Parser("settings", lambda: (SETTINGS.encode(),), lambda d, _: load(_file("a.toml", d)), (HandrailError,)),
    Parser("layout", lambda: (json.dumps(LayoutSchema().dump(LAYOUT)).encode(),), _layout, (HandrailError,)),
    Parser("csv", _csv, _table, FILE_FAULTS),
    Parser("xlsx", lambda: (_book(),), _sheet, FILE_FAULTS, _bent_book),
    Parser("screen", lambda: LINES, _screened, (HandrailError,)),
    Parser("people-csv", lambda: PEOPLE, lambda d, _: table.read(_file("p.csv", d)), (HandrailError,)),
    Parser("scores-csv", lambda: SCORES, _scores, (HandrailError,)),
    Parser("constants", lambda: KNOWN, lambda d, _: local.load(_file(local.FILE, d).parent), (HandrailError,)),
    Parser("backup", lambda: (sealed(ROWS_KEPT),), _restored, (HandrailError,), bend=_bent_backup),
    *signed.PARSERS,
    *(Parser(f"platform-{name}", one.samples, one.play) for name, one in TAPES.items()),
    *desks.PARSERS,
)  # fmt: skip
BY_NAME = {parser.name: parser for parser in PARSERS}


def close() -> None:
    """Stops what was started and removes what was written."""
    for tape in TAPES.values():
        tape.close()
    desks.close()
    if _folder.cache_info().currsize:
        _folder().cleanup()
        _folder.cache_clear()
        _place.cache_clear()
