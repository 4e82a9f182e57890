"""What is written for each scheduler is what it reads: times, words with any letters, catching up, one at a time."""

from __future__ import annotations

import plistlib
import re
import shutil
import string
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree as Tree

import pytest
from handrail.plugin_core.errors import HandrailError, UsageError
from handrail.plugin_core.schedule import cron, launchd, systemd, windows
from handrail.plugin_core.schedule.cadence import DAY, REGULAR, Cadence
from handrail.plugin_core.schedule.job import Job, Ran
from hypothesis import given
from hypothesis import strategies as st

SPACE = {"t": windows.SPACE}
ODD = string.ascii_letters + " äöüßéČ漢'\"`$%&;|<>(){}[]*?!#~=+,.-_@^\\"
# A folder's name as somebody might give it; no slash, which parts folders.
names = st.text(ODD, min_size=1, max_size=20).filter(lambda name: name.strip(". ") == name)
cadences = st.builds(Cadence.of, st.integers(5, DAY), st.text(max_size=5))


def job(folder: str = "x", cadence: Cadence | None = None, *, practice: str = "north-road", send: bool = True) -> Job:
    place = Path("/home") / folder
    program = (str(place / "handrail"),)
    return Job(practice, place / "handrail.toml", cadence or Cadence(60, 7), program, send, place)


def no_system(words: Sequence[str], stdin: str | None = None) -> Ran:
    """A computer with nothing on it."""
    return Ran(127)


# --- when -------------------------------------------------------------------------------------------------------------


@given(st.integers(1, 2 * DAY), st.text(max_size=8), st.datetimes(timezones=st.just(UTC)))
def test_f94_starts_are_regular_never_slower_than_asked_and_spread(asked: int, seed: str, now: datetime) -> None:
    """A practice that promised an hour must not get two; a thousand practices must not all start at the full hour."""
    cadence = Cadence.of(asked, seed)
    assert cadence.every in REGULAR
    assert cadence.every <= max(asked, REGULAR[0])
    assert 0 <= cadence.offset < cadence.every
    if now.year < 9999:
        following = cadence.next_after(now)
        assert timedelta() < following - now <= timedelta(minutes=cadence.every)
        assert divmod(following.hour * 60 + following.minute, 60) in cadence.times


def test_f94_a_thousand_practices_use_the_whole_hour() -> None:
    """Else the platform of a network of clinics meets them all in one minute."""
    minutes = [Cadence.of(60, f"practice-{number}").offset for number in range(1000)]
    assert len(set(minutes)) > 55
    assert max(minutes.count(minute) for minute in set(minutes)) < 50


def ticks(minutes: str, hours: str) -> set[tuple[int, int]]:
    """What two fields of a crontab mean."""

    def values(field: str, most: int) -> list[int]:
        return list(range(most)) if field == "*" else [int(part) for part in field.split(",")]

    return {(hour, minute) for hour in values(hours, 24) for minute in values(minutes, 60)}


def calendar_ticks(text: str) -> set[tuple[int, int]]:
    """What an OnCalendar of our shape means: `5/15` is every fifteenth from the fifth."""
    found = re.fullmatch(r"\*-\*-\* ([\d/*]+):([\d/]+):00", text)
    assert found

    def values(field: str, most: int) -> list[int]:
        if field == "*":
            return list(range(most))
        start, _, step = field.partition("/")
        return list(range(int(start), most, int(step))) if step else [int(start)]

    return {(hour, minute) for hour in values(found[1], 24) for minute in values(found[2], 60)}


