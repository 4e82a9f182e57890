"""What an engine takes where its caller gives nothing, as the commands open it: changed for one test."""

from __future__ import annotations

import pytest
from handrail.plugin_core.engine import Engine


def set_defaults(monkeypatch: pytest.MonkeyPatch, **those: object) -> None:
    """Engines that are opened from now on have these, `now` and `sleep` for example, until the test ends."""
    own = Engine.__init__.__kwdefaults__
    assert own is not None
    for name, value in those.items():
        monkeypatch.setitem(own, name, value)
