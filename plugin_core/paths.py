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
