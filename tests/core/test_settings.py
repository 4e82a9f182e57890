"""The settings: one file, strict about every key, with no secret in it."""

from __future__ import annotations

import contextlib
import os
import stat
import tomllib
from pathlib import Path

import pytest
from handrail.plugin_core.errors import SettingsError
from handrail.plugin_core.settings import Connection, Pushing, Settings, load, save
from hypothesis import given
from hypothesis import strategies as st

SECRET = "zebrafinch"
WHOLE = """
# The practice's own remark.
practice = "north-road"
name = "Praxis Nordstraße"
time_zone = "Europe/Zurich"
country = "CH"
crisis_text = "Call 143."
store = "sqlite:///data/handrail.db"
key = "keyring:north-road"
plugins = ["handrail-acme==1.0"]
reconcile_days = 14

[platform]
name = "fhir"
[platform.settings]
base_url = "https://fhir.example/r4"
page_size = 200
[platform.secrets]
token = "file:token"

[push]
on = true
carriers = ["flag", "task"]
reasons = ["flag"]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "handrail.toml"


def refused(file: Path, text: str) -> str:
    """What is said of settings that are wrong; it never holds the secret, and always the file."""
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load(file)
    assert caught.value.exit_status == 2
    assert str(file) in caught.value.message
    assert SECRET not in caught.value.message
    return caught.value.message


def test_a_whole_file_is_read(file: Path) -> None:
    """Every setting that there is."""
    file.write_text(WHOLE, encoding="utf-8")
    assert load(file) == Settings(
        file=file,
        practice="north-road",
        name="Praxis Nordstraße",
        time_zone="Europe/Zurich",
        country="CH",
        crisis_text="Call 143.",
        store="sqlite:///data/handrail.db",
        key="keyring:north-road",
        platform=Connection("fhir", {"base_url": "https://fhir.example/r4", "page_size": 200}, {"token": "file:token"}),
        push=Pushing(True, ("flag", "task"), ("flag",)),
        plugins=("handrail-acme==1.0",),
        reconcile_days=14,
    )


def test_little_is_enough_and_pushing_is_off(file: Path) -> None:
    """Nothing reaches a chart before the practice said so."""
    file.write_text('key = "file:key"')
    settings = load(file)
    assert settings.push == Pushing(on=False)
    assert settings.platform is None
    assert settings.plugins == ()


def test_paths_are_taken_from_the_file_not_from_where_one_stands(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A timer runs the sync from another folder than the person did."""
    file.write_text('key = "file:keys/store"\nstore = "sqlite:///data/h.db"')
    monkeypatch.chdir("/")
    settings = load(file)
    assert settings.store_url == f"sqlite:///{file.parent}/data/h.db"
    assert settings.key_reference == f"file:{file.parent}/keys/store"
    assert settings.mappings == file.parent / "mappings"
    assert str(settings.zone) == "UTC"
    file.write_text('key = "keyring:x"\nstore = "sqlite:////srv/h.db"')
    assert load(file).store_url == "sqlite:////srv/h.db"
    assert load(file).key_reference == "keyring:x"


@pytest.mark.parametrize(
    "text",
    [
        f'key = "{SECRET}"',
        f'key = "vault:{SECRET}"',
        f'key = "file:k"\n[platform]\nname = "fhir"\n[platform.secrets]\ntoken = "{SECRET}"',
        f'key = "file:k"\n[platform]\nname = "fhir"\n[platform.secrets]\ntoken = ["{SECRET}"]',
        'key = "file:"',
        'key = "keyring:"',
        "key = 5",
    ],
)
def test_s9_a_literal_secret_is_refused_with_advice(file: Path, text: str) -> None:
    """A key pasted into the file is told where it belongs, and is not repeated."""
    message = refused(file, text)
    assert "must be a reference, keyring:NAME or file:PATH, never the secret itself" in message


