"""Where secrets live: the system's keyring, or a file that only its owner can read. Never in the settings (S9).

A reference is `keyring:NAME` or `file:PATH`. There is no silent fall-back from one to the other (S10).
"""

from __future__ import annotations

import base64
import os
import secrets
import stat
import sys
from pathlib import Path

from .. import private
from ..errors import KeyProblem, SettingsError
from ..words import tr
from ..words.kept import why_of
from .seal import KEY_BYTES

SERVICE = "handrail"
WINDOWS_MOST = 5 * 512  # bytes of one entry (CRED_MAX_CREDENTIAL_BLOB_SIZE); a private key is often longer


class Secret:
    """A secret that prints as `***` and cannot be pickled (S12). `reveal()` gives it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The secret itself; call it where it is used, and keep no copy."""
        return self._value

    def __repr__(self) -> str:
        return "***"

    def __reduce__(self) -> str:
        raise TypeError("a Secret is never pickled")


def read(reference: str) -> Secret:
    """The secret that a reference names.

    :raises KeyProblem: it is not there, or is readable by others; the message says what to do.
    """
    kind, name = _parts(reference)
    return Secret(_from_keyring(name) if kind == "keyring" else _from_file(Path(name)))


def write(reference: str, value: str) -> None:
    """Stores a secret under a reference: in the keyring, or in a new file that only its owner can read (S19)."""
    kind, name = _parts(reference)
    if kind == "keyring":
        if sys.platform == "win32" and len(value.encode("utf-16-le")) > WINDOWS_MOST:
            raise KeyProblem(
                tr(
                    "This secret is longer than the Windows credential store takes. Keep it in a file that only you "
                    "can read, and refer to it as file:PATH instead of keyring:NAME."
                )
            )
        _Keyring().set_password(SERVICE, name, value)
        return
    try:
        private.write(Path(name), value + "\n")
    except OSError as error:
        raise KeyProblem(
            tr(
                "The secret file {name} cannot be written ({why}). Choose another place for it.",
                name=name,
                why=why_of(error),
            )
        ) from None


def exists(reference: str) -> bool:
    """Whether something is stored under the reference."""
    kind, name = _parts(reference)
    if kind == "keyring":
        return _Keyring().get_password(SERVICE, name) is not None
    return Path(name).exists()


def remove(reference: str) -> None:
    """Removes what is stored under the reference; nothing there is fine."""
    kind, name = _parts(reference)
    if kind == "keyring":
        _Keyring().delete_password(SERVICE, name)
        return
    try:
        Path(name).unlink(missing_ok=True)
    except OSError as error:
        raise KeyProblem(
            tr("The secret file {name} cannot be removed ({why}). Remove it by hand.", name=name, why=why_of(error))
        ) from None


def _parts(reference: str) -> tuple[str, str]:
    """Kind and name of a reference; what is none is never repeated, since it may be the secret itself (S9)."""
    kind, _, name = reference.partition(":")
    if kind not in ("keyring", "file") or not name:
        raise SettingsError(
            tr(
                "A secret in the settings must be a reference such as keyring:NAME or file:/path, not the secret "
                "itself."
            )
        )
    return kind, name


def make_master() -> str:
    """A new master key, as text for the keyring or the key file."""
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def master(reference: str) -> bytes:
    """The 32 bytes of the master key that a reference names."""
    try:
        raw = base64.b64decode(read(reference).reveal(), validate=True)
    except ValueError:
        raw = b""
    if len(raw) != KEY_BYTES:
        raise KeyProblem(
            tr(
                "The store's key is not a Handrail key. Nothing was opened. Put the right key back, or restore it "
                "from where you keep its copy."
            )
        )
    return raw


def _from_file(path: Path) -> str:
    try:
        mode = path.stat().st_mode
        if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
            raise KeyProblem(tr("Others on this computer can read {path}. Run: chmod 600 {path}", path=path))
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise KeyProblem(
            tr(
                "The secret file {path} cannot be read ({why}). Put it back from your copy.",
                path=path,
                why=why_of(error),
            )
        ) from None
    except UnicodeDecodeError:
        raise KeyProblem(tr("The secret file {path} holds no text. Put the right file back.", path=path)) from None


def _from_keyring(name: str) -> str:
    value = _Keyring().get_password(SERVICE, name)
    if value is None:
        raise KeyProblem(
            tr(
                "The system's keyring has no entry {service}/{name}. If this is another computer or user, bring the "
                "key over; without it the store stays closed.",
                service=SERVICE,
                name=name,
            )
        )
    return str(value)


def _keeps_nothing_secret(backend: object) -> bool:
    """Whether a back end stores nothing at all, or in clear text (S10)."""
    kind = type(backend)
    return kind.__module__.endswith(".null") or "plaintext" in kind.__name__.lower()


class _Keyring:
    """The few calls of the keyring library that we use, its failures as plain sentences."""

    def __init__(self) -> None:
        import keyring  # slow to import (it looks for back ends), hence only when a reference asks for it
        import keyring.backends.fail
        import keyring.errors

        self._ring = keyring
        self._error = keyring.errors.KeyringError
        backend = keyring.get_keyring()
        if isinstance(backend, keyring.backends.fail.Keyring) or _keeps_nothing_secret(backend):
            raise KeyProblem(
                tr(
                    "This computer offers no keyring to this user (common on servers). Choose a key file that only "
                    "you can read: handrail init --key-file"
                )
            )

    def get_password(self, service: str, name: str) -> str | None:
        try:
            return self._ring.get_password(service, name)
        except self._error as error:
            raise _locked(error) from None

    def set_password(self, service: str, name: str, value: str) -> None:
        try:
            self._ring.set_password(service, name, value)
        except self._error as error:
            raise _locked(error) from None

    def delete_password(self, service: str, name: str) -> None:
        if self.get_password(service, name) is None:
            return
        try:
            self._ring.delete_password(service, name)
        except self._error as error:
            raise _locked(error) from None


def _locked(error: Exception) -> KeyProblem:
    return KeyProblem(
        tr("The system's keyring did not open ({fault}). Unlock it, then try again.", fault=type(error).__name__)
    )
