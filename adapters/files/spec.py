"""The descriptor of the files adapter: its settings, what it can do, and where its modules are found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...plugin_core.contracts import Adapter, AdapterContext, AdapterSpec, Capabilities, Dialogue, Support

if TYPE_CHECKING:
    from marshmallow import Schema


def _settings() -> type[Schema]:
    from .settings import FilesSettings

    return FilesSettings


def _open(context: AdapterContext) -> Adapter:
    from .adapter import FilesAdapter

    return FilesAdapter(context)


def _arrange(context: AdapterContext, dialogue: Dialogue) -> Sequence[str]:
    from .arrange import arrange

    return arrange(context, dialogue)


SPEC = AdapterSpec(
    name="files",
    title="Files (CSV, Excel)",
    settings=_settings,
    capabilities=Capabilities(lists_forms=True, gives_clinicians=True, lists_all=False, tells_accounts=False),
    carriers=(),
    open=_open,
    arrange=_arrange,
    support=Support(
        tested="hand-made",
        against="files written by the tests; no vendor's real export was seen by us",
        pulls="CSV and XLSX files in one folder, wide or long; a file is read anew when its size or time changed",
        asks="No; forms are given out in the platform, or on paper.",
        limits="None but the computer's; rows are streamed.",
        quirks=(
            "Each layout is confirmed by a person before the first import; a file that deviates is set aside whole.",
            "A file that vanishes withdraws nothing.",
            "Flags are entered by hand: handrail flags --by-hand.",
        ),
    ),
)
