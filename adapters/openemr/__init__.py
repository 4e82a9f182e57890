"""OpenEMR as a platform. Only the hook lives here; what it names is imported when it is used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...plugin_core import hookimpl

if TYPE_CHECKING:
    from ...plugin_core.contracts import AdapterSpec


@hookimpl
def register_adapters() -> Sequence[AdapterSpec]:
    """The adapter `openemr`."""
    from .spec import SPEC

    return [SPEC]