@given(cadences)
def test_every_scheduler_starts_at_the_same_times(cadence: Cadence) -> None:
    """The status line says the next run; it must be true on each of them."""
    wanted = set(cadence.times)
    minutes, hours, *rest = cron.times(cadence).split()
    assert rest == ["*", "*", "*"]
    assert ticks(minutes, hours) == wanted
    assert calendar_ticks(systemd.calendar(cadence)) == wanted
    facts = plistlib.loads(next(iter(launchd.plan(job(cadence=cadence), no_system).files.values())))
    entries = facts["StartCalendarInterval"]
    assert {(h, e["Minute"]) for e in entries for h in ([e["Hour"]] if "Hour" in e else range(24))} == wanted
    task = Tree.fromstring(windows.xml(job(cadence=cadence)).partition("?>")[2])
    start = datetime.fromisoformat(task.findtext(".//t:StartBoundary", "", SPACE))
    assert task.findtext(".//t:Interval", "", SPACE) == f"PT{cadence.every}M"
    assert (start.hour, start.minute) == divmod(cadence.offset, 60)


# --- what is run: paths with any letters ------------------------------------------------------------------------------


def read_exec(text: str) -> list[str]:
    """ExecStart as systemd.service(5) tells it: C quoting, then specifiers, then variables in all but the first."""
    line = next(line for line in text.splitlines() if line.startswith("ExecStart="))
    words = []
    for found in re.finditer(r'"((?:[^"\\]|\\.)*)"', line):
        word = re.sub(r"\\(.)", r"\1", found[1])
        assert not re.search(r"%(?!%)", word.replace("%%", "")), "a specifier"
        words.append(word.replace("%%", "%"))
    assert all("$" not in word.replace("$$", "") for word in words[1:]), "a variable"
    return [words[0], *(word.replace("$$", "$") for word in words[1:])]


@given(names, cadences)
def test_systemd_runs_the_very_words(folder: str, cadence: Cadence) -> None:
    """A `%` or a `$` in a folder's name would otherwise become the user's name, or nothing."""
    one = job(folder, cadence)
    service = next(
        data.decode() for path, data in systemd.plan(one, no_system).files.items() if path.suffix == ".service"
    )
    words = read_exec(service)
    if words[0] == "/bin/sh":  # the shell starts what systemd refuses
        assert words[1:3] == ["-c", 'exec "$0" "$@"']
        words = words[3:]
    assert tuple(words) == one.command


@given(names)
def test_launchd_runs_the_very_words(folder: str) -> None:
    """Round trip through a property list."""
    one = job(folder)
    data = next(iter(launchd.plan(one, no_system).files.values()))
    assert tuple(plistlib.loads(data)["ProgramArguments"]) == one.command


