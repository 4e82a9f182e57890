"""Hostile text for every text field: of a record, and of all records inside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

PAYLOADS = (
    "<img src=x onerror=document.title='ran'>",
    "\"><svg/onload=document.title='ran'>",
    "' onmouseover='document.title=1",
    "</script><script>document.title='ran'</script>",
    "</style><style>*{display:none}</style>",
    "{{7*7}}{% raw %}",
    "<!--",
    "]]>",
    "[bold red]x[/bold red] [link=http://x.invalid]y[/link]",
    "\x1b[31m\x1b]0;title\x07\x9b31m",
    "\u202egnp.exe\u2066",
    "line\nbreak\r\ttab\x00nul",
    "http://x.invalid/a.png",
)
PAYLOAD = " ".join(PAYLOADS)


def poisoned(thing: Any, payload: str = PAYLOAD) -> Any:
    """The same with the payload behind every text, names and keys of tables included, so that they still match."""
    if isinstance(thing, Enum) or thing is None:
        return thing
    if isinstance(thing, str):
        return f"{thing}{payload}"
    if is_dataclass(thing) and not isinstance(thing, type):
        return type(thing)(**{f.name: poisoned(getattr(thing, f.name), payload) for f in fields(thing)})
    if isinstance(thing, Mapping):
        return {poisoned(k, payload): poisoned(v, payload) for k, v in thing.items()}
    if isinstance(thing, tuple | frozenset):
        return type(thing)(poisoned(one, payload) for one in thing)
    return thing
