"""Where secrets live: keyring or owner-only file, by reference, and no silent way from one to the other."""

from __future__ import annotations

import copy
import json
import os
import pickle
import stat
from pathlib import Path

import keyring
import keyring.backends.fail
import keyring.backends.null
import keyring.errors
import pytest
from handrail.plugin_core.errors import KeyProblem, SettingsError
from handrail.plugin_core.store import keys
from keyring.backend import KeyringBackend

SECRET = "zebrafinch-secret"


class Memory(KeyringBackend):
    """A keyring that works."""

    priority = 1

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.entries: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.entries[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.entries[service, username]


class Locked(Memory):
    """One whose owner is away."""

    def get_password(self, service: str, username: str) -> str | None:
        raise keyring.errors.KeyringLocked(SECRET)

    def set_password(self, service: str, username: str, password: str) -> None:
        raise keyring.errors.KeyringLocked(SECRET)


class PlaintextKeyring(Memory):
    """As the one of the package keyrings.alt: a file in clear text."""


def use(monkeypatch: pytest.MonkeyPatch, backend: KeyringBackend) -> None:
    monkeypatch.setattr(keyring, "get_keyring", lambda: backend)
    monkeypatch.setattr(keyring, "get_password", backend.get_password)
    monkeypatch.setattr(keyring, "set_password", backend.set_password)


def test_s9_a_file_is_written_for_its_owner_only_and_read_back(tmp_path: Path) -> None:
    """The key opens every answer of the practice."""
    old = os.umask(0)
    try:
        keys.write(f"file:{tmp_path}/new/deep/key", SECRET)
    finally:
        os.umask(old)
    assert keys.read(f"file:{tmp_path}/new/deep/key").reveal() == SECRET
    assert keys.exists(f"file:{tmp_path}/new/deep/key")
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in sorted((tmp_path / "new").rglob("*"))}
    assert modes == {"deep": 0o700, "key": 0o600}
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's; Windows keeps an ACL instead")
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_s9_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    """Said with the command that mends it."""
    path = tmp_path / "key"
    path.write_text(SECRET)
    path.chmod(mode)
    with pytest.raises(KeyProblem, match="chmod 600") as caught:
        keys.read(f"file:{path}")
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("literal", [SECRET, "", "keyring:", "file:", "vault:x", f"env:{SECRET}"])
def test_s9_a_literal_secret_is_refused_and_not_repeated(literal: str) -> None:
    """A pasted token must not end in a log."""
    for call in (keys.read, keys.exists, lambda ref: keys.write(ref, "x")):
        with pytest.raises(SettingsError, match="must be a reference") as caught:
            call(literal)
        assert SECRET not in str(caught.value)


def test_a_missing_or_binary_file_is_said_plainly(tmp_path: Path) -> None:
    """The person who moved the laptop needs to know which file."""
    with pytest.raises(KeyProblem, match=r"nothing\.key.*from your copy"):
        keys.read(f"file:{tmp_path}/nothing.key")
    path = tmp_path / "binary"
    path.write_bytes(b"\xff\xfe\x00")
    path.chmod(0o600)
    with pytest.raises(KeyProblem, match="holds no text"):
        keys.read(f"file:{path}")
    with pytest.raises(KeyProblem, match="cannot be written"):
        keys.write(f"file:{path}/below", SECRET)


def test_s10_the_keyring_is_used_when_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """And under one service name, so that a person finds the entry."""
    ring = Memory()
    use(monkeypatch, ring)
    assert not keys.exists("keyring:store")
    keys.write("keyring:store", SECRET)
    assert ring.entries == {("handrail", "store"): SECRET}
    assert keys.read("keyring:store").reveal() == SECRET
    with pytest.raises(KeyProblem, match="handrail/other"):
        keys.read("keyring:other")


@pytest.mark.parametrize(
    "backend", [keyring.backends.fail.Keyring, keyring.backends.null.Keyring, PlaintextKeyring], ids=str
)
def test_s10_no_keyring_is_a_choice_not_a_fall_back(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, backend: type[KeyringBackend]
) -> None:
    """A server without a keyring must not get its key in clear text somewhere."""
    use(monkeypatch, backend())
    monkeypatch.chdir(tmp_path)
    for call in (lambda: keys.read("keyring:store"), lambda: keys.write("keyring:store", SECRET)):
        with pytest.raises(KeyProblem, match="--key-file"):
            call()
    assert list(tmp_path.rglob("*")) == []


def test_s10_a_locked_keyring_is_said_and_its_own_text_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's text is not ours to trust."""
    use(monkeypatch, Locked())
    for call in (lambda: keys.read("keyring:store"), lambda: keys.write("keyring:store", "x")):
        with pytest.raises(KeyProblem, match="Unlock it") as caught:
            call()
        assert SECRET not in str(caught.value)


def test_s12_a_secret_shows_and_gives_away_nothing() -> None:
    """Objects end in logs, dumps and crash reports."""
    secret = keys.Secret(SECRET)
    assert SECRET not in repr(secret) + str(secret) + f"{secret}" + f"{[secret]}"
    for give in (pickle.dumps, copy.deepcopy, copy.copy, json.dumps):
        with pytest.raises(TypeError):
            give(secret)
    assert not hasattr(secret, "__dict__")


def test_a_master_key_is_32_random_bytes(tmp_path: Path) -> None:
    """Anything else in its place is named before the store is touched."""
    reference = f"file:{tmp_path}/key"
    keys.write(reference, keys.make_master())
    assert len(keys.master(reference)) == 32
    assert keys.make_master() != keys.make_master()
    for wrong in ("", "short", "not base64 at all!", "QUJD"):
        keys.write(reference, wrong)
        with pytest.raises(KeyProblem, match="not a Handrail key"):
            keys.master(reference)