def read_windows(line: str) -> list[str]:
    """A command line taken apart as Microsoft's C runtime documents it."""
    words, word, quoted, begun, position = [], "", False, False, 0
    while position < len(line):
        slashes = len(line[position:]) - len(line[position:].lstrip("\\"))
        position += slashes
        here = line[position] if position < len(line) else ""
        if here == '"':
            word += "\\" * (slashes // 2)
            begun = True
            if slashes % 2:
                word += '"'
            else:
                quoted = not quoted
        else:
            word += "\\" * slashes
            begun = begun or bool(slashes)
            if here in (" ", "\t", "") and not quoted:
                if begun:
                    words.append(word)
                word, begun = "", False
            else:
                word += here
                begun = True
        position += 1
    return [*words, word] if begun else words


@given(names)
def test_windows_runs_the_very_words(folder: str) -> None:
    """Written as the scheduler wants it (UTF-16), read back by an XML parser and by the rules of Windows programs."""
    one = job(folder)
    if any(re.search("%[^%]+%", word) for word in one.command):
        with pytest.raises(UsageError, match="percent"):
            windows.plan(one, no_system)
        return
    ((path, data),) = windows.plan(one, no_system).files.items()
    assert path.suffix == ".xml"
    assert data[:2] in (b"\xff\xfe", b"\xfe\xff")
    task = Tree.fromstring(data.decode("utf-16").partition("?>")[2])
    assert task.findtext(".//t:Command", "", SPACE) == one.command[0]
    assert tuple(read_windows(task.findtext(".//t:Arguments", "", SPACE))) == one.command[1:]


def as_cron_reads(field: str) -> str:
    """A crontab's command as cron hands it to the shell: a bare `%` ends it; a backslash covers one letter."""
    out, covered = "", False
    for letter in field:
        if covered:
            out = out[:-1] + letter if letter == "%" else out + letter
            covered = False
            continue
        assert letter != "%", "a bare percent sign ends the command"
        covered = letter == "\\"
        out += letter
    return out


@pytest.mark.skipif(shutil.which("sh") is None, reason="NOT RUN: there is no shell here")
@pytest.mark.parametrize(
    "folder", ["a b", "ä'ö", "100% sure", "back\\%slash", "\\\\%", "$HOME", "`id`", '"q"', "%%", "#x;y"]
)
def test_cron_runs_the_very_words(folder: str) -> None:
    """Through a real shell, after what cron itself does to the line."""
    one = job(folder)
    shown = as_cron_reads(cron.escaped([sys.executable, "-c", "import sys; print(sys.argv[1:])", *one.command]))
    done = subprocess.run(["/bin/sh", "-c", shown], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == repr(list(one.command))


@given(st.text(ODD, max_size=30))
def test_cron_keeps_every_percent_sign(text: str) -> None:
    """After cron, the shell's own reading gives the word back."""
    import shlex

    assert shlex.split(as_cron_reads(cron.escaped(["x", text]))) == ["x", text]


# --- what the entries promise -----------------------------------------------------------------------------------------


def test_missed_runs_are_caught_up_and_no_second_copy_starts() -> None:
    """A laptop that slept over the weekend syncs on Monday without anybody thinking of it."""
    timer = next(
        data.decode() for path, data in systemd.plan(job(), no_system).files.items() if path.suffix == ".timer"
    )
    assert "OnCalendar=" in timer
    assert "Persistent=true" in timer
    agent = plistlib.loads(next(iter(launchd.plan(job(), no_system).files.values())))
    assert agent["RunAtLoad"] is True
    assert "StartInterval" not in agent, "its starts are lost in sleep; those of StartCalendarInterval are made up for"
    task = Tree.fromstring(windows.xml(job()).partition("?>")[2])
    settings = {node.tag.partition("}")[2]: node.text for node in task.iterfind("t:Settings/*", SPACE)}
    assert settings["StartWhenAvailable"] == "true"
    assert settings["MultipleInstancesPolicy"] == "IgnoreNew"
    assert settings["DisallowStartIfOnBatteries"] == "false"


def test_no_password_and_no_secret_is_in_any_entry() -> None:
    """Every user of the computer can read what others schedule."""
    task = Tree.fromstring(windows.xml(job()).partition("?>")[2])
    assert task.findtext(".//t:LogonType", "", SPACE) == "InteractiveToken", "no password is stored for it"
    assert task.findtext(".//t:RunLevel", "", SPACE) == "LeastPrivilege"
    for module in (systemd, launchd, windows, cron):
        for text in module.plan(job(), no_system).shown.values():
            assert not re.search(r"password|token(?!<)|secret", text.replace("InteractiveToken", ""), re.IGNORECASE)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="NOT RUN: systemd-analyze is not installed here")
@pytest.mark.parametrize("folder", ["plain", "with space ä", "100% sure", "quote'\"s", "a$b", "back\\slash"])
@pytest.mark.parametrize("every", [5, 60, 240, 1440])
def test_systemd_itself_finds_no_fault(tmp_path: Path, folder: str, every: int) -> None:
    """The real parser: it checks that the program is there, so a path that was written wrongly is found out."""
    place = tmp_path / folder
    place.mkdir()
    program = place / "handrail"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    one = Job("north-road", place / "handrail.toml", Cadence.of(every, "x"), (str(program),), False, tmp_path)
    units = tmp_path / "units"
    units.mkdir()
    for path, data in systemd.plan(one, no_system).files.items():
        (units / path.name).write_bytes(data)
    names = [str(units / f"{one.name}.{kind}") for kind in ("service", "timer")]
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *names], capture_output=True, text=True, check=False
    )
    ours = [line for line in done.stderr.splitlines() if "handrail" in line or "north-road" in line]
    assert ours == []
    program.unlink()
    if set(folder) & set("'\"\\"):
        return  # the shell starts it, so systemd cannot know whether it is there
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", names[0]], capture_output=True, text=True, check=False
    )
    assert f"Command {program} is not executable" in done.stderr, "else this test would see nothing"


