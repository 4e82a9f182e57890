"""A practice learns that syncing has stopped: by one letter a day, by `doctor --quiet`, by the first line of `flags`.

Through the real command against a platform that is there or not, with simulated days and a mail server that keeps
what it is given.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from handrail.plugin_core.collecting.fresh import old_news
from handrail.plugin_core.contracts import Letter
from handrail.plugin_core.errors import MailProblem
from handrail.plugin_core.instruments import builtin_one
from handrail.plugin_core.mail import Mailer
from handrail.plugin_core.schedule import watch
from handrail.plugin_core.settings import load
from handrail.plugin_core.sync.lock import exclusive

from tests.sync.stage import EVEN, Stage, form

from .conftest import Command

MORE = """
[schedule]
every_minutes = 60
alarm_to = "anna@practice.example"
alarm_hours = 24
"""


@pytest.fixture
def letters(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> list[Letter]:
    """The letters that were sent (what a mail server does with them is tested with the mailer)."""
    sent: list[Letter] = []
    monkeypatch.setattr(Mailer, "send", lambda self, letter: sent.append(letter))
    text = stage.file.read_text().replace("[platform]\n", f"{MORE}[platform]\n", 1)
    stage.file.write_text(text)
    stage.course("secret-client", [EVEN, EVEN])
    return sent


def cut(stage: Stage) -> None:
    """From now on nobody answers at the platform's address."""
    stage.file.write_text(stage.file.read_text().replace(stage.base, "http://127.0.0.1:9/fhir"))


def mend(stage: Stage) -> None:
    """The platform is back."""
    stage.file.write_text(stage.file.read_text().replace("http://127.0.0.1:9/fhir", stage.base))


def hours(command: Command, stage: Stage, number: int) -> list[int]:
    """So many hourly runs; their exit statuses."""
    found = []
    for _ in range(number):
        stage.later(minutes=60)
        found.append(command("sync", "--quiet").status)
    return found


def test_a_quiet_run_says_nothing_when_all_is_well(command: Command, letters: list[Letter]) -> None:
    """Else the scheduler's log, or cron's mail, grows each hour until nobody reads it."""
    said = command("sync", "--quiet")
    assert (said.status, said.out, said.err) == (0, "", "")
    assert letters == []


def test_a_quiet_run_that_fails_says_why(command: Command, letters: list[Letter], stage: Stage) -> None:
    """What systemd, launchd and cron keep of it is what a person later looks at."""
    cut(stage)
    said = command("sync", "--quiet")
    assert said.status == 3
    assert "cannot be reached" in said.out + said.err or "did not answer" in said.out + said.err


def test_one_letter_a_day_once_nothing_has_succeeded_for_a_day(
    command: Command, letters: list[Letter], stage: Stage
) -> None:
    """None before the time, one a day after it, none once it works again; and what it says helps."""
    assert command("sync", "--quiet").status == 0
    cut(stage)
    assert set(hours(command, stage, 23)) == {3}
    assert letters == [], "a night without network is no alarm"
    hours(command, stage, 1)
    assert len(letters) == 1
    hours(command, stage, 71)
    assert len(letters) == 4, "noon of the first day, then once on each of three days"
    first = letters[0]
    assert first.to == "anna@practice.example"
    assert "2026-11-20 12:00" in first.subject
    assert "handrail doctor" in first.text
    assert "secret-client" not in first.text
    assert len({letter.key for letter in letters}) == 4
    mend(stage)
    assert set(hours(command, stage, 30)) == {0}
    assert len(letters) == 4
    cut(stage)
    hours(command, stage, 24)
    assert len(letters) == 5, "a later fault is told anew"


def test_a_practice_that_never_synced_is_told_too(command: Command, letters: list[Letter], stage: Stage) -> None:
    """Set up on Friday with a wrong password: nothing ever worked, so nothing has stopped working."""
    cut(stage)
    hours(command, stage, 30)
    assert len(letters) == 1
    assert "yet" in letters[0].subject


def test_the_alarm_needs_no_store(command: Command, letters: list[Letter], stage: Stage) -> None:
    """A lost key or a damaged store is just what somebody must be told of."""
    assert command("sync", "--quiet").status == 0
    (stage.folder / "key").unlink()
    assert set(hours(command, stage, 25)) == {1}
    assert len(letters) == 1
    assert "secret file" in letters[0].text


def test_after_a_weekend_asleep_the_first_failure_waits_for_the_second(
    command: Command, letters: list[Letter], stage: Stage
) -> None:
    """On Monday the network is up a minute after the laptop: no alarm for that; but one an hour later."""
    command("sync", "--quiet")
    cut(stage)
    stage.later(days=3)
    assert command("sync", "--quiet").status == 3
    assert letters == []
    hours(command, stage, 1)
    assert len(letters) == 1


