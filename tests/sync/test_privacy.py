"""No name, answer, reference or token in anything that is said or logged (S23, S24), and no socket but the one
configured (S7): whole syncs with canaries, at root log level DEBUG, those that fail included.
"""

from __future__ import annotations

import io
import logging
import socket
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from handrail.adapters.demo.server import _Handler
from handrail.plugin_core import cli
from handrail.plugin_core.errors import HandrailError
from handrail.plugin_core.store import sealed
from sqlalchemy import select

from tests.defaults import set_defaults

from .stage import EVEN, LEANING, NOW, PHQ9, Stage, form, gr18
from .test_bad_input import ANSWERS, answering
from .test_plugins import Preparing, Ruling
from .test_quarantine import BAD

NAME = "Zaphira Canaryname"
CLIENT = "canary-client-77"
FORM = "canary-form"
LABEL = "canary label of an answer"
TOKEN = "canary-token-value"
LIBRARIES = ("urllib3", "sqlalchemy.engine", "sqlalchemy.pool", "alembic", "filelock")
CANARIES = (NAME, "Zaphira", "Canaryname", CLIENT, FORM, LABEL, "canary")


@pytest.fixture
def private(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A stage whose people, forms and token are canaries."""
    with Stage(tmp_path_factory.mktemp("p")) as stage:
        stage.demo.token = stage.token = TOKEN
        (stage.folder / "token").write_text(TOKEN)
        stage.person(CLIENT, name=NAME)
        for number, levels in enumerate([EVEN, EVEN, EVEN, LEANING, LEANING]):
            when = NOW - timedelta(days=7 + 28 * (4 - number))
            stage.put(form(f"{FORM}-{number}", CLIENT, when, gr18(levels)), when)
        when = NOW - timedelta(days=2)
        stage.put(form(f"{FORM}-safety", CLIENT, when, PHQ9, instrument="phq9"), when)
        yield stage


@pytest.fixture
def overheard() -> Iterator[io.StringIO]:
    """Everything that any library logs, at any level, however it tries to keep still."""
    buffer = io.StringIO()
    handler = logging.StreamHandler(buffer)
    handler.setFormatter(logging.Formatter("%(name)s %(message)s %(exc_text)s"))
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    loggers = [logging.getLogger(name) for name in LIBRARIES]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    yield buffer
    root.removeHandler(handler)
    root.setLevel(before)
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


def clean(*texts: str) -> None:
    """Fails with the canary that was found, and the line that it is in."""
    for text in texts:
        for canary in CANARIES:
            lines = [line for line in text.splitlines() if canary in line]
            assert lines == [], f"{canary!r} is in {lines[0][:300]!r}"


def everything(stage: Stage, capsys: pytest.CaptureFixture[str], *commands: list[str]) -> str:
    """Runs commands on the stage's settings; gives all that they said."""
    said = ""
    for arguments in commands:
        cli.run(["--settings", str(stage.file), *arguments])
        out, err = capsys.readouterr()
        said += out + err
    return said


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    set_defaults(monkeypatch, now=lambda: NOW, sleep=lambda _: None)


def quietly(stage: Stage, **options: Any) -> str:
    """Syncs; gives the report as text, or the text of the error with all that hangs on it."""
    try:
        return repr(stage.sync(**options))
    except HandrailError as error:
        return "".join(traceback.format_exception(error)) + repr(error) + str(error.detail)


def test_s23_a_sync_says_and_logs_nothing_of_anybody(
    private: Stage, overheard: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    """Log files are mailed to vendors: a name in one of them is a disclosure."""
    said = everything(
        private, capsys, ["--verbose", "sync", "--yes"], ["sync", "--json"], ["sync", "--full"], ["doctor"]
    )
    assert private.active() == [f"{CLIENT} P1"]
    clean(overheard.getvalue(), said)
    assert "sqlalchemy.engine" in overheard.getvalue()


@pytest.mark.logs_canaries
def test_s23_the_net_is_not_torn(overheard: io.StringIO) -> None:
    """Guards the tests above: what a library logs is heard here."""
    logging.getLogger("some.library").debug("GET /fhir/Patient/%s", CLIENT)
    with pytest.raises(AssertionError, match="canary"):
        clean(overheard.getvalue())


@pytest.mark.parametrize("what", BAD)
def test_s24_bad_forms(private: Stage, overheard: io.StringIO, capsys: pytest.CaptureFixture[str], what: str) -> None:
    """What breaks is quoted by parsers and validators; the quote must not get out."""
    change, _ = BAD[what]
    bad = form(f"{FORM}-bad", CLIENT, NOW - timedelta(days=1), gr18(LEANING))
    change(bad)
    bad["item"][0]["text"] = bad["item"][0].get("text", "") + LABEL
    private.put(bad)
    said = everything(private, capsys, ["sync"], ["sync", "--retry-set-aside"], ["doctor"])
    clean(overheard.getvalue(), said, quietly(private))


@pytest.mark.parametrize("what", ANSWERS)
def test_s24_answers_that_are_no_list(
    private: Stage,
    overheard: io.StringIO,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    what: str,
) -> None:
    """A proxy's page or a stray record holds somebody's name: it is not logged while it is refused."""
    body, kind = ANSWERS[what]
    answering(monkeypatch, body.replace(b"Invented a", NAME.encode()), kind)
    said = everything(private, capsys, ["sync"])
    clean(overheard.getvalue(), said, quietly(private))


def _failing_database(monkeypatch: pytest.MonkeyPatch) -> None:
    from handrail.plugin_core.store import forms

    def save(tx: Any, rows: Any, replaced: Any) -> None:
        from sqlalchemy import text

        tx.conn.execute(text("INSERT INTO responses (key) VALUES (:name)"), {"name": NAME})

    monkeypatch.setattr(forms, "save", save)


def _failing_server(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Any) -> None:
        body = f'{{"resourceType":"OperationOutcome","issue":[{{"diagnostics":"{NAME}"}}]}}'.encode()
        self.send_response(500)
        self.send_header("Content-Type", "application/fhir+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    monkeypatch.setattr(_Handler, "_serve", refuse)


def _cut_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(self: Any) -> None:
        self.close_connection = True

    monkeypatch.setattr(_Handler, "_serve", cut)


FAULTS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "the database refuses a row": _failing_database,
    "the server fails and quotes": _failing_server,
    "the line is cut": _cut_line,
}


@pytest.mark.parametrize("what", FAULTS)
def test_s24_faults(
    private: Stage,
    overheard: io.StringIO,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    what: str,
) -> None:
    """Errors of databases and of the line carry rows, addresses and headers; ours must carry none of it."""
    FAULTS[what](monkeypatch)
    said = everything(private, capsys, ["--verbose", "sync"])
    assert said
    clean(overheard.getvalue(), said, quietly(private))
    private.demo.failures.clear()


def test_s24_plugins_that_quote(private: Stage, overheard: io.StringIO, capsys: pytest.CaptureFixture[str]) -> None:
    """A vendor's exception text is not trusted with anybody's name."""

    def quote(records: Any) -> None:
        raise ValueError(f"{NAME} {records}")

    for plugin in (Preparing(quote), Preparing(flags=quote), Ruling(fails=True)):
        private.plugins = [("vendor", plugin)]
        clean(quietly(private, full=True))
    clean(overheard.getvalue(), *capsys.readouterr())


def test_s16_s24_an_edited_row(private: Stage, overheard: io.StringIO, capsys: pytest.CaptureFixture[str]) -> None:
    """A sealed value that was tampered with is refused by the row's name, without its content."""
    import sqlite3

    private.sync()
    with closing(sqlite3.connect(private.folder / "store.db")) as conn, conn:
        conn.execute("UPDATE clients SET sealed = (SELECT sealed FROM responses LIMIT 1)")
        conn.execute("UPDATE clients SET dirty = 1, known = NULL")
    conn.close()
    said = everything(private, capsys, ["sync"], ["flags"], ["client", CLIENT])
    assert "clients" in said
    clean(overheard.getvalue(), said.replace(f"handrail client {CLIENT}", ""))


def test_s15_nothing_readable_in_the_store(private: Stage) -> None:
    """Whoever finds the file finds no name, no reference and no token in it, its log and its copies included."""
    private.sync()
    for file in private.folder.iterdir():
        if file.name.startswith("store.db"):
            data = file.read_bytes()
            for canary in CANARIES:
                assert canary.encode() not in data, (file.name, canary)


def test_s20_what_is_not_needed_is_in_no_row_sealed_or_not(stage: Stage) -> None:
    """What was never kept cannot get out: where a client lives, a remark on a form, the text of one set aside."""
    odd = "kestrel@odd.example"
    person = {"resourceType": "Patient", "id": "a", "name": [{"text": "Invented a"}], "birthDate": "1901-02-03"}
    person |= {
        "telecom": [{"system": "email", "value": odd}],
        "address": [{"text": odd}],
        "identifier": [{"value": odd}],
    }
    stage.demo.load(person, NOW - timedelta(days=400))
    remark = [{"url": "https://odd.example/remark", "valueString": odd}]
    asked = {"linkId": "odd", "text": odd, "answer": [{"valueString": odd}]}
    good, aside, other = (form(f"a-{number}", "a", NOW - timedelta(days=number)) for number in (7, 8, 9))
    stage.put(good | {"extension": remark, "text": {"status": "additional", "div": f"<div>{odd}</div>"}})
    stage.put(aside | {"item": [*aside["item"], asked]})
    stage.put(other | {"questionnaire": "https://odd.example/Questionnaire/intake|1", "item": [asked]})
    stage.sync()

    def kept(engine: Any) -> list[bytes]:
        with engine.store.reading(engine.source) as tx:
            return [
                tx.sealer.open(what.place(row), getattr(row, what.column))
                for what in sealed.SEALED
                for row in tx.conn.execute(select(what.table).where(what.table.c[what.column].is_not(None)))
            ]

    opened = stage.ask(kept)
    store = stage.seen()
    assert (len(store.responses), len(store.clients), len(store.quarantine)) == (1, 1, 1)
    assert any(b"Invented a" in value for value in opened), "the search itself must find what is kept"
    files = b"".join(file.read_bytes() for file in stage.folder.glob("store.db*"))
    assert [value for value in (*opened, files) if b"odd.example" in value or b"1901" in value] == []


def test_s5_no_name_answer_or_token_in_an_address(private: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Addresses are written into the logs of every proxy on the way."""
    seen: list[str] = []
    serve = _Handler._serve

    def noted(self: _Handler) -> None:
        seen.append(self.path)
        serve(self)

    monkeypatch.setattr(_Handler, "_serve", noted)
    private.sync()
    assert seen
    for canary in (NAME, "Zaphira", TOKEN, LABEL):
        assert canary not in " ".join(seen)


def test_s7_no_socket_but_to_the_configured_host(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """No telemetry, no update check, no name looked up: every connection of a sync goes to the platform."""
    port = int(stage.base.rpartition(":")[2].partition("/")[0])
    allowed = ("127.0.0.1", port)
    met: list[Any] = []
    connect = socket.socket.connect

    def watched(self: socket.socket, address: Any) -> None:
        met.append(address)
        assert tuple(address[:2]) == allowed, f"a connection to {address}"
        connect(self, address)

    def no_names(host: Any, *rest: Any, **more: Any) -> Any:
        assert host in ("127.0.0.1", b"127.0.0.1"), f"a look-up of {host!r}"
        return look_up(host, *rest, **more)

    look_up = socket.getaddrinfo
    monkeypatch.setattr(socket.socket, "connect", watched)
    monkeypatch.setattr(socket.socket, "connect_ex", watched)
    monkeypatch.setattr(socket, "getaddrinfo", no_names)
    stage.course("a", [EVEN, EVEN, EVEN, LEANING, LEANING])
    stage.sync(full=True)
    stage.sync()
    assert met
    assert all(tuple(address[:2]) == allowed for address in met)


def test_s19_what_a_sync_makes_is_for_its_owner_only(tmp_path: Path) -> None:
    """Even where the system's defaults are generous, nobody else on the machine can read the store."""
    import os
    import stat

    before = os.umask(0)
    try:
        with Stage(tmp_path / "open") as stage:
            stage.course("a", [EVEN, LEANING])
            stage.sync()
            made = [file for file in stage.folder.iterdir() if file.name.startswith("store.db")]
            assert made
            loose = [file.name for file in made if stat.S_IMODE(file.stat().st_mode) & 0o077]
    finally:
        os.umask(before)
    assert loose == []
