"""This computer's time zone by the name that the tz database gives it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

LINK = Path("/etc/localtime")
NAMED = Path("/etc/timezone")
# What Windows calls the zones in which Handrail is likeliest to run (Unicode CLDR, windowsZones, first of each).
WINDOWS = {
    "GMT Standard Time": "Europe/London",
    "W. Europe Standard Time": "Europe/Berlin",
    "Romance Standard Time": "Europe/Paris",
    "Central Europe Standard Time": "Europe/Budapest",
    "Central European Standard Time": "Europe/Warsaw",
    "E. Europe Standard Time": "Europe/Chisinau",
    "FLE Standard Time": "Europe/Kiev",
    "GTB Standard Time": "Europe/Bucharest",
    "Eastern Standard Time": "America/New_York",
    "Central Standard Time": "America/Chicago",
    "Mountain Standard Time": "America/Denver",
    "US Mountain Standard Time": "America/Phoenix",
    "Pacific Standard Time": "America/Los_Angeles",
    "Alaskan Standard Time": "America/Anchorage",
    "Hawaiian Standard Time": "Pacific/Honolulu",
    "Atlantic Standard Time": "America/Halifax",
    "Newfoundland Standard Time": "America/St_Johns",
    "AUS Eastern Standard Time": "Australia/Sydney",
    "E. Australia Standard Time": "Australia/Brisbane",
    "Cen. Australia Standard Time": "Australia/Adelaide",
    "W. Australia Standard Time": "Australia/Perth",
    "New Zealand Standard Time": "Pacific/Auckland",
    "India Standard Time": "Asia/Calcutta",
    "South Africa Standard Time": "Africa/Johannesburg",
    "Israel Standard Time": "Asia/Jerusalem",
}


def local_zone() -> str | None:
    """The zone's name, such as Europe/Zurich; None where this computer does not tell it."""
    told = (os.environ.get("TZ", "").lstrip(":"), *(_windows() if sys.platform == "win32" else _unix()))
    return next((name for name in told if name and _known(name)), None)


def _unix() -> list[str]:
    """What /etc/localtime links to (its own target before what that leads to), and what Debian writes beside it."""
    found = []
    if LINK.is_symlink():
        targets = (str(LINK.readlink()), str(LINK.resolve()))
        found += [hit[1] for target in targets if (hit := re.search(r"zoneinfo[^/]*/(.+)", target))]
    try:
        found.append(NAMED.read_text(encoding="ascii").strip())
    except (OSError, UnicodeDecodeError):
        return found
    return found


def _windows() -> list[str]:
    try:
        asked = subprocess.run(["tzutil", "/g"], capture_output=True, encoding="ascii", errors="replace", check=False)  # noqa: S607 - a part of Windows
    except OSError:
        return []
    name = asked.stdout.strip().removesuffix("_dstoff")
    return [WINDOWS[name]] if name in WINDOWS else []


def _known(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True
