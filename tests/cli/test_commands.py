"""The commands as people and scripts call them: options alone, plain sentences, exit statuses, JSON, nothing half made.

Each runs `handrail.plugin_core.cli.run` in this process against the demo's FHIR server, the same code as the console
command; the walk on foreign servers is tests/test_walk.py.
"""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from handrail.adapters.demo.stage import Demo, open_demo
from handrail.plugin_core.cli import COMMANDS, cli, run
from handrail.plugin_core.report import phrases
from handrail.plugin_core.settings import save
from handrail.plugin_core.store import keys

from tests.mailbox import mailbox

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    """Runs a command with the settings of this test; gives exit status, standard output, standard error."""

    def do(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = run(["--settings", str(tmp_path / "practice" / "handrail.toml"), *words])
        out = capsys.readouterr()
        return status, out.out, out.err

    return do


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The invented practice with its people and no answers yet, as of a fixed day."""
    with open_demo(tmp_path_factory.mktemp("demo"), date(2026, 11, 20)) as stage:
        yield stage


@pytest.fixture
def connected(call: Call, demo: Demo, tmp_path: Path) -> Call:
    """A practice that has run init and connect, pushing off."""
    assert call("init", "--key-file", "--time-zone", "UTC")[0] == 0
    keys.write(f"file:{tmp_path / 'token'}", demo.token)
    where = ("--set", f"base_url={demo.base}", "--set", "auth=bearer", "--secret", f"token=file:{tmp_path / 'token'}")
    status, _, err = call("connect", "fhir", *where)
    assert status == 0, err
    return call


@pytest.fixture
def prepared(connected: Call, tmp_path: Path) -> Iterator[Call]:
    """The same, with all that forms with lines about safety need; a real mail server takes the letters."""
    with mailbox() as mail:
        save(
            tmp_path / "practice" / "handrail.toml",
            {
                "country": "Nowhere",
                "crisis_text": "Invented: call 000.",
                "safety.clinician": "clinician@practice.example",
                "safety.backup": "backup@practice.example",
                "mail.host": "127.0.0.1",
                "mail.port": mail.port,
                "mail.security": "none",
                "mail.sender": "handrail@practice.example",
            },
        )
        yield connected


def test_help_names_every_command_and_the_first_one_to_try(call: Call) -> None:
    """Who types `handrail` must see what there is."""
    status, out, _ = call("--help")
    assert status == 0
    assert "handrail demo" in out
    for name in (*COMMANDS, "demo"):
        assert f"  {name} " in out


def test_every_command_has_help(call: Call) -> None:
    """A broken import in one command's module would otherwise show only to the practice that runs it."""
    for name in (*COMMANDS, "demo"):
        status, out, err = call(name, "--help")
        assert status == 0, err
        assert "Usage:" in out


def test_init_makes_files_for_their_owner_only_and_never_twice(call: Call, tmp_path: Path) -> None:
    """S19: settings, store and key are readable by their owner alone; a second init must not make a second key."""
    assert call("init", "--key-file")[0] == 0
    folder = tmp_path / "practice"
    made = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir() if path.is_file()}
    assert {"handrail.toml", "handrail.key", "handrail.db"} <= made.keys()
    assert set(made.values()) == {0o600}
    key = (folder / "handrail.key").read_text()
    status, _, err = call("init", "--key-file")
    assert status == 2
    assert "already" in err
    assert (folder / "handrail.key").read_text() == key


