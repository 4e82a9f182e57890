"""Holds every package of the lock files to a table of allowed licences (S46).

    python -m tests.supply.licences

Read from the installed packages' own metadata. What Handrail links to or ships with must leave a practice and a vendor
free; libraries under the LGPL or the MPL do, as they are used unchanged and can be replaced.
"""

from __future__ import annotations

import re
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

REQUIREMENTS = Path(__file__).parents[2] / "requirements"
LOCKS = ("base.lock", "test.lock")
ALLOWED = frozenset(
    {
        "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "ISC", "LGPL-3.0-only", "MIT", "MIT-0",
        "MPL-2.0", "PSF-2.0", "Unlicense", "Zlib", "ZPL-2.1",
    }
)  # fmt: skip
# How packages without an SPDX expression say it, in their classifiers or in words.
SPELLED = {
    "apache software license": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "bsd license": "BSD-3-Clause",
    "isc license (iscl)": "ISC",
    "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "psfl": "PSF-2.0",
    "python software foundation license": "PSF-2.0",
    "the unlicense (unlicense)": "Unlicense",
    "zope public license": "ZPL-2.1",
    "zpl 2.1": "ZPL-2.1",
    "osi approved": "",
}
# Packages whose metadata name no licence; what their LICENSE file says.
NAMED = {"sqlcipher3": "Zlib"}
_NAME = re.compile(r"^([A-Za-z0-9][\w.-]*)==", re.MULTILINE)


def locked() -> list[str]:
    """The names of all packages in the lock files."""
    return sorted({name for lock in LOCKS for name in _NAME.findall((REQUIREMENTS / lock).read_text("utf-8"))})


def licence_of(package: Distribution) -> str:
    """An SPDX expression for what a package says of itself; what it says, where that is no known licence."""
    about = package.metadata
    name = str(about["Name"]).lower()
    if name in NAMED:
        return NAMED[name]
    if "License-Expression" in about:
        return str(about["License-Expression"])
    said = [one.split(" :: ")[-1] for one in about.get_all("Classifier") or [] if one.startswith("License ::")]
    said = said or (str(about["License"]).splitlines()[:1] if "License" in about else [])
    found = [SPELLED.get(one.lower(), one) for one in said]
    return " AND ".join(one for one in found if one) or "unknown"


def allowed(expression: str) -> bool:
    """Whether an SPDX expression is allowed: of `OR` any part, of `AND`, or of both together, each."""
    parts = re.split(r"\s+(?:AND|OR|WITH)\s+", re.sub(r"[()]", " ", expression))
    fine = [part.strip() in ALLOWED for part in parts]
    return any(fine) if re.search(r"\s(AND|WITH)\s", expression) is None else all(fine)


def refused() -> list[str]:
    """`package: licence` of each installed package of the lock files that is not allowed."""
    found = []
    for name in locked():
        try:
            licence = licence_of(distribution(name))
        except PackageNotFoundError:
            continue  # of another system
        if not allowed(licence):
            found.append(f"{name}: {licence}")
    return found


def main() -> int:
    """Ends with 1 where a licence is not in the table."""
    found = refused()
    print(
        "\n".join(f"licence not allowed: {line}" for line in found) or f"licences: {len(locked())} packages, all fine"
    )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
