"""What every test gets: the real servers, and a surrounding without this machine's own settings."""

from __future__ import annotations

import pytest

pytest_plugins = ["tests.peers.plugin"]

_OURS = ("HANDRAIL_SETTINGS", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY", "NETRC")


@pytest.fixture(autouse=True)
def _clean_surrounding(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test reads or writes the settings, keyring or proxy of the person who runs it."""
    for name in _OURS:
        monkeypatch.delenv(name, raising=False)
    home = tmp_path_factory.mktemp("home")
    for name in ("HOME", "USERPROFILE", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(home))
