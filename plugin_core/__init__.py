"""The core of Handrail: hooks, scoring, rules, store and sync. What is public is named in `__all__`.

Importing this is cheap on purpose: an adapter's entry module imports it at every start of the command.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from .engine import Engine

PROJECT = "handrail"
hookimpl = pluggy.HookimplMarker(PROJECT)
hookspec = pluggy.HookspecMarker(PROJECT)

__all__ = ["PROJECT", "Engine", "hookimpl", "hookspec"]


def __getattr__(name: str) -> Any:
    if name == "Engine":  # heavy (SQLAlchemy), hence only when asked for
        from .engine import Engine

        return Engine
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