@pytest.mark.parametrize(
    "store",
    [
        f"postgresql://app:{SECRET}@db/h",
        f"postgresql+psycopg://db/h?user=a&password={SECRET}",
        f"postgresql://app:{SECRET}/x@db/h",
        f"postgresql://app:{SECRET}?x@db/h",
        f"postgresql://app@db/h?sslpassword={SECRET}",
        f"postgresql://app@db/h?pass%77ord={SECRET}",
    ],
)
def test_s9_a_password_in_the_stores_address_is_refused_with_advice(file: Path, store: str) -> None:
    """It would lie in clear in the settings, and in every message about the database."""
    message = refused(file, f'key = "file:k"\nstore = "{store}"')
    assert "store: must not hold a password" in message
    assert ".pgpass" in message


@pytest.mark.parametrize(
    "store",
    [
        "sqlite://[]/handrail.db",
        "sqlite://[/handrail.db",
        "sqlite://handrail.db",
        "sqlite://practice/handrail.db",
        "postgresql://db:port/h",
    ],
)
def test_what_is_no_address_of_a_database_is_refused_with_an_example(file: Path, store: str) -> None:
    """Else the store is looked for at no place that anybody meant, and what comes of that names neither setting nor
    remedy."""
    assert "sqlite:///handrail.db" in refused(file, f'key = "file:k"\nstore = "{store}"')


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('ky = "file:k"', "unknown key ky. Did you mean key?"),
        ('key = "file:k"\npraktice = "x"', "unknown key praktice. Did you mean practice?"),
        ('key = "file:k"\n[push]\ncarrier = ["flag"]', "unknown key [push] carrier. Did you mean carriers?"),
        (
            'key = "file:k"\n[platform]\nname = "fhir"\nsecret = 1',
            "unknown key [platform] secret. Did you mean secrets?",
        ),
        ('key = "file:k"\nzzz = 1', "unknown key zzz. There are: practice"),
        ('key = "file:k"\n[mail]\ncountry = "X"', "unknown key [mail] country. It belongs at the top of the file"),
        ('practice = "x"', "key: is missing"),
        ('key = "file:k"\npractice = "North Road"', "practice: must be of lower-case letters"),
        ('key = "file:k"\npractice = "../x"', "practice: must be of lower-case letters"),
        ('key = "file:k"\ntime_zone = "Mars/Olympus"', "time_zone: is not a time zone such as Europe/Zurich"),
        ('key = "file:k"\ntime_zone = "../../etc/passwd"', "time_zone: is not a time zone"),
        ('key = "file:k"\ntime_zone = ""', "time_zone: must not be empty"),
        ('key = "file:k"\nstore = "mysql://x"', "store: must be the address of a database"),
        ('key = "file:k"\nstore = "handrail.db"', "store: must be the address of a database"),
        ('key = "file:k"\nreconcile_days = true', "reconcile_days: "),
        ('key = "file:k"\nreconcile_days = 0', "reconcile_days: "),
        ('key = "file:k"\nplugins = "acme"', "plugins: must be a list"),
        ('key = "file:k"\nplugins = [3]', "plugins[0]: must be text"),
        ('key = "file:k"\nplatform = "fhir"', "platform: must be an object"),
        ('key = "file:k"\n[platform]\nsettings = {}', "platform.name: is missing"),
        ('key = "file:k"\n[push]\non = 1', "push.on: must be true or false"),
        ('key = "file:k"\n[push]\non = "yes"', "push.on: must be true or false"),
        ('key = "file:k"\nname = "a\\u0000b"', "name: holds a character that cannot be stored"),
    ],
)
def test_what_is_wrong_is_named_by_its_key(file: Path, text: str, says: str) -> None:
    """A typing slip must not turn a setting off quietly."""
    assert says in refused(file, text)