def test_init_without_a_keyring_says_what_to_do_and_leaves_nothing(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S10: no silent fall-back to plain text on a computer without a keyring."""
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    import keyring

    keyring.core.init_backend()
    try:
        status, _, err = call("init")
    finally:
        monkeypatch.delenv("PYTHON_KEYRING_BACKEND")
        keyring.core.init_backend()
    assert status == 1
    assert "--key-file" in err
    assert not (tmp_path / "practice" / "handrail.toml").exists()


def test_connect_on_a_terminal_asks_how_to_sign_in_and_only_what_that_needs(
    call: Call, demo: Demo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is asked for a token, and not how it is used, is refused by the platform and cannot tell why."""
    call("init", "--key-file", "--time-zone", "UTC")
    monkeypatch.setattr("handrail.plugin_core.cli.setup._on_terminal", lambda: True)
    settings = str(tmp_path / "practice" / "handrail.toml")
    typed = f"{demo.base}\nbearer\n{demo.token}\nn\n"
    done = CliRunner().invoke(cli, ["--settings", settings, "connect", "fhir"], input=typed)
    assert done.exit_code == 0, done.output
    assert "Connected:" in done.output
    assert not [name for name in ("username:", "password (", "client_id:", "private_key (") if name in done.output]


def test_connect_and_doctor_say_that_nobody_is_asked_through_the_platform_yet(connected: Call, demo: Demo) -> None:
    """It is off by itself and the usual way of asking all the same: else the first send is where one finds out."""
    assert "handrail connect fhir --set ask_by=auto" in connected("connect", "fhir")[1]
    assert "asking clients: Asking through the platform is switched off" in connected("doctor")[1]
    assert "ask_by" not in connected("connect", "fhir", "--set", "ask_by=auto")[1]
    assert "asking clients" not in connected("doctor")[1]


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (("connect", "nowhere"), 1, "There is no platform"),
        (("connect", "fhir"), 2, "setting base_url is missing"),
        (("connect", "fhir", "--set", "base_ur=x"), 2, "has no setting base_ur. Did you mean base_url?"),
        (
            ("connect", "fhir", "--set", "base_url=https://x.example", "--set", "auth=bearer"),
            2,
            "token: is needed for this kind of sign-in. Mend",
        ),
        (("connect", "fhir", "--set", "no-sign"), 2, "NAME=VALUE"),
        (("connect", "fhir", "--set", "token=abc"), 2, "is a secret"),
        (("connect", "fhir", "--set", "base_url=http://127.0.0.1:9/fhir", "--push"), 2, "--carrier"),
        (("connect", "fhir", "--set", "base_url=http://127.0.0.1:9/fhir", "--carrier", "pigeon"), 2, "no carrier"),
        (("sync",), 2, "No platform is connected"),
        (("flags",), 2, "No platform is connected"),
        (("nonsense",), 2, "No such command"),
        (("flgs",), 2, "Did you mean flags?"),
        (("enrol", "c", "--consent", "4.5.2026"), 2, "for example 2026-05-04"),
    ],
)
def test_wrong_calls_get_a_sentence_and_change_nothing(
    call: Call, tmp_path: Path, words: tuple[str, ...], status: int, says: str
) -> None:
    """A typing slip must name the slip, and must not leave half of a connection behind."""
    call("init", "--key-file")
    before = (tmp_path / "practice" / "handrail.toml").read_text()
    got, _, err = call(*words)
    assert (got, says in err) == (status, True), err
    assert "Traceback" not in err
    assert (tmp_path / "practice" / "handrail.toml").read_text() == before


def test_pushing_stays_off_until_said(connected: Call, tmp_path: Path) -> None:
    """Nothing may reach the platform before the practice said yes to it and to a carrier by name."""
    settings = (tmp_path / "practice" / "handrail.toml").read_text()
    assert "on = false" in settings
    _, out, _ = connected("doctor")
    assert "pushing" in out


def test_connect_keeps_no_secret_in_the_settings(connected: Call, tmp_path: Path, demo: Demo) -> None:
    """S9: the settings hold references; the token itself is nowhere in the folder."""
    for path in (tmp_path / "practice").rglob("*"):
        if path.is_file():
            assert demo.token.encode() not in path.read_bytes()


def test_publish_sync_and_read(prepared: Call, demo: Demo) -> None:
    """The everyday commands, each also as JSON that another program can read."""
    for instrument in demo.practice.instruments():
        assert prepared("publish", instrument.id)[0] == 0
    demo.answer_year()
    status, out, _ = prepared("sync")
    assert status == 0
    assert "new forms stored" in out
    status, out, _ = prepared("sync", "--json")
    facts = json.loads(out)
    assert facts["outcome"] == "complete"
    assert "new" not in facts["counts"]
    rows: list[dict[str, Any]] = json.loads(prepared("flags", "--json")[1])["flags"]
    assert rows
    assert rows[0]["rule"] == "S", "safety notices come first"
    assert "until it is closed" in prepared("ack", rows[0]["id"], "--by", "me")[1]
    assert prepared("ack", rows[0]["id"], "--done", "talked", "--by", "me")[0] == 0
    assert "It was closed already" in prepared("ack", rows[0]["id"], "--by", "me")[1]
    prompt = next(row for row in rows if row["rule"] == "R1")
    assert prepared("explain", prompt["id"])[0] == 0
    assert prepared("client", prompt["client"])[0] == 0
    status, out, _ = prepared("ack", prompt["id"], "--useful", "yes", "--note", "talked about it", "--by", "me")
    assert status == 0
    assert "12 weeks" in out
    again = next(row for row in json.loads(prepared("flags", "--json")[1])["flags"] if row["id"] == prompt["id"])
    assert again["state"] == "acknowledged"
    status, out, _ = prepared("hold", prompt["client"], "--until", "2099-01-01", "--reason", "a loss", "--by", "me")
    assert status == 0
    assert prepared("hold", prompt["client"], "--until", "2001-01-01", "--reason", "x")[0] == 2
    assert prepared("rescore")[0] == 0
    assert prepared("sync", "--dry-run")[0] == 0


