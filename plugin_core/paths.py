"""Where the settings lie. Kept apart from settings.py, which is slow to import, for the sake of `--help`."""

from __future__ import annotations

import os
from pathlib import Path

APP = "handrail"
VARIABLE = "HANDRAIL_SETTINGS"
FILE = "handrail.toml"


def default_file() -> Path:
    """Where the settings lie when nothing else is said."""
    if named := os.environ.get(VARIABLE):
        return Path(named)
    import platformdirs

    return Path(platformdirs.user_config_dir(APP)) / FILE


def is_file(path: Path) -> bool:
    """Whether a file is there that this user can see; in a folder that is closed to them there is none."""
    try:
        return path.is_file()
    except OSError:
        return False