@pytest.mark.parametrize(
    ("text", "where"),
    [('key = "file:k"\nname = x', " (line 2)"), ("[push]\n[push\n", " (line 2)"), ("a = 1\na = 2", "")],
)
def test_what_is_no_toml_is_named_by_its_line(file: Path, text: str, where: str) -> None:
    """The person mends it in a text editor."""
    assert f"not valid TOML{where}" in refused(file, text)


def test_a_file_that_is_no_text_is_said(file: Path) -> None:
    """Saved by a word processor."""
    file.write_bytes(b"\xff\xfe\x00k")
    with pytest.raises(SettingsError, match="not valid TOML"):
        load(file)


def test_a_file_from_notepad_is_read(file: Path) -> None:
    """Windows' editor puts an invisible mark before the first letter."""
    file.write_bytes(b"\xef\xbb\xbf" + b'key = "file:k"\r\npractice = "x"\r\n')
    assert load(file).practice == "x"


def test_no_file_is_said_with_the_next_step(file: Path) -> None:
    """The first thing that a newcomer meets."""
    with pytest.raises(SettingsError, match=r"no settings at .*handrail\.toml.*handrail init"):
        load(file)
    with pytest.raises(SettingsError, match="cannot be read"):
        load(file.parent)


@given(data=st.dictionaries(st.text(max_size=8), st.integers() | st.text(max_size=8) | st.booleans(), max_size=4))
def test_any_content_ends_in_settings_or_in_our_own_error(
    tmp_path_factory: pytest.TempPathFactory, data: dict[str, object]
) -> None:
    """Never a traceback."""
    import tomlkit

    path = tmp_path_factory.mktemp("any") / "h.toml"
    try:
        path.write_text(tomlkit.dumps(data), encoding="utf-8")
    except UnicodeEncodeError:
        return
    with contextlib.suppress(SettingsError):
        load(path)


# --- saving --------------------------------------------------------------------------------------------------------


def test_saving_keeps_remarks_and_what_it_does_not_change(file: Path) -> None:
    """The file is the practice's: a command must not rewrite it."""
    file.write_text(WHOLE, encoding="utf-8")
    save(file, {"push.on": False, "platform.settings.page_size": 50, "plugins": ["a", "b"], "country": None})
    text = file.read_text(encoding="utf-8")
    assert "# The practice's own remark." in text
    settings = load(file)
    assert (settings.push.on, settings.country, settings.plugins) == (False, "", ("a", "b"))
    assert settings.platform is not None
    assert settings.platform.settings == {"base_url": "https://fhir.example/r4", "page_size": 50}
    assert settings.platform.secrets == {"token": "file:token"}
    changed = [line for line in text.splitlines() if line not in WHOLE.splitlines()]
    assert changed == ['plugins = ["a", "b"]', "page_size = 50", "on = false"]


def test_saving_makes_the_file_and_its_folders_for_their_owner(tmp_path: Path) -> None:
    """S19: with a umask that hides nothing."""
    path = tmp_path / "new" / "deep" / "handrail.toml"
    old = os.umask(0)
    try:
        save(path, {"key": "file:key", "platform.name": "fhir", "platform.secrets.token": "keyring:t"})
    finally:
        os.umask(old)
    assert tomllib.loads(path.read_text()) == {
        "key": "file:key",
        "platform": {"name": "fhir", "secrets": {"token": "keyring:t"}},
    }
    assert [p.name for p in path.parent.iterdir()] == ["handrail.toml"]
    if os.name == "posix":
        modes = [stat.S_IMODE(p.stat().st_mode) for p in (path.parent.parent, path.parent, path)]
        assert modes == [0o700, 0o700, 0o600]


def test_saving_into_what_is_no_toml_changes_nothing(file: Path) -> None:
    """A slip made by hand must not cost the rest of the file."""
    file.write_text("key = \n")
    with pytest.raises(SettingsError, match="nothing was changed"):
        save(file, {"practice": "x"})
    assert file.read_text() == "key = \n"
    with pytest.raises(SettingsError, match="cannot be written"):
        save(file / "below" / "h.toml", {"practice": "x"})
