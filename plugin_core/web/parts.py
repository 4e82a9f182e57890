"""The parts of the desk, in the order in which they are put together. A part is a module of this package.

Each has `pages`, a Flask blueprint. What else a part brings it does in `begin(app)`, if it has one.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

PARTS = (
    "files",
    "signing",
    "openid",
    "people",
    "clients",
    "client",
    "acts",
    "due",
    "cds",
    "smart",
    "api",
    "programs",
    "hooks",
    "form",
    "kiosk",
    "handing",
    "own",
    "selfcheck",
    "health",
)


def put_together(app: Flask) -> None:
    """Registers every part."""
    for name in PARTS:
        part = import_module(f".{name}", __package__)
        app.register_blueprint(part.pages)
        if begin := getattr(part, "begin", None):
            begin(app)
