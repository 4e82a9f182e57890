"""`enrol`, `due`, `send`, `opt-out` as people and scripts call them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from handrail.adapters.demo.stage import Demo, open_demo
from handrail.plugin_core.cli import run
from handrail.plugin_core.store import keys

from tests.sync.stage import form

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The invented practice."""
    with open_demo(tmp_path_factory.mktemp("demo"), date(2026, 11, 20)) as stage:
        yield stage


@pytest.fixture
def call(tmp_path: Path, capsys: pytest.CaptureFixture[str], demo: Demo) -> Call:
    """Runs a command in a practice that is connected to it, with one sync done."""

    def do(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = run(["--settings", str(tmp_path / "practice" / "handrail.toml"), *words])
        out = capsys.readouterr()
        return status, out.out, out.err

    assert do("init", "--key-file", "--time-zone", "UTC")[0] == 0
    keys.write(f"file:{tmp_path / 'token'}", demo.token)
    where = ("--set", f"base_url={demo.base}", "--set", "auth=bearer", "--secret", f"token=file:{tmp_path / 'token'}")
    assert do("connect", "fhir", *where)[0] == 0
    return do


@pytest.fixture(scope="module")
def who(demo: Demo) -> str:
    """The reference of a client of the platform."""
    import requests

    found = requests.get(f"{demo.base}/Patient", headers={"Authorization": f"Bearer {demo.token}"}, timeout=10).json()
    return f"Patient/{found['entry'][0]['resource']['id']}"


def test_enrol_due_opt_out(call: Call, who: str) -> None:
    """The everyday way, each also as JSON."""
    status, out, err = call("enrol", who)
    assert status == 0, err
    assert "No consent is recorded" in out
    assert json.loads(call("due", "--json")[1])["counts"] == {"waiting-for-consent": 1}
    assert "First form" in call("due")[1]
    status, out, _ = call(
        "enrol", who, "--consent", "2026-01-02", "--every-weeks", "6", "--channel", "platform", "--json"
    )
    (item,) = json.loads(out)["enrolments"]
    assert (item["new"], item["changed"], item["every_weeks"], item["consent"]) == (False, True, 6, "2026-01-02")
    facts = json.loads(call("due", "--json")[1])
    assert facts["counts"] == {"due": 1}
    assert facts["due"][0]["reason"] == "First form."
    status, out, _ = call("send", "--dry-run", "--json")
    assert (status, json.loads(out)["counts"]) == (0, {"would_ask": 1})
    assert "clients would be asked: 1" in call("send", "--dry-run")[1]
    status, out, _ = call("opt-out", who)
    assert status == 0
    assert "opted out on" in out
    assert json.loads(call("due", "--json")[1])["counts"] == {"opted-out": 1}
    assert "Nothing is due" in call("due")[1]
    assert call("enrol", who, "--every-weeks", "2")[0] == 2


def test_pause_resume_end(call: Call, who: str) -> None:
    """Each in one word, and shown."""
    call("enrol", who, "--consent", "2026-01-02")
    status, out, _ = call("enrol", who, "--pause-until", "2999-01-01")
    assert (status, "Nothing is asked until" in out) == (0, True)
    assert "paused until" in call("due")[1]
    assert call("enrol", who, "--pause-until", "2001-01-01")[0] == 2
    assert call("enrol", who, "--resume")[0] == 0
    assert "First form" in call("due")[1]
    assert call("enrol", who, "--end")[0] == 0
    assert json.loads(call("due", "--json")[1])["counts"] == {"ended": 1}


def test_from_a_file_shows_first_and_does_it_with_yes(call: Call, who: str, tmp_path: Path) -> None:
    """A list that is read in by mistake has asked nobody."""
    file = tmp_path / "clients.csv"
    file.write_text(f"client,instruments,every_weeks,consent\n{who},gr18,4,2026-01-02\n")
    status, out, _ = call("enrol", "--from", str(file))
    assert (status, "--yes" in out) == (0, True)
    assert json.loads(call("due", "--json")[1])["due"] == []
    status, out, _ = call("enrol", "--from", str(file), "--yes")
    assert status == 0
    assert json.loads(call("due", "--json")[1])["counts"] == {"due": 1}


def test_send_alone_says_that_forms_were_not_read(call: Call, who: str) -> None:
    """It reads none: whoever has answered since would be asked again, and nobody would know why."""
    call("enrol", who, "--consent", "2026-01-02")
    assert "No sync has succeeded so far" in call("send", "--dry-run")[1]
    assert call("sync", "--no-push")[0] == 0
    assert json.loads(call("send", "--dry-run", "--json")[1])["problems"] == []


def test_everyone_is_who_is_known_and_not_enrolled(call: Call, who: str, demo: Demo) -> None:
    """Also after one of them opted out."""
    for number in (1, 2, 3):
        when = datetime(2026, 11, 1 + number, tzinfo=UTC)
        demo.server.load(form(f"e-{number}", f"client-0{number}", when), when)
    assert call("sync", "--no-push")[0] == 0
    known = len(json.loads(call("enrol", "--everyone", "--json")[1])["enrolments"])
    assert known == 3
    call("enrol", who, "--consent", "2026-01-02")
    call("opt-out", who)
    status, out, _ = call("enrol", "--everyone", "--yes", "--json")
    assert (status, len(json.loads(out)["enrolments"])) == (0, known - 1)
    status, out, _ = call("enrol", "--everyone")
    assert "nobody to enrol" in out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("enrol",), "Name one client"),
        (("enrol", "nobody"), "nor to the platform"),
        (("enrol", "x", "--everyone"), "Name one client"),
        (("enrol", "--pause-until", "2999-01-01", "--everyone"), "for one client"),
        (("enrol", "--from", "nowhere.csv"), "cannot be read"),
        (("opt-out", "nobody"), "No client"),
        (("due", "--client", "nobody"), "No client"),
    ],
)
def test_wrong_calls_get_a_sentence(call: Call, words: tuple[str, ...], says: str) -> None:
    """One plain sentence, status 2, no client named that was not typed."""
    status, _, err = call(*words)
    assert (status, says in err) == (2, True), err
    assert "Traceback" not in err


def test_phq9_is_refused_until_the_practice_is_ready(call: Call, who: str) -> None:
    """clinical.md 6."""
    status, _, err = call("enrol", who, "--form", "phq9")
    assert status == 2
    assert "crisis_text" in err


def test_the_consent_text_can_be_read_out(call: Call) -> None:
    """clinical.md 9.6: who sees it, what it is for, that care does not depend on it, how to stop."""
    out = call("enrol", "--show-consent")[1]
    for words in ("can see your answers", "so that", "does not depend", "stop at any time", "not watched"):
        assert words in out
