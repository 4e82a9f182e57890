"""Folders for what parsers read from a file: in memory where there is such a place; the disk costs ten times that."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory

_MEMORY = Path("/dev/shm")  # Linux


def folder(name: str) -> TemporaryDirectory[str]:
    """A folder that is removed by `cleanup`."""
    there = _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK | os.X_OK)
    return TemporaryDirectory(prefix=f"handrail-{name}-", dir=_MEMORY if there else None)