def test_missed_runs_are_caught_up_by_the_next_one(command: Command, letters: list[Letter], stage: Stage) -> None:
    """A sync after a long gap brings all that came in meanwhile."""
    command("sync", "--quiet")
    stage.later(days=4)
    stage.course("b", [EVEN], last=2)
    assert command("sync", "--quiet").status == 0
    assert len(stage.seen().responses) == 3
    assert letters == []


def test_a_letter_that_cannot_be_sent_is_loud_and_tried_again(
    command: Command, letters: list[Letter], stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The alarm's own failure must not be silent."""

    def refuse(self: Mailer, letter: Letter) -> None:
        raise MailProblem("The mail server does not answer.", passing=True)

    command("sync", "--quiet")
    cut(stage)
    hours(command, stage, 23)
    with monkeypatch.context() as broken:
        broken.setattr(Mailer, "send", refuse)
        stage.later(minutes=60)
        said = command("sync", "--quiet")
    assert said.status == 3
    assert "letter about it could not be sent" in said.err
    hours(command, stage, 1)
    assert len(letters) == 1


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="NOT RUN as root, who may write everywhere")
def test_where_nothing_can_be_noted_letters_still_come(command: Command, letters: list[Letter], stage: Stage) -> None:
    """A read-only folder: one run a day tells, not each."""
    cut(stage)
    stage.folder.chmod(0o500)
    hours(command, stage, 48)
    stage.folder.chmod(0o700)
    assert len(letters) == 2


