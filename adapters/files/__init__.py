"""Files as a platform: a watched folder of CSV and Excel exports. Only the hook lives here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...plugin_core import hookimpl

if TYPE_CHECKING:
    from ...plugin_core.contracts import AdapterSpec


@hookimpl
def register_adapters() -> Sequence[AdapterSpec]:
    """The adapter `files`."""
    from .spec import SPEC

    return [SPEC]