# --- found again ------------------------------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("XDG_CONFIG_HOME")
    return tmp_path


def at(home: Path, settings: str = "handrail.toml", every: int = 60) -> Job:
    return Job("north-road", home / settings, Cadence(every, 3), (str(home / "50% off" / "handrail"),), False, home)


@pytest.mark.parametrize("name", ["systemd", "launchd"])
def test_an_entry_is_found_again_and_known_for_what_it_is(home: Path, name: str) -> None:
    """Doctor must tell an entry that starts a Handrail which is gone, and one of another practice, from ours."""
    module = {"systemd": systemd, "launchd": launchd}[name]
    assert module.found(at(home), no_system) is None
    for path, data in module.plan(at(home), no_system).files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    found = module.found(at(home), no_system)
    assert (found.program, found.same, found.problem, found.elsewhere) == (at(home).command[0], True, None, False)
    assert not module.found(at(home, every=30), no_system).same
    assert module.found(at(home, settings="other.toml"), no_system).elsewhere


def test_a_task_is_found_again_as_windows_writes_it_back(home: Path) -> None:
    """The scheduler writes sixty minutes as one hour, and answers in UTF-16 that was decoded on the way."""
    one = at(home)
    back = windows.xml(one).replace("PT60M", "PT1H")

    def system(words: Sequence[str], stdin: str | None = None) -> Ran:
        assert words == ("schtasks", "/Query", "/TN", "Handrail\\north-road", "/XML")
        return Ran(0, back)

    found = windows.found(one, system)
    assert found is not None
    assert (found.program, found.same, found.problem, found.elsewhere) == (one.command[0], True, None, False)
    other = windows.found(at(home, settings="other.toml"), system)
    assert other is not None
    assert other.elsewhere
    assert windows.found(one, no_system) is None


class Crontab:
    """A crontab command that keeps its lines here."""

    def __init__(self, text: str | None) -> None:
        self.text = text

    def __call__(self, words: Sequence[str], stdin: str | None = None) -> Ran:
        if tuple(words) == ("crontab", "-l"):
            return Ran(0, self.text) if self.text is not None else Ran(1, "", "no crontab for anna")
        assert tuple(words) == ("crontab", "-")
        self.text = stdin
        return Ran(0)


@pytest.mark.parametrize("before", [None, "", "# mine\n0 4 * * * backup\n", "MAILTO=anna\n5 5 * * * no-line-end"])
def test_the_crontab_keeps_what_was_there(home: Path, before: str | None) -> None:
    """It is somebody else's file: made twice and removed once, it is as before."""
    from handrail.plugin_core.schedule import making

    crontab = Crontab(before)
    whole = (before or "") + ("\n" if before and not before.endswith("\n") else "")
    for every in (60, 15):
        making.make(cron.plan(at(home, every=every), crontab), crontab)
        assert crontab.text is not None
        assert crontab.text.startswith(whole)
        assert crontab.text.count(">>> handrail-north-road") == 1
    found = cron.found(at(home, every=15), crontab)
    assert found is not None
    assert (found.program, found.same, found.elsewhere) == (at(home).command[0], True, False)
    making.remove(cron.plan(at(home), crontab), crontab)
    assert crontab.text == whole


def test_a_crontab_that_cannot_be_read_is_not_written(home: Path) -> None:
    """Writing one anew would lose what is in it."""

    def refused(words: Sequence[str], stdin: str | None = None) -> Ran:
        assert stdin is None
        return Ran(1, "", "You (anna) are not allowed to use this program")

    with pytest.raises(HandrailError, match="nothing was written"):
        cron.plan(at(home), refused)
