"""Each mistake of docs/doctor.md is made for real; doctor must say what the page says, and nobody's data with it."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from copy import deepcopy
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keyring
import keyring.backends.fail
import keyring.backends.null
import pytest
from handrail.adapters.demo.checks import Refused
from handrail.plugin_core import doctor
from handrail.plugin_core.doctor import NOTE, WRONG, Check
from handrail.plugin_core.store import keys

from tests.core.test_keys import Memory
from tests.sync.stage import EVEN, SHRUNK, Stage, form, questionnaire

PAGE = Path(__file__).parents[2] / "docs" / "doctor.md"
SECRETS = ("Invented a", "Patient/a", "a-5")


class Place:
    """Where mistakes are made: the practice, and what of this computer they need."""

    def __init__(self, stage: Stage, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.stage = stage
        self.patch = monkeypatch
        self.folder = folder
        self.file = stage.file

    def settings(self, old: str, new: str) -> None:
        """Changes the text of the settings file."""
        text = self.file.read_text()
        assert old in text, old
        self.file.write_text(text.replace(old, new, 1))

    def program(self, name: str, body: str) -> Path:
        """Puts a program on the PATH."""
        place = self.folder / f"bin-{len(list(self.folder.iterdir()))}"
        place.mkdir()
        path = place / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        self.patch.setenv("PATH", f"{place}{os.pathsep}{os.environ['PATH']}")
        return path

    def examine(self, *, offline: bool = False) -> list[Check]:
        """What doctor finds."""
        return doctor.examine(self.file, offline=offline)


Maker = Callable[[Place], Any]
MISTAKES: dict[str, tuple[str, Maker]] = {}


def mistake(what: str, state: str = WRONG) -> Callable[[Maker], Maker]:
    """Registers the maker of a mistake under its name on the page, with how grave doctor finds it."""

    def register(make: Maker) -> Maker:
        assert what not in MISTAKES
        MISTAKES[what] = (state, make)
        return make

    return register


@pytest.fixture
def place(stage: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Place]:
    """The practice in order: synced, its flags shown."""
    folder = tmp_path / "computer"
    folder.mkdir()
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    stage.sync()
    yield Place(stage, monkeypatch, folder)
    time.tzset()


def rows() -> dict[str, tuple[str, str]]:
    """The page's table: what went wrong -> what doctor says, what to do."""
    found = {}
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| ") and len(cells) == 3 and cells[0] != "what went wrong":
            found[cells[0]] = (cells[1].strip("“”"), cells[2])
    return found


# --- this computer ----------------------------------------------------------------------------------------------------


@mistake("the store or the settings can be read by others on this computer")
def the_store_or_the_settings_can_be_read_by_others_on(place: Place) -> None:
    (place.stage.folder / "store.db").chmod(0o644)


@mistake("the store lies in a folder that a cloud service synchronises")
def the_store_lies_in_a_folder_that_a_cloud_service_sy(place: Place) -> None:
    shutil.move(place.stage.folder, place.folder / "OneDrive - North Road" / "practice")
    place.file = place.folder / "OneDrive - North Road" / "practice" / "handrail.toml"


@mistake("the disk is nearly full")
def the_disk_is_nearly_full(place: Place) -> None:
    place.patch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=20_000_000))


@mistake("the time zone was never set", NOTE)
def the_time_zone_was_never_set(place: Place) -> None:
    place.settings('"Europe/Zurich"', '"UTC"')


@mistake("the time zone is another than the computer's", NOTE)
def the_time_zone_is_another_than_the_computers(place: Place) -> None:
    place.patch.setenv("TZ", "America/New_York")
    time.tzset()


@mistake("this computer's clock is wrong")
def this_computers_clock_is_wrong(place: Place) -> None:
    place.stage.now += timedelta(minutes=20)  # the platform's stays


@mistake("Handrail is installed twice", NOTE)
def handrail_is_installed_twice(place: Place) -> None:
    place.program("handrail", "")
    place.program("handrail", "")


# --- settings ---------------------------------------------------------------------------------------------------------


@mistake("`handrail init` was not run yet, or another user ran it")
def handrail_init_was_not_run_yet_or_another_user_ran(place: Place) -> None:
    place.file.unlink()


@mistake("a name in the settings is misspelled")
def a_name_in_the_settings_is_misspelled(place: Place) -> None:
    place.settings("time_zone", "time_zon")


