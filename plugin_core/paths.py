"""Where the settings lie and what runs share. Apart from settings.py, which is slow to import, for `--help`'s sake."""

from __future__ import annotations

import os
from pathlib import Path

APP = "handrail"
VARIABLE = "HANDRAIL_SETTINGS"
STATE_VARIABLE = "HANDRAIL_STATE"
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


def shared_folder() -> Path:
    """A folder of this user that outlives runs and is shared by all settings files: counts against platforms' limits.

    Where `HANDRAIL_STATE` points, else where the system keeps such things.
    """
    if named := os.environ.get(STATE_VARIABLE):
        return Path(named)
    import platformdirs

    return Path(platformdirs.user_state_dir(APP))
