"""Is it the disk? SQLite says "disk I/O error" or "unable to open" where its helper files find no room (F71)."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

ROOM = 1 << 17
"""Bytes: the shared memory beside a store takes 32 KiB, its log and the file itself what a transaction writes."""

FULL, READ_ONLY = "full", "read-only"


def state(database: Path) -> str | None:
    """FULL or READ_ONLY where the disk or folder of that file is; None where neither is seen."""
    folder = database.parent
    try:
        if shutil.disk_usage(folder).free < ROOM:
            return FULL
    except OSError:
        return None
    return None if os.access(folder, os.W_OK) else READ_ONLY
