"""Bad input through the real command: one plain sentence, the right exit status, nothing lost, nothing half done."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from handrail.adapters.demo.server import _Handler
from handrail.plugin_core import cli
from handrail.plugin_core.store import keys

from tests.defaults import set_defaults

from .stage import EVEN, LEANING, NOW, Stage, form, gr18
from .test_quarantine import BAD

SECRETS = ("Invented a", "Patient/a", "a-5", "truth-9", "Beyond all")


@dataclass
class Said:
    """What a command said and how it ended."""

    status: int
    out: str
    err: str

    @property
    def all(self) -> str:
        return self.out + self.err


Command = Callable[..., Said]


@pytest.fixture
def command(stage: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Command]:
    """Runs `handrail` on the stage's settings, at the stage's time, without waiting; looks for secrets in all of it."""
    set_defaults(monkeypatch, now=lambda: stage.now, sleep=lambda _: None)
    spoken: list[str] = []

    def run(*arguments: str) -> Said:
        capsys.readouterr()
        status = cli.run(["--settings", str(stage.file), *arguments])
        out, err = capsys.readouterr()
        spoken.append(out + err)
        return Said(status, out, err)

    yield run
    for text in spoken:
        assert "Traceback" not in text
        assert "unforeseen" not in text
        for secret in (*SECRETS, stage.demo.token):
            assert secret not in text, f"the command said {secret!r}"


def practice(stage: Stage) -> None:
    stage.course("a", [EVEN, EVEN, EVEN, LEANING, LEANING])


def answering(
    monkeypatch: pytest.MonkeyPatch, body: bytes, kind: str = "application/fhir+json", status: int = 200
) -> None:
    """The platform answers every request for forms with these bytes."""
    serve = _Handler._serve

    def broken(self: Any) -> None:
        if "/QuestionnaireResponse" not in self.path:
            serve(self)
            return
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    monkeypatch.setattr(_Handler, "_serve", broken)


PATIENT = b'{"resourceType":"Patient","id":"a","name":[{"text":"Invented a"}]}'
ANSWERS = {
    "malformed JSON": (b'{"resourceType":"Bundle","entry":[{"resource":{"id":"a-5"', "application/fhir+json"),
    "HTML with status 200": (b"<html><title>Sign in</title>Invented a</html>", "text/html"),
    "HTML that calls itself JSON": (b"<html>Invented a</html>", "application/fhir+json"),
    "a wrong resource type": (PATIENT, "application/fhir+json"),
    "an empty body": (b"", "application/fhir+json"),
    "a number": (b"7", "application/fhir+json"),
}


@pytest.mark.parametrize("moment", ["first", "later"])
@pytest.mark.parametrize("what", ANSWERS)
def test_f38_f39_an_answer_that_is_no_list_of_forms(
    stage: Stage, command: Command, monkeypatch: pytest.MonkeyPatch, what: str, moment: str
) -> None:
    """A login page or a cut-off answer must not pass for "no forms": nothing is stored, nothing withdrawn."""
    practice(stage)
    if moment == "later":
        stage.sync()
    before = stage.seen()
    answering(monkeypatch, *ANSWERS[what])
    said = command("sync")
    assert said.status in (1, 3), said
    assert re.search(r"(Failed|incomplete)", said.all)
    assert stage.seen().differs(before) == {}
    monkeypatch.setattr(_Handler, "_serve", _ORIGINAL)
    said = command("sync", "--yes")
    assert said.status == 0, said
    assert stage.active() == ["a P1"]


_ORIGINAL = _Handler._serve


@pytest.mark.parametrize("what", BAD)
def test_one_bad_form_is_said_plainly(stage: Stage, command: Command, what: str) -> None:
    """The person who runs it must learn that a form was set aside and where to read why; the rest goes on."""
    change, _ = BAD[what]
    stage.course("a", [EVEN, EVEN, EVEN, LEANING])
    bad = form("a-5", "a", NOW - timedelta(days=7), gr18(LEANING))
    change(bad)
    stage.put(bad)
    said = command("sync")
    assert said.status == 0, said
    assert "forms set aside: 1" in said.out
    assert "handrail doctor" in said.out
    said = command("doctor")
    assert "set aside" in said.all


def test_a_client_that_the_platform_does_not_know(stage: Stage, command: Command) -> None:
    """Said, not skipped."""
    stage.put(form("x-1", "nobody", NOW - timedelta(days=2)))
    said = command("sync")
    assert said.status == 0
    assert "1 client has forms, but the platform does not know them" in said.out


def test_s18_a_wrong_key(stage: Stage, command: Command) -> None:
    """The wrong key file: no write happens and nothing is "repaired"."""
    practice(stage)
    stage.sync()
    database = (stage.folder / "store.db").read_bytes()
    right = (stage.folder / "key").read_text()
    (stage.folder / "key").unlink()
    keys.write(f"file:{stage.folder / 'key'}", keys.make_master())
    for arguments in (["sync"], ["flags"], ["rescore", "--yes"]):
        said = command(*arguments)
        assert said.status != 0
        assert one_sentence(said.err)
        assert "key" in said.err
    assert (stage.folder / "store.db").read_bytes() == database
    (stage.folder / "key").write_text(right)
    assert command("sync", "--yes").status == 0


def test_no_key(stage: Stage, command: Command) -> None:
    """A key that was moved away is named as missing, with what to do."""
    (stage.folder / "key").unlink()
    said = command("sync")
    assert said.status != 0
    assert one_sentence(said.err)
    assert "key" in said.err


def test_f79_a_store_of_a_newer_version(stage: Stage, command: Command) -> None:
    """An old program must not touch what a newer one has made."""
    with closing(sqlite3.connect(stage.folder / "store.db")) as conn, conn:
        conn.execute("UPDATE alembic_version SET version_num = '9999'")
    conn.close()
    before = (stage.folder / "store.db").read_bytes()
    said = command("sync")
    assert said.status == 1
    assert one_sentence(said.err)
    assert "newer Handrail" in said.err
    assert (stage.folder / "store.db").read_bytes() == before


def test_a_damaged_store(stage: Stage, command: Command) -> None:
    """A file that is no database is said to be damaged, with the way out."""
    (stage.folder / "store.db").write_bytes(b"not a database, really not" * 100)
    for name in ("store.db-wal", "store.db-shm"):
        (stage.folder / name).unlink(missing_ok=True)
    said = command("sync")
    assert said.status == 1
    assert one_sentence(said.err)
    assert "backup" in said.err


def test_f35_no_network(stage: Stage, command: Command) -> None:
    """Nobody answers: incomplete, status 3, go on later; what is stored stays."""
    practice(stage)
    stage.sync()
    before = stage.seen()
    stage.demo.stop()
    said = command("sync")
    assert said.status == 3, said
    assert "incomplete" in said.out
    stage.demo.start()
    stage.base = stage.demo.base
    assert stage.seen().differs(before) == {}


def test_f34_a_wrong_credential(stage: Stage, command: Command) -> None:
    """A wrong token: said in one sentence, not tried again and again; the token itself is not shown."""
    practice(stage)
    stage.sync()
    before, requests = stage.seen(), stage.demo.requests.total()
    (stage.folder / "token").unlink()
    keys.write(f"file:{stage.folder / 'token'}", "wrong-token-canary")
    said = command("sync")
    assert said.status in (1, 2), said
    assert "wrong-token-canary" not in said.all
    assert re.search(r"sign|credential|token|access", said.all)
    assert stage.demo.requests.total() == requests
    assert stage.seen().differs(before) == {}


SLIPS = {
    "a misspelled setting": ("pactice = 'x'", "practice"),
    "no TOML": ("this is not toml", "TOML"),
    "a wrong kind": ('reconcile_days = "often"', "reconcile_days"),
}


@pytest.mark.parametrize("what", SLIPS)
def test_a_slip_in_the_settings(stage: Stage, command: Command, what: str) -> None:
    """A slip is named with its place and the right word; nothing is done."""
    line, word = SLIPS[what]
    stage.write_settings(more=line)
    said = command("sync")
    assert said.status == 2
    assert one_sentence(said.err)
    assert word in said.err
    assert (stage.requests()).total() == 0


def test_s9_a_secret_in_the_settings(stage: Stage, command: Command) -> None:
    """A token written into the settings file is refused, and not repeated on the screen."""
    text = stage.file.read_text().replace('token = "file:token"', 'token = "canary-in-clear"')
    stage.file.write_text(text)
    said = command("sync")
    assert said.status == 2
    assert one_sentence(said.err)
    assert "canary-in-clear" not in said.all


def test_a_setting_that_the_platform_does_not_have(stage: Stage, command: Command) -> None:
    """A slip in the platform's own settings is found before anything is asked of it."""
    stage.file.write_text(stage.file.read_text().replace("page_size", "pagesize"))
    said = command("sync")
    assert said.status == 2
    assert one_sentence(said.err)
    assert "pagesize" in said.err


def test_no_settings(stage: Stage, command: Command) -> None:
    """Nothing was set up yet: say how to begin."""
    stage.file.unlink()
    said = command("sync")
    assert said.status == 2
    assert "handrail init" in said.err
    assert one_sentence(said.err)


def test_s19_a_key_file_that_others_can_read(stage: Stage, command: Command) -> None:
    """A key that everybody on the machine can read is no key."""
    (stage.folder / "key").chmod(0o644)
    said = command("sync")
    assert said.status != 0
    assert one_sentence(said.err)


def one_sentence(text: str) -> bool:
    """One line of standard error that begins with our name and ends as a sentence does."""
    lines = text.strip().splitlines()
    assert len(lines) == 1, text
    assert lines[0].startswith("handrail: "), text
    assert lines[0].endswith((".", "?")) or re.search(r": \w+ .+$", lines[0]), text
    return True
