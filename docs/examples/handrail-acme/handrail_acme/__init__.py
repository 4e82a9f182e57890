"""Acme's platform, form and rule for Handrail. Imported only when the practice allows it; its own imports are late."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from handrail.plugin_core import hookimpl

if TYPE_CHECKING:
    from handrail.plugin_core.contracts import AdapterSpec, RuleSpec
    from handrail.schemas.records import Instrument

if mark := os.environ.get("ACME_IMPORT_MARK"):  # a side effect on import, so that a test can see whether it happened
    Path(mark).touch()


@hookimpl
def register_instruments() -> Sequence[Instrument]:
    """The form `acme5`."""
    from handrail.plugin_core.instruments import read

    raw = files(__name__).joinpath("acme5.json").read_bytes()
    return [read(raw, name="acme5.json")]


@hookimpl
def register_rules() -> Sequence[RuleSpec]:
    """The rule `ACME1`."""
    from .rule import SPEC

    return [SPEC]


@hookimpl
def register_adapters() -> Sequence[AdapterSpec]:
    """The platform `acme`."""
    from .spec import SPEC

    return [SPEC]