@mistake("a line of the settings is broken")
def a_line_of_the_settings_is_broken(place: Place) -> None:
    place.settings('time_zone = "Europe/Zurich"', 'time_zone = "Europe/Zurich')


@mistake("the time zone does not exist")
def the_time_zone_does_not_exist(place: Place) -> None:
    place.settings("Europe/Zurich", "Europe/Zurch")


@mistake("a secret was written into the settings")
def a_secret_was_written_into_the_settings(place: Place) -> None:
    place.settings('token = "file:token"', 'token = "abcdef"')


# --- key and store ----------------------------------------------------------------------------------------------------


def use(place: Place, ring: Any) -> None:
    place.settings('"file:key"', '"keyring:store-practice"')
    place.patch.setattr(keyring, "get_keyring", lambda: ring)
    place.patch.setattr(keyring, "get_password", ring.get_password)


@mistake("this user has no keyring (server, container, other user)")
def this_user_has_no_keyring_server_container_other_us(place: Place) -> None:
    use(place, keyring.backends.fail.Keyring())  # type: ignore[no-untyped-call]


@mistake("the keyring is set to one that keeps nothing")
def the_keyring_is_set_to_one_that_keeps_nothing(place: Place) -> None:
    use(place, keyring.backends.null.Keyring())  # type: ignore[no-untyped-call]


@mistake("the key is not in this keyring")
def the_key_is_not_in_this_keyring(place: Place) -> None:
    use(place, Memory())


@mistake("the key file is gone")
def the_key_file_is_gone(place: Place) -> None:
    (place.stage.folder / "key").unlink()


@mistake("others can read the key file")
def others_can_read_the_key_file(place: Place) -> None:
    (place.stage.folder / "key").chmod(0o644)


@mistake("the key belongs to another store")
def the_key_belongs_to_another_store(place: Place) -> None:
    keys.write(f"file:{place.stage.folder / 'key'}", keys.make_master())


@mistake("the store was moved or deleted")
def the_store_was_moved_or_deleted(place: Place) -> None:
    (place.stage.folder / "store.db").rename(place.folder / "store.db")


@mistake("the store was opened by a newer Handrail before")
def the_store_was_opened_by_a_newer_handrail_before(place: Place) -> None:
    with closing(sqlite3.connect(place.stage.folder / "store.db")) as db, db:
        db.execute("UPDATE alembic_version SET version_num = '9999'")


@mistake("the store's file is damaged")
def the_stores_file_is_damaged(place: Place) -> None:
    path = place.stage.folder / "store.db"
    path.write_bytes(b"\x13" * path.stat().st_size)
    for beside in place.stage.folder.glob("store.db-*"):
        beside.unlink()


@mistake("the database server is down, or its address is wrong")
def the_database_server_is_down_or_its_address_is_wron(place: Place) -> None:
    place.settings("sqlite:///store.db", "postgresql+psycopg://handrail@127.0.0.1:9/handrail")


@mistake("the driver for the database is not installed")
def the_driver_for_the_database_is_not_installed(place: Place) -> None:
    place.settings("sqlite:///store.db", "postgresql+pg8000://handrail@127.0.0.1:9/handrail")


# --- the platform -----------------------------------------------------------------------------------------------------


@mistake("no platform is connected")
def no_platform_is_connected(place: Place) -> None:
    text = place.file.read_text()
    place.file.write_text(text[: text.index("[platform]")])


@mistake("the platform's address is a web page or another program")
def the_platforms_address_is_a_web_page_or_another_pro(place: Place) -> None:
    place.settings(place.stage.base, place.stage.base.replace("/fhir", ""))


@mistake("the address begins with http instead of https")
def the_address_begins_with_http_instead_of_https(place: Place) -> None:
    place.settings(place.stage.base, "http://ehr.example/fhir")


@mistake("the platform is down, or the network is")
def the_platform_is_down_or_the_network_is(place: Place) -> None:
    place.settings(place.stage.base, "http://127.0.0.1:9/fhir")


@mistake("the credential is refused")
def the_credential_is_refused(place: Place) -> None:
    keys.write(f"file:{place.stage.folder / 'token'}", "not-the-token")


@mistake("the credential ends soon", NOTE)
def the_credential_ends_soon(place: Place) -> None:
    claims = json.dumps({"exp": int(time.time()) + 3 * 24 * 3600}).encode()
    token = f"e30.{base64.urlsafe_b64encode(claims).decode().rstrip('=')}.c2ln"
    place.stage.demo.token = token
    keys.write(f"file:{place.stage.folder / 'token'}", token)


@mistake("the credential's file is gone")
def the_credentials_file_is_gone(place: Place) -> None:
    (place.stage.folder / "token").unlink()


@mistake("another server answers than before")
def another_server_answers_than_before(place: Place) -> None:
    with place.stage.engine() as engine:
        engine.store.set_fingerprint(engine.source, "elsewhere")


@mistake("the account may not write what the carrier needs")
def the_account_may_not_write_what_the_carrier_needs(place: Place) -> None:
    from handrail.adapters.demo import server

    described = server.capability(place.stage.demo)
    kept = [row for row in described["rest"][0]["resource"] if row["type"] != "Flag"]
    described["rest"][0]["resource"] = kept
    place.patch.setattr(server, "capability", lambda demo: described)


@mistake("showing flags on the platform is off", NOTE)
def showing_flags_on_the_platform_is_off(place: Place) -> None:
    place.settings("on = true", "on = false")


@mistake("nobody has agreed yet to show the flags of earlier answers", NOTE)
def nobody_has_agreed_yet_to_show_the_flags_of_earlier(place: Place) -> None:
    with closing(sqlite3.connect(place.stage.folder / "store.db")) as db, db:
        db.execute("UPDATE sources SET pushing_since_ms = NULL")
    place.stage.course("b", [EVEN, EVEN, EVEN, SHRUNK, SHRUNK])
    place.stage.sync(full=True, consent=lambda _: False)


@mistake("the platform refuses a flag for good")
def the_platform_refuses_a_flag_for_good(place: Place) -> None:
    def refuse(kind: str, rid: str, body: Any, match: Any) -> Any:
        raise Refused(422, "business-rule", "The chart is closed.")

    place.patch.setattr(place.stage.demo.store, "update", refuse)
    place.stage.course("b", [EVEN, EVEN, EVEN, SHRUNK, SHRUNK])
    place.stage.sync(full=True)


@mistake("flags have waited for days to be sent")
def flags_have_waited_for_days_to_be_sent(place: Place) -> None:
    place.stage.course("b", [EVEN, EVEN, EVEN, SHRUNK, SHRUNK])
    place.stage.sync(full=True, push=False)
    place.stage.now += timedelta(days=2000)  # the outbox is dated by this computer's own clock
    place.stage.demo.clock.set(place.stage.now)


# --- forms ------------------------------------------------------------------------------------------------------------


@mistake("a form was made on the platform, but never mapped", NOTE)
def a_form_was_made_on_the_platform_but_never_mapped(place: Place) -> None:
    copied = deepcopy(questionnaire("gr18"))
    copied |= {"url": "https://ehr.example/fhir/Questionnaire/own-form", "id": "own-form", "title": "Our own form"}
    place.stage.demo.load(copied, place.stage.now)


@mistake("a form was changed on the platform after it was mapped", NOTE)
def a_form_was_changed_on_the_platform_after_it_was_ma(place: Place) -> None:
    place.stage.put(form("odd", "a", place.stage.now - timedelta(days=1), version="0"))
    place.stage.later(minutes=5)
    place.stage.sync()


@mistake("no answers arrive any more", NOTE)
def no_answers_arrive_any_more(place: Place) -> None:
    place.stage.later(days=100)
    place.stage.sync()


# --- running by itself ------------------------------------------------------------------------------------------------


@mistake("nothing runs Handrail by itself", NOTE)
def nothing_runs_handrail_by_itself(place: Place) -> None:
    """A practice in order so far has synced by hand alone."""


CRONTAB = 'if [ "$1" = "-l" ]; then cat "$0.table"; else cat > "$0.table"; fi'


def scheduled(place: Place) -> Path:
    """Makes an entry in a crontab, by a Handrail that is there; gives that Handrail's file."""
    from handrail.plugin_core.schedule import making
    from handrail.plugin_core.settings import load

    table = place.program("crontab", CRONTAB).with_name("crontab.table")
    table.write_text("")
    installed = place.program("handrail", "")
    place.patch.setattr(sys, "argv", [str(installed)])
    making.make(making.plan(making.job_of(load(place.file)), "cron"))
    return installed


@mistake("the scheduler starts a Handrail that is gone (moved, installed anew)")
def the_scheduler_starts_a_handrail_that_is_gone_moved(place: Place) -> None:
    scheduled(place).unlink()


@mistake("the scheduler's entry is older than the settings", NOTE)
def the_schedulers_entry_is_older_than_the_settings(place: Place) -> None:
    scheduled(place)
    place.settings("[platform]\n", "[schedule]\nevery_minutes = 15\n[platform]\n")


@mistake("no sync has succeeded for longer than the alarm time")
def no_sync_has_succeeded_for_longer_than_the_alarm_ti(place: Place) -> None:
    place.stage.later(days=3)


@mistake("the last sync failed")
def the_last_sync_failed(place: Place) -> None:
    with place.patch.context() as broken:
        broken.setattr(place.stage.demo, "token", "another")
        place.stage.sync()


@mistake("nobody is told when syncing stops", NOTE)
def nobody_is_told_when_syncing_stops(place: Place) -> None:
    """As it is before alarm_to is set."""


@mistake("somebody is to be told, but there is no mail server")
def somebody_is_to_be_told_but_there_is_no_mail_server(place: Place) -> None:
    place.settings("[platform]\n", '[schedule]\nalarm_to = "anna@practice.example"\n[platform]\n')
    text = place.file.read_text()
    place.file.write_text(text[: text.index("[mail]")])


@mistake("the mail server does not answer")
def the_mail_server_does_not_answer(place: Place) -> None:
    text = place.file.read_text()
    place.file.write_text(re.sub(r"(?m)^port = \d+$", "port = 9", text))


@mistake("a plugin that the settings allow is not installed")
def a_plugin_that_the_settings_allow_is_not_installed(place: Place) -> None:
    place.settings('key = "file:key"', 'key = "file:key"\nplugins = ["handrail-nowhere"]')


# --- the tests --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", MISTAKES)
def test_doctor_finds_and_explains(place: Place, what: str) -> None:
    """Who reads the finding must know what is wrong and what to do, without a programmer."""
    state, make = MISTAKES[what]
    says = rows()[what][0]
    make(place)
    checks = place.examine()
    hits = [check for check in checks if says in check.finding]
    assert hits, "\n".join(f"{check.state} {check.name}: {check.finding}" for check in checks)
    assert {check.state for check in hits} == {state}
    for check in checks:
        assert not any(secret in check.finding for secret in (*SECRETS, place.stage.demo.token, "Traceback"))
        assert "unforeseen" not in check.finding


@pytest.mark.parametrize(("kind", "said"), [("nfs4", 2), ("cifs", 2), ("fuse.sshfs", 2), ("ext4", 0)])
@pytest.mark.skipif(sys.platform != "linux", reason="NOT RUN: what is mounted is read from /proc (Linux)")
def test_f74_a_store_on_a_network_drive_is_said(place: Place, kind: str, said: int) -> None:
    """Such a drive may promise SQLite a lock or a write that it does not keep: the store is damaged weeks later."""
    real = Path.read_text
    folder = str(place.stage.folder.resolve()).replace(" ", "\\040")
    mounts = f"/dev/sda1 / ext4 rw 0 0\nserver:/home {folder} {kind} rw 0 0\n"

    def read_text(path: Path, *args: Any, **more: Any) -> str:
        return mounts if str(path) == "/proc/self/mounts" else real(path, *args, **more)

    place.patch.setattr(Path, "read_text", read_text)
    found = [check for check in place.examine(offline=True) if "lies on a network drive" in check.finding]
    assert [check.state for check in found] == [WRONG] * said


def test_the_page_lists_what_is_tested_and_nothing_else() -> None:
    """A row without a test may be a promise that nobody keeps."""
    assert list(rows()) == list(MISTAKES)
    assert len(rows()) >= 20
    for what, (says, todo) in rows().items():
        assert says, what
        assert todo, what


def test_a_practice_in_order_has_nothing_to_mend(place: Place) -> None:
    """Who is told of faults that are none stops reading."""
    place.settings("[platform]\n", '[schedule]\nalarm_to = "anna@practice.example"\n[platform]\n')
    place.patch.setenv("TZ", "Europe/Zurich")
    time.tzset()
    scheduled(place)
    found = [check for check in place.examine(offline=True) if check.state != doctor.OK]
    assert found == []


def test_staleness_comes_first(place: Place) -> None:
    """The first line is what gets read."""
    place.stage.later(days=3)
    assert place.examine(offline=True)[0].finding.startswith("NOT UP TO DATE")