def test_flags_imports_nothing_that_judges_or_draws(connected: Call, tmp_path: Path) -> None:
    """The command that is run most would wait longer each time: an eighth for rules and charts, and as much for the
    dialect of a database that is not in use."""
    code = (
        "import sys; from handrail.plugin_core.cli import run\n"
        "assert run(sys.argv[1:]) == 0\n"
        "import handrail.plugin_core.report.listing\n"  # as soon as a flag stands
        "paid = 'rules.view', 'signal.rule', 'report.series', 'dialects.postgresql'\n"
        "print([name for name in sys.modules if name.endswith(paid)])"
    )
    words = ["--settings", str(tmp_path / "practice" / "handrail.toml"), "flags"]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines()[-2:] == [phrases.NO_FLAG, "[]"]


def test_report_is_one_private_file_without_network(connected: Call, tmp_path: Path) -> None:
    """S31: the report holds names and answers, so it is written for its owner only and loads nothing."""
    out = tmp_path / "page.html"
    status, _, err = connected("report", "-o", str(out))
    assert status == 0, err
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    html = out.read_text()
    assert "<script" not in html
    assert "http://" not in html.replace("http://www.w3.org/", "")


def test_a_damaged_settings_file_is_named_with_the_nearest_key(call: Call, tmp_path: Path) -> None:
    """A practice that edits its settings by hand must learn which line is wrong."""
    call("init", "--key-file")
    file = tmp_path / "practice" / "handrail.toml"
    file.write_text(file.read_text().replace("time_zone", "timezone"))
    status, _, err = call("sync")
    assert status == 2
    assert "timezone" in err
    assert "Did you mean time_zone?" in err
    status, out, _ = call("doctor")
    assert status == 1
    assert "wrong" in out


def test_instruments_export_is_a_questionnaire(call: Call) -> None:
    """A practice whose platform we may not write to makes the form there by hand from this."""
    status, out, _ = call("instruments", "export", "gr18")
    assert status == 0
    assert json.loads(out)["resourceType"] == "Questionnaire"
    assert call("instruments", "export", "gr18", "--as", "clay-tablet")[0] == 2


def test_screen_judges_the_vectors(call: Call, tmp_path: Path) -> None:
    """The offline command, with its rejects and exit status."""
    lines = tmp_path / "in.jsonl"
    lines.write_text(
        '{"client":"c","instrument":"gr18","version":"1","authored":"2026-03-02T10:00:00+00:00","answers":{"W2":4}}\n'
        '{"client":"c","instrument":"gr18","version":"1","authored":"2026-03-03T10:00:00","answers":{}}\n'
    )
    out, rejects = tmp_path / "flags.jsonl", tmp_path / "rejects.jsonl"
    status, _, _ = call("screen", str(lines), "-o", str(out), "--rejects", str(rejects), "--rules", "P7,P1")
    assert status == 1
    assert [json.loads(line)["rule"] for line in out.read_text().splitlines()] == ["P7"]
    assert json.loads(rejects.read_text())["line"] == 2
    assert call("screen", str(lines), "-o", str(out), "--rules", "P99")[0] == 2


def test_a_second_platform_is_refused_while_one_is_connected(connected: Call, tmp_path: Path) -> None:
    """Switching under an unseen safety answer would leave it to nobody, and flags on the old platform for ever."""
    file = tmp_path / "practice" / "handrail.toml"
    file.write_text(file.read_text(encoding="utf-8").replace('name = "fhir"', 'name = "other"'), encoding="utf-8")
    before = file.read_text(encoding="utf-8")
    status, _, err = connected("connect", "fhir", "--set", "base_url=http://127.0.0.1:9/fhir", "--set", "auth=none")
    assert status == 2
    assert "handrail disconnect --retract-all" in err
    assert file.read_text(encoding="utf-8") == before
