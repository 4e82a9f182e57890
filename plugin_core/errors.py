"""The error tree: what a person can do about it decides the class, and with it the exit status of a command.

Every message is a plain sentence for a practice manager: what happened, where, what to do. It never holds a client's
name, reference, answer or a token (S24); technical detail that is safe to log goes into `detail`.
"""

from __future__ import annotations

from datetime import datetime

BY_A_PERSON = 2  # the exit status of what no repetition mends: a wrong call, settings, credentials


class HandrailError(Exception):
    """Something that a person must know. `detail` is for the log, under the same privacy rules."""

    exit_status = 1

    def __init__(self, message: str, *, detail: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail


class UsageError(HandrailError):
    """The call or the settings are wrong; nothing was done."""

    exit_status = BY_A_PERSON


class SettingsError(UsageError):
    """A setting is missing, misspelled or not allowed; the message names the setting."""


class PluginError(HandrailError):
    """A plugin could not be loaded, clashes with another, or raised. Names the plugin and its distribution."""


class StoreError(HandrailError):
    """The store cannot be opened, read or written; nothing was half done."""


class KeyProblem(StoreError):
    """The store's key is missing or is not the one the store was sealed with. Nothing is written (S18)."""


class SealBroken(StoreError):
    """A sealed value was edited or moved to another row (S16). The message names table and row, not the content."""


class Busy(HandrailError):
    """Another process is syncing or pushing; the message names it (F73). `since`: when it began, if known."""

    def __init__(self, message: str, *, since: datetime | None = None) -> None:
        super().__init__(message)
        self.since = since


class InstrumentProblem(HandrailError):
    """An instrument file or a mapping cannot be used; the message names the path inside it."""


class PlatformError(HandrailError):
    """Something between us and the platform."""


class Unreachable(PlatformError):
    """The platform did not answer, or only with errors that pass; go on later from the same place (F32, F35)."""

    exit_status = 3


class Denied(PlatformError):
    """The credential is wrong, expired for good, or lacks a permission; retrying does not help (F34, F44)."""

    exit_status = BY_A_PERSON


class NotTheApi(PlatformError):
    """The address answers, but not as this platform's API does: a login page, another server (F14, F39)."""

    exit_status = BY_A_PERSON


class UnsafeLink(PlatformError):
    """The platform sent a link that leads away from the configured address; it was not followed (S1, F23)."""


class Unsupported(PlatformError):
    """The platform, or this adapter, cannot do what was asked."""


class MailProblem(HandrailError):
    """The mail server did not take a message. `passing`: it may take it later; else a person must mend something."""

    def __init__(self, message: str, *, passing: bool, detail: str | None = None) -> None:
        super().__init__(message, detail=detail)
        self.passing = passing


class AddressRefused(MailProblem):
    """The recipient's address is none, or takes no mail: the fault of this one letter, not of the practice's server."""
