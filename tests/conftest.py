"""What every test gets: the real servers, and a surrounding without this machine's own settings."""

from __future__ import annotations

import logging
import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings

from .overhearing import Overheard

pytest_plugins = ["tests.peers.plugin"]

# No example has to be done within so many milliseconds: a busy machine is no fault of Handrail's.
settings.register_profile("handrail", deadline=None)
settings.load_profile("handrail")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Tests that run in the background of a script are deaf to Ctrl-C, and so would be all that they start.
    signal.signal(signal.SIGINT, signal.default_int_handler)

_OURS = ("HANDRAIL_SETTINGS", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY", "NETRC")


@pytest.fixture(autouse=True)
def _clean_surrounding(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test reads or writes the settings, keyring or proxy of the person who runs it."""
    for name in _OURS:
        monkeypatch.delenv(name, raising=False)
    home = tmp_path_factory.mktemp("home")
    for name in ("HOME", "USERPROFILE", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(home))


@pytest.fixture(autouse=True)
def _nobody_is_in_the_logs(request: pytest.FixtureRequest) -> Iterator[None]:
    """S23: whatever a test does, no log line of ours or of a library holds a name, an answer or a token."""
    root, database, heard = logging.getLogger(), logging.getLogger("sqlalchemy"), Overheard()
    before = root.level, database.level
    root.setLevel(logging.DEBUG)
    database.setLevel(logging.WARNING)  # a line for each row would slow all; sync/test_privacy.py hears those, too
    root.addHandler(heard)
    yield
    root.removeHandler(heard)
    root.setLevel(before[0])
    database.setLevel(before[1])
    if request.node.get_closest_marker("logs_canaries") is None:
        assert heard.lines == [], "\n".join(heard.lines[:5])