def test_one_run_a_day_tells_where_nothing_can_be_noted(
    command: Command, letters: list[Letter], stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As above, for those who run tests as root."""
    cut(stage)
    monkeypatch.setattr(watch, "write", lambda path, record: False)
    hours(command, stage, 48)
    assert len(letters) == 2


# --- the clock --------------------------------------------------------------------------------------------------------


def test_a_clock_that_was_a_year_ahead_does_not_silence_the_alarm(
    command: Command, letters: list[Letter], stage: Stage
) -> None:
    """A success noted in the future would make everything look fresh for a year."""
    stage.now += timedelta(days=365)
    command("sync", "--quiet")
    stage.now -= timedelta(days=365)
    assert command("flags").out.startswith("NOT UP TO DATE as far as can be told: this computer's clock was put back")
    cut(stage)
    hours(command, stage, 26)
    assert len(letters) == 1
    mend(stage)
    hours(command, stage, 1)
    assert "NOT UP TO DATE" not in command("flags").out


def test_a_clock_that_jumps_ahead_and_back_costs_nothing_for_long(
    command: Command, letters: list[Letter], stage: Stage
) -> None:
    """Each sync that succeeds sets it right."""
    command("sync", "--quiet")
    for jump in (30, -30, 400, -400):
        stage.now += timedelta(days=jump)
        assert command("sync", "--quiet").status == 0
        assert "NOT UP TO DATE" not in command("flags").out
    assert letters == []


def test_summer_time_is_no_jump(command: Command, letters: list[Letter], stage: Stage) -> None:
    """Ages are counted in real hours, days of letters in local ones."""
    stage.file.write_text(stage.file.read_text().replace('"UTC"', '"Europe/Zurich"'))
    stage.now = datetime.fromisoformat("2027-03-27T12:00+00:00")
    stage.later()
    command("sync", "--quiet")
    cut(stage)
    hours(command, stage, 23)
    assert letters == []
    hours(command, stage, 1)
    assert len(letters) == 1


# --- beside another run -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("age", "status"), [(5, 0), (59, 0), (-30, 0), (61, 1), (60 * 24, 1), (-61, 1)])
def test_f73_a_run_that_finds_another_at_work_ends_quietly_unless_that_takes_long(
    command: Command, letters: list[Letter], stage: Stage, age: int, status: int
) -> None:
    """The hourly run during a long first sync is no fault; one that has hung for a day is."""
    with stage.engine() as first, exclusive(first.store, "syncing"):
        owner = next(stage.folder.glob("*.owner"))
        begun = stage.now - timedelta(minutes=age)
        text = owner.read_text()
        owner.write_text(json.dumps(json.loads(text) | {"since": begun.isoformat()}))
        said = command("sync", "--quiet")
        assert said.status == status
        assert bool(said.err) == bool(status)
        assert command("sync").status == 1, "somebody at the keyboard is always told"


# --- stale ------------------------------------------------------------------------------------------------------------


def test_flags_never_look_fresh_when_they_are_stale(command: Command, letters: list[Letter], stage: Stage) -> None:
    """A list without new flags reads as good news."""
    assert command("flags").out.startswith("NOT UP TO DATE: no sync has succeeded yet")
    command("sync", "--quiet")
    assert "NOT UP TO DATE" not in command("flags").out
    stage.later(days=1, minutes=-1)
    assert "NOT UP TO DATE" not in command("flags").out
    stage.later(minutes=1)
    said = command("flags")
    assert said.out.startswith("NOT UP TO DATE: the last sync that succeeded was on 2026-11-20 12:00 (24 hours ago)")
    as_json = command("flags", "--json")
    assert "NOT UP TO DATE" in as_json.err
    assert "NOT UP TO DATE" not in as_json.out


def test_a_run_that_only_could_not_tell_is_named_for_what_it_is(
    command: Command, letters: list[Letter], stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answers are here. "Not here" would send people to the platform, away from the answer that waits on top."""

    def only_the_alarm(_: Mailer, letter: Letter) -> None:
        if letter.to != "anna@practice.example":
            raise MailProblem("The mail server does not answer.", passing=True)
        letters.append(letter)

    monkeypatch.setattr(Mailer, "send", only_the_alarm)
    stage.person("secret-client")
    answers = {item.id: 1 for item in builtin_one("phq9").items}
    stage.put(form("urgent", "secret-client", stage.now - timedelta(minutes=5), answers, instrument="phq9"))
    first = command("sync")
    assert first.status == 1
    assert first.out.startswith("Sync failed: all was read, but not everybody could be told of a safety answer")
    assert set(hours(command, stage, 25)) == {1}
    shown = command("flags").out
    assert shown.startswith("NOT EVERYBODY COULD BE TOLD of a safety answer")
    assert "read everything on 2026-11-21 13:00" in shown
    assert "NOT UP TO DATE" not in shown
    assert len(letters) == 1
    assert letters[0].subject == "Handrail: not everybody could be told of a safety answer"
    assert "What clients have answered is in Handrail" in letters[0].text
    assert "is not in Handrail" not in letters[0].text
    assert "all was read, but not everybody could be told" in command("doctor", "--offline").out
    assert stage.ask(old_news) is None, "who has answered is known here, so that nobody is asked again"
    cut(stage)
    hours(command, stage, 25)
    assert "NOT UP TO DATE" in command("flags").out, "nor is what was read a day ago taken for today's"


def test_doctor_quiet_is_for_a_monitor(command: Command, letters: list[Letter], stage: Stage) -> None:
    """Where nothing runs at all nobody is left to write a letter; any monitor can ask this."""
    stage.file.chmod(0o600)
    command("sync", "--quiet")
    well = command("doctor", "--quiet", "--offline")
    assert (well.status, well.out) == (0, "")
    stage.later(days=2)
    late = command("doctor", "--quiet", "--offline")
    assert late.status == 1
    assert "NOT UP TO DATE" in late.out.splitlines()[0]


# --- the file beside the settings -------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "{", "[]", '{"failures": "x"}', '{"succeeded": "2026-11-20T12:00"}', "\0" * 512])
def test_a_damaged_note_is_as_none(command: Command, letters: list[Letter], stage: Stage, text: str) -> None:
    """A torn write after a power cut must stop neither sync nor alarm."""
    watch.place(load(stage.file)).write_text(text)
    assert watch.read(watch.place(load(stage.file))) == watch.Record()
    assert command("sync", "--quiet").status == 0
    assert watch.read(watch.place(load(stage.file))).succeeded == stage.now


def test_f71_the_note_is_written_in_place_at_one_size(command: Command, letters: list[Letter], stage: Stage) -> None:
    """On a full disk a new file could not be made, and the alarm would forget itself."""
    path = watch.place(load(stage.file))
    command("sync", "--quiet")
    before = path.stat()
    cut(stage)
    hours(command, stage, 30)
    after = path.stat()
    assert (after.st_ino, after.st_size) == (before.st_ino, before.st_size) == (before.st_ino, watch.SIZE)


def test_without_a_console_window_it_runs_all_the_same(stage: Stage, letters: list[Letter]) -> None:
    """Windows starts it by pythonw, where there is neither standard input nor output."""
    code = (
        "import sys; sys.stdin = sys.stdout = sys.stderr = None; "
        f"sys.argv = ['handrail', '--settings', {str(stage.file)!r}, 'sync', '--quiet']; "
        "from handrail.plugin_core.cli import main; main()"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    cut(stage)
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr
