"""The back office: practices are taken in, listed, paused and erased; who did it is recorded (S49, S52, F97)."""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from handrail.plugin_core.cli import run
from handrail.plugin_core.errors import HandrailError, KeyProblem, SettingsError, StoreError, UsageError
from handrail.plugin_core.fleet.host import OFFICE, Host, load
from handrail.plugin_core.settings import load as load_settings
from handrail.plugin_core.settings import save
from handrail.plugin_core.store import Store, Tx, book, keys
from handrail.schemas.records import Cursor
from sqlalchemy import text

from tests.keeping.conftest import fill
from tests.peers.install import postgres_bin
from tests.peers.servers import Postgres

from .child import killed_at
from .houses import NORTH, SOUTH, House, house

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    """Runs a command of a host's settings; gives exit status, standard output, standard error."""

    def do(file: Path, *words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = run(["--settings", str(file), *words])
        out = capsys.readouterr()
        return status, out.out, out.err

    return do


@pytest.fixture(scope="module")
def kept(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A prepared host without practices; each test takes in its own."""
    with house(tmp_path_factory.mktemp("host"), postgres.new_database()) as made:
        yield made


# --- the walk --------------------------------------------------------------------------------------------------------


def test_the_whole_life_of_a_practice_by_commands(postgres: Postgres, tmp_path: Path, call: Call) -> None:
    """As an operator types it, from an empty database to the trail's end."""
    file = tmp_path / "etc" / "host.toml"
    assert call(file, "practices", "list")[2].endswith("Run: handrail practices prepare --store ADDRESS\n")
    assert call(file, "practices", "prepare", "--store", postgres.new_database())[0] == 0
    status, out, _ = call(file, "practices", "add", "hill-street", "--time-zone", "Europe/Zurich", "--by", "anna")
    assert status == 0
    assert "connect PLATFORM" in out
    folder = tmp_path / "etc" / "practices" / "hill-street"
    assert sorted(path.name for path in folder.iterdir()) == ["handrail.key", "handrail.toml"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert load_settings(folder / "handrail.toml").time_zone == "Europe/Zurich"
    assert call(folder / "handrail.toml", "flags", "--json")[0] == 2  # no platform yet: an ordinary practice
    assert _states(call, file) == {"hill-street": "paused"}
    assert call(file, "practices", "resume", "hill-street", "--by", "ben")[:2] == (0, "Resumed: hill-street\n")
    assert _states(call, file) == {"hill-street": "waiting"}
    assert call(file, "practices", "pause", "hill-street", "--by", "ben")[:2] == (0, "Paused: hill-street\n")
    status, out, err = call(file, "practices", "erase", "hill-street")
    assert (status, out) == (2, "")
    assert "Nothing was erased" in err
    assert _states(call, file) == {"hill-street": "paused"}
    assert call(file, "practices", "erase", "hill-street", "--yes", "--by", "carla")[0] == 0
    assert _states(call, file) == {}
    assert not folder.exists()
    status, out, _ = call(file, "practices", "trail", "--json")
    told = json.loads(out)
    assert status == 0
    assert [(e["by"], e["did"], e["practice"]) for e in told["entries"][1:]] == [
        ("anna", "practice-added", "hill-street"),
        ("ben", "practice-resumed", "hill-street"),
        ("ben", "practice-paused", "hill-street"),
        ("carla", "practice-erased", "hill-street"),
    ]
    assert call(file, "practices", "trail", "--kept", told["link"])[0] == 0


def _states(call: Call, file: Path) -> dict[str, str]:
    status, out, _ = call(file, "practices", "list", "--json")
    assert status == 0
    return {row["practice"]: row["state"] for row in json.loads(out)["practices"]}


def test_s52_who_acts_behind_sudo_is_named(kept: House, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """`sudo handrail practices ...` is root's act for the system, and a person's for the trail."""
    monkeypatch.setenv("SUDO_USER", "dana")
    assert call(kept.file, "practices", "add", "by-dana")[0] == 0
    with kept.office() as office:
        assert office.trail()[-1].actor == "dana"


def test_settings_of_a_host_and_of_a_practice_are_not_taken_for_each_other(kept: House, call: Call) -> None:
    """Both are given by --settings; "unknown key host" would send an operator looking for a typing slip."""
    with kept.office() as office:
        file = office.add("not-the-host", {})
    for words in (["sync"], ["flags"], ["doctor"]):
        status, out, err = call(kept.file, *words)
        assert status != 0
        assert "Name one of its practices" in out + err
    for words in (["practices", "list"], ["worker", "--state"]):
        status, _, err = call(file, *words)
        assert (status, "takes the host's settings" in err) == (2, True)


def test_what_add_says_next_can_be_typed_as_it_stands(kept: House, call: Call) -> None:
    """Without the settings, or by another role, each of the two lines would fail."""
    out = call(kept.file, "practices", "add", "typed-next")[1]
    assert f"PGUSER=handrail_web handrail --settings {kept.host.practice_file('typed-next')} connect" in out
    assert f"handrail --settings {kept.file} practices resume typed-next" in out


def test_wishes_and_turns_by_hand_can_be_read_by_programs(kept: House, call: Call) -> None:
    """--json stands in their help."""
    call(kept.file, "practices", "add", "wished-for")
    told = json.loads(call(kept.file, "worker", "--wake", "wished-for", "--kind", "push", "--json")[1])
    assert told == {"format": 1, "practice": "wished-for", "wanted": "push"}


@pytest.mark.parametrize("name", ["../x", "-host", "A", "x" * 64, "", "a/b", "a.b", "con\x00"])
def test_s30_f97_what_is_no_id_is_refused(kept: House, call: Call, name: str) -> None:
    """An id becomes a folder and a tenant; the back office's own is nobody's."""
    for words in (["add"], ["pause"], ["resume"], ["erase", "--yes"]):
        status, _, err = call(kept.file, "practices", *words, "--", name)
        assert status == 2, words
        assert "Nothing was done" in err


def test_the_facts_as_json_have_the_keys_that_the_page_promises(kept: House, call: Call) -> None:
    """A monitor is written by docs/json.md: no key is left out, of a practice that was not taken in neither."""
    page = (Path(__file__).parents[2] / "docs" / "json.md").read_text(encoding="utf-8")
    lines = page.partition("## Many practices")[2].partition("## ")[0].splitlines()
    promised = [line.split("`")[1] for line in lines if line.startswith("| `")]
    stray = kept.host.practice_file("by-hand")
    save(stray, {"practice": "by-hand", "key": "file:key"})
    call(kept.file, "practices", "add", "in-json")
    told = json.loads(call(kept.file, "practices", "list", "--json")[1])
    stray.unlink()
    assert told["format"] == 1
    assert {tuple(row) for row in told["practices"]} == {tuple(promised)}


def test_what_is_not_there_is_said(kept: House, call: Call) -> None:
    """A slip of the finger must not look like success."""
    for words in (["pause"], ["resume"], ["erase", "--yes"]):
        status, _, err = call(kept.file, "practices", *words, "nobody")
        assert (status, "There is no practice nobody on this host" in err) == (2, True)


def test_a_practice_is_taken_in_once(kept: House, call: Call) -> None:
    """The second time changes nothing, least of all its key."""
    assert call(kept.file, "practices", "add", "once")[0] == 0
    key = kept.host.practice_file("once").with_name("handrail.key").read_text()
    status, _, err = call(kept.file, "practices", "add", "once")
    assert (status, "is there already" in err) == (2, True)
    assert kept.host.practice_file("once").with_name("handrail.key").read_text() == key


def test_f97_settings_of_another_practice_or_store_are_refused(kept: House) -> None:
    """A folder that was copied would sync one practice into another."""
    with kept.office() as office:
        file = office.add("copied-from", {})
    other = kept.host.practice_file("copied-to")
    shutil.copytree(file.parent, other.parent)
    with pytest.raises(SettingsError, match="those of the practice copied-from"):
        kept.host.settings_of("copied-to")
    shutil.rmtree(other.parent)
    save(file, {"store": "postgresql+psycopg://127.0.0.1/elsewhere"})
    with pytest.raises(SettingsError, match="another store"):
        kept.host.settings_of("copied-from")
    save(file, {"store": kept.host.store})
    assert kept.host.settings_of("copied-from").store == kept.address("worker")


def test_settings_without_rows_and_rows_without_settings_are_shown(kept: House, call: Call) -> None:
    """A folder that was lost, or copied in by hand, is for a person to mend."""
    with kept.office() as office:
        lost = office.add("lost", {})
    lost.rename(lost.with_name("away.toml"))
    stray = kept.host.practice_file("stray")
    save(stray, {"practice": "stray", "key": "file:key"})
    found = _states(call, kept.file)
    assert (found["lost"], found["stray"]) == ("no settings here", "not taken in")
    stray.unlink()
    lost.with_name("away.toml").rename(lost)


# --- erasing ---------------------------------------------------------------------------------------------------------


def test_s49_an_erased_practice_cannot_be_read_from_a_dump_taken_before(postgres: Postgres, tmp_path: Path) -> None:
    """The dump has all its rows and wrapped keys. With every key that the host has left, nothing of it opens; the other
    practice reads from the same dump as before."""
    dump, psql = (shutil.which(name, path=postgres_bin()) for name in ("pg_dump", "psql"))
    if dump is None or psql is None:
        pytest.skip("there is no pg_dump or psql on this machine; install PostgreSQL's client programs")
    with house(tmp_path, postgres.new_database(), NORTH, SOUTH, fill=fill) as made:
        before = {name: made.stages[name].seen() for name in (NORTH, SOUTH)}
        plain = made.host.store.replace("+psycopg", "")
        copy = subprocess.run([dump, plain], capture_output=True, timeout=60, check=True).stdout
        with made.office() as office:
            office.erase(SOUTH)
        assert made.stages[NORTH].seen() == before[NORTH]
        restored = postgres.new_database()
        subprocess.run([psql, "-q", restored.replace("+psycopg", "")], input=copy, timeout=60, check=True, stdout=-3)
        masters = _every_key(tmp_path)
        assert len(masters) >= 2  # north's and the back office's
        made.let(NORTH, "worker")
        for master in masters:
            with pytest.raises(KeyProblem):
                Store(restored, SOUTH, master)
        with Store(restored, NORTH, keys.master(f"file:{made.stages[NORTH].folder / 'key'}")) as store:
            assert store.source("fhir") > 0
        _nothing_left(made, SOUTH)


def _every_key(folder: Path) -> list[bytes]:
    """Whatever can be taken for a master key in any file."""
    found = []
    for path in folder.rglob("*"):
        if path.is_file():
            try:
                found.append(keys.master(f"file:{path}"))
            except HandrailError:
                continue
    return found


def _nothing_left(made: House, practice: str) -> None:
    """No row names it but the back office's trail and rows of its sources are none."""
    with made.sql() as conn:
        names = conn.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).scalars().all()
        sources = set(conn.execute(text("SELECT id FROM sources")).scalars())
        for name in names:
            rows = conn.execute(text(f'SELECT * FROM "{name}"')).mappings().all()
            assert name == "audit" or not any(practice in map(str, row.values()) for row in rows), name
            assert {row["source"] for row in rows if row.get("source") is not None} <= sources, name
        left = conn.execute(text("SELECT practice, action FROM audit WHERE subject = :p"), {"p": practice}).all()
        assert {row.practice for row in left} == {OFFICE}
        assert [row.action for row in left].count("practice-erased") == 1
    assert not made.host.practice_file(practice).parent.exists()


@pytest.mark.parametrize("point", ["practice-rows-erased", "practice-key-destroyed"])
def test_s49_an_erasing_that_was_killed_goes_on(kept: House, point: str) -> None:
    """At each step: the same command again comes to the same end, and the trail has one line of it."""
    practice = f"killed-{point}"
    with kept.office() as office:
        office.add(practice, {})
    assert killed_at(kept.file, "erase", practice, point)
    with kept.office() as office:
        office.erase(practice)
        with pytest.raises(UsageError, match="not given again"):
            office.add(practice, {})
        assert office.check_trail().problems == ()
    _nothing_left(kept, practice)


@pytest.mark.parametrize("point", ["practice-key-made", "practice-rows-made"])
def test_a_taking_in_that_was_killed_goes_on(kept: House, point: str) -> None:
    """At each step: the same command again comes to its end, with the key that was made."""
    practice = f"new-{point}"
    assert killed_at(kept.file, "add", practice, point)
    made = kept.host.practice_file(practice).with_name("handrail.key").read_text()
    with kept.office() as office:
        office.add(practice, {})
        assert [e.action for e in office.trail() if e.subject == practice] == ["practice-added"]
    assert kept.host.practice_file(practice).with_name("handrail.key").read_text() == made
    settings = kept.host.settings_of(practice)
    with Store(settings.store_url, practice, keys.master(settings.key_reference)) as store:
        assert store.source("demo") > 0


def test_a_preparation_that_was_killed_goes_on(postgres: Postgres, tmp_path: Path) -> None:
    """After the key was made and before the back office was."""
    made = House(tmp_path, postgres.new_database())
    assert killed_at(made.file, "prepare", "", "office-key-made")
    made.prepare()
    with made.office() as office:
        assert [entry.action for entry in office.trail()] == ["host-prepared"]


def one_secret(house: House, files: Iterable[Path]) -> Path:
    """Gives practices one secret of their application in common, by their settings' files."""
    shared = house.file.parent / "app.secret"
    keys.write(f"file:{shared}", "of the application, not of the practice")
    for file in files:
        save(file, {"platform.name": "drchrono", "platform.secrets.client_secret": f"file:{shared}"})
    return shared


def test_s49_a_key_that_two_practices_share_is_not_destroyed(kept: House) -> None:
    """Nothing at all is erased then; with keys of their own, what else they share stays for the other one."""
    with kept.office() as office:
        files = {name: office.add(name, {}) for name in ("twin-a", "twin-b")}
        shared = one_secret(kept, files.values())
        save(files["twin-b"], {"key": f"file:{files['twin-a'].with_name('handrail.key')}"})
        with pytest.raises(UsageError, match="in common"):
            office.erase("twin-a")
        assert files["twin-a"].exists()
        save(files["twin-b"], {"key": "file:handrail.key"})
        office.erase("twin-a")
        assert shared.exists()
        settings = kept.host.settings_of("twin-b")
        Store(settings.store_url, "twin-b", keys.master(settings.key_reference)).close()
        office.erase("twin-b")
        assert not shared.exists()


def test_s49_broken_settings_of_another_practice_keep_nobody_from_being_erased(kept: House, call: Call) -> None:
    """A slip in one practice's file, and no other client's data could be erased until somebody has found it. What the
    broken file still names as its own is left."""
    with kept.office() as office:
        files = {name: office.add(name, {}) for name in ("whole", "broken")}
    shared = one_secret(kept, files.values())
    right = files["broken"].read_text()
    files["broken"].write_text(right + "\n[platform\n")
    for words in (["list"], ["pause", "whole"], ["resume", "whole"], ["add", "third"], ["erase", "whole", "--yes"]):
        assert call(kept.file, "practices", *words)[0] == 0, words
    _nothing_left(kept, "whole")
    assert shared.exists()
    status, _, err = call(kept.file, "practices", "erase", "broken", "--yes")
    assert (status, str(files["broken"]) in err) == (2, True), "its own secrets could not be found"
    files["broken"].write_text(right)
    assert call(kept.file, "practices", "erase", "broken", "--yes")[0] == 0
    assert not shared.exists()


def test_s49_what_another_practice_names_in_other_words_is_not_destroyed(kept: House) -> None:
    """A path can be written in many ways, and a folder goes with all that is in it."""
    with kept.office() as office:
        files = {name: office.add(name, {}) for name in ("goes", "stays")}
        mail = {"mail.host": "mail.example", "mail.sender": "a@b.example"}
        save(files["stays"], {**mail, "mail.password": "file:../goes/../goes/mail.secret"})
        with pytest.raises(UsageError, match="in the folder of goes"):
            office.erase("goes")
        save(files["stays"], {"mail.password": None, "key": "file:../goes/../goes/handrail.key"})
        with pytest.raises(UsageError, match="in common"):
            office.erase("goes")
        save(files["stays"], {"key": "file:handrail.key"})
        assert files["goes"].with_name("handrail.key").exists()
        for practice in files:
            office.erase(practice)


def test_counts_of_requests_that_nobody_needs_go_with_an_erasure(kept: House) -> None:
    """Moments of a practice's requests and a hash of its key: nothing of a client, and no reason to keep them."""
    kept.do("INSERT INTO buckets VALUES ('long-ago', '[1000.0]', NULL)")
    with kept.office() as office:
        office.add("counted", {})
        office.erase("counted")
    with kept.sql() as conn:
        assert conn.execute(text("SELECT count(*) FROM buckets")).scalar() == 0


def test_f91_who_still_works_for_an_erased_practice_writes_nothing_more(kept: House) -> None:
    """A desk that was open all the while has the key in memory; its rows are refused by the database."""
    with kept.office() as office:
        office.add("open", {})
        settings = kept.host.settings_of("open")
        with Store(settings.store_url, "open", keys.master(settings.key_reference)) as store:
            number = store.source("demo")
            office.erase("open")
            writes: tuple[Callable[[Tx], object], ...] = (
                lambda tx: book.set_cursor(tx, Cursor("responses")),
                lambda tx: book.record(tx, "anna", "client-viewed"),
            )
            for write in writes:
                with pytest.raises(StoreError):
                    store.write(write, number)
            with pytest.raises(StoreError):
                store.source("another")
    _nothing_left(kept, "open")


# --- the trail and the key -------------------------------------------------------------------------------------------


def test_s39_s52_a_trail_that_was_touched_is_seen(postgres: Postgres, tmp_path: Path, call: Call) -> None:
    """Somebody with all rights in the database takes a name out."""
    made = House(tmp_path, postgres.new_database())
    made.prepare()
    with made.office("anna") as office:
        office.add("quiet", {})
    made.do("UPDATE audit SET actor = 'nobody' WHERE action = 'practice-added'")
    status, out, _ = call(made.file, "practices", "trail")
    assert (status, "Entry 2 is not as it was written" in out) == (1, True)


def test_s18_without_the_back_offices_key_nothing_is_done(postgres: Postgres, tmp_path: Path, call: Call) -> None:
    """It is said, and no other key is made in its place."""
    made = House(tmp_path, postgres.new_database())
    made.prepare()
    key = tmp_path / "host.key"
    kept_key = key.read_text()
    key.unlink()
    status, _, err = call(made.file, "practices", "add", "x")
    assert (status, "put the key back" in err) == (1, True)
    keys.write(f"file:{key}", keys.make_master())
    with pytest.raises(KeyProblem):
        made.prepare()
    keys.write(f"file:{key}", kept_key)
    made.prepare()


def test_the_settings_that_the_page_shows_are_the_defaults(tmp_path: Path) -> None:
    """Who copies them from docs/many-practices.md must get what it says."""
    page = (Path(__file__).parents[2] / "docs" / "many-practices.md").read_text(encoding="utf-8")
    file = tmp_path / "host.toml"
    file.write_text(page.partition("```toml\n")[2].partition("```")[0], encoding="utf-8")
    shown = load(file)
    assert shown == Host(file, shown.store, shown.key)


WRONG = {
    'store = "sqlite:///x.db"': "host.store: must be the address of a PostgreSQL database",
    'store = "postgresql+psycopg://u:secret@h/d"': "host.store: must not hold a password",
    'store = "postgresql://h/d"\nkey = "abc"': "host.key: must be a reference",
    'store = "postgresql://h/d"\nkye = "file:x"': "Did you mean key",
    'store = "postgresql://h/d"\nkey = "file:x"\n[roles]\nweb = "handrail_worker"': "must be four different roles",
    'store = "postgresql://h/d"\nkey = "file:x"\n[roles]\nweb = "x;--"': "roles.web: must be of lower-case letters",
    'store = "postgresql://h/d"\nkey = "file:x"\n[worker]\npages = 0': "worker.pages: must be from 1",
}


@pytest.mark.parametrize(("lines", "sentence"), WRONG.items())
def test_wrong_settings_of_a_host_are_named(tmp_path: Path, lines: str, sentence: str) -> None:
    """What is wrong, in which setting; never the value, which may be a secret (S9)."""
    file = tmp_path / "host.toml"
    file.write_text(f"[host]\n{lines}\n")
    with pytest.raises(SettingsError) as caught:
        load(file)
    assert sentence in str(caught.value)
    assert "secret@" not in str(caught.value)
